"""Return, volatility and ratios against published examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench import risk
from workbench.errors import DataError

SORTINO_EXAMPLE = np.array([0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04])
"""Annual returns worked through in Rollinger & Hoffman (2013), Sortino: a "sharper" ratio, Red Rock Capital."""


def test_sortino_ratio_is_the_published_one_and_divides_by_all_returns():
    downside = np.sqrt((0.05**2 + 0.04**2) / 8)
    assert downside == pytest.approx(0.02264, abs=5e-6)
    assert risk.sortino_ratio(SORTINO_EXAMPLE, periods_per_year=1) == pytest.approx(4.417, abs=5e-4)


def test_downside_deviation_of_bacon(bacon):
    ratio = risk.sortino_ratio(bacon, periods_per_year=1, target=0.005)
    assert (bacon.mean() - 0.005) / ratio == pytest.approx(0.0255, abs=5e-5)


def test_omega_of_bacon_is_the_bernardo_ledoit_ratio_at_zero(bacon):
    assert risk.omega_ratio(bacon) == pytest.approx(1.78, abs=5e-3)


def test_omega_sharpe_ratio_of_bacon(bacon):
    assert risk.omega_ratio(bacon, threshold=0.005) - 1 == pytest.approx(0.29, abs=5e-3)


def test_moments_of_bacon_are_population_moments_and_kurtosis_is_raw(bacon):
    assert risk.kurtosis(bacon) == pytest.approx(2.43, abs=5e-3)
    assert risk.skewness(bacon) / risk.kurtosis(bacon) == pytest.approx(-0.034, abs=5e-4)


def test_kurtosis_of_a_gaussian_sample_is_near_three(rng):
    assert risk.kurtosis(rng.normal(0, 0.01, 200_000)) == pytest.approx(3.0, abs=0.05)


def test_annual_return_volatility_and_sharpe_by_hand():
    returns = [0.10, -0.05, 0.03, 0.02]
    mean, deviation = 0.025, np.sqrt((0.075**2 + 0.075**2 + 0.005**2 + 0.005**2) / 3)
    assert risk.total_return(returns) == pytest.approx(1.10 * 0.95 * 1.03 * 1.02 - 1)
    assert risk.annual_return(returns, periods_per_year=12) == pytest.approx((1.10 * 0.95 * 1.03 * 1.02) ** 3 - 1)
    assert risk.annual_volatility(returns, periods_per_year=12) == pytest.approx(deviation * np.sqrt(12))
    sharpe = risk.sharpe_ratio(returns, periods_per_year=12, risk_free=0.005)
    assert sharpe == pytest.approx((mean - 0.005) / deviation * np.sqrt(12))


def test_calmar_is_annual_return_over_drawdown(bacon):
    assert risk.annual_return(bacon, periods_per_year=12) == pytest.approx(0.1037, abs=5e-5)
    assert risk.calmar_ratio(bacon, periods_per_year=12) == pytest.approx(0.1036783 / 0.1446730, rel=1e-5)


def test_hit_rate_leaves_idle_bars_out():
    assert risk.hit_rate([0.01, -0.01, 0.0, 0.0, 0.02]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("constant", [0.0, 0.001, -0.001])
def test_ratios_of_constant_returns_are_undefined_not_infinite(constant):
    returns = np.full(50, constant)
    assert np.isnan(risk.sharpe_ratio(returns, periods_per_year=252))
    assert np.isnan(risk.skewness(returns))
    assert np.isnan(risk.kurtosis(returns))
    assert risk.annual_volatility(returns, periods_per_year=252) == 0


def test_ruin_is_a_return_of_minus_one():
    returns = [0.1, -1.0, 0.0]
    assert risk.total_return(returns) == -1
    assert risk.annual_return(returns, periods_per_year=252) == -1
    assert risk.max_drawdown(returns) == 1


def test_missing_returns_are_left_out(daily):
    gappy = daily.copy()
    gappy.iloc[[0, 100]] = np.nan
    expected = risk.sharpe_ratio(gappy.dropna(), periods_per_year=252)
    assert risk.sharpe_ratio(gappy) == pytest.approx(expected)


def test_periods_come_from_the_index_of_a_series(daily):
    assert risk.sharpe_ratio(daily) == pytest.approx(risk.sharpe_ratio(daily.to_numpy(), periods_per_year=252))


@pytest.mark.parametrize(
    ("returns", "words"),
    [
        ([0.01], "needs at least 2 returns, got 1"),
        ([0.01, -1.5], "a return of -1.5 is not possible"),
        ([0.01, np.inf], "a return of inf is not possible"),
        ([[0.01, 0.02], [0.0, 0.1]], "one series of returns, got an array of shape"),
        ([np.nan, np.nan], "needs at least 2 returns, got 0"),
    ],
)
def test_bad_returns_are_one_clear_line(returns, words):
    with pytest.raises(DataError, match=words):
        risk.sharpe_ratio(returns, periods_per_year=252)


def test_an_array_without_periods_is_refused():
    with pytest.raises(DataError, match="pass periods_per_year"):
        risk.sharpe_ratio([0.1, 0.2])
    with pytest.raises(DataError, match="must be positive, got 0"):
        risk.sharpe_ratio([0.1, 0.2], periods_per_year=0)


def test_measures_leave_their_input_alone(daily):
    before = daily.copy()
    risk.summary(daily)
    risk.drawdown(daily)
    pd.testing.assert_series_equal(daily, before)
