"""Returns of a trial in short: sums over days or weeks, enough to see which trials are the same bet.

A trial's full returns may be 50,000 numbers. Which trials move together can be seen from their daily or weekly sums on
one calendar: a few hundred numbers, kept in the ledger beside each evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.typing import FloatArray

MOST_BUCKETS = 512
_WEEK = 7
_DAY = pd.Timedelta(days=1)
_EPOCH = pd.Timestamp(0, tz="UTC")


@dataclass(frozen=True, eq=False)
class Sketch:
    """Sums of simple returns over calendar buckets.

    Parameters
    ----------
    days
        Length of a bucket: 1, or 7 for spans of more than 512 days.
    first
        Number of the first bucket, counted from 1970-01-01.
    sums
        One sum per bucket, (n_buckets,); NaN where there was no bar.
    """

    days: int
    first: int
    sums: FloatArray

    def to_bytes(self) -> bytes:
        """Return the values as 32-bit floats, little-endian."""
        return self.sums.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, days: int, first: int, data: bytes) -> Sketch:
        """Read back what `to_bytes` wrote."""
        return cls(days, first, np.frombuffer(data, dtype="<f4").astype(np.float64))


def sketch_of(returns: pd.Series) -> Sketch:
    """Return the sketch of a series of net simple returns.

    Raises
    ------
    DataError
        When the returns are empty or carry no times.
    """
    return sketches_of(pd.DatetimeIndex(returns.index), returns.to_numpy(dtype=np.float64)[None, :])[0]


def sketches_of(times: pd.DatetimeIndex, returns: FloatArray, *, days: int = 0) -> list[Sketch]:
    """Return one sketch per row of returns, (n_trials, n_times), that share their times.

    ``days`` is the length of a bucket where the values are sums of buckets already; 0 chooses it by the span.

    Times may be those of bars, or of the buckets of a sweep: each value counts in the bucket its time lies in.
    """
    if len(times) == 0 or not isinstance(times, pd.DatetimeIndex):
        raise DataError("a sketch needs returns with times; give at least one bar")
    stamps = times.tz_localize("UTC") if times.tz is None else times
    day = np.asarray((stamps - _EPOCH) // _DAY, dtype=np.int64)
    days = days or (1 if day[-1] - day[0] < MOST_BUCKETS else _WEEK)
    bucket = day // days
    first, place = int(bucket[0]), bucket - bucket[0]
    known = np.bincount(place) > 0
    sums = []
    for row in returns:
        values = np.bincount(place, weights=np.nan_to_num(row))
        sums.append(Sketch(days, first, np.where(known, values, np.nan)))
    return sums


def bucket_days(times: pd.DatetimeIndex) -> int:
    """Return the length of the buckets that returns at these times are summed over: 1 day, or 7."""
    stamps = times.tz_localize("UTC") if times.tz is None else times
    span = stamps[-1].floor("D") - stamps[0].floor("D")
    return 1 if span < MOST_BUCKETS * _DAY else _WEEK


def aligned(sketches: Sequence[Sketch]) -> FloatArray:
    """Return sketches on one calendar, (n_buckets, n_trials), by the coarsest bucket; NaN where a trial has none."""
    days = max(s.days for s in sketches)
    coarse = [_coarser(s, days) for s in sketches]
    first = min(s.first for s in coarse)
    last = max(s.first + len(s.sums) for s in coarse)
    matrix = np.full((last - first, len(coarse)), np.nan)
    for column, sketch in enumerate(coarse):
        start = sketch.first - first
        matrix[start : start + len(sketch.sums), column] = sketch.sums
    return matrix


def _coarser(sketch: Sketch, days: int) -> Sketch:
    if sketch.days == days:
        return sketch
    bucket = (sketch.first + np.arange(len(sketch.sums))) * sketch.days // days
    place = bucket - bucket[0]
    known = ~np.isnan(sketch.sums)
    counts = np.bincount(place, weights=known.astype(np.float64))
    sums = np.bincount(place, weights=np.where(known, sketch.sums, 0.0))
    return Sketch(days, int(bucket[0]), np.where(counts > 0, sums, np.nan))
