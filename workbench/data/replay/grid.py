"""Bars on the venue's grid: where a bar opens and ends, bars of bars, and numbers with so many decimals."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from workbench.data.timeframes import timeframe_delta
from workbench.errors import DataError
from workbench.typing import FloatArray, IntArray

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
MONTH = "1M"
_FIRST_MONDAY = 4 * DAY


@lru_cache(maxsize=256)
def length_ms(timeframe: str) -> int:
    """Return the span of a bar in milliseconds; of a month (``1M``) its longest."""
    return 31 * DAY if timeframe == MONTH else timeframe_delta(timeframe).value // 1_000_000


def opens_of(times: IntArray, timeframe: str) -> IntArray:
    """Return the open time of the bar that each time lies in: weeks open on Monday, months on their first day."""
    if timeframe == MONTH:
        return times.astype("M8[ms]").astype("M8[M]").astype("M8[ms]").astype(np.int64)
    length = length_ms(timeframe)
    origin = _FIRST_MONDAY if length % WEEK == 0 else 0
    return (times - origin) // length * length + origin


def open_of(time_ms: int, timeframe: str) -> int:
    """Return the open time of the bar that a time lies in."""
    if timeframe == MONTH:
        return int(opens_of(np.array([time_ms], dtype=np.int64), timeframe)[0])
    length = length_ms(timeframe)
    origin = _FIRST_MONDAY if length % WEEK == 0 else 0
    return (time_ms - origin) // length * length + origin


def end_of(open_ms: int, timeframe: str) -> int:
    """Return when the bar that opens at a time ends: the next bar's open."""
    return open_of(open_ms + length_ms(timeframe) + (DAY if timeframe == MONTH else 0), timeframe)


def aggregate(rows: FloatArray, timeframe: str, amount_decimals: int) -> FloatArray:
    """Return bars of a higher time frame.

    Parameters
    ----------
    rows : ndarray of shape (n, 6)
        Open time in milliseconds, open, high, low, close, volume; increasing.
    amount_decimals : int
        To which sums of volume are rounded, so that they are what the decimals say.
    """
    if len(rows) == 0:
        return rows
    opens = opens_of(rows[:, 0].astype(np.int64), timeframe)
    first = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    last = np.append(first[1:], len(rows)) - 1
    volume = quantized(np.add.reduceat(rows[:, 5], first), amount_decimals)
    return np.column_stack(
        [
            opens[first],
            rows[first, 1],
            np.maximum.reduceat(rows[:, 2], first),
            np.minimum.reduceat(rows[:, 3], first),
            rows[last, 4],
            volume,
        ]
    )


def quantized(values: FloatArray, decimals: int) -> FloatArray:
    """Return the nearest numbers of so many decimals, each the float that its decimal text reads as."""
    scale = 10.0**decimals
    return np.rint(values * scale) / scale


def decimals_of(values: FloatArray, most: int = 8) -> int:
    """Return the fewest decimals that write all values but for the noise of floats, 1e-14; else ``most``."""
    for decimals in range(most):
        if np.allclose(quantized(values, decimals), values, rtol=1e-14, atol=0.0):
            return decimals
    return most


def check_rows(rows: FloatArray, what: str) -> FloatArray:
    """Refuse rows that are not (n, 6) with increasing times."""
    if rows.ndim != 2 or rows.shape[1] != 6 or len(rows) == 0:
        raise DataError(f"{what} must be rows of time, open, high, low, close and volume, got shape {rows.shape}")
    if (np.diff(rows[:, 0]) <= 0).any():
        raise DataError(f"{what} must have increasing times")
    return rows
