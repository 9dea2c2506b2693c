"""Every kind of malformed record is refused by the rules of the specs; no good one is."""

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ingestion.city import city_segments, simulated_city
from ingestion.judge import Judge
from ingestion.malformed import BUILDERS, malformed
from ingestion.records import MALFORMED
from ingestion.simulator import Simulation
from ingestion.traffic_event import encode_events
from specs.loader import Specs
from tests.kafka_record import KafkaRecord

NOW = datetime(2024, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulation(specs: Specs) -> Simulation:
    source = specs.sources["simulator"]
    return Simulation(source, specs.topics["traffic_event"], simulated_city(source), 200, NOW)


@pytest.fixture(scope="module")
def good(simulation: Simulation) -> list[tuple[bytes, bytes]]:
    table = pa.Table.from_batches(simulation.readings(5))
    keys = [segment.encode() for segment in table["segment_id"].to_pylist()]
    return list(zip(keys, encode_events(table), strict=True))


@pytest.fixture(scope="module")
def reasons(specs: Specs, simulation: Simulation) -> Callable[..., dict[int, list[str]]]:
    """Rules that each refused record broke, by its number."""
    source, table = specs.sources["simulator"], specs.tables["silver.road_segment"]
    segments = city_segments(simulation.city, source, table, 20).select(["segment_id", "source"])

    def judge(wire: list[tuple[bytes | None, bytes | None]]) -> dict[int, list[str]]:
        records = [
            KafkaRecord(value, number, key, sent_ms=round(NOW.timestamp() * 1000))
            for number, (key, value) in enumerate(wire)
        ]
        dead = Judge(specs).judge(records, segments, NOW).dead.to_pylist()
        return {row["offset"]: row["rule_ids"] for row in dead}

    return judge


def test_what_the_simulator_reports_is_accepted(
    good: list[tuple[bytes, bytes]], reasons: Callable[..., dict[int, list[str]]]
) -> None:
    assert len(good) == 1000
    assert reasons(good) == {}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_record_is_refused_whatever_it_was_made_from(
    kind: str, good: list[tuple[bytes, bytes]], reasons: Callable[..., dict[int, list[str]]]
) -> None:
    wire = [malformed(kind, key, value) for key, value in good[:300]]
    assert sorted(reasons(wire)) == list(range(300))


def test_every_kind_can_be_made() -> None:
    assert set(BUILDERS) == set(MALFORMED)
