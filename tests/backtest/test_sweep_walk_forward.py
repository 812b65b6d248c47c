"""The best configuration chosen fold by fold: against slow loops, the two ways compared, mistakes named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench import risk
from workbench.backtest import WalkForward, grid, simulate, sma_crossover
from workbench.backtest.sweeping.choosing import OBJECTIVES, walk_forward_sweep
from workbench.errors import ConfigError, DataError

CELLS = grid(fast=[3, 5, 8], slow=[12, 20])
FOLDS = WalkForward(120, 40, embargo=3)
MEASURES = {
    "sharpe_ratio": lambda r: risk.sharpe_ratio(r, periods_per_year=8760),
    "calmar_ratio": lambda r: risk.calmar_ratio(r, periods_per_year=8760),
    "total_return": lambda r: float((1 + r).prod() - 1),
}


def slow_returns(bars, targets, first, stop):
    """Equal-capital returns of bars first to stop − 1 from a flat start, decided from the close before them on."""
    part = bars.iloc[first - 1 : stop] if first else bars.iloc[:stop]
    own = [simulate(targets[[s]].loc[part.index], part, rebalance="on_change").returns for s in bars["close"].columns]
    mean = pd.concat(own, axis=1).mean(axis=1)
    return mean.iloc[1:] if first else mean


def all_targets(bars, cells=CELLS):
    close = bars["close"]
    return [pd.DataFrame(sma_crossover(close.to_numpy(), **c), close.index, close.columns) for c in cells]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_flat_start_is_a_simulation_of_each_part(cases, objective):
    bars = cases.market(3, 330, 2, gaps=0.05)
    result = walk_forward_sweep(bars, sma_crossover, CELLS, FOLDS, objective=objective)
    folds = FOLDS.split(bars.index, bars.index)
    assert len(result.selection) == len(folds) == 6
    targets, stitched = all_targets(bars), []
    for k, fold in enumerate(folds):
        for values, rows in ((result.in_sample, fold.train), (result.out_of_sample, fold.test)):
            own = [MEASURES[objective](slow_returns(bars, t, rows[0], rows[-1] + 1)) for t in targets]
            np.testing.assert_allclose(values[k], own, rtol=1e-9, atol=1e-12)
        best = int(np.nanargmax(result.in_sample[k]))
        row = result.selection.iloc[k]
        assert result.chosen[k] == best
        assert (row["fast"], row["slow"]) == (CELLS[best]["fast"], CELLS[best]["slow"])
        assert row["in_sample"] == result.in_sample[k].max()
        assert row["runner_up"] == np.sort(result.in_sample[k])[-2]
        assert row["out_of_sample"] == result.out_of_sample[k, best]
        assert (row["train_end"], row["test_start"]) == (fold.train_end, fold.test_start)
        stitched.append(slow_returns(bars, targets[best], fold.test[0], fold.test[-1] + 1))
        decided = bars.index[fold.test[0] - 1 : fold.test[-1]]
        pd.testing.assert_frame_equal(
            result.targets.loc[decided], targets[best].loc[decided], check_freq=False, check_names=False
        )
    expected = pd.concat(stitched)
    np.testing.assert_allclose(result.returns, expected, atol=1e-14)
    assert list(result.returns.index) == list(expected.index)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("splitter", [FOLDS, WalkForward(100, 30, expanding=True, step=45)])
def test_slices_are_those_of_one_simulation(cases, objective, splitter):
    bars = cases.market(4, 330, 2)
    result = walk_forward_sweep(bars, sma_crossover, CELLS, splitter, objective=objective, stateless=True)
    whole = [slow_returns(bars, t, 0, len(bars)) for t in all_targets(bars)]
    pieces = []
    for k, fold in enumerate(splitter.split(bars.index, bars.index)):
        for values, rows in ((result.in_sample, fold.train), (result.out_of_sample, fold.test)):
            own = [MEASURES[objective](r.iloc[rows]) for r in whole]
            np.testing.assert_allclose(values[k], own, rtol=1e-8, atol=1e-12)
        pieces.append(whole[result.chosen[k]].iloc[fold.test])
    pd.testing.assert_series_equal(result.returns, pd.concat(pieces), check_freq=False, check_names=False, atol=1e-14)


def flat_before_parts(close, level, period):
    """A drawn target at every bar, 0 at the two closes before each multiple of ``period``."""
    rng = np.random.default_rng(9)
    targets = level * rng.uniform(-1, 1, close.shape)
    rows = np.arange(len(close)) % period
    targets[(rows == period - 1) | (rows == period - 2)] = 0.0
    return targets


def all_in_or_out(close, level, period):
    rng = np.random.default_rng(9)
    targets = (rng.random(close.shape) < level).astype(float)
    targets[np.arange(len(close)) % period >= period - 2] = 0.0
    return targets


@pytest.mark.parametrize(("rule", "rebalance"), [(flat_before_parts, "every_bar"), (all_in_or_out, "on_change")])
def test_both_ways_agree_where_no_state_crosses(cases, rule, rebalance):
    bars = cases.market(5, 300, 2)
    arguments = {"rebalance": rebalance, "fee_bps": 8.0, "slippage_bps": 3.0}
    cells = grid(level=[0.3, 0.6, 0.9], period=[20])
    one = walk_forward_sweep(bars, rule, cells, WalkForward(100, 40), stateless=True, **arguments)
    other = walk_forward_sweep(
        bars, rule, cells, WalkForward(100, 40), stateless=True, method="flat_start", **arguments
    )
    assert one.returns.abs().sum() > 0.1
    np.testing.assert_allclose(one.returns, other.returns, atol=1e-12)
    np.testing.assert_allclose(one.in_sample, other.in_sample, rtol=1e-8)
    np.testing.assert_allclose(one.out_of_sample, other.out_of_sample, rtol=1e-8)
    assert one.chosen.tolist() == other.chosen.tolist()


def half_at_every_bar(close, level):
    return np.full(close.shape, level)


def test_rebalanced_fractions_differ_at_the_first_bar_and_drifting_ones_for_long(cases):
    bars = cases.market(6, 200, 1)
    splitter, cells = WalkForward(60, 35), [{"level": 0.5}]
    starts = [fold.test_start for fold in splitter.split(bars.index, bars.index)]

    def apart(**arguments):
        ways = [
            walk_forward_sweep(bars, half_at_every_bar, cells, splitter, **arguments, **way).returns
            for way in ({"stateless": True}, {})
        ]
        return (ways[0] - ways[1]).abs()

    free = apart(rebalance="every_bar", fee_bps=0.0, slippage_bps=0.0)
    assert list(free.index[free > 1e-12]) == starts
    paid = apart(rebalance="every_bar", fee_bps=20.0, slippage_bps=0.0)
    since = np.concatenate([np.arange(35)] * 4)[: len(paid)]
    assert paid[since == 0].min() > 1e-4
    assert paid[since >= 1].max() < 1e-5  # the entry's cost is a share of what is held, and soon a share of a share
    assert paid[since >= 6].max() < 1e-12
    drifting = apart(rebalance="on_change")
    assert (drifting > 1e-12).mean() > 0.9


def test_the_shortcut_needs_the_declaration(cases):
    bars = cases.market(7, 200, 1)
    with pytest.raises(ConfigError, match="declare stateless=True if none matters, or use method 'flat_start'"):
        walk_forward_sweep(bars, sma_crossover, CELLS, FOLDS, method="slice")
    with pytest.raises(ConfigError, match=r"unknown method 'slices'. Did you mean 'slice'\?"):
        walk_forward_sweep(bars, sma_crossover, CELLS, FOLDS, method="slices")


def test_what_comes_after_training_cannot_move_the_choice(cases):
    bars = cases.market(8, 330, 2)
    first = FOLDS.split(bars.index, bars.index)[2]
    changed = bars.copy()
    changed.iloc[first.train[-1] + 1 :] = cases.market(99, 330, 2).iloc[first.train[-1] + 1 :].to_numpy()
    for stateless in (True, False):
        one, other = (walk_forward_sweep(b, sma_crossover, CELLS, FOLDS, stateless=stateless) for b in (bars, changed))
        np.testing.assert_array_equal(one.in_sample[:3], other.in_sample[:3])
        assert one.chosen[:3].tolist() == other.chosen[:3].tolist()
        assert not np.array_equal(one.out_of_sample[2], other.out_of_sample[2])


def test_the_planted_best_is_chosen(cases):
    """Long only earns on a rising market, and the choice says so in every fold."""
    bars = cases.market(9, 400, 1, volatility=0.001)
    drift = np.exp(0.003 * np.arange(400))[:, None]
    bars = bars * drift
    result = walk_forward_sweep(bars, half_at_every_bar, grid(level=[-1.0, 0.0, 0.5, 1.0]), WalkForward(100, 50))
    assert set(result.selection["level"]) <= {0.5, 1.0}
    assert (result.selection["out_of_sample"] > 0).all()
    assert np.isnan(result.in_sample[:, 1]).all()  # flat: no Sharpe ratio, never chosen


def test_mistakes_are_named(cases):
    bars = cases.market(10, 200, 1)
    with pytest.raises(ConfigError, match=r"unknown objective 'sharpe'. Did you mean 'sharpe_ratio'\?"):
        walk_forward_sweep(bars, sma_crossover, CELLS, FOLDS, objective="sharpe")
    with pytest.raises(DataError, match="one fold needs train_size 300"):
        walk_forward_sweep(bars, sma_crossover, CELLS, WalkForward(300, 50))
    with pytest.raises(ConfigError, match="test parts of folds 0 and 1 overlap; choose a step of at least test_size"):
        walk_forward_sweep(bars, sma_crossover, CELLS, WalkForward(60, 40, step=10))
    with pytest.raises(DataError, match="no configuration has a sharpe_ratio in any training part"):
        walk_forward_sweep(bars, sma_crossover, grid(fast=[5], slow=[190]), WalkForward(60, 40))
    with pytest.raises(DataError, match="reach 2 of equity"):
        walk_forward_sweep(bars, half_at_every_bar, [{"level": 2.0}], FOLDS)
    with pytest.raises(ConfigError, match=r"takes no argument 'lvel'. Did you mean 'level'\?"):
        walk_forward_sweep(bars, half_at_every_bar, [{"lvel": 1.0}], FOLDS)
