"""Work that follows the stream one batch behind, on a thread of its own."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait


class OneBehind:
    """Does one piece of work at a time; whoever brings the next waits for the one before."""

    def __init__(self) -> None:
        """Nothing at hand."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="one-behind")
        self._at_hand: Future[None] | None = None

    def take(self, work: Callable[[], None]) -> None:
        """Begin ``work`` once the work before it is done; raises what that one raised."""
        self.finish()
        self._at_hand = self._thread.submit(work)

    def finish(self) -> None:
        """Wait for the work at hand; raises what it raised, now and whenever asked again."""
        if self._at_hand is not None:
            self._at_hand.result()

    def wait(self) -> None:
        """Wait for the work at hand, whatever comes of it."""
        if self._at_hand is not None:
            wait([self._at_hand])

    def drop(self) -> None:
        """Forget the work at hand, whatever came of it, so that the next can begin."""
        self.wait()
        self._at_hand = None

    @property
    def has_failed(self) -> bool:
        """The work at hand has ended with an exception."""
        done = self._at_hand is not None and self._at_hand.done()
        return done and self._at_hand.exception() is not None  # type: ignore[union-attr]
