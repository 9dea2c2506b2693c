import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from lakehouse.runtime import process
from lakehouse.runtime.server import Launch
from lakehouse.settings import Settings
from specs.errors import Unavailable
from tests.tiny_server import SLEEP, STUBBORN

SPEAKS = "import os; print(os.getpid(), flush=True);"
READY = (
    "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print(os.getpid(), flush=True);"
)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path)
    yield settings
    process.stop(settings.run, process.members(settings.run), grace_seconds=0)


def start(settings: Settings, code: str = SLEEP) -> process.Record:
    launch = Launch((sys.executable, "-c", code), os.environ)
    return process.spawn(launch, settings, name="one", port=1, endpoint="nowhere")


def lines_of(path: Path, count: int) -> list[str]:
    """Wait until a process has written so many lines."""
    deadline = time.monotonic() + 60
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert time.monotonic() < deadline, path
        time.sleep(0.01)
    return path.read_text().splitlines()


def test_a_started_server_is_recorded_and_leads_its_own_session(settings: Settings) -> None:
    record = start(settings)
    assert process.records(settings.run) == {"one": record}
    assert os.getsid(record.pid) == record.pid
    assert process.leader(record) == psutil.Process(record.pid)


def test_what_a_server_prints_is_logged_and_the_last_log_is_kept(settings: Settings) -> None:
    log = settings.log / "one.log"
    for text in ("first", "second"):
        start(settings, f"import sys; print({text!r}); print('aside', file=sys.stderr)")
        assert sorted(lines_of(log, 2)) == ["aside", text]
    assert "first" in (settings.log / "one.log.1").read_text()


def test_a_process_id_used_again_is_not_the_server(settings: Settings) -> None:
    settings.run.mkdir()
    me = process.Record(
        name="one", pid=os.getpid(), boot_seconds=process.boot_seconds(psutil.Process()) - 60,
        port=1, endpoint="nowhere", command=("x",), started_at=datetime.now(UTC),
    )  # fmt: skip
    (settings.run / "one.json").write_text(me.model_dump_json())
    assert process.leader(me) is None
    assert process.members(settings.run) == {}
    process.stop(settings.run, ["one"])  # and we live on
    assert process.records(settings.run) == {}


def test_a_server_stays_itself_when_the_clock_is_set(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = start(settings)
    booted = psutil.boot_time()
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: booted - 3600)  # as /proc tells it
    assert psutil.Process(record.pid).create_time() < record.started_at.timestamp() - 3000
    assert process.leader(record) is not None


def test_stopping_ends_children_that_outlive_their_parent(settings: Settings) -> None:
    # The child leaves session and parent, as a daemon does; the mark in its environment stays, and
    # can be read once it speaks.
    start(
        settings,
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', {SPEAKS + SLEEP!r}], start_new_session=True)",
    )
    child = psutil.Process(int(lines_of(settings.log / "one.log", 1)[0]))
    assert process.members(settings.run)["one"][-1] == child
    process.stop(settings.run, ["one"])
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert process.members(settings.run) == {}


def test_a_deaf_child_without_the_mark_does_not_outlive_its_leader(settings: Settings) -> None:
    # As a worker does that writes a title over its environment; its leader ends when asked to.
    start(
        settings,
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {READY + STUBBORN!r}], env={{}})\n"
        "time.sleep(99)",
    )
    pid = int(lines_of(settings.log / "one.log", 1)[0])
    child = psutil.Process(pid)
    assert process.MARK not in child.environ()
    process.stop(settings.run, ["one"], grace_seconds=0.2)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_what_ignores_the_request_to_end_is_killed(settings: Settings) -> None:
    start(settings, "print('deaf', flush=True);" + STUBBORN)
    lines_of(settings.log / "one.log", 1)
    process.stop(settings.run, ["one"], grace_seconds=0.2)
    assert process.members(settings.run) == {}
    assert process.records(settings.run) == {}


def test_a_server_without_a_record_is_found_by_its_mark(settings: Settings) -> None:
    # A process has no environment to read for an instant after it is made: wait until it speaks.
    record = start(settings, f"print('here', flush=True); {SLEEP}")
    lines_of(settings.log / "one.log", 1)
    (settings.run / "one.json").unlink()
    assert process.members(settings.run) == {"one": [psutil.Process(record.pid)]}


def test_servers_of_another_home_are_left_alone(settings: Settings, tmp_path: Path) -> None:
    start(settings)
    assert process.members(tmp_path / "other" / "run") == {}


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("{")
    with pytest.raises(Unavailable, match=r"one\.json is not the record of a server"):
        process.records(tmp_path)
