"""Looks at the machine before anything is started on it: what is there, and what to do."""

import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import Requirement

from lakehouse.runtime import stack
from lakehouse.runtime.artifacts import pinned
from lakehouse.runtime.java import java_home
from lakehouse.runtime.ports import check_port_is_free
from lakehouse.runtime.trino import program_folder
from lakehouse.settings import Settings
from specs.check import faults
from specs.errors import TrafficError, Unavailable
from specs.loader import load_specs
from specs.ops import Machine

DISTRIBUTION = "traffic-lakehouse"
PYTHON = ((3, 11), (3, 12))
JAVA_SECONDS = 30.0
CONTROL_GROUP = Path("/sys/fs/cgroup")

PROGRAMS: dict[tuple[str, ...], str] = {
    ("prometheus",): "`traffic up --with monitoring`; Debian's package prometheus",
    ("prometheus-alertmanager", "alertmanager"):
        "`traffic up --with monitoring`; Debian's package prometheus-alertmanager",
    ("git",): "`traffic specs diff` with a revision; Debian's package git",
    ("chromium",): "the live map's tests; Debian's package chromium",
    ("hey",): "`traffic bench api`; Debian's package hey",
}  # fmt: skip
"""Programs of the system by what needs them, none of them the pipeline."""

State = Literal["ok", "advice", "missing"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        state: ``missing`` is needed and not there; ``advice`` can wait.
        found: what is there.
        advice: what to do; empty where all is well.
    """

    what: str
    state: State
    found: str
    advice: str = ""


Look = Callable[[Settings, Machine], Iterator[Finding]]


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _python(settings: Settings, machine: Machine) -> Iterator[Finding]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fits = PYTHON[0] <= sys.version_info[:2] <= PYTHON[1]
    yield (
        Finding("python", "ok", found)
        if fits
        else Finding(
            "python", "missing", found, "use Python 3.11 or 3.12: `make install PYTHON=python3.12`"
        )
    )


def _requirement(requirement: Requirement) -> str | None:
    """What is wrong with an installed package; None where it is as required."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return None
    return f"{requirement.name} is {version}, not {requirement.specifier}"


def _packages(settings: Settings, machine: Machine) -> Iterator[Finding]:
    wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [fault for one in wanted if (fault := _requirement(one)) is not None]
    if wrong:
        yield Finding("packages", "missing", "; ".join(wrong), "`make install`")
    else:
        version = metadata.version(DISTRIBUTION)
        yield Finding("packages", "ok", f"{DISTRIBUTION} {version}, {len(wanted)} as required")


def _specs(settings: Settings, machine: Machine) -> Iterator[Finding]:
    specs = load_specs()
    wrong = faults(specs)
    yield Finding("specs", "missing", "; ".join(wrong), "`traffic specs check`") if wrong else (
        Finding("specs", "ok", f"version {specs.version} agrees with itself"))  # fmt: skip


def _java(settings: Settings, machine: Machine) -> Iterator[Finding]:
    program = java_home(settings) / "bin" / "java"
    try:
        done = subprocess.run(  # noqa: S603  (the Java that the servers run with)
            [str(program), "-version"], capture_output=True, text=True, check=True,
            timeout=JAVA_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        said = "`make install` brings one, or set TRAFFIC_JAVA_HOME to a Java 17 to 25"
        yield Finding("java", "missing", f"{program} does not run: {error}", said)
        return
    yield Finding("java", "ok", f"{done.stderr.splitlines()[0]}, {program.parents[1]}")


def _cores(settings: Settings, machine: Machine) -> Iterator[Finding]:
    affine = getattr(os, "sched_getaffinity", None)
    count = len(affine(0)) if affine else os.cpu_count() or 1
    enough = count >= machine.cores
    yield Finding("cores", "ok" if enough else "advice", f"{count}", "" if enough else (
        f"{machine.cores} keep the promised freshness; with fewer, send fewer readings"
    ))  # fmt: skip


def _container_bytes(folder: Path) -> int | None:
    """Memory that a container may take, by its control group; None where it has no bound."""
    bound = folder / "memory.max"
    text = bound.read_text().strip() if bound.is_file() else "max"
    return None if text == "max" else int(text)


def _memory(settings: Settings, machine: Machine) -> Iterator[Finding]:
    memory, wanted = psutil.virtual_memory(), _gigabytes(machine.memory_bytes)
    total = min(memory.total, _container_bytes(CONTROL_GROUP) or memory.total)
    found = f"{_gigabytes(min(memory.available, total))} of {_gigabytes(total)} free"
    if total < machine.memory_bytes:
        said = f"the demo takes up to {wanted}; lower TRAFFIC_SPARK_DRIVER_MEMORY, leave Trino out"
        yield Finding("memory", "missing", found, said)
    elif memory.available < machine.memory_bytes:
        yield Finding("memory", "advice", found, f"end what else runs: the demo takes {wanted}")
    else:
        yield Finding("memory", "ok", found)


def _open_files(settings: Settings, machine: Machine) -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= machine.open_files
    found = "no limit" if hard == resource.RLIM_INFINITY else f"up to {hard:,}"
    yield Finding("open files", "ok" if enough else "advice", found, "" if enough else (
        f"raise it to {machine.open_files:,}: `ulimit -Hn`"))  # fmt: skip


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _disks(settings: Settings, machine: Machine) -> Iterator[Finding]:
    for what, variable, folder in (
        ("disk", "TRAFFIC_HOME", settings.home), ("cache", "TRAFFIC_CACHE", settings.cache),
    ):  # fmt: skip
        place = _existing(folder)
        free = shutil.disk_usage(place).free
        found = f"{_gigabytes(free)} free for {folder}"
        move = f"or set {variable} to another disk"
        if not os.access(place, os.W_OK):
            yield Finding(what, "missing", f"{place} cannot be written", f"allow it, {move}")
        elif free < stack.FREE_BYTES:
            yield Finding(what, "missing", found, f"nothing starts; free some, {move}")
        elif free < machine.disk_bytes:
            yield Finding(what, "advice", found, f"free some, {move}")
        else:
            yield Finding(what, "ok", found)


def _downloads(settings: Settings, machine: Machine) -> Iterator[Finding]:
    for group, artifacts in pinned().items():
        folder = settings.cache / "maven"
        absent = [one for one in artifacts if not (folder / one.path).exists()]
        if group == "trino" and program_folder(settings).exists():
            absent = []
        size = sum(one.bytes for one in absent)
        state: State = "advice" if absent else "ok"
        found = f"{len(artifacts) - len(absent)} of {len(artifacts)} files in the cache"
        said = f"the first start downloads {size / 1e6:.0f} MB from {settings.maven_url}"
        yield Finding(f"{group} files", state, found, said if absent else "")


def _port(name: str, port: int, *, is_needed: bool) -> Finding:
    what = f"port of {name}"
    if port == 0:
        return Finding(what, "ok", "any free one")
    try:
        check_port_is_free(port, name)
    except Unavailable as error:
        state: State = "missing" if is_needed else "advice"
        held, _, said = str(error).partition("; ")
        return Finding(what, state, held, said)
    return Finding(what, "ok", f"{port} is free")


def _ports(settings: Settings, machine: Machine) -> Iterator[Finding]:
    live = stack.status(settings) if settings.run.exists() else []
    running = {one.name: one.endpoint or "up" for one in live if one.state == "up"}
    for server in (*stack.SERVERS, *stack.OPTIONAL):
        if server.name in running:
            yield Finding(f"port of {server.name}", "ok", f"ours, {running[server.name]}")
        elif not server.is_job:
            needed = server in stack.SERVERS
            yield _port(server.name, server.port(settings), is_needed=needed)
    yield _port("api", settings.api_port, is_needed=False)


def _programs(settings: Settings, machine: Machine) -> Iterator[Finding]:
    for names, needed in PROGRAMS.items():
        found = next(filter(None, map(shutil.which, names)), None)
        yield (
            Finding(names[0], "ok", found)
            if found
            else Finding(names[0], "advice", "not installed", f"needed for {needed}")
        )


LOOKS: dict[str, Look] = {
    "python": _python, "packages": _packages, "specs": _specs, "java": _java, "cores": _cores,
    "memory": _memory, "open files": _open_files, "disk": _disks, "downloads": _downloads,
    "ports": _ports, "programs": _programs,
}  # fmt: skip


def findings(settings: Settings) -> list[Finding]:
    """Look at everything; what cannot be looked at is missing, with the reason."""
    machine = load_specs().ops.machine
    found: list[Finding] = []
    for name, look in LOOKS.items():
        try:
            found += look(settings, machine)
        except TrafficError as error:
            found.append(Finding(name, "missing", str(error), "see above"))
    return found
