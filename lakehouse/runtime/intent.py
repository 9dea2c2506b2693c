"""What people want of a home's servers: which are to run, and which wait for a person.

A server is wanted from the `traffic up` that started it until `traffic down`, so that one that
could not be restarted is not forgotten. A job whose gate has failed is held: to start it again and
again would repeat the refused batch, so it waits until a person does.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from lakehouse.runtime import process

WANTED, HELD = ".wanted", ".held"


def wanted(run: Path) -> set[str]:
    """Names of the servers that are to run."""
    return {path.stem for path in run.glob(f"*{WANTED}")}


def want(run: Path, names: Iterable[str]) -> None:
    """Have these run until `forget`."""
    for name in names:
        (run / f"{name}{WANTED}").touch()


def held(run: Path) -> dict[str, str]:
    """Why each job that waits for a person does, by name."""
    return {path.stem: path.read_text() for path in run.glob(f"*{HELD}")}


def hold_this_job(reason: str) -> None:
    """Have this process, where it is a server of a home, wait for a person once it has ended.

    What a server runs, such as a task of Airflow, holds nobody.
    """
    mark = os.environ.get(process.MARK)
    if mark is None:
        return
    run, name = Path(mark).parent, Path(mark).name
    record = process.records(run).get(name)
    if record is not None and record.pid == os.getpid():
        (run / f"{name}{HELD}").write_text(reason)


def release(run: Path, names: Iterable[str]) -> None:
    """Hold these no longer: a person starts them."""
    for name in names:
        (run / f"{name}{HELD}").unlink(missing_ok=True)


def forget(run: Path) -> None:
    """Want and hold nothing."""
    for path in (*run.glob(f"*{WANTED}"), *run.glob(f"*{HELD}")):
        path.unlink(missing_ok=True)
