"""`traffic scaffold`: a small working program to begin with, and its test."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lakehouse.scaffold.stub import Kind

app = typer.Typer(no_args_is_help=True, help="A small working program to begin with.")

Name = Annotated[str, typer.Argument(help="Of the module, as in my_city.")]
Into = Annotated[Path, typer.Option("--into", help="Folder, made if absent; by default here.")]


@app.command()
def producer(name: Name, into: Into = Path()) -> None:
    """Write a program that sends readings to topic traffic_event, and its test."""
    from lakehouse.scaffold.stub import Kind

    _write(Kind.PRODUCER, name, into)


@app.command()
def processor(name: Name, into: Into = Path()) -> None:
    """Write a program that reads topic congestion_scores, and its test."""
    from lakehouse.scaffold.stub import Kind

    _write(Kind.PROCESSOR, name, into)


@app.command()
def service(name: Name, into: Into = Path()) -> None:
    """Write a program that answers over HTTP from gold, and its test."""
    from lakehouse.scaffold.stub import Kind

    _write(Kind.SERVICE, name, into)


def _write(kind: "Kind", name: str, folder: Path) -> None:
    from lakehouse.scaffold.stub import scaffold
    from specs.loader import load_specs

    _, test = made = scaffold(kind, name, folder, load_specs())
    for path in made:
        print(path)
    print(f"next: python -m pytest --import-mode=prepend {test}", file=sys.stderr)
