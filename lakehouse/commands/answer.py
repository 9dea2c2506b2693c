"""How a command answers: for a person, or with `--json` for a program.

Every command that reads takes `Json` and gives what it found to `print_json`, whole, as one
document on stdout; messages go to stderr in both forms, and the exit code is the same.
"""

import json
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="The answer as one JSON document.")]


def print_json(found: Any) -> None:
    """Print what a command found as one JSON document; what is no finite number is null."""
    from lakehouse.plain import plain

    print(json.dumps(plain(found), ensure_ascii=False, allow_nan=False))
