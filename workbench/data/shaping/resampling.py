"""Bars of a higher time frame, and when a lower bar may see them."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.data.bars import BAR_FIELDS, field_arrays, symbols_of
from workbench.data.quality.calendars import expected_between, infer_calendar
from workbench.data.timeframes import infer_timeframe, timeframe_delta, timeframe_name, utc_time
from workbench.errors import DataError
from workbench.typing import Bars, BoolArray, FloatArray, IntArray, Panel

Partial = Literal["drop", "keep"]
Frame = TypeVar("Frame", pd.DataFrame, "pd.Series[float]")
_WEEK = pd.Timedelta(weeks=1).value
_HABIT = 100_000  # so many of the latest bars tell whether a market rests
_MONDAY = 4 * pd.Timedelta(days=1).value  # 1970-01-05, the first Monday on the clock


def resample(
    bars: Bars,
    timeframe: str,
    *,
    offset: str | pd.Timedelta | None = None,
    partial: Partial = "drop",
    min_share: float = 0.0,
    now: object = None,
    lower: str | None = None,
) -> Bars:
    """Gather bars into bars of a higher time frame.

    Open is the first, close the last, high the highest, low the lowest and volume the sum of the bars inside, each
    symbol by itself; the label is the open time of the higher bar. A higher bar without any bar inside does not exist
    (a symbol without one is NaN): gaps stay gaps, nothing is carried over. Which share of the expected bars a higher
    bar was made of, `resample_share` tells.

    Parameters
    ----------
    bars : DataFrame
        ``n_bars`` × (field, symbol).
    timeframe : str
        A multiple of the bar length, such as ``4h`` or ``1w``.
    offset : str or Timedelta, optional
        Where higher bars begin after 00:00 UTC (weeks: after Monday 00:00 UTC), such as ``"22h"`` for days of the
        currency market.
    partial : {"drop", "keep"}
        ``drop`` leaves out a first higher bar in whose middle the bars begin, and a last one that is not over.
    min_share : float
        Higher bars made of a smaller share of the expected bars become NaN (0 to 1; usual 0).
    now : str or Timestamp, optional
        A higher bar is over when it ends by then. Default: when its last expected bar is there. Expected are all times
        around the clock; for markets with weekly sessions, the slots of the week in which they usually trade.
    lower : str, optional
        Bar length of ``bars``; default told from their times.

    Raises
    ------
    DataError
        When the time frame is not a multiple of the bar length, or no higher bar is complete.
    """
    if partial not in ("drop", "keep"):
        raise DataError(f"partial must be drop or keep, got {partial!r}.{did_you_mean(str(partial), ('drop', 'keep'))}")
    if not 0.0 <= min_share <= 1.0:
        raise DataError(f"min_share must lie between 0 and 1, got {min_share}")
    grid = _Grid(bars, timeframe, offset, lower)
    values = _gathered(bars, grid)
    if min_share > 0:
        thin = _shares(bars, grid) < min_share
        values[np.tile(thin, (1, len(BAR_FIELDS)))] = np.nan
    keep = np.asarray(~np.isnan(values).all(axis=1), dtype=bool)
    if partial == "drop":
        keep = keep & _whole(grid, utc_time(now, "now"))
    if not keep.any():
        raise DataError(f"no {timeframe} bar is complete in {len(bars)} bars of {grid.lower_name}; bring more bars")
    columns = pd.MultiIndex.from_product([BAR_FIELDS, symbols_of(bars)], names=["field", "symbol"])
    return pd.DataFrame(values[keep], index=grid.index[keep], columns=columns)


def resample_share(
    bars: Bars, timeframe: str, *, offset: str | pd.Timedelta | None = None, lower: str | None = None
) -> Panel:
    """Return which share of the expected lower bars each higher bar was made of, time × symbol.

    The rows are those of `resample` with ``partial="keep"``: 1 is whole, less has holes (or is not over), 0 means that
    the symbol has no bar there.
    """
    grid = _Grid(bars, timeframe, offset, lower)
    return pd.DataFrame(_shares(bars, grid), index=grid.index, columns=pd.Index(symbols_of(bars), name="symbol"))


def align_higher(
    lower_index: pd.DatetimeIndex, higher: Frame, *, lower: str | None = None, timeframe: str | None = None
) -> Frame:
    """Bring values of higher bars to lower bars, each visible only after its bar has closed.

    The row of a lower bar shows the newest higher bar that closes no later than the lower bar itself does: with 1h and
    4h bars, the bar of 04:00 to 08:00 appears first in the row of 07:00, which closes with it.

    Parameters
    ----------
    lower_index : DatetimeIndex
        Increasing open times of the lower bars.
    higher : DataFrame or Series
        Bars, or anything computed from them, with increasing open times of higher bars as the index.
    lower, timeframe : str, optional
        Length of the lower and of the higher bars; default told from their times. With few or gappy rows, name them.

    Returns
    -------
    DataFrame or Series
        The columns of ``higher`` at ``lower_index``; NaN before the first higher bar has closed. In a hole of the
        higher bars the last one that closed stays.
    """
    small = timeframe_delta(lower or infer_timeframe(lower_index)).value
    large = timeframe_delta(timeframe or infer_timeframe(pd.DatetimeIndex(higher.index))).value
    if small > large:
        raise DataError(
            f"bars of {timeframe_name(pd.Timedelta(large))} are not higher than those of "
            f"{timeframe_name(pd.Timedelta(small))}; exchange them"
        )
    closes = pd.DatetimeIndex(higher.index).as_unit("ns").asi8 + large
    seen = np.searchsorted(closes, lower_index.as_unit("ns").asi8 + small, side="right") - 1
    if not len(higher):
        raise DataError("there is no higher bar to align; resample more bars")
    aligned = higher.astype(np.float64).take(np.maximum(seen, 0)).set_axis(lower_index, axis=0)
    aligned[seen < 0] = np.nan
    return aligned


class _Grid:
    """Where the higher bars of some bars begin and end.

    Attributes
    ----------
    times, bins : int64, (n_bars,)
        Open times in nanoseconds, and the number of the higher bar each belongs to.
    numbers : int64, (n_higher,)
        The numbers that occur, increasing.
    index : DatetimeIndex, (n_higher,)
        Their open times.
    """

    def __init__(self, bars: Bars, timeframe: str, offset: str | pd.Timedelta | None, lower: str | None) -> None:
        source = pd.DatetimeIndex(bars.index)
        self.lower_name = lower or infer_timeframe(source)
        self.low, self.high = timeframe_delta(self.lower_name).value, timeframe_delta(timeframe).value
        if self.high % self.low:
            raise DataError(
                f"bars of {self.lower_name} cannot be resampled to {timeframe!r}; name a multiple of {self.lower_name}"
            )
        shift = 0 if offset is None else _offset(offset)
        self.phase = (shift + (_MONDAY if self.high % _WEEK == 0 else 0)) % self.high
        self.source = source
        self.times: IntArray = source.as_unit("ns").asi8.astype(np.int64)
        self.bins: IntArray = (self.times - self.phase) // self.high
        self.numbers: IntArray = self.bins[_starts(self.bins)]
        opens = pd.DatetimeIndex(self.numbers * self.high + self.phase, tz="UTC", name="time")
        self.index = opens.as_unit(source.unit)


def _offset(offset: str | pd.Timedelta) -> int:
    try:
        return int(pd.Timedelta(offset).value)
    except ValueError:
        raise DataError(f"offset {offset!r} is not a span of time; write it like '22h' or '30min'") from None


def _starts(bins: IntArray) -> IntArray:
    return np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))


def _gathered(bars: Bars, grid: _Grid) -> FloatArray:
    """Return the higher bars, shape (n_higher, fields × symbols), NaN where a symbol has no bar inside."""
    symbols = symbols_of(bars)
    out = np.full((len(BAR_FIELDS), len(symbols), len(grid.numbers)), np.nan)
    for s, symbol in enumerate(symbols):
        values = field_arrays(bars, symbol)
        there = ~np.isnan(values["close"])
        bins = grid.bins
        if not there.all():
            bins, values = bins[there], {f: v[there] for f, v in values.items()}
        if not len(bins):
            continue
        starts = _starts(bins)
        at = np.searchsorted(grid.numbers, bins[starts])
        ends = np.concatenate([starts[1:], [len(bins)]]) - 1
        out[0, s, at] = values["open"][starts]
        out[1, s, at] = np.maximum.reduceat(values["high"], starts)
        out[2, s, at] = np.minimum.reduceat(values["low"], starts)
        out[3, s, at] = values["close"][ends]
        out[4, s, at] = np.add.reduceat(values["volume"], starts)
    return np.ascontiguousarray(out.reshape(-1, len(grid.numbers)).T)


def _shares(bars: Bars, grid: _Grid) -> FloatArray:
    """Return present of expected lower bars, shape (n_higher, n_symbols)."""
    delta = pd.Timedelta(grid.low)
    shares = np.zeros((len(grid.numbers), len(symbols_of(bars))))
    for s, symbol in enumerate(symbols_of(bars)):
        there = bars[("close", symbol)].notna().to_numpy()
        present = _count(grid.bins[there], grid.numbers)
        times = grid.source[there]
        expected = np.full(len(grid.numbers), grid.high // grid.low, np.float64)
        if len(times) and infer_calendar(times, delta) == "business":
            stop = pd.Timestamp(int(grid.numbers[-1] + 1) * grid.high + grid.phase, tz="UTC")
            slots = expected_between(times, delta, "business", grid.index[0], stop)
            expected = _count((slots.as_unit("ns").asi8 - grid.phase) // grid.high, grid.numbers).astype(np.float64)
        shares[:, s] = np.minimum(present / np.maximum(expected, 1.0), 1.0)
    return shares


def _count(bins: IntArray, numbers: IntArray) -> IntArray:
    return np.searchsorted(bins, numbers, side="right") - np.searchsorted(bins, numbers)


def _whole(grid: _Grid, now: pd.Timestamp | None) -> BoolArray:
    """Tell which higher bars are neither cut off at the front nor still open; only the first and last can be."""
    whole = np.ones(len(grid.numbers), bool)
    opened = int(grid.numbers[0]) * grid.high + grid.phase
    closes = int(grid.numbers[-1] + 1) * grid.high + grid.phase
    first, after = int(grid.times[0]), int(grid.times[-1]) + grid.low
    whole[0] = not _expected(grid, opened, first)
    if now is not None:
        whole[-1] &= closes <= now.value
    else:
        whole[-1] &= not _expected(grid, after, closes)
    return whole


def _expected(grid: _Grid, start: int, stop: int) -> bool:
    """Tell whether a bar could be expected to open in a span without one."""
    if stop - start < grid.low:
        return False
    delta = pd.Timedelta(grid.low)
    calendar = infer_calendar(grid.source[-_HABIT:], delta)
    if calendar == "24/7":
        return True
    return len(expected_between(grid.source, delta, calendar, _time(start), _time(stop))) > 0


def _time(nanoseconds: int) -> pd.Timestamp:
    return pd.Timestamp(nanoseconds, tz="UTC")
