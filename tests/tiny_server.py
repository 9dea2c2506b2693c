"""Servers for tests of the runtime: real processes, up in a moment, some of them troublesome.

Run as a program it does what ``traffic up`` does, with the servers named on its command line.
"""

import os
import signal
import sys

from lakehouse.runtime.server import LOOPBACK, Launch, Server, accepts
from lakehouse.runtime.stack import up
from lakehouse.settings import Settings

SLEEP = "import time; time.sleep(99)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def python(name: str, *arguments: str, seconds: float = 60.0) -> Server:
    """A server that is Python with these arguments, ``{port}`` filled in."""
    return Server(
        name=name,
        endpoint=f"http://{LOOPBACK}:{{port}}",
        port=lambda settings: settings.kafka_port,
        prepare=lambda _, port: Launch(
            (sys.executable, *(argument.format(port=port) for argument in arguments)), os.environ
        ),
        answers=accepts,
        start_seconds=seconds,
    )


TINY = python("tiny", "-m", "http.server", "--bind", LOOPBACK, "{port}")
FAILING = python("failing", "-c", "print('out of luck'); raise SystemExit(3)")
DEAF = python("deaf", "-c", SLEEP)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
    known = {server.name: server for server in (TINY, FAILING, DEAF)}
    up(Settings(), [known[name] for name in sys.argv[1:]])
