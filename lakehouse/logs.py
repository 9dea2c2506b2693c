"""What our processes say on stderr: one line an event, for a person or, in a file, as JSON.

A module logs with the standard library and hangs what belongs to the event on the record::

    log.info("batch landed", extra={"facts": {"job": "land", "batch_id": 7, "rows": 2000}})

An event is a batch, a change of model, a failure; never a row. Commands that a person waits for
say only what is wrong.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

OURS = ("benchmarks", "ingestion", "lakehouse", "ml", "quality", "specs")
"""Packages whose events are told; of others' only warnings and worse."""

CHATTY = ("kafka",)
"""Libraries that tell of every attempt; what came of the last is an error of ours."""

MASK = "***"
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*(?=@)")
_SECRET_NAME = r"[a-z0-9_-]*(?:password|passwd|secret|token|api[_-]?key|authorization)"  # noqa: S105
_SECRET_VALUE = re.compile(
    rf"""(?i)\b({_SECRET_NAME}["']?\s*[=:]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"'&,;]+"""
)


def masked(text: str) -> str:
    """The text without the logins of its addresses and the values of what is named a secret."""
    return _SECRET_VALUE.sub(rf"\1{MASK}", _LOGIN_IN_URL.sub(MASK, text))


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts: Mapping[str, Any] = getattr(record, "facts", {})
    return {
        name: MASK if re.fullmatch(_SECRET_NAME, name, re.IGNORECASE) else value
        for name, value in facts.items()
    }


class JsonLine(logging.Formatter):
    """One JSON object a line: ``at`` (UTC), ``level``, ``logger``, ``event``, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        told |= _facts(record)
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        shown = {k: masked(v) if isinstance(v, str) else v for k, v in told.items()}
        return json.dumps(shown, default=lambda value: masked(str(value)), ensure_ascii=False)


class TerminalLine(logging.Formatter):
    """For a person: the time, the event and its facts; what is wrong stands there by itself."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        if record.levelno >= logging.WARNING:
            text = f"traffic: {record.getMessage()}{facts}"
        else:
            moment = datetime.fromtimestamp(record.created)
            text = f"{moment:%H:%M:%S} {record.getMessage()}{facts}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return masked(text)


def configure(stream: TextIO | None = None) -> None:
    """Have this process write what is wrong to ``stream`` (by default stderr), for a person."""
    _write_to(stream or sys.stderr, TerminalLine())
    logging.getLogger().setLevel(logging.WARNING)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def tell_events(stream: TextIO | None = None) -> None:
    """As a job: write every event too, and all of it as JSON where no person looks on."""
    stream = stream or sys.stderr
    _write_to(stream, TerminalLine() if stream.isatty() else JsonLine())
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)


def _write_to(stream: TextIO, formatter: logging.Formatter) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.getLogger().handlers[:] = [handler]


def told(line: str) -> str:
    """The event of a line that `JsonLine` wrote, with its exception; any other line as it is."""
    try:
        found = json.loads(line)
        said = [str(found[name]) for name in ("event", "exception") if name in found]
    except (ValueError, TypeError):
        return line
    return "\n".join(said) or line
