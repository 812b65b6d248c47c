"""Quantiles: no look ahead, means against pandas, a planted spread, turnover by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError
from workbench.features.worth import quantile_numbers, quantile_returns, rank_autocorrelation, turnover


@given(st.integers(1, 599), st.sampled_from([1, 2, 6]), st.integers(0, 5))
def test_removing_later_rows_changes_no_quantile(cut: int, n_assets: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((600, n_assets)).cumsum(axis=0)
    x[rng.random(x.shape) < 0.1] = np.nan
    mode = "cross-section" if n_assets == 6 else "time series"
    whole = quantile_numbers(x, 4, mode)
    np.testing.assert_array_equal(quantile_numbers(x[:cut], 4, mode), whole[:cut])


def test_along_time_the_edges_are_those_of_the_past(rng: np.random.Generator) -> None:
    x = rng.standard_normal(400)
    found = quantile_numbers(x[:, np.newaxis], 5)[:, 0]
    assert np.isnan(found[:100]).all()
    for start, stop in ((100, 110), (110, 121), (121, 133)):  # drawn anew after a tenth more
        edges = np.quantile(x[:start], [0.2, 0.4, 0.6, 0.8])
        np.testing.assert_array_equal(found[start:stop], (x[start:stop, np.newaxis] >= edges).sum(axis=1))


def test_across_symbols_the_quantiles_are_equally_full() -> None:
    x = np.array([[3.0, 1.0, 2.0, 5.0, 4.0, 6.0], [1.0, 1.0, 1.0, 2.0, 2.0, np.nan]])
    found = quantile_numbers(x, 3, "cross-section")
    np.testing.assert_array_equal(found[0], [1, 0, 0, 2, 1, 2])
    np.testing.assert_array_equal(found[1], [0, 0, 0, 2, 2, np.nan])  # equal values stay together


def test_too_few_symbols_have_no_quantile() -> None:
    x = np.array([[1.0, 2.0, np.nan, np.nan]])
    assert np.isnan(quantile_numbers(x, 2, "cross-section")).all()
    with pytest.raises(ConfigError, match="at least 2"):
        quantile_numbers(x, 1)


def test_means_and_spread_are_those_of_the_cells(rng: np.random.Generator) -> None:
    x, forward = rng.standard_normal((200, 10)), rng.standard_normal((200, 10))
    numbers = quantile_numbers(x, 5, "cross-section")
    found = quantile_returns(numbers, forward, 1, 5, "cross-section")
    excess = forward - forward.mean(axis=1, keepdims=True)
    for q, mean in enumerate(found.means):
        assert mean.value == pytest.approx(excess[numbers == q].mean(), abs=1e-14)
    assert found.spread.value == pytest.approx(found.means[4].value - found.means[0].value, abs=1e-14)


def test_a_planted_feature_rises_from_quantile_to_quantile() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((4000, 1))
    forward = 0.01 * (0.3 * x + rng.standard_normal((4000, 1)))
    found = quantile_returns(quantile_numbers(x, 5), forward, 1, 5, "time series")
    assert found.monotony == pytest.approx(1.0)
    assert found.spread.t > 10
    # the mean of the outer fifths of a normal variable is ±1.3998
    assert found.spread.value == pytest.approx(0.003 * 2 * 1.3998, abs=3 * found.spread.standard_error)
    error = math.sqrt(2 / (found.spread.n / 5)) * 0.01
    assert found.spread.standard_error == pytest.approx(error, rel=0.1)


def test_noise_spreads_nothing() -> None:
    rng = np.random.default_rng(4)
    t = []
    for _ in range(50):
        x, forward = rng.standard_normal((600, 8)), rng.standard_normal((600, 8))
        t.append(quantile_returns(quantile_numbers(x, 4, "cross-section"), forward, 1, 4).spread.t)
    assert np.mean(np.abs(t) > 1.96) <= 0.14


def test_an_empty_quantile_is_nan() -> None:
    numbers = np.array([[0.0], [0.0], [2.0], [2.0]])
    found = quantile_returns(numbers, np.arange(4.0)[:, np.newaxis], 1, 3, "time series")
    assert math.isnan(found.means[1].value)
    assert math.isnan(found.monotony)


def test_turnover_is_the_share_that_moved() -> None:
    numbers = np.array([[0.0, 1.0], [0.0, 0.0], [1.0, np.nan], [1.0, 2.0]])
    assert turnover(numbers) == pytest.approx(2 / 4)  # of four comparable neighbours two differ
    assert math.isnan(turnover(numbers[:1]))


def test_rank_autocorrelation_is_that_of_pandas(rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 5)).cumsum(axis=0)
    along = np.mean([pd.Series(x[1:, j]).rank().corr(pd.Series(x[:-1, j]).rank()) for j in range(5)])
    assert rank_autocorrelation(x, "time series") == pytest.approx(along)
    now, before = (pd.DataFrame(v).rank(axis=1) for v in (x[1:], x[:-1]))
    assert rank_autocorrelation(x, "cross-section") == pytest.approx(now.corrwith(before, axis=1).mean())
    assert math.isnan(rank_autocorrelation(x[:1], "time series"))
