"""What the clock says at the bar's open, in UTC: known before the bar begins."""

from __future__ import annotations

import numpy as np

from workbench.features.registry import indicator
from workbench.typing import FloatArray, IntArray

_HOUR = 3_600_000_000_000  # nanoseconds
_DAY = 24 * _HOUR
_TURN = 2.0 * np.pi
_WEEK = _TURN * np.arange(7) / 7.0
_YEAR = _TURN * np.arange(12) / 12.0


def _hour(time: IntArray) -> FloatArray:
    return ((time // _HOUR) % 24).astype(np.float64)


def _weekdays(time: IntArray) -> IntArray:
    return (time // _DAY + 3) % 7  # 1970 began on a Thursday


def _months(time: IntArray) -> IntArray:
    """Months since January, 0 to 11; the calendar is asked once a day."""
    days = time // _DAY
    first = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    months = days[first].astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    return np.repeat(months, np.diff(first, append=days.size))


@indicator("hour", warmup=0, family="calendar")
def hour(time: IntArray) -> FloatArray:
    """Hour of the day at the bar's open, UTC, 0 to 23."""
    return _hour(time)


@indicator("hour_sin", warmup=0, family="calendar")
def hour_sin(time: IntArray) -> FloatArray:
    """Sine of the time of day at the bar's open, one turn a day from 00:00 UTC, minutes included."""
    return np.sin(_TURN * ((time % _DAY) / _DAY))


@indicator("hour_cos", warmup=0, family="calendar")
def hour_cos(time: IntArray) -> FloatArray:
    """Cosine of the time of day at the bar's open, one turn a day from 00:00 UTC, minutes included."""
    return np.cos(_TURN * ((time % _DAY) / _DAY))


@indicator("weekday", warmup=0, family="calendar")
def weekday(time: IntArray) -> FloatArray:
    """Day of the week at the bar's open, UTC, 0 = Monday to 6 = Sunday."""
    return _weekdays(time).astype(np.float64)


@indicator("weekday_sin", warmup=0, family="calendar")
def weekday_sin(time: IntArray) -> FloatArray:
    """Sine of the day of the week, one turn a week from Monday."""
    return np.sin(_WEEK)[_weekdays(time)]


@indicator("weekday_cos", warmup=0, family="calendar")
def weekday_cos(time: IntArray) -> FloatArray:
    """Cosine of the day of the week, one turn a week from Monday."""
    return np.cos(_WEEK)[_weekdays(time)]


@indicator("month", warmup=0, family="calendar")
def month(time: IntArray) -> FloatArray:
    """Month at the bar's open, UTC, 1 to 12."""
    return (_months(time) + 1).astype(np.float64)


@indicator("month_sin", warmup=0, family="calendar")
def month_sin(time: IntArray) -> FloatArray:
    """Sine of the month, one turn a year from January."""
    return np.sin(_YEAR)[_months(time)]


@indicator("month_cos", warmup=0, family="calendar")
def month_cos(time: IntArray) -> FloatArray:
    """Cosine of the month, one turn a year from January."""
    return np.cos(_YEAR)[_months(time)]


@indicator("minutes_to_funding", warmup=0, family="calendar", bounds={"hours": (1, 24)})
def minutes_to_funding(time: IntArray, *, hours: int = 8) -> FloatArray:
    """Minutes from the bar's open to the next funding payment, every ``hours`` hours from 00:00 UTC.

    A bar that opens at a payment has the whole interval before it: that payment went to who held before.
    """
    every = hours * _HOUR
    return (every - (time % _DAY) % every) / (_HOUR / 60)
