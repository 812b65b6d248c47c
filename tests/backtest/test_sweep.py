"""The sweep is the engine, configuration by configuration, without keeping anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import risk
from workbench.backtest import WalkForward, grid, simulate, sma_crossover, sweep
from workbench.backtest.execution import Execution
from workbench.backtest.statistics.overfitting import probability_of_backtest_overfitting
from workbench.backtest.sweeping.choosing import walk_forward_sweep
from workbench.backtest.sweeps import STATISTICS
from workbench.errors import ConfigError, DataError
from workbench.tracking import sketch_of, sketches_of


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_row_is_the_summary_of_its_own_simulation(data, cases):
    case = data.draw(cases.drawn(gaps=(0.0, 0.2), volatility=(0.001, 0.02, 0.3)))
    arguments = {k: case.arguments[k] for k in ("fee_bps", "slippage_bps", "rebalance")}
    wanted = case.positions.clip(-1, 1)
    swept = sweep(
        case.bars, lambda _, number: wanted.to_numpy() * number, [{"number": 1.0}, {"number": 0.5}], **arguments
    )
    results = {}
    for (number, symbol), row in swept.table.iterrows():
        results[number, symbol] = result = simulate(wanted[[symbol]] * number, case.bars, **arguments)
        summary = result.summary()
        for name in STATISTICS:
            assert row[name] == pytest.approx(summary[name], rel=1e-6, abs=1e-9, nan_ok=True), name
    for place, number in enumerate((1.0, 0.5)):
        own = [results[number, symbol] for symbol in wanted]
        returns = pd.concat([r.returns for r in own], axis=1).mean(axis=1)
        _assert_portfolio(swept, place, own, returns)


def _assert_portfolio(swept, place, own, returns):
    """The portfolio's row, blocks and sketch are those of the mean of the accounts' returns."""
    row = swept.portfolio.iloc[place]
    expected = {
        "total_return": (1 + returns).prod() - 1,
        "sharpe_ratio": risk.sharpe_ratio(returns),
        "max_drawdown": risk.max_drawdown(returns),
        "n_trades": sum(len(r.trades) for r in own),
        "turnover": np.mean([r.summary()["turnover"] for r in own]),
        "n_obs": len(returns),
    }
    if returns.std() > 1e-12:
        expected["skewness"] = risk.skewness(returns)
        expected["kurtosis"] = risk.kurtosis(returns)
        expected["sharpe_per_bar"] = returns.mean() / returns.std()
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True), name
    length = len(returns) // len(swept.blocks[place])
    assert swept.block_length == length
    for number, (total, squares) in enumerate(swept.blocks[place]):
        stop = len(returns) - length * (len(swept.blocks[place]) - 1 - number)
        part = returns.iloc[stop - length : stop]
        assert (total, squares) == pytest.approx((part.sum(), (part**2).sum()), abs=1e-12)
    by_day = returns.groupby(returns.index.floor("D")).sum()
    np.testing.assert_allclose(swept.sketch[place], by_day, atol=1e-12)
    assert list(swept.sketch_times.floor("D")) == list(by_day.index)


def test_rows_are_labelled_by_configuration_and_symbol(cases):
    bars = cases.market(1, 200, 2)
    table = sweep(bars, sma_crossover, grid(fast=[2, 3], slow=[10, 20])).table
    assert table.index.names == ["fast", "slow", "symbol"]
    assert len(table) == 8
    assert list(table.columns) == list(STATISTICS)
    assert table.loc[(3, 20, "S1"), "n_trades"] > 0


def test_sma_crossover_is_the_rolling_mean(cases):
    bars = cases.market(2, 500, 3, gaps=0.1)
    close = bars["close"]
    targets = sma_crossover(close.to_numpy(), 5, 20)
    for j, symbol in enumerate(close):
        own = close[symbol].dropna()
        fast, slow = own.rolling(5).mean(), own.rolling(20).mean()
        expected = (fast > slow).astype(float).where(slow.notna()).reindex(close.index)
        np.testing.assert_array_equal(targets[:, j], expected)
    short = sma_crossover(close.to_numpy(), 5, 20, short=True)
    assert set(np.unique(short[~np.isnan(short)])) == {-1.0, 1.0}


def test_a_constant_price_has_no_crossing(cases):
    targets = sma_crossover(np.full((500, 1), 0.1), 3, 7)
    assert (targets[6:] == 0).all()


def test_cutting_the_future_leaves_the_past_of_the_crossover(cases):
    close = cases.market(3, 300, 2)["close"].to_numpy()
    np.testing.assert_array_equal(sma_crossover(close, 4, 12)[:150], sma_crossover(close[:150], 4, 12))


def test_progress_is_told(cases):
    told = []
    sweep(cases.market(4, 50, 1), sma_crossover, grid(fast=[2, 3], slow=[9]), progress=lambda s, w: told.append((s, w)))
    assert told == [(0.5, "1 of 2 configurations"), (1.0, "2 of 2 configurations")]


def test_the_position_function_cannot_change_the_bars(cases):
    def spoil(close, level):
        close[0] = level
        return close

    with pytest.raises(ValueError, match="read-only"):
        sweep(cases.market(5, 50, 1), spoil, [{"level": 1.0}])


def test_bad_input(cases):
    bars = cases.market(6, 50, 2)
    with pytest.raises(ConfigError, match="at least one configuration"):
        sweep(bars, sma_crossover, [])
    with pytest.raises(ConfigError, match=r"all configurations need the names \['fast', 'slow'\]"):
        sweep(bars, sma_crossover, [{"fast": 2, "slow": 5}, {"fast": 3}])
    with pytest.raises(ConfigError, match="needs 1 <= fast < slow, got fast 9 and slow 5"):
        sweep(bars, sma_crossover, [{"fast": 9, "slow": 5}])
    with pytest.raises(DataError, match=r"must return the shape \(50, 2\)"):
        sweep(bars, lambda _, n: np.zeros(n), [{"n": 3}])
    with pytest.raises(DataError, match=r"reach 2 of equity; keep them between"):
        sweep(bars, lambda close, n: np.full(close.shape, n), [{"n": -2.0}])
    with pytest.raises(DataError, match="bars hold no rows"):
        sweep(bars.iloc[:0], sma_crossover, [{"fast": 2, "slow": 5}])


def test_the_full_bar_with_nothing_on_is_the_plain_one(cases):
    bars, cells = cases.market(7, 150, 2, gaps=0.1), grid(fast=[2, 4], slow=[9, 15])
    plain = sweep(bars, sma_crossover, cells, fee_bps=8.0, slippage_bps=3.0)
    full = sweep(bars, sma_crossover, cells, execution=Execution(fee_bps=8.0, slippage_bps=3.0))
    np.testing.assert_allclose(full.table, plain.table, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(full.portfolio, plain.portfolio, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(full.sketch, plain.sketch)
    ways = [
        walk_forward_sweep(bars, sma_crossover, cells, WalkForward(60, 30), **costs)
        for costs in (
            {"fee_bps": 8.0, "slippage_bps": 3.0},
            {"execution": Execution(fee_bps=8.0, slippage_bps=3.0)},
        )
    ]
    np.testing.assert_allclose(ways[0].in_sample, ways[1].in_sample, rtol=1e-9)
    np.testing.assert_allclose(ways[0].returns, ways[1].returns, atol=1e-15)


def test_an_execution_with_stops_and_leverage_is_simulated(cases, tmp_path):
    bars = cases.market(8, 150, 2)
    execution = Execution(fee_bps=8.0, half_spread_bps=2.0, stop_loss=0.03, leverage=2.0, maintenance_margin=0.05)

    def doubled(close, fast, slow):
        return 2 * sma_crossover(close, fast, slow)

    swept = sweep(bars, doubled, grid(fast=[2, 4], slow=[9]), execution=execution, folder=tmp_path)
    for (fast, slow, symbol), row in swept.table.iterrows():
        targets = pd.DataFrame(
            doubled(bars["close"][[symbol]].to_numpy(), fast, slow), index=bars.index, columns=[symbol]
        )
        result = simulate(targets, bars, execution=execution, initial_cash=1.0, max_leverage=2.0, rebalance="on_change")
        summary = result.summary()
        for name in STATISTICS:
            assert row[name] == pytest.approx(summary[name], rel=1e-6, abs=1e-9, nan_ok=True), name
    tight = replace(execution, stop_loss=0.02)
    assert not sweep(bars, doubled, grid(fast=[2, 4], slow=[9]), execution=tight, folder=tmp_path).table.equals(
        swept.table
    )
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(DataError, match="reach 2 of equity; keep them between −1 and 1"):
        sweep(bars, doubled, grid(fast=[2], slow=[9]), execution=Execution())
    with pytest.raises(ConfigError, match="give fee_bps and slippage_bps in the execution, or leave the execution out"):
        sweep(bars, doubled, grid(fast=[2], slow=[9]), execution=execution, fee_bps=3.0)
    with pytest.raises(ConfigError, match="capital must be above 0, got 0"):
        sweep(bars, doubled, grid(fast=[2], slow=[9]), execution=execution, capital=0)


def test_the_capital_matters_to_what_is_counted_in_units_and_cash(cases):
    bars = cases.market(12, 150, 1)
    execution = Execution(
        fee_bps=8.0,
        fee_tiers=((0.0, 2.0, 8.0), (30_000.0, 1.0, 4.0)),
        tier_window=30,
        fee_fixed=0.5,
        fee_minimum=1.0,
        impact=0.3,
        volume_cap=0.2,
        lot=0.01,
        min_notional=20.0,
    )
    targets = pd.DataFrame(sma_crossover(bars["close"].to_numpy(), 3, 9), bars.index, ["S0"])
    found = {}
    for capital in (300.0, 10_000.0):
        row = sweep(bars, sma_crossover, grid(fast=[3], slow=[9]), execution=execution, capital=capital).table.iloc[0]
        result = simulate(targets, bars, execution=execution, initial_cash=capital, rebalance="on_change")
        found[capital], summary = row["total_return"], result.summary()
        for name in STATISTICS:
            assert row[name] == pytest.approx(summary[name], rel=1e-6, abs=1e-9, nan_ok=True), (capital, name)
    assert found[300.0] != pytest.approx(found[10_000.0], rel=1e-2)


def test_overfitting_comes_from_the_blocks_alone(cases):
    """The same as from the returns of every configuration."""
    bars = cases.market(9, 403, 1)
    cells = grid(fast=[2, 3, 5], slow=[12, 20, 31])
    swept = sweep(bars, sma_crossover, cells, blocks=8)
    returns = [
        simulate(
            pd.DataFrame(sma_crossover(bars["close"].to_numpy(), **c), bars.index, ["S0"]), bars, rebalance="on_change"
        ).returns
        for c in cells
    ]
    expected = probability_of_backtest_overfitting(np.column_stack(returns), n_blocks=8)
    found = swept.overfitting()
    assert (found.pbo, found.probability_of_loss) == (expected.pbo, expected.probability_of_loss)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-9)
    assert swept.times.equals(bars.index)


def test_a_function_that_tells_no_arguments_takes_any(cases):
    bars = cases.market(10, 60, 1)
    table = sweep(bars, lambda close, **given: close * 0 + given["a"], [{"a": 0.5}], n_jobs=1).table
    assert table["n_trades"].tolist() == [1.0]
    with pytest.raises(ConfigError, match=r"takes no argument 'fst'. Did you mean 'fast'\?"):
        sweep(bars, lambda close, fast: close * 0 + fast, [{"fst": 0.5}])
    with pytest.raises(DataError, match="reach inf of equity"):
        sweep(bars, lambda close, a: close * 0 + a, [{"a": np.inf}], n_jobs=1)


def test_sketches_are_by_week_for_long_spans(cases):
    bars = cases.market(11, 1200, 1)
    bars.index = pd.date_range("2015-01-03", periods=1200, freq="D", tz="UTC", name="time")
    swept = sweep(bars, sma_crossover, grid(fast=[5], slow=[20]))
    targets = pd.DataFrame(sma_crossover(bars["close"].to_numpy(), 5, 20), bars.index, ["S0"])
    returns = simulate(targets, bars, rebalance="on_change").returns
    kept, full = sketches_of(swept.sketch_times, swept.sketch)[0], sketch_of(returns)
    assert (kept.days, kept.first) == (full.days, full.first) == (7, full.first)
    np.testing.assert_allclose(kept.sums, full.sums, atol=1e-12)


def test_grid_is_every_combination():
    assert grid(a=[1], b=[2, 3]) == [{"a": 1, "b": 2}, {"a": 1, "b": 3}]
