"""`traffic specs check`: 0 where all agree, 2 where a person has to edit a file."""

import subprocess
import sys
from pathlib import Path

from tests.edited_specs import edited_folder


def check(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lakehouse", "specs", "check", *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_specs_that_agree_exit_with_0() -> None:
    done = check()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("13 tables, 3 topics, 4 sources agree\n")


def test_a_contradiction_exits_with_2_and_says_where(tmp_path: Path) -> None:
    edit = ("system.yaml", 'to: "table:gold.network_kpi"', 'to: "table:gold.nowhere"')
    done = check(str(edited_folder(tmp_path, edit)))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "traffic: system.yaml: flow names table:gold.nowhere, which no spec defines\n"
    )


def test_an_absent_folder_exits_with_2(tmp_path: Path) -> None:
    done = check(str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert str(tmp_path / "nothing") in done.stderr
