"""Sends OpenLineage events: to a file, one JSON object a line, or to a server over HTTP."""

from collections.abc import Iterable
from pathlib import Path

import requests
from openlineage.client.event_v2 import RunEvent, set_producer
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport
from openlineage.client.transport.transport import Transport

from lakehouse.lineage import PRODUCER
from specs.errors import Unavailable

TIMEOUT_SECONDS = 10.0


def emit_events(events: Iterable[RunEvent], to: str) -> int:
    """Send each event; returns how many.

    Args:
        events: in the order of telling.
        to: an ``http://`` or ``https://`` address, or a file that they are appended to.

    Raises:
        Unavailable: the file cannot be written or the server does not take an event; those before
            it were told, and may be told again.
    """
    set_producer(PRODUCER)
    transport, count = _transport(to), 0
    try:
        for event in events:
            transport.emit(event)
            count += 1
    except (requests.RequestException, OSError, RuntimeError) as error:
        raise Unavailable(f"lineage cannot be told to {to}: {error}") from error
    return count


def _transport(to: str) -> Transport:
    if to.startswith(("http://", "https://")):
        return HttpTransport(HttpConfig(url=to, timeout=TIMEOUT_SECONDS))
    try:
        Path(to).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"lineage cannot be told to {to}: {error}") from error
    return FileTransport(FileConfig(log_file_path=to, append=True))
