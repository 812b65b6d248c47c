"""One symbol at a time: the loop that every feature of this room shares, and its rule for missing bars.

A symbol's feature is computed on its own bars: rows where it does not trade (NaN: not yet listed, a holiday, a halt,
delisted) are skipped, do not count in any window, and stay NaN in the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pandas as pd

from workbench.typing import Bars, BoolArray, FloatArray, Panel


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
    like = panel(bars, fields[0])
    inputs = [panel(bars, field).to_numpy(dtype=np.float64) for field in fields]
    n_symbols = like.shape[1]
    out = np.empty((n_symbols, len(like)))
    for j in range(n_symbols):
        columns = [np.ascontiguousarray(values[:, j]) for values in inputs]
        missing = np.isnan(columns[0])
        for column in columns[1:]:
            missing |= np.isnan(column)
        out[j] = _skipping(function, columns, missing) if missing.any() else function(*columns)
    return pd.DataFrame(out.T, index=like.index, columns=like.columns, copy=False)


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
