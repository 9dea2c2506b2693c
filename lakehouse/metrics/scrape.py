"""Asks the running processes for their metrics, as Prometheus does."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from specs.ops import Process

ANSWER_SECONDS = 10.0


def endpoints(targets: Path) -> Iterator[tuple[str, str]]:
    """Process and URL of each that says in the folder ``targets`` where it answers."""
    for path in sorted(targets.glob("*.json")):
        for told in json.loads(path.read_text()):
            for address in told["targets"]:
                yield told["labels"]["job"], f"http://{address}/metrics"


def scrape(url: str) -> str:
    """The metrics at ``url``, as text.

    Raises:
        OSError: nobody answers there.
    """
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  (our own)
        text: str = answer.read().decode()
        return text


def values(targets: Path, process: Process, name: str) -> list[float]:
    """Every value that processes of this kind tell of a metric without labels of its own.

    Raises:
        OSError: one does not answer.
    """
    return [
        sample.value
        for job, url in endpoints(targets)
        if job == process
        for family in text_string_to_metric_families(scrape(url))
        for sample in family.samples
        if sample.name == name
    ]
