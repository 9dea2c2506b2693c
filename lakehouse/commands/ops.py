"""`traffic ops`: the files that servers beside the lakehouse are run with."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Alerts, dashboards and their servers' files.")


@app.callback()
def ops() -> None:
    """Keep `build` a subcommand."""


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a file differs.")
    ] = False,
) -> None:
    """Make the files of deploy/ that follow from the specs."""
    from lakehouse.dashboards.build import grafana_files
    from lakehouse.deploy.trino import trino_files
    from lakehouse.monitoring.files import DEPLOY, differing, made, write
    from specs.loader import load_specs

    specs = load_specs()
    files = made(specs) | grafana_files(specs) | trino_files(specs)
    found = differing(files, DEPLOY) if check else write(files, DEPLOY)
    for path in found:
        print(f"deploy/{path} {'differs from the specs' if check else 'written'}")
    if check and found:
        raise typer.Exit(1)
