"""`traffic specs`: the spec files."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The spec files: the truth that the code reads.")


@app.command()
def check(
    folder: Annotated[Path | None, typer.Argument(help="Folder of specs; by default ours.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Folder of the specs before: refuse what breaks with them.")
    ] = None,
) -> None:
    """Read every spec and hold them against each other, each topic's version against the last."""
    from specs.check import faults
    from specs.compatibility import change_faults
    from specs.errors import SpecError
    from specs.loader import SPECS_FOLDER, load_specs

    found = load_specs(folder or SPECS_FOLDER)
    wrong = faults(found)
    if against is not None:
        wrong += change_faults(load_specs(against), found)
    if wrong:
        raise SpecError("\n".join(wrong))
    print(
        f"specs {found.version}: {len(found.tables)} tables, {len(found.topics)} topics, "
        f"{len(found.sources)} sources agree"
    )


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a file differs.")
    ] = False,
) -> None:
    """Make every file that follows from the specs: contracts, rules, dashboards, docs, cases."""
    from lakehouse.artifacts import differing, made, write
    from specs.loader import load_specs

    files = made(load_specs())
    found = differing(files) if check else write(files)
    for path in found:
        print(
            path, "differs from the specs" if check else "written" if path in files else "removed"
        )
    if check and found:
        raise typer.Exit(1)
