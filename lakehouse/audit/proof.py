"""The whole audit, check after check."""

from collections.abc import Iterable

import pyarrow as pa

from lakehouse.audit.balance import Offsets, balance_checks
from lakehouse.audit.books import book_checks, read_books
from lakehouse.audit.check import Check
from lakehouse.audit.evidence import Evidence
from lakehouse.audit.gold import ModelVersions, gold_checks
from lakehouse.audit.landing import (
    content_check,
    dead_letter_checks,
    place_checks,
    record_checks,
)
from lakehouse.audit.retention import keep_expired, retention_check
from lakehouse.audit.silver import silver_checks
from lakehouse.tables import Lake


def proof(
    lake: Lake,
    offsets: Offsets,
    records: Iterable[pa.Table] | None = None,
    models: ModelVersions | None = None,
) -> list[Check]:
    """Derive everything that the tables claim anew.

    Args:
        lake: the tables; nothing is written.
        offsets: what Kafka holds of topic traffic_event.
        records: a plain read of it (see `record_checks`); without it the bytes are not compared.
        models: what the registry holds; without it no score's version is looked up.

    Raises:
        SpecError: an expression of the specs is no DuckDB SQL.
    """
    versions = {topic.version: topic for topic in lake.specs.topic_versions["traffic_event"]}
    with Evidence(lake) as evidence:
        books = read_books(evidence)
        keep_expired(evidence, books, offsets)
        return [
            evidence.file_check(),
            retention_check(evidence),
            *balance_checks(evidence, offsets),
            *place_checks(evidence, offsets),
            *([] if records is None else record_checks(evidence, offsets, records)),
            content_check(evidence, versions),
            *dead_letter_checks(evidence),
            *silver_checks(evidence),
            *gold_checks(evidence, models),
            *book_checks(evidence, books),
        ]
