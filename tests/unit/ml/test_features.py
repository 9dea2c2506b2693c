import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.calendar import seconds_of_week
from ml.columns import Floats
from ml.features import FeatureView, features
from ml.grid import RollingGrid, Rows, SpeedGrid
from ml.memory import Memory
from ml.profile import Profile
from specs.errors import WrongInput
from specs.ml import MlSpec
from tests.unit.ml.tables import (
    FIRST,
    NO_NETWORK,
    Cell,
    feature,
    flat_memory,
    grid,
    ml_spec,
    segments,
    silver,
    some_network,
)

EDGES = [("a", "b"), ("c", "b"), ("b", "a")]
ROADS = segments({"a": 100.0, "b": 50.0}, edges=EDGES)
HOUR = 3600
SUNDAY = 6 * 24 * HOUR
EVERY_KIND = ml_spec()


def row(window: int, segment: int = 0) -> Rows:
    return Rows(np.array([segment]), np.array([FIRST + window]))


def value(cells: list[Cell], spec: MlSpec, window: int, **also: Any) -> float:
    profile = also.pop("profile", flat_memory())
    return float(features(grid(cells, ROADS), row(window, **also), spec, profile, 15)[0, 0])


@pytest.mark.parametrize(
    ("lag", "speed"),
    [(0, 0.6), (1, 0.7), (2, 0.7), (3, 0.4)],
)
def test_a_lag_is_the_newest_speed_known_by_then(lag: int, speed: float) -> None:
    cells: list[Cell] = [("a", 1, 40.0), ("a", 2, 70.0), ("a", 3, None), ("a", 4, 60.0)]
    assert value(cells, feature("lag", lag), window=4) == speed


def test_a_speed_is_carried_forward_as_far_as_the_history_goes() -> None:
    cells: list[Cell] = [("a", 0, 40.0)]
    assert value(cells, feature("lag"), window=3) == 0.4
    assert math.isnan(value(cells, feature("lag"), window=4))


def test_a_mean_is_of_the_windows_that_were_observed() -> None:
    cells: list[Cell] = [("a", 0, 10.0), ("a", 1, 40.0), ("a", 2, None), ("a", 3, 60.0)]
    assert value(cells, feature("mean", 3), window=3) == 0.5
    assert math.isnan(value(cells, feature("mean", 3), window=10))


def test_the_spread_is_that_of_the_observed_windows() -> None:
    cells: list[Cell] = [("a", 1, 40.0), ("a", 2, None), ("a", 3, 60.0)]
    assert value(cells, feature("stddev", 3), window=3) == pytest.approx(0.1)


def test_speeds_are_over_the_segment_s_free_flow() -> None:
    cells: list[Cell] = [("b", 1, 10.0), ("b", 2, 20.0), ("b", 3, None)]
    assert value(cells, feature("lag"), window=3, segment=1) == 20 / 50
    assert value(cells, feature("mean", 3), window=3, segment=1) == pytest.approx(15 / 50)


def test_a_change_is_now_less_then_both_as_known() -> None:
    cells: list[Cell] = [("a", 1, 40.0), ("a", 2, 70.0)]
    assert value(cells, feature("change", 1), window=2) == pytest.approx(0.3)
    assert value(cells, feature("change", 1), window=3) == 0.0
    assert value(cells, feature("change", 2), window=3) == pytest.approx(0.3)


def test_the_lowest_and_the_congested_share_are_of_the_observed_windows() -> None:
    cells: list[Cell] = [("a", 1, 40.0), ("a", 2, None), ("a", 3, 70.0)]
    assert value(cells, feature("lowest", 3), window=3) == 0.4
    assert value(cells, feature("congested", 3), window=3) == 0.5
    assert math.isnan(value(cells, feature("lowest", 3), window=9))
    assert math.isnan(value(cells, feature("congested", 3), window=9))


def test_age_counts_from_the_newest_observed_window() -> None:
    cells: list[Cell] = [("a", 1, 40.0), ("a", 3, None)]
    assert value(cells, feature("age"), window=1) == 0.0
    assert value(cells, feature("age"), window=3) == 10.0
    assert math.isnan(value(cells, feature("age"), window=5))


def test_the_observed_share_counts_windows_without_a_row_as_unobserved() -> None:
    cells: list[Cell] = [("a", 1, 40.0), ("a", 3, None)]
    assert value(cells, feature("observed", 3), window=3) == 1 / 3


def test_free_flow_speed_is_the_segment_s() -> None:
    assert value([], feature("free_flow"), window=0, segment=1) == 50.0


