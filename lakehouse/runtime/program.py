"""Programs that prepare a server: they run to their end, and their last words are quoted."""

import subprocess
from collections.abc import Mapping, Sequence

from specs.errors import Unavailable

QUOTED_LINES = 12


def run_program(
    name: str, command: Sequence[str], environment: Mapping[str, str], *, seconds: float
) -> str:
    """Run a program and return what it printed.

    Args:
        name: what a person calls it.
        command: the whole argument list.
        environment: the whole environment.
        seconds: how long it may take on a slow, busy machine.

    Raises:
        Unavailable: it failed or has not ended in time; the message quotes its last lines.
    """
    try:
        done = subprocess.run(  # noqa: S603  (nothing in it comes from outside)
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{name} has not ended after {seconds:g} s") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-QUOTED_LINES:]
        raise Unavailable("\n".join((f"{name} failed:", *last)))
    return done.stdout
