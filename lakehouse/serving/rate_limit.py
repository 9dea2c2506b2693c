"""How many requests one client may make: a bucket of tokens each, refilled with time."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """Token buckets of the clients seen last."""

    def __init__(
        self, per_second: float, burst: int, max_clients: int, clock: Callable[[], float]
    ) -> None:
        """Allow each client ``burst`` requests at once and ``per_second`` on average."""
        self._per_second, self._burst = per_second, burst
        self._max_clients, self._clock = max_clients, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_seconds(self, client: str) -> float:
        """Take a token: 0 where there was one, else how long until there is."""
        moment = self._clock()
        bucket = self._buckets.pop(client, None) or _Bucket(self._burst, moment)
        gained = (moment - bucket.filled_at) * self._per_second
        bucket.tokens, bucket.filled_at = min(self._burst, bucket.tokens + gained), moment
        self._buckets[client] = bucket
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._per_second
        bucket.tokens -= 1
        return 0.0
