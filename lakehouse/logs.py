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

CHATTY = ("kafka", "ingestion.producer")
"""Kafka's clients, which tell of every attempt; what came of the last is an error of ours."""

MASK = "***"
QUOTED_LINES = 12
_BINDINGS_OWN = re.compile(r"nanobind: | - (leaked|\.\.\. skipped)|See https://nanobind")
"""What DuckDB's binding says at an interpreter's end of objects that it did not free."""

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
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # librdkafka calls much fatal


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


def last_words(log: str) -> str:
    """What a process said last, for a person.

    Args:
        log: all that it said, of a job or of any program.

    Returns:
        The last `QUOTED_LINES` lines, before them the last error where it is none of these; an
        event and its exception in the place of its JSON. Empty where nothing was said.
    """
    lines = [line for line in log.splitlines() if line.strip() and not _BINDINGS_OWN.match(line)]
    before, quoted = lines[:-QUOTED_LINES], lines[-QUOTED_LINES:]
    if not any(map(_is_error, quoted)):
        quoted = [*filter(_is_error, before)][-1:] + quoted
    return "\n".join(map(told, quoted))


def _is_error(line: str) -> bool:
    return _event(line).get("level") == "error"


def _event(line: str) -> dict[str, Any]:
    """What `JsonLine` wrote; nothing of another line."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def told(line: str) -> str:
    """A line of a log for a person: the event and its exception of a job's JSON, else the line."""
    found = _event(line)
    said = [str(found[name]) for name in ("event", "exception") if name in found]
    return "\n".join(said) or line
