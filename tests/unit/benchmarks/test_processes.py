import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmarks.processes import Child, Meter, Usage, environment, report_of, taken, tree
from specs.errors import Unavailable


def scripted(*looks: dict[int, Usage]) -> "Iterator[dict[int, Usage]]":
    yield from looks


def test_cpu_of_a_process_that_has_ended_still_counts() -> None:
    looks = scripted(
        {1: Usage(1.0, 100), 2: Usage(5.0, 50)}, {1: Usage(1.5, 90)}, {1: Usage(2.0, 80)}
    )
    meter = Meter()
    meter.watch("tree", lambda: next(looks))
    assert [meter.sample()["tree"] for _ in range(3)] == [6.0, 6.5, 7.0]


def test_memory_is_the_peak_of_the_whole_tree() -> None:
    looks = scripted({1: Usage(0, 100)}, {1: Usage(0, 70), 2: Usage(0, 60)}, {1: Usage(0, 90)})
    meter = Meter()
    meter.watch("tree", lambda: next(looks))
    for _ in range(3):
        meter.sample()
    assert meter.peak_rss_bytes == {"tree": 130}


def test_a_tree_that_began_between_two_samples_counts_from_nothing() -> None:
    assert taken({"a": 2.0}, {"a": 5.0, "b": 1.5}) == {"a": 3.0, "b": 1.5}


def test_a_tree_that_is_gone_holds_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert tree(process.pid)() == {}


def test_the_report_is_the_last_line() -> None:
    assert report_of('noise\n{"rows": 3}\n') == {"rows": 3}
    assert report_of("") == {}


def child(tmp_path: Path, source: str) -> Child:
    command = (sys.executable, "-c", textwrap.dedent(source))
    return Child("the job", command, environment(), tmp_path / "log" / "job.log")


def test_stopping_lets_a_process_finish_and_returns_its_report(tmp_path: Path) -> None:
    source = """
        import signal, sys
        signal.signal(signal.SIGTERM, lambda *_: (print('{"rows": 7}'), sys.exit(0)))
        print("ready", file=sys.stderr, flush=True)
        signal.pause()
    """
    with child(tmp_path, source) as job:
        while "ready" not in job.log.read_text():
            job.check()
        assert job.stop() == {"rows": 7}


def test_a_failure_quotes_the_log(tmp_path: Path) -> None:
    with child(tmp_path, "raise SystemExit('no disk')") as job, pytest.raises(Unavailable) as told:
        job.wait()
    assert "the job ended with exit code 1" in str(told.value)
    assert "no disk" in str(told.value)


def test_nothing_is_left_of_a_child_when_its_block_ends(tmp_path: Path) -> None:
    source = """
        import subprocess, sys, time
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(grandchild.pid, file=sys.stderr, flush=True)
        time.sleep(60)
    """
    with child(tmp_path, source) as job:
        while not (pid := job.log.read_text().strip()):
            job.check()
    assert job.process.returncode is not None
    with suppress(psutil.NoSuchProcess):
        while (left := psutil.Process(int(pid))).status() != psutil.STATUS_ZOMBIE:
            left.wait(60)
