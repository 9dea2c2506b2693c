"""`traffic produce`: readings into Kafka, replayed or simulated."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.commands.answer import Json, print_json
from lakehouse.commands.kafka import Bootstrap, kafka_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingestion.pacing import Schedule
    from ingestion.records import Records
    from specs.loader import Specs
    from specs.sources import SourceSpec

app = typer.Typer(no_args_is_help=True, help="Send readings to topic traffic_event.")

Speedup = Annotated[float | None, typer.Option(help="Event time this many times as fast.")]
Late = Annotated[float, typer.Option(help="Ratio of readings that come late, a quarter too late.")]
Duplicate = Annotated[float, typer.Option(help="Ratio of readings that are sent twice.")]
Malformed = Annotated[float, typer.Option(help="Ratio of extra records that are wrong.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides everything random.")]


@app.command("replay")
def produce_replay(  # noqa: PLR0913, PLR0917  (each is an option)
    source: Annotated[str, typer.Option(help="Name of a file in specs/sources.")] = "nyc_dot",
    file: Annotated[
        list[Path] | None, typer.Option(help="Read this file, not the source's; repeatable.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the source's files; by default what ships.")
    ] = None,
    start: Annotated[datetime | None, typer.Option("--from", help="First event time, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", help="Event times before this.")] = None,
    speedup: Speedup = None,
    rate: Annotated[float | None, typer.Option(help="Records per second.")] = None,
    late: Late = 0.0,
    duplicate: Duplicate = 0.0,
    malformed: Malformed = 0.0,
    seed: Seed = 0,
    bootstrap: Bootstrap = None,
    as_json: Json = False,
) -> None:
    """Send a source's readings in event-time order; by default as fast as Kafka takes them."""
    from ingestion.disturbance import Disturbance, disturb
    from ingestion.pacing import Schedule
    from ingestion.sources import DATA_FOLDER, Selection, read_events
    from lakehouse.settings import Settings
    from specs.loader import load_specs

    specs = load_specs()
    schedule = Schedule(speedup, rate)
    water = specs.transforms.watermark_seconds
    disturbance = Disturbance(late, duplicate, malformed, water, seed)
    folder = data or Settings().data or DATA_FOLDER
    chosen = Selection(folder, tuple(file or ()), _utc(start), _utc(end))
    spec = _source(specs, source)
    batches = read_events(spec, specs.topics["traffic_event"], chosen)
    _produce(specs, disturb(batches, disturbance), schedule, bootstrap, as_json=as_json)


@app.command("simulate")
def produce_simulate(  # noqa: PLR0913, PLR0917  (each is an option)
    segments: Annotated[
        int | None, typer.Option(help="Road segments; by default the registered ones.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Readings per second of event time, over all segments.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Event time to simulate; by default without end.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option(help="First event time, UTC; by default now.")
    ] = None,
    speedup: Speedup = 1.0,
    unpaced: Annotated[
        bool, typer.Option("--unpaced", help="As fast as Kafka takes them, not by event time.")
    ] = False,
    late: Late = 0.0,
    duplicate: Duplicate = 0.0,
    malformed: Malformed = 0.0,
    seed: Seed = 0,
    bootstrap: Bootstrap = None,
    as_json: Json = False,
) -> None:
    """Send readings of the simulated city as their event times pass.

    The city is the one of specs/sources/simulator.yaml; segments past its number are unknown
    until they are registered. --seed decides incidents, noise and disturbance.
    """
    from ingestion.city import simulated_city
    from ingestion.disturbance import Disturbance, disturb, gathered
    from ingestion.pacing import Schedule
    from ingestion.simulator import Simulation
    from specs.loader import load_specs

    specs = load_specs()
    spec = _source(specs, "simulator")
    city = simulated_city(spec, segments)
    simulation = Simulation(
        source=spec,
        topic=specs.topics["traffic_event"],
        city=city,
        rate=rate if rate is not None else len(city) / spec.interval_seconds,
        start=_utc(start) or datetime.now(UTC),
        seed=seed,
    )
    schedule = Schedule() if unpaced else Schedule(speedup)
    water = specs.transforms.watermark_seconds
    disturbance = Disturbance(late, duplicate, malformed, water, seed)
    readings = simulation.readings(seconds)
    records = disturb(gathered(readings) if unpaced else readings, disturbance)
    _produce(specs, records, schedule, bootstrap, as_json=as_json)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _source(specs: "Specs", name: str) -> "SourceSpec":
    from specs.errors import WrongInput

    if name not in specs.sources:
        raise WrongInput(f"no source {name!r}; there are {', '.join(specs.sources)}")
    return specs.sources[name]


def _produce(
    specs: "Specs",
    records: "Iterable[Records]",
    schedule: "Schedule",
    bootstrap: str | None,
    *,
    as_json: bool,
) -> None:
    from ingestion.pacing import SystemClock, pace
    from ingestion.producer import KafkaSender, send_all
    from lakehouse.signals import stopping_on_signals

    name, retry = specs.topics["traffic_event"].topic, specs.ops.retries.unavailable
    with (
        stopping_on_signals() as stopped,
        KafkaSender(kafka_at(bootstrap, "producer"), name, retry) as sender,
    ):
        began = time.monotonic()
        paced = pace(records, schedule, SystemClock(stopped))
        truth, delivered = send_all(paced, sender)
        seconds = time.monotonic() - began
    was_stopped = stopped()
    if was_stopped:
        print("stopped before the end; everything sent was delivered", file=sys.stderr)
    report = {
        **truth.as_dict(),
        "delivered": delivered.records,
        "last_offsets": delivered.last_offsets,
        "seconds": round(seconds, 3),
        "records_per_second": round(delivered.records / seconds, 1),
        "is_complete": not was_stopped,
    }
    if as_json:
        print_json(report)
        return
    for key, value in report.items():
        print(f"{key:20} {value}")
