"""Bar lengths: their names, their spans, and how to tell them from times."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from workbench.config import TIMEFRAMES
from workbench.errors import DataError

_MINUTES = {"m": 1, "h": 60, "d": 1440, "w": 10080}


def timeframe_delta(timeframe: str) -> pd.Timedelta:
    """Return the span of a bar: ``timeframe_delta("4h")`` is four hours. Units are m, h, d and w.

    Raises
    ------
    DataError
        When the text is not a positive whole number followed by m, h, d or w.
    """
    match = re.fullmatch(r"([1-9]\d{0,3})([mhdw])", timeframe) if isinstance(timeframe, str) else None
    if match is None:
        raise DataError(
            f"time frame {timeframe!r} is not a number followed by m, h, d or w; usual ones: {' '.join(TIMEFRAMES)}"
        )
    return pd.Timedelta(minutes=int(match[1]) * _MINUTES[match[2]])


def timeframe_name(delta: pd.Timedelta) -> str:
    """Return the canonical name of a span: 60 minutes are ``1h``, seven days ``1w``.

    Raises
    ------
    DataError
        When the span is not a whole, positive number of minutes.
    """
    minutes, rest = divmod(delta.value, pd.Timedelta(minutes=1).value)
    if minutes <= 0 or rest:
        raise DataError(f"a bar length of {delta} is not a whole number of minutes")
    unit = next(u for u in "wdhm" if minutes % _MINUTES[u] == 0)
    return f"{minutes // _MINUTES[unit]}{unit}"


def canonical_timeframe(timeframe: str) -> str:
    """Return the canonical name: ``60m`` becomes ``1h``."""
    return timeframe_name(timeframe_delta(timeframe))


def infer_timeframe(times: pd.DatetimeIndex) -> str:
    """Tell the bar length from increasing times: their most common step, which must be clear.

    Raises
    ------
    DataError
        With fewer than two times, or when no step between one minute and one week makes up half of all steps.
    """
    if len(times) < 2:
        raise DataError(f"the bar length cannot be told from {len(times)} bar(s); name it, such as '1h'")
    step, share, _ = step_statistics(times)
    usual = pd.Timedelta(minutes=1) <= step <= pd.Timedelta(weeks=1) and step.value % pd.Timedelta(minutes=1).value == 0
    if share < 0.5 or not usual:
        raise DataError(
            f"the bar length is unclear: the most common step is {step} in {share:.0%} of cases; name it, such as '1h'"
        )
    return timeframe_name(step)


def check_timeframe(times: pd.DatetimeIndex, timeframe: str) -> None:
    """Refuse a named bar length that increasing times contradict.

    The name fits when it is the most common step, or the smallest one with all others its multiples (thin markets).
    """
    if len(times) < 2:
        return
    delta = timeframe_delta(timeframe)
    step, share, steps = step_statistics(times)
    fits_thin = steps.min() == delta.value and not (steps % delta.value).any()
    if step != delta and not fits_thin:
        raise DataError(f"the time frame {timeframe!r} does not fit: {share:.0%} of the bars are {_words(step)} apart")


def step_statistics(times: pd.DatetimeIndex) -> tuple[pd.Timedelta, float, np.ndarray]:
    """Return the most common step, its share, and all steps in nanoseconds."""
    steps = np.diff(times.as_unit("ns").asi8)
    values, counts = np.unique(steps, return_counts=True)
    top = int(counts.argmax())
    return pd.Timedelta(int(values[top]), unit="ns"), float(counts[top] / len(steps)), steps


def _words(step: pd.Timedelta) -> str:
    whole = step.value > 0 and step.value % pd.Timedelta(minutes=1).value == 0
    return timeframe_name(step) if whole else str(step)


def utc_time(value: object, name: str = "time") -> pd.Timestamp | None:
    """Read a point in time; text without a zone is UTC, and ``""`` or ``None`` mean that there is none.

    Raises
    ------
    DataError
        When the value is not a date.
    """
    if value is None or value == "":
        return None
    try:
        time = pd.Timestamp(value)  # type: ignore[arg-type]  # whatever pandas refuses is reported below
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"{name} {value!r} is not a date; write it like '2015-01-31'") from None
    if time is pd.NaT:
        raise DataError(f"{name} {value!r} is not a date; write it like '2015-01-31'")
    return time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")


def utc_range(start: object, end: object) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Read a half-open range [start, end); a reversed or empty one is an error."""
    first, last = utc_time(start, "start"), utc_time(end, "end")
    if first is not None and last is not None and first >= last:
        raise DataError(f"start {start!s} is not before end {end!s}; exchange them")
    return first, last
