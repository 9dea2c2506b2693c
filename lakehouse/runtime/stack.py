"""Starts, stops and watches the embedded servers of one home folder."""

import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from lakehouse.logs import last_words
from lakehouse.runtime import intent, process
from lakehouse.runtime.airflow import AIRFLOW
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.lock import only_one
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.runtime.monitoring import MONITORING
from lakehouse.runtime.pipeline import PIPELINE
from lakehouse.runtime.ports import check_port_is_free
from lakehouse.runtime.server import Server, free_port
from lakehouse.runtime.spark_cluster import CLUSTER
from lakehouse.runtime.superset import SUPERSET
from lakehouse.runtime.trino import TRINO
from lakehouse.settings import Settings
from specs.errors import Unavailable

SERVERS: tuple[Server, ...] = (KAFKA, MLFLOW)
"""What ``traffic up`` starts."""

GROUPS: dict[str, tuple[Server, ...]] = {
    "trino": (TRINO,),
    "superset": (SUPERSET,),
    "monitoring": MONITORING,
    "airflow": (AIRFLOW,),
    "cluster": CLUSTER,
    "pipeline": PIPELINE,
}
"""What it starts where ``--with`` names it."""

OPTIONAL: tuple[Server, ...] = tuple(server for group in GROUPS.values() for server in group)

FREE_BYTES = 10**9
"""Below this much free disk nothing is started: a broker on a full disk halts."""

POLL_SECONDS = 0.2
JOB_SECONDS = 60.0
"""How long a job may take for the batch in hand after it was asked to end."""

State = Literal["up", "unresponsive", "dead", "stopped", "held"]


