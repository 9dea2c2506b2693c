"""What a process does when it is asked to end: finish its batch, or close what it has opened."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CAUGHT = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals() -> Callable[[], bool]:
    """Catch SIGINT and SIGTERM from now on; the function returned says whether one came.

    A handler interrupts the main thread wherever it stands, also inside a lock, so it takes none: a
    `threading.Event` that is set while the same thread begins to wait for it never returns.
    """
    asked: list[int] = []
    for number in CAUGHT:
        signal.signal(number, lambda caught, _frame: asked.append(caught))
    return lambda: bool(asked)


@contextmanager
def stopping_on_signals() -> Iterator[Callable[[], bool]]:
    """`stop_on_signals` for as long as the block runs."""
    before = {number: signal.getsignal(number) for number in CAUGHT}
    try:
        yield stop_on_signals()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_on_signals() -> None:
    """End like after Ctrl-C on SIGTERM and SIGHUP: every ``with`` block closes what it opened."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: sys.exit(128 + caught))
