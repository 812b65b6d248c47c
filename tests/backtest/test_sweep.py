"""The sweep is the engine, configuration by configuration, without keeping anything."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import risk
from workbench.backtest import grid, simulate, sma_crossover, sweep
from workbench.backtest.sweeps import STATISTICS
from workbench.errors import ConfigError, DataError


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_grid_is_every_combination():
    assert grid(a=[1], b=[2, 3]) == [{"a": 1, "b": 2}, {"a": 1, "b": 3}]
