"""Probability of backtest overfitting: closed-form limits, a plain twin, planted truth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.backtest.statistics.overfitting import overfitting_from_moments, probability_of_backtest_overfitting
from workbench.errors import ConfigError, DataError


def _twin(returns, n_blocks):
    """The paper's recipe, a split at a time, with ranks by sorting."""
    from scipy.stats import rankdata

    length = len(returns) // n_blocks
    blocks = [returns[len(returns) - (n_blocks - s) * length :][:length] for s in range(n_blocks)]
    out = {}
    for inside in itertools.combinations(range(n_blocks), n_blocks // 2):
        rows = [np.concatenate([b for s, b in enumerate(blocks) if (s in inside) == side]) for side in (True, False)]
        a, b = (r.mean(axis=0) / r.std(axis=0, ddof=1) for r in rows)
        best = int(np.argmax(a))
        w = rankdata(b)[best] / (returns.shape[1] + 1)
        out[inside] = (best, a[best], b[best], math.log(w / (1 - w)))
    return out


@given(n_trials=st.integers(2, 7), n_blocks=st.sampled_from([2, 4, 6]), seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_equals_the_recipe_split_by_split(n_trials, n_blocks, seed):
    returns = np.random.default_rng(seed).normal(0.01, 1, (n_blocks * 5 + 1, n_trials))
    expected = np.array(sorted(_twin(returns, n_blocks).values()))
    found = probability_of_backtest_overfitting(returns, n_blocks=n_blocks)
    rows = sorted(zip(found.chosen, found.in_sample, found.out_of_sample, found.logits, strict=True))
    np.testing.assert_allclose(np.array(rows), expected, rtol=1e-9, atol=1e-12)
    assert found.pbo == (expected[:, 3] <= 1e-12).mean()
    assert found.probability_of_loss == (expected[:, 2] < 0).mean()


def test_sixteen_blocks_give_the_12870_splits_of_the_paper(rng):
    found = probability_of_backtest_overfitting(rng.normal(size=(320, 3)), n_blocks=16)
    assert len(found.logits) == math.comb(16, 8) == 12_870


def test_limit_of_one_when_what_is_won_inside_is_lost_outside(rng):
    # Bailey et al. (2017), section on compensation: equal total for every trial, so the mean outside is minus the mean
    # inside, the winner is always the last outside, and the line falls at 45 degrees
    returns = rng.normal(size=(160, 9))
    returns -= returns.mean(axis=0)
    found = probability_of_backtest_overfitting(returns, n_blocks=8, statistic=lambda r: r.mean(axis=0))
    assert found.pbo == 1.0
    assert found.probability_of_loss == 1.0
    assert found.slope == pytest.approx(-1.0)
    assert found.intercept == pytest.approx(0.0, abs=1e-12)
    assert found.r_squared == pytest.approx(1.0)
    np.testing.assert_allclose(found.logits, math.log((1 / 10) / (9 / 10)))


def test_limit_of_zero_when_one_trial_is_better_in_every_block(rng):
    returns = rng.normal(size=(160, 9))
    returns[:, 4] = np.abs(returns[:, 4]) + 10.0
    found = probability_of_backtest_overfitting(returns, n_blocks=8)
    assert found.pbo == 0.0
    assert found.probability_of_loss == 0.0
    assert set(found.chosen) == {4}
    # by rank / (N + 1) the logit of the best is ln N and never infinite
    np.testing.assert_allclose(found.logits, math.log(9.0))


def test_noise_is_a_coin_toss_and_a_planted_edge_is_not():
    noise, planted = [], []
    for seed in range(40):
        returns = np.random.default_rng(seed).normal(0, 0.01, (800, 20))
        noise.append(probability_of_backtest_overfitting(returns, n_blocks=8).pbo)
        returns[:, 7] += 0.002
        planted.append(probability_of_backtest_overfitting(returns, n_blocks=8).pbo)
    assert np.mean(noise) == pytest.approx(0.5, abs=0.07)
    assert np.mean(planted) < 0.02


def test_moments_and_returns_give_the_same_also_by_the_slow_way(rng):
    returns = rng.normal(0.001, 0.02, (248, 12))
    used = returns[248 % 16 :]
    blocks = used.reshape(16, 15, 12)
    moments = np.stack([blocks.sum(axis=1).T, (blocks**2).sum(axis=1).T], axis=2)
    a = probability_of_backtest_overfitting(returns, n_blocks=16)
    b = overfitting_from_moments(moments, np.full(16, 15))
    np.testing.assert_array_equal(a.logits, b.logits)
    few = probability_of_backtest_overfitting(returns, n_blocks=6)
    slow = probability_of_backtest_overfitting(
        returns, n_blocks=6, statistic=lambda r: r.mean(axis=0) / r.std(axis=0, ddof=1)
    )
    np.testing.assert_array_equal(few.chosen, slow.chosen[[*range(0, 20, 2), *range(1, 20, 2)]])
    assert few.pbo == slow.pbo
    assert few.slope == pytest.approx(slow.slope)


def test_ties_share_their_rank_and_a_flat_trial_is_worth_nothing():
    returns = np.zeros((40, 3))
    found = probability_of_backtest_overfitting(returns, n_blocks=4)
    np.testing.assert_allclose(found.logits, 0.0)
    assert found.pbo == 1.0  # at the median: the choice told nothing
    assert found.in_sample.tolist() == [0.0] * 6
    assert math.isnan(found.slope)


def test_a_constant_return_is_no_sharpe_ratio_whatever_rounding_leaves(rng):
    returns = np.column_stack([np.full(80, 0.1), rng.normal(0.001, 0.01, 80)])
    returns[:, 1] -= 0.05  # always worse than nothing
    found = probability_of_backtest_overfitting(returns, n_blocks=4)
    assert set(found.chosen) == {0}
    assert found.in_sample.tolist() == [0.0] * 6
    assert probability_of_backtest_overfitting(returns[:8], n_blocks=4).n_blocks == 4  # two rows a block will do


def test_batches_do_not_change_the_numbers(rng, monkeypatch):
    returns = rng.normal(size=(64, 5))
    whole = probability_of_backtest_overfitting(returns, n_blocks=8)
    monkeypatch.setattr("workbench.backtest.statistics.overfitting._CELLS", 15)
    parts = probability_of_backtest_overfitting(returns, n_blocks=8)
    assert whole.pbo == parts.pbo
    np.testing.assert_allclose(np.sort(whole.logits), np.sort(parts.logits))
    assert whole.slope == pytest.approx(parts.slope)


def test_bad_input_is_named():
    good = np.random.default_rng(0).normal(size=(64, 4))
    with pytest.raises(ConfigError, match="n_blocks must be an even number from 2 to 20, got 7"):
        probability_of_backtest_overfitting(good, n_blocks=7)
    with pytest.raises(DataError, match="at least 2 trials, got \\(64, 1\\)"):
        probability_of_backtest_overfitting(good[:, :1])
    with pytest.raises(DataError, match="16 blocks of 20 rows are shorter than 2"):
        probability_of_backtest_overfitting(good[:20])
    broken = good.copy()
    broken[3, 2] = np.nan
    with pytest.raises(DataError, match="returns of trial 2 are missing"):
        probability_of_backtest_overfitting(broken)
    with pytest.raises(DataError, match="statistic must return 4 numbers"):
        probability_of_backtest_overfitting(good, n_blocks=4, statistic=lambda r: r.mean())
    with pytest.raises(DataError, match="moments must be"):
        overfitting_from_moments(good, 4)
    with pytest.raises(DataError, match="moments of trial 1 are not finite"):
        overfitting_from_moments(np.array([[[1.0, 1.0]] * 2, [[np.inf, 1.0]] * 2]), 4)
    with pytest.raises(DataError, match="block_length must be 2 or more"):
        overfitting_from_moments(np.ones((3, 4, 2)), [2, 3])