class Status(BaseModel):
    """How one server is.

    ``unresponsive`` lives without answering, ``dead`` ended by itself, ``held`` did so for a reason
    that a person has to look at.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    endpoint: str | None = None
    pid: int | None = None
    started_at: datetime | None = None
    rss_bytes: int | None = None
    log: Path


def _tell(message: str) -> None:
    print(message, file=sys.stderr)


def up(
    settings: Settings,
    servers: Sequence[Server] = SERVERS,
    *,
    heal: bool = False,
    tell: Callable[[str], None] = _tell,
) -> list[Status]:
    """Have these servers running and answering; those that are already are left alone.

    Jobs are started once all servers answer. When one cannot be started, or the caller is
    interrupted, those started here are stopped.

    With ``heal`` one that lives without answering is stopped first, and so started anew; one that
    waits for a person is left alone; and servers that were started stay up where a job cannot be.

    Raises:
        Unavailable: a download, a port or the disk is not to be had, or a server ended or did not
            answer in time; the message quotes its log.
        WrongInput: ``settings`` name a Java that cannot run them.
    """
    with only_one(settings.run):
        if heal:
            servers = _without_held(settings, servers, tell)
            _stop_unresponsive(settings, servers, tell)
        names = [server.name for server in servers]
        intent.release(settings.run, names)
        started: list[str] = []
        try:
            for is_job in (False, True):
                part = [server for server in servers if server.is_job is is_job]
                live = _live(settings.run)
                _start(settings, [server for server in part if server.name not in live], started)
                _wait(settings, part, tell)
                if heal:
                    started.clear()
            _settle(settings, servers)
            intent.want(settings.run, names)
        except OSError as error:
            process.stop(settings.run, started)
            raise Unavailable(f"cannot start the servers: {error}") from error
        except BaseException:
            process.stop(settings.run, started)
            raise
    return status(settings, servers)


def down(settings: Settings) -> list[str]:
    """Stop every server of this home, recorded or not, and return their names.

    Raises:
        Unavailable: a process cannot be ended, or another ``up`` or ``down`` does not finish.
    """
    if not settings.run.exists():
        return []
    with only_one(settings.run):
        names = sorted({*process.records(settings.run), *process.members(settings.run)})
        _stop(settings, names)
        intent.forget(settings.run)
    return names


def stop(settings: Settings, servers: Sequence[Server]) -> None:
    """End these alone; they are still wanted, so `up` with ``heal`` starts them again.

    Raises:
        Unavailable: a process cannot be ended, or another ``up`` or ``down`` does not finish.
    """
    if servers:
        with only_one(settings.run):
            _stop(settings, [server.name for server in servers])


def _stop(settings: Settings, names: Collection[str]) -> None:
    """Jobs first, each in the time that a batch may take."""
    jobs = {server.name for server in OPTIONAL if server.is_job}.intersection(names)
    process.stop(settings.run, jobs, grace_seconds=JOB_SECONDS)
    process.stop(settings.run, set(names) - jobs)


def status(settings: Settings, servers: Sequence[Server] | None = None) -> list[Status]:
    """Ask every server how it is, in the given order.

    Args:
        settings: of the home.
        servers: by default those of every ``traffic up``, and the optional ones that were started.
    """
    recorded = process.records(settings.run)
    servers = present(settings) if servers is None else servers
    return [_status(settings, server, recorded.get(server.name)) for server in servers]


def present(settings: Settings) -> tuple[Server, ...]:
    """The servers of every ``traffic up``, and the optional ones that were started."""
    known = {*process.records(settings.run), *intent.wanted(settings.run)}
    return (*SERVERS, *(server for server in OPTIONAL if server.name in known))


def others(settings: Settings, servers: Sequence[Server]) -> list[Server]:
    """Each of ``servers`` once, but for the one that this process is a part of.

    A command that a server runs does not restart it.
    """
    own = process.own(settings.run)
    return [server for server in dict.fromkeys(servers) if server.name != own]


def endpoints(home: Path) -> dict[str, str]:
    """Return where the live servers of a home folder listen, by name.

    A server is listed from its start on, so a client may have to try again for some seconds.
    """
    return {name: record.endpoint for name, record in _live(home.resolve() / "run").items()}


@contextmanager
def running(settings: Settings, servers: Sequence[Server] = SERVERS) -> Iterator[dict[str, str]]:
    """Have these servers up inside a ``with`` block, and everything down after it.

    Yields:
        Their endpoints by name.
    """
    try:
        up(settings, servers)
        yield endpoints(settings.home)
    finally:
        down(settings)


def _live(run: Path) -> dict[str, process.Record]:
    recorded = process.records(run)
    return {name: record for name, record in recorded.items() if process.leader(record)}


def _without_held(
    settings: Settings, servers: Sequence[Server], tell: Callable[[str], None]
) -> list[Server]:
    held = intent.held(settings.run)
    for server in servers:
        if server.name in held:
            tell(f"{server.name} waits for a person: {held[server.name]}")
    return [server for server in servers if server.name not in held]


def _stop_unresponsive(
    settings: Settings, servers: Sequence[Server], tell: Callable[[str], None]
) -> None:
    live = _live(settings.run)
    sick = [s.name for s in servers if s.name in live and not s.answers(live[s.name].port)]
    for name in sick:
        tell(f"{name} lives and does not answer: restarted")
    process.stop(settings.run, sick)


def _start(settings: Settings, servers: Sequence[Server], started: list[str]) -> None:
    """Prepare all, then launch all, so that nothing runs yet while something is missing."""
    if not servers:
        return
    process.stop(settings.run, [server.name for server in servers])  # leftovers of a crash
    free = shutil.disk_usage(settings.home).free
    if free < FREE_BYTES:
        raise Unavailable(
            f"{free / 1e6:.0f} MB are free in {settings.home} and the servers need"
            f" {FREE_BYTES / 1e6:.0f}; free some, or set TRAFFIC_HOME to another disk"
        )
    launches = []
    for server in servers:
        port = server.port(settings) or free_port()
        check_port_is_free(port, server.name)
        started.append(server.name)  # preparing may start a process too
        launches.append((server, port, server.prepare(settings, port)))
    for server, port, launch in launches:
        endpoint = launch.endpoint or server.endpoint.format(port=port)
        process.spawn(launch, settings, name=server.name, port=port, endpoint=endpoint)


def _wait(settings: Settings, servers: Sequence[Server], tell: Callable[[str], None]) -> None:
    """Wait until every server answers, as long as all live."""
    begin = time.monotonic()
    recorded = process.records(settings.run)
    waiting = list(servers)
    while waiting:
        for server in list(waiting):
            record, seconds = recorded[server.name], time.monotonic() - begin
            if process.leader(record) is None:
                raise Unavailable(f"{server.name} ended while starting; {_quote(settings, server)}")
            if server.answers(record.port):
                tell(f"{server.name} answers at {record.endpoint} after {seconds:.1f} s")
                waiting.remove(server)
            elif seconds > server.start_seconds:
                raise Unavailable(
                    f"{server.name} does not answer after {seconds:.0f} s; "
                    + _quote(settings, server)
                )
        if waiting:
            time.sleep(POLL_SECONDS)


def _settle(settings: Settings, servers: Sequence[Server]) -> None:
    recorded = process.records(settings.run)
    for server in servers:
        server.settle(settings, recorded[server.name].endpoint)


def _status(settings: Settings, server: Server, record: process.Record | None) -> Status:
    log = _log(settings, server)
    is_held = server.name in intent.held(settings.run)
    if record is None:
        return Status(name=server.name, state="held" if is_held else "stopped", log=log)
    leader = process.leader(record)
    state: State = "held" if is_held else "dead"
    rss_bytes = None
    if leader is not None:
        state = "up" if server.answers(record.port) else "unresponsive"
        rss_bytes = _rss_bytes(settings, server)
    return Status(
        name=server.name,
        state=state,
        endpoint=record.endpoint,
        pid=record.pid,
        started_at=record.started_at,
        rss_bytes=rss_bytes,
        log=log,
    )


def _rss_bytes(settings: Settings, server: Server) -> int:
    total = 0
    for member in process.members(settings.run).get(server.name, ()):
        try:
            total += member.memory_info().rss
        except psutil.Error:  # ended meanwhile, so it holds none
            continue
    return total


def _log(settings: Settings, server: Server) -> Path:
    return settings.log / f"{server.name}.log"


def _quote(settings: Settings, server: Server) -> str:
    log = _log(settings, server)
    said = last_words(log.read_text(errors="replace"))
    return f"{log} ends with:\n{said}" if said else f"{log} is empty"
