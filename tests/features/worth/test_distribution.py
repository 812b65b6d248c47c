"""Distribution and drift against scipy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError
from workbench.features.worth import coverage, describe, kolmogorov_smirnov, population_stability
from workbench.features.worth.distribution import histograms

stats = pytest.importorskip("scipy.stats")


def test_moments_are_those_of_scipy(rng: np.random.Generator) -> None:
    x = rng.gamma(2.0, size=(400, 3))
    told = describe(x)
    flat = x.ravel()
    assert told.n == 1200
    assert told.mean == pytest.approx(flat.mean())
    assert told.std == pytest.approx(flat.std(ddof=1))
    assert told.skewness == pytest.approx(stats.skew(flat))
    assert told.kurtosis == pytest.approx(stats.kurtosis(flat, fisher=False))
    assert told.quantiles[3] == np.median(flat)


def test_outliers_are_counted_by_robust_deviations() -> None:
    x = np.concatenate([np.linspace(-1, 1, 999), [1e6]])
    assert describe(x).outliers == pytest.approx(1 / 1000)
    assert math.isnan(describe(np.array([0.0, 0.0, 0.0, 100.0])).outliers)


def test_a_constant_has_no_shape() -> None:
    told = describe(np.full(50, 0.1))
    assert told.mean == pytest.approx(0.1)
    assert math.isnan(told.skewness)
    assert describe(np.full(5, np.nan)).n == 0
    assert describe(np.array([2.0])).mean == 2.0


def test_coverage_counts_own_bars_only() -> None:
    x = np.array([[np.nan, np.nan], [1.0, np.nan], [1.0, 2.0]])
    trades = np.array([[True, False], [True, False], [True, True]])
    assert coverage(x, trades) == pytest.approx(3 / 4)
    assert math.isnan(coverage(x, np.zeros((3, 2), dtype=bool)))


def test_stability_by_hand() -> None:
    """Two bins, 10 values each: 5 + 5 against 8 + 2, with half a value added to each count."""
    first, later = np.array([1.0] * 5 + [2.0] * 5), np.array([1.0] * 8 + [2.0] * 2)
    p, q = np.array([5.5, 5.5]) / 11, np.array([8.5, 2.5]) / 11
    expected = ((q - p) * np.log(q / p)).sum()
    assert population_stability(first + 0.0, later, 2) == pytest.approx(expected)


@given(st.integers(200, 2000), st.integers(200, 2000), st.integers(0, 50))
def test_one_distribution_is_stable(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    psi = population_stability(rng.standard_normal(n), rng.standard_normal(m))
    assert 0 <= psi < 4 * 9 * (1 / n + 1 / m)  # 9 (1/n + 1/m) is expected


def test_a_shift_is_seen(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal(3000), rng.standard_normal(3000) + 1
    # for two normals one deviation apart the divergence is 1; ten bins see most of it
    assert 0.8 < population_stability(x, y) < 1.2
    assert math.isnan(population_stability(x, np.full(3, np.nan)))
    with pytest.raises(ConfigError, match="n_bins"):
        population_stability(x, y, 1)


def test_few_values_make_few_bins(rng: np.random.Generator) -> None:
    """60 values in ten bins would stand at 9/60 + 9/300 = 0.18 by chance alone."""
    noise = [population_stability(rng.standard_normal(300), rng.standard_normal(60)) for _ in range(200)]
    assert np.mean(noise) == pytest.approx(1 / 300 + 1 / 60, rel=0.35)


def test_repeated_values_make_fewer_bins() -> None:
    x = np.array([0.0] * 90 + [1.0] * 10)
    assert population_stability(x, x) == pytest.approx(0.0, abs=1e-12)


@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 1000))
def test_kolmogorov_smirnov_is_that_of_scipy(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 9, n).astype(float), rng.integers(0, 9, m) + 0.5 * rng.integers(0, 2)
    assert kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic)


def test_histograms_sum_to_one(rng: np.random.Generator) -> None:
    edges, first, last = histograms(rng.standard_normal(500), rng.standard_normal(80) * 9)
    assert len(edges) == 41
    assert first.sum() == pytest.approx(1)
    assert last.sum() == pytest.approx(1)
    assert histograms(np.ones(3), np.ones(3))[1].sum() == pytest.approx(1)
    assert len(histograms(np.full(2, np.nan), np.full(2, np.nan))[0]) == 0
