"""Rows of streams as bars, and bars as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS, bars_of, symbol_frame, symbols_of
from workbench.data.live.updates import Row
from workbench.errors import DataError
from workbench.typing import Bars


def bars_of_rows(rows: Mapping[str, Sequence[Row]]) -> Bars:
    """Return rows by symbol as bars; symbols without a row are left out.

    Raises
    ------
    DataError
        When there is no row at all.
    """
    frames = {}
    for symbol, series in rows.items():
        if series:
            table = np.array(series, dtype=np.float64)
            times = pd.DatetimeIndex(pd.to_datetime([row.time for row in series], unit="ms", utc=True), name="time")
            frames[symbol] = pd.DataFrame(table[:, 1:], index=times, columns=list(BAR_FIELDS))
    if not frames:
        raise DataError("the stream knows no final bar yet; start it, or wait for the first bar to close")
    return bars_of(frames)


def rows_of_bars(bars: Bars) -> dict[str, list[Row]]:
    """Return the rows of each symbol of bars, without the times at which it does not trade."""
    out = {}
    for symbol in symbols_of(bars):
        frame = symbol_frame(bars, symbol)
        times = pd.DatetimeIndex(frame.index).as_unit("ms").asi8.tolist()
        out[symbol] = [Row(t, *values) for t, values in zip(times, frame.to_numpy().tolist(), strict=True)]
    return out
