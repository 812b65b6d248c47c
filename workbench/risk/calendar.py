"""How many bars a year holds, read from the bars themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import DataError

_DAY = 86_400e9
_TRADING_DAYS = 252.0


def periods_per_year(index: pd.DatetimeIndex) -> float:
    """Return the number of bars in a year, from the usual spacing and from whether weekends trade.

    Parameters
    ----------
    index
        Increasing times of the bars, at least two.

    Returns
    -------
    float
        24/7 hourly 8760, 24/7 daily 365, business daily 252, weekly 52, monthly 12, quarterly 4, yearly 1.
        Markets that rest at weekends count 252 days times the usual number of bars in one of their days.

    Raises
    ------
    DataError
        When the index is no DatetimeIndex or holds fewer than two times.

    Notes
    -----
    A market trades 24/7 when at least a tenth of its bars fall on Saturday or Sunday. A daily or shorter series that
    spans no weekend cannot show this: daily bars are then taken as business days, shorter ones as 24/7 only if they
    fill whole days.

    Examples
    --------
    >>> periods_per_year(pd.date_range("2024-01-01", periods=500, freq="h", tz="UTC"))
    8760.0
    """
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(
            f"periods_per_year needs a DatetimeIndex, got {type(index).__name__}; pass periods_per_year yourself"
        )
    if len(index) < 2:
        raise DataError(f"periods_per_year needs at least 2 times, got {len(index)}; pass periods_per_year yourself")
    nanoseconds = index.as_unit("ns").asi8
    step = float(np.median(np.diff(nanoseconds)))
    if step <= 0:
        raise DataError("periods_per_year needs increasing times; sort the index and drop duplicates")
    if step > 1.5 * _DAY:
        return _long_periods(step / _DAY)
    if _trades_at_weekends(index, nanoseconds, step):
        return 365.0 * _DAY / step
    return _TRADING_DAYS * _bars_per_day(nanoseconds)


def _long_periods(days: float) -> float:
    for low, high, periods in ((5, 9, 52.0), (26, 33, 12.0), (85, 95, 4.0), (355, 370, 1.0)):
        if low <= days <= high:
            return periods
    return 365.25 / days


def _trades_at_weekends(index: pd.DatetimeIndex, nanoseconds: np.ndarray, step: float) -> bool:
    weekend = float(np.mean(index.day_of_week >= 5))
    if weekend >= 0.1:
        return True
    spans_weekend = nanoseconds[-1] - nanoseconds[0] >= 7 * _DAY
    fills_days = step < _DAY and _bars_per_day(nanoseconds) >= round(_DAY / step)
    return weekend == 0 and not spans_weekend and fills_days


def _bars_per_day(nanoseconds: np.ndarray) -> float:
    _, counts = np.unique(nanoseconds // int(_DAY), return_counts=True)
    return float(np.median(counts))
