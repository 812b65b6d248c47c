"""The second opinion: the same simulation by vectorbt. The only file that imports it, and only when called.

vectorbt is Apache-2.0 with Commons Clause. Both engines agree to 1e-9 on whatever both can express; vectorbt has no
ruin: it goes on with a negative account, where ours stops.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest.engine import to_result
from workbench.backtest.market import Account, Rebalance, open_account
from workbench.backtest.result import BacktestResult
from workbench.typing import Bars, FloatArray, Panel

_UNITS = 1e6


def simulate_vectorbt(
    positions: Panel,
    bars: Bars,
    *,
    fee_bps: float = 5.0,
    slippage_bps: float = 2.0,
    initial_cash: float = 1.0,
    max_leverage: float = 1.0,
    rebalance: Rebalance = "every_bar",
) -> BacktestResult:
    """Simulate like `workbench.backtest.simulate`, by vectorbt's ``Portfolio.from_orders``.

    Same arguments, result and errors, except that ``ruined_at`` is always None: compare up to the first equity at or
    below zero.

    Notes
    -----
    vectorbt drops orders below 1e-12 units whatever a unit is worth, so it is run on an account so large that this does
    not show, and scaled back.
    """
    account = open_account(positions, bars, fee_bps, slippage_bps, initial_cash, max_leverage, rebalance)
    scale = _UNITS * float(_last_known(account.market.closes).max()) / account.cash
    portfolio = _run(account, account.cash * scale)
    equity = portfolio.value().to_numpy() / scale
    held = portfolio.asset_value(group_by=False).to_numpy() / scale / equity[:, None]
    return to_result(
        account,
        equity,
        np.asarray(portfolio.cash().to_numpy() / scale),
        np.ascontiguousarray(held.T),
        _records(account, portfolio, scale),
    )


def to_vectorbt(
    positions: Panel,
    bars: Bars,
    *,
    fee_bps: float = 5.0,
    slippage_bps: float = 2.0,
    initial_cash: float = 1.0,
    max_leverage: float = 1.0,
    rebalance: Rebalance = "every_bar",
) -> Any:
    """Return vectorbt's own ``Portfolio`` of the same simulation, for its records, statistics and plots."""
    account = open_account(positions, bars, fee_bps, slippage_bps, initial_cash, max_leverage, rebalance)
    return _run(account, account.cash)


def _run(account: Account, cash: float) -> Any:
    import vectorbt as vbt

    market = account.market
    closes = _last_known(market.closes)
    marks = np.where(np.isnan(market.opens), np.column_stack([closes[:, :1], closes[:, :-1]]), market.opens)

    def frame(values: FloatArray) -> pd.DataFrame:
        return pd.DataFrame(values.T, index=market.times, columns=pd.Index(market.symbols, name="symbol"))

    return vbt.Portfolio.from_orders(
        close=frame(closes),
        size=frame(_orders(account)),
        size_type="targetpercent",
        direction="both",
        price=frame(market.opens),
        val_price=frame(marks),
        fees=account.costs.fee,
        slippage=account.costs.slippage,
        init_cash=cash,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        engine="numba",
    )


def _orders(account: Account) -> FloatArray:
    """Return the target of each order at the bar that fills it, NaN where there is none."""
    orders = np.full_like(account.targets, np.nan)
    orders[:, 1:] = account.targets[:, :-1]
    orders[np.isnan(account.market.opens)] = np.nan
    if account.on_change:
        for row in orders:
            (sent,) = np.nonzero(~np.isnan(row))
            same = np.diff(row[sent], prepend=np.nan) == 0
            row[sent[same]] = np.nan
    return orders


def _last_known(closes: FloatArray) -> FloatArray:
    """Carry closes over bars without one; 1 before the first, where nothing can be held."""
    return pd.DataFrame(closes.T).ffill().fillna(1.0).to_numpy().T


def _records(account: Account, portfolio: Any, scale: float) -> FloatArray:
    orders = portfolio.order_records
    bar, asset = orders["idx"], orders["col"]
    sign = np.where(orders["side"] == 0, 1.0, -1.0)
    slip = orders["size"] * np.abs(orders["price"] - account.market.opens[asset, bar])
    records = np.column_stack(
        [bar, asset, sign * orders["size"] / scale, orders["price"], orders["fees"] / scale, slip / scale]
    )
    return np.asarray(records[np.lexsort((asset, bar))], dtype=np.float64)
