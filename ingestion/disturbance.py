"""Makes a clean stream of readings as dirty as a real one, and knows by how much."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestion.malformed import malformed
from ingestion.records import KINDS, MALFORMED, Records, joined, objects
from ingestion.traffic_event import encode_events
from specs.errors import WrongInput

Floats = npt.NDArray[np.float64]

LATE_WATERMARKS = (0.1, 0.8)
"""How long late readings are held back, in watermarks: they still reach their window."""
TOO_LATE_WATERMARKS = (3.0, 5.0)
"""Past the watermark, and past the end of a window that is 2 watermarks long, too."""
TOO_LATE_SHARE = 0.25
"""Share of the late ones that come after the watermark."""
RESEND_WATERMARKS = (0.0, 0.5)
GATHERED_ROWS = 2_000
ON_TIME, LATE, TOO_LATE, DUPLICATE, FIRST_MALFORMED = map(
    KINDS.index, ("on_time", "late", "too_late", "duplicate", MALFORMED[0])
)


@dataclass(frozen=True)
class Disturbance:
    """What to do to a stream; each ratio is of its readings, from 0 to 1.

    Attributes:
        late_ratio: readings that are held back, some beyond the watermark.
        duplicate_ratio: readings that are sent once more, later.
        malformed_ratio: extra records that are wrong. Nothing real is destroyed.
        watermark_seconds: how late a reading may be, in event time (``transforms.yaml``).
        seed: decides which.
    """

    late_ratio: float = 0.0
    duplicate_ratio: float = 0.0
    malformed_ratio: float = 0.0
    watermark_seconds: float = 600.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            WrongInput: a ratio is not from 0 to 1.
        """
        for name in ("late_ratio", "duplicate_ratio", "malformed_ratio"):
            ratio = getattr(self, name)
            if not 0 <= ratio <= 1:
                raise WrongInput(f"{name.removesuffix('_ratio')} is {ratio:g}; give 0 to 1")


class _Draws:
    """Random numbers of one seed, each purpose on its own: how rows are batched changes none."""

    def __init__(self, seed: int) -> None:
        self._streams = [np.random.default_rng([seed, 4, purpose]) for purpose in range(7)]

    def uniform(self, rows: int) -> list[Floats]:
        """For each purpose, one number in [0, 1) a row."""
        return [stream.random(rows) for stream in self._streams]


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in fewer batches: each costs 8 ms of CPU to encode, however small it is."""
    parts: list[pa.RecordBatch] = []
    for batch in batches:
        parts.append(batch)
        if sum(part.num_rows for part in parts) >= GATHERED_ROWS:
            yield pa.concat_batches(parts)
            parts.clear()
    if parts:
        yield pa.concat_batches(parts)


def disturb(batches: Iterable[pa.RecordBatch], disturbance: Disturbance) -> Iterator[Records]:
    """Encode readings as Kafka records in the order they are to be sent, disturbed.

    Equal readings and disturbances give equal bytes in equal order, however the readings are
    batched. Memory holds a batch and what is held back.

    Args:
        batches: events in event-time order.
        disturbance: how much to disturb; by default nothing.

    Yields:
        Records, keyed by ``segment_id``; each says of what kind it is. A reading is sent when its
        event time passes (its position), a late one after that; a duplicate after its reading;
        a malformed record with the reading it resembles. When the readings end, what is held
        back goes out at once, as the kind that it then is.
    """
    draws = _Draws(disturbance.seed)
    held: Records | None = None
    passed = 0.0
    for batch in batches:
        if not batch.num_rows:
            continue
        made = _records(batch, disturbance, draws)
        waiting = made if held is None else joined([held, made])
        waiting = waiting[np.argsort(waiting.position, kind="stable")]
        passed = batch.column("event_time")[-1].value / 1e6
        # What falls on the last event time waits: the next batch may begin with the same.
        count = int(np.searchsorted(waiting.position, passed, side="left"))
        held = waiting[count:]
        if count:
            yield waiting[:count]
    if held is not None and len(held):
        yield _released(held, passed, disturbance)


def _released(held: Records, now: float, disturbance: Disturbance) -> Records:
    """``held``, sent at event time ``now`` whatever its position."""
    lateness = now - held.event_time
    kinds = held.kinds.copy()
    is_too_late = (kinds == TOO_LATE) & (lateness <= disturbance.watermark_seconds)
    kinds[is_too_late] = LATE
    kinds[(kinds == LATE) & (lateness <= 0)] = ON_TIME
    position = np.minimum(held.position, now)
    return Records(held.keys, held.values, position, held.event_time, kinds)


def _records(batch: pa.RecordBatch, disturbance: Disturbance, draws: _Draws) -> Records:
    """Every record that the readings of ``batch`` give, by reading."""
    table = pa.Table.from_batches([batch])
    values = objects(list(encode_events(table)))
    keys = objects(table["segment_id"].cast(pa.binary()).to_pylist())
    event_time = table["event_time"].cast(pa.int64()).to_numpy() / 1e6
    late, too_late, hold, again, resend, wrong, kind = draws.uniform(len(values))
    water = disturbance.watermark_seconds

    is_late = late < disturbance.late_ratio
    is_too_late = is_late & (too_late < TOO_LATE_SHARE)
    delay = np.where(
        is_too_late, _between(TOO_LATE_WATERMARKS, hold), _between(LATE_WATERMARKS, hold)
    )
    position = event_time + np.where(is_late, delay * water, 0.0)
    kinds = np.where(is_too_late, TOO_LATE, np.where(is_late, LATE, ON_TIME)).astype(np.uint8)
    readings = Records(keys, values, position, event_time, kinds)

    chosen = np.flatnonzero(again < disturbance.duplicate_ratio)
    original = readings[chosen]
    resent = original.position + _between(RESEND_WATERMARKS, resend[chosen]) * water
    duplicates = replace(original, position=resent, kinds=np.full(len(chosen), DUPLICATE, np.uint8))

    spoilt = np.flatnonzero(wrong < disturbance.malformed_ratio)
    which = (kind[spoilt] * len(MALFORMED)).astype(np.uint8)
    wire = [
        malformed(MALFORMED[k], keys[row], values[row])
        for k, row in zip(which, spoilt, strict=True)
    ]
    bad = replace(
        readings[spoilt],
        keys=objects([key for key, _ in wire]),
        values=objects([value for _, value in wire]),
        kinds=which + np.uint8(FIRST_MALFORMED),
    )
    everything = joined([readings, duplicates, bad])
    row = np.concatenate([np.arange(len(values)), chosen, spoilt])
    return everything[np.argsort(row, kind="stable")]


def _between(bounds: tuple[float, float], share: Floats) -> Floats:
    return bounds[0] + (bounds[1] - bounds[0]) * share
