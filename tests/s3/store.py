"""A real S3 server over a folder, which can be killed and started again."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lakehouse.bucket import DEFAULT_REGION
from lakehouse.bucket_grants import users
from lakehouse.deploy.buckets import OWNER, keep_buckets, secret_variable
from lakehouse.runtime.server import LOOPBACK, answers_ok, free_port
from specs.loader import load_specs

PROGRAM = "versitygw"
START_SECONDS = 30.0
OPERATION = re.compile(r" s3_(\w+) ")


def _drawn() -> dict[str, str]:
    return {user: secrets.token_hex(16) for user in (OWNER, *users(load_specs()))}


@dataclass
class Store:
    """The server's program, folder and port; who may come in, by their secrets."""

    program: str
    folder: Path
    port: int = field(default_factory=free_port)
    secrets: Mapping[str, str] = field(default_factory=_drawn)
    running: "subprocess.Popen[bytes] | None" = None

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def key(self, user: str) -> dict[str, str]:
        """What a service of that name is told."""
        return {"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": self.secrets[user]}

    def environment(self) -> dict[str, str]:
        """What clients are told, as the owner of the buckets."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": DEFAULT_REGION, **self.key(OWNER)}

    def keep_buckets(self) -> None:
        """Have the buckets, and users with just the grants of the specs."""
        said = {secret_variable(user): secret for user, secret in self.secrets.items()}
        keep_buckets(self.endpoint, load_specs(), said)

    @property
    def asked(self) -> Path:
        """Where the server writes a line for each request that it has answered."""
        return self.folder.with_suffix(".requests")

    def requests(self) -> Counter[str]:
        """How many requests of each operation it has answered."""
        return Counter(OPERATION.findall(self.asked.read_text()))

    def start(self) -> None:
        """Have it answer; what it held is there again."""
        accounts = self.folder.with_suffix(".users")
        for folder in (self.folder, accounts):
            folder.mkdir(parents=True, exist_ok=True)
        address = f"{LOOPBACK}:{self.port}"
        with self.folder.with_suffix(".log").open("ab") as log:
            self.running = subprocess.Popen(
                [self.program, "--quiet", "--port", address, "--health", "/health",
                 "--access-log", str(self.asked), "--iam-dir", str(accounts),
                 "posix", str(self.folder)],
                env={**os.environ, "ROOT_ACCESS_KEY": OWNER,
                     "ROOT_SECRET_KEY": self.secrets[OWNER]},
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
            made.keep_buckets()
            yield made
        finally:
            made.kill()
