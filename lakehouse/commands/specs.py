"""`traffic specs`: the spec files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lakehouse.commands.answer import Json, print_json

app = typer.Typer(no_args_is_help=True, help="The spec files: the truth that the code reads.")


@app.command()
def check(
    folder: Annotated[Path | None, typer.Argument(help="Folder of specs; by default ours.")] = None,
    against: Annotated[
        str | None,
        typer.Option(help="The specs before, a folder or git revision: refuse what breaks them."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read every spec and hold them against each other."""
    from lakehouse.spec_revision import specs_at
    from specs.check import faults
    from specs.compatibility import change_faults
    from specs.errors import SpecError
    from specs.loader import SPECS_FOLDER, load_specs

    found = load_specs(folder or SPECS_FOLDER)
    wrong = faults(found)
    if against is not None:
        with specs_at(against) as before:
            wrong += change_faults(before, found)
    counts = {name: len(getattr(found, name)) for name in ("tables", "topics", "sources")}
    if as_json:
        print_json({"version": found.version, **counts, "faults": wrong})
    if wrong:
        raise SpecError("\n".join(wrong))
    if not as_json:
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        print(f"specs {found.version}: {told} agree")


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a file differs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make every file that follows from the specs.

    Contracts, JSON Schemas, expectation suites, alerts, dashboards, views, the data dictionary and
    test cases. Prints the names of the files that it wrote or removed.
    """
    from lakehouse.artifacts import differing, made, refuse_all_but_a_clone, write
    from specs.loader import load_specs

    refuse_all_but_a_clone()
    files = made(load_specs())
    found = differing(files) if check else write(files)
    if as_json:
        print_json({"is_check": check, "files": found})
    for path in () if as_json else found:
        print(
            path, "differs from the specs" if check else "written" if path in files else "removed"
        )
    if check and found:
        raise typer.Exit(1)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="The specs before: a folder or a git revision.")],
    new: Annotated[
        str | None, typer.Argument(help="The specs after; by default those in force.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a change of the specs means, and what to make anew."""
    from lakehouse.artifacts import remade
    from lakehouse.spec_revision import specs_at
    from specs.consequences import changes, steps
    from specs.effects import Meaning
    from specs.loader import SPECS_FOLDER

    with specs_at(old) as before, specs_at(new or str(SPECS_FOLDER)) as after:
        found = changes(before, after)
        files = remade(before, after) if found else []
    verdict = max((change.effect.meaning for change in found), default=Meaning.COMPATIBLE)
    told = {
        "meaning": verdict.words,
        "changes": [
            {
                "where": one.where, "what": one.what, "meaning": one.effect.meaning.words,
                "why": one.effect.why,
            }
            for one in found
        ],
        "steps": steps(found),
        "files": files,
    }  # fmt: skip
    if as_json:
        print_json(told)
    else:
        print(_difference(told))


@app.command("new-city")
def new_city(  # noqa: PLR0913, PLR0917  (each is an option)
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON file of readings.")],
    segments: Annotated[Path | None, typer.Option(help="File of its road segments.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the source; by default the file's.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Of the city, an IANA name.")] = None,
    times_in: Annotated[str | None, typer.Option(help="Zone of times without an offset.")] = None,
    speed_unit: Annotated[str | None, typer.Option(help="km/h, mph or m/s.")] = None,
    description: Annotated[str | None, typer.Option(help="One sentence.")] = None,
    attribution: Annotated[str | None, typer.Option(help="Owner and licence.")] = None,
    as_json: Json = False,
) -> None:
    """Draft the spec of a new city from its files.

    It goes to stdout: traffic specs new-city FILE > specs/sources/NAME.yaml. What the files do
    not tell is asked for on a terminal, and else stands there as "?", which
    `traffic specs check` refuses.
    """
    import sys

    from ingestion.source_draft import QUESTIONS, draft, open_places, open_questions
    from ingestion.source_look import look

    given = {
        "name": name, "time_zone": time_zone, "times_in": times_in, "speed_unit": speed_unit,
        "description": description, "attribution": attribution,
    }  # fmt: skip
    answers = {key: value for key, value in given.items() if value is not None}
    seen, seen_segments = look(file), look(segments) if segments else None
    lines = draft(seen, seen_segments, answers)
    if sys.stdin.isatty():
        for key in open_questions(lines, answers):
            answers[key] = typer.prompt(QUESTIONS[key], default="?", err=True)
        lines = draft(seen, seen_segments, answers)
    text, places = "\n".join(map(str, lines)), open_places(lines)
    if as_json:
        print_json({"yaml": text, "open": places})
    else:
        print(text)
    for place in places:
        print(f"fill in: {place}", file=sys.stderr)


def _difference(told: dict[str, Any]) -> str:
    """The answer of `traffic specs diff` for a person."""
    if not told["changes"]:
        return "no difference"
    lines = []
    for one in told["changes"]:
        what = f": {one['what']}" if one["what"] else ""
        lines += [f"{one['where']}{what}", f"    {one['meaning']}: {one['why']}"]
    lines += ["", f"This change is {told['meaning']}." if told["meaning"] != "needs recompute"
              else "This change needs recompute."]  # fmt: skip
    for title, key in (
        ("To do, in this order:", "steps"),
        ("`traffic specs build` changes:", "files"),
    ):
        if told[key]:
            lines += [title, *(f"  {line}" for line in told[key])]
    return "\n".join(lines)
