"""`traffic bench`: hold the goals of specs/system.yaml against this machine."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lakehouse.commands.answer import Json

app = typer.Typer(no_args_is_help=True, help="Measure throughput and freshness on this machine.")

Rate = Annotated[float, typer.Option(min=1, help="Readings per second.")]
Segments = Annotated[int, typer.Option(min=1, help="Road segments.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long to measure.")]
Repetitions = Annotated[int, typer.Option(min=1, help="Runs that count.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides every reading.")]


class Through(StrEnum):
    """What readings may be followed through, past gold."""

    TRINO = "trino"


@app.callback()
def clean_up_on_signals() -> None:
    """See `exit_on_signals`."""
    from lakehouse.signals import exit_on_signals

    exit_on_signals()


@app.command()
def landing(  # noqa: PLR0913, PLR0917  (each is an option)
    records: Annotated[int, typer.Option(min=1, help="Records in the topic.")] = 2_000_000,
    repetitions: Repetitions = 5,
    malformed: Annotated[float, typer.Option(help="Ratio of extra records that are wrong.")] = 0.01,
    seed: Seed = 0,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topic.")] = 4,
    peers: Annotated[
        bool, typer.Option("--peers", help="Beside others, turn by turn, on sound records.")
    ] = False,
    peer: Annotated[
        list[str] | None, typer.Option(help="Of the others only this one; repeatable.")
    ] = None,
    peer_command: Annotated[
        str | None,
        typer.Option(help="Another program: {bootstrap}, {topic}, {table}, {records} are filled."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Land a full topic with one lander process; exit 1 if the books do not balance."""
    from benchmarks.landing import LandingLoad, measure
    from benchmarks.report import finish

    load = LandingLoad(records, repetitions, malformed, seed, partitions)
    if peers or peer or peer_command:
        from benchmarks import landing_peers
        from specs.errors import WrongInput

        unknown = sorted({*(peer or ())} - {*landing_peers.MODULES})
        if unknown:
            known = ", ".join(landing_peers.MODULES)
            raise WrongInput(f"no peer {unknown[0]}; there are {known}")
        others = landing_peers.Peers(tuple(peer or landing_peers.MODULES), peer_command)
        sys.exit(finish("landing --peers", landing_peers.measure(load, others), as_json=as_json))
    sys.exit(finish("landing", measure(load), as_json=as_json))