def test_the_network_counts_silent_segments_with_their_newest_speed() -> None:
    cells: list[Cell] = [("a", 0, 50.0), ("b", 0, 50.0), ("a", 1, 80.0)]
    assert value(cells, feature("lag", of="network"), window=0) == 0.75
    assert value(cells, feature("lag", of="network"), window=1) == 0.9
    assert value(cells, feature("lag", 1, of="network"), window=1) == 0.75
    assert value(cells, feature("change", 1, of="network"), window=1) == pytest.approx(0.15)


def test_the_network_is_that_of_the_segment_s_own_city() -> None:
    roads = pa.concat_tables([segments({"a": 100.0}), segments({"b": 50.0}, source="elsewhere")])
    made = grid([("a", 0, 50.0), ("b", 0, 50.0)], roads)
    both = Rows(np.array([0, 1]), np.array([FIRST, FIRST]))
    network = feature("lag", of="network")
    assert features(made, both, network, flat_memory(), 15).tolist() == [[0.5], [1.0]]


def test_neighbours_are_those_that_the_edges_lead_from_and_to() -> None:
    roads = segments(dict.fromkeys("abcd", 100.0), edges=[("a", "c"), ("b", "c"), ("c", "d")])
    made = grid([("a", 0, 20.0), ("b", 0, 40.0), ("d", 0, 90.0)], roads)
    c, d = row(1, segment=2), row(1, segment=3)
    upstream, downstream = (feature("lag", of=of) for of in ("upstream", "downstream"))
    assert features(made, c, upstream, flat_memory(), 15)[0, 0] == pytest.approx(0.3)
    assert features(made, c, downstream, flat_memory(), 15)[0, 0] == 0.9
    assert math.isnan(features(made, d, downstream, flat_memory(), 15)[0, 0])
    assert math.isnan(features(made, d, upstream, flat_memory(), 15)[0, 0])  # c is silent


def test_six_in_the_morning_is_a_quarter_of_the_day() -> None:
    assert value([], feature("day_sin"), window=72) == 1.0
    assert value([], feature("day_cos"), window=144) == -1.0


def test_the_day_of_week_is_the_city_s() -> None:
    made = grid([], segments({"a": 100.0}, zone="America/New_York"))
    assert features(made, row(0), feature("day_of_week"), flat_memory(), 15)[0, 0] == 6.0
    assert features(made, row(5 * 12), feature("day_of_week"), flat_memory(), 15)[0, 0] == 0.0


def test_the_clock_jumps_with_daylight_saving_time() -> None:
    made = grid([], segments({"a": 100.0}, zone="America/New_York"))
    spring = np.array([6 * 288 + 12 * 6 + 6, 6 * 288 + 12 * 7 + 6])  # 2018-03-11 06:30, 07:30 UTC
    fall = np.array([244 * 288 + 12 * 5 + 6, 244 * 288 + 12 * 6 + 6])  # 2018-11-04 05:30, 06:30 UTC
    for windows, hours in ((spring, [1.5, 3.5]), (fall, [1.5, 1.5])):
        rows = Rows(np.zeros(2, dtype=np.int64), FIRST + windows)
        clock = seconds_of_week(made.roads, rows, 300)
        assert clock.tolist() == [SUNDAY + hour * HOUR for hour in hours]


def ramp() -> Memory:
    """Usual values that say their bucket, a thousand more on segment b."""
    by_bucket, level = np.tile(np.arange(336.0), (3, 1)), np.tile([7.0, 5.0], (3, 1))
    usual = Profile(("b",), by_bucket[:, np.newaxis] + 1000, by_bucket, level)
    return Memory(usual, flat_memory(0.25).recent, NO_NETWORK)


def test_a_public_holiday_is_a_sunday() -> None:
    made = grid([], segments({"a": 100.0}, zone="America/New_York"))
    noon = (-14) * 288 + 17 * 12  # 2018-02-19 17:00 UTC, Washington's birthday
    assert features(made, row(noon), feature("day_of_week"), flat_memory(), 15)[0, 0] == 6.0
    elsewhere = grid([], segments({"a": 100.0}, zone="Europe/Copenhagen"))
    assert features(elsewhere, row(noon), feature("day_of_week"), flat_memory(), 15)[0, 0] == 0.0


def test_an_anomaly_is_what_is_known_less_what_is_usual_now() -> None:
    spec = feature("anomaly")
    assert value([("a", 2, 40.0)], spec, window=2, profile=flat_memory(0.9)) == pytest.approx(-0.5)


def test_the_usual_change_is_from_now_to_the_target() -> None:
    assert value([], feature("profile_change"), window=2, profile=ramp(), segment=1) == 0.0
    assert value([], feature("profile_change"), window=3, profile=ramp(), segment=1) == 1.0


