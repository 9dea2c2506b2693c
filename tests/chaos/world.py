"""A home with a real broker and a small simulated city whose readings go on and on."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.city import simulated_city
from ingestion.disturbance import Disturbance, disturb
from ingestion.producer import KafkaSender, send_all
from ingestion.records import Records, Truth, joined
from ingestion.registration import register_segments
from ingestion.simulator import Simulation
from ingestion.topics import TopicAdmin
from lakehouse.audit import landing_balance
from lakehouse.failpoints import VARIABLE
from lakehouse.jobs.checkpoint import told_through
from lakehouse.runtime import stack
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.server import free_port
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import Specs, load_specs
from tests.chaos.child import PATIENCE_SECONDS, Child

TOPIC = "traffic_event"
SEGMENTS, INTERVAL_SECONDS = 20, 60
START = datetime(2024, 5, 6, 5, tzinfo=UTC)


@dataclass
class World:
    """The broker, the city on its topic, and the commands on one home."""

    settings: Settings
    specs: Specs
    seed: int
    clock: datetime = START
    truth: Truth = field(default_factory=Truth)

    @property
    def bootstrap(self) -> str:
        """The broker's address, the same after a restart."""
        return KAFKA.endpoint.format(port=self.settings.kafka_port)

    def lake(self) -> Lake:
        """Fresh snapshots."""
        return Lake(self.settings.lake, self.specs)

    def found(self) -> None:
        """Give the broker the topics of the specs, and the lake the city's segments."""
        with TopicAdmin(self.bootstrap, self.specs.ops.retries.unavailable) as admin:
            admin.create(self.specs)
        register_segments(self.lake(), "simulator", count=SEGMENTS)

    def readings(self, length: timedelta, late: float = 0.02) -> Records:
        """The city's next readings, disturbed; event time goes on where it stood."""
        source, topic = self.specs.sources["simulator"], self.specs.topics[TOPIC]
        seed = self.seed + int(self.clock.timestamp())
        simulation = Simulation(
            source, topic, simulated_city(source, SEGMENTS), SEGMENTS / INTERVAL_SECONDS,
            self.clock, seed,
        )  # fmt: skip
        water = self.specs.transforms.watermark_seconds
        disturbance = Disturbance(late, 0.03, 0.03, watermark_seconds=water, seed=seed)
        made = pa.Table.from_batches(simulation.readings(length.total_seconds()))
        self.clock += length
        return joined(list(disturb(made.combine_chunks().to_batches(), disturbance)))

    def send(self, length: timedelta, late: float = 0.02) -> int:
        """Send the city's next readings; returns the number of records."""
        records = self.readings(length, late)
        with KafkaSender(self.bootstrap, TOPIC, self.specs.ops.retries.unavailable) as sender:
            truth, _ = send_all([records], sender)
        self.truth.counts += truth.counts
        return len(records)

    def land_in_steps(self, steps: int) -> None:
        """Send and land so many times 4 minutes without late readings, one after the other.

        A backlog is landed one partition after the other, and Spark would find the second one late.
        """
        with self.command("land", name="steady", land_max_seconds="0.05") as lander:
            for _ in range(steps):
                self.send(timedelta(minutes=4), late=0.0)
                lander.until(lambda: not self.landing_faults(), "the step is landed")
            lander.signal(signal.SIGTERM)
            lander.report(PATIENCE_SECONDS)

    def offsets(self) -> dict[int, tuple[int, int]]:
        """Partition to its first offset and the one after its last."""
        with TopicAdmin(self.bootstrap, self.specs.ops.retries.unavailable) as admin:
            places = admin.offsets([TOPIC])
        return {place.partition: (place.begin, place.end) for place in places}

    def command(
        self,
        *arguments: str,
        failpoint: str | None = None,
        key: Mapping[str, str] = {},
        **variables: str,
    ) -> Child:
        """Start `traffic`; ``variables`` are given without their prefix, those of ``key`` whole."""
        name = variables.pop("name", None)
        chosen = {f"TRAFFIC_{one.upper()}": value for one, value in variables.items()}
        if failpoint is not None:
            chosen[VARIABLE] = failpoint
        environment = {
            "TRAFFIC_HOME": str(self.settings.home), "TRAFFIC_KAFKA_BOOTSTRAP": self.bootstrap,
            **key, **chosen,
        }  # fmt: skip
        return Child.command(self.settings.log, environment, *arguments, name=name)

    def run(self, *arguments: str, key: Mapping[str, str] = {}, **variables: str) -> dict[str, Any]:
        """Run `traffic` to its end; its report."""
        with self.command(*arguments, key=key, **variables) as child:
            report: dict[str, Any] = json.loads(child.report(PATIENCE_SECONDS) or "{}")
            return report

    def made_even(self) -> dict[str, Any]:
        """Land, stream and reconcile what there is, and see the audit even; the checksums then."""
        for command in (("land", "--once"), ("stream", "--once"), ("silver", "reconcile")):
            self.run(*command)
        audit = self.run("audit", "--json")
        assert audit["audit_ok"], [check for check in audit["checks"] if not check["is_ok"]]
        return self.run("checksum", "--json")

    def is_told(self) -> bool:
        """Silver and gold have all of bronze."""
        lake = self.lake()
        reached = told_through(lake, self.settings.stream_checkpoint)
        return reached == lake.table("bronze.traffic_event").version

    def landing_faults(self) -> list[str]:
        """What the audit has to say of bronze and dead letters; nothing if all is well."""
        checks = landing_balance(self.lake(), self.offsets())
        found = [f"{c.name}: {c.expected} is not {c.found}" for c in checks if not c.is_ok]
        dead = self.lake().table("bronze.dead_letter").read(columns=["offset"]).num_rows
        sent = sum(self.truth.malformed.values())
        return found if dead == sent else [*found, f"{dead} dead letters of {sent} malformed"]


@contextmanager
def world(folder: Path, seed: int, **choices: Any) -> Iterator[World]:
    """Have a broker with the topics of the specs and a registered city, in ``folder``."""
    specs = load_specs()
    settings = Settings(home=folder, kafka_port=free_port(), **choices)
    with stack.running(settings, (KAFKA,)):
        made = World(settings, specs, seed)
        made.found()
        yield made
