"""`traffic checksum`: compare tables of two homes, or of before and after."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from lakehouse.commands.answer import Json, print_json

TABLES = ["silver.segment_metric", "gold.congestion_scores", "gold.network_kpi"]


def checksum(
    tables: Annotated[
        list[str] | None, typer.Argument(help="As layer.name; by default silver and gold.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", help="First window start, UTC.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", help="Window starts before this, UTC.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rows and an order-independent checksum of what tables say.

    Stamps and revisions are left out.
    """
    from lakehouse.checksum import checksum as of
    from lakehouse.commands.data import open_lake
    from specs.errors import WrongInput

    _, lake = open_lake()
    begin, until = (moment and moment.replace(tzinfo=UTC) for moment in (start, end))
    found = []
    for name in tables or TABLES:
        if name not in lake.specs.tables:
            raise WrongInput(f"no table {name!r}; there are {', '.join(lake.specs.tables)}")
        spec = lake.specs.tables[name]
        if (begin or until) and "window_start" not in spec.column_names:
            raise WrongInput(f"{name} has no windows: --from and --to do not go with it")
        found.append({"table": name, **asdict(of(lake, name, begin, until))})
    if as_json:
        print_json(found)
        return
    for one in found:
        print(f"{one['table']:<24} {one['rows']:>12,} rows  {one['sum']}")
