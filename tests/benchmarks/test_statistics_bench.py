"""Bootstrap interval, PBO and SPA against arch or a second of time; ratios from one run."""

from __future__ import annotations

import time

import numpy as np
import pytest

from workbench.backtest.statistics import (
    bootstrap_interval,
    headline_intervals,
    overfitting_from_moments,
    probability_of_backtest_overfitting,
    superior_ability,
)

pytestmark = pytest.mark.benchmark
N = 17_520


def _best(function, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.fixture(scope="module")
def returns():
    rng = np.random.default_rng(7)
    size, sigma = np.empty(N), 0.006
    for i in range(N):  # spells of volatility like those of hourly crypto
        sigma = np.sqrt(4e-7 + 0.89 * sigma**2 + 0.1 * (size[i - 1] if i else 0.006) ** 2)
        size[i] = sigma * rng.normal()
    return size + 2e-5


def test_sharpe_interval_against_arch(returns, report):
    from arch.bootstrap import StationaryBootstrap

    year = np.sqrt(8760)
    known = {"periods_per_year": 8760, "replicates": 1000}
    length = bootstrap_interval(returns, **known).block_length
    for blocks in (length, 24.0, 5.0):
        ours = _best(lambda blocks=blocks: bootstrap_interval(returns, block_length=blocks, **known))
        peer = _best(
            lambda blocks=blocks: StationaryBootstrap(round(blocks), returns, seed=1).conf_int(
                lambda r: r.mean() / r.std(ddof=1) * year, reps=1000, method="percentile"
            )
        )
        found = bootstrap_interval(returns, block_length=blocks, **known)
        assert found.low < found.value < found.high
        report(
            f"Sharpe interval, 1,000 × 17,520, blocks of {blocks:.0f}",
            f"{ours:.3f} s, arch {peer:.3f} s: {peer / ours:.1f}×",
            "≥ 5×",
        )
    every = _best(lambda: headline_intervals(returns, **known))
    report("ten headline intervals, 1,000 × 17,520", f"{every:.3f} s", "none")


def test_probability_of_overfitting(report):
    noise = np.random.default_rng(1).normal(0, 0.01, (N, 100))
    taken = _best(lambda: probability_of_backtest_overfitting(noise))
    found = probability_of_backtest_overfitting(noise)
    assert len(found.logits) == 12_870
    assert 0.05 < found.pbo < 0.95  # noise
    report("PBO, 100 configurations × 17,520, S = 16", f"{taken:.3f} s", "≤ 0.5 s")
    moments = np.abs(np.random.default_rng(1).normal((0, 10), 1, (10_000, 16, 2)))
    taken = _best(lambda: overfitting_from_moments(moments, 1095), 1)
    report("PBO from moments, 10,000 configurations, S = 16", f"{taken:.2f} s", "none")


def test_superior_ability_against_arch(report):
    from arch.bootstrap import SPA

    trials = np.random.default_rng(2).normal(0, 0.01, (4380, 100))

    def peer():
        test = SPA(np.zeros(4380), -trials, block_size=20, reps=1000, seed=0)
        test.compute()
        return test.pvalues

    ours = superior_ability(trials, block_length=20)
    assert list(peer()) == [ours.p_lower, ours.p_value, ours.p_upper]
    a, b = _best(lambda: superior_ability(trials, block_length=20)), _best(peer, 1)
    report("SPA, 100 trials × 4,380, 1,000 resamples", f"{a:.2f} s, arch {b:.2f} s: {b / a:.1f}×", "none")
