"""A disk that takes no more is told in one line, whoever found it out."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.disk import disk_fault
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import Specs


@pytest.mark.parametrize("error", [
    OSError(28, "No space left on device"), OSError(30, "Read-only file system"),
    RuntimeError("Generic LocalFileSystem error: ... No space left on device (os error 28)"),
    RuntimeError("java.io.IOException: Disk quota exceeded"),
])  # fmt: skip
def test_it_is_known_by_the_systems_own_words(error: Exception) -> None:
    told = disk_fault(error)
    assert told is not None
    assert len(str(told).splitlines()) == 1
    outer = ValueError("a table cannot be written")
    outer.__cause__ = error
    assert str(disk_fault(outer)) == str(told)


def test_another_fault_is_not_taken_for_it() -> None:
    assert disk_fault(OSError(2, "No such file or directory")) is None
    assert disk_fault(KeyError("device")) is None


def test_a_command_on_a_full_disk_ends_with_one_line_and_goes_on_where_there_is_room(
    tmp_path: Path, specs: Specs
) -> None:
    """Every file ends at 3 kB, as on a disk that is full."""
    command = [
        sys.executable,
        "-m",
        "lakehouse",
        "segment",
        "load",
        "simulator",
        "--segments",
        "500",
    ]
    environment = Settings(home=tmp_path).environment()
    full = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
    )  # fmt: skip
    assert full.returncode == 1
    (line,) = full.stderr.splitlines()
    assert "the disk takes no more: file too large" in line
    subprocess.run(command, env=environment, capture_output=True, check=True)
    assert Lake(tmp_path / "lake", specs).table("silver.road_segment").read().num_rows == 500
