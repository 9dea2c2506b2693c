"""Lander and stream as processes that `traffic up` starts, watches over and ends."""

import sys
from functools import partial

from lakehouse.runtime.program import run_program
from lakehouse.runtime.server import LOOPBACK, Launch, Server, answers_ok
from lakehouse.settings import Settings

PROGRAM = (sys.executable, "-P", "-m", "lakehouse")
PROBE_SECONDS = 5.0
COMMAND_SECONDS = 120.0
MEMBER = "embedded"
"""Of the landers' group: a restarted one gets its partitions back at once."""


def _prepare(command: str, settings: Settings, port: int) -> Launch:
    environment = settings.environment()
    environment["TRAFFIC_METRICS_PORT"] = str(port)
    if command == "land":
        environment.setdefault("TRAFFIC_LAND_MEMBER", MEMBER)
        # those that exist stay
        command_line = (*PROGRAM, "topic", "create")
        run_program("traffic topic create", command_line, environment, seconds=COMMAND_SECONDS)
    return Launch((*PROGRAM, command), environment)


def _answers(port: int) -> bool:
    return answers_ok(port, "/metrics", PROBE_SECONDS)


def _job(name: str, command: str, start_seconds: float) -> Server:
    return Server(
        name=name,
        endpoint=f"http://{LOOPBACK}:{{port}}/metrics",
        port=lambda _: 0,
        prepare=partial(_prepare, command),
        answers=_answers,
        start_seconds=start_seconds,
        is_job=True,
    )


PIPELINE: tuple[Server, ...] = (_job("lander", "land", 180.0), _job("stream", "stream", 300.0))
"""What ``--with pipeline`` starts."""
