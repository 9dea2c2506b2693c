"""What every group of tests shares: the specs, a lake in a folder of its own, a browser."""

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from lakehouse.tables import Lake
from specs.loader import Specs, load_specs

# a worker of pytest-xdist has no program of its own, which PySpark takes for a run of its doctests
sys.modules["__main__"].__dict__.setdefault("__file__", __file__)

SHARED = ("spark", "api", "servers")
"""Fixtures that are dear to make: what uses one of them runs in one worker of pytest-xdist."""

settings.register_profile("shared machine", deadline=None)  # how long one example takes is chance
settings.load_profile("shared machine")


def pytest_sessionstart() -> None:
    """Have a run that is asked to end stop the servers that its fixtures started."""
    signal.signal(
        signal.SIGTERM,
        lambda *_: pytest.exit("asked to end", returncode=128 + signal.SIGTERM),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests for ``--dist=loadgroup``: by what they share, else by file."""
    for item in items:
        shared = [name for name in SHARED if name in getattr(item, "fixturenames", ())]
        item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.path.name))


@pytest.fixture(scope="session")
def specs() -> Specs:
    return load_specs()


@pytest.fixture
def lake(tmp_path: Path, specs: Specs) -> Lake:
    return Lake(tmp_path / "lake", specs)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's package chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()
