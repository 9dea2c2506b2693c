"""`traffic deploy`: what the containers of docker-compose.yaml are set up with."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Setting up the containers of docker-compose.yaml.")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where docker-compose.yaml is.")] = Path(),
) -> None:
    """Write .env with random secrets, readable by you alone; those that it has are kept."""
    from lakehouse.deploy.secrets import write_secrets

    print(f"{write_secrets(folder.resolve())} written, readable by you alone", file=sys.stderr)


@app.command()
def fetch(
    groups: Annotated[list[str], typer.Argument(help="Of lakehouse/runtime/artifacts.yaml.")],
) -> None:
    """Have pinned files in the cache, as the images are built with them."""
    from lakehouse.runtime.artifacts import artifact_files
    from lakehouse.settings import Settings

    for group in groups:
        for path in artifact_files(Settings(), group):
            print(path)


Trusted = Annotated[Path, typer.Argument(help="Folder of what clients may see.")]


@app.command()
def door(trusted: Trusted) -> None:
    """Write Trino's key and its users' hashed passwords to its folder, its certificate to TRUSTED.

    The passwords come as TRINO_PASSWORD_<USER>.
    """
    from lakehouse.deploy.trino import write_door
    from lakehouse.settings import Settings
    from lakehouse.trino.home import trino_home
    from specs.loader import load_specs

    home = trino_home(Settings())
    write_door(home, trusted, load_specs(), os.environ)
    print(f"key and hashes in {home.folder}, certificate in {trusted}", file=sys.stderr)


@app.command("kafka-key")
def kafka_key(trusted: Trusted) -> None:
    """Write the key of Kafka's brokers to its folder, and the certificate alone to TRUSTED."""
    from lakehouse.deploy.kafka import write_key
    from lakehouse.server_home import kafka_home
    from lakehouse.settings import Settings

    home = kafka_home(Settings())
    write_key(home, trusted)
    print(f"key in {home.folder}, certificate in {trusted}", file=sys.stderr)


@app.command("kafka-users")
def kafka_users() -> None:
    """Have Kafka know its users, and what each may do, by the specs; needs the brokers' key.

    The passwords come as KAFKA_PASSWORD_<USER>.
    """
    from lakehouse.deploy.kafka import BROKERS, keep_users
    from lakehouse.kafka_grants import grants, users
    from lakehouse.runtime.kafka_users import KafkaDoor
    from lakehouse.server_home import kafka_home
    from lakehouse.settings import Settings
    from specs.loader import load_specs

    specs = load_specs()
    keep_users(KafkaDoor(BROKERS, kafka_home(Settings())), specs, os.environ)
    print(f"{len(users(specs))} users, {len(grants(specs))} grants", file=sys.stderr)


@app.command()
def buckets() -> None:
    """Have the store AWS_ENDPOINT_URL hold its buckets and know its users, by the specs.

    The secret keys come as S3_SECRET_<USER>; S3_SECRET_ROOT is the owner's.
    """
    from lakehouse.bucket_grants import grants, users
    from lakehouse.deploy.buckets import keep_buckets
    from specs.errors import WrongInput
    from specs.loader import load_specs

    specs, endpoint = load_specs(), os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        raise WrongInput("no store: set AWS_ENDPOINT_URL")
    keep_buckets(endpoint, specs, os.environ)
    print(f"{len(users(specs))} users, {len(grants(specs))} grants", file=sys.stderr)


@app.command()
def tables() -> None:
    """Have every table of the specs; those that exist stay."""
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    lake = Lake(Settings().lake, load_specs())
    for name in lake.specs.tables:
        lake.table(name)
    print(f"{len(lake.specs.tables)} tables in {lake.root}", file=sys.stderr)


@app.command()
def register() -> None:
    """Have every table and view of the specs in the Trino that TRAFFIC_TRINO_URL names."""
    from lakehouse.services import trino_url
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from lakehouse.trino.catalog import register as bring_up
    from lakehouse.trino.client import Endpoint
    from lakehouse.trino.home import OWNER
    from specs.loader import load_specs

    settings, specs = Settings(), load_specs()
    url = trino_url(settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    owner = Endpoint.of(settings, url, OWNER)
    bring_up(owner, Lake(settings.lake, specs), settings.home / "registered")
    print(f"{len(specs.tables)} tables, {len(specs.views)} views at {url}", file=sys.stderr)
