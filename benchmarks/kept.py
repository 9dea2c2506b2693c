"""Results that were kept: the JSON of a bench with the machine it ran on."""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from specs.errors import WrongInput

RESULTS = Path(__file__).parent / "results"
CPU_INFO = Path("/proc/cpuinfo")


def machine() -> dict[str, Any]:
    """What decides how fast this machine is; no name of it."""
    model = platform.processor() or platform.machine()
    if CPU_INFO.exists():
        lines = (line.split(":", 1) for line in CPU_INFO.read_text().splitlines() if ":" in line)
        model = next(
            (value.strip() for name, value in lines if name.strip() == "model name"), model
        )
    return {
        "cpus": os.cpu_count(), "cpu_model": model, "memory_bytes": psutil.virtual_memory().total,
        "system": platform.system(), "python": platform.python_version(),
    }  # fmt: skip


def keep(name: str, text: str, command: str, folder: Path = RESULTS) -> Path:
    """Write what ``command`` printed to ``folder``; returns the file.

    Raises:
        WrongInput: the text is no result of a bench, or one whose books are off.
    """
    try:
        result = json.loads(text)
    except json.JSONDecodeError as error:
        raise WrongInput(f"that is not what a bench prints with --json: {error}") from error
    if not isinstance(result, dict) or not result.get("audit_ok"):
        raise WrongInput("the audit of that run failed; a fast wrong run does not count")
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.json"
    kept = {
        "command": command, "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}", "machine": machine(),
        "result": result,
    }  # fmt: skip
    file.write_text(json.dumps(kept, indent=1) + "\n")
    return file


def kept_results(folder: Path = RESULTS) -> Mapping[str, dict[str, Any]]:
    """All results by name."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
