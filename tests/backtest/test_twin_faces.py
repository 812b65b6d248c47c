"""Three faces, one result: the sweep's statistics, the backtest with every fill, and vectorbt's own portfolio."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import simulate, sweep, to_vectorbt

pytestmark = pytest.mark.slow


def follow(close, *, width, size):
    """Long a share of equity above the mean of the last bars, flat below."""
    frame = pd.DataFrame(close)
    mean = frame.rolling(width).mean()
    return (frame.gt(mean).astype(float).where(mean.notna()) * size).to_numpy()


def wanted_of(close, **one):
    return pd.DataFrame(follow(close.to_numpy(), **one), index=close.index, columns=close.columns)


@pytest.mark.parametrize("rebalance", ["every_bar", "on_change"])
def test_plain_costs(cases, rebalance):
    bars = cases.market(31, 300, 2)
    arguments = {"fee_bps": 8.0, "slippage_bps": 3.0, "rebalance": rebalance}
    configurations = [{"width": w, "size": s} for w in (5, 20) for s in (0.5, 1.0)]
    table = sweep(bars, follow, configurations, n_jobs=1, **arguments).table
    for one in configurations:
        for symbol in bars["close"].columns:
            wanted = wanted_of(bars["close"], **one)[[symbol]]
            full = simulate(wanted, bars, **arguments)
            theirs = to_vectorbt(wanted, bars, initial_cash=1e9, **arguments)
            row, summary = table.loc[(*one.values(), symbol)], full.summary()
            for name in ("total_return", "sharpe_ratio", "max_drawdown", "n_trades", "turnover"):
                assert row[name] == pytest.approx(summary[name], rel=1e-9, abs=1e-12), name
            assert float(theirs.total_return()) == pytest.approx(summary["total_return"], rel=1e-9)
            if rebalance == "on_change":  # else vectorbt fills what is rounding here
                assert len(theirs.order_records) == len(full.fills)
            np.testing.assert_allclose(theirs.value() / 1e9, full.equity, rtol=1e-9)


def test_with_an_execution(cases):
    execution = pytest.importorskip("workbench.backtest.execution").Execution(
        half_spread_bps=2.0, fee_fixed=1e-4, volatility_slippage=0.1
    )
    bars = cases.market(32, 200, 1)
    configurations = [{"width": w, "size": 1.0} for w in (5, 20)]
    table = sweep(bars, follow, configurations, n_jobs=1, rebalance="on_change", execution=execution).table
    for one in configurations:
        wanted = wanted_of(bars["close"], **one)
        full = simulate(wanted, bars, rebalance="on_change", execution=execution)
        theirs = to_vectorbt(wanted, bars, rebalance="on_change", execution=execution)
        row, summary = table.loc[(*one.values(), "S0")], full.summary()
        for name in ("total_return", "sharpe_ratio", "max_drawdown", "n_trades", "turnover"):
            assert row[name] == pytest.approx(summary[name], rel=1e-9, abs=1e-12), name
        np.testing.assert_allclose(theirs.value(), full.equity, rtol=1e-9)
