"""`traffic dlq`: dead letters, listed, shown and judged again."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.commands.answer import Json, print_json

if TYPE_CHECKING:
    from ingestion.dead_letter_query import DeadLetterFilter

app = typer.Typer(no_args_is_help=True, help="Dead letters: Kafka records that failed a rule.")

Reason = Annotated[
    str | None, typer.Option(help="Id of a failed rule, or a part of the reason's text.")
]
Source = Annotated[str | None, typer.Option(help="Source that the record or its key names.")]
Since = Annotated[datetime | None, typer.Option(help="Kafka's timestamp from this on, UTC.")]
Until = Annotated[datetime | None, typer.Option(help="Kafka's timestamp before this, UTC.")]
TEXT_MAX_CHARACTERS = 4000


def _filter(
    reason: str | None, source: str | None, since: datetime | None, until: datetime | None,
    resolved: bool | None = None,
) -> "DeadLetterFilter":  # fmt: skip
    from ingestion.dead_letter_query import DeadLetterFilter

    def utc(moment: datetime | None) -> datetime | None:
        return moment.replace(tzinfo=UTC) if moment is not None else None

    return DeadLetterFilter(reason, source, utc(since), utc(until), resolved)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")[:TEXT_MAX_CHARACTERS]
    return value


def _print(row: dict[str, Any], *names: str) -> None:
    print("  ".join(str(_plain(row[name])) for name in names))


@app.command("list")
def dlq_list(  # noqa: PLR0913, PLR0917 (one a command-line option)
    reason: Reason = None, source: Source = None, since: Since = None, until: Until = None,
    resolved: Annotated[
        bool | None, typer.Option("--resolved/--unresolved", help="Only these; by default both.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:  # fmt: skip
    """List dead letters: place, Kafka's time, source, rules and whether a replay landed them."""
    from ingestion.dead_letter_query import dead_letters
    from lakehouse.commands.data import open_lake

    _, lake = open_lake()
    found = dead_letters(lake, _filter(reason, source, since, until, resolved), limit)
    names = ["topic", "partition", "offset", "kafka_timestamp", "source", "rule_ids", "reason",
             "resolved_at", "resolution"]  # fmt: skip
    rows = found.select(names).to_pylist()
    if as_json:
        print_json([{name: _plain(row[name]) for name in names} for row in rows])
        return
    for row in rows:
        state = "resolved" if row["resolved_at"] else "unresolved"
        place = f"{row['topic']}/{row['partition']}/{row['offset']}"
        rules = ",".join(row["rule_ids"])
        print(place, _plain(row["kafka_timestamp"]), row["source"] or "-", rules, state, sep="  ")


@app.command("summary")
def dlq_summary(since: Since = None, until: Until = None, as_json: Json = False) -> None:
    """Count dead letters by rule, by source and by whether a replay landed them."""
    from ingestion.dead_letter_query import dead_letter_counts
    from lakehouse.commands.data import open_lake

    _, lake = open_lake()
    found = dead_letter_counts(lake, _filter(None, None, since, until))
    if as_json:
        print_json(found)
        return
    print(f"{found['records']} dead letters, {found['unresolved']} of them unresolved")
    for key in ("by_rule", "by_source"):
        for name, count in found[key].items():
            print(f"{key:<10} {name:<24} {count:>8}")


@app.command("show")
def dlq_show(
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    as_json: Json = False,
) -> None:
    """Show one dead letter whole; bytes that are no text are escaped."""
    import pyarrow.compute as pc

    from ingestion.dead_letter_query import DeadLetterFilter, dead_letters
    from lakehouse.commands.data import open_lake
    from specs.errors import WrongInput

    _, lake = open_lake()
    kept = dead_letters(lake, DeadLetterFilter())
    is_it = pc.and_(pc.equal(kept["partition"], partition), pc.equal(kept["offset"], offset))
    rows = kept.filter(is_it).to_pylist()
    if not rows:
        raise WrongInput(
            f"no dead letter at partition {partition} offset {offset}; see `traffic dlq list`"
        )
    found = {name: _plain(value) for name, value in rows[0].items()}
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        print(f"{name:<16} {value}")


@app.command("replay")
def dlq_replay(
    reason: Reason = None, source: Source = None, since: Since = None, until: Until = None
) -> None:
    """Judge unresolved dead letters by the specs of now; what passes lands under its own offset."""
    from ingestion.dead_letter_replay import DeadLetterReplay
    from lakehouse.commands.data import open_lake

    _, lake = open_lake()
    done = DeadLetterReplay(lake).replay(_filter(reason, source, since, until))
    print(json.dumps(done.as_dict()))
