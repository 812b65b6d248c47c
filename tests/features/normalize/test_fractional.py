"""Fractional differentiation: the binomial weights, a slow twin, and the smallest order on the training rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import binom

from workbench.errors import ConfigError, DataError
from workbench.features import check_causality, check_warmup, compute, warmup
from workbench.features.normalize import (
    FractionalDifference,
    adf_critical,
    adf_statistic,
    difference_weights,
    smallest_order,
)


def test_weights_are_the_binomial_series() -> None:
    """(1 - L)^d = sum (-1)^k binom(d, k) L^k."""
    for d in (0.2, 0.4, 0.85, 1.3):
        weights = difference_weights(d, 1e-3)
        k = np.arange(weights.size)
        np.testing.assert_allclose(weights, (-1.0) ** k * binom(d, k), rtol=1e-10)
        assert np.abs(weights).min() >= 1e-3
        assert abs(binom(d, weights.size)) < 1e-3
    assert difference_weights(0).tolist() == [1.0]
    assert difference_weights(1).tolist() == [1.0, -1.0]
    assert difference_weights(2).tolist() == [1.0, -2.0, 1.0]


@given(st.floats(0, 2), st.integers(0, 60), st.integers(0, 2**31))
def test_the_feature_is_its_slow_twin(market, d: float, n_bars: int, seed: int) -> None:
    bars = market(n_bars, "A", seed=seed)
    y, weights = np.log(bars["close"]["A"].to_numpy()), difference_weights(d, 0.01)
    out = compute(bars, f"frac_diff({d!r}, 0.01)").to_numpy()[:, 0]
    for t in range(n_bars):
        if t < weights.size - 1:
            assert np.isnan(out[t])
        else:
            expected = sum(w * y[t - k] for k, w in enumerate(weights))
            np.testing.assert_allclose(out[t], expected, rtol=1e-12, atol=1e-13)


def test_order_one_is_the_log_return_and_order_zero_the_log_price(bars: pd.DataFrame) -> None:
    close = bars["close"]
    one = compute(bars, "frac_diff(1)")["frac_diff(1)"]
    np.testing.assert_allclose(one, np.log(close).diff(), rtol=1e-10, atol=1e-15)
    np.testing.assert_array_equal(compute(bars, "frac_diff(0)")["frac_diff(0)"], np.log(close))


@pytest.mark.parametrize("spec", ["frac_diff", "frac_diff(0.3, 0.01)", "frac_diff(1)", "frac_diff(0)"])
def test_causal_with_an_exact_warmup(ragged: pd.DataFrame, spec: str) -> None:
    check_causality(spec, ragged, cuts=8)
    assert check_warmup(spec, ragged) == warmup(spec)
    assert warmup("frac_diff") == difference_weights(0.4).size - 1 == 281


def test_blocks_join_without_a_seam(market) -> None:
    bars = market(20_000, "A", seed=9)
    y = np.log(bars["close"]["A"].to_numpy())
    weights = difference_weights(0.4, 1e-3)
    expected = np.convolve(y, weights, mode="valid")
    out = compute(bars, "frac_diff(0.4, 1e-3)").to_numpy()[:, 0]
    np.testing.assert_allclose(out[weights.size - 1 :], expected, rtol=1e-9)


def test_adf_agrees_with_arch() -> None:
    unitroot = pytest.importorskip("arch.unitroot")
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(size=600))
    pulled = np.zeros(600)
    for t in range(1, 600):
        pulled[t] = 0.7 * pulled[t - 1] + rng.normal()
    for series in (walk, pulled):
        for lags in (0, 1, 4):
            theirs = unitroot.ADF(series, lags=lags, trend="c")
            np.testing.assert_allclose(adf_statistic(series, lags), theirs.stat, rtol=1e-8)
            for share in (0.01, 0.05, 0.10):
                critical = theirs.critical_values[f"{share:.0%}"]
                np.testing.assert_allclose(adf_critical(theirs.nobs, share), critical, rtol=1e-4)
    assert adf_statistic(walk) > adf_critical(598)
    assert adf_statistic(pulled) < adf_critical(598, 0.01)


def test_a_walk_needs_some_order_and_noise_none() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=1000)
    assert smallest_order(noise) == 0
    orders = [smallest_order(np.cumsum(rng.normal(size=1500)), threshold=1e-3) for _ in range(5)]
    assert all(0 < d < 1 for d in orders)


def test_the_order_is_found_on_training_rows_only() -> None:
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"walk": np.cumsum(rng.normal(size=1200)), "noise": rng.normal(size=1200)})
    fitted = FractionalDifference(None, threshold=1e-3).fit(X.iloc[:900])
    assert fitted.d_[0] == smallest_order(X["walk"].iloc[:900], threshold=1e-3) > 0
    assert fitted.d_[1] == 0
    out = fitted.transform(X)
    lead = fitted.window_ - 1
    assert out.iloc[:lead].isna().all(axis=None)
    assert out.iloc[lead:].notna().all(axis=None)
    pd.testing.assert_series_equal(out["noise"].iloc[lead:], X["noise"].iloc[lead:])
    explosive = pd.DataFrame({"trend": np.exp(np.linspace(0, 9, 500))})
    with pytest.raises(DataError, match="FractionalDifference: column 'trend': no order up to 1"):
        FractionalDifference(None, threshold=1e-2).fit(explosive)


def test_wrong_arguments() -> None:
    with pytest.raises(ConfigError, match="needs more than 100000 bars; raise the threshold"):
        difference_weights(0.01, 1e-8)
    with pytest.raises(ConfigError, match=r"significance must be one of 0\.01, 0\.05, 0\.1, got 0\.2"):
        adf_critical(100, 0.2)
    with pytest.raises(DataError, match="an ADF test with 1 lags needs 7 finite values"):
        adf_statistic([1.0, 2.0])
    assert adf_statistic(np.full(50, 3.0)) == -np.inf
    with pytest.raises(DataError, match="rows × features in time order"):
        FractionalDifference(1).fit(np.ones((5, 2))).transform(np.ones((3, 5, 2)))
