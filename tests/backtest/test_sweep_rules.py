"""Rules by name: what each holds, by a slow twin; causality, holes, bounds and names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.backtest.sweeping.rules import (
    SWEEP_RULES,
    breakout,
    compiled_rule,
    mean_reversion,
    momentum,
    sma_crossover,
    sweep_rule,
)
from workbench.errors import ConfigError

OTHER_ARGUMENTS = {
    "sma_crossover": {"fast": 3, "slow": 11, "short": True},
    "momentum": {"window": 7, "threshold": 0.01, "short": True},
    "mean_reversion": {"window": 9, "entry": 1.2, "exit": 0.2, "short": True},
    "breakout": {"window": 12, "exit_window": 5, "short": True},
}


def slow_momentum(own, window, threshold, short):
    change = own / own.shift(window) - 1
    held = (change > threshold).astype(float) - short * (change < -threshold)
    return held.where(change.notna())


def slow_reversion(own, window, entry, exit, short):
    score = (own - own.rolling(window).mean()) / own.rolling(window).std()
    held, rows = 0, []
    for z in score:
        if (held == 1 and z > -exit) or (held == -1 and z < exit):
            held = 0
        if held == 0:
            held = 1 if z < -entry else (-1 if short and z > entry else 0)
        rows.append(np.nan if np.isnan(z) else held)
    return pd.Series(rows, own.index, dtype=float)


def slow_breakout(own, window, exit_window, short):
    before = own.shift(1)
    upper, lower = before.rolling(window).max(), before.rolling(window).min()
    ceiling, floor = before.rolling(exit_window).max(), before.rolling(exit_window).min()
    held, rows = 0, []
    for t in own.index:
        if np.isnan(upper[t]):
            rows.append(np.nan)
            continue
        if (held == 1 and own[t] < floor[t]) or (held == -1 and own[t] > ceiling[t]):
            held = 0
        if own[t] > upper[t]:
            held = 1
        elif own[t] < lower[t]:
            held = -1 if short else 0
        rows.append(held)
    return pd.Series(rows, own.index, dtype=float)


@pytest.mark.parametrize("gaps", [0.0, 0.15])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("rule", "slow"),
    [(momentum, slow_momentum), (mean_reversion, slow_reversion), (breakout, slow_breakout)],
)
def test_rules_equal_their_slow_twins(cases, rule, slow, seed, gaps):
    close = cases.market(seed, 400, 2, gaps=gaps)["close"]
    for short in (False, True):
        arguments = OTHER_ARGUMENTS[rule.__name__] | {"short": short}
        targets = rule(close.to_numpy(), **arguments)
        assert set(np.unique(targets[~np.isnan(targets)])) >= {0.0, 1.0}
        for j, symbol in enumerate(close):
            own = close[symbol].dropna()
            np.testing.assert_array_equal(targets[:, j], slow(own, **arguments).reindex(close.index))


@pytest.mark.parametrize("name", sorted(SWEEP_RULES))
def test_rules_are_causal_pure_and_within_bounds(cases, name):
    close = cases.market(4, 300, 3, gaps=0.1)["close"].to_numpy()
    before = close.copy()
    rule = SWEEP_RULES[name]
    for arguments in ({}, OTHER_ARGUMENTS[name]):
        whole = rule.function(close, **arguments)
        for cut in (60, 151, 299):
            np.testing.assert_array_equal(rule.function(close[:cut], **arguments), whole[:cut])
        assert np.nanmax(np.abs(whole)) <= 1
    np.testing.assert_array_equal(close, before)
    assert compiled_rule(rule.function) is rule
    assert compiled_rule(lambda close: close) is None


@pytest.mark.parametrize("name", sorted(SWEEP_RULES))
def test_defaults_bounds_and_words_are_listed(name):
    rule = sweep_rule(name)
    assert rule.name == name
    assert rule.function.__name__ == name
    defaults = rule.complete()
    assert list(defaults) == list(rule.arguments)
    assert rule.accepts(**defaults)
    for argument, own in rule.arguments.items():
        assert own.low <= own.default <= own.high
        assert own.help
        assert not rule.accepts(**{argument: own.high + 1})


@pytest.mark.parametrize("name", sorted(SWEEP_RULES))
def test_late_listings_holes_and_empty_columns_are_ones_own_bars(cases, name):
    close = cases.market(6, 200, 4)["close"].to_numpy().copy()
    close[:70, 0] = np.nan
    close[150:, 1] = np.nan
    close[[3, 80, 81], 2] = np.nan
    close[:, 3] = np.nan
    rule, arguments = SWEEP_RULES[name].function, OTHER_ARGUMENTS[name]
    targets = rule(close, **arguments)
    for j in range(3):
        known = ~np.isnan(close[:, j])
        np.testing.assert_array_equal(targets[known, j], rule(close[known, j : j + 1], **arguments)[:, 0])
        assert np.isnan(targets[~known, j]).all()
    assert np.isnan(targets[:, 3]).all()


def test_a_constant_price_is_no_extreme():
    flat = np.full((200, 1), 0.1)
    for rule in (momentum, mean_reversion, breakout):
        targets = rule(flat, window=9)[60:] if rule is not breakout else rule(flat, window=9, exit_window=5)[60:]
        assert (targets == 0).all(), rule.__name__


def test_an_outlier_leaves_no_trace_in_the_z_score():
    own = pd.Series(np.random.default_rng(5).normal(100, 1, 300).tolist())
    spiked = own.copy()
    spiked[20] = 1e9
    targets = mean_reversion(spiked.to_numpy()[:, None], window=10, entry=1.5, exit=0.0)[:, 0]
    alone = mean_reversion(own.to_numpy()[:, None], window=10, entry=1.5, exit=0.0)[:, 0]
    np.testing.assert_array_equal(targets[80:], alone[80:])


def test_wrong_names_and_values_are_named():
    with pytest.raises(ConfigError, match=r"unknown rule 'sma_cros'. Did you mean 'sma_crossover'\?"):
        sweep_rule("sma_cros")
    with pytest.raises(ConfigError, match=r"has no argument 'fst'. Did you mean 'fast'\?"):
        SWEEP_RULES["sma_crossover"].complete(fst=3)
    with pytest.raises(ConfigError, match="fast must be a whole number from 1 to 1e\\+06, got 2.5"):
        SWEEP_RULES["sma_crossover"].complete(fast=2.5)
    with pytest.raises(ConfigError, match="needs 1 <= fast < slow, got fast 9 and slow 9"):
        sma_crossover(np.ones((20, 1)), fast=9, slow=9)
    with pytest.raises(ConfigError, match="needs 0 <= exit < entry, got exit 2 and entry 1"):
        mean_reversion(np.ones((20, 1)), entry=1.0, exit=2.0)
    with pytest.raises(ConfigError, match="needs exit_window <= window, got 9 and 5"):
        breakout(np.ones((20, 1)), window=5, exit_window=9)
    with pytest.raises(ConfigError, match="short must be true or false, got 'yes'"):
        momentum(np.ones((20, 1)), short="yes")
    assert not SWEEP_RULES["sma_crossover"].accepts(fast=50, slow=20)
    assert SWEEP_RULES["sma_crossover"].complete(fast=np.int64(5), slow=20.0) == {"fast": 5, "slow": 20, "short": False}
