"""``traffic up``, ``traffic down`` and ``traffic status``: the embedded servers."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.commands.answer import Json, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.runtime.server import Server
    from lakehouse.runtime.stack import Status
    from lakehouse.settings import Settings


With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="Also pipeline (lander and stream), cluster (Spark), trino, superset,"
        " monitoring or airflow; repeatable.",
    ),
]
Heal = Annotated[
    bool,
    typer.Option(
        "--heal", help="Every server that was started before too; restart what does not answer."
    ),
]
Restart = Annotated[
    list[str] | None,
    typer.Option("--restart", help="End this one first, by its name in `status`; repeatable."),
]


def up(extra: With = None, heal: Heal = False, restart: Restart = None) -> None:
    """Start the servers; those that run already are left alone."""
    from lakehouse.runtime import stack
    from lakehouse.settings import Settings
    from lakehouse.signals import exit_on_signals

    exit_on_signals()
    settings = Settings()
    anew = _started(settings, restart or ())
    wanted = [*stack.SERVERS, *_optional(extra or ()), *anew]
    if heal:
        wanted = stack.others(settings, (*wanted, *stack.present(settings)))
    stack.stop(settings, anew)
    _print(stack.up(settings, list(dict.fromkeys(wanted)), heal=heal))


def down() -> None:
    """Stop the servers and everything they started."""
    from lakehouse.runtime import stack
    from lakehouse.settings import Settings

    for name in stack.down(Settings()):
        print(f"{name} stopped")


def status(as_json: Json = False) -> None:
    """Show how the servers are; exits with 1 unless all are up."""
    from pydantic import TypeAdapter

    from lakehouse.runtime import stack
    from lakehouse.settings import Settings

    found = stack.status(Settings())
    if as_json:
        print_json(TypeAdapter(list[stack.Status]).dump_python(found, mode="json"))
    else:
        _print(found)
    if any(server.state != "up" for server in found):
        raise typer.Exit(1)


def _optional(names: "Sequence[str]") -> "Sequence[Server]":
    from lakehouse.runtime.stack import GROUPS
    from specs.errors import WrongInput

    for name in names:
        if name not in GROUPS:
            raise WrongInput(f"no server {name!r}; there are {', '.join(GROUPS)}")
    return [server for name in dict.fromkeys(names) for server in GROUPS[name]]


def _started(settings: "Settings", names: "Sequence[str]") -> "Sequence[Server]":
    from lakehouse.runtime.stack import present
    from specs.errors import WrongInput

    known = {server.name: server for server in present(settings)}
    for name in names:
        if name not in known:
            raise WrongInput(f"{name!r} was not started here; there are {', '.join(known)}")
    return [known[name] for name in names]


def _print(found: "Sequence[Status]") -> None:
    for server in found:
        memory = f"{server.rss_bytes / 1e6:.0f} MB" if server.rss_bytes else ""
        print(f"{server.name:<12} {server.state:<12} {server.endpoint or '':<24} {memory}".rstrip())
