"""Processes under measurement: started, ended, and what they take of CPU and memory."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from lakehouse.logs import last_words
from specs.errors import Unavailable

STOP_SECONDS = 60.0
"""How long a process may take for the batch in hand after it was asked to end."""


@dataclass(frozen=True)
class Usage:
    """What one process has taken: CPU since it began, and its memory now."""

    cpu_seconds: float
    rss_bytes: int


Tree = Callable[[], Mapping[int, Usage]]
"""Reads the live processes of one tree, by process id."""


def tree(pid: int) -> Tree:
    """Read process ``pid`` and everything below it."""
    return lambda: _usage(pid, lambda root: [root, *root.children(recursive=True)])


def trees(pids: Sequence[int]) -> Tree:
    """Read several trees as one."""
    reads = [tree(pid) for pid in pids]
    return lambda: {pid: usage for read in reads for pid, usage in read().items()}


def alone(pid: int) -> Tree:
    """Read process ``pid`` without what it has started."""
    return lambda: _usage(pid, lambda root: [root])


def _usage(pid: int, members: Callable[[psutil.Process], list[psutil.Process]]) -> dict[int, Usage]:
    found: dict[int, Usage] = {}
    try:
        for member in members(psutil.Process(pid)):
            with suppress(psutil.NoSuchProcess):  # ended meanwhile
                times = member.cpu_times()
                found[member.pid] = Usage(times.user + times.system, member.memory_info().rss)
    except psutil.NoSuchProcess:
        return {}
    return found


class Meter:
    """CPU time and peak memory of process trees, from repeated samples."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._trees: dict[str, Tree] = {}
        self._cpu: dict[str, dict[int, float]] = {}
        self.peak_rss_bytes: dict[str, int] = {}

    def watch(self, name: str, read: Tree) -> None:
        """Add a tree; what it took before counts too."""
        self._trees[name], self._cpu[name], self.peak_rss_bytes[name] = read, {}, 0

    def sample(self) -> dict[str, float]:
        """Look once; returns the CPU seconds of each tree since its processes began.

        A process that has ended counts up to the last look. Between two looks memory may peak
        unseen.
        """
        for name, read in self._trees.items():
            members = read()
            self._cpu[name].update({pid: usage.cpu_seconds for pid, usage in members.items()})
            held = sum(usage.rss_bytes for usage in members.values())
            self.peak_rss_bytes[name] = max(self.peak_rss_bytes[name], held)
        return {name: sum(by_pid.values()) for name, by_pid in self._cpu.items()}

    def rss_bytes(self) -> dict[str, int]:
        """Memory of each tree now."""
        return {name: sum(usage.rss_bytes for usage in read().values())
                for name, read in self._trees.items()}  # fmt: skip


def taken(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds between two samples; a tree that was added meanwhile began at none."""
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}


@dataclass
class Child:
    """One process of ours in a session of its own, so that Ctrl-C reaches it through us alone.

    Use as a context manager: whatever happens, the process and its children end with the block.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Self:
        """Start it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(  # noqa: S603  (our own commands)
                self.command, env=dict(self.environment), text=True, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                cwd=self.log.parent,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is left of it: the session outlives its leader."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def check(self) -> None:
        """Raise `Unavailable` if it has ended."""
        if self.process.poll() is not None:
            raise Unavailable(self._failure())

    def stop(self) -> dict[str, Any]:
        """Ask it to finish what it has in hand, and return its report. Raises as `wait`."""
        self.process.terminate()
        return self.wait(STOP_SECONDS)

    def wait(self, seconds: float | None = None) -> dict[str, Any]:
        """Wait until it ends and return its report, the last line it printed.

        Raises:
            Unavailable: it failed, or did not end in time; the message quotes its log.
        """
        try:
            output, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"{self.name} has not ended after {seconds} s") from error
        if self.process.returncode:
            raise Unavailable(self._failure())
        return report_of(output)

    def _failure(self) -> str:
        said = last_words(self.log.read_text(errors="replace")) or "it said nothing"
        return f"{self.name} ended with exit code {self.process.returncode}:\n{said}"


def report_of(output: str) -> dict[str, Any]:
    """The JSON object on the last line of ``output``; empty where nothing was printed."""
    lines = output.strip().splitlines()
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return found


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Command that runs a module of this installation, wherever it is started."""
    return (sys.executable, "-P", "-m", module, *arguments)


def environment(**changes: str) -> dict[str, str]:
    """Our own environment with ``changes``."""
    return {**os.environ, **changes}
