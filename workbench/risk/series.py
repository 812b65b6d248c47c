"""The edge of the room: a Series or array of returns becomes a clean float64 vector, once."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.errors import DataError
from workbench.risk.calendar import periods_per_year as infer_periods_per_year
from workbench.typing import FloatArray

Returns: TypeAlias = "pd.Series[float] | npt.ArrayLike"
"""Simple returns as fractions, ``(n_bars,)``."""


def clean(returns: Returns, measure: str, minimum: int = 1) -> FloatArray:
    """Return the known returns as a float64 vector ``(n,)``; missing ones (NaN) are left out.

    Raises
    ------
    DataError
        When the returns are not one series, hold an infinite value or a loss beyond −100 %, or are fewer than
        ``minimum``.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"{measure} takes one series of returns, got an array of shape {values.shape}; pass one column")
    missing = np.isnan(values)
    if missing.any():
        values = values[~missing]
    if len(values) < minimum:
        raise DataError(f"{measure} needs at least {minimum} returns, got {len(values)}; pass a longer series")
    worst = values.min(initial=0.0)
    if worst < -1.0 or not np.isfinite(values.max(initial=0.0)):
        value = worst if worst < -1.0 else np.inf
        raise DataError(f"{measure}: a return of {value:g} is not possible; returns are fractions, 0.01 is one percent")
    return values


def resolve_periods(returns: Returns, periods_per_year: float | None, measure: str) -> float:
    """Return the given periods per year, or infer them from the index of a Series."""
    if periods_per_year is not None:
        if not periods_per_year > 0:
            raise DataError(f"{measure}: periods_per_year must be positive, got {periods_per_year}")
        return float(periods_per_year)
    if isinstance(returns, pd.Series | pd.DataFrame) and isinstance(returns.index, pd.DatetimeIndex):
        return infer_periods_per_year(returns.index)
    raise DataError(
        f"{measure}: an array has no times, so pass periods_per_year (24/7 hourly 8760, business daily 252)"
    )


def ratio(numerator: float, denominator: float) -> float:
    """Return a quotient, NaN where the denominator is zero: an undefined ratio is never infinite."""
    return numerator / denominator if denominator != 0 else float("nan")


def spread(values: FloatArray) -> float:
    """Return the sample standard deviation (ddof 1) and exactly 0 for a constant series."""
    return float(values.std(ddof=1)) if len(values) > 1 and np.ptp(values) > 0 else 0.0
