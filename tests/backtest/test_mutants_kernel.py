"""What mutants of the kernels survived: seeded walks against the twins, bars and fills small enough to do by hand."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workbench.backtest.execution.bar_kernels import simulate_execution, walk_account
from workbench.backtest.execution.terms import REASONS
from workbench.backtest.kernel import crossover_targets, simulate_bars
from workbench.backtest.trade_kernels import N_TRADE, trips_of

NAN = math.nan


@pytest.fixture(scope="module")
def fuzz():
    """The comparison of kernel and twin that the hypothesis tests use."""
    path = Path(__file__).with_name("test_twin_fuzz.py")
    spec = importlib.util.spec_from_file_location("backtest_twin_fuzz_comparison", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn_rules(rng, n_assets: int, theme: str) -> dict:
    """Return options that try one theme hard and the others now and then."""

    def maybe(share, name, *values):
        return {name: values[rng.integers(len(values))]} if rng.random() < share else {}

    exits = 0.7 if theme == "exits" else 0.15
    rules = {"fee": 5e-4, "slippage": float(rng.choice([0.0, 2e-4, 8e-3])), "on_change": bool(rng.random() < 0.6)}
    rules |= maybe(exits, "stop_loss", 0.01, 0.03) | maybe(exits, "trailing", 0.015, 0.05)
    rules |= maybe(exits, "take_profit", 0.01, 0.04) | maybe(exits / 2, "time_exit", 1, 3, 8)
    if {"stop_loss", "trailing"} & set(rules):
        rules |= maybe(0.5, "stop_limit", 0.0, 0.002, 0.01) | maybe(0.4, "max_loss", 0.02, 0.04)
    if rng.random() < (0.9 if theme == "orders" else 0.15):
        rules |= {"order": str(rng.choice(["limit", "stop"])), "then": str(rng.choice(["market", "cancel"]))}
        rules |= {"offset": float(rng.choice([0.0, 0.004, 0.02])), "wait": int(rng.choice([1, 2, 5]))}
    if rng.random() < (0.9 if theme == "margin" else 0.15):
        rules |= {"leverage": float(rng.choice([1.0, 4.0, 20.0]))} | maybe(0.7, "maintenance", 0.02, 0.04)
        rules |= maybe(0.5, "liquidation_fee", 0.01) | maybe(0.6, "borrow", 20.0) | maybe(0.6, "interest", 30.0)
    costs = 0.5 if theme == "costs" else 0.12
    rules |= maybe(costs, "maker", 1e-4, -1e-4) | maybe(costs, "fee_fixed", 1e-4) | maybe(costs, "fee_minimum", 5e-4)
    rules |= (
        maybe(costs, "half_spread", 5e-4) | maybe(costs, "volatility_slippage", 0.1) | maybe(costs, "impact", 0.5, 9.0)
    )
    if rng.random() < costs:
        rules |= {"tiers": ((0.5, 3e-4, 8e-4), (2.0, 0.0, 2e-4)), "tier_window": int(rng.choice([1, 5]))}
    rules |= maybe(0.3, "volume_cap", 0.02, 0.2, 1.0)
    rules |= maybe(0.25, "lot", (0.0005,) * n_assets) | maybe(0.25, "tick", (0.5,) * n_assets)
    return rules | maybe(0.15, "min_notional", (0.05,) * n_assets)


THEMES = ("exits", "orders", "margin", "costs")


def drawn_case(seed: int, theme: str, cases, n_assets: int | None = None):
    """Return forty bars, often on a grid of whole prices where levels and quotes meet."""
    rng = np.random.default_rng([seed, len(theme)])
    n_assets, grid = n_assets or int(rng.integers(1, 4)), bool(rng.random() < 0.6)
    volatility, gaps = float(rng.choice([0.006, 0.02])), float(rng.choice([0.0, 0.0, 0.15]))
    bars, fine = cases.tape(seed, n_assets, 40, grid=grid, volatility=volatility, gaps=gaps, dying=False)
    rules = drawn_rules(rng, n_assets, theme)
    if not grid:
        rules = {k: v for k, v in rules.items() if k not in {"lot", "tick"}}
    given = cases.extras(seed, bars)
    bars |= {name: values for name, values in given.items() if rng.random() < 0.5}
    style = str(rng.choice(["sparse", "held", "held", "dense"]))
    weights = cases.targets(seed, bars["open"].shape, style, 0.9 * rules.get("leverage", 1.0))
    return cases.Case(weights, bars, fine if rng.random() < 0.4 else None, rules, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
def test_long_walks_are_the_twins(theme, fuzz, execution_twin, execution_cases):
    for seed in range(80):
        fuzz.compare(drawn_case(seed, theme, execution_cases), execution_twin, execution_cases)


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
def test_an_account_walked_from_the_middle_is_a_simulation_of_that_stretch(theme, fuzz, execution_cases):
    """From a flat start at ``first``; the bar before only decides. Nothing is written outside the stretch."""
    ruined = trips = 0
    for seed in range(30):
        case = drawn_case(1_000 + seed, theme, execution_cases, n_assets=1)
        first, stop = (1, 40) if seed % 3 == 0 else (9, 33)
        tape, most = fuzz.tape_of(case)
        terms = fuzz.terms_of(case.rules, 1)
        returns, share = np.full(40, 7.0), np.full(40, 7.0)
        count = walk_account(case.targets, tape, terms, 50.0, most, first, stop, returns, share, np.zeros(40))
        cut = {k: np.ascontiguousarray(v[:, first - 1 : stop]) for k, v in case.tape.items()}
        fine = case.finer and {k: np.ascontiguousarray(v[:, 3 * (first - 1) : 3 * stop]) for k, v in case.finer.items()}
        piece = replace(case, targets=np.ascontiguousarray(case.targets[:, first - 1 : stop]), tape=cut, finer=fine)
        tape, most = fuzz.tape_of(piece)
        equity, _, _, fills, _, traded, bar = simulate_execution(piece.targets, tape, terms, 50.0, most)
        last = len(equity) if bar < 0 else bar + 1
        wealth = equity[:last].copy()
        traded[:1] = 0.0
        if bar >= 0:
            traded[bar] += np.abs(fills[fills[:, 6] == REASONS.index("ruin"), 2:4].prod(axis=1)).sum()
        before = np.concatenate([[50.0], wealth[:-1]])
        expected = np.zeros((2, len(equity)))
        expected[:, :last] = wealth / before - 1.0, traded[:last] / before
        outside = np.r_[0:first, stop:40]
        assert (returns[outside] == 7.0).all()
        assert (share[outside] == 7.0).all()
        np.testing.assert_allclose(returns[first:stop], expected[0, 1:], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(share[first:stop], expected[1, 1:], rtol=1e-9, atol=1e-12)
        after = np.cumsum(fills[fills[:, 6] != REASONS.index("ruin"), 2])
        after[np.abs(after) < 1e-9] = 0.0
        opened = (after != 0.0) & (np.concatenate([[0.0], after[:-1]]) * after <= 0.0)
        assert count == opened.sum()
        ruined, trips = ruined + (bar >= 0), trips + count
    assert trips > 30
    assert (ruined > 0) == (theme == "margin")


@pytest.mark.parametrize("leverage", [0.9, 1.0, 4.0])
def test_long_plain_walks_are_the_twins(leverage, twin, cases):
    """Eighty bars, with rests, debts of shorts that end in ruin, and targets that stay or repeat."""
    ruined = 0
    for seed in range(30):
        n_assets = 1 + seed % 4
        bars = cases.market(seed, 80, n_assets, gaps=0.2 * (seed % 2), volatility=0.02 * leverage)
        weights = cases.targets(seed, bars, cases.STYLES[seed % 5], leverage).to_numpy(copy=True)
        if seed % 3 == 0:
            weights[3::4] = weights[2::4][: len(weights[3::4])]  # the same again
            weights[7::9] = 0.0
        opens, closes = bars["open"].to_numpy(), bars["close"].to_numpy()
        costs = {"fee": 0.001 * (seed % 3), "slippage": 0.002 * (seed % 2)}
        on_change = seed % 4 < 2
        theirs = twin.run(weights.tolist(), opens.tolist(), closes.tolist(), on_change=on_change, cash=50.0, **costs)
        arrays = [np.array(a.T, order="C") for a in (weights, opens, closes)]
        equity, cash, held, fills, bar = simulate_bars(*arrays, on_change, costs["fee"], costs["slippage"], 50.0)
        assert bar == (-1 if theirs.ruined is None else theirs.ruined)
        np.testing.assert_allclose(equity, theirs.equity, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(cash, theirs.cash, rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(held.T, theirs.held, rtol=1e-7, atol=1e-9)
        rows = np.array(sorted(theirs.fills, key=lambda f: f[:2]) + theirs.closed, dtype=float).reshape(-1, 6)
        np.testing.assert_allclose(fills, rows, rtol=1e-7, atol=1e-10)
        ruined += bar >= 0
    assert (ruined > 0) == (leverage > 1)


def test_trips_added_to_cut_turned_and_left_open():
    """Long 2 and 2 more, 1 sold, 6 sold (which leaves 3 short), bought back; then long 1, open at the end."""
    highs = np.array([400.0, 101, 112, 111, 121, 122, 125, 92, 91, 300, 90, 95])
    lows = np.array([1.0, 99, 100, 98, 108, 109, 95, 50, 79, 70, 83, 84])
    fills = np.array(
        [
            [1, 2, 100, 0.2, 0],
            [3, 2, 110, 0.4, 0],
            [5, -1, 120, 0.1, 0],
            [7, -6, 90, 0.6, 1],
            [9, 3, 80, 0.3, 3],
            [10, 1, 85, 0.1, 0],
        ]
    )
    bars, sizes, prices, fees, reasons = (np.ascontiguousarray(column) for column in fills.T)
    trips = trips_of(2, bars.astype(np.int64), sizes, prices, fees, reasons, highs, lows, 88.0)
    expected = [
        [2, 1, 7, 1, 105, 97.5, 4, -31, -31 / 420, 6, 15 / 105, 20 / 105, 1],
        [2, 7, 9, -1, 90, 80, 3, 29.4, 29.4 / 270, 2, 2 / 90, 40 / 90, 3],
        [2, 10, -1, 1, 85, 88, 1, 2.9, 2.9 / 85, 1, 2 / 85, 10 / 85, -1],
    ]
    assert trips.shape == (3, N_TRADE)
    np.testing.assert_allclose(trips, expected, rtol=1e-12)


def test_trips_of_a_short_cut_twice_within_one_bar():
    """What is left after a cut is the same trip; an exit better than every bar's range widens it."""
    bars = np.array([2, 2, 2, 4], dtype=np.int64)
    sizes, prices = np.array([-2.0, 0.5, -1.0, 2.5]), np.array([50.0, 48.0, 51.0, 40.0])
    fees, reasons = np.array([0.4, 0.1, 0.2, 0.5]), np.array([0.0, 0, 0, 5])
    highs, lows = np.array([1e3, 1e3, 52, 53, 1e3]), np.array([1.0, 1, 47, 46, 1])
    trips = trips_of(0, bars, sizes, prices, fees, reasons, highs, lows, NAN)
    pnl = (100 + 51) - (0.5 * 48 + 2.5 * 40) - 1.2
    entry = 151 / 3
    row = [0, 2, 4, -1, entry, 124 / 3, 3, pnl, pnl / 151, 2, (53 - entry) / entry, (entry - 40) / entry, 5]
    np.testing.assert_allclose(trips, [row], rtol=1e-12)


