"""Measures over a trailing window, in one pass over the series."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.risk.series import resolve_periods
from workbench.risk.tail import _check

_CHUNK = 4096


def rolling_volatility(
    returns: pd.Series[float], window: int, *, periods_per_year: float | None = None
) -> pd.Series[float]:
    """Return the annualised volatility (ddof 1) of the last ``window`` returns, NaN before the window is full."""
    _series(returns, window, "rolling_volatility")
    periods = resolve_periods(returns, periods_per_year, "rolling_volatility")
    return (_deviation(returns, window) * np.sqrt(periods)).rename("volatility")


def rolling_sharpe_ratio(
    returns: pd.Series[float], window: int, *, periods_per_year: float | None = None, risk_free: float = 0.0
) -> pd.Series[float]:
    """Return the annualised Sharpe ratio of the last ``window`` returns.

    NaN for the first ``window − 1`` bars and where the returns of the window are all equal; ``risk_free`` is per bar.
    """
    _series(returns, window, "rolling_sharpe_ratio")
    periods = resolve_periods(returns, periods_per_year, "rolling_sharpe_ratio")
    deviation = _deviation(returns, window)
    mean = (returns - risk_free).rolling(window).mean()
    return (mean / deviation.where(deviation > 0) * np.sqrt(periods)).rename("sharpe_ratio")


def rolling_value_at_risk(returns: pd.Series[float], window: int, *, confidence: float = 0.95) -> pd.Series[float]:
    """Return the historical value at risk of the last ``window`` returns, positive for a loss, NaN before that."""
    _series(returns, window, "rolling_value_at_risk")
    _check(confidence, "historical", "rolling_value_at_risk")
    return (-returns.rolling(window).quantile(1.0 - confidence)).rename("value_at_risk")


def rolling_expected_shortfall(returns: pd.Series[float], window: int, *, confidence: float = 0.95) -> pd.Series[float]:
    """Return the historical expected shortfall of the last ``window`` returns.

    Mean of the losses at or beyond the window's value at risk, positive for a loss; NaN before the window is full
    and for windows with a missing return.
    """
    _series(returns, window, "rolling_expected_shortfall")
    _check(confidence, "historical", "rolling_expected_shortfall")
    result = np.full(len(returns), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(returns.to_numpy(np.float64), window)
    for start in range(0, len(windows), _CHUNK):  # a bounded copy, whatever the length of the series
        chunk = windows[start : start + _CHUNK]
        quantile = np.quantile(chunk, 1.0 - confidence, axis=1)
        beyond = chunk <= quantile[:, None]
        count = np.maximum(beyond.sum(axis=1), 1)
        mean = -np.where(beyond, chunk, 0.0).sum(axis=1) / count
        result[window - 1 + start : window - 1 + start + len(chunk)] = np.maximum(mean, -quantile)
    return pd.Series(result, index=returns.index, name="expected_shortfall")


def _deviation(returns: pd.Series[float], window: int) -> pd.Series[float]:
    """Sample deviation per window; equal returns give exactly 0, which running sums alone do not."""
    rolling = returns.rolling(window)
    constant = rolling.max() == rolling.min()
    return rolling.std(ddof=1).mask(constant, 0.0)


def _series(returns: pd.Series[float], window: int, name: str) -> None:
    if not isinstance(returns, pd.Series):
        raise DataError(f"{name} needs a Series, got {type(returns).__name__}; wrap the array in one")
    if window < 2:
        raise ConfigError(f"{name}: window must be at least 2 bars, got {window}")
    if len(returns) < window:
        raise DataError(f"{name} needs at least {window} returns for its window, got {len(returns)}")