@app.command()
def freshness(  # noqa: PLR0913, PLR0917  (each is an option)
    rate: Rate = 2000.0,
    segments: Segments = 500,
    seconds: Seconds = 300.0,
    seed: Seed = 0,
    through: Annotated[
        Through | None, typer.Option(help="Also measure up to the row that this returns.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run everything under a live load; exit 1 if the books do not balance."""
    from benchmarks.freshness import measure
    from benchmarks.live import LiveLoad
    from benchmarks.report import finish

    load = LiveLoad(rate, segments, seconds, seed)
    name = "freshness" if through is None else f"freshness --through {through}"
    sys.exit(finish(name, measure(load, through_trino=through is not None), as_json=as_json))


@app.command()
def ramp(  # noqa: PLR0913, PLR0917  (each is an option)
    rate: Annotated[
        list[float] | None, typer.Option(help="Readings per second, rising; repeatable.")
    ] = None,
    refinements: Annotated[int, typer.Option(min=0, help="Steps to close in on the knee.")] = 2,
    segments: Segments = 500,
    peer: Annotated[bool, typer.Option(help="Then Spark's naive medallion, alike.")] = True,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Raise the rate until gold falls behind, and find the knee; exit 1 if the books are off."""
    from benchmarks.ramp import Climb, measure
    from benchmarks.report import finish

    rates = tuple(sorted(rate)) if rate else Climb.rates
    plan = Climb(rates, refinements, segments, seed)
    sys.exit(finish("ramp", measure(plan, with_peer=peer), as_json=as_json))


@app.command()
def growth(  # noqa: PLR0913, PLR0917  (each is an option)
    rate: Annotated[list[float] | None, typer.Option(help="Readings per second.")] = None,
    segments: Annotated[list[int] | None, typer.Option(help="Road segments.")] = None,
    days: Annotated[list[float] | None, typer.Option(help="Of history in the tables.")] = None,
    landers: Annotated[list[int] | None, typer.Option(help="A partition for each.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure each.")] = 30,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Freshness and cost where the first of each grows to its others; each is repeatable."""
    from benchmarks.growth import Axes, measure
    from benchmarks.report import finish

    axes = Axes(
        tuple(rate or Axes.rate), tuple(segments or Axes.segments), tuple(days or Axes.days),
        tuple(landers or Axes.landers),
    )  # fmt: skip
    sys.exit(finish("growth", measure(axes, seconds, seed), as_json=as_json))


@app.command()
def backfill(  # noqa: PLR0913, PLR0917  (each is an option)
    records: Annotated[int, typer.Option(min=1, help="Sent beside a day of history.")] = 2_000_000,
    rate: Annotated[float, typer.Option(min=1, help="Of them, a second of event time.")] = 2000.0,
    segments: Segments = 500,
    repetitions: Annotated[int, typer.Option(min=1, help="Rounds that count.")] = 5,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make silver and gold anew from bronze; exit 1 if the books do not balance."""
    from benchmarks.backfill import BackfillLoad, measure
    from benchmarks.report import finish

    load = BackfillLoad(records, rate, segments, repetitions, seed)
    sys.exit(finish("backfill", measure(load), as_json=as_json))


@app.command()
def query(
    rows: Annotated[int, typer.Option(min=1, help="Of silver.segment_metric.")] = 10_000_000,
    segments: Segments = 500,
    repetitions: Annotated[int, typer.Option(min=1, help="Runs of each query that count.")] = 20,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Time five queries of the SQL guide on silver; exit 1 if Trino does not count every row."""
    from benchmarks.query import QueryLoad, measure
    from benchmarks.report import finish

    load = QueryLoad(rows, segments, repetitions, seed)
    sys.exit(finish("query", measure(load), as_json=as_json))


@app.command()
def api(
    rate: Annotated[float, typer.Option(min=1, help="Requests per second.")] = 200.0,
    segments: Segments = 500,
    seconds: Seconds = 60.0,
    as_json: Json = False,
) -> None:
    """Ask the API for a whole city while batches are committed; exit 1 if a request failed."""
    from benchmarks.api import ApiLoad, measure
    from benchmarks.report import goals, show
    from specs.loader import load_specs

    result = measure(ApiLoad(rate, segments, seconds))
    show(result, goals(load_specs().system.slas, "api", result), as_json=as_json)
    sys.exit(1 if result["failed"] else 0)


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=1, help="How long to measure.")] = 30.0,
    rate: Rate = 2000.0,
    segments: Segments = 500,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run everything under a live load with `traffic maintain` beside: what grows, and how fast."""
    from benchmarks.live import LiveLoad
    from benchmarks.report import finish
    from benchmarks.soak import measure

    load = LiveLoad(rate, segments, minutes * 60, seed)
    sys.exit(finish("soak", measure(load), as_json=as_json))


@app.command()
def recovery(
    rate: Rate = 2000.0,
    segments: Segments = 500,
    seconds: Annotated[float, typer.Option(min=1, help="How long to look after a kill.")] = 90.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Kill lander, stream and broker under a live load: how long until gold is fresh again."""
    from benchmarks.live import LiveLoad
    from benchmarks.recovery import measure
    from benchmarks.report import finish

    load = LiveLoad(rate, segments, seconds, seed)
    sys.exit(finish("recovery", measure(load), as_json=as_json))


@app.command()
def retrain(as_json: Json = False) -> None:
    """Have Airflow retrain on the demo's two weeks; exit 1 if the books do not balance."""
    from benchmarks.report import finish
    from benchmarks.retrain import measure

    sys.exit(finish("retrain", measure(), as_json=as_json))


@app.command("help")
def help_time(
    repetitions: Annotated[int, typer.Option(min=1, help="Calls that count.")] = 20,
    as_json: Json = False,
) -> None:
    """Time `traffic --help`: the CPU that it takes, which what runs beside it hardly changes."""
    from benchmarks.help_time import measure
    from benchmarks.report import goals, show
    from specs.loader import load_specs

    result = measure(repetitions)
    show(result, goals(load_specs().system.slas, "help", result), as_json=as_json)


@app.command("keep")
def keep_result(
    name: Annotated[
        str,
        typer.Argument(
            help="landing-peers, ramp, backfill, growth, freshness, freshness-trino or query."
        ),
    ],
    command: Annotated[str, typer.Option(help="What printed it.")],
) -> None:
    """Keep the result on stdin, which a bench printed with --json, for the page."""
    from benchmarks.kept import keep

    print(keep(name, sys.stdin.read(), command))


@app.command("page")
def performance_page(
    docs: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("docs"),
) -> None:
    """Write performance.md and its chart from the kept results."""
    from benchmarks.kept import kept_results
    from benchmarks.performance_page import write

    for file in write(kept_results(), docs):
        print(file)
