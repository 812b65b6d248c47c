"""A strategy beside what it cost nothing to do: buy and hold, equal weight, any benchmark."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.risk.series import Returns, ratio, resolve_periods
from workbench.typing import FloatArray


@dataclass(frozen=True)
class Relative:
    """A return series against a benchmark, both after the risk-free rate.

    Parameters
    ----------
    alpha
        Return a year that the benchmark does not explain: the regression's intercept times the periods per year.
    alpha_t
        Its t-value with Newey-West standard errors; about 2 is worth a look before counting trials, less is luck.
    beta
        Return for each return of the benchmark.
    correlation, r_squared
        How much of the variance the benchmark explains.
    active_return
        Mean difference from the benchmark a year.
    tracking_error
        Standard deviation of that difference a year (ddof 1).
    information_ratio
        ``active_return / tracking_error``; NaN without any difference.
    up_capture, down_capture
        Mean return over the benchmark's where the benchmark rose or fell; NaN where it never did.
    n_obs
        Bars that both have.
    """

    alpha: float
    alpha_t: float
    beta: float
    correlation: float
    r_squared: float
    active_return: float
    tracking_error: float
    information_ratio: float
    up_capture: float
    down_capture: float
    n_obs: int


def against_benchmark(
    returns: Returns, benchmark: Returns, *, periods_per_year: float | None = None, risk_free: float = 0.0
) -> Relative:
    """Return alpha, beta, tracking error and information ratio against a benchmark.

    Parameters
    ----------
    returns, benchmark
        Simple returns as fractions on the same bars, (n_bars,), at least 3; Series are joined on their times. Bars that
        either lacks are left out.
    periods_per_year
        Bars in a year; inferred from the index of a Series.
    risk_free
        Risk-free rate *per bar*.

    Returns
    -------
    Relative
        NaN where the benchmark does not vary.

    Notes
    -----
    ``r − f = α + β (b − f) + e`` by least squares. Newey-West errors with ``⌊4 (n / 100)^(2/9)⌋`` lags: ordinary ones
    take overlapping or trending residuals for independent ones. Alpha is annualised by multiplication; libraries that
    compound it show another number. The information ratio is of the plain difference, not of the residual.

    References
    ----------
    Jensen, M. C. (1968). The Performance of Mutual Funds in the Period 1945-1964. Journal of Finance 23(2), 389-416.
    Newey, W. K. and West, K. D. (1987). Econometrica 55(3), 703-708. Grinold, R. C. and Kahn, R. N. (1999). Active
    Portfolio Management, 2nd ed., ch. 5.
    """
    own, other, periods = _joined(returns, benchmark, periods_per_year)
    y, x = own - risk_free, other - risk_free
    difference = own - other
    error = float(difference.std(ddof=1)) * math.sqrt(periods) if np.ptp(difference) > 0 else 0.0
    active = float(difference.mean()) * periods
    alpha, alpha_t, beta, correlation = _regression(y, x)
    return Relative(
        alpha=alpha * periods,
        alpha_t=alpha_t,
        beta=beta,
        correlation=correlation,
        r_squared=correlation**2,
        active_return=active,
        tracking_error=error,
        information_ratio=ratio(active, error),
        up_capture=_capture(own, other, other > 0),
        down_capture=_capture(own, other, other < 0),
        n_obs=len(own),
    )


def beside_benchmarks(
    returns: Returns, benchmarks: pd.DataFrame, *, periods_per_year: float | None = None, risk_free: float = 0.0
) -> pd.DataFrame:
    """Return one row of `against_benchmark` for each column of benchmark returns, such as buy and hold."""
    if benchmarks.shape[1] == 0:
        raise DataError("benchmarks has no column; pass at least buy and hold")
    rows = {
        name: asdict(
            against_benchmark(returns, benchmarks[name], periods_per_year=periods_per_year, risk_free=risk_free)
        )
        for name in benchmarks
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("benchmark")


def equal_weight(asset_returns: pd.DataFrame) -> pd.Series[float]:
    """Return the mean return of the assets that have one at each bar: equal weights, brought back at every bar.

    Costs are not charged: the run's baseline of the same name, which trades through the engine, pays them.
    """
    return asset_returns.mean(axis=1, skipna=True).fillna(0.0).rename("equal_weight")


def rolling_beta(returns: pd.Series[float], benchmark: pd.Series[float], window: int) -> pd.Series[float]:
    """Return the beta over the last ``window`` bars that both have, NaN before that and where the benchmark is flat."""
    if window < 3:
        raise ConfigError(f"rolling_beta: window must be at least 3 bars, got {window}")
    both = pd.concat([returns, benchmark], axis=1, join="inner", keys=["own", "other"]).dropna()
    if len(both) < window:
        raise DataError(f"rolling_beta needs at least {window} bars that both have, got {len(both)}")
    flat = both["other"].rolling(window).max() == both["other"].rolling(window).min()
    variance = both["other"].rolling(window).var().mask(flat)
    return (both["own"].rolling(window).cov(both["other"]) / variance).reindex(returns.index).rename("beta")


def _regression(y: FloatArray, x: FloatArray) -> tuple[float, float, float, float]:
    """Return intercept, its t-value, slope and correlation."""
    if np.ptp(x) == 0:
        return (math.nan,) * 4
    dx, dy = x - x.mean(), y - y.mean()
    beta = float(dx @ dy / (dx @ dx))
    alpha = float(y.mean() - beta * x.mean())
    correlation = float(dx @ dy / math.sqrt((dx @ dx) * (dy @ dy))) if np.ptp(y) > 0 else math.nan
    n = len(y)
    residual = y - alpha - beta * x
    scores = np.column_stack([residual, residual * x])
    middle = scores.T @ scores
    lags = int(4 * (n / 100) ** (2 / 9))
    for lag in range(1, min(lags, n - 1) + 1):
        cross = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / (lags + 1)) * (cross + cross.T)
    bread = np.linalg.inv(np.array([[n, x.sum()], [x.sum(), x @ x]]))
    variance = float((bread @ middle @ bread)[0, 0])
    return alpha, alpha / math.sqrt(variance) if variance > 1e-30 else math.nan, beta, correlation


def _capture(own: FloatArray, other: FloatArray, bars: Any) -> float:
    return ratio(float(own[bars].mean()), float(other[bars].mean())) if bars.any() else math.nan


def _joined(returns: Any, benchmark: Any, periods_per_year: float | None) -> tuple[FloatArray, FloatArray, float]:
    periods = resolve_periods(returns, periods_per_year, "against_benchmark")
    if isinstance(returns, pd.Series) and isinstance(benchmark, pd.Series):
        both = pd.concat([returns, benchmark], axis=1, join="inner").to_numpy(np.float64)
    else:
        own, other = np.asarray(returns, dtype=np.float64), np.asarray(benchmark, dtype=np.float64)
        if own.ndim != 1 or own.shape != other.shape:
            raise DataError(f"returns and benchmark must be (n_bars,) of one length, got {own.shape} and {other.shape}")
        both = np.column_stack([own, other])
    both = both[~np.isnan(both).any(axis=1)]
    if len(both) < 3:
        raise DataError(f"returns and benchmark share {len(both)} bars and need 3; check their times")
    if np.isinf(both).any():
        raise DataError("a return is infinite; returns are fractions, 0.01 is one percent")
    return both[:, 0], both[:, 1], periods
