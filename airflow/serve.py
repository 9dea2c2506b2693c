"""Airflow's three processes as one: API server, scheduler and DAG processor.

They live and end together. `airflow standalone` does not: asked to end, it leaves its children.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("airflow"))
PARTS = (
    ("api-server", "--host", os.environ["AIRFLOW__API__HOST"],
     "--port", os.environ["AIRFLOW__API__PORT"]),
    ("scheduler", "--skip-serve-logs"),  # its log server would listen on every interface
    ("dag-processor",),
)  # fmt: skip
GRACE_SECONDS = 15.0


def main() -> int:
    """Run until one part ends or we are asked to end; then end the others."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    started = [subprocess.Popen([PROGRAM, *part]) for part in PARTS]  # noqa: S603  (fixed above)
    parts = {process.pid: process for process in started}
    try:
        ended, status = os.wait()
        name = next(part[0] for part, pid in zip(PARTS, parts, strict=True) if pid == ended)
        parts.pop(ended)
        print(f"{name} ended with {os.waitstatus_to_exitcode(status)}", file=sys.stderr)
        return 1
    finally:
        for process in parts.values():
            process.terminate()
        for process in parts.values():
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    sys.exit(main())
