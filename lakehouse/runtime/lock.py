"""Keeps two commands from starting and stopping the servers of one home at once."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specs.errors import Unavailable

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.1


@contextmanager
def only_one(run: Path) -> Iterator[None]:
    """Hold a folder of records, made where it is absent; the system lets go if we are killed.

    Raises:
        Unavailable: the folder cannot be written, or another command holds it for too long.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = (run / "lock").open("w")
    except OSError as error:
        raise Unavailable(f"cannot write to {run}: {error.strerror}; set TRAFFIC_HOME") from error
    with lock:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"another `traffic up` or `traffic down` is at work in {run}; wait for it"
                    ) from None
                time.sleep(POLL_SECONDS)
        yield
