"""`traffic audit`: the proof that no reading was lost or counted twice."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.commands.answer import Json, print_json

if TYPE_CHECKING:
    from lakehouse.audit import Check
    from lakehouse.audit.gold import ModelVersions
    from lakehouse.settings import Settings
    from specs.loader import Specs

WithoutModels = Annotated[
    bool, typer.Option("--without-models", help="Do not ask the model registry whose scores are.")
]


def _registered(settings: "Settings", specs: "Specs") -> "ModelVersions":
    from lakehouse.services import mlflow_uri
    from ml.registry import versions

    return versions(mlflow_uri(settings), specs)


def _show(checks: "list[Check]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for name, justify in (
        ("check", "left"),
        ("expected", "right"),
        ("found", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify=justify, no_wrap=name == "")  # type: ignore[arg-type]
    for check in checks:
        table.add_row(
            check.name, f"{check.expected:,}", f"{check.found:,}", "ok" if check.is_ok else "OFF"
        )
    Console().print(table)
    for check in checks:
        for example in () if check.is_ok else check.examples:
            print(f"OFF {check.name}: {example}", file=sys.stderr)


def audit(as_json: Json = False, without_models: WithoutModels = False) -> None:
    """Derive anew all that the tables claim; exit 1 if it differs."""
    from ingestion.retry import patience_seconds
    from ingestion.topic_reader import read_topic
    from ingestion.topics import TopicAdmin
    from lakehouse.audit import proof
    from lakehouse.kafka_grants import OPERATOR
    from lakehouse.services import kafka_access
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    settings = Settings()
    lake = Lake(settings.lake, load_specs())
    retry, kafka = lake.specs.ops.retries.unavailable, kafka_access(settings, OPERATOR)
    topic = lake.specs.topics["traffic_event"].topic
    with TopicAdmin(kafka, retry) as admin:
        offsets = {p.partition: (p.begin, p.end) for p in admin.offsets([topic])}
    records = read_topic(kafka, topic, offsets, patience_seconds(retry))
    models = None if without_models else _registered(settings, lake.specs)
    checks = proof(lake, offsets, records, models)
    audit_ok = all(check.is_ok for check in checks)
    if as_json:
        rows = [{**check.__dict__, "is_ok": check.is_ok} for check in checks]
        print_json({"audit_ok": audit_ok, "checks": rows})
    else:
        _show(checks)
    sys.exit(0 if audit_ok else 1)
