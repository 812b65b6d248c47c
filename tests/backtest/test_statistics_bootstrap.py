"""Block bootstrap: resamples by a plain twin, figures by the measures themselves, coverage where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workbench import risk
from workbench.backtest.statistics import bootstrap as bs
from workbench.backtest.statistics import bootstrap_kernels
from workbench.backtest.statistics.bootstrap_kernels import lower_tail, resample_rows
from workbench.backtest.statistics.figures import FIGURES, resample
from workbench.backtest.statistics.intervals import bca_bounds, percentile_bounds, studentised_bounds
from workbench.errors import ConfigError, DataError


def _rows_twin(n, mean_length, geometric, rng):
    """Politis and Romano (1994): blocks of geometric length from anywhere, around the end to the beginning."""
    rows = []
    while len(rows) < n:
        start, length = int(rng.random() * n), int(mean_length)
        if geometric and mean_length > 1:
            length = 1 + int(rng.standard_exponential() * -(1 / math.log(1 - 1 / mean_length)))
        rows.extend((start + i) % n for i in range(min(length, n - len(rows))))
    return rows


@given(n=st.integers(2, 60), mean_length=st.floats(1, 30), geometric=st.booleans(), seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_resamples_equal_the_plain_twin(n, mean_length, geometric, seed):
    found = resample_rows(n, 3, mean_length, geometric, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    assert found.tolist() == [_rows_twin(n, mean_length, geometric, rng) for _ in range(3)]


def test_blocks_are_of_geometric_length_on_average():
    rows = resample_rows(10_000, 10, 8.0, True, np.random.default_rng(1))
    breaks = (np.diff(rows) % 10_000 != 1).mean()
    assert breaks == pytest.approx(1 / 8, rel=0.05)
    np.testing.assert_allclose(np.bincount(rows.ravel() // 1000), 10_000, rtol=0.15)  # every row as often


@given(
    values=hnp.arrays(
        np.float64, st.integers(8, 40), elements=st.sampled_from([-1, -0.3, -0.02, -0.01, 0, 0, 0.01, 0.2])
    ),
    geometric=st.booleans(),
    length=st.integers(1, 8),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=30)
def test_every_compiled_figure_is_the_measure_of_the_resample(values, geometric, length, seed):
    rows = resample_rows(len(values), 4, length, geometric, np.random.default_rng(seed))
    drawn = resample(values, 4, length, geometric, set(FIGURES), 0.05, np.random.default_rng(seed))
    known = {"periods_per_year": 12.0, "confidence": 0.95}
    for name, figure in FIGURES.items():
        function = bs._function(name, 12.0, 0.95)
        expected = [function(values[row]) for row in rows]
        np.testing.assert_allclose(figure(drawn, 12.0), expected, rtol=1e-8, atol=1e-9, err_msg=f"{name} {known}")


def test_continuous_returns_give_the_same_figures_too(rng):
    values = rng.standard_t(4, 400) * 0.01
    rows = resample_rows(400, 20, 7.0, True, np.random.default_rng(3))
    drawn = resample(values, 20, 7.0, True, set(FIGURES), 0.05, np.random.default_rng(3))
    for name, figure in FIGURES.items():
        function = bs._function(name, 365.0, 0.95)
        np.testing.assert_allclose(figure(drawn, 365.0), [function(values[r]) for r in rows], rtol=1e-9, atol=1e-12)


def test_sharpe_errors_are_the_delta_method_over_blocks(rng):
    # Ledoit and Wolf (2008), section 3.2: long-run covariance of (r, r²) from the blocks themselves
    values = rng.normal(0.02, 0.1, 60)
    rows = resample_rows(60, 5, 6, False, np.random.default_rng(1))
    drawn = resample(values, 5, 6, False, {"sharpe_ratio"}, 0.05, np.random.default_rng(1))
    for row, found in zip(rows, drawn.sharpe_errors(1.0)[1], strict=True):
        r = values[row]
        y = np.column_stack([r - r.mean(), r**2 - (r**2).mean()])
        blocks = y.reshape(10, 6, 2).sum(axis=1)
        long_run = blocks.T @ blocks / 60
        a, g = r.mean(), (r**2).mean()
        slope = np.array([g / (g - a * a) ** 1.5, -a / 2 / (g - a * a) ** 1.5])
        assert found == pytest.approx(math.sqrt(slope @ long_run @ slope / 60))


def test_error_of_independent_gaussian_returns_is_lo_2002(rng):
    values = rng.normal(0.05, 1.0, 20_000)
    error, errors = resample(values, 200, 1.0, True, {"sharpe_ratio"}, 0.05, rng).sharpe_errors(1.0)
    expected = risk.sharpe_standard_error(values.mean() / values.std(ddof=1), 20_000)
    assert error == pytest.approx(expected, rel=0.02)
    assert errors.mean() == pytest.approx(expected, rel=0.02)


@given(st.lists(st.sampled_from([-3.0, -2.0, -1.0, 0.0, 1.0]), min_size=2, max_size=30), st.floats(0.01, 0.5))
@settings(max_examples=40)
def test_tail_by_counts_equals_the_tail_of_the_values(values, share):
    ordered = np.sort(values)
    quantile, mean = lower_tail(np.ones(len(values), dtype=np.int64), ordered, share)
    expected = np.quantile(ordered, share)
    assert quantile == pytest.approx(expected, abs=1e-12)
    assert mean == pytest.approx(ordered[ordered <= quantile].mean())


def test_warming_compiles_what_is_called(rng):
    kernels = (
        bootstrap_kernels.replicate_figures,
        bootstrap_kernels.overlapping_error,
        bootstrap_kernels.resample_rows,
    )
    bootstrap_kernels.warm()
    known = [len(kernel.signatures) for kernel in kernels]
    bs.headline_intervals(rng.normal(0, 0.01, 50), periods_per_year=252, replicates=10)
    resample_rows(10, 2, 3.0, False, rng)
    assert known == [len(kernel.signatures) for kernel in kernels]


def test_block_lengths_equal_arch():
    from arch.bootstrap import optimal_block_length

    for seed, phi in ((0, 0.0), (1, 0.3), (2, 0.9), (3, -0.5)):
        noise = np.random.default_rng(seed).normal(size=700)
        series = noise.copy()
        for i in range(1, 700):
            series[i] = phi * series[i - 1] + noise[i]
        expected = np.maximum(optimal_block_length(series).to_numpy()[0], 1.0)
        assert bs.optimal_block_length(series) == pytest.approx(tuple(expected))
    assert bs.optimal_block_length(np.ones(50)) == (1.0, 1.0)


def test_blocks_are_as_long_as_spells_of_volatility():
    rng = np.random.default_rng(5)
    calm = np.repeat(rng.choice([0.002, 0.03], 100), 40)
    returns = rng.normal(size=4000) * calm
    assert bs.optimal_block_length(returns)[0] < 8
    assert bs.bootstrap_interval(returns, "annual_volatility", periods_per_year=252, replicates=20).block_length > 20


def test_percentile_interval_agrees_with_arch(rng):
    from arch.bootstrap import StationaryBootstrap

    returns = rng.normal(0.001, 0.01, 800)
    ours = bs.bootstrap_interval(returns, method="percentile", block_length=5, periods_per_year=252, replicates=4000)
    peer = StationaryBootstrap(5, returns, seed=1).conf_int(
        lambda r: r.mean() / r.std(ddof=1) * math.sqrt(252), reps=1000, method="percentile"
    )
    assert [ours.low, ours.high] == pytest.approx(peer.ravel().tolist(), abs=0.15)


def test_bca_of_efron_and_tibshirani_1993():
    # An Introduction to the Bootstrap, table 14.2: the variance of test A, 90 % interval from 2,000 replicates
    a = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]
    settings = {"confidence": 0.9, "replicates": 2000, "block_length": 1, "seed": 4}
    found = bs.bootstrap_interval(a, lambda v: float(v.var()), method="bca", **settings)
    assert found.value == pytest.approx(171.5, abs=0.1)
    assert (found.low, found.high) == pytest.approx((115.8, 259.6), rel=0.04)
    plain = bs.bootstrap_interval(a, lambda v: float(v.var()), **settings)
    assert (plain.low, plain.high) == pytest.approx((100.8, 233.9), rel=0.04)


def test_bca_without_bias_or_skewness_is_the_percentile_interval():
    draws = np.linspace(-1, 1, 1001)
    assert bca_bounds(0.0, draws, np.array([-1.0, 0.0, 1.0]), 0.9) == pytest.approx(percentile_bounds(draws, 0.9))
    assert bca_bounds(0.0, draws, np.ones(3), 0.9) == pytest.approx((-0.9, 0.9))
    high = bca_bounds(0.5, draws, np.array([-1.0, 0.0, 1.0]), 0.9)
    assert high[0] > -0.9
    assert all(math.isnan(b) for b in bca_bounds(math.nan, draws, draws, 0.9))


def test_bca_formula_with_bias_and_skewness():
    # z0 = Phi^-1(0.6), a from the skewness of what is left out, bounds at Phi(z0 + (z0 + z) / (1 - a (z0 + z)))
    from scipy.stats import norm

    draws, left_out = np.arange(1000.0), np.array([0.0, 1.0, 5.0, 2.0])
    apart = left_out.mean() - left_out
    a, z0 = (apart**3).sum() / 6 / (apart**2).sum() ** 1.5, norm.ppf(0.6)
    z = z0 + norm.ppf([0.05, 0.95])
    expected = np.quantile(draws, norm.cdf(z0 + z / (1 - a * z)))
    assert bca_bounds(599.5, draws, left_out, 0.9) == pytest.approx(tuple(expected))
    # a value below all draws counts as half a draw above the lowest
    shifted = norm.ppf(0.5 / 1000)
    lowest = np.quantile(draws, norm.cdf(2 * shifted + norm.ppf([0.05, 0.95])))
    assert bca_bounds(-1.0, draws, np.ones(3), 0.9) == pytest.approx(tuple(lowest))


def test_half_of_the_draws_must_be_known():
    assert percentile_bounds(np.array([1.0, 1.0, np.nan, np.nan]), 0.9) == (1.0, 1.0)
    assert all(math.isnan(b) for b in percentile_bounds(np.array([1.0, np.nan, np.nan]), 0.9))
    # a resample without an error tells nothing about t
    assert studentised_bounds(1.0, np.array([1.5, 9.0]), 1.0, np.array([1.0, 0.0]), 0.5) == (0.5, 1.5)


def test_studentised_bounds_by_hand():
    low, high = studentised_bounds(1.0, np.array([0.0, 2.0, 3.0]), 0.5, np.array([1.0, 0.5, 1.0]), 0.5)
    assert (low, high) == (0.0, 2.0)  # |t| = 1, 2, 2; the median is 2


def _coverage(n_samples, n, phi, replicates, scale=1.0):
    rng = np.random.default_rng(11)
    hits = np.zeros(2)
    spread = 0.01 / math.sqrt(1 - phi**2)
    for _ in range(n_samples):
        noise = rng.normal(0, 0.01, n + 50)
        series = np.empty(n + 50)
        series[0] = noise[0]
        for i in range(1, n + 50):
            series[i] = phi * series[i - 1] + noise[i]
        returns = series[50:] + 0.001
        for k, method in enumerate(("studentised", "percentile")):
            found = bs.bootstrap_interval(returns, method=method, periods_per_year=252, replicates=replicates, seed=rng)
            hits[k] += found.low <= 0.001 / spread * math.sqrt(252) <= found.high
    return hits / n_samples


@pytest.mark.slow
def test_intervals_cover_the_truth_of_dependent_returns():
    studentised, percentile = _coverage(200, 500, 0.3, 300)
    assert studentised == pytest.approx(0.95, abs=0.045)
    assert percentile == pytest.approx(0.94, abs=0.055)


@pytest.mark.soak
@pytest.mark.parametrize(("phi", "least"), [(0.0, 0.94), (0.3, 0.925), (-0.3, 0.94)])
def test_intervals_cover_the_truth_in_full(phi, least):
    studentised, _ = _coverage(2_000, 1_000, phi, 1_000)
    assert least < studentised < 0.97


def test_headline_table(rng):
    times = pd.date_range("2024-01-01", periods=500, freq="D", tz="UTC")
    returns = pd.Series(rng.normal(0.001, 0.02, 500), index=times)
    table = bs.headline_intervals(returns, replicates=200)
    assert list(table.columns) == ["metric", "value", "low", "high", "confidence"]
    assert tuple(table["metric"]) == bs.HEADLINE
    for row in table.itertuples():
        assert row.value == pytest.approx(
            bs._function(row.metric, risk.periods_per_year(times), 0.95)(returns.to_numpy())
        )
        assert row.low < row.high
    sharpe = table.set_index("metric").loc["sharpe_ratio"]
    assert (sharpe.low, sharpe.high) == bs.sharpe_interval(returns, replicates=200)
    assert sharpe.low < sharpe.value < sharpe.high


def test_a_seed_gives_the_same_numbers_whatever_is_asked_beside(rng):
    returns = rng.normal(0.001, 0.02, 300)
    known = {"periods_per_year": 252, "replicates": 100, "seed": 9}
    both = bs.headline_intervals(returns, metrics=["max_drawdown", "skewness", "sharpe_ratio"], **known)
    alone = bs.bootstrap_interval(returns, "skewness", **known)
    assert both.loc[1, ["low", "high"]].tolist() == [alone.low, alone.high]
    drawdown = bs.bootstrap_interval(returns, "max_drawdown", **known)
    assert both.loc[0, ["low", "high"]].tolist() == [drawdown.low, drawdown.high]
    slow = bs.bootstrap_interval(returns, risk.max_drawdown, **known)
    np.testing.assert_allclose(slow.replicates, drawdown.replicates)
    other = bs.bootstrap_interval(returns, "max_drawdown", **known | {"seed": 10})
    assert other.low != drawdown.low


def test_bigger_confidence_is_wider_and_more_data_is_narrower(rng):
    returns = rng.normal(0.001, 0.02, 2000)
    widths = []
    for n, confidence in ((2000, 0.5), (2000, 0.9), (2000, 0.99), (500, 0.99)):
        low, high = bs.sharpe_interval(returns[:n], confidence=confidence, periods_per_year=252, replicates=500)
        widths.append(high - low)
    assert widths == sorted(widths)


def test_figures_that_are_undefined_stay_so():
    flat = bs.headline_intervals(np.zeros(50), periods_per_year=252, replicates=50).set_index("metric")
    assert (
        flat.loc[["sharpe_ratio", "sortino_ratio", "calmar_ratio", "hit_rate"], ["low", "high"]].isna().all(axis=None)
    )
    assert (flat.loc[["annual_volatility", "max_drawdown", "total_return"], ["low", "high"]] == 0).all(axis=None)


def test_circular_blocks_and_returns_without_years():
    returns = np.tile([0.01, -0.01, 0.02], 20)
    found = bs.bootstrap_interval(returns, "total_return", scheme="circular", block_length=3.4, replicates=50)
    assert found.block_length == 3.0
    np.testing.assert_allclose(found.replicates, found.value)  # every block of a whole period holds one of each


def test_bad_input_is_named():
    good = np.linspace(-0.01, 0.02, 50)
    with pytest.raises(DataError, match="needs at least 8 returns, got 3"):
        bs.bootstrap_interval(good[:3])
    with pytest.raises(DataError, match="pass periods_per_year"):
        bs.bootstrap_interval(good)
    with pytest.raises(ConfigError, match="unknown risk measure 'sharp_ratio'"):
        bs.bootstrap_interval(good, "sharp_ratio", periods_per_year=252)
    with pytest.raises(ConfigError, match="unknown method 'bcca'"):
        bs.bootstrap_interval(good, method="bcca", periods_per_year=252)
    with pytest.raises(ConfigError, match="unknown scheme 'moving'"):
        bs.bootstrap_interval(good, scheme="moving", periods_per_year=252)
    with pytest.raises(ConfigError, match="confidence must lie in \\(0, 1\\), got 95"):
        bs.bootstrap_interval(good, confidence=95, periods_per_year=252)
    with pytest.raises(ConfigError, match="replicates must be at least 2, got 1"):
        bs.bootstrap_interval(good, replicates=1, periods_per_year=252)
    with pytest.raises(ConfigError, match="block_length must be from 1 to the 50 returns, got 51"):
        bs.bootstrap_interval(good, block_length=51, periods_per_year=252)
    with pytest.raises(ConfigError, match="'studentised' is for sharpe_ratio, got 'max_drawdown'"):
        bs.bootstrap_interval(good, "max_drawdown", method="studentised")
    with pytest.raises(ConfigError, match="metrics is empty"):
        bs.headline_intervals(good, metrics=[])
    wave = np.tile([1.0, -1.0], 40)  # no long-run variance at all: nothing to balance, so the longest blocks
    assert bs.optimal_block_length(wave)[0] >= 1.0
    with pytest.raises(DataError, match="series of at least 8 values"):
        bs.optimal_block_length(good[:5])
