"""Reality check, SPA and StepM: equal to arch with the same seed, sign included; error rate and power."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.backtest.statistics.superiority import _long_run_variance, superior_ability
from workbench.errors import ConfigError, DataError


@pytest.mark.parametrize(("scheme", "seed"), [("stationary", 3), ("circular", 4)])
def test_equals_arch_with_the_same_seed(scheme, seed):
    from arch.bootstrap import SPA, StepM

    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, (300, 8)) + np.array([0.003, 0.0015, 0.001, 0.0005, 0, 0, -0.001, -0.004])
    benchmark = rng.normal(0.0003, 0.01, 300)
    ours = superior_ability(returns, benchmark, replicates=200, block_length=7, scheme=scheme, seed=seed)
    known = {"block_size": 7, "reps": 200, "bootstrap": scheme, "seed": seed}
    spa = SPA(-benchmark, -returns, **known)
    spa.compute()
    assert (ours.p_lower, ours.p_value, ours.p_upper) == tuple(spa.pvalues)
    stepm = StepM(-benchmark, -returns, size=0.05, **known)
    stepm.compute()
    assert ours.superior.tolist() == stepm.superior_models
    assert len(ours.superior) > 0
    np.testing.assert_allclose(_long_run_variance(returns - benchmark[:, None], 7), spa._loss_diff_var)


def test_trials_near_the_threshold_are_recentred_as_arch_does():
    from arch.bootstrap import SPA

    rng = np.random.default_rng(8)
    noise = rng.normal(0, 0.01, (300, 30))
    errors = np.linspace(-2.6, 1.5, 30) * 0.01 / np.sqrt(300)
    returns = noise - noise.mean(axis=0) + errors
    ours = superior_ability(returns, replicates=300, block_length=1, seed=2)
    spa = SPA(np.zeros(300), -returns, block_size=1, reps=300, seed=2)
    spa.compute()
    assert 0 < spa._valid_columns.sum() < 30
    assert (ours.p_lower, ours.p_value, ours.p_upper) == tuple(spa.pvalues)
    assert ours.p_lower < ours.p_value < ours.p_upper


def test_returns_are_not_losses(rng):
    # the trap: the same numbers read as losses make the benchmark look beaten by the worst trial
    good = rng.normal(0.002, 0.01, (500, 3))
    assert superior_ability(good, replicates=200).p_value < 0.01
    assert superior_ability(-good, replicates=200).p_value > 0.5
    assert superior_ability(-good, replicates=200).superior.tolist() == []


def test_p_values_are_ordered_and_a_crowd_of_poor_trials_blinds_the_reality_check(rng):
    edge = rng.normal(0.0015, 0.01, (500, 1))
    poor = rng.normal(-0.01, 0.03, (500, 40))
    found = superior_ability(np.hstack([edge, poor]), replicates=500)
    assert found.p_lower <= found.p_value <= found.p_upper
    assert found.best == 0
    assert found.p_value < 0.05
    assert found.p_upper > 2 * found.p_value
    np.testing.assert_allclose(found.excess[0], edge.mean())


def test_studentised_counts_errors_and_not_size(rng):
    steady, wild = rng.normal(0.001, 0.004, (500, 1)), rng.normal(0, 0.08, (500, 20))
    returns = np.hstack([steady, wild])
    plain = superior_ability(returns, replicates=300)
    studentised = superior_ability(returns, replicates=300, studentised=True)
    assert studentised.p_value < 0.02 < plain.p_value
    assert studentised.superior.tolist() == [0]


@pytest.mark.slow
def test_error_rate_on_noise_and_power_on_a_planted_edge():
    rejected = found = false = 0
    for seed in range(60):
        returns = np.random.default_rng(seed).normal(0, 0.01, (250, 10))
        rejected += superior_ability(returns, replicates=150, block_length=1, seed=seed).p_value < 0.1
        returns[:, 4] += 0.003
        superior = superior_ability(returns, replicates=150, block_length=1, seed=seed).superior
        found += 4 in superior
        false += any(j != 4 for j in superior)
    assert rejected / 60 < 0.1 + 3 * np.sqrt(0.09 / 60)
    assert found / 60 > 0.9
    assert false / 60 < 0.05 + 3 * np.sqrt(0.0475 / 60)


def test_block_length_is_found_and_flat_trials_do_no_harm(rng):
    slow = np.repeat(rng.normal(0, 0.01, 60), 10)
    found = superior_ability(np.column_stack([slow, np.zeros(600)]), replicates=50)
    assert found.block_length > 5
    # nothing that only equals the benchmark beats it
    assert superior_ability(np.column_stack([-np.abs(slow), np.zeros(600)]), replicates=50).p_value == 1.0
    assert superior_ability(np.zeros((50, 3)), replicates=20, studentised=True).superior.tolist() == []


def test_bad_input_is_named():
    good = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(DataError, match="at least 16 rows, got \\(8, 2\\)"):
        superior_ability(good[:8])
    with pytest.raises(DataError, match="one number or 50 returns, got \\(3,\\)"):
        superior_ability(good, [1, 2, 3])
    with pytest.raises(DataError, match="missing or infinite"):
        superior_ability(good, np.nan)
    with pytest.raises(ConfigError, match="block_length must be from 1 to the 50 rows, got 51"):
        superior_ability(good, block_length=51)
    with pytest.raises(ConfigError, match="unknown scheme 'stationery'.*Did you mean 'stationary'"):
        superior_ability(good, scheme="stationery")
    with pytest.raises(ConfigError, match="size must lie"):
        superior_ability(good, size=5)
    with pytest.raises(ConfigError, match="replicates must be"):
        superior_ability(good, replicates=0)
