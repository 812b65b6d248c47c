"""How much capital a market could take: the strategy's own trades, larger, at a cost that grows with their share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from workbench.typing import Bars

if TYPE_CHECKING:
    from workbench.pipeline.evidence import Traded

_WINDOW = 20


def capacity_of(traded: Traded, gross: pd.Series, bars: Bars) -> pd.DataFrame:
    """Return the capacity curve by square-root impact; empty where the bars hold no volume.

    Volume in quote currency and volatility are trailing means over 20 bars, of the symbols together: a strategy that
    trades one of many symbols at a time can take less.
    """
    from workbench.backtest.statistics import capacity_curve

    columns = ["capital", "sharpe_ratio", "annual_return", "participation"]
    if "volume" not in bars.columns.get_level_values(0):
        return pd.DataFrame(columns=columns)
    close, volume = pd.DataFrame(bars["close"]), pd.DataFrame(bars["volume"])
    turned = (close * volume).sum(axis=1).rolling(_WINDOW).mean().reindex(gross.index)
    moves = close.pct_change(fill_method=None).rolling(_WINDOW).std().mean(axis=1).reindex(gross.index)
    usable = (turned > 0) & moves.notna()
    if usable.sum() < _WINDOW:
        return pd.DataFrame(columns=columns)
    return capacity_curve(
        gross[usable], traded.traded[usable], volume=turned[usable], volatility=moves[usable], paid=traded.paid[usable]
    )[columns]
