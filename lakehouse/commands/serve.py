"""`traffic serve` and `traffic api-key`: the API with its live map, and who may ask it."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse import logs
from lakehouse.commands.answer import Json, print_json

if TYPE_CHECKING:
    from lakehouse.serving.keys import KeyStore

api_key = typer.Typer(no_args_is_help=True, help="Keys of the API; needed off loopback.")


def serve() -> None:
    """Serve the API and the live map until Ctrl-C.

    On loopback, the default, no key is needed unless TRAFFIC_API_REQUIRE_KEY=true. With another
    TRAFFIC_API_HOST every request for data needs a key, and TLS.
    """
    from lakehouse.serving import server
    from lakehouse.settings import Settings
    from specs.loader import load_specs

    logs.tell_events()
    server.serve(Settings(), load_specs())


@api_key.command("create")
def api_key_create(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="It expires after so many days.")
    ] = None,
) -> None:
    """Make a key and print it: this once only, what is kept is a hash."""
    from lakehouse.journal import now

    at = now()
    expires_at = at + timedelta(days=days) if days else None
    print(_store().create(name, at=at, expires_at=expires_at))
    print("keep it safe: it cannot be shown again", file=sys.stderr)


@api_key.command("list")
def api_key_list(as_json: Json = False) -> None:
    """List the keys by id; the keys themselves are not kept."""
    keys = _store().keys()
    if as_json:
        print_json([key.model_dump(mode="json", exclude={"sha256"}) for key in keys])
        return
    for key in keys:
        expires = f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "never"
        print(f"{key.id}  made {key.created_at:%Y-%m-%d %H:%M}  expires {expires}  {key.name}")


@api_key.command("revoke")
def api_key_revoke(key_id: Annotated[str, typer.Argument(help="Its id; see `list`.")]) -> None:
    """Let a key open nothing any more, from the next request on."""
    revoked = _store().revoke(key_id)
    print(f"revoked {revoked.id} {revoked.name}", file=sys.stderr)


def _store() -> "KeyStore":
    from lakehouse.serving.keys import KeyStore
    from lakehouse.settings import Settings

    return KeyStore(Settings().api_keys)
