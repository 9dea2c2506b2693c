"""The consumer that the published topics are read with: what it takes, what it refuses."""

import json
from typing import Any

import pytest

from lakehouse.publish import messages
from lakehouse.tables import Lake
from tests.contract_reader import Broken, ContractReader, value_of
from tests.rows import metric, table

FIELDS: dict[str, dict[str, Any]] = {
    "null where a value is required": {"is_final": None}, "a text for a number": {"delay_s": "1"},
    "a number out of its range": {"speed_kmh_mean": 0.0}, "more bits": {"revision": 2**31},
    "a time without a zone": {"window_start": "2018-03-05T00:00:00.000000"},
    "no day": {"window_date": "05.03.2018"}, "a list with a hole": {"anomalies": [None]},
}  # fmt: skip
SPOILT = FIELDS | {
    "a field that is not there": {"event_count": ...}, "a field that nobody promised": {"more": 1},
    "another segment than the key": {"segment_id": "s:b"},
}  # fmt: skip
READER = ContractReader.of("segment_metric")


@pytest.mark.parametrize("what", SPOILT)
def test_what_keeps_the_contract_is_read_and_what_breaks_it_is_refused(
    what: str, lake: Lake
) -> None:
    row = metric("s:a", 0, anomalies=["frozen"])
    ((key, sent),) = messages(table(lake, "silver.segment_metric", [row]), "segment_id")
    assert READER.row(key.encode(), sent.encode()) == row
    spoilt = {
        name: value for name, value in (json.loads(sent) | SPOILT[what]).items() if value is not ...
    }
    with pytest.raises(Broken):
        READER.row(key.encode(), json.dumps(spoilt).encode())


def test_the_newest_revision_of_each_window_is_kept() -> None:
    first, second = metric("s:a", 0), metric("s:a", 0, revision=1)
    other = metric("s:a", 300)
    assert list(READER.newest([first, second, other, first]).values()) == [second, other]


@pytest.mark.parametrize("what", FIELDS)
def test_the_contract_alone_refuses_what_its_schema_does_too(what: str) -> None:
    promised = {one["name"]: one for one in READER.promised["properties"]}
    ((name, value),) = FIELDS[what].items()
    with pytest.raises((Broken, ValueError)):
        value_of(promised[name], value)
