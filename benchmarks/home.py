"""A home folder for one measurement: its own servers, topics and segments, gone afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import Child, environment, python
from ingestion.registration import register_segments
from ingestion.topics import TopicAdmin
from lakehouse.runtime import stack
from lakehouse.runtime.process import records
from lakehouse.runtime.server import Server, free_port
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.errors import WrongInput
from specs.loader import Specs, load_specs

SOURCE = "simulator"


def folder_on_disk(lake: Lake, name: str) -> Path:
    """Folder of a table whose files are counted or linked.

    Raises:
        WrongInput: the tables are in a bucket.
    """
    folder = lake.folder(name)
    if isinstance(folder, Path):
        return folder
    raise WrongInput(f"{folder}: this benchmark looks at files on a disk; unset TRAFFIC_LAKE_URL")


@dataclass(frozen=True)
class BenchHome:
    """One home with its servers up.

    Attributes:
        settings: of this home.
        specs: the specs in force.
        endpoints: the servers' addresses by name.
    """

    settings: Settings
    specs: Specs
    endpoints: dict[str, str]

    @property
    def server_pids(self) -> dict[str, int]:
        """Process id of each server by name."""
        return {name: record.pid for name, record in records(self.settings.run).items()}

    def lake(self, segments: int, folder: Path | None = None) -> Lake:
        """Tables in ``folder``, by default the home's own, with a simulated city registered."""
        lake = Lake(folder or self.settings.lake, self.specs)
        register_segments(lake, SOURCE, count=segments)
        return lake

    def admin(self) -> TopicAdmin:
        """A client for offsets and lag; use as a context manager."""
        return TopicAdmin(self.endpoints["kafka"], self.specs.ops.retries.unavailable)

    def offsets(self) -> dict[int, tuple[int, int]]:
        """First offset of each partition of traffic_event, and the one after its last."""
        with self.admin() as admin:
            places = admin.offsets([self.specs.topics["traffic_event"].topic])
        return {place.partition: (place.begin, place.end) for place in places}

    def newest_timestamp(self) -> float:
        """Kafka's timestamp of the newest record of traffic_event, in seconds since the epoch."""
        with self.admin() as admin:
            return admin.newest_ms(self.specs.topics["traffic_event"].topic) / 1000

    def child(
        self, *arguments: str, module: str = "lakehouse", home: Path | None = None, **also: str
    ) -> Child:
        """`traffic` with ``arguments`` on these servers; use as a context manager.

        ``also`` are environment variables of it alone.
        """
        name = " ".join(("traffic", *arguments[:2])) if module == "lakehouse" else module
        variables = {
            "TRAFFIC_HOME": str(home or self.settings.home),
            "TRAFFIC_KAFKA_BOOTSTRAP": self.endpoints["kafka"],
            **({"TRAFFIC_MLFLOW_URI": self.endpoints["mlflow"]} if "mlflow" in self.endpoints
               else {}),
            **also,
        }  # fmt: skip
        log = self.settings.log / f"{name.replace(' ', '-')}.log"
        return Child(name, python(module, *arguments), environment(**variables), log)

    def run(
        self, *arguments: str, module: str = "lakehouse", home: Path | None = None, **also: str
    ) -> Any:
        """Run a command as `child` does to its end; its report. Raises as `Child.wait` does."""
        with self.child(*arguments, module=module, home=home, **also) as child:
            return child.wait()


@contextmanager
def server_home(servers: tuple[Server, ...]) -> Iterator[BenchHome]:
    """Have a home with ``servers``, and nothing of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="traffic-bench-") as folder:
        settings = Settings(
            home=Path(folder), kafka_port=free_port(), mlflow_port=0, trino_port=0,
            airflow_port=0,
        )  # fmt: skip
        with stack.running(settings, servers) as endpoints:
            yield BenchHome(settings, load_specs(), endpoints)


@contextmanager
def temporary_home(servers: tuple[Server, ...], partitions: int) -> Iterator[BenchHome]:
    """Have a home with ``servers`` and the topics of the specs, and nothing of it afterwards."""
    with server_home(servers) as home:
        with home.admin() as admin:
            admin.create(home.specs, partitions)
        yield home
