"""`traffic quality`: the data-quality pages."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Data quality.")
SHOWN_ROWS = 50_000


@app.callback()
def quality() -> None:
    """Keep `docs` a subcommand."""


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
