"""Every file that follows from the specs: made in one place, written or compared by one command."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lakehouse.settings import Settings
from specs.errors import WrongInput
from specs.loader import Specs

ROOT = Path(__file__).parents[1]
"""A clone of the repository; an installed wheel has no files to write."""

OWNED = ("contracts", "deploy/grafana/dashboards", "tests/cases")
"""Folders that hold made files only: what is made no longer is removed from them."""

DATASETS = "superset/assets/datasets"
MADE_BY = "Made of specs/ by `traffic specs build`; edit there."
Files = dict[str, str]
"""Text by path below the repository."""


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _cases(cases: list[dict[str, Any]]) -> str:
    """A case a line."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, allow_nan=False) for case in cases)
    return f"[\n{lines}\n]\n"


def _yaml(content: Any) -> str:
    return f"# {MADE_BY}\n" + yaml.safe_dump(
        content, sort_keys=False, width=1000, allow_unicode=True
    )


def _schemas(specs: Specs) -> Files:
    from specs.json_schema import topic_schemas

    made = topic_schemas(specs)
    return {f"contracts/topics/{name}.schema.json": _json(one) for name, one in made.items()}


def _contracts(specs: Specs) -> Files:
    from lakehouse.trino.home import CATALOG
    from specs.contract import contracts

    ports = {name: Settings.model_fields[name].default for name in ("kafka_port", "trino_port")}
    kafka = {
        "server": "kafka", "type": "kafka", "host": f"127.0.0.1:{ports['kafka_port']}",
        "format": "json", "encoding": "UTF-8",
    }  # fmt: skip
    trino = {
        "server": "trino", "type": "trino", "host": "127.0.0.1", "port": ports["trino_port"],
        "catalog": CATALOG,
    }  # fmt: skip
    made = contracts(specs, kafka, trino)
    return {f"contracts/{name}.odcs.yaml": _yaml(one) for name, one in made.items()}


def _suites(specs: Specs) -> Files:
    from quality.suites import suite_of

    suites = {name: suite_of(table) for name, table in sorted(specs.tables.items())}
    return {
        f"contracts/expectations/{name}.json": _json(suite.to_json_dict())
        for name, suite in suites.items() if suite.expectations
    }  # fmt: skip


def _views(specs: Specs) -> Files:
    from lakehouse.trino.views import views_script

    return {"deploy/trino/views.sql": f"-- {MADE_BY}\n{views_script(specs)}"}


def _monitoring(specs: Specs) -> Files:
    from lakehouse.monitoring.files import made

    return {f"deploy/{path}": text for path, text in made(specs).items()}


def _grafana(specs: Specs) -> Files:
    from lakehouse.dashboards.build import grafana_files

    return {f"deploy/{path}": text for path, text in grafana_files(specs).items()}


def _trino(specs: Specs) -> Files:
    from lakehouse.deploy.trino import trino_files

    return {f"deploy/{path}": text for path, text in trino_files(specs).items()}


def _superset(specs: Specs) -> Files:
    from lakehouse.dashboards.superset import bound_dataset

    paths = sorted(str(path.relative_to(ROOT)) for path in (ROOT / DATASETS).rglob("*.yaml"))
    return {path: bound_dataset((ROOT / path).read_text(), specs, path) for path in paths}


def _dictionary(specs: Specs) -> Files:
    from specs.dictionary import data_dictionary

    return {"docs/data-dictionary.md": data_dictionary(specs)}


def _test_cases(specs: Specs) -> Files:
    from specs.event_cases import event_cases
    from specs.rule_cases import batch_cases, row_cases
    from specs.window_cases import window_cases

    files = {"tests/cases/windows.json": _cases(window_cases(specs.transforms))}
    for name, table in sorted(specs.tables.items()):
        if table.rules:
            files[f"tests/cases/rows/{name}.json"] = _cases(row_cases(table))
        if table.expectations:
            files[f"tests/cases/batches/{name}.json"] = _cases(batch_cases(table))
    for name, versions in sorted(specs.topic_versions.items()):
        for topic in versions:
            if topic.fields:
                path = f"tests/cases/events/{name}.v{topic.version}.json"
                files[path] = _cases(event_cases(topic))
    return files


MAKERS: tuple[Callable[[Specs], Files], ...] = (
    _schemas, _contracts, _suites, _views, _monitoring, _grafana, _trino, _superset,
    _dictionary, _test_cases,
)  # fmt: skip


def made(specs: Specs) -> Files:
    """Every file that follows from ``specs``.

    Raises:
        SpecError: the specs do not give all that a file needs.
        Unavailable: a library that makes one of them is not installed.
    """
    return {path: text for maker in MAKERS for path, text in maker(specs).items()}


def remade(old: Specs, new: Specs) -> list[str]:
    """Paths of the files that ``new`` makes otherwise than ``old``, or only one of the two, sorted.

    Suites follow from the tables alone; Great Expectations' import is most of what making takes.
    """
    makers = [maker for maker in MAKERS if maker is not _suites or old.tables != new.tables]
    before, now = (
        {path: text for maker in makers for path, text in maker(specs).items()}
        for specs in (old, new)
    )
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def refuse_all_but_a_clone(root: Path = ROOT) -> None:
    """Hold ``root`` to be a clone of the repository.

    Raises:
        WrongInput: it is none, as an installed wheel.
    """
    if not (root / "pyproject.toml").is_file():
        raise WrongInput(
            f"{root} is no clone of the repository, which has these files; run this in one"
        )


def differing(files: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """Paths below ``root`` that are absent, hold something else or are made no longer, sorted.

    Raises:
        WrongInput: ``root`` is no clone of the repository.
    """
    refuse_all_but_a_clone(root)
    changed = {path for path, text in files.items() if _text(root / path) != text}
    present = (file for folder in OWNED for file in (root / folder).rglob("*") if file.is_file())
    return sorted(changed | {str(file.relative_to(root)) for file in present} - files.keys())


def _text(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def write(files: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """Write what differs, remove what is made no longer, and return the paths, sorted.

    Raises:
        WrongInput: ``root`` is no clone of the repository.
    """
    changed = differing(files, root)
    for path in changed:
        if path not in files:
            (root / path).unlink()
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path])
    return changed
