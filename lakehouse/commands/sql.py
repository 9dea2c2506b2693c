"""`traffic sql`: statements to Trino, one, a file of them, or a shell."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lakehouse.commands.answer import Json


def sql(
    statement: Annotated[str | None, typer.Argument(help="SQL; without it, a shell.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("-f", "--file", help="Run the statements of this file; - is stdin."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="The answer as CSV.")] = False,
    as_json: Json = False,
    user: Annotated[
        str | None, typer.Option(help="Who asks; the users are in specs/access.yaml.")
    ] = None,
) -> None:
    """Ask the lake's tables and views through Trino; nobody can write."""
    from lakehouse.services import trino_url
    from lakehouse.settings import Settings
    from lakehouse.trino.client import Client, Endpoint
    from lakehouse.trino.render import Format, show
    from lakehouse.trino.shell import shell
    from specs.errors import WrongInput

    if as_csv and as_json:
        raise WrongInput("give --csv or --json, not both")
    form = Format.CSV if as_csv else Format.JSON if as_json else Format.TABLE
    asked = _statements(statement, file)
    settings = Settings()
    with Client(Endpoint.of(settings, trino_url(settings), user)) as client:

        def run(one: str) -> None:
            with client.ask(one) as answer:
                left_out = show(answer, form, sys.stdout)
            if left_out:
                print(f"{left_out:,} more rows; --csv shows all", file=sys.stderr)

        if asked is None:
            shell(run, settings.home / "sql_history")
        for one in asked or ():
            run(one)


def _statements(statement: str | None, file: Path | None) -> list[str] | None:
    """What to run; None for a shell."""
    from lakehouse.trino.statements import says_something, statements
    from specs.errors import WrongInput

    if statement is not None and file is not None:
        raise WrongInput("give a statement or a file, not both")
    if file is not None:
        text = _read(file)
    elif statement is not None:
        text = statement
    elif sys.stdin.isatty():
        return None
    else:
        text = sys.stdin.read()
    found, rest = statements(text)
    asked = [*found, rest.strip()] if says_something(rest) else found
    if not asked:
        raise WrongInput("there is no SQL statement in this")
    return asked


def _read(file: Path) -> str:
    from specs.errors import WrongInput

    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"cannot read {file}: {error}") from error
