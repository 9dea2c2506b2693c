"""What is installed is what was locked, what is loaded is what we wrote, and no secret is here."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lakehouse.artifacts import ROOT
from lakehouse.runtime.artifacts import pinned
from ml.stored import TRUSTED_TYPES

DEPLOY = ROOT / "deploy"
LOCKS = {
    "uv.lock": 100,
    "airflow/uv.lock": 100,
    "superset/uv.lock": 100,
    "specs/speckit/uv.lock": 40,
}
"""Each with how many packages it holds at least."""
PACKAGES = ("specs", "quality", "ml", "ingestion", "lakehouse", "benchmarks")
OWN_PROCESSES = {"current.py", "follower.py", "news.py", "watcher.py"}
"""Of lakehouse/serving: the API and its own child talk in pickles, through pipes of their own."""


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_locked_with_hashes(lock: str) -> None:
    locked = tomllib.loads((ROOT / lock).read_text())["package"]
    assert len(locked) > LOCKS[lock]
    for package in locked:
        source = package["source"]
        if "editable" in source or "virtual" in source:
            assert package["name"].startswith("traffic-lakehouse")
            continue
        assert source.keys() == {"registry"}, package["name"]
        files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
        assert files, package["name"]
        for file in files:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), package["name"]
            assert file["url"].startswith("https://"), package["name"]


def test_everything_that_installs_takes_the_lock_as_it_is() -> None:
    places = [ROOT / "Makefile", *DEPLOY.glob("*/Dockerfile")]
    syncs = [
        line for place in places for line in place.read_text().splitlines() if "uv sync" in line
    ]
    assert len(syncs) == 10
    assert all("--frozen" in line for line in syncs)


def test_every_download_is_pinned_by_its_content() -> None:
    for artifacts in pinned().values():
        assert all(re.fullmatch(r"[0-9a-f]{64}", one.sha256) for one in artifacts)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_nothing_that_came_from_elsewhere_is_unpickled() -> None:
    users = {
        path.relative_to(ROOT)
        for package in PACKAGES for path in (ROOT / package).rglob("*.py")
        if imported(path) & {"pickle", "joblib", "cloudpickle", "dill", "marshal", "shelve"}
    }  # fmt: skip
    assert users == {Path("lakehouse/serving") / name for name in OWN_PROCESSES}


def test_models_come_through_one_door() -> None:
    """Only `ml.stored` reads a stored model, and only of these types; no flavour of MLflow does."""
    text = {
        path: path.read_text()
        for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }  # fmt: skip
    readers = {path.name for path, code in text.items() if "skops.io.load" in code}
    assert readers == {"stored.py"}
    assert not [
        path for path, code in text.items() if re.search(r"(pyfunc|sklearn)\.load_model", code)
    ]
    downloads = [path.name for path, code in text.items() if "download_artifacts" in code]
    assert downloads == ["registry.py"]
    assert 'artifact_uri=f"models:/{name}/{version}"' in text[ROOT / "ml" / "registry.py"]
    theirs = [name for name in TRUSTED_TYPES if not name.startswith("ml.")]
    assert theirs == ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


def test_no_shell_runs_a_command_of_ours() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert not re.search(r"shell\s*=\s*True|os\.system\(|os\.popen\(", path.read_text()), (
                path
            )


def test_the_scan_of_secrets_finds_one_that_is_planted(tmp_path: Path) -> None:
    scan = Path(sys.executable).with_name("detect-secrets-hook")
    if not scan.exists():
        pytest.skip("needs detect-secrets; `make install`")
    planted = tmp_path / "settings.py"
    key = "AKIA" + "IOSFODNN7REALKEY"
    planted.write_text(f'aws_key = "{key}"\n')
    done = subprocess.run([scan, planted], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "AWS Access Key" in done.stdout


def test_the_audit_of_workflows_finds_an_action_that_may_be_swapped(tmp_path: Path) -> None:
    audit = [line.split() for line in (ROOT / "Makefile").read_text().splitlines()
             if ".venv/bin/zizmor" in line]  # fmt: skip
    (flags,) = ([word for word in line if word.startswith("--")] for line in audit)
    text = (ROOT / ".github" / "workflows" / "check.yml").read_text()
    (tmp_path / "check.yml").write_text(re.sub(r"@[0-9a-f]{40}", "@v5", text))
    program = Path(sys.executable).with_name("zizmor")
    found = subprocess.run(
        [program, *flags, tmp_path / "check.yml"], capture_output=True, text=True, check=False
    )
    assert found.returncode != 0
    assert "unpinned-uses" in found.stdout
