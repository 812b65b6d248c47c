"""Plateau or spike: planted surfaces on a grid and in a random search."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.backtest.statistics.stability import smoothed_surface, surface_stability
from workbench.errors import ConfigError, DataError


def _grid(**axes):
    return pd.MultiIndex.from_product(axes.values(), names=axes.keys()).to_frame(index=False)


FAST_SLOW = _grid(fast=[2, 3, 5, 8, 13, 21, 34], slow=[40, 60, 90, 140, 200, 300])


def _surface(centre, width):
    ranks = np.array([(i, j) for i in range(7) for j in range(6)])
    return 2.0 * np.exp(-((ranks - centre) ** 2).sum(axis=1) / (2 * width**2))


def test_plateau_and_spike_by_hand():
    cells = _grid(window=[10, 20, 40])
    flat = surface_stability(cells, [1.0, 2.0, 1.6])
    assert (flat.verdict, flat.score, flat.share, flat.winner) == ("plateau", 0.65, 1.0, 1)
    assert flat.z == pytest.approx((2 - 1.3) / math.sqrt(0.18))
    spike = surface_stability(cells, [0.1, 2.0, -0.3])
    assert (spike.verdict, spike.share) == ("spike", 0.0)
    assert spike.score == pytest.approx(-0.05)


@given(st.integers(0, 6), st.integers(0, 5), st.integers(0, 1000))
@settings(max_examples=20)
def test_planted_surfaces_are_told_apart_wherever_the_winner_stands(i, j, seed):
    noise = np.random.default_rng(seed).normal(0, 0.02, 42)
    assert surface_stability(FAST_SLOW, _surface((i, j), 2.5) + noise).verdict == "plateau"
    spike = surface_stability(FAST_SLOW, _surface((i, j), 0.4) + noise)
    assert spike.verdict == "spike"
    assert spike.winner == i * 6 + j
    assert spike.z > 2


def test_neighbours_are_adjacent_in_ranks_not_in_values():
    found = surface_stability(FAST_SLOW, _surface((6, 5), 2.5), winner=41)
    beside = FAST_SLOW.iloc[found.neighbours]
    assert sorted(map(tuple, beside.to_numpy())) == [(21, 200), (21, 300), (34, 200)]


def test_order_of_rows_and_missing_corners_do_not_matter(rng):
    kept = FAST_SLOW[FAST_SLOW["fast"] * 3 < FAST_SLOW["slow"]]
    values = _surface((3, 3), 2.5)[kept.index]
    order = rng.permutation(len(kept))
    a, b = surface_stability(kept, values), surface_stability(kept.iloc[order], values[order])
    assert (a.verdict, a.score, a.share) == (b.verdict, pytest.approx(b.score), b.share)


def test_random_search_by_nearest_ranks(rng):
    cells = pd.DataFrame({"window": rng.integers(5, 500, 80), "decay": rng.lognormal(size=80)})
    ranks = cells.rank().to_numpy() / 80
    hill = np.exp(-((ranks - 0.5) ** 2).sum(axis=1) / 0.1)
    smooth = surface_stability(cells, hill)
    assert smooth.verdict == "plateau"
    assert len(smooth.neighbours) == 4
    assert np.abs(ranks[smooth.neighbours] - ranks[smooth.winner]).max() < 0.25
    lonely = np.full(80, 0.1)
    lonely[17] = 3.0
    assert surface_stability(cells, lonely).verdict == "spike"
    assert len(surface_stability(cells, lonely, n_neighbours=9).neighbours) == 9


def test_other_kinds_are_no_neighbours():
    cells = _grid(rule=["sma", "ema"], trailing=[True, False], window=[5, 10, 20])
    values = np.arange(12.0)
    found = surface_stability(cells, values)
    assert (cells.iloc[found.neighbours][["rule", "trailing"]] == cells.iloc[11][["rule", "trailing"]]).all(axis=None)
    assert found.neighbours.tolist() == [10]
    only = _grid(rule=["a", "b"])
    assert surface_stability(only, [1.0, 2.0]).verdict == "none"


def test_nothing_to_judge():
    cells = _grid(window=[5, 10, 20])
    assert surface_stability(cells, [-1.0, -2.0, -3.0]).verdict == "none"
    nothing = surface_stability(cells.iloc[:1], [1.0])
    assert nothing.verdict == "none"
    assert math.isnan(nothing.score)
    idle = surface_stability(cells, [np.nan, 1.0, np.nan])
    assert (idle.verdict, idle.score) == ("spike", 0.0)
    assert math.isnan(idle.z)


def test_how_many_neighbours_where_there_is_no_grid(rng):
    cells = pd.DataFrame(rng.random((50, 3)), columns=list("abc"))
    values = rng.random(50)
    found = surface_stability(cells, values)
    assert len(found.neighbours) == 6  # twice the parameters
    ranks = cells.rank().to_numpy()
    distance = np.abs(ranks - ranks[found.winner]).max(axis=1)
    assert sorted(distance[found.neighbours]) == sorted(np.sort(distance)[1:7])
    one = surface_stability(cells, values, n_neighbours=1)
    assert len(one.neighbours) == 1
    assert math.isnan(one.z)
    # a third of a grid is one still: neighbours are adjacent, however few
    sparse = _grid(a=range(6), b=range(6)).iloc[[0, 1, 2, 3, 4, 5, 18, 19, 20, 30, 33, 35]]
    assert len(surface_stability(sparse, np.arange(12.0)).neighbours) == 0


def test_smoothing_prefers_the_plateau_to_the_spike():
    cells = _grid(window=list(range(10)))
    values = np.array([0, 0, 3.0, 0, 0, 1.5, 1.6, 1.7, 1.6, 0])
    assert int(np.argmax(values)) == 2
    smooth = smoothed_surface(cells, values)
    assert int(np.argmax(smooth)) == 7
    assert smooth[0] == 0.0
    assert smooth[2] == 1.0


def test_bad_input_is_named():
    cells = _grid(window=[5, 10, 20])
    with pytest.raises(DataError, match="one number for each row of parameters \\(3, 1\\), got \\(2,\\)"):
        surface_stability(cells, [1, 2])
    with pytest.raises(DataError, match="infinite in row 1"):
        surface_stability(cells, [1, np.inf, 2])
    with pytest.raises(DataError, match="missing value"):
        surface_stability(cells.astype(float).replace(5, np.nan), [1, 2, 3])
    with pytest.raises(ConfigError, match="threshold must lie in \\(0, 1\\], got 0"):
        surface_stability(cells, [1, 2, 3], threshold=0)
    with pytest.raises(ConfigError, match="threshold must lie in \\(0, 1\\], got 1.5"):
        surface_stability(cells, [1, 2, 3], threshold=1.5)
    with pytest.raises(DataError, match="infinite in row 2"):
        surface_stability(cells, [1, 2, -np.inf])
    assert surface_stability(cells, [1, 1, 1], threshold=1).verdict == "plateau"
    with pytest.raises(ConfigError, match="winner must be a row from 0 to 2, got 3"):
        surface_stability(cells, [1, 2, 3], winner=3)
    with pytest.raises(ConfigError, match="n_neighbours must be at least 1"):
        surface_stability(cells, [1, 2, 3], n_neighbours=0)
