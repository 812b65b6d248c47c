"""When a strategy earned what it did: by the state of the market before each bar, and in known crises."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench import risk
from workbench.typing import Bars

_MOST, _LEAST = 168, 20


def regimes_of(net: pd.Series, bars: Bars) -> pd.DataFrame:
    """Return a strategy's figures in calm, normal and wild markets, and in rising and falling ones.

    The market is the mean of the symbols. Its state at a bar is what was known before it: trailing volatility against
    the terciles of its own past, and the last close against its trailing mean.
    """
    from workbench.backtest.statistics import split_by_regime, trend_regimes, volatility_regimes

    moves = pd.DataFrame(bars["close"]).ffill().pct_change(fill_method=None).mean(axis=1).fillna(0.0)
    index = (1.0 + moves).cumprod()
    window = int(np.clip(len(index) // 20, _LEAST, _MOST))
    if len(index) < 4 * window:
        return pd.DataFrame()
    parts = []
    for states in (volatility_regimes(index, window=window), trend_regimes(index, window=window)):
        labels = states.reindex(net.index)
        table = split_by_regime(net, labels)
        fall = {name: risk.max_drawdown(own) for name, own in net.groupby(labels.to_numpy()) if len(own)}
        fall["total"] = risk.max_drawdown(net)
        parts.append(table.assign(max_drawdown=pd.Series(fall)).reset_index())
    whole = pd.concat([parts[0].iloc[:-1], parts[1]], ignore_index=True)
    return whole[whole["regime"] != "unknown"].reset_index(drop=True)


def crises_of(net: pd.Series, market: pd.Series) -> pd.DataFrame:
    """Return what a strategy, and holding the market, earned in the crises its bars cover."""
    from workbench.backtest.statistics import crisis_table

    table = crisis_table(net, pd.DataFrame({"buy_and_hold": market}))
    names = {"crisis": "name", "start": "first", "end": "last", "total_return": "strategy"}
    return table.rename(columns=names)[["name", "first", "last", "strategy", "buy_and_hold", "max_drawdown"]]