def test_a_level_is_the_segment_s_and_a_stranger_s_is_the_network_s() -> None:
    spec = feature("level")
    assert value([], spec, window=0, profile=ramp(), segment=1) == 7.0
    assert value([], spec, window=0, profile=ramp(), segment=0) == 5.0


def test_recent_days_have_a_profile_of_their_own() -> None:
    assert value([], feature("profile", over="recent"), window=2, profile=ramp(), segment=1) == 0.25


def test_the_profile_is_read_at_the_target_s_time() -> None:
    profile, spec = ramp(), feature("profile", at="target")
    assert value([], spec, window=2, profile=profile, segment=1) == 1000.0  # 00:10 + 15 min
    assert value([], spec, window=3, profile=profile, segment=1) == 1001.0  # 00:15 + 15 min
    assert value([], spec, window=3, profile=profile, segment=0) == 1.0  # an unseen segment


def test_a_row_whose_history_was_dropped_is_refused() -> None:
    made = grid([("a", window, 80.0) for window in range(9)], ROADS).since(FIRST + 2)
    assert features(made, row(5), feature("lag"), flat_memory(), 15)[0, 0] == 0.8
    with pytest.raises(WrongInput, match="older rows"):
        features(made, row(4), feature("lag"), flat_memory(), 15)


speeds = st.one_of(st.none(), st.floats(0.1, 250))


@st.composite
def streams(draw: st.DrawFn) -> list[list[Cell]]:
    """Batches that move on in time, each with rows of several open windows in any order."""
    batches = []
    for step in range(draw(st.integers(1, 8))):
        places = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(step, step + 2))
        cells = draw(st.dictionaries(places, speeds, max_size=6))
        batches.append([(name, window, speed) for (name, window), speed in cells.items()])
    return batches


def all_features(made: SpeedGrid, rows: Rows) -> Floats:
    memory = replace(flat_memory(0.9), network=some_network(("b", "elsewhere", "a")))
    view = FeatureView(made, rows, EVERY_KIND, memory)
    together = np.stack([view.at(horizon) for horizon in (15, 60)])
    apart = [features(made, rows, EVERY_KIND, memory, horizon) for horizon in (15, 60)]
    np.testing.assert_array_equal(together, np.stack(apart))
    return together


@given(batches=streams())
@settings(max_examples=30, deadline=None)
def test_a_stream_in_any_batches_has_the_features_of_the_whole_table(
    batches: list[list[Cell]],
) -> None:
    roads = segments({"a": 100.0, "b": 50.0, "c": 80.0}, zone="Europe/Copenhagen", edges=EDGES)
    empty = SpeedGrid.empty(grid([], roads).roads, EVERY_KIND.label, 300)
    rolling = RollingGrid(empty, history_windows=24, scorable_windows=3)
    table: dict[tuple[str, int], float | None] = {}
    for batch in batches:
        table |= {(name, window): speed for name, window, speed in batch}
        rows = silver(batch)
        streamed = rolling.update(rows)
        whole = grid([(*place, speed) for place, speed in sorted(table.items())], roads)
        together = all_features(whole, whole.rows(rows))
        np.testing.assert_array_equal(all_features(streamed, streamed.rows(rows)), together)
        for number in range(len(batch)):
            alone = all_features(streamed, streamed.rows(rows.slice(number, 1)))
            np.testing.assert_array_equal(alone[:, 0], together[:, number])


@given(
    past=st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 14)), speeds),
    futures=st.tuples(speeds, speeds),
)
@settings(max_examples=40, deadline=None)
def test_nothing_after_a_row_s_window_reaches_its_features(
    past: dict[tuple[str, int], float | None], futures: tuple[float | None, float | None]
) -> None:
    rows = Rows(np.array([0, 1]), np.array([FIRST + 14, FIRST + 14]))
    seen = []
    for future in futures:
        cells = [(*place, speed) for place, speed in past.items()]
        cells += [(name, window, future) for name in ("a", "b") for window in range(15, 40)]
        seen.append(all_features(grid(cells, ROADS), rows))
    np.testing.assert_array_equal(seen[0], seen[1])


def test_windows_of_a_catching_up_batch_can_be_scored_once_more_when_they_become_final() -> None:
    rolling = RollingGrid(grid([], ROADS), history_windows=3, scorable_windows=3)
    rolling.update(silver([("a", 0, 80.0)]))
    hours = silver([("a", window, 80.0 - window) for window in range(1, 50)])
    first = rolling.update(hours)
    again = rolling.update(hours)
    spec = feature("mean", 3)
    for made in (first, again):
        mean = features(made, made.rows(hours), spec, flat_memory(), 15)
        assert mean[2, 0] == pytest.approx(0.78)  # windows 1, 2 and 3
