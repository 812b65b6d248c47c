"""Prices as lines."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.charts.figure import lines, need_rows
from workbench.errors import DataError

MAX_LINES = 8


def price_chart(bars: pd.DataFrame, *, normalise: bool = True, height: int = 300) -> Any:
    """Draw closing prices of all symbols.

    Parameters
    ----------
    bars : DataFrame, time × (field, symbol)
    normalise : bool
        Divide each series by its first close, so that symbols share an axis; on a log scale.
    """
    close = pd.DataFrame(bars["close"]).dropna(how="all")
    need_rows(close, "prices")
    if close.shape[1] > MAX_LINES:
        raise DataError(f"a price chart shows at most {MAX_LINES} symbols, got {close.shape[1]}; choose fewer symbols")
    if normalise:
        close = close / close.bfill().iloc[0]
    unit = "first close = 1.00, log scale" if normalise else "price"
    return lines(
        close,
        title=f"Closing prices, {unit}",
        ylabel="relative price" if normalise else "price",
        number="0,0.00",
        log=normalise,
        height=height,
    )
