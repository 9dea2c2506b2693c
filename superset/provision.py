"""Brings a Superset to what `superset/assets` says; run again it changes nothing.

    python superset/provision.py           import the files
    python superset/provision.py --export  write the files from what Superset holds
    python superset/provision.py --check   tell where the two differ, and exit with 1 if they do

`traffic superset` runs it. What it needs comes in the environment, where no other account can read
it: SUPERSET_URL, the admin's SUPERSET_PASSWORD or a file of it, SUPERSET_PASSWORD_FILE, TRINO_URI
as SQLAlchemy writes it, and where Trino speaks TLS TRINO_CERTIFICATE, whom to trust: a PEM file, or
empty for the usual authorities.
"""

import io
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import requests
import yaml
from sqlalchemy.engine import make_url
from supersetapiclient.client import SupersetClient

ASSETS = Path(__file__).parent / "assets"
DATABASE = "databases/Lakehouse.yaml"
TRINO_URI = "trino://superset@127.0.0.1:18080/lake"
"""How the files write Trino's address; the real one is put in its place on the way."""

MASK = "XXXXXXXXXX"
"""What Superset exports for a password."""

NUMBER = re.compile(r"_\d+(?=\.yaml$)")
"""What Superset adds to a file's name: how many things it had made before."""

USER = "admin"

Asset = dict[str, Any]


def files() -> dict[str, str]:
    """Text of every asset file, by its path below the folder."""
    return {str(p.relative_to(ASSETS)): p.read_text() for p in sorted(ASSETS.rglob("*.yaml"))}


def provision(client: SupersetClient, trino_uri: str, tls: Asset) -> None:
    """Import every file; what has the same uuid is overwritten."""
    bundle = {"metadata.yaml": {"version": "1.0.0", "type": "assets"}}
    bundle |= {name: _numbered(yaml.safe_load(text), 0) for name, text in files().items()}
    bundle[DATABASE] = _reaching(bundle[DATABASE], trino_uri, tls)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in bundle.items():
            packed.writestr(f"assets/{name}", yaml.safe_dump(content, sort_keys=False))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "assets.zip").write_bytes(archive.getvalue())
        before = Path.cwd()
        os.chdir(folder)  # the client opens the file by its name alone
        try:
            client.assets.import_file("assets.zip")
        finally:
            os.chdir(before)


def exported(client: SupersetClient, trino_uri: str, tls: Asset) -> dict[str, str]:
    """What Superset holds, as files, without what only says when and where."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export.zip")
        client.assets.export(path)
        with zipfile.ZipFile(path) as packed:
            found = {
                NUMBER.sub("", name.partition("/")[2]): yaml.safe_load(packed.read(name))
                for name in packed.namelist()
            }
    del found["metadata.yaml"]
    if DATABASE in found:
        found[DATABASE] = _portable(found[DATABASE], trino_uri, tls)
    return {
        name: yaml.safe_dump(_numbered(asset, None), sort_keys=True)
        for name, asset in found.items()
    }


def _reaching(database: Asset, trino_uri: str, tls: Asset) -> Asset:
    """The database of the files with Trino's real address."""
    extra = database["extra"] | ({"engine_params": {"connect_args": tls}} if tls else {})
    return database | {"sqlalchemy_uri": trino_uri, "extra": extra}


def _portable(database: Asset, trino_uri: str, tls: Asset) -> Asset:
    """The database that Superset holds, with the address of the files if it has the real one."""
    real = make_url(trino_uri)
    masked = real.set(password=MASK) if real.password else real
    found, extra = database, dict(database["extra"])
    if found["sqlalchemy_uri"] == masked.render_as_string(hide_password=False):
        found = found | {"sqlalchemy_uri": TRINO_URI}
    if tls and extra.get("engine_params") == {"connect_args": tls}:
        del extra["engine_params"]
    return found | {"extra": extra}


def _numbered(asset: Asset, number: int | None) -> Asset:
    """Give a dashboard's charts a number, which an import asks for and does not use, or take it.

    Superset numbers charts and datasets as they come; the uuid says which one is meant.
    """
    (asset.get("params") or {}).pop("datasource", None)  # a dataset has none
    for part in asset.get("position", {}).values():
        if isinstance(part, dict) and part.get("type") == "CHART":
            part["meta"].pop("chartId", None)
            if number is not None:
                part["meta"]["chartId"] = number
    return asset


def write(found: dict[str, str]) -> None:
    """Make the files those."""
    for name in files().keys() - found.keys():
        (ASSETS / name).unlink()
    for name, text in found.items():
        path = ASSETS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def differing(found: dict[str, str]) -> list[str]:
    """Names of the files that are not what Superset holds."""
    ours = files()
    return sorted(name for name in ours.keys() | found.keys() if ours.get(name) != found.get(name))


def run(task: str) -> int:
    """Import, write or compare; returns the exit code."""
    url, trino_uri = os.environ["SUPERSET_URL"], os.environ["TRINO_URI"]
    password = os.environ.get("SUPERSET_PASSWORD") or _kept_password()
    certificate = os.environ.get("TRINO_CERTIFICATE")
    tls = {} if certificate is None else {"http_scheme": "https", "verify": certificate or True}
    client = SupersetClient(url, USER, password)
    if task == "":
        provision(client, trino_uri, tls)
    elif task == "--export":
        write(exported(client, trino_uri, tls))
    else:
        names = differing(exported(client, trino_uri, tls))
        print("\n".join(names) if names else f"{len(files())} files are what Superset holds")
        return 1 if names else 0
    return 0


def _kept_password() -> str:
    return Path(os.environ["SUPERSET_PASSWORD_FILE"]).read_text().strip()


def main(task: str = "") -> int:
    """See the module."""
    if task not in {"", "--export", "--check"}:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return run(task)
    except requests.ConnectionError as error:
        where = error.request.url if error.request else os.environ["SUPERSET_URL"]
        print(f"superset does not answer at {where}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
