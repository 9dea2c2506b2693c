"""What prepares a server runs to its end, and a failure quotes it."""

import sys
from pathlib import Path

import pytest

from lakehouse.logs import QUOTED_LINES
from lakehouse.runtime.program import run_program
from lakehouse.runtime.secret_file import keep_secret
from specs.errors import Unavailable


def python(code: str, *, seconds: float = 60) -> str:
    environment = {"WORD": "told"}
    return run_program("the program", (sys.executable, "-c", code), environment, seconds=seconds)


def test_what_it_prints_is_returned_and_its_environment_is_the_given_one() -> None:
    assert python("import os; print(sorted(os.environ), os.environ['WORD'])").startswith("['")
    assert python("import os; print(os.environ['WORD'])") == "told\n"
    with pytest.raises(Unavailable, match="KeyError"):
        python("import os; print(os.environ['HOME'])")


def test_a_failure_quotes_the_last_lines_of_stderr_or_else_of_stdout() -> None:
    with pytest.raises(Unavailable) as caught:
        python("import sys\nfor n in range(40): print(n, file=sys.stderr)\nsys.exit(1)")
    first, *quoted = str(caught.value).splitlines()
    assert first == "the program failed:"
    assert quoted == [str(number) for number in range(40 - QUOTED_LINES, 40)]
    with pytest.raises(Unavailable, match="only here"):
        python("import sys; print('only here'); sys.exit(2)")


def test_one_that_does_not_end_is_named_and_ended() -> None:
    with pytest.raises(Unavailable, match=r"the program has not ended after 0\.2 s"):
        python("import signal; signal.pause()", seconds=0.2)


def test_a_secret_stays_what_it_was_and_is_for_this_account_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert keep_secret(path, "first")
    assert not keep_secret(path, "second")
    assert path.read_text() == "first"
    assert path.stat().st_mode & 0o777 == 0o600
