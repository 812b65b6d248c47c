"""How much capital a market could take: the strategy's own trades, larger, at a cost that grows with their share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from workbench.typing import Bars, Panel

if TYPE_CHECKING:
    from workbench.backtest import BacktestResult

_WINDOW = 20
_COLUMNS = ["capital", "sharpe_ratio", "annual_return", "impact_bps", "participation"]


def traded_by_symbol(result: BacktestResult) -> Panel:
    """Return the value traded of each symbol at each bar over the equity before it, (n_bars, n_symbols)."""
    before = result.equity.shift(1, fill_value=result.initial_cash)
    fills = result.fills
    value = fills["value"].abs().groupby([fills["time"], fills["symbol"]]).sum().unstack("symbol")
    whole = value.reindex(index=result.equity.index, columns=list(result.positions.columns)).fillna(0.0)
    return whole.div(before.where(before > 0), axis=0).fillna(0.0)


def capacity_of(net: pd.Series, traded: Panel, bars: Bars) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return the capacity curve by square-root impact, and the capital at which nothing is left.

    The volume, in the quote currency, is that of the bar in which an order is filled; the volatility is of the 20 bars
    before. Trades at bars without volume, or before 20 bars are known, are left out. Both empty where bars hold no
    volume.
    """
    from workbench.backtest.statistics import capacity_curve

    if "volume" not in bars.columns.get_level_values(0):
        return pd.DataFrame(columns=_COLUMNS), {}
    close, symbols = pd.DataFrame(bars["close"]), list(traded.columns)
    volume = (close * pd.DataFrame(bars["volume"]))[symbols].reindex(net.index)
    moves = close.ffill().pct_change(fill_method=None)[symbols]
    volatility = moves.rolling(_WINDOW).std().shift(1).reindex(net.index)
    usable = (volume > 0) & volatility.notna()
    if not (traded.where(usable, 0.0) > 0).any(axis=None):
        return pd.DataFrame(columns=_COLUMNS), {}
    found = capacity_curve(
        net,
        traded.where(usable, 0.0).to_numpy(),
        volume.where(usable, 0.0).to_numpy(),
        volatility.where(usable, 0.0).to_numpy(),
    )
    return found.curve[_COLUMNS], {"capacity_break_even": found.break_even, "capacity_best": found.best}
