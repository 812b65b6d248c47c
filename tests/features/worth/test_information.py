"""Information coefficients: slow twins, a planted truth recovered within its error, and none in noise."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.features.worth import average_ranks, half_life, information, mode_of, row_correlations
from workbench.features.worth.ranks import ranks_across


@given(arrays(np.float64, (4, 7), elements=st.one_of(st.integers(-3, 3).map(float), st.just(float("nan")))))
def test_ranks_are_those_of_pandas(values: np.ndarray) -> None:
    expected = pd.DataFrame(values).rank(axis=1).to_numpy()
    np.testing.assert_array_equal(average_ranks(values), expected)


@pytest.mark.parametrize("n_assets", [1, 5, 16, 17, 40])
def test_ranks_across_are_the_same_ranks(rng: np.random.Generator, n_assets: int) -> None:
    values = rng.integers(0, 9, (50, n_assets)).astype(float)
    values[rng.random(values.shape) < 0.2] = np.nan
    np.testing.assert_array_equal(ranks_across(np.ascontiguousarray(values.T)).T, average_ranks(values))


def test_ranks_of_nothing() -> None:
    assert average_ranks(np.zeros((0, 3))).shape == (0, 3)
    assert average_ranks(np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("rank", [True, False])
def test_row_correlations_are_those_of_pandas(rng: np.random.Generator, rank: bool) -> None:
    x, y = rng.integers(0, 5, (60, 8)).astype(float), rng.standard_normal((60, 8))
    x[rng.random((60, 8)) < 0.3] = np.nan
    y[rng.random((60, 8)) < 0.2] = np.nan
    found = row_correlations(x, y, rank=rank)
    method = "spearman" if rank else "pearson"
    for i in range(60):
        pair = pd.DataFrame({"x": x[i], "y": y[i]}).dropna()
        if len(pair) < 3 or pair["x"].nunique() < 2:
            assert math.isnan(found[i])
        else:
            both = pair.rank() if method == "spearman" else pair
            assert found[i] == pytest.approx(both["x"].corr(both["y"]), abs=1e-12)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_rank_coefficients_know_no_unit(shift: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(-50, 50, (20, 5)).astype(float), rng.standard_normal((20, 5))
    np.testing.assert_array_equal(row_correlations(x, y), row_correlations(x * scale + shift, y))


def test_equal_values_have_no_correlation() -> None:
    x = np.full((1, 5), 0.1 + 0.2)
    assert np.isnan(row_correlations(x, np.arange(5.0)[np.newaxis], rank=False)[0])


@pytest.mark.parametrize("rank", [True, False])
@pytest.mark.parametrize("n_assets", [1, 2])
def test_along_time_it_is_the_plain_correlation(rng: np.random.Generator, rank: bool, n_assets: int) -> None:
    x, y = rng.standard_normal((300, n_assets)), rng.standard_normal((300, n_assets))
    y += 0.3 * x
    x[:20], y[-10:] = np.nan, np.nan
    found = information(x, y, 1, rank=rank)
    assert found.mode == "time series"
    pairs = [pd.DataFrame({"x": x[:, j], "y": y[:, j]}).dropna() for j in range(n_assets)]
    expected = np.mean([(p.rank() if rank else p).corr().iloc[0, 1] for p in pairs])
    assert found.estimate.value == pytest.approx(expected, abs=1e-12)
    assert found.estimate.n == 270
    assert math.isnan(found.terms[0])


def test_the_error_of_a_correlation_is_the_textbook_one(rng: np.random.Generator) -> None:
    """Of Gaussian pairs the standard error of r is (1 − r²) / sqrt(n)."""
    n, r = 20_000, 0.6
    x = rng.standard_normal((n, 1))
    y = r * x + math.sqrt(1 - r * r) * rng.standard_normal((n, 1))
    found = information(x, y, 1, rank=False).estimate
    assert found.standard_error == pytest.approx((1 - r * r) / math.sqrt(n), rel=0.05)


@pytest.mark.parametrize("n_assets", [1, 8])
def test_a_planted_coefficient_is_recovered_within_its_error(n_assets: int) -> None:
    """Over 60 made-up markets the planted value lies within two standard errors about 19 times in 20."""
    rng = np.random.default_rng(11)
    strength, inside = 0.15, 0
    for _ in range(60):
        x = rng.standard_normal((800, n_assets))
        y = strength * x + math.sqrt(1 - strength**2) * rng.standard_normal((800, n_assets))
        found = information(x, y, 1, rank=False).estimate
        assert found.value == pytest.approx(strength, abs=5 * found.standard_error)
        inside += abs(found.value - _expected(strength, n_assets)) <= 2 * found.standard_error
    assert inside >= 52


def _expected(strength: float, n_assets: int) -> float:
    """Mean of the sample correlation of n Gaussian pairs (Hotelling 1953, to first order)."""
    return strength if n_assets == 1 else strength * (1 - (1 - strength**2) / (2 * (n_assets - 1)))


def test_slow_noise_is_not_found_on_overlapping_labels() -> None:
    """A persistent feature on labels that overlap: plain errors find it half of the time, these about 1 in 10."""
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(60):
        x = np.cumsum(rng.standard_normal((1500, 1)), axis=0) * 0.1
        x -= pd.DataFrame(x).rolling(50, min_periods=1).mean().to_numpy()
        total = np.concatenate([[0.0], np.cumsum(rng.standard_normal(1519))])
        y = (total[20:] - total[:-20])[:1500, np.newaxis]
        found += information(x, y, 20).estimate.p_value < 0.05
    assert found <= 12


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        (np.random.default_rng(0).standard_normal((50, 3)), "cross-section"),
        (np.random.default_rng(0).standard_normal((50, 2)), "time series"),
        (np.repeat(np.arange(50.0)[:, np.newaxis], 4, axis=1), "time series"),  # an hour of the day
        (np.full((50, 4), np.nan), "time series"),
        (np.zeros((0, 4)), "cross-section"),
    ],
)
def test_what_can_be_compared_across_symbols(values: np.ndarray, mode: str) -> None:
    if len(values):
        assert mode_of(values) == mode
    assert information(values, values, 1, mode=mode_of(values)).terms.shape == (len(values),)


def test_a_calendar_feature_is_judged_along_time(rng: np.random.Generator) -> None:
    hour = np.repeat((np.arange(2400) % 24).astype(float)[:, np.newaxis], 4, axis=1)
    forward = 0.2 * (hour - 12) / 7 + rng.standard_normal((2400, 4))
    found = information(hour, forward, 1)
    assert found.mode == "time series"
    assert found.estimate.t > 5


def test_inputs_stay_as_they_were(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((50, 5)), rng.standard_normal((50, 5))
    before = x.copy(), y.copy()
    information(x, y, 3)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.parametrize(
    ("coefficients", "bars"),
    [
        ([0.1, 0.05, 0.025], 0.5),  # C = 0.1, 0.1, 0.1: all at once
        ([0.1, 0.1, 0.1], 4.0),  # C = 0.1, 0.2, 0.4: half of it after 4 bars
        ([-0.1, -0.1, -0.1], 4.0),
        ([float("nan"), 0.1, 0.1], 4.0),
        ([0.0, 0.0, 0.0], float("nan")),
        ([float("nan")] * 3, float("nan")),
    ],
)
def test_the_half_life_is_where_half_has_come(coefficients: list[float], bars: float) -> None:
    assert half_life([1, 4, 16], coefficients) == pytest.approx(bars, nan_ok=True)