def test_no_fills_are_no_trips():
    none = np.empty(0)
    assert trips_of(0, np.empty(0, dtype=np.int64), none, none, none, none, none, none, 1.0).shape == (0, N_TRADE)


def test_crossings_are_those_of_the_averages():
    """Each average once more from its own bars; a constant price is never above itself."""
    rng = np.random.default_rng(3)
    closes = np.vstack([100 * np.exp(np.cumsum(rng.normal(0, 0.02, 60))), np.full(60, 0.1)])
    targets = np.empty((2, 60))
    crossover_targets(closes, 3, 7, 1.0, -0.5, targets)
    assert np.isnan(targets[:, :6]).all()
    for t in range(6, 60):
        above = closes[0, t - 2 : t + 1].mean() > closes[0, t - 6 : t + 1].mean()
        assert targets[0, t] == (1.0 if above else -0.5)
    assert set(targets[0, 6:]) == {1.0, -0.5}
    assert (targets[1, 6:] == -0.5).all()


def test_what_rounding_leaves_is_no_order(fuzz, execution_cases):
    """Fifty prices that stand still and targets repeated at each bar: bought once, though sums of floats differ."""
    still = np.repeat(np.random.default_rng(4).uniform(0.1, 900, (50, 1)), 6, axis=1)
    tape = dict.fromkeys(("open", "high", "low", "close"), still) | {"volume": np.full(still.shape, 1e9)}
    rules = {"fee": 0.0, "slippage": 0.0, "on_change": False}
    case = execution_cases.Case(np.full(still.shape, 0.7 / 50), tape, None, rules, 1.0)
    fills = fuzz.run_kernel(case)[3]
    assert fills[:, 0].tolist() == [1.0] * 50
    leaves = replace(case, targets=np.hstack([case.targets[:, :3], np.zeros((50, 3))]))
    fills = fuzz.run_kernel(leaves)[3]
    assert fills[:, 0].tolist() == [1.0] * 50 + [4.0] * 50
