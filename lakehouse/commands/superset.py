"""`traffic superset`: the dashboards as files, and as Superset has them."""

import sys

import typer

from lakehouse.commands.answer import Json, print_json

app = typer.Typer(no_args_is_help=True, help="Dashboards as files; `traffic up` imports them.")


@app.command()
def check(as_json: Json = False) -> None:
    """Say which files of superset/assets are not what Superset holds; exit 1 if there are any."""
    from lakehouse.runtime.superset import compare_assets
    from lakehouse.settings import Settings

    told = compare_assets(Settings()).strip()
    if as_json:
        print_json({"is_same": True, "told": told})
    else:
        print(told)


@app.command()
def export() -> None:
    """Write what Superset holds to superset/assets, after editing a dashboard in the browser."""
    from lakehouse.runtime.superset import ASSETS, export_assets
    from lakehouse.settings import Settings

    export_assets(Settings())
    print(f"written to {ASSETS}", file=sys.stderr)
