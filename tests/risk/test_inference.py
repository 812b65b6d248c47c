"""Probabilistic and deflated Sharpe ratios against the numbers printed in the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench import risk
from workbench.errors import DataError
from workbench.risk.inference import minimum_backtest_length


@pytest.mark.parametrize(("sharpe", "n_obs", "printed"), [(0.5, 12, 0.306), (1.0, 60, 0.158), (3.0, 500, 0.105)])
def test_standard_error_with_gaussian_moments_is_lo_2002(sharpe, n_obs, printed):
    # Lo (2002), table 1: sqrt((1 + SR²/2) / T)
    assert risk.sharpe_standard_error(sharpe, n_obs + 1) == pytest.approx(printed, abs=5e-4)


def test_probability_of_the_hedge_fund_in_bailey_and_lopez_de_prado_2012():
    # 24 months, mean 3.6 %, deviation 7.9 %, skewness -2.448, kurtosis 10.164
    assert risk.probability_above(0.0, 0.458, 24) == pytest.approx(0.982, abs=5e-4)
    assert risk.probability_above(0.0, 0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)


def test_track_record_length_of_bailey_and_lopez_de_prado_2012():
    # an annual Sharpe ratio of 2 against 1 at 95 %, from daily, weekly and monthly Gaussian returns, in years
    for periods, years in ((250, 2.73), (52, 2.83), (12, 3.24)):
        bars = risk.track_record_needed(1 / math.sqrt(periods), 2 / math.sqrt(periods))
        assert bars / periods == pytest.approx(years, abs=0.01)
    # monthly hedge-fund returns with skewness -0.72 and kurtosis 5.78
    bars = risk.track_record_needed(1 / math.sqrt(12), 2 / math.sqrt(12), -0.72, 5.78)
    assert bars / 12 == pytest.approx(4.99, abs=0.01)


def test_deflated_sharpe_ratio_of_bailey_and_lopez_de_prado_2014():
    # 5 years of daily returns, annual Sharpe ratio 2.5, skewness -3, kurtosis 10, trials with a variance of 1/2 a year
    sharpe = 2.5 / math.sqrt(250)
    benchmark = risk.expected_max_sharpe_ratio(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    assert risk.probability_above(benchmark, sharpe, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)
    fewer = risk.expected_max_sharpe_ratio(46, 0.5 / 250)
    assert risk.probability_above(fewer, sharpe, 1250, -3, 10) == pytest.approx(0.9505, abs=5e-5)


def test_returns_give_the_same_as_their_statistics(daily):
    values = daily.to_numpy()
    sharpe = values.mean() / values.std(ddof=1)
    centred = values - values.mean()
    skew = np.mean(centred**3) / np.mean(centred**2) ** 1.5
    raw = np.mean(centred**4) / np.mean(centred**2) ** 2
    expected = risk.probability_above(0.02, sharpe, len(values), skew, raw)
    assert risk.probabilistic_sharpe_ratio(daily, benchmark=0.02) == pytest.approx(expected)
    needed = risk.minimum_track_record_length(daily, benchmark=-0.01)
    assert needed == pytest.approx(risk.track_record_needed(-0.01, sharpe, skew, raw))
    assert risk.probability_above(-0.01, sharpe, round(needed), skew, raw) == pytest.approx(0.95, abs=1e-3)


def test_excess_kurtosis_in_place_of_raw_would_flatter():
    raw = risk.probability_above(0.0, 0.1, 250, -1.0, 10.0)
    wrong = risk.probability_above(0.0, 0.1, 250, -1.0, 7.0)
    assert wrong > raw


def test_expected_best_of_noise_is_what_noise_shows(rng):
    best = rng.normal(0.0, 0.05, (20_000, 50)).max(axis=1).mean()
    assert risk.expected_max_sharpe_ratio(50, 0.05**2) == pytest.approx(best, rel=0.02)


def test_more_trials_deflate_more(daily):
    ratios = [risk.deflated_sharpe_ratio(daily, n_trials=n, sharpe_variance=0.001) for n in (1, 2, 10, 1000)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] == risk.probabilistic_sharpe_ratio(daily)


def test_undefined_cases():
    flat = np.zeros(100)
    assert math.isnan(risk.probabilistic_sharpe_ratio(flat))
    assert math.isnan(risk.deflated_sharpe_ratio(flat, n_trials=5, sharpe_variance=0.1))
    assert math.isnan(risk.minimum_track_record_length(flat))
    assert risk.track_record_needed(0.1, 0.05) == math.inf
    with pytest.raises(DataError, match="n_trials must be at least 1, got 0"):
        risk.expected_max_sharpe_ratio(0, 0.1)
    with pytest.raises(DataError, match="sharpe_variance must be 0 or more, got nan"):
        risk.expected_max_sharpe_ratio(5, math.nan)


def test_backtest_length_of_bailey_borwein_lopez_de_prado_and_zhu_2014(rng):
    # five years of data bear no more than 45 independent trials, else the best is expected at an annual Sharpe of 1
    assert minimum_backtest_length(45) == pytest.approx(5.0, abs=0.05)
    # and two years bear seven
    assert minimum_backtest_length(7) < 2.0 < minimum_backtest_length(8)
    years = [minimum_backtest_length(n) for n in (1, 2, 7, 45, 1000)]
    assert years == sorted(years)
    assert years[0] == 0.0
    for n in (45, 100, 1000, 10_000):
        assert minimum_backtest_length(n) < 2 * math.log(n)  # the bound of theorem 1
    assert minimum_backtest_length(45, sharpe=2.0) == pytest.approx(minimum_backtest_length(45) / 4)
    with pytest.raises(DataError, match="sharpe must be above 0, got 0"):
        minimum_backtest_length(45, sharpe=0)
    with pytest.raises(DataError, match="n_trials must be at least 1, got 0"):
        minimum_backtest_length(0)


def test_over_the_minimum_length_noise_shows_what_it_should(rng):
    days = round(minimum_backtest_length(20) * 250)
    returns = rng.normal(size=(400, 20, days)).astype("float32")
    best = (returns.mean(axis=2) / returns.std(axis=2, ddof=1)).max(axis=1) * math.sqrt(250)
    assert best.mean() == pytest.approx(1.0, abs=0.06)
