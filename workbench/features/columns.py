"""Small things that many rooms of features need: a field as a panel, the numbers of own bars, a lag."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from workbench.typing import Bars, FloatArray, IntArray, Panel


def panel(bars: Bars, field: str) -> Panel:
    """Return one field of all symbols, time × symbol: ``bars["close"]`` with the type that pandas' stubs miss."""
    return cast("pd.DataFrame", bars[field])


def own_bar_numbers(bars: Bars, symbols: pd.Index) -> IntArray:
    """Return for each row and symbol the number of its own bar from 0 on, -1 where it does not trade."""
    fields = bars.columns.unique(0)
    trades = panel(bars, "close" if "close" in fields else fields[0])[symbols].notna().to_numpy()
    return np.where(trades, np.cumsum(trades, axis=0) - 1, -1)


def lagged(x: FloatArray, window: int) -> FloatArray:
    """Return the value ``window`` rows before, shape (n,); NaN on the first ``window`` rows."""
    out = np.full(x.size, np.nan)
    if window < x.size:
        out[window:] = x[:-window]
    return out
