"""The engine equals its twin, keeps its books, looks at nothing later and says what is wrong with its input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import backtest
from workbench.backtest import simulate
from workbench.errors import ConfigError, DataError

fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _twin_of(twin, case):
    a = case.arguments
    return twin.run(
        case.positions.to_numpy().tolist(),
        case.bars["open"].to_numpy().tolist(),
        case.bars["close"].to_numpy().tolist(),
        on_change=a["rebalance"] == "on_change",
        fee=a["fee_bps"] / 1e4,
        slippage=a["slippage_bps"] / 1e4,
        cash=a["initial_cash"],
    )


@fuzz
@given(data=st.data())
def test_kernel_is_the_twin(data, twin, cases):
    case = data.draw(cases.drawn(volatility=(0.001, 0.02, 0.3)))
    result, slow = simulate(case.positions, case.bars, **case.arguments), _twin_of(twin, case)
    cash = case.arguments["initial_cash"]
    np.testing.assert_allclose(result.equity, slow.equity, rtol=1e-10, atol=1e-12 * cash)
    np.testing.assert_allclose(result.cash, slow.cash, rtol=1e-10, atol=1e-12 * cash)
    np.testing.assert_allclose(result.positions, slow.held, rtol=1e-9, atol=1e-12)
    symbols = list(case.positions.columns)
    fills = sorted(slow.fills, key=lambda f: f[:2]) + slow.closed
    assert result.fills["symbol"].tolist() == [symbols[f[1]] for f in fills]
    assert result.fills["time"].tolist() == [case.bars.index[f[0]] for f in fills]
    for column, place in (("units", 2), ("price", 3), ("fee", 4), ("slippage", 5)):
        np.testing.assert_allclose(result.fills[column], [f[place] for f in fills], rtol=1e-8, atol=1e-12 * cash)
    assert result.ruined_at == (None if slow.ruined is None else case.bars.index[slow.ruined])


@fuzz
@given(data=st.data())
def test_books_close(data, cases):
    case = data.draw(cases.drawn())
    result = simulate(case.positions, case.bars, **case.arguments)
    cash = case.arguments["initial_cash"]
    flows = -result.fills["value"] - result.fills["fee"]
    spent = flows.groupby(result.fills["time"]).sum().reindex(result.equity.index, fill_value=0.0).cumsum()
    if result.ruined_at is None:
        np.testing.assert_allclose(result.cash, cash + spent, rtol=1e-9, atol=1e-9 * cash)
        value = result.positions.sum(axis=1) * result.equity
        np.testing.assert_allclose(result.cash + value, result.equity, rtol=1e-9, atol=1e-9 * cash)
        gain = result.equity.iloc[-1] - cash
        assert result.trades["pnl"].sum() == pytest.approx(gain, rel=1e-9, abs=1e-9 * cash)
    np.testing.assert_allclose(cash * (1 + result.returns).cumprod(), result.equity, rtol=1e-9, atol=1e-12 * cash)
    paid = ["fee", "slippage"]
    np.testing.assert_allclose(result.costs[paid].sum(), result.fills[paid].sum(), rtol=1e-9, atol=1e-15)
    assert (result.costs[["funding", "borrow", "interest"]] == 0).all(axis=None)


@fuzz
@given(data=st.data())
def test_fills_sum_to_the_position(data, cases):
    case = data.draw(cases.drawn())
    result = simulate(case.positions, case.bars, **case.arguments)
    units = result.fills.pivot_table(index="time", columns="symbol", values="units", aggfunc="sum")
    units = units.reindex(index=case.bars.index, columns=case.positions.columns).fillna(0.0).cumsum()
    value = units * case.bars["close"].ffill().fillna(0.0)
    held = result.positions.mul(result.equity, axis=0)
    scale = result.equity.max()
    np.testing.assert_allclose(value, held, rtol=1e-7, atol=1e-9 * scale)


@fuzz
@given(data=st.data())
def test_cutting_the_future_leaves_the_past(data, cases):
    case = data.draw(cases.drawn())
    keep = data.draw(st.integers(1, len(case.bars)))
    whole = simulate(case.positions, case.bars, **case.arguments)
    cut = simulate(case.positions.iloc[:keep], case.bars.iloc[:keep], **case.arguments)
    pd.testing.assert_series_equal(cut.returns, whole.returns.iloc[:keep], check_freq=False)
    pd.testing.assert_frame_equal(cut.positions, whole.positions.iloc[:keep], check_freq=False)


@fuzz
@given(data=st.data())
def test_costs_never_raise_the_wealth_of_a_schedule_that_buys_and_holds_or_leaves(data, cases):
    """With the same entries and exits of a single long position, more cost is never more wealth at any bar.

    With fixed fractions rebalanced it need not hold: an account made smaller by costs also loses less in a fall.
    """
    case = data.draw(cases.drawn(gaps=(0.0,)))
    entries = np.sign(case.positions.iloc[:, :1].abs() - 0.1).clip(lower=0)
    bps = sorted(data.draw(st.lists(st.sampled_from([0.0, 1.0, 10.0, 50.0, 300.0]), min_size=2, max_size=2)))
    slippage = data.draw(st.sampled_from([0.0, 10.0]))
    cheap, dear = (
        simulate(entries, case.bars, fee_bps=fee, slippage_bps=slippage, rebalance="on_change").equity for fee in bps
    )
    assert (dear <= cheap * (1 + 1e-12)).all()


@fuzz
@given(data=st.data())
def test_the_first_trades_cost_exactly_what_is_booked(data, cases):
    case = data.draw(cases.drawn())
    small = case.positions * 0.3 / case.arguments["max_leverage"]  # never cut for want of cash
    free = simulate(small, case.bars, **case.arguments | {"fee_bps": 0.0, "slippage_bps": 0.0})
    paid = simulate(small, case.bars, **case.arguments)
    assert (paid.costs >= 0).all().all()
    if len(free.fills):
        first = free.fills["time"].iloc[0]
        lost = free.equity[first] - paid.equity[first]
        assert lost == pytest.approx(paid.costs.loc[first].sum(), abs=1e-12 * case.arguments["initial_cash"])


def test_a_decision_earns_from_the_next_open_on(cases):
    bars = cases.market(3, 10, 1)
    positions = pd.DataFrame({"S0": [0.0, 1.0, 1.0, 0.0] + [0.0] * 6}, index=bars.index)
    result = simulate(positions, bars, fee_bps=0, slippage_bps=0, rebalance="on_change")
    opened, close = bars["open"]["S0"], bars["close"]["S0"]
    assert result.returns.iloc[:2].tolist() == [0, 0]
    assert result.returns.iloc[2] == pytest.approx(close.iloc[2] / opened.iloc[2] - 1)
    assert result.returns.iloc[4] == pytest.approx(opened.iloc[4] / close.iloc[3] - 1)
    assert result.returns.iloc[5:].eq(0).all()
    assert result.fills["time"].tolist() == [bars.index[2], bars.index[4]]
    trade = result.trades.iloc[0]
    assert (trade["side"], trade["bars"]) == ("long", 2)
    assert trade["return"] == pytest.approx(opened.iloc[4] / opened.iloc[2] - 1)


def test_a_fully_invested_buy_is_cut_to_what_cash_pays_for():
    times = pd.date_range("2024-01-01", periods=2, tz="UTC", name="time")
    bars = pd.DataFrame({("open", "A"): [100.0, 100.0], ("close", "A"): [100.0, 100.0]}, index=times)
    bars.columns.names = ["field", "symbol"]
    result = simulate(
        pd.DataFrame({"A": [1.0, 1.0]}, index=times), bars, fee_bps=100, slippage_bps=200, initial_cash=1000
    )
    fill = result.fills.iloc[0]
    assert fill["price"] == pytest.approx(102)
    assert fill["value"] + fill["fee"] == pytest.approx(1000)
    assert fill["fee"] == pytest.approx(fill["value"] * 0.01)
    assert result.cash.iloc[-1] == pytest.approx(0, abs=1e-9)


def test_sells_free_the_cash_that_buys_need(cases):
    bars = cases.market(5, 4, 2)
    positions = pd.DataFrame({"S0": [0.0, 1.0, 1.0, 1.0], "S1": [1.0, 0.0, 0.0, 0.0]}, index=bars.index)
    result = simulate(positions, bars, fee_bps=0, slippage_bps=0)
    assert result.positions.iloc[2].tolist() == pytest.approx([1.0, 0.0])


def test_a_resting_symbol_keeps_its_position_at_the_last_price(cases):
    bars = cases.market(7, 6, 2)
    bars.loc[bars.index[2:4], (slice(None), "S0")] = np.nan
    positions = pd.DataFrame({"S0": [0.5, 0.5, 0.0, 0.0, 0.0, 0.0], "S1": 0.0}, index=bars.index)
    result = simulate(positions, bars, fee_bps=0, slippage_bps=0)
    assert result.returns.iloc[2:4].tolist() == [0, 0]
    assert result.fills["time"].tolist() == [bars.index[1], bars.index[4]]


def test_ruin_ends_the_account_at_zero():
    times = pd.date_range("2024-01-01", periods=5, tz="UTC", name="time")
    bars = pd.DataFrame({("open", "A"): [10.0, 10, 25, 30, 5], ("close", "A"): [10.0, 12, 28, 20, 5]}, index=times)
    bars.columns.names = ["field", "symbol"]
    result = simulate(pd.DataFrame({"A": [-1.0] * 5}, index=times), bars, fee_bps=0, slippage_bps=0)
    assert result.ruined_at == times[2]  # equity at the open of 25 is 2 − 2.5
    assert result.returns.tolist() == pytest.approx([0, -0.2, -1, 0, 0])
    assert result.equity.tolist() == pytest.approx([1, 0.8, 0, 0, 0])
    assert result.fills["units"].sum() == pytest.approx(0)
    assert result.summary()["max_drawdown"] == 1


def test_bars_before_and_after_the_decisions_are_left_out(cases):
    bars = cases.market(9, 30, 1)
    positions = cases.targets(9, bars, "dense").iloc[10:20]
    result = simulate(positions, bars)
    assert result.returns.index.equals(bars.index[10:20])
    assert result.returns.iloc[0] == 0


def test_missing_decisions_are_no_orders(cases):
    bars = cases.market(11, 12, 1)
    positions = pd.DataFrame({"S0": [0.5, 0.2]}, index=bars.index[[0, 8]])
    result = simulate(positions, bars, rebalance="every_bar")
    assert result.fills["time"].tolist() == [bars.index[1]]
    assert len(result.returns) == 9


def _bars_and_positions(cases):
    bars = cases.market(1, 8, 2)
    return bars, cases.targets(1, bars, "dense")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"fee_bps": -1.0}, ConfigError, "fee_bps must be from 0 to below 10000 basis points, got -1"),
        ({"slippage_bps": 10_000}, ConfigError, "slippage_bps must be from 0"),
        ({"initial_cash": 0.0}, ConfigError, "initial_cash must be above 0, got 0"),
        ({"max_leverage": 0.0}, ConfigError, "max_leverage must be above 0"),
        ({"max_leverage": 0.01}, DataError, "above max_leverage 0.01; scale them down or raise max_leverage"),
        ({"rebalance": "on_chance"}, ConfigError, "Did you mean 'on_change'"),
    ],
)
def test_bad_arguments(change, error, words, cases):
    bars, positions = _bars_and_positions(cases)
    with pytest.raises(error, match=words):
        simulate(positions, bars, **change)


def test_bad_frames(cases):
    bars, positions = _bars_and_positions(cases)
    with pytest.raises(DataError, match="bars hold no symbol 'S9'"):
        simulate(positions.rename(columns={"S0": "S9"}), bars)
    with pytest.raises(DataError, match="positions have a time that bars lack"):
        simulate(positions, bars.iloc[:-1])
    with pytest.raises(DataError, match="unique and increasing"):
        simulate(positions.iloc[::-1], bars)
    with pytest.raises(DataError, match="positions are empty"):
        simulate(positions.iloc[:0], bars)
    with pytest.raises(DataError, match="frame of times by symbols"):
        simulate(positions["S0"], bars)
    with pytest.raises(DataError, match="sum to inf"):
        simulate(positions.replace(positions.iloc[0, 0], np.inf), bars)
    with pytest.raises(DataError, match="two-level columns"):
        simulate(positions, bars["close"])
    broken = bars.copy()
    broken.loc[bars.index[3], ("open", "S1")] = -1.0
    with pytest.raises(DataError, match=r"open of S1 at 2024-01-01 03:00:00\+00:00 is -1.0; prices must be above 0"):
        simulate(positions, broken)


def test_inputs_are_left_alone(cases):
    bars, positions = _bars_and_positions(cases)
    copies = bars.copy(), positions.copy()
    simulate(positions, bars)
    pd.testing.assert_frame_equal(bars, copies[0])
    pd.testing.assert_frame_equal(positions, copies[1])


def test_golden_summary(cases):
    """One whole summary on a seeded market: a change here is a change of published numbers."""
    bars = cases.market(2024, 4000, 3, volatility=0.005)
    positions = cases.targets(2024, bars, "binary") * 0.9
    summary = simulate(positions, bars, fee_bps=5, slippage_bps=2, rebalance="on_change").summary()
    assert summary == pytest.approx(GOLDEN, rel=1e-7)


GOLDEN = {
    "total_return": -0.0484293255,
    "annual_return": -0.103013517,
    "annual_volatility": 0.243399959,
    "sharpe_ratio": -0.324964428,
    "sortino_ratio": -0.454875836,
    "omega_ratio": 0.991306616,
    "hit_rate": 0.499374531,
    "skewness": -0.0503991807,
    "kurtosis": 3.13782867,
    "max_drawdown": 0.302734266,
    "max_drawdown_duration": 3300,
    "calmar_ratio": -0.340277032,
    "probabilistic_sharpe_ratio": 0.413098486,
    "value_at_risk": 0.00432957758,
    "expected_shortfall": 0.00543111475,
    "value_at_risk_gaussian": 0.00428658527,
    "expected_shortfall_gaussian": 0.00537325706,
    "exposure": 0.89743846,
    "turnover": 830.523174,
    "n_bars": 4000,
    "n_fills": 633,
    "n_trades": 633,
    "total_fee": 0.170790071,
    "total_slippage": 0.0683160688,
    "total_funding": 0.0,
    "total_borrow": 0.0,
    "total_interest": 0.0,
    "n_liquidations": 0,
    "final_equity": 0.951570675,
}


def test_a_market_without_prices_or_orders_leaves_the_cash(cases):
    bars = cases.market(15, 5, 2)
    empty = bars * np.nan
    for market, positions in ((empty, cases.targets(15, bars, "dense")), (bars, bars["close"] * 0.0)):
        result = simulate(positions, market, initial_cash=3.0)
        assert (result.equity == 3.0).all()
        assert result.fills.empty
        assert result.trades.empty
        assert result.trades["exit_time"].dtype == bars.index.dtype


def test_public_names_open():
    assert all(hasattr(backtest, name) for name in backtest.__all__)
