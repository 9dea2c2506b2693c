"""Brings a Superset to what `superset/assets` says; run again it changes nothing.

python superset/provision.py URL PASSWORD_FILE TRINO_URI           import the files
python superset/provision.py URL PASSWORD_FILE TRINO_URI --export  write the files
    python superset/provision.py URL PASSWORD_FILE TRINO_URI --check   are they the same?
"""

import io
import json
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import yaml
from supersetapiclient.client import SupersetClient

ASSETS = Path(__file__).parent / "assets"
TRINO_URI = "trino://superset@127.0.0.1:18080/lake"
"""How the files write Trino's address; another is put in its place on the way."""

NUMBER = re.compile(r"_\d+(?=\.yaml$)")
"""What Superset adds to a file's name: how many things it had made before."""

USER = "admin"


def connected(url: str, password_file: Path) -> SupersetClient:
    """Superset's API as the admin."""
    return SupersetClient(url, USER, password_file.read_text().strip())


def provision(client: SupersetClient, trino_uri: str) -> None:
    """Import every file; what has the same uuid is overwritten."""
    bundle = {"metadata.yaml": {"version": "1.0.0", "type": "assets"}}
    bundle |= {name: _numbered(yaml.safe_load(text), 0) for name, text in files().items()}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in bundle.items():
            text = yaml.safe_dump(content, sort_keys=False).replace(TRINO_URI, trino_uri)
            packed.writestr(f"assets/{name}", text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "assets.zip"
        path.write_bytes(archive.getvalue())
        os.chdir(folder)  # the client opens the file by its name alone
        client.assets.import_file(path)
        os.chdir("/")


def files() -> dict[str, str]:
    """Text of every asset file, by its path below the folder."""
    return {str(p.relative_to(ASSETS)): p.read_text() for p in sorted(ASSETS.rglob("*.yaml"))}


def exported(client: SupersetClient, trino_uri: str) -> dict[str, str]:
    """What Superset holds, as files, without what only says when."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        client.assets.export(path)
        with zipfile.ZipFile(path) as packed:
            texts = {
                NUMBER.sub("", name.partition("/")[2]): packed.read(name).decode()
                for name in packed.namelist()
            }
    del texts["metadata.yaml"]
    return {
        name: yaml.safe_dump(
            _numbered(yaml.safe_load(text.replace(trino_uri, TRINO_URI)), None), sort_keys=True
        )
        for name, text in texts.items()
    }


def _numbered(asset: dict, number: int | None) -> dict:
    """Give a dashboard's charts a number, which an import asks for and does not use, or take it.

    Superset numbers charts as they come; the uuid says which one is meant.
    """
    for part in asset.get("position", {}).values():
        if isinstance(part, dict) and part.get("type") == "CHART":
            part["meta"].pop("chartId", None)
            if number is not None:
                part["meta"]["chartId"] = number
    return asset


def main(url: str, password_file: str, trino_uri: str, *rest: str) -> None:
    """Import the files, or write them, or say whether they are what Superset holds."""
    client = connected(url, Path(password_file))
    if "--export" in rest:
        for name in files():
            (ASSETS / name).unlink()
        for name, text in exported(client, trino_uri).items():
            path = ASSETS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    elif "--check" in rest:
        print(json.dumps(exported(client, trino_uri) == files()))
    else:
        provision(client, trino_uri)


if __name__ == "__main__":
    main(*sys.argv[1:])
