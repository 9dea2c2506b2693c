"""`traffic lineage`: OpenLineage events of what was landed, streamed, trained and scored."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.commands.answer import Json, print_json

if TYPE_CHECKING:
    from lakehouse.lineage import Told
    from lakehouse.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Data lineage, as OpenLineage events.")
log = logging.getLogger(__name__)


@app.callback()
def lineage() -> None:
    """Keep `emit` a subcommand."""


@app.command()
def emit(
    to: Annotated[
        str | None,
        typer.Option(
            envvar="TRAFFIC_LINEAGE_URL",
            help="File that events are appended to, or http(s) address of an OpenLineage server;"
            " by default lineage/events.jsonl in the home.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what has happened since the last time, from the ledger and the registry."""
    from lakehouse.emission import emit_events
    from lakehouse.lineage import Places, events, runs
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    settings = Settings()
    lake = Lake(settings.lake, load_specs())
    folder = settings.home / "lineage"
    target, registry = to or str(folder / "events.jsonl"), _registry(settings)
    found, reached = runs(lake, registry, _told(folder))
    places = Places(lake, settings.kafka_bootstrap or "embedded", settings.mlflow_uri or "mlflow")
    count = emit_events((event for run in found for event in events(run, places)), target)
    _keep(folder, reached)
    if as_json:
        print_json({"runs": len(found), "events": count, "to": target})
    else:
        print(f"{len(found)} runs, {count} events to {target}")


def _registry(settings: "Settings") -> str | None:
    from lakehouse.services import mlflow_uri
    from specs.errors import Unavailable

    try:
        return mlflow_uri(settings)
    except Unavailable as error:
        log.warning("%s; trainings are told once it answers", error)
        return None


def _told(folder: Path) -> "Told":
    from lakehouse.lineage import Told

    path = folder / "told.json"
    return Told.model_validate_json(path.read_bytes()) if path.exists() else Told()


def _keep(folder: Path, reached: "Told") -> None:
    """Put it in place at once: a crash before it tells the same runs again, under the same ids."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "told.draft"
    draft.write_text(reached.model_dump_json())
    draft.replace(folder / "told.json")
