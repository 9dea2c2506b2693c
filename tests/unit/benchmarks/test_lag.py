from benchmarks.lag import Behind, behind


def test_lag_that_swings_around_a_level_is_flat() -> None:
    samples = [3000, 1000, 3000, 1000, 3000, 1000]
    assert behind(samples, 2000.0) == Behind(first=3000, last=1000, highest=3000, is_flat=True)


def test_lag_that_grows_by_more_than_a_second_of_readings_is_not_flat() -> None:
    assert behind([0, 700, 1400, 2100], 2000.0).is_flat is False
    assert behind([0, 600, 1200, 1800], 2000.0).is_flat is True


def test_a_backlog_that_shrinks_is_flat() -> None:
    assert behind([9000, 5000, 1000], 2000.0).is_flat is True


def test_one_sample_is_flat() -> None:
    assert behind([400], 2000.0) == Behind(first=400, last=400, highest=400, is_flat=True)
