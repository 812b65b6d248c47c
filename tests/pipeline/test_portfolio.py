"""Forecasts become orders: symbols of different calendars in one portfolio."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import Forecasts
from workbench.config import BacktestParameters
from workbench.features import Standardizer, design_matrix
from workbench.pipeline.plan import plan_backtest
from workbench.pipeline.portfolio import Portfolio, trade
from workbench.typing import Bars

N_DAYS = 280


@pytest.fixture
def bars(rng: np.random.Generator) -> Bars:
    """A coin that trades every day beside a stock that rests at weekends."""
    days = pd.date_range("2023-01-01", periods=N_DAYS, tz="UTC", name="time")
    fields = {}
    for symbol, volatility in (("COIN", 0.03), ("STOCK", 0.01)):
        close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, N_DAYS)))
        opened = np.append(100.0, close[:-1])
        prices = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
        for field, values in {**prices, "volume": np.full(N_DAYS, 1e3)}.items():
            rests = (symbol == "STOCK") & (days.day_of_week >= 5)
            fields[field, symbol] = np.where(rests, np.nan, values)
    frame = pd.DataFrame(fields, index=days).sort_index(axis=1)
    frame.columns = frame.columns.set_names(["field", "symbol"])
    return frame


def traded(bars: Bars, rng: np.random.Generator, **changes: object) -> Portfolio:
    """Trade a coin forecast every day beside a stock forecast on Fridays only."""
    design = design_matrix(bars, ["ret(1)"])
    rows = design.X.index[
        (design.times >= "2023-03-03") & ((design.symbols == "COIN") | (design.times.day_of_week == 4))
    ]
    score = rng.choice([-0.6, 0.6], len(rows))
    proba = pd.DataFrame({"p_bear": 0.2 - score / 4, "p_neutral": 0.6, "p_bull": 0.2 + score / 4}, index=rows)
    forecasts = Forecasts(proba.assign(forecast=score), pd.DataFrame(), pd.DataFrame(), None, Standardizer())
    parameters = BacktestParameters(rule="sign", symbols=["COIN", "STOCK"], **changes)  # type: ignore[arg-type]
    return trade(forecasts, design, bars, plan_backtest(parameters))


def stock_fills(portfolio: Portfolio, name: str) -> pd.DatetimeIndex:
    fills = portfolio.results[name].fills
    return pd.DatetimeIndex(fills.loc[fills["symbol"] == "STOCK", "time"])


@pytest.mark.parametrize("volatility_target", [0.0, 0.1])
def test_a_decision_before_a_rest_day_is_filled_at_the_symbols_own_next_open(
    bars: Bars, rng: np.random.Generator, volatility_target: float
) -> None:
    portfolio = traded(bars, rng, volatility_target=volatility_target, rebalance="every_bar")
    traded_at = stock_fills(portfolio, "strategy")
    mondays = bars.index[(bars.index.day_of_week == 0) & (bars.index > "2023-03-03")]
    assert traded_at.tolist() == mondays.tolist()  # and Monday's missing forecast is no order for Tuesday
    assert portfolio.strategy.positions.abs().sum(axis=1).max() < 1.1


def test_a_friday_decision_of_a_baseline_is_filled_on_monday_too(bars: Bars, rng: np.random.Generator) -> None:
    portfolio = traded(bars, rng, rebalance="every_bar")
    assert (stock_fills(portfolio, "persistence").day_of_week == 0).sum() == 31
    assert stock_fills(portfolio, "buy_and_hold").tolist() == [pd.Timestamp("2023-03-06", tz="UTC")]
