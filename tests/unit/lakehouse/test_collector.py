"""A process that keeps what is loaded out of the collector's way ends without a word."""

import subprocess
import sys

KEEPS = """
import duckdb
from lakehouse.collector import keep_loaded
keep_loaded()
"""


def test_what_was_kept_is_let_go_of_at_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KEEPS], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
