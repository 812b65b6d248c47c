"""The second opinion agrees to 1e-9 on whatever both engines can express."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.backtest import simulate, simulate_vectorbt, to_vectorbt

pytestmark = pytest.mark.slow
TOLERANCE = 1e-9


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_both_engines_agree(data, cases):
    case = data.draw(cases.drawn())
    ours = simulate(case.positions, case.bars, **case.arguments)
    theirs = simulate_vectorbt(case.positions, case.bars, **case.arguments)
    cash = case.arguments["initial_cash"]
    n_bars = len(ours.equity) if ours.ruined_at is None else case.bars.index.get_loc(ours.ruined_at)
    equity = ours.equity.iloc[:n_bars]
    np.testing.assert_allclose(equity, theirs.equity.iloc[:n_bars], rtol=TOLERANCE)
    np.testing.assert_allclose(
        ours.cash.iloc[:n_bars], theirs.cash.iloc[:n_bars], rtol=TOLERANCE, atol=TOLERANCE * cash
    )
    held = ours.positions.iloc[:n_bars], theirs.positions.iloc[:n_bars]
    np.testing.assert_allclose(*held, rtol=TOLERANCE, atol=TOLERANCE)
    np.testing.assert_allclose(ours.costs.iloc[:n_bars], theirs.costs.iloc[:n_bars], rtol=1e-7, atol=TOLERANCE * cash)


def test_fills_and_round_trips_agree(cases):
    bars = cases.market(12, 400, 3)
    positions = cases.targets(12, bars, "dense")
    ours, theirs = simulate(positions, bars), simulate_vectorbt(positions, bars)
    for column in ("units", "price", "value", "fee", "slippage"):
        np.testing.assert_allclose(ours.fills[column], theirs.fills[column], rtol=1e-8)
    assert ours.trades["symbol"].tolist() == theirs.trades["symbol"].tolist()
    np.testing.assert_allclose(ours.trades["pnl"], theirs.trades["pnl"], atol=1e-12)


def test_round_trips_are_vectorbts_positions(cases):
    bars = cases.market(13, 300, 2)
    positions = cases.targets(13, bars, "sparse")
    ours = simulate(positions, bars).trades
    theirs = to_vectorbt(positions, bars).positions.records_readable
    theirs = theirs.sort_values(["Entry Timestamp", "Column"], kind="stable")
    np.testing.assert_allclose(ours["pnl"], theirs["PnL"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours["entry_price"], theirs["Avg Entry Price"], rtol=1e-6)
    np.testing.assert_allclose(ours["exit_price"], theirs["Avg Exit Price"], rtol=1e-6)
    assert ours["side"].tolist() == theirs["Direction"].str.lower().tolist()


def test_the_portfolio_is_vectorbts_own(cases):
    bars = cases.market(14, 100, 2)
    portfolio = to_vectorbt(cases.targets(14, bars, "dense"), bars, initial_cash=10_000)
    assert type(portfolio).__module__.startswith("vectorbt.")
    assert portfolio.value().iloc[0] == 10_000


def test_vectorbt_and_numba_load_only_when_called():
    heavy = "{'vectorbt', 'numba', 'sklearn', 'torch', 'scipy'}"
    code = f"import workbench.backtest, sys; print({{m.split('.')[0] for m in sys.modules}} & {heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
