"""Round trips from fills, compiled: backtests of minutes leave millions of fills."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray

(
    ASSET, FIRST, EXIT, SIDE, ENTRY_PRICE, EXIT_PRICE, ENTERED, PNL, SHARE, BARS, MAE, MFE, REASON,
) = range(13)  # fmt: skip
N_TRADE = 13
OPEN = -1.0
_ENTERED, _ENTRY_VALUE, _LEFT, _EXIT_VALUE, _FEES, _HIGHEST, _LOWEST = range(7)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def write_trade(
    row: FloatArray, asset: int, first: int, last: int, side: float, trip: FloatArray, reason: float, n_bars: int
) -> None:
    """Fill one row of the trades from the running totals of a trip; ``last`` is −1 while it is open."""
    entry = trip[_ENTRY_VALUE] / trip[_ENTERED]
    pnl = side * (trip[_EXIT_VALUE] - trip[_ENTRY_VALUE]) - trip[_FEES]
    row[ASSET], row[FIRST], row[EXIT], row[SIDE] = asset, first, last, side
    row[ENTRY_PRICE], row[EXIT_PRICE] = entry, trip[_EXIT_VALUE] / trip[_LEFT]
    row[ENTERED], row[PNL], row[SHARE] = trip[_ENTERED], pnl, pnl / trip[_ENTRY_VALUE]
    row[BARS] = (n_bars - 1 if last < 0 else last) - first
    worst, best = (trip[_LOWEST], trip[_HIGHEST]) if side > 0.0 else (trip[_HIGHEST], trip[_LOWEST])
    row[MAE] = max(side * (entry - worst) / entry, 0.0)
    row[MFE] = max(side * (best - entry) / entry, 0.0)
    row[REASON] = reason


@nb.njit(cache=True, nogil=True, error_model="numpy")
def widen_range(trip: FloatArray, highs: FloatArray, lows: FloatArray, start: int, stop: int) -> None:
    """Let bars ``start`` to ``stop`` − 1 widen the range of prices seen while a trip was open."""
    for t in range(start, stop):
        trip[_HIGHEST] = max(trip[_HIGHEST], highs[t])
        trip[_LOWEST] = min(trip[_LOWEST], lows[t])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def trips_of(
    asset: int,
    bars: IntArray,
    sizes: FloatArray,
    prices: FloatArray,
    fees: FloatArray,
    reasons: FloatArray,
    highs: FloatArray,
    lows: FloatArray,
    last_price: float,
) -> FloatArray:
    """Return the round trips of one asset's fills, (n_trades, 13), in order of entry.

    A fill that turns a position is split at zero, its fee in proportion. Excursions are measured over the bars from the
    entry's to the one before the exit's, and at the exit's own price.
    """
    rows, n = np.empty((len(sizes) + 1, N_TRADE)), 0
    trip, side, first, seen, units = np.zeros(7), 0.0, 0, 0, 0.0
    for k in range(len(sizes)):
        size, price, fee, bar = sizes[k], prices[k], fees[k], bars[k]
        before, units = units, units + size
        entering, its_fee = size, fee
        if side != 0.0:
            widen_range(trip, highs, lows, seen, bar)
            seen = max(seen, bar)
        if side != 0.0 and before * size < 0.0:
            closing = min(abs(before), abs(size))
            trip[_LEFT] += closing
            trip[_EXIT_VALUE] += closing * price
            trip[_FEES] += fee * closing / abs(size)
            if units * before > 0.0:
                continue
            trip[_HIGHEST], trip[_LOWEST] = max(trip[_HIGHEST], price), min(trip[_LOWEST], price)
            write_trade(rows[n], asset, first, bar, side, trip, reasons[k], len(highs))
            n += 1
            side, entering, its_fee = 0.0, units, fee * (1.0 - closing / abs(size))
        if entering != 0.0:
            if side == 0.0:
                side, first, seen = (1.0 if entering > 0.0 else -1.0), bar, bar
                trip[:] = 0.0
                trip[_HIGHEST], trip[_LOWEST] = price, price
            trip[_ENTERED] += abs(entering)
            trip[_ENTRY_VALUE] += abs(entering) * price
            trip[_FEES] += its_fee
    if side != 0.0:
        widen_range(trip, highs, lows, seen, len(highs))
        trip[_LEFT] += abs(units)
        trip[_EXIT_VALUE] += abs(units) * last_price
        write_trade(rows[n], asset, first, -1, side, trip, OPEN, len(highs))
        n += 1
    return rows[:n]


def warm() -> None:
    """Compile the kernels on the smallest arrays of the right types."""
    one = np.ones(2)
    trips_of(0, np.arange(2), np.array([1.0, -1.0]), one, one, one, one, one, 1.0)
