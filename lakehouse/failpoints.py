"""Failpoints: named moments at which a test has the kernel kill or stop this very process.

``TRAFFIC_FAILPOINT=name[@subject][#nth][=stop]`` arms one of `POINTS`: the process gets SIGKILL
(with ``=stop`` SIGSTOP) the nth time it comes there, on the table or layer ``subject`` if one is
named. Without the variable a failpoint costs one look at a constant.

What delta-rs does inside one call has failpoints too: the kernel sends the signal by itself at the
file operation that the moment consists of (``fcntl(2)``, F_NOTIFY; Linux only), so that the process
ends inside that very system call, every time.
"""

import fcntl
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakehouse.delta_log import LOG
from lakehouse.location import Place
from specs.errors import WrongInput

VARIABLE = "TRAFFIC_FAILPOINT"

MOMENTS = {
    "begun": "nothing of the operation is on disk",
    "data_file_begun": "a data file has been created and is empty or half-written",
    "data_file_done": "a data file is complete, and no commit names it",
    "log_begun": "the commit stands under a name that no reader looks at",
    "log_done": "the commit has its name; the writer has not heard of it",
    "before_checkpoint": "a commit that is due for a checkpoint has its name",
    "checkpoint_done": "the checkpoint is written, and nothing points at it yet",
    "file_deleted": "the first of the files to delete is gone",
    "done": "the operation has returned",
}
"""Moments of one operation on a Delta table."""

OPERATIONS = {
    "append": ("begun", "data_file_begun", "data_file_done", "log_begun", "log_done",
               "before_checkpoint", "checkpoint_done", "done"),
    "merge": ("begun", "data_file_begun", "data_file_done", "log_begun", "log_done",
              "before_checkpoint", "checkpoint_done", "done"),
    "compact": ("begun", "data_file_begun", "data_file_done", "log_begun", "log_done", "done"),
    "checkpoint": ("begun", "checkpoint_done", "done"),
    "clean_log": ("begun", "file_deleted", "done"),
    "vacuum": ("begun", "file_deleted", "done"),
}  # fmt: skip
"""Operation to the moments it goes through."""

STEPS = {
    "gate.before": "a batch stands before its gate",
    "gate.after": "a batch has passed its gate and nothing of it is committed",
    "land.dead_letters_sent": "dead letters are on their topic and not in their table",
    "land.between_dead_letters_and_rows": "dead letters are in their table, rows not in bronze",
    "land.before_mirror": "rows are in bronze, Kafka has not heard how far",
    "stream.batch_begun": "Spark has summed up a batch; the one before may not be in the tables",
    "stream.between_silver_and_gold": "a batch is in silver and not in gold",
    "stream.before_flush": "a batch is in silver and scores, its messages may not be with Kafka",
    "stream.between_scores_and_kpis": "the scores of a batch are in gold, its KPIs are not",
    "stream.batch_done": "a batch is in all tables; Spark may have noted it or not",
    "stream.taking_up": "a start has found that the tables lack a batch that Spark has finished",
    "recompute.between_history_and_rows": "what a correction replaces is kept, it is not made",
    "model.swap_begun": "a new champion is known and not loaded",
    "model.swap_done": "a new champion is loaded and has not scored",
}
"""Moments between the operations."""

POINTS = {
    **STEPS,
    **{f"{operation}.{moment}": MOMENTS[moment]
       for operation, moments in OPERATIONS.items() for moment in moments},
}  # fmt: skip
"""Every failpoint, and what holds at it."""


@dataclass
class _Armed:
    """The failpoint that the environment names, and how often it is still passed by."""

    name: str
    subject: str | None
    passes_left: int
    number: signal.Signals

    def is_due(self, name: str, subject: str) -> bool:
        """Whether this coming is the one; each coming counts.

        A moment inside a call may not come to pass where it is due, as in the folder of a new day,
        which nobody watches; so the signal that can be had only once stays due.
        """
        if name != self.name or self.subject not in (None, subject):
            return False
        self.passes_left -= 1
        return self.passes_left == -1 or (self.passes_left < 0 and self.number == signal.SIGKILL)


def parsed(text: str) -> tuple[str, str | None, int, signal.Signals]:
    """Name, subject, comings to let pass and signal.

    Raises:
        WrongInput: it is no failpoint.
    """
    found = re.fullmatch(r"([a-z_.]+)(?:@([a-z_.]+))?(?:#([1-9]\d*))?(=stop)?", text)
    if found is None or found[1] not in POINTS:
        raise WrongInput(
            f"{VARIABLE}={text}: no such failpoint; name[@subject][#nth][=stop] with one of"
            f" {', '.join(POINTS)}"
        )
    number = signal.SIGSTOP if found[4] else signal.SIGKILL
    return found[1], found[2], int(found[3] or 1) - 1, number


_UNREAD = object()
_state: object = _UNREAD


def _armed() -> _Armed | None:
    """Read the environment once, when first asked."""
    global _state  # noqa: PLW0603  (one process, one failpoint)
    if _state is _UNREAD:
        text = os.environ.get(VARIABLE)
        _state = _Armed(*parsed(text)) if text else None
    return _state if isinstance(_state, _Armed) else None


def failpoint(name: str, subject: str = "") -> None:
    """Die here, if this failpoint is armed."""
    armed = _armed() if _state is not None else None
    if armed is not None and armed.is_due(name, subject):
        os.kill(os.getpid(), armed.number)


@contextmanager
def operation(
    name: str, subject: str, folder: Place, *, is_checkpoint_due: bool = False
) -> Iterator[None]:
    """The failpoints of one operation on the Delta table in ``folder``."""
    if _state is None:
        yield
        return
    failpoint(f"{name}.begun", subject)
    watched = _watched(name, subject, folder, is_checkpoint_due=is_checkpoint_due)
    try:
        yield
    finally:
        for descriptor in watched:
            os.close(descriptor)
    failpoint(f"{name}.done", subject)


def _watched(name: str, subject: str, folder: Place, *, is_checkpoint_due: bool) -> list[int]:
    """Have the kernel send the signal at the armed moment; descriptors that keep it watching."""
    armed = _armed()
    if armed is None or not armed.name.startswith(f"{name}.") or not isinstance(folder, Path):
        return []
    moment = armed.name.removeprefix(f"{name}.")
    log, data = [folder / LOG], _data_folders(folder)
    places = {
        "data_file_begun": (data, fcntl.DN_CREATE),
        "data_file_done": (data, fcntl.DN_RENAME),
        "log_begun": (log, fcntl.DN_CREATE),
        "log_done": (log, fcntl.DN_DELETE),  # of the name that no reader looks at
        "before_checkpoint": (log if is_checkpoint_due else [], fcntl.DN_DELETE),
        "checkpoint_done": (log, fcntl.DN_RENAME),
        "file_deleted": (log if name == "clean_log" else data, fcntl.DN_DELETE),
    }
    if moment not in places:
        return []
    folders, event = places[moment]
    if not folders or not armed.is_due(armed.name, subject):
        return []
    return [_signalled(folder, event, armed.number) for folder in folders]


def _data_folders(folder: Path) -> list[Path]:
    """The table's folder and those of its partitions."""
    inner = [path for path in folder.rglob("*") if path.is_dir() and LOG not in path.parts]
    return [folder, *inner]


def _signalled(folder: Path, event: int, number: signal.Signals) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, number)
    fcntl.fcntl(descriptor, fcntl.F_NOTIFY, event)
    return descriptor
