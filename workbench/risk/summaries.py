"""All measures of one return series at once, and the table of months."""

from __future__ import annotations

import inspect
from typing import Any

import pandas as pd

from workbench.errors import DataError
from workbench.risk.exposures import exposure, turnover
from workbench.risk.registry import MEASURES
from workbench.risk.series import Returns, resolve_periods


def summary(
    returns: Returns,
    positions: Any = None,
    confidence: float = 0.95,
    periods_per_year: float | None = None,
    traded: Any = None,
) -> dict[str, float]:
    """Return every registered measure of a return series under its machine key.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``, at least two; NaN are left out.
    positions
        Signed fractions of equity, ``(n_bars, n_assets)``; adds ``exposure`` and ``turnover``.
    confidence
        Confidence of value at risk and expected shortfall.
    periods_per_year
        Bars in a year; inferred from the index of a Series.
    traded
        Value traded at each bar over equity, ``(n_bars,)``: makes ``turnover`` exact instead of read from positions.

    Returns
    -------
    dict
        Measure name to float, in the order of registration. NaN where a measure is undefined, such as the Sharpe ratio
        of constant returns.
    """
    periods = resolve_periods(returns, periods_per_year, "summary")
    known = {"periods_per_year": periods, "confidence": confidence}
    values = {}
    for entry in MEASURES.values():
        if entry.summarised:
            wanted = inspect.signature(entry.function).parameters
            values[entry.name] = entry.function(returns, **{k: v for k, v in known.items() if k in wanted})
    if positions is not None:
        values["exposure"] = exposure(positions)
    if traded is not None:
        values["turnover"] = turnover(traded=traded, periods_per_year=periods)
    elif positions is not None:
        values["turnover"] = turnover(positions, periods_per_year=periods)
    return values


def monthly_returns(returns: pd.Series[float]) -> pd.DataFrame:
    """Return compounded returns as a table of years by months.

    Parameters
    ----------
    returns
        Simple returns as fractions with a DatetimeIndex; NaN are left out.

    Returns
    -------
    DataFrame
        Index ``year``, columns 1 to 12 and ``year`` (the whole year); NaN where there is no bar. Months are those of
        the bars' open times in UTC.
    """
    if not isinstance(returns, pd.Series) or not isinstance(returns.index, pd.DatetimeIndex):
        raise DataError(f"monthly_returns needs a Series with a DatetimeIndex, got {type(returns).__name__}")
    wealth = returns.dropna().astype(float) + 1.0
    times = pd.DatetimeIndex(wealth.index)
    table = (wealth.groupby([times.year, times.month]).prod() - 1.0).unstack().reindex(columns=range(1, 13))
    table["year"] = wealth.groupby(times.year).prod() - 1.0
    table.index.name = "year"
    table.columns.name = None
    return table
