"""Alpha and beta against a regression of scipy and a twin by matrices; planted alpha; rolling beta by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from workbench.backtest.statistics.benchmarks import against_benchmark, beside_benchmarks, equal_weight, rolling_beta
from workbench.errors import ConfigError, DataError


def test_regression_equals_scipy_and_the_planted_truth(rng):
    from scipy.stats import linregress

    market = rng.normal(0.0004, 0.01, 4000)
    returns = 0.0002 + 1.5 * market + rng.normal(0, 0.002, 4000)
    found = against_benchmark(returns, market, periods_per_year=250)
    peer = linregress(market, returns)
    assert found.beta == pytest.approx(peer.slope)
    assert found.alpha == pytest.approx(peer.intercept * 250)
    assert found.correlation == pytest.approx(peer.rvalue)
    assert found.r_squared == pytest.approx(peer.rvalue**2)
    assert found.alpha_t == pytest.approx(
        peer.intercept / peer.intercept_stderr, rel=0.1
    )  # errors are independent here
    assert found.alpha == pytest.approx(0.05, abs=0.03)
    difference = returns - market
    assert found.tracking_error == pytest.approx(difference.std(ddof=1) * math.sqrt(250))
    assert found.information_ratio == pytest.approx(difference.mean() / difference.std(ddof=1) * math.sqrt(250))
    assert found.up_capture > 1.4
    assert found.n_obs == 4000


def test_newey_west_by_sums_over_pairs(rng):
    x, y = rng.normal(size=30), rng.normal(size=30)
    X = np.column_stack([np.ones(30), x])
    b = np.linalg.lstsq(X, y, rcond=None)[0]
    e = y - X @ b
    lags = int(4 * 0.3 ** (2 / 9))
    assert lags == 3
    middle = sum(
        (1 - abs(i - j) / 4) * e[i] * e[j] * np.outer(X[i], X[j])
        for i in range(30)
        for j in range(30)
        if abs(i - j) <= 3
    )
    bread = np.linalg.inv(X.T @ X)
    expected = b[0] / math.sqrt((bread @ middle @ bread)[0, 0])
    assert against_benchmark(y, x, periods_per_year=1).alpha_t == pytest.approx(expected)


def test_trending_residuals_lower_the_t_value(rng):
    market = rng.normal(0, 0.01, 1000)
    slow = np.repeat(rng.normal(0.0005, 0.01, 100), 10)
    found = against_benchmark(market + slow, market, periods_per_year=250)
    naive = slow.mean() / slow.std() * math.sqrt(1000)
    assert abs(found.alpha_t) < 0.6 * abs(naive)


def test_the_benchmark_itself_and_one_that_does_not_move(rng):
    market = rng.normal(0, 0.01, 100)
    same = against_benchmark(market, market, periods_per_year=250)
    assert (same.beta, same.tracking_error) == (pytest.approx(1.0), 0.0)
    assert math.isnan(same.information_ratio)
    cash = against_benchmark(market, np.zeros(100), periods_per_year=250)
    assert math.isnan(cash.beta)
    assert cash.active_return == pytest.approx(market.mean() * 250)
    assert math.isnan(cash.up_capture)
    risk_free = against_benchmark(market + 0.001, market, periods_per_year=1, risk_free=0.001)
    assert risk_free.alpha == pytest.approx(0.001)


def test_captures_leave_out_bars_without_a_move():
    found = against_benchmark([0.02, 0.04, -0.01, 0.09], [0.01, 0.03, -0.02, 0.0], periods_per_year=1)
    assert found.up_capture == pytest.approx(0.03 / 0.02)
    assert found.down_capture == pytest.approx(0.5)


def test_series_are_joined_on_their_times_and_tables_have_a_row_each(rng):
    times = pd.date_range("2024-01-01", periods=60, freq="D", tz="UTC")
    market = pd.Series(rng.normal(0, 0.01, 60), times)
    own = (2 * market).iloc[10:].where(lambda r: r.index != times[20])
    assets = pd.DataFrame({"A": market, "B": -market}).assign(C=np.nan)
    table = beside_benchmarks(own, pd.DataFrame({"hold": market, "equal_weight": equal_weight(assets)}))
    assert table.index.tolist() == ["hold", "equal_weight"]
    assert table.loc["hold", "beta"] == pytest.approx(2.0)
    assert table.loc["hold", "n_obs"] == 49
    assert equal_weight(assets).abs().max() < 1e-15


def test_rolling_beta_is_the_beta_of_each_window(rng):
    times = pd.date_range("2024-01-01", periods=50, freq="h", tz="UTC")
    market = pd.Series(rng.normal(0, 0.01, 50), times)
    own = 0.5 * market + rng.normal(0, 0.001, 50)
    found = rolling_beta(own, market, 20)
    assert found.isna().sum() == 19
    window = slice(31, 51)
    expected = np.cov(own.iloc[30:], market.iloc[30:])[0, 1] / market.iloc[30:].var()
    assert found.iloc[-1] == pytest.approx(expected)
    assert len(own.iloc[window]) == 19
    assert rolling_beta(own, market * 0, 20).isna().all()


def test_bad_input_is_named(rng):
    good = rng.normal(size=20)
    with pytest.raises(DataError, match="one length, got \\(20,\\) and \\(19,\\)"):
        against_benchmark(good, good[1:], periods_per_year=1)
    with pytest.raises(DataError, match="share 2 bars and need 3"):
        against_benchmark(good[:2], good[:2], periods_per_year=1)
    with pytest.raises(DataError, match="infinite"):
        against_benchmark(good, good / 0.0 if False else np.full(20, np.inf), periods_per_year=1)
    with pytest.raises(DataError, match="has no column"):
        beside_benchmarks(good, pd.DataFrame(index=range(20)))
    with pytest.raises(ConfigError, match="window must be at least 3"):
        rolling_beta(pd.Series(good), pd.Series(good), 2)
    with pytest.raises(DataError, match="at least 30 bars that both have, got 20"):
        rolling_beta(pd.Series(good), pd.Series(good), 30)
