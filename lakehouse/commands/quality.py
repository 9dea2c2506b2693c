"""`traffic quality`: the data-quality pages."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lakehouse.audit.balance import Offsets
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake

app = typer.Typer(no_args_is_help=True, help="Data quality.")
SHOWN_ROWS = 50_000


@app.command()
def docs(
    folder: Annotated[Path | None, typer.Argument(help="By default quality/ in the home.")] = None,
) -> None:
    """Write Great Expectations' pages on every table; they open without a network."""
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from quality.docs import build_docs
    from specs.loader import load_specs

    settings = Settings()
    lake = Lake(settings.lake, load_specs())
    rows = {
        name: lake.table(name).dataset().head(SHOWN_ROWS).cast(lake.table(name).schema)
        for name in lake.specs.tables
    }
    print(build_docs(lake.specs, rows, folder or settings.home / "quality"))


@app.command()
def report(
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day, UTC; by default today."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="By default quality/report-DAY.html in the home.")
    ] = None,
) -> None:
    """Write one page on a day: promises, gates, dead letters, detectors; it opens offline."""
    from lakehouse.journal import now
    from lakehouse.quality_report import Day, sections
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from quality.report_page import report_page
    from specs.loader import load_specs

    settings, at = Settings(), now()
    lake = Lake(settings.lake, load_specs())
    asked = Day((day or at).date())
    shown = list(sections(lake, asked, _kafka_offsets(settings, lake)))
    page = file or settings.home / "quality" / f"report-{asked.date}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(report_page(asked.date, f"{at:%Y-%m-%d %H:%M} UTC", shown))
    print(page)


def _kafka_offsets(settings: "Settings", lake: "Lake") -> "Offsets | None":
    """What Kafka holds; None, and a word on stderr, where it does not answer."""
    from ingestion.topics import TopicAdmin
    from lakehouse.kafka_grants import OPERATOR
    from lakehouse.services import kafka_access
    from specs.errors import Unavailable

    topic = lake.specs.topics["traffic_event"].topic
    try:
        kafka = kafka_access(settings, OPERATOR)
        with TopicAdmin(kafka, lake.specs.ops.retries.unavailable) as admin:
            return {p.partition: (p.begin, p.end) for p in admin.offsets([topic])}
    except Unavailable as error:
        print(f"neither lag nor balance is measured: {error}", file=sys.stderr)
        return None
