"""One symbol at a time: the loop that every feature of this room shares, and its rule for missing bars.

A symbol's feature is computed on its own bars: rows where it does not trade (NaN: not yet listed, a holiday, a halt,
delisted) are skipped, do not count in any window, and stay NaN in the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pandas as pd

from workbench.typing import Bars, BoolArray, FloatArray, IntArray, Panel


def panel(bars: Bars, field: str) -> Panel:
    """Return one field of all symbols, time × symbol: ``bars["close"]`` with the type that pandas' stubs miss."""
    return cast("pd.DataFrame", bars[field])


def by_symbol(function: Callable[..., FloatArray], bars: Bars, *fields: str) -> Panel:
    """Apply an array function to each symbol's own bars.

    Parameters
    ----------
    function
        Takes one contiguous float64 array of shape (n,) per field, without NaN, and returns shape (n,).
    bars
        Bars with the same symbols in the same order under each field.
    *fields
        Fields that the function takes, in its order.

    Returns
    -------
    Panel
        Like the first field; NaN where the symbol does not trade.
    """
    panels = [panel(bars, field) for field in fields if field != "time"]
    like = panels[0] if panels else panel(bars, bars.columns[0][0])
    times = np.repeat(pd.DatetimeIndex(bars.index).as_unit("ns").asi8[:, np.newaxis], like.shape[1], axis=1)
    inputs = [times if field == "time" else panel(bars, field).to_numpy(dtype=np.float64) for field in fields]
    results = [_one_symbol(function, [np.ascontiguousarray(v[:, j]) for v in inputs]) for j in range(like.shape[1])]
    values = results[0][np.newaxis] if len(results) == 1 else np.array(results).reshape(len(results), len(bars))
    return pd.DataFrame(values.T, index=bars.index, columns=like.columns, copy=False)


def own_bar_numbers(bars: Bars, symbols: pd.Index) -> IntArray:
    """Return for each row and symbol the number of its own bar from 0 on, -1 where it does not trade."""
    fields = bars.columns.unique(0)
    trades = panel(bars, "close" if "close" in fields else fields[0])[symbols].notna().to_numpy()
    return np.where(trades, np.cumsum(trades, axis=0) - 1, -1)


def _one_symbol(function: Callable[..., FloatArray], columns: list[FloatArray]) -> FloatArray:
    if not any(np.isnan(c.min(initial=np.inf)) for c in columns):  # the least of values with a NaN is NaN
        return function(*columns)
    missing = np.logical_or.reduce([np.isnan(c) for c in columns])
    return _skipping(function, columns, missing)


def _skipping(function: Callable[..., FloatArray], columns: list[FloatArray], missing: BoolArray) -> FloatArray:
    result = np.full(missing.size, np.nan)
    trades = ~missing
    if trades.any():
        result[trades] = function(*(c[trades] for c in columns))
    return result


def lagged(x: FloatArray, window: int) -> FloatArray:
    """Return the value ``window`` rows before, shape (n,); NaN on the first ``window`` rows."""
    out = np.full(x.size, np.nan)
    if window < x.size:
        out[window:] = x[:-window]
    return out


def delayed(x: FloatArray, n_bars: int) -> FloatArray:
    """Put NaN before a shorter series so that it has ``n_bars`` rows."""
    return np.concatenate([np.full(n_bars - x.size, np.nan), x])
