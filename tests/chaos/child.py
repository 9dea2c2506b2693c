"""One process of ours, forked warm: started, waited for, killed."""

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

QUOTED_CHARACTERS = 3000
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.2
"""Between looks at tables: one takes many requests, from those who work meanwhile."""
PRELOADED = ["tests.chaos.warm"]


def fork_server() -> ForkServerContext:
    """The context that all children come from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def traffic(*arguments: str) -> None:
    """The command line, as `traffic` with ``arguments``."""
    from lakehouse.cli import main

    sys.argv = ["traffic", *arguments]
    main()


def _begin(
    log: Path, variables: Mapping[str, str], target: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """In the child: a session, a log and an environment of its own, then the work."""
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(variables)
    faulthandler.register(signal.SIGUSR1)  # says where it stands
    target(*arguments)
    sys.stdout.flush()


def wait_until(
    is_so: Callable[[], object],
    what: str,
    seconds: float = PATIENCE_SECONDS,
    pause_seconds: float = 0.02,
) -> None:
    """Look again and again; raises `TimeoutError` when it does not come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s not yet: {what}")
        time.sleep(pause_seconds)


@dataclass
class Child:
    """A forked process and its log; killed with its session at the end of a ``with`` block."""

    name: str
    log: Path
    process: ForkServerProcess

    @classmethod
    def start(
        cls, name: str, folder: Path, variables: Mapping[str, str],
        target: Callable[..., None], *arguments: Any,
    ) -> "Child":  # fmt: skip
        """Fork a child that calls ``target`` with ``arguments`` under ``variables``."""
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{name}.log"
        log.unlink(missing_ok=True)  # what an earlier child said is not this one's
        begun = (log, dict(variables), target, arguments)
        process = fork_server().Process(target=_begin, args=begun, name=name)
        process.start()
        return cls(name, log, process)

    @classmethod
    def command(
        cls, folder: Path, variables: Mapping[str, str], *arguments: str, name: str | None = None
    ) -> "Child":
        """Start `traffic` with ``arguments``."""
        return cls.start(name or "-".join(arguments), folder, variables, traffic, *arguments)

    def __enter__(self) -> "Child":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever is left of it and of its session ends here."""
        self.kill()

    @property
    def pid(self) -> int:
        """Process id; also its session's."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """It has not ended."""
        return self.process.is_alive()

    def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until it is so; raises `AssertionError` once the child has ended before."""
        wait_until(lambda: is_so() or not self.is_alive, what, pause_seconds=LOOK_SECONDS)
        assert self.is_alive, f"{self.name} has ended before: {what}; {self.said()}"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to it and to everything it started."""
        for kill in (os.killpg, os.kill):  # it may not have made its session yet
            try:
                kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.join()

    def ended(self, seconds: float) -> int:
        """Exit code once it has ended, -9 after a SIGKILL; raises `TimeoutError` otherwise."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.signal(signal.SIGUSR1)
            self.process.join(1)
            raise TimeoutError(f"{self.name} has not ended after {seconds} s; {self.said()}")
        return self.process.exitcode

    def report(self, seconds: float) -> str:
        """Last line it printed, once it has ended well."""
        code = self.ended(seconds)
        if code:
            raise AssertionError(f"{self.name} ended with exit code {code}; {self.said()}")
        lines = self.log.read_text().strip().splitlines()
        return lines[-1] if lines else ""

    def says(self, text: str) -> bool:
        """It has printed ``text``."""
        return self.log.exists() and text in self.log.read_text(errors="replace")

    def said(self) -> str:
        """End of its log."""
        return f"{self.log} ends with:\n{self.log.read_text(errors='replace')[-QUOTED_CHARACTERS:]}"
