"""Programs from Debian's packages that some tests need, and what programs of ours say."""

import re
import shutil

import pytest

from lakehouse.logs import told

BINDINGS_OWN = re.compile(r"nanobind: | - |See https://nanobind")
"""What DuckDB's binding says at an interpreter's end of objects that it did not free."""

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


def program(name: str) -> str:
    """Path of a program; the test is skipped where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} of Debian's package {PACKAGES[name]}")
    return found


def said(stderr: str) -> list[str]:
    """What a program of ours said: its lines, those of a job without their JSON."""
    return [told(line) for line in stderr.splitlines() if not BINDINGS_OWN.match(line)]
