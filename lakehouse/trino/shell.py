"""`traffic sql` without a statement: asks for one after another, with a history."""

import readline
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lakehouse.trino.statements import says_something, statements
from specs.errors import TrafficError

HISTORY_LENGTH = 2000
PROMPT, MORE = "traffic> ", "      -> "
GREETING = "End a statement with `;`, leave with `quit` or Ctrl-D, cancel with Ctrl-C."


def shell(run: Callable[[str], None], history: Path) -> None:
    """Read statements until the end of the input and run each.

    Args:
        run: runs and shows one statement; its `TrafficError` is shown and the shell goes on.
        history: where the statements of earlier shells are kept.
    """
    with suppress(FileNotFoundError):
        readline.read_history_file(history)
    readline.set_auto_history(False)
    readline.parse_and_bind("tab: complete")
    print(GREETING, file=sys.stderr)
    try:
        _loop(run)
    finally:
        readline.set_history_length(HISTORY_LENGTH)
        history.parent.mkdir(parents=True, exist_ok=True)
        history.touch(mode=0o600)
        readline.write_history_file(history)


def _loop(run: Callable[[str], None]) -> None:
    pending = ""
    while True:
        try:
            line = input(MORE if says_something(pending) else PROMPT)
        except EOFError:
            print()
            return
        except KeyboardInterrupt:  # forget what was typed
            print()
            pending = ""
            continue
        if not says_something(pending) and line.strip().rstrip(";").lower() in {"quit", "exit"}:
            return
        ready, pending = statements(f"{pending}{line}\n")
        for statement in ready:
            readline.add_history(f"{' '.join(statement.split(chr(10)))};")
            _run(run, statement)


def _run(run: Callable[[str], None], statement: str) -> None:
    try:
        run(statement)
    except KeyboardInterrupt:
        print("cancelled", file=sys.stderr)
    except TrafficError as error:
        print(error, file=sys.stderr)
