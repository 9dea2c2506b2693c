"""`traffic specs`: the spec files."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The spec files: the truth that the code reads.")


@app.callback()
def specs() -> None:
    """Keep `check` a subcommand."""


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
