"""The full bar through the public door: bars made by hand, what is reported, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import simulate
from workbench.backtest.execution import Execution, execution_returns, prepare_execution
from workbench.backtest.execution.preparing import widening
from workbench.errors import ConfigError, DataError
from workbench.risk import periods_per_year

FREE = {"fee_bps": 0.0, "slippage_bps": 0.0}
STILL = (100.0, 100.0, 100.0, 100.0)


def made(rows, symbol="A", freq="h", **more):
    """Return bars of one symbol from rows of open, high, low, close and further fields."""
    times = pd.date_range("2024-01-01", periods=len(rows), freq=freq, tz="UTC", name="time")
    frame = pd.DataFrame(np.array(rows, dtype=float), index=times, columns=["open", "high", "low", "close"])
    frame = frame.assign(**more)
    frame.columns = pd.MultiIndex.from_product([frame.columns, [symbol]], names=["field", "symbol"])
    return frame


def wanted(bars, targets):
    return pd.DataFrame({"A": targets}, index=bars.index[: len(targets)], dtype=float)


def run(rows, targets, *, finer=None, fields=None, rebalance="on_change", cash=1.0, **options):
    bars = made(rows, **(fields or {}))
    return simulate(
        wanted(bars, targets),
        bars,
        execution=Execution(**(FREE | options)),
        finer=finer,
        rebalance=rebalance,
        initial_cash=cash,
    )


@pytest.mark.parametrize("rebalance", ["every_bar", "on_change"])
def test_with_every_option_off_it_is_the_plain_bar(cases, rebalance):
    bars = cases.market(3, 60, 3)
    weights = pd.DataFrame(np.random.default_rng(1).uniform(-0.3, 0.3, (60, 3)), bars.index, bars["close"].columns)
    plain = simulate(weights, bars, rebalance=rebalance)
    full = simulate(weights, bars, rebalance=rebalance, execution=Execution())
    in_turn = full.fills.sort_values(["time", "symbol"], kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(plain.fills, in_turn, check_exact=True)
    pd.testing.assert_frame_equal(plain.trades, full.trades, check_exact=True)
    pd.testing.assert_frame_equal(plain.costs, full.costs, rtol=1e-14)
    pd.testing.assert_series_equal(plain.returns, full.returns, check_exact=True)


def test_a_trade_tells_how_it_ended_and_how_far_it_went():
    rows = [STILL, (100, 108, 97, 104), (104, 106, 99, 100), (100, 101, 90, 92), STILL]
    done = run(rows, [1, 1, 1, 1, 1], stop_loss=0.05)
    trade = done.trades.iloc[0]
    assert (trade["exit_reason"], trade["exit_price"]) == ("stop", pytest.approx(95))
    assert (trade["mae"], trade["mfe"]) == (pytest.approx(0.05), pytest.approx(0.08))
    assert done.fills["reason"].tolist() == ["order", "stop"]
    assert done.equity.iloc[-1] == pytest.approx(0.95)  # its side is barred: the target of 1 does not buy again


def test_a_short_has_its_excursions_the_other_way_round():
    done = run([STILL, (100, 110, 96, 98), (98, 99, 91, 92), STILL], [-0.5, -0.5, 0, 0])
    trade = done.trades.iloc[0]
    assert (trade["side"], trade["mae"], trade["mfe"]) == ("short", pytest.approx(0.10), pytest.approx(0.09))


def test_maker_and_taker_are_told_apart():
    rows = [STILL, (100, 101, 98, 100), (100, 101, 99.5, 100), STILL, STILL]
    done = run(rows, [1, 1, 0, 0, 0], order="limit", offset_bps=100, maker_fee_bps=-1.0, fee_bps=5.0)
    assert done.fills["liquidity"].tolist() == ["maker", "taker"]
    assert done.fills["fee"].iloc[0] == pytest.approx(-1e-4 * done.fills["value"].iloc[0])


def test_finer_bars_decide_which_came_first_and_not_those_of_a_missing_bar():
    rows = [STILL, STILL, (100, 112, 90, 100), STILL]
    minutes = [STILL] * 120 + [(100, 112, 100, 111)] * 30 + [(111, 111, 90, 95)] * 30 + [STILL] * 60
    finer = made(minutes, freq="min")
    exits = {"stop_loss": 0.05, "take_profit": 0.1}
    assert run(rows, [1, 1, 1, 1], **exits).fills["reason"].iloc[1] == "stop"
    assert run(rows, [1, 1, 1, 1], finer=finer, **exits).fills["reason"].iloc[1] == "take_profit"
    bars = made([STILL] * 4).drop(made([STILL] * 4).index[2])
    done = simulate(wanted(bars, [1, 1, 1]), bars, execution=Execution(**FREE, **exits), finer=finer)
    assert len(done.fills) == 1


def test_funding_is_paid_by_longs_and_borrow_by_shorts():
    rates = [0.0, 0.0, 0.001, np.nan]
    long = run([STILL] * 4, [1, 1, 1, 1], fields={"funding_rate": rates}, funding=True)
    assert long.costs["funding"].tolist() == pytest.approx([0, 0, 0.001, 0])
    assert long.summary(periods_per_year=8760)["total_funding"] == pytest.approx(0.001)
    short = run([STILL] * 4, [-1, -1, -1, -1], borrow_rate=0.05)
    a_bar = 0.05 / periods_per_year(short.returns.index)
    assert short.costs["borrow"].tolist() == pytest.approx([0, 0, a_bar, a_bar])
    assert short.summary()["total_borrow"] == pytest.approx(2 * a_bar)


def test_a_liquidation_is_counted():
    rows = [STILL, STILL, (100, 100, 70, 75)]
    done = run(rows, [5, 5, 5], leverage=5.0, maintenance_margin=0.05, liquidation_fee_bps=50)
    assert done.summary(periods_per_year=8760)["n_liquidations"] == 1
    price = 4 / (0.05 * 0.95)
    assert done.fills["price"].iloc[1] == pytest.approx(price)
    assert done.fills["fee"].iloc[1] == pytest.approx(0.005 * 0.05 * price)


def test_an_asset_that_dies_is_marked_to_its_last_price_and_reported():
    bars = made([STILL, STILL, (100, 120, 100, 120), (np.nan,) * 4, (np.nan,) * 4])
    for execution in (None, Execution()):
        done = simulate(wanted(bars, [1, 1, 0, 0, 0]), bars, execution=execution, rebalance="on_change")
        assert done.stale.to_dict() == {"A": bars.index[2]}
        assert done.equity.iloc[-1] == pytest.approx(done.equity.iloc[2])
    assert simulate(wanted(bars, [1, 0]), bars).stale.empty


def test_a_partial_fill_works_on():
    done = run([STILL] * 5, [1] + [np.nan] * 4, fields={"volume": [0.04] * 5}, volume_cap=0.1)
    assert done.fills["units"].tolist() == pytest.approx([0.004, 0.004, 0.002])


def test_statistics_only_is_the_full_result(cases):
    bars = cases.market(5, 300, 2)
    execution = Execution(half_spread_bps=1.0, fee_minimum=1e-5, lot=1e-6)
    targets = np.sign(np.sin(np.arange(300) / 7))[:, None] * [0.8, -0.5]
    frame = pd.DataFrame(targets, bars.index, bars["close"].columns)
    ready = prepare_execution(bars, execution, rebalance="on_change", periods_per_year=365.0)
    rows = np.ascontiguousarray(targets.T)
    for j, symbol in enumerate(frame):
        whole = simulate(frame[[symbol]], bars, execution=execution, rebalance="on_change")
        returns, traded = np.full(300, np.nan), np.full(300, np.nan)
        n_trades = execution_returns(ready, j, 0, 300, rows, returns, traded)
        np.testing.assert_array_equal(returns, whole.returns)
        np.testing.assert_allclose(traded, whole.traded, rtol=1e-12)
        assert n_trades == len(whole.trades)
        late = np.full(300, np.nan)
        execution_returns(ready, j, 100, 200, rows, late, np.empty(300))
        assert np.isnan(late[:100]).all()
        assert np.isnan(late[200:]).all()
        alone = simulate(frame.iloc[99:200][[symbol]], bars.iloc[99:200], execution=execution, rebalance="on_change")
        np.testing.assert_array_equal(late[100:200], alone.returns.iloc[1:])


def test_regimes_widen_by_what_was_known():
    rng = np.random.default_rng(0)
    volatility = pd.DataFrame({"A": rng.lognormal(0, 0.3, 400)})
    volatility.iloc[300] = 50.0
    factors = widening(volatility, (1.5, 2.5), 200)["A"]
    assert factors.iloc[300] == 2.5
    assert set(factors.iloc[:39]) == {1.0}
    assert 0.1 < (factors[50:] == 1.5).mean() < 0.3
    assert (factors[50:] == 2.5).mean() < 0.12
    pd.testing.assert_series_equal(widening(volatility.iloc[:250], (1.5, 2.5), 200)["A"], factors.iloc[:250])


def test_the_past_alone_feeds_what_trails(cases):
    bars = cases.market(8, 120, 2)
    bars = pd.concat([bars, pd.concat({"volume": bars["close"] * 3}, axis=1)], axis=1)
    weights = pd.DataFrame(0.4, bars.index, bars["close"].columns) * np.sign(np.sin(np.arange(120)))[:, None]
    execution = Execution(volatility_slippage=0.1, impact=1.0, volatility_window=5)
    whole = simulate(weights, bars, execution=execution)
    cut = simulate(weights.iloc[:80], bars.iloc[:80], execution=execution)
    np.testing.assert_array_equal(cut.returns, whole.returns.iloc[:80])
    assert (whole.costs["slippage"] > simulate(weights, bars).costs["slippage"]).any()


@pytest.mark.parametrize(
    ("options", "fields", "words"),
    [
        ({"volume_cap": 0.1}, {}, "volume_cap or impact needs the field 'volume'"),
        ({"impact": 1.0}, {}, "needs the field 'volume'"),
        ({"funding": True}, {}, "funding needs the field 'funding_rate'"),
        ({"funding": True}, {"funding_rate": [0, np.inf, 0]}, "funding_rate of A at 2024-01-01 01:00:00+00:00 is inf"),
        ({"funding": True}, {"funding_rate": 0.0, "mark": [1.0, 0.0, 1.0]}, "mark of A"),
        ({"volume_cap": 0.1}, {"volume": [1.0, -1.0, 1.0]}, "volumes must be 0 or more"),
        ({"lot": {"B": 0.1}}, {}, "lot names no A"),
    ],
)
def test_fields_that_an_option_reads_are_named(options, fields, words):
    with pytest.raises(DataError, match=".*") as caught:
        run([STILL] * 3, [1, 1, 1], fields=fields, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("options", [{"stop_loss": 0.1}, {"order": "limit"}, {"maintenance_margin": 0.1}])
def test_highs_and_lows_are_asked_for_where_they_are_read(options):
    bars = made([STILL] * 3)
    with pytest.raises(DataError, match="needs the field 'high'"):
        simulate(wanted(bars, [1, 1, 1]), bars.drop(columns="high", level=0), execution=Execution(**options))
    bars.loc[bars.index[1], ("low", "A")] = np.nan
    with pytest.raises(DataError, match="low of A at 2024-01-01 01:00:00"):
        simulate(wanted(bars, [1, 1, 1]), bars, execution=Execution(**options))


def test_what_does_not_go_together_is_refused():
    bars = made([STILL] * 3)
    targets = wanted(bars, [1, 1, 1])
    with pytest.raises(ConfigError, match="fee_bps and slippage_bps in the execution"):
        simulate(targets, bars, execution=Execution(), fee_bps=1.0)
    with pytest.raises(ConfigError, match="finer bars are read with an execution only"):
        simulate(targets, bars, finer=bars)
    with pytest.raises(ConfigError, match="above the execution's leverage 1"):
        simulate(targets, bars, execution=Execution(), max_leverage=2.0)
    with pytest.raises(DataError, match="sum to 3 of equity, above max_leverage 2"):
        simulate(targets * 3, bars, execution=Execution(leverage=2.0))
    with pytest.raises(DataError, match="give a shorter time frame"):
        simulate(targets, bars, execution=Execution(stop_loss=0.1), finer=bars)
    with pytest.raises(DataError, match="finer bars lack the field 'high'"):
        simulate(targets, bars, execution=Execution(stop_loss=0.1), finer=bars.drop(columns="high", level=0))
    with pytest.raises(DataError, match="finer bars lack A"):
        simulate(targets, bars, execution=Execution(stop_loss=0.1), finer=made([STILL] * 9, "B", "min"))
    with pytest.raises(DataError, match="prices must be above 0"):
        simulate(targets, made([STILL, (0.0, 1, 1, 1), STILL]), execution=Execution())
