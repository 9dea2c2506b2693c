import numpy as np
import pyarrow as pa
import pytest

from ml.grid import RollingGrid
from specs.errors import WrongInput
from tests.unit.ml.tables import FIRST, SILVER, grid, segments, silver

ROADS = segments({"b": 50.0, "a": 100.0})


def test_a_window_without_an_observation_has_no_speed() -> None:
    made = grid([("a", 0, 80.0), ("a", 1, None), ("b", 1, 40.0)], ROADS)
    assert made.windows.tolist() == [FIRST, FIRST + 1]
    np.testing.assert_array_equal(made.speed_kmh, [[80.0, np.nan], [np.nan, 40.0]])
    np.testing.assert_array_equal(made.observed, [[True, False], [False, True]])


def test_a_speed_that_was_carried_forward_is_no_observation() -> None:
    rows = silver([("a", 0, 80.0)], observation_count=0)
    assert not grid([], ROADS).with_rows(rows).observed.any()


def test_segments_stand_in_the_order_of_their_ids() -> None:
    made = grid([], ROADS)
    assert made.roads.segment_ids == ("a", "b")
    assert made.roads.free_flow_speed_kmh.tolist() == [100.0, 50.0]


def test_windows_of_another_length_are_left_out() -> None:
    wide = silver([("a", 0, 10.0)], window_seconds=900)
    assert grid([("a", 0, 80.0)], ROADS).with_rows(wide).speed_kmh.tolist()[0] == [80.0]


def test_a_window_delivered_again_takes_the_new_value() -> None:
    made = grid([("a", 0, 80.0)], ROADS)
    assert made.with_rows(silver([("a", 0, 70.0)])).speed_kmh[0, 0] == 70.0
    assert np.isnan(made.with_rows(silver([("a", 0, None)])).speed_kmh[0, 0])


def test_years_without_a_row_cost_nothing() -> None:
    assert grid([("a", 0, 80.0), ("a", 1_000_000, 70.0)], ROADS).speed_kmh.shape == (2, 2)


def test_dictionary_and_large_strings_are_the_same_segments() -> None:
    rows = silver([("a", 0, 80.0)])
    at = rows.column_names.index("segment_id")
    for kind in (pa.large_string(), pa.dictionary(pa.int16(), pa.string())):
        recast = rows.set_column(at, "segment_id", rows["segment_id"].cast(kind))
        assert grid([], ROADS).with_rows(recast).speed_kmh[0, 0] == 80.0


def test_a_row_of_an_unknown_segment_is_refused_by_name() -> None:
    with pytest.raises(WrongInput, match="stranger"):
        grid([("stranger", 0, 80.0)], ROADS)


def test_a_segment_with_two_rows_is_refused_by_name() -> None:
    with pytest.raises(WrongInput, match="twin"):
        grid([], pa.concat_tables([segments({"twin": 90.0}), segments({"twin": 80.0})]))


def test_no_segments_at_all_are_refused() -> None:
    with pytest.raises(WrongInput, match="no road segment"):
        grid([], segments({}))


def test_a_rolling_grid_holds_only_what_may_still_be_needed() -> None:
    rolling = RollingGrid(grid([], ROADS), history_windows=2, scorable_windows=3)
    for window in range(20):
        made = rolling.update(silver([("a", window, 80.0)]))
    assert made.windows.tolist() == [FIRST + window for window in range(13, 20)]
    assert made.complete_from == FIRST + 13


def test_what_a_batch_of_hours_brings_can_be_forecast_again_when_it_is_final() -> None:
    """After a restart the grid knows the batch's own windows already, for silver holds them."""
    hours = [("a", window, 80.0) for window in range(5, 20)]
    before = [("a", window, 80.0) for window in range(5)]
    rolling = RollingGrid(grid([*before, *hours], ROADS), history_windows=2, scorable_windows=3)
    rolling.update(silver(hours))
    made = rolling.update(silver(hours))
    assert made.windows.tolist() == [FIRST + window for window in range(3, 20)]
    assert made.complete_from == FIRST + 3


def test_a_batch_without_rows_changes_nothing() -> None:
    made = grid([("a", 0, 80.0)], ROADS)
    again = made.with_rows(SILVER.empty_table())
    np.testing.assert_array_equal(again.cells, made.cells)
