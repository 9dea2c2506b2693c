"""Server processes that outlive the command which started them, and their records.

A server is started as the leader of a session of its own, with a mark in its environment that all
its children inherit. Its record, a JSON file, says where it is and who it is: the process id alone
would not do, since the system uses it again, so it counts only with the moment of its creation.
Stopping goes by record and by mark: what was started just before a kill -9, with no record written
yet, is found all the same.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from lakehouse.runtime.server import Launch
from lakehouse.settings import Settings
from specs.errors import Unavailable

MARK = "TRAFFIC_SERVER"
"""Environment variable of a server and its children: its record's path without the suffix."""

POLL_SECONDS = 0.05
TICK_SECONDS = 0.01
"""What the system counts a process' creation in."""
KILL_SECONDS = 10.0
ORPHAN_SECONDS = 2.0
"""What a child has at least when its leader used up the grace period."""


class Record(BaseModel):
    """What is known of a server since its start; its process id is its session's id too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    pid: int
    boot_seconds: float
    port: int
    endpoint: str
    command: tuple[str, ...]
    started_at: datetime


def spawn(launch: Launch, settings: Settings, *, name: str, port: int, endpoint: str) -> Record:
    """Start a server in a session of its own and record it at once.

    Args:
        launch: what to execute.
        settings: say where records and logs go; the log of the last run is kept as ``<log>.1``.
        name: the server's name, unique among the records.
        port: the port it will listen on.
        endpoint: what its clients connect to.

    Raises:
        OSError: the log or the record cannot be written, or there is no such program.
    """
    run, log = settings.run, settings.log / f"{name}.log"
    for folder in (run, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(f"{log}.1")
    # Not subprocess: its object would have to live as long as the server does.
    pid = os.posix_spawn(
        launch.command[0],
        launch.command,
        {**launch.environment, MARK: str(run / name)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGPIPE, signal.SIGINT],
    )
    record = Record(
        name=name,
        pid=pid,
        boot_seconds=boot_seconds(psutil.Process(pid)),
        port=port,
        endpoint=endpoint,
        command=launch.command,
        started_at=datetime.now(UTC),
    )
    draft = run / f"{name}.draft"
    draft.write_text(record.model_dump_json(indent=2))
    draft.replace(run / f"{name}.json")
    return record


def records(run: Path) -> dict[str, Record]:
    """Read the records of a folder by server name, whether the servers still live or not.

    Raises:
        Unavailable: a file is no record; the message names it.
    """
    found = {}
    for path in sorted(run.glob("*.json")):
        try:
            found[path.stem] = Record.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise Unavailable(f"{path} is not the record of a server: {error}") from error
    return found


def boot_seconds(process: psutil.Process) -> float:
    """Seconds from the machine's boot to a process' creation.

    Its time of creation would not do: it moves when the machine's clock is set.

    Raises:
        psutil.Error: there is no such process.
    """
    return process.create_time() - psutil.boot_time()


def leader(record: Record) -> psutil.Process | None:
    """Return the recorded process if it is alive and still the same one."""
    try:
        process = psutil.Process(record.pid)
        is_same = abs(boot_seconds(process) - record.boot_seconds) < TICK_SECONDS
    except psutil.Error:
        return None
    return process if is_same and _lives(process) else None


def members(run: Path) -> dict[str, list[psutil.Process]]:
    """Find the live processes of every server of a folder: the leaders and their children."""
    leaders = {record.pid: name for name, record in records(run).items() if leader(record)}
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        name = leaders.get(_session(process)) or _marked(process, run)
        if name and _lives(process):
            found.setdefault(name, []).append(process)
    return found


def own(run: Path) -> str | None:
    """Name of the server of a folder that this process is a child of, if it is one."""
    mark = os.environ.get(MARK)
    return Path(mark).name if mark and Path(mark).parent == run else None


def stop(run: Path, names: Iterable[str], *, grace_seconds: float = 20.0) -> None:
    """End servers with all their children, and remove their records.

    Leaders are asked first, as each ends its own children in order; then those who are left. What
    is left after the grace period, or when the caller is interrupted, is killed.

    Raises:
        Unavailable: a process survived being killed.
    """
    names = set(names)
    targets: list[psutil.Process] = []
    try:
        targets += _of(run, names)
        heads = [head for n, one in records(run).items() if n in names and (head := leader(one))]
        began = time.monotonic()
        _ask(heads, grace_seconds)
        left_seconds = grace_seconds - (time.monotonic() - began)
        _ask(set(targets).difference(heads), max(left_seconds, min(grace_seconds, ORPHAN_SECONDS)))
    finally:
        deadline = time.monotonic() + KILL_SECONDS
        # Asked again: a child may have been born meanwhile. Nor is one forgotten that was found by
        # the session of its leader, which has ended, and has overwritten its mark with a title.
        while left := {*filter(_lives, targets), *_of(run, names)}:
            if time.monotonic() > deadline:
                raise Unavailable(f"cannot end processes {', '.join(str(p.pid) for p in left)}")
            for process in left:
                _signal(process, signal.SIGKILL)
            _wait(left, 1.0)
        for name in names:
            (run / f"{name}.json").unlink(missing_ok=True)


def _of(run: Path, names: set[str]) -> Iterator[psutil.Process]:
    for name, processes in members(run).items():
        if name in names:
            yield from processes


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return -1


def _marked(process: psutil.Process, run: Path) -> str | None:
    try:
        mark = process.environ().get(MARK)
    except (psutil.Error, OSError):  # ended meanwhile, or another user's
        return None
    return Path(mark).name if mark and Path(mark).parent == run else None


def _lives(process: psutil.Process) -> bool:
    try:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return True
        process.wait(0)  # reap it, where it is a child of ours
    except psutil.Error:
        pass
    return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _ask(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Ask them to end, and wait so long for it."""
    living = [process for process in processes if _lives(process)]
    for process in living:
        _signal(process, signal.SIGTERM)
    _wait(living, seconds)


def _wait(processes: Iterable[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(_lives(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
