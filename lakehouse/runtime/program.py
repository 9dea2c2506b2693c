"""Programs that prepare a server: they run to their end, and their last words are quoted."""

import subprocess
from collections.abc import Mapping, Sequence

from lakehouse.logs import last_words
from specs.errors import Unavailable


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
        said = last_words(done.stderr) or last_words(done.stdout)
        raise Unavailable(f"{name} failed:\n{said}")
    return done.stdout
