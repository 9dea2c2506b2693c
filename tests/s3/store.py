"""A real S3 server over a folder, which can be killed and started again."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lakehouse.runtime.server import LOOPBACK, answers_ok, free_port

BUCKET = "lake"
PROGRAM = "versitygw"
START_SECONDS = 30.0
OPERATION = re.compile(r" s3_(\w+) ")


@dataclass
class Store:
    """The server's program, folder and port; who may come in."""

    program: str
    folder: Path
    port: int = field(default_factory=free_port)
    key: str = "tester"
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    running: "subprocess.Popen[bytes] | None" = None

    def environment(self) -> dict[str, str]:
        """What clients are told."""
        return {
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{self.port}", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret,
        }  # fmt: skip

    @property
    def asked(self) -> Path:
        """Where the server writes a line for each request that it has answered."""
        return self.folder.with_suffix(".requests")

    def requests(self) -> Counter[str]:
        """How many requests of each operation it has answered."""
        return Counter(OPERATION.findall(self.asked.read_text()))

    def start(self) -> None:
        """Have it answer; what it held is there again."""
        (self.folder / BUCKET).mkdir(parents=True, exist_ok=True)
        address = f"{LOOPBACK}:{self.port}"
        with self.folder.with_suffix(".log").open("ab") as log:
            self.running = subprocess.Popen(
                [self.program, "--quiet", "--port", address, "--health", "/health",
                 "--access-log", str(self.asked), "posix", str(self.folder)],
                env={**os.environ, "ROOT_ACCESS_KEY": self.key, "ROOT_SECRET_KEY": self.secret},
                stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not answers_ok(self.port, "/health", 1.0):
            assert self.running.poll() is None, self.folder.with_suffix(".log").read_text()
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self.running = None


@contextmanager
def store(folder: Path) -> Iterator[Store]:
    """A running server over ``folder``, whose address and keys are in the environment."""
    beside = Path(sys.executable).with_name(PROGRAM)
    program = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if program is None:
        pytest.skip(f"needs {PROGRAM}, which `make test-s3` builds")
    made = Store(program, folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment().items():
            patch.setenv(name, value)
        try:
            made.start()
            yield made
        finally:
            made.kill()
