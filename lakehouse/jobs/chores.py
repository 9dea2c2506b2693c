"""What a process does on timers of their own, between other things."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from specs.errors import Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chore:
    """Something to do again and again.

    Attributes:
        do: what.
        every_seconds: from the end of one time to the next.
        first_seconds: until the first time; by default the same.
    """

    do: Callable[[], object]
    every_seconds: float
    first_seconds: float | None = None


def doing(*chores: Chore, clock: Callable[[], float] = time.monotonic) -> Callable[[], None]:
    """A function that, called often, does each chore when it is due; ``clock`` tells seconds.

    One that cannot be done, since a server is away or others kept committing before it, waits for
    its next time: what it is done beside goes on. Whatever else it raises is raised.
    """
    began = clock()
    due = [
        began + (one.every_seconds if one.first_seconds is None else one.first_seconds)
        for one in chores
    ]

    def do_what_is_due() -> None:
        for place, one in enumerate(chores):
            if clock() >= due[place]:
                try:
                    one.do()
                except Unavailable as error:
                    log.warning("%s; tried again in %g s", error, one.every_seconds)
                due[place] = clock() + one.every_seconds

    return do_what_is_due
