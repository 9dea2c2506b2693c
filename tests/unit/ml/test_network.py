from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from ml.columns import Floats
from ml.features import features
from ml.grid import Rows
from ml.memory import Memory
from ml.network import NetworkForecast
from ml.network_fit import NetworkFits, fit_networks
from ml.observations import Observations
from tests.unit.ml.tables import FIRST, NO_NETWORK, SPECS, flat_memory, grid, ml_spec, segments

DAYS = 24
NAMES = ("ahead", "behind", "alone", "strange")
QUIET = dict.fromkeys(NAMES, 100.0)


def wave(days: int = DAYS) -> Floats:
    """Speed ratio [days * 288] that nobody could foretell from its own past."""
    steps = np.random.default_rng(3).normal(size=days * 288 + 2)
    return 0.7 + 0.1 * np.convolve(steps, np.ones(3) / 3, "valid")


def observations(days: int = DAYS) -> Observations:
    """``behind`` is what ``ahead`` was 15 minutes before; ``alone`` is like neither.

    ``strange`` is seen in the last hour only.
    """
    ahead, alone = wave(days), np.random.default_rng(4).uniform(0.6, 0.8, days * 288)
    behind = np.roll(ahead, 3)
    cells = [
        (name, window, 100.0 * float(values[window]))
        for name, values in (("ahead", ahead), ("behind", behind), ("alone", alone))
        for window in range(days * 288)
    ]
    cells += [("strange", days * 288 - 1 - ago, 60.0) for ago in range(12)]
    made = grid(cells, segments(QUIET))
    return Observations(made, made, SPECS.ml)


@pytest.fixture(scope="module")
def seen() -> Observations:
    return observations()


@pytest.fixture(scope="module")
def fits(seen: Observations) -> NetworkFits:
    return fit_networks(seen, FIRST, FIRST + (DAYS - 1) * 288)


def expected(seen: Observations, network: NetworkForecast, name: str, **also: Any) -> Floats:
    """What is expected of the last day, 15 minutes ahead, and what came [2, n]."""
    only = {"name": "it", "kind": "network_forecast", "at": "target", "over": "recent"}
    spec = ml_spec(features=[only | {"description": "Any."} | also])
    segment = seen.seen.roads.segment_ids.index(name)
    windows = FIRST + (DAYS - 1) * 288 + 24 + np.arange(200)
    rows = Rows(np.full(len(windows), segment), windows)
    usual = replace(flat_memory(0.7), network=network)
    after = seen.seen.speeds_at(Rows(rows.segment, windows + 3)) / 100.0
    return np.stack([features(seen.seen, rows, spec, usual, 15)[:, 0], after])


def test_a_segment_follows_the_one_that_it_always_follows(
    seen: Observations, fits: NetworkFits
) -> None:
    forecast, came = expected(seen, fits.whole, "behind")
    assert np.abs(forecast - came).mean() < 0.2 * np.abs(came - 0.7).mean()
    forecast, came = expected(seen, fits.whole, "alone")
    assert np.abs(forecast - came).mean() == pytest.approx(np.abs(came - 0.7).mean(), rel=0.1)


def test_segments_compared_one_by_one_find_the_same_links(
    seen: Observations, fits: NetworkFits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.network_fit.MAX_PAIRS", 1)
    piecemeal = fit_networks(seen, FIRST, FIRST + (DAYS - 1) * 288)
    assert piecemeal.whole.links.tolist() == fits.whole.links.tolist()
    ids = seen.seen.roads.segment_ids
    strongest = piecemeal.whole.links[ids.index("behind")][0]
    assert ids[strongest] == "ahead"


def test_without_the_network_all_goes_on_as_usual(seen: Observations) -> None:
    forecast, _ = expected(seen, NO_NETWORK, "behind")
    assert (forecast == 0.7).all()


def test_a_segment_that_was_never_seen_goes_on_as_the_average_one(
    seen: Observations, fits: NetworkFits
) -> None:
    whole = fits.whole
    strange = whole.segment_ids.index("strange")
    assert whole.weights[:, :, strange] == pytest.approx(whole.weights[:, :, -1])
    own = np.zeros(whole.weights.shape[-1], dtype=bool)
    own[:: len(own) // len(whole.lags)] = True
    assert (whole.weights[:, :, -1, ~own] == 0).all()
    assert (whole.weights[:, :, -1, own] != 0).all()


def test_a_row_s_own_day_has_taught_it_nothing(seen: Observations, fits: NetworkFits) -> None:
    # The last day: of another one the days after it know as their recent past.
    windows, day = seen.truth.windows, DAYS - 2
    at = np.flatnonzero((windows - FIRST) // 288 == day)
    cells = seen.truth.cells.copy()
    cells[:, at] = np.where(np.isnan(cells[:, at]), np.nan, 5.0)
    lying = replace(seen, truth=replace(seen.truth, cells=cells))
    taught = fit_networks(lying, FIRST, FIRST + (DAYS - 1) * 288)
    ordinal = date(1970, 1, 1).toordinal() + (FIRST // 288 + day)
    same, lied_to = taught.without(ordinal).weights, taught.without(ordinal + 1).weights
    np.testing.assert_array_equal(same[:, :, :-1], fits.without(ordinal).weights[:, :, :-1])
    assert np.abs(lied_to - fits.without(ordinal + 1).weights).max() > 0.01


def test_nothing_known_gives_a_forecast_of_nothing(seen: Observations) -> None:
    empty = fit_networks(seen, FIRST, FIRST + 3).whole
    assert (empty.weights == 0).all()
    memory = Memory(flat_memory().training, flat_memory().recent, empty)
    assert memory.network.segment_ids == ()
