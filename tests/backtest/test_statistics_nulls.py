"""Nulls: p-values uniform when timing is worthless, small when it is not; what each draw keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workbench import risk
from workbench.backtest.statistics import nulls
from workbench.backtest.statistics.nulls import earned_returns, null_test, p_value_of, synthetic_path_test
from workbench.errors import ConfigError, DataError

POSITIONS = hnp.arrays(
    np.float64, st.tuples(st.integers(4, 30), st.integers(1, 3)), elements=st.sampled_from([-1, 0, 0.5, 1])
)


def _strategy(rng, n=120):
    """Trades of some length whose timing knows nothing."""
    return np.repeat(rng.choice([-1.0, 0.0, 0.0, 1.0], n // 4), 4)


@pytest.mark.slow
@pytest.mark.parametrize("null", ["circular_shift", "random_entry", "permuted_signal"])
def test_p_values_are_uniform_when_timing_is_worthless(null):
    from scipy.stats import kstest

    rng = np.random.default_rng(21)
    found = [
        null_test(_strategy(rng), rng.normal(0.001, 0.01, 120), null=null, n_draws=49, cost_bps=2, seed=rng).p_value
        for _ in range(200)
    ]
    # they lie on a lattice of fiftieths: a uniform number within the step makes them continuous
    assert kstest(np.array(found) - rng.random(200) / 50, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_p_values_of_synthetic_paths_are_about_uniform():
    from scipy.stats import kstest

    rng = np.random.default_rng(22)
    known = {"null": "synthetic_path", "n_draws": 49, "block_length": 1.0}
    found = [null_test(_strategy(rng), rng.normal(0, 0.01, 120), seed=rng, **known).p_value for _ in range(200)]
    assert kstest(np.array(found) - rng.random(200) / 50, "uniform").pvalue > 0.01


@pytest.mark.parametrize("null", nulls.NULLS)
def test_planted_timing_is_found(null, rng):
    earned = rng.normal(0, 0.01, (400, 2))
    ahead = np.repeat(np.sign(earned.reshape(100, 4, 2).sum(axis=1)), 4, axis=0)
    known = rng.random((400, 2)) < 0.5
    found = null_test(np.where(known, ahead, 0.0), earned, null=null, n_draws=99, cost_bps=1)
    assert found.p_value == 0.01
    assert found.value > found.draws.max()


def test_always_long_is_the_market_and_nothing_else(rng):
    earned = rng.normal(0.01, 0.01, 100)
    for null in ("circular_shift", "random_entry", "permuted_signal"):
        assert null_test(np.ones(100), earned, null=null, n_draws=20, cost_bps=3).p_value == 1.0


def test_net_returns_by_hand():
    positions, earned = [0.0, 1.0, 1.0, -1.0], [0.1, 0.02, -0.01, 0.03]
    found = null_test(positions, earned, n_draws=3, cost_bps=10, statistic=lambda r: r.sum(axis=1))
    assert found.value == pytest.approx(0.02 - 0.01 - 0.03 - 0.003)
    shifts = {round(float(np.roll(positions, k) @ earned) - 0.003, 9) for k in (1, 2, 3)}
    assert {round(float(d), 9) for d in found.draws} <= shifts


def test_draws_pay_what_the_strategy_paid(rng):
    patient = np.repeat([1.0, 0.0, 1.0, 0.0], 25)
    for null in nulls.NULLS:
        found = null_test(patient, np.zeros(100), null=null, cost_bps=10, n_draws=9, statistic=lambda r: r.sum(axis=1))
        assert found.value == pytest.approx(-0.004)
        assert found.p_value == 1.0


@given(POSITIONS, st.integers(0, 1000))
@settings(max_examples=40)
def test_random_entries_keep_every_trade_whole(held, seed):
    moved = nulls._entries(held, np.random.default_rng(seed))
    for before, after in zip(held.T, moved.T, strict=True):
        np.testing.assert_array_equal(np.sort(before), np.sort(after))
        text = lambda column: ",".join(map(str, column))  # noqa: E731
        side = np.sign(before)
        for piece in np.split(before, np.flatnonzero(np.diff(side)) + 1):
            if piece[0] != 0:
                assert text(piece) in text(after)


@given(POSITIONS, st.integers(0, 1000))
@settings(max_examples=20)
def test_shifts_and_permutations_move_whole_rows(held, seed):
    for draw in (nulls._shifted, nulls._permuted):
        moved = draw(held, np.random.default_rng(seed))
        assert sorted(map(tuple, moved)) == sorted(map(tuple, held))


def test_batches_do_not_change_the_draws(rng, monkeypatch):
    positions, earned = _strategy(rng), rng.normal(0, 0.01, 120)
    whole = [null_test(positions, earned, null=null, n_draws=20).draws for null in nulls.NULLS]
    monkeypatch.setattr(nulls, "_CELLS", 800)
    for draws, null in zip(whole, nulls.NULLS, strict=True):
        np.testing.assert_allclose(null_test(positions, earned, null=null, n_draws=20).draws, draws)


def test_a_backtest_of_ones_own_gives_the_same(rng):
    positions, earned = _strategy(rng), rng.normal(0, 0.01, 120)
    fast = null_test(positions, earned, n_draws=20, seed=5)
    own = null_test(
        positions, n_draws=20, seed=5, evaluate=lambda p: float(nulls.sharpe_of_rows((p * earned)[None])[0])
    )
    np.testing.assert_allclose(own.draws, fast.draws)
    assert own.p_value == fast.p_value


def test_a_rule_run_anew_on_synthetic_paths(rng):
    trend = np.repeat(rng.choice([-0.01, 0.01], 40), 10) + rng.normal(0, 0.01, 400)

    def momentum(returns):
        return float((np.sign(returns[:-1]) * returns[1:]).mean())

    assert synthetic_path_test(momentum, trend, n_draws=49, block_length=1).p_value == 0.02
    # blocks longer than the pattern keep it, and with it the profit
    assert synthetic_path_test(momentum, trend, n_draws=49, block_length=100).p_value > 0.05
    assert synthetic_path_test(momentum, rng.normal(0, 0.01, 400), n_draws=49, seed=2).p_value > 0.05


def test_p_values_count_the_value_itself():
    assert p_value_of(5.0, np.zeros(99)) == 0.01
    assert p_value_of(0.0, np.zeros(99)) == 1.0
    with pytest.raises(DataError, match="none of them NaN"):
        p_value_of(np.nan, [1.0])


def test_earned_returns_are_from_the_next_open_to_the_one_after():
    opens = [100.0, 110.0, 121.0, 60.5, 121.0]
    np.testing.assert_allclose(earned_returns(opens), [0.1, -0.5, 1.0, 0, 0])
    np.testing.assert_allclose(earned_returns(np.array([[1.0], [np.nan], [2.0], [3.0]])), [[0], [0.5], [0], [0]])


def test_every_shift_is_drawn_and_the_strategy_in_place_is_not():
    drawn = {tuple(nulls._shifted(np.arange(3.0)[:, None], np.random.default_rng(k)).ravel()) for k in range(30)}
    assert drawn == {(2.0, 0.0, 1.0), (1.0, 2.0, 0.0)}
    assert len(null_test([0.0, 1.0, 0.0], [0.1, 0.2, 0.3], n_draws=1).draws) == 1


def test_sharpe_of_rows_is_the_measure(rng):
    rows = rng.normal(0.01, 0.1, (3, 20))
    expected = [risk.sharpe_ratio(row, periods_per_year=1) for row in rows]
    np.testing.assert_allclose(nulls.sharpe_of_rows(rows), expected)
    assert nulls.sharpe_of_rows(np.ones((2, 5))).tolist() == [0.0, 0.0]


def test_bad_input_is_named(rng):
    good = rng.normal(size=20)
    with pytest.raises(ConfigError, match="unknown null 'circular'; choose from"):
        null_test(good, good, null="circular")
    with pytest.raises(ConfigError, match="n_draws must be at least 1, got 0"):
        null_test(good, good, n_draws=0)
    with pytest.raises(ConfigError, match="cost_bps must be 0 or more, got -1"):
        null_test(good, good, cost_bps=-1)
    with pytest.raises(ConfigError, match="either earned or evaluate"):
        null_test(good)
    with pytest.raises(ConfigError, match="use synthetic_path_test"):
        null_test(good, null="synthetic_path", evaluate=float)
    with pytest.raises(DataError, match="one shape, got \\(20, 1\\) and \\(19, 1\\)"):
        null_test(good, good[1:])
    with pytest.raises(DataError, match="positions are missing or infinite in row 0"):
        null_test(good * np.nan, good)
    with pytest.raises(DataError, match="at least 3 bars"):
        null_test(good[:2], good[:2])
    with pytest.raises(DataError, match="a number for each of 501 rows"):
        null_test(good, good, statistic=lambda r: r[:, :2])
    with pytest.raises(ConfigError, match="block_length must be from 1 to the 20 bars, got 30"):
        null_test(good, good, null="synthetic_path", block_length=30)
