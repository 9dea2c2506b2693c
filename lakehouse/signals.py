"""Ctrl-C and SIGTERM as a flag, so that a batch that has begun is finished."""

import signal
import threading
from collections.abc import Callable


def stop_on_signals() -> Callable[[], bool]:
    """Catch SIGINT and SIGTERM from now on; the function returned says whether one came."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    return asked.is_set
