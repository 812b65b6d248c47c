"""Bar-by-bar simulation of target positions: every fill is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.backtest.market import Account, Market, Rebalance, open_account
from workbench.backtest.result import BacktestResult
from workbench.backtest.trades import round_trips
from workbench.typing import Bars, FloatArray, Panel


def simulate(
    positions: Panel,
    bars: Bars,
    *,
    fee_bps: float = 5.0,
    slippage_bps: float = 2.0,
    initial_cash: float = 1.0,
    max_leverage: float = 1.0,
    rebalance: Rebalance = "every_bar",
) -> BacktestResult:
    """Trade target positions through bars as one portfolio, after costs.

    Decided at the close of bar t, filled at the open of bar t + 1: a row of ``positions`` may use everything known at
    its bar's close, and earns nothing before the next open. The decision of the last row is never filled.

    Parameters
    ----------
    positions
        Signed fractions of equity, (n_decisions, n_assets): 0.5 is half the equity long, −0.5 short, 0 flat, NaN no
        order (units are kept). Times must be times of ``bars``; a bar between them without a row is no order either.
    bars
        Bars (field, symbol) that cover the positions. A symbol that is NaN at a time does not trade then: its
        position is carried at the last price and its order is dropped (the next bar's target is tried instead).
    fee_bps, slippage_bps
        Costs of each fill in basis points of its value; slippage moves the price against the order.
    initial_cash
        Cash at the start; results scale with it.
    max_leverage
        Cap that the sum of absolute targets of a row must keep.
    rebalance
        ``every_bar``: each open trades back to the target, so that a fixed fraction is kept and paid for.
        ``on_change``: an order goes out only when the target differs from the last one; a held position drifts.

    Returns
    -------
    BacktestResult
        From the first to the last decision.

    Raises
    ------
    DataError, ConfigError
        When positions and bars do not fit, or a cost, cash or leverage is out of bounds.

    Notes
    -----
    Targets are fractions of the equity at the fill's open, before costs. Sells run before buys, buys from small to
    large; a buy is cut to what the cash pays for, fee included, so nothing is ever borrowed (a fully invested account
    is filled a little short of 1), but short sales add cash that can be spent. When equity falls to zero or below,
    the account is ruined: positions are closed at that price, what is owed is written off, the bar returns −1 and all
    later ones 0.
    """
    account = open_account(positions, bars, fee_bps, slippage_bps, initial_cash, max_leverage, rebalance)
    from workbench.backtest.kernel import simulate_bars

    market, costs = account.market, account.costs
    equity, cash, held, fills, ruined = simulate_bars(
        account.targets, market.opens, market.closes, account.on_change, costs.fee, costs.slippage, account.cash
    )
    return to_result(account, equity, cash, held, fills, None if ruined < 0 else market.times[ruined])


def to_result(
    account: Account,
    equity: FloatArray,
    cash: FloatArray,
    held: FloatArray,
    records: FloatArray,
    ruined_at: pd.Timestamp | None = None,
) -> BacktestResult:
    """Name and index what a simulation left; ``records`` (n_fills, 6) are bar, asset, units, price, fee, slippage."""
    market, initial_cash = account.market, account.cash
    fills = _fills(market, records)
    by_bar = np.zeros((len(equity), 3))
    bar = records[:, 0].astype(np.int64)
    np.add.at(by_bar, bar, np.column_stack([records[:, 4], records[:, 5], np.abs(records[:, 2] * records[:, 3])]))
    before = np.concatenate(([initial_cash], equity[:-1]))
    known = before > 0
    ratios = np.divide(
        np.column_stack([equity, by_bar[:, 2]]), before[:, None], where=known[:, None], out=np.zeros((len(equity), 2))
    )
    return BacktestResult(
        returns=pd.Series(np.where(known, ratios[:, 0] - 1.0, 0.0), index=market.times, name="returns"),
        positions=pd.DataFrame(held.T, index=market.times, columns=pd.Index(market.symbols, name="symbol")),
        equity=pd.Series(equity, index=market.times, name="equity"),
        cash=pd.Series(cash, index=market.times, name="cash"),
        costs=pd.DataFrame(by_bar[:, :2], index=market.times, columns=["fee", "slippage"]),
        traded=pd.Series(ratios[:, 1], index=market.times, name="traded"),
        fills=fills,
        trades=round_trips(fills, market),
        initial_cash=initial_cash,
        ruined_at=ruined_at,
    )


def _fills(market: Market, records: FloatArray) -> pd.DataFrame:
    units, price = records[:, 2], records[:, 3]
    return pd.DataFrame(
        {
            "time": market.times[records[:, 0].astype(np.int64)],
            "symbol": np.array(market.symbols, dtype=object)[records[:, 1].astype(np.int64)],
            "units": units,
            "price": price,
            "value": units * price,
            "fee": records[:, 4],
            "slippage": records[:, 5],
        }
    )
