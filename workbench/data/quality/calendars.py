"""When a market trades: around the clock, or in weekly sessions that are learned from its own bars.

Sessions are learned as slots of the week. Intraday slots are counted in New York time, where the sessions of US
stocks and of the currency market stay put while their UTC hours move with daylight saving.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd

from workbench.typing import BoolArray

Calendar = Literal["24/7", "business"]
_DAY = pd.Timedelta(days=1)
_WEEK = pd.Timedelta(weeks=1)
_SESSION_ZONE = "America/New_York"
# Days on which US markets stayed shut outside the rules: attacks of 2001, mourning, hurricane Sandy.
_SPECIAL_CLOSINGS = (
    "2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14", "2004-06-11", "2007-01-02",
    "2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09",
)  # fmt: skip


def infer_calendar(times: pd.DatetimeIndex, delta: pd.Timedelta) -> Calendar:
    """Tell from unique, increasing times whether a market rests.

    It trades around the clock when at least half of the Saturdays in its span have bars. Where no Saturday lies in
    the span, it does when its bars fill at least half of the time; bars of a week or longer always do.
    """
    if delta >= _WEEK or len(times) < 2:
        return "24/7"
    days = times.tz_convert("UTC").floor("D").unique()
    saturdays = pd.date_range(times[0].ceil("D"), times[-1].floor("D"), freq="D")
    saturdays = saturdays[saturdays.day_of_week == 5]
    if len(saturdays):
        return "24/7" if saturdays.isin(days).mean() >= 0.5 else "business"
    return "24/7" if len(times) >= 0.5 * ((times[-1] - times[0]) / delta + 1) else "business"


def missing_times(times: pd.DatetimeIndex, delta: pd.Timedelta, calendar: Calendar) -> list[tuple[pd.Timestamp, int]]:
    """Return the holes between the first and the last bar as (first missing time, number of missing bars).

    On a business calendar a time is expected when its slot of the week has a bar in at least half of the weeks. The
    holidays that these bars keep (see `closed_days`) are not expected to trade, nor is the Sunday before a Monday of
    Christmas or New Year. A late opening or an early close is no hole, a session that is
    missing as a whole is one.
    """
    if calendar == "24/7" or delta >= _WEEK:
        return _holes_around_the_clock(times, delta)
    expected = expected_times(times, delta, calendar)
    return _holes_in_sessions(expected, expected.isin(times), delta)


def _holes_around_the_clock(times: pd.DatetimeIndex, delta: pd.Timedelta) -> list[tuple[pd.Timestamp, int]]:
    steps = np.diff(times.as_unit("ns").asi8)
    counts = np.maximum(np.rint(steps / delta.value).astype(int) - 1, 0)
    return [(times[int(i)] + delta, int(counts[i])) for i in np.flatnonzero(counts)]


def expected_times(times: pd.DatetimeIndex, delta: pd.Timedelta, calendar: Calendar) -> pd.DatetimeIndex:
    """Return the times from the first to the last bar at which a bar is expected; rules as in `missing_times`."""
    return expected_between(times, delta, calendar, times[0], times[-1] + pd.Timedelta(1, unit="us"))


def expected_between(
    times: pd.DatetimeIndex, delta: pd.Timedelta, calendar: Calendar, start: pd.Timestamp, stop: pd.Timestamp
) -> pd.DatetimeIndex:
    """Return the times in ``start <= time < stop`` at which a bar is expected, by the habits of the bars at ``times``.

    The span may reach beyond the bars: what follows their last one is expected as their weeks have been.
    """
    phase = pd.Timedelta(_common(times.as_unit("ns").asi8 % delta.value), unit="ns")
    first = (start - phase).floor(delta) + phase
    grid = pd.date_range(first if first >= start else first + delta, stop, freq=delta, inclusive="left")
    grid = grid.as_unit(times.unit)
    if calendar == "24/7" or delta >= _WEEK:
        return grid
    zone = "UTC" if delta >= _DAY else _SESSION_ZONE
    slots, grid_slots = _slots(times.tz_convert(zone)), _slots(grid.tz_convert(zone))
    values, counts = np.unique(slots, return_counts=True)
    weeks = max(1, len(np.unique(times.tz_convert(zone).asi8 // _WEEK.as_unit(times.unit).value)))
    regular = values[counts >= 0.5 * weeks]
    dates = grid.tz_convert(zone).tz_localize(None).floor("D")
    closed = closed_days(times.tz_convert(zone).tz_localize(None).floor("D").unique())
    return grid[np.isin(grid_slots, regular) & ~dates.isin(closed)]


def _holes_in_sessions(
    expected: pd.DatetimeIndex, present: BoolArray, delta: pd.Timedelta
) -> list[tuple[pd.Timestamp, int]]:
    after_rest = np.concatenate([[True], np.diff(expected.as_unit("ns").asi8) > delta.value])
    before_rest = np.concatenate([after_rest[1:], [True]])
    session = np.cumsum(after_rest)
    edges = np.flatnonzero(np.diff(np.concatenate([[1], present.astype(int), [1]])))
    holes = []
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        last = stop - 1
        partial = session[first] == session[last] and after_rest[first] != before_rest[last]
        if not partial or delta >= _DAY:
            holes.append((expected[first], int(stop - first)))
    return holes


def _slots(times: pd.DatetimeIndex) -> np.ndarray:
    return (times.day_of_week * 1440 + times.hour * 60 + times.minute).to_numpy()


def _common(values: np.ndarray) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def closed_days(traded: pd.DatetimeIndex) -> np.ndarray:
    """Return the dates (datetime64) on which the market of these bars rests.

    A holiday counts only where the bars themselves keep it: on fewer than half of its weekdays there is a bar. New York
    trades on Easter Monday, Frankfurt does not.

    Parameters
    ----------
    traded
        Dates with a bar, without a time zone.
    """
    first, last = traded[0], traded[-1]
    closed = [pd.DatetimeIndex(_SPECIAL_CLOSINGS)]
    for dates in _holidays(first.year - 1, last.year + 1):
        inside = dates[(dates > first) & (dates < last) & (dates.day_of_week < 5)]
        if not len(inside) or inside.isin(traded).mean() < 0.5:
            closed.append(dates)
    dates = pd.DatetimeIndex(closed[0].append(closed[1:]))
    eves = dates[(dates.day_of_week == 0) & dates.strftime("%m-%d").isin(["12-25", "01-01"])] - _DAY
    return dates.append(eves).unique().sort_values().to_numpy()


@lru_cache(maxsize=32)
def _holidays(first_year: int, last_year: int) -> tuple[pd.DatetimeIndex, ...]:
    """Return the dates of each holiday that some market with weekly sessions keeps."""
    from pandas.tseries import holiday as h

    rules = [
        h.Holiday("New Year", month=1, day=1, observance=h.sunday_to_monday),
        h.USMartinLutherKingJr, h.USPresidentsDay, h.GoodFriday, h.EasterMonday, h.USMemorialDay,
        h.Holiday("Juneteenth", start_date="2022-01-01", month=6, day=19, observance=h.nearest_workday),
        h.Holiday("Independence Day", month=7, day=4, observance=h.nearest_workday),
        h.USLaborDay, h.USThanksgivingDay,
        h.Holiday("Christmas", month=12, day=25, observance=h.nearest_workday),
        h.Holiday("New Year itself", month=1, day=1), h.Holiday("Christmas itself", month=12, day=25),
        h.Holiday("Second day of Christmas", month=12, day=26),
    ]  # fmt: skip
    span = (f"{first_year}-01-01", f"{last_year}-12-31")
    return tuple(pd.DatetimeIndex(rule.dates(*span)) for rule in rules)
