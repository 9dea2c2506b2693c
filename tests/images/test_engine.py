"""The images: built by a container engine, and those that need none of others started with it."""

import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from lakehouse.artifacts import ROOT
from lakehouse.deploy.secrets import EXAMPLE, write_secrets
from tests.compose import understood

ENGINES = ("docker", "podman")
HEALTHY_SECONDS = 120.0
STORE = "http://127.0.0.1:7070"
ELSEWHERE = {
    "AWS_ENDPOINT_URL": STORE, "MLFLOW_S3_ENDPOINT_URL": STORE,
    "MLFLOW_BACKEND_STORE_URI": "sqlite:////tmp/mlflow.db", "TRAFFIC_METRICS_HOST": "127.0.0.1",
}  # fmt: skip
"""What is told otherwise here: all share one network, and there is no PostgreSQL."""

KEEPS_STATE = "/var/lib/traffic"


@dataclass(frozen=True)
class Engine:
    """Docker or podman."""

    program: str

    def ask(self, *arguments: str) -> str:
        """Run it to its end; what it printed."""
        done = subprocess.run(
            [self.program, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0, f"{arguments[0]}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        return done.stdout.strip()

    def logs(self, container: str) -> str:
        """What it has printed."""
        return subprocess.run(
            [self.program, "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        ).stdout  # fmt: skip

    def says(self, *arguments: str) -> bool:
        """Whether it answers 0."""
        asked = [self.program, *arguments]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def engine() -> Engine:
    for name in ENGINES:
        program = shutil.which(name)
        if program is not None and Engine(program).says("info"):
            return Engine(program)
    pytest.skip("needs the engine of Docker or podman")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Compose understands, with secrets drawn for this run."""
    folder = tmp_path_factory.mktemp("secrets")
    shutil.copy(ROOT / EXAMPLE, folder)
    return understood(write_secrets(folder))


@pytest.fixture(scope="module")
def images(engine: Engine, services: dict[str, Any]) -> list[str]:
    """All of ours, the bases first."""
    ours = {name: one for name, one in services.items() if "build" in one}
    for name in sorted(ours, key=lambda name: not name.startswith("base-")):
        build = ours[name]["build"]
        target = ("--target", build["target"]) if "target" in build else ()
        engine.ask(
            "build", "--file", build["dockerfile"], *target, "--tag", ours[name]["image"], "."
        )
    return sorted(one["image"] for one in ours.values())


@dataclass
class Ship:
    """Containers of one network, which is that of the first."""

    engine: Engine
    services: dict[str, Any]
    name: str = field(default_factory=lambda: f"traffic-test-{uuid.uuid4().hex[:8]}")
    running: list[str] = field(default_factory=list)
    volumes: set[str] = field(default_factory=set)

    def options(self, name: str) -> list[str]:
        """How Compose runs the service, as far as one container shows it."""
        service = self.services[name]
        assert service["read_only"]
        told = {**service["environment"], **ELSEWHERE}
        volume = f"{self.name}-{name}"
        self.volumes.add(volume)
        return [
            "--read-only", "--user", service["user"], "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges", "--tmpfs", "/tmp:mode=1777,exec,size=512m",
            "--volume", f"{volume}:{KEEPS_STATE}",
            *(("--network", f"container:{self.running[0]}") if self.running else ()),
            *(part for key, value in told.items() for part in ("--env", f"{key}={value}")),
        ]  # fmt: skip

    def start(self, name: str) -> None:
        """Have a service running and healthy."""
        image = self.services[name]["image"]
        container = self.engine.ask(
            "run", "--detach", "--name", f"{self.name}-{name}", *self.options(name), image
        )
        self.running.append(container)
        dockerfile = (ROOT / self.services[name]["build"]["dockerfile"]).read_text()
        _, _, check = dockerfile.partition("HEALTHCHECK ")
        asked = json.loads(check.partition("CMD ")[2].splitlines()[0])
        deadline = time.monotonic() + HEALTHY_SECONDS
        while not self.engine.says("exec", container, *asked):
            if time.monotonic() > deadline:
                pytest.fail(f"{name} is not healthy: {self.engine.logs(container)}")
            time.sleep(0.5)

    def once(self, name: str, *command: str) -> None:
        """Run a service's image to its end."""
        arguments = command or tuple(self.services[name]["command"])
        self.engine.ask("run", "--rm", *self.options(name), self.services[name]["image"],
                        *arguments)  # fmt: skip


@pytest.fixture(scope="module")
def ship(engine: Engine, services: dict[str, Any], images: list[str]) -> Iterator[Ship]:
    made = Ship(engine, services)
    try:
        made.start("s3")
        made.once("buckets")
        made.once("setup", "traffic", "deploy", "tables")
        made.start("mlflow")
        made.once("api", "traffic", "api-key", "create", "a-test")
        made.start("api")
        yield made
    finally:
        for container in reversed(made.running):
            engine.ask("rm", "--force", container)
        for volume in made.volumes:
            engine.ask("volume", "rm", "--force", volume)


def test_every_image_is_built(engine: Engine, images: list[str]) -> None:
    for image in images:
        assert engine.says("image", "inspect", image), image


def test_store_registry_and_api_run_and_each_service_has_its_own_grants(ship: Ship) -> None:
    segments = ("traffic", "segment", "load", "simulator", "--segments", "20")
    ship.once("setup", *segments)
    with pytest.raises(AssertionError, match=r"AccessDenied|ACCESS_DENIED"):
        ship.once("api", *segments)
