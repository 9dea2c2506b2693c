"""The synthetic city: same seed same readings, rush hours, queues, broken detectors."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ingestion.city import City, build_city, city_segments, simulated_city
from ingestion.incidents import WAVE_M_S, Incident, queues
from ingestion.simulator import Simulation
from ingestion.traffic_event import event_schema
from ingestion.traffic_flow import VEHICLE_KM, flow_veh_h, occupancy_ratio, speed_kmh
from specs.errors import WrongInput
from specs.loader import Specs
from specs.tables import TopicSpec

MONDAY = datetime(2024, 5, 6, tzinfo=UTC)


def simulate(
    specs: Specs, rate: float, seconds: float, *, start: datetime = MONDAY, seed: int = 0,
    segments: int = 500,
) -> pa.Table:  # fmt: skip
    source, topic = specs.sources["simulator"], specs.topics["traffic_event"]
    city = simulated_city(source, segments)
    simulation = Simulation(source, topic, city, rate, start, seed)
    return pa.Table.from_batches(simulation.readings(seconds), event_schema(topic))


def ratio_to_free_flow(specs: Specs, table: pa.Table) -> float:
    """Mean speed as a share of free flow."""
    city = simulated_city(specs.sources["simulator"])
    index = pc.index_in(table["segment_id"], city.segment_ids).to_numpy()
    return float(np.nanmean(table["speed_kmh"].to_numpy() / city.free_flow_kmh[index]))


def test_the_same_seed_gives_the_same_readings_and_another_seed_others(specs: Specs) -> None:
    assert simulate(specs, 100, 20).equals(simulate(specs, 100, 20))
    assert not simulate(specs, 100, 20).equals(simulate(specs, 100, 20, seed=1))


def test_a_longer_run_begins_with_the_shorter_one(specs: Specs) -> None:
    assert simulate(specs, 100, 60).slice(0, 3000).equals(simulate(specs, 100, 30))


def test_segments_report_in_turn_at_the_rate(specs: Specs) -> None:
    table = simulate(specs, 2000, 2)
    assert table.num_rows == 4000
    assert set(Counter(table["segment_id"].to_pylist()).values()) == {8}  # 4 times a second
    assert len(set(table["event_id"].to_pylist())) == 4000
    times = table["event_time"].to_pylist()
    assert times == sorted(times)
    assert times[0] == MONDAY
    assert MONDAY + timedelta(seconds=1.999) <= times[-1] < MONDAY + timedelta(seconds=2)


def test_a_rate_below_one_still_gives_every_reading(specs: Specs) -> None:
    table = simulate(specs, 0.25, 40)
    assert table["event_time"].to_pylist() == [MONDAY + timedelta(seconds=4 * n) for n in range(10)]


def test_rush_hour_is_slower_than_night_and_sunday(specs: Specs) -> None:
    def at(day: int, hour: int) -> float:
        start = MONDAY + timedelta(days=day, hours=hour)
        return ratio_to_free_flow(specs, simulate(specs, 50, 60, start=start))

    night, rush, sunday = at(0, 3), at(0, 8), at(6, 8)
    assert rush + 0.1 < sunday < night - 0.1


def test_a_dead_detector_reports_without_a_measurement(specs: Specs) -> None:
    table = simulate(specs, 500, 4)
    city = simulated_city(specs.sources["simulator"])
    dead = city.segment_ids.filter(pa.array(city.is_dead))
    assert len(dead) >= 1
    silent = table.filter(pc.is_in(table["segment_id"], dead))
    assert set(silent["status"].to_pylist()) == {"missing"}
    for name in ("speed_kmh", "vehicle_count", "occupancy_ratio", "travel_time_s"):
        assert silent[name].null_count == silent.num_rows == 4 * len(dead)
    others = table.filter(pc.invert(pc.is_in(table["segment_id"], dead)))
    assert set(others["status"].to_pylist()) == {"ok"}
    assert others["speed_kmh"].null_count == 0


def test_a_stuck_detector_repeats_one_speed_and_the_others_do_not(specs: Specs) -> None:
    table = simulate(specs, 500, 6).filter(pc.field("status") == "ok")
    city = simulated_city(specs.sources["simulator"])
    stuck = set(city.segment_ids.filter(pa.array(city.is_stuck)).to_pylist())
    values: dict[str, set[float]] = {}
    for segment, speed in zip(
        table["segment_id"].to_pylist(), table["speed_kmh"].to_pylist(), strict=True
    ):
        values.setdefault(segment, set()).add(speed)
    assert {segment for segment, speeds in values.items() if len(speeds) == 1} == stuck


def test_speed_falls_to_60_percent_at_the_critical_density_where_flow_is_capacity() -> None:
    density, free, lanes = np.array([0.0, 1.0]), np.array([100.0, 100.0]), np.array([2.0, 2.0])
    assert speed_kmh(density, free) == pytest.approx([100.0, 60.653], abs=1e-3)  # e^-0.5
    assert flow_veh_h(density, free, lanes) == pytest.approx([0.0, 3600.0])
    # 1800 veh/h / 60.653 km/h = 29.677 veh/km, each 5.5 m long
    assert occupancy_ratio(density, free)[1] == pytest.approx(29.677 * VEHICLE_KM, abs=1e-4)


def test_counts_agree_with_occupancy_and_speed(specs: Specs) -> None:
    # flow = occupancy / vehicle length * speed * lanes; each reading stands for 20 s.
    start = MONDAY + timedelta(hours=12)
    table = simulate(specs, 25, 600, start=start).filter(pc.field("status") == "ok")
    city = simulated_city(specs.sources["simulator"])
    index = pc.index_in(table["segment_id"], city.segment_ids).to_numpy()
    index_ok = ~city.is_stuck[index]
    per_km = table["occupancy_ratio"].to_numpy() / VEHICLE_KM
    flow = per_km * table["speed_kmh"].to_numpy() * city.lanes[index]
    expected = (flow * 20 / 3600)[index_ok].sum()
    assert table["vehicle_count"].to_numpy()[index_ok].sum() == pytest.approx(expected, rel=0.02)


def straight(segments: int = 4, length_m: float = 500.0) -> City:
    """One corridor of equal segments."""
    city = build_city("c", segments, 0)
    at = np.arange(segments) * length_m
    return City(**(vars(city) | {"begin_m": at, "length_m": np.full(segments, length_m)}))


def test_a_queue_moves_upstream_and_leaves_what_is_downstream_alone() -> None:
    found = queues(straight(), [Incident(segment=2, begin=1000.0, end=2000.0, added_density=1.0)])
    # 500 m at 15 km/h take 120 s; over 4000 m the effect fades to nothing.
    assert pytest.approx(120) == 500 / WAVE_M_S
    assert found.added(1000.0, 4) == pytest.approx([0, 0, 0, 0])
    assert found.added(1120.0, 4) == pytest.approx([0, 0, 1.0, 0])
    assert found.added(1240.0, 4) == pytest.approx([0, 0.875, 1.0, 0])
    assert found.added(1500.0, 4) == pytest.approx([0.75, 0.875, 1.0, 0])
    assert found.added(2120.0, 4) == pytest.approx([0.75, 0.875, 0, 0])
    assert found.added(3000.0, 4) == pytest.approx([0, 0, 0, 0])


def test_no_queue_at_all_adds_nothing() -> None:
    assert queues(straight(), []).added(0.0, 4) == pytest.approx([0, 0, 0, 0])


def test_a_larger_city_begins_with_the_smaller_one(specs: Specs, topic: TopicSpec) -> None:
    source, table = specs.sources["simulator"], specs.tables["silver.road_segment"]
    small, large = simulated_city(source, 40), simulated_city(source, 90)
    assert (
        city_segments(large, source, table, 20)
        .slice(0, 40)
        .equals(city_segments(small, source, table, 20))
    )


def test_a_corridor_is_a_chain_of_segments(specs: Specs) -> None:
    source, table = specs.sources["simulator"], specs.tables["silver.road_segment"]
    rows = city_segments(simulated_city(source, 45), source, table, 20).to_pylist()
    ends = [row["segment_id"] for row in rows if not row["downstream_segment_ids"]]
    assert ends == ["simulator:s00019", "simulator:s00039", "simulator:s00044"]
    for row in rows:
        for downstream in row["downstream_segment_ids"]:
            follower = next(other for other in rows if other["segment_id"] == downstream)
            assert follower["upstream_segment_ids"] == [row["segment_id"]]
            assert follower["polyline"][0] == row["polyline"][-1]


@pytest.mark.parametrize(("segments", "rate"), [(0, 1.0), (10, 0.0), (10, 10_001.0)])
def test_a_simulation_that_cannot_be_is_wrong_input(
    specs: Specs, segments: int, rate: float
) -> None:
    with pytest.raises(WrongInput):
        simulate(specs, rate, 1, segments=segments)
