"""The runtime's promises, with servers that are up in a moment."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lakehouse.runtime import intent, process
from lakehouse.runtime.server import Launch, Server, accepts
from lakehouse.runtime.stack import down, endpoints, others, running, status, stop, up
from lakehouse.settings import Settings
from specs.errors import Unavailable
from tests.tiny_server import DEAF, FAILING, SLEEP, TINY, python

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / "home", kafka_port=0)
    yield settings
    down(settings)


def start_up_elsewhere(settings: Settings, *servers: str) -> "subprocess.Popen[str]":
    """Run ``up`` in another process and wait until it has started the last server."""
    environment = {**os.environ, "TRAFFIC_HOME": str(settings.home), "TRAFFIC_KAFKA_PORT": "0"}
    other = subprocess.Popen(
        [sys.executable, "-m", "tests.tiny_server", *servers],
        env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (settings.run / f"{servers[-1]}.json").exists():
        assert other.poll() is None, other.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return other


def test_up_starts_and_down_ends(settings: Settings) -> None:
    assert [server.state for server in status(settings, [TINY])] == ["stopped"]
    (server,) = up(settings, [TINY])
    assert server.state == "up"
    assert endpoints(settings.home) == {"tiny": server.endpoint}
    assert down(settings) == ["tiny"]
    assert endpoints(settings.home) == {}
    assert process.members(settings.run) == {}
    assert down(settings) == []


def test_up_leaves_a_running_server_alone(settings: Settings) -> None:
    assert [up(settings, [TINY])[0].pid] == [up(settings, [TINY])[0].pid]


def test_up_repairs_what_was_killed(settings: Settings) -> None:
    (before,) = up(settings, [TINY])
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    psutil.Process(before.pid).wait()
    assert [server.state for server in status(settings, [TINY])] == ["dead"]
    (after,) = up(settings, [TINY])
    assert after.state == "up"
    assert after.pid != before.pid


def test_one_that_is_stopped_alone_is_started_anew_and_the_others_go_on(
    settings: Settings,
) -> None:
    other = dataclasses.replace(TINY, name="other")
    first, second = up(settings, [TINY, other])
    stop(settings, [other])
    assert [server.state for server in status(settings, [TINY, other])] == ["up", "stopped"]
    assert intent.wanted(settings.run) == {"tiny", "other"}
    again, anew = up(settings, [TINY, other])
    assert again.pid == first.pid
    assert anew.pid != second.pid


def test_a_server_that_hangs_is_unresponsive(settings: Settings) -> None:
    up(settings, [TINY])
    hanging = dataclasses.replace(TINY, answers=lambda port: False)
    assert [server.state for server in status(settings, [hanging])] == ["unresponsive"]


def test_healing_restarts_what_lives_without_answering(settings: Settings) -> None:
    (before,) = up(settings, [TINY])

    def well(port: int) -> bool:
        return accepts(port) and process.records(settings.run)["tiny"].pid != before.pid

    said: list[str] = []
    ailing = dataclasses.replace(TINY, answers=well)
    (after,) = up(settings, [ailing], heal=True, tell=said.append)
    assert after.state == "up"
    assert after.pid != before.pid
    assert [member.pid for member in process.members(settings.run)["tiny"]] == [after.pid]
    assert said[0] == "tiny lives and does not answer: restarted"
    (again,) = up(settings, [ailing], heal=True)
    assert again.pid == after.pid


def test_a_command_that_a_server_runs_leaves_that_server_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert others(settings, [TINY, DEAF, TINY]) == [TINY, DEAF]
    monkeypatch.setenv(process.MARK, str(settings.run / "deaf"))
    assert others(settings, [TINY, DEAF]) == [TINY]
    monkeypatch.setenv(process.MARK, str(settings.run.parent / "elsewhere" / "deaf"))
    assert others(settings, [TINY, DEAF]) == [TINY, DEAF]


def test_a_failed_start_quotes_the_log_and_stops_the_others(settings: Settings) -> None:
    with pytest.raises(
        Unavailable, match=r"failing ended while starting; .*failing\.log ends"
    ) as e:
        up(settings, [TINY, FAILING])
    assert str(e.value).endswith("\nout of luck")
    assert process.members(settings.run) == {}
    assert process.records(settings.run) == {}


def test_a_failed_start_leaves_what_ran_before(settings: Settings) -> None:
    up(settings, [TINY])
    with pytest.raises(Unavailable):
        up(settings, [TINY, FAILING])
    assert list(endpoints(settings.home)) == ["tiny"]


def test_a_server_that_never_answers_is_given_up(settings: Settings) -> None:
    with pytest.raises(
        Unavailable, match=r"slow does not answer after \d+ s; .*slow\.log is empty"
    ):
        up(settings, [python("slow", "-c", SLEEP, seconds=0.5)])
    assert process.members(settings.run) == {}


def test_a_port_in_use_is_named_with_who_holds_it(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        settings = Settings(home=tmp_path, kafka_port=port)
        with pytest.raises(Unavailable) as error:
            up(settings, [TINY])
    me = psutil.Process()
    assert str(error.value) == (
        f"tiny cannot listen on port {port}: Address already in use by {me.name()}"
        f" (pid {me.pid}); stop that, or set TRAFFIC_TINY_PORT to another port (0 for any)"
    )
    assert process.members(settings.run) == {}


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"cannot write to .*file/run: Not a directory"):
        up(Settings(home=tmp_path / "file"), [TINY])


def test_up_interrupted_halfway_leaves_nothing(settings: Settings) -> None:
    other = start_up_elsewhere(settings, TINY.name, DEAF.name)
    other.send_signal(signal.SIGINT)
    _, said = other.communicate(timeout=60)
    assert other.returncode != 0
    assert "KeyboardInterrupt" in said
    assert process.members(settings.run) == {}
    assert process.records(settings.run) == {}


def test_down_ends_what_a_killed_up_left(settings: Settings) -> None:
    other = start_up_elsewhere(settings, TINY.name, DEAF.name)
    other.kill()
    other.communicate()
    (settings.run / "deaf.json").unlink()  # as if it had been killed before it wrote the record
    assert sorted(process.members(settings.run)) == ["deaf", "tiny"]
    assert down(settings) == ["deaf", "tiny"]
    assert process.members(settings.run) == {}


def test_two_ups_at_once_start_one_server(settings: Settings) -> None:
    def prepare_slowly(settings: Settings, port: int) -> Launch:
        time.sleep(0.3)
        return TINY.prepare(settings, port)

    slow = dataclasses.replace(TINY, prepare=prepare_slowly)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: up(settings, [slow])[0], range(2))
    assert first.pid == second.pid
    assert len(process.members(settings.run)["tiny"]) == 1


def test_a_running_block_ends_its_servers_when_it_fails(settings: Settings) -> None:
    def fail_inside() -> None:
        with running(settings, [TINY]) as found:
            assert accepts(int(found["tiny"].rsplit(":", 1)[1]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert process.members(settings.run) == {}


JOB = dataclasses.replace(TINY, name="job", port=lambda _: 0, is_job=True)


def test_jobs_start_after_the_servers_and_end_before_them(settings: Settings) -> None:
    order: list[str] = []

    def noted(server: Server) -> Server:
        def prepare(settings: Settings, port: int) -> Launch:
            order.append(f"{server.name} is prepared")
            return server.prepare(settings, port)

        return dataclasses.replace(server, prepare=prepare)

    up(settings, [noted(JOB), noted(TINY)], tell=lambda said: order.append(said.split(" at ")[0]))
    assert order == ["tiny is prepared", "tiny answers", "job is prepared", "job answers"]


def test_a_job_that_cannot_be_restarted_costs_no_server_and_is_not_forgotten(
    settings: Settings,
) -> None:
    up(settings, [TINY, JOB])
    for name in ("tiny", "job"):
        pid = process.records(settings.run)[name].pid
        os.kill(pid, signal.SIGKILL)
        psutil.Process(pid).wait()
    broken = dataclasses.replace(FAILING, name="job", is_job=True)
    with pytest.raises(Unavailable, match="job ended while starting"):
        up(settings, [TINY, broken], heal=True)
    assert [server.state for server in status(settings, [TINY, JOB])] == ["up", "stopped"]
    assert intent.wanted(settings.run) == {"tiny", "job"}
    assert [server.state for server in up(settings, [TINY, JOB], heal=True)] == ["up", "up"]
    down(settings)
    assert intent.wanted(settings.run) == set()


HOLDING = (
    "import sys; from lakehouse.runtime.intent import hold_this_job;"
    " hold_this_job('a gate refused its batch'); sys.exit(1)"
)


def test_a_job_that_waits_for_a_person_is_started_by_a_person_alone(settings: Settings) -> None:
    holding = dataclasses.replace(python("job", "-c", HOLDING), is_job=True)
    with pytest.raises(Unavailable):
        up(settings, [TINY, holding])
    assert intent.held(settings.run) == {"job": "a gate refused its batch"}
    said: list[str] = []
    found = up(settings, [TINY, JOB], heal=True, tell=said.append)
    assert [(server.name, server.state) for server in found] == [("tiny", "up")]
    assert said[0] == "job waits for a person: a gate refused its batch"
    assert [server.state for server in status(settings, [TINY, JOB])] == ["up", "held"]
    assert [server.state for server in up(settings, [TINY, JOB])] == ["up", "up"]
    assert intent.held(settings.run) == {}


def test_what_a_server_runs_holds_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(settings, [TINY])
    monkeypatch.setenv(process.MARK, str(settings.run / "tiny"))
    intent.hold_this_job("a task of its own has failed")
    assert intent.held(settings.run) == {}
