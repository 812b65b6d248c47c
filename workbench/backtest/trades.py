"""Round trips: from the fill that opens a position to the one that closes or turns it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.backtest.market import Market
from workbench.typing import FloatArray

COLUMNS = (
    "symbol", "entry_time", "exit_time", "side", "entry_price", "exit_price", "units", "pnl", "return", "bars", "mae",
    "mfe", "exit_reason",
)  # fmt: skip


def round_trips(
    records: FloatArray, reasons: FloatArray, market: Market, highs: FloatArray, lows: FloatArray
) -> pd.DataFrame:
    """Return one row per round trip of each symbol, in the order of entry.

    Parameters
    ----------
    records
        Fills, (n_fills, 6 or more): bar, asset, units, price, fee.
    reasons
        Code of `workbench.backtest.execution.REASONS` of each fill, (n_fills,).
    highs, lows
        (n_assets, n_bars); closes where bars have none.

    Notes
    -----
    Fills that add to a position move its average entry price, fills that reduce it move the average exit price; a
    fill that turns a position is split at zero, its fee in proportion. A position still open is valued at the last
    close without the costs of leaving. ``mae`` and ``mfe`` are the largest fall below and rise above the entry price
    while the trade was open, fractions of that price, 0 or more.
    """
    from workbench.backtest import trade_kernels as k
    from workbench.backtest.execution.terms import REASONS

    assets = records[:, 1].astype(np.int64)
    parts = [np.empty((0, k.N_TRADE))]
    for asset in range(len(market.symbols)):
        mine = np.flatnonzero(assets == asset)
        if len(mine) == 0:
            continue
        closes = market.closes[asset]
        own = np.ascontiguousarray(records[mine, :5].T)
        last = float(closes[~np.isnan(closes)][-1]) if not np.isnan(closes).all() else float(own[3, -1])
        parts.append(
            k.trips_of(
                asset, own[0].astype(np.int64), own[2], own[3], own[4], reasons[mine], highs[asset], lows[asset], last
            )
        )
    rows = np.concatenate(parts)
    rows = rows[np.argsort(rows[:, k.FIRST], kind="stable")]  # by entry, then by symbol
    left = rows[:, k.EXIT].astype(np.int64)
    told = np.array([*REASONS, ""], dtype=object)  # −1, the last, is an open trade
    return pd.DataFrame(
        {
            "symbol": np.array(market.symbols, dtype=object)[rows[:, k.ASSET].astype(np.int64)],
            "entry_time": market.times[rows[:, k.FIRST].astype(np.int64)],
            "exit_time": market.times[left].where(left >= 0),
            "side": np.where(rows[:, k.SIDE] > 0, "long", "short"),
            "entry_price": rows[:, k.ENTRY_PRICE],
            "exit_price": rows[:, k.EXIT_PRICE],
            "units": rows[:, k.ENTERED],
            "pnl": rows[:, k.PNL],
            "return": rows[:, k.SHARE],
            "bars": rows[:, k.BARS].astype(np.int64),
            "mae": rows[:, k.MAE],
            "mfe": rows[:, k.MFE],
            "exit_reason": told[rows[:, k.REASON].astype(np.int64)],
        }
    )
