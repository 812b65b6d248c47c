"""Cost break-even and capacity: the closed forms of a cost that is linear and of one that grows with the root."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import risk
from workbench.backtest import simulate
from workbench.backtest.statistics.capacity import break_even_bps, capacity_curve, cost_curve
from workbench.errors import ConfigError, DataError


@given(st.integers(0, 10_000), st.floats(0, 50))
def test_break_even_is_the_root_whatever_was_paid_already(seed, paid):
    rng = np.random.default_rng(seed)
    gross, traded = rng.normal(0.001, 0.01, 50), rng.uniform(0, 2, 50)
    root = break_even_bps(gross, traded)
    assert (gross - root / 1e4 * traded).mean() == pytest.approx(0.0, abs=1e-15)
    assert break_even_bps(gross - paid / 1e4 * traded, traded, cost_bps=paid) == pytest.approx(root)


def test_mean_return_falls_by_the_turnover():
    # an edge of zero: what is left is cost, and the slope of the mean return in the cost is minus the turnover
    traded = np.array([1.0, 0.0, 2.0, 1.0])
    curve = cost_curve(np.zeros(4), traded, costs_bps=[0, 10, 30], periods_per_year=365)
    np.testing.assert_allclose(np.diff(curve["mean_return"]) / np.diff(curve["cost_bps"] / 1e4), -traded.mean())
    assert break_even_bps(np.zeros(4), traded) == 0.0
    last = -30e-4 * traded
    assert curve["sharpe_ratio"].iloc[-1] == pytest.approx(risk.sharpe_ratio(last, periods_per_year=365))
    assert curve["total_return"].iloc[-1] == pytest.approx(risk.total_return(last))
    assert curve["annual_return"].iloc[0] == 0.0


def test_break_even_of_a_backtest_is_where_the_engine_breaks_even():
    rng = np.random.default_rng(3)
    times = pd.date_range("2024-01-01", periods=120, freq="h", tz="UTC")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 120)))
    open_ = np.concatenate([[100], close[:-1]])
    bars = pd.concat({"open": pd.DataFrame({"A": open_}, times), "close": pd.DataFrame({"A": close}, times)}, axis=1)
    ahead = np.sign(np.append(np.diff(close), 0.0)) * 0.2  # it knows the next bar, so there is an edge to lose
    positions = pd.DataFrame({"A": np.where(np.arange(120) % 3 == 0, ahead, np.nan)}, times)
    first = simulate(positions, bars, fee_bps=0, slippage_bps=0)
    root = break_even_bps(first.returns, first.traded)
    assert root > 0
    at_root = simulate(positions, bars, fee_bps=root, slippage_bps=0)
    assert abs(at_root.returns.mean()) < 0.02 * first.returns.mean()
    assert break_even_bps(at_root.returns, at_root.traded, cost_bps=root) == pytest.approx(root, rel=0.02)


def test_square_root_law_by_hand_and_its_closed_forms(rng):
    # one order of 1 % of the volume at 2 % volatility costs 20 bps of its value
    one = capacity_curve([0.01, 0.01], [1.0, 0.0], [100.0, 100.0], [0.02, 0.02], capitals=[1.0], periods_per_year=252)
    assert one.curve["impact_bps"].iloc[0] == pytest.approx(20.0)
    many = capacity_curve([0.01] * 4, [2.0] * 4, [200.0] * 4, [0.02] * 4, capitals=[1.0], periods_per_year=252)
    assert many.curve["impact_bps"].iloc[0] == pytest.approx(20.0)
    assert one.curve["participation"].iloc[0] == pytest.approx(0.01)
    net, traded = rng.normal(0.001, 0.01, 400), rng.uniform(0, 1, (400, 2))
    found = capacity_curve(net, traded, np.full((400, 2), 1e6), np.full((400, 2), 0.02), periods_per_year=252)
    unit = (0.02 * traded**1.5 / 1e3).sum(axis=1).mean()
    assert found.break_even == pytest.approx((net.mean() / unit) ** 2)
    ends = capacity_curve(
        net, traded, np.full((400, 2), 1e6), np.full((400, 2), 0.02), capitals=[found.break_even], periods_per_year=252
    )
    assert ends.curve["sharpe_ratio"].iloc[0] == pytest.approx(0.0, abs=1e-9)
    money = [c * (net.mean() - unit * math.sqrt(c)) for c in np.linspace(0.01, 1, 200) * found.break_even]
    assert np.linspace(0.01, 1, 200)[int(np.argmax(money))] == pytest.approx(4 / 9, abs=0.01)
    assert found.best == pytest.approx(found.break_even * 4 / 9)
    assert (np.diff(found.curve["sharpe_ratio"]) < 0).all()


def test_costs_and_capitals_looked_at_by_default(rng):
    net, traded = rng.normal(0.001, 0.01, 50), rng.uniform(0, 1, 50)
    assert cost_curve(net, traded, periods_per_year=252)["cost_bps"].tolist() == [0, 1, 2, 5, 10, 20, 50]
    curve = capacity_curve(net, traded, np.full(50, 1e6), np.full(50, 0.01), periods_per_year=252).curve
    assert curve["capital"].tolist() == [10.0**k for k in range(3, 11)]


def test_strategies_without_edge_or_trades():
    flat = np.zeros(4)
    assert math.isnan(break_even_bps([0.1, -0.1], [0.0, 0.0]))
    assert break_even_bps([-0.01, -0.01], [1.0, 1.0]) == pytest.approx(-100.0)
    none = capacity_curve([0.1, 0.2, 0.1, 0.1], flat, flat, flat, periods_per_year=1)
    assert none.break_even == math.inf
    assert (none.curve["impact_bps"] == 0).all()
    assert capacity_curve([-0.1, 0.0], [1.0, 1.0], [1e3, 1e3], [0.1, 0.1], periods_per_year=1).break_even == 0.0


def test_bad_input_is_named():
    with pytest.raises(ConfigError, match="0 basis points or more, got -1"):
        break_even_bps([0.1, 0.1], [1, 1], cost_bps=-1)
    with pytest.raises(ConfigError, match="got -2"):
        cost_curve([0.1, 0.1], [1, 1], costs_bps=[-2], periods_per_year=1)
    with pytest.raises(DataError, match="of one length, got \\(2,\\) and \\(3,\\)"):
        break_even_bps([0.1, 0.1], [1, 1, 1])
    with pytest.raises(DataError, match="traded holds -1"):
        break_even_bps([0.1, 0.1], [1, -1])
    with pytest.raises(DataError, match="needs a volume above 0"):
        capacity_curve([0.1, 0.1], [1, 1], [0, 1], [0.1, 0.1], periods_per_year=1)
    with pytest.raises(DataError, match="must fit together"):
        capacity_curve([0.1, 0.1], [1, 1], [1, 1, 1], [0.1, 0.1], periods_per_year=1)
    with pytest.raises(DataError, match="volume must be"):
        capacity_curve([0.1, 0.1], [1, 1], 5.0, [0.1, 0.1], periods_per_year=1)
    with pytest.raises(ConfigError, match="amounts above 0"):
        capacity_curve([0.1, 0.1], [1, 1], [1, 1], [0.1, 0.1], capitals=[0.0], periods_per_year=1)
