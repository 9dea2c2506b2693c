"""When records are sent: as their event times pass, at a rate, or as fast as they are taken."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ingestion.records import Records
from specs.errors import WrongInput

SLICE_RECORDS = 5_000
"""Most records handed on at once."""

TICK_SECONDS = 0.02
"""Shortest sleep: what falls due meanwhile goes out together."""

NAP_SECONDS = 0.1
"""Longest sleep at a stretch: so long a request to stop may wait."""


class Clock(Protocol):
    """Time that can be waited for."""

    def now(self) -> float:
        """Seconds since some fixed moment."""

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``, or less if the program was asked to stop."""

    def stopped(self) -> bool:
        """Whether the program was asked to stop."""


class SystemClock:
    """The machine's clock, for a program that can be asked to stop."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        """``stopped`` says whether the program was asked to; it may be called very often."""
        self.stopped = stopped

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``, or less if the program was asked to stop."""
        until = self.now() + seconds
        while not self.stopped() and (left := until - self.now()) > 0:
            time.sleep(min(left, NAP_SECONDS))


@dataclass(frozen=True)
class Schedule:
    """How fast to send; with neither, as fast as the records are taken.

    Attributes:
        speedup: this many seconds of event time in one second.
        rate: records per second.
    """

    speedup: float | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            WrongInput: both are given, or one is not positive.
        """
        if self.speedup is not None and self.rate is not None:
            raise WrongInput("give a speedup or a rate, not both")
        for name, value in (("speedup", self.speedup), ("rate", self.rate)):
            if value is not None and not 0 < value < float("inf"):
                raise WrongInput(f"{name} is {value:g}; it must be positive")

    def due(self, records: Records, start: float, sent: int) -> npt.NDArray[np.float64]:
        """Seconds after the first record when each of ``records`` is due.

        Args:
            records: the next ones.
            start: position of the very first record.
            sent: how many went before.
        """
        if self.speedup is not None:
            return (records.position - start) / self.speedup
        if self.rate is not None:
            return (sent + np.arange(len(records))) / self.rate
        return np.zeros(len(records))


def pace(chunks: Iterable[Records], schedule: Schedule, clock: Clock) -> Iterator[Records]:
    """Hand ``chunks`` on when they are due, in slices, in order.

    A record never goes out before it is due. Who falls behind catches up: lateness moves no later
    record. Ends early when the clock is stopped, between two slices.
    """
    began: float | None = None
    start, sent = 0.0, 0
    for chunk in chunks:
        if began is None and len(chunk):
            began, start = clock.now(), float(chunk.position[0])
        due = schedule.due(chunk, start, sent)
        done = 0
        while done < len(chunk) and began is not None:
            ready = int(np.searchsorted(due, clock.now() - began, side="right"))
            if clock.stopped():
                return
            if ready <= done:
                clock.sleep(max(float(due[done]) - (clock.now() - began), TICK_SECONDS))
                continue
            ready = min(ready, done + SLICE_RECORDS)
            yield chunk[done:ready]
            done = ready
        sent += len(chunk)
