"""Headline figures of all resamples at once, from the sums that the compiled replicates leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.typing import FloatArray

_RUIN = -1e6  # the log of nothing, finite so that running sums survive it
_ROUNDING = 1e-13
_DEVIATION, _SQUARE, _DOWNSIDE, _GAIN, _UP, _DOWN, _LOG, _FALL, _QUANTILE, _TAIL, _ERROR = range(11)
_WALKED = {"max_drawdown", "calmar_ratio"}
_TAILED = {"value_at_risk", "expected_shortfall"}


@dataclass(frozen=True, eq=False)
class Resampled:
    """Sums and extremes of every resample.

    Parameters
    ----------
    n
        Bars of a resample.
    mean
        Mean of the sample, from which deviations are counted.
    table
        (n_replicates, 11), columns as in `bootstrap_kernels`.
    error
        Standard error of the Sharpe ratio per bar in the sample itself.
    """

    n: int
    mean: float
    table: FloatArray
    error: float

    def total(self, column: int) -> FloatArray:
        """Return one column, (n_replicates,)."""
        return self.table[:, column]

    def sharpe_errors(self, periods: float) -> tuple[float, FloatArray]:
        """Return the annualised Sharpe ratio's standard error in the sample and in every resample."""
        year = float(np.sqrt(periods))
        return self.error * year, self.total(_ERROR) * year


def resample(
    values: FloatArray,
    n_replicates: int,
    length: float,
    geometric: bool,
    metrics: set[str],
    tail: float,
    rng: np.random.Generator,
) -> Resampled:
    """Resample ``values`` (n,) in blocks and keep what ``metrics`` need; ``tail`` is the share in the lower tail."""
    from workbench.backtest.statistics.bootstrap_kernels import overlapping_error, replicate_figures

    n, mean = len(values), float(values.mean())
    off = values - mean
    logs = np.log1p(values, where=values > -1.0, out=np.full(n, _RUIN))
    sums = _running([off, off**2])
    more = np.zeros((0, 5))
    if metrics != {"sharpe_ratio"}:
        losses, gains = np.minimum(values, 0.0), np.maximum(values, 0.0)
        more = _running([losses**2, gains, values > 0, values < 0, logs])
    order = np.argsort(values, kind="stable")
    ranks = np.empty(n, dtype=np.int64)
    ranks[order] = np.arange(n)
    table = replicate_figures(
        sums,
        more,
        np.tile(logs, 2),
        np.tile(ranks, 2),
        values[order],
        mean,
        n_replicates,
        length,
        geometric,
        bool(metrics & _WALKED),
        tail if metrics & _TAILED else 0.0,
        rng,
    )
    return Resampled(n, mean, table, overlapping_error(sums, mean, n, int(np.clip(round(length), 1, n))))


def _running(columns: list[npt.NDArray[Any]]) -> FloatArray:
    """Return sums of the first 0 to 2 n values of columns written twice, (2 n + 1, n_columns)."""
    sums = np.zeros((2 * len(columns[0]) + 1, len(columns)))
    np.cumsum(np.tile(np.column_stack(columns), (2, 1)), axis=0, out=sums[1:])
    return sums


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    known = denominator > 0
    return np.where(known, numerator / np.where(known, denominator, 1.0), np.nan)


def _average(r: Resampled) -> FloatArray:
    return r.mean + r.total(_DEVIATION) / r.n


def _deviation(r: Resampled) -> FloatArray:
    """Sample deviation, exactly 0 where all returns drawn are equal."""
    squares = r.total(_SQUARE)
    variance = (squares - r.total(_DEVIATION) ** 2 / r.n) / (r.n - 1)
    return np.sqrt(np.where(variance > _ROUNDING * squares / r.n, variance, 0.0))


def _annual_return(r: Resampled, periods: float) -> FloatArray:
    return np.expm1(r.total(_LOG) / r.n * periods)


def _drawdown(r: Resampled) -> FloatArray:
    return -np.expm1(r.total(_FALL))


def _sortino(r: Resampled, periods: float) -> FloatArray:
    return _ratio(_average(r), np.sqrt(np.maximum(r.total(_DOWNSIDE), 0.0) / r.n)) * np.sqrt(periods)


def _omega(r: Resampled) -> FloatArray:
    losses = r.total(_GAIN) - _average(r) * r.n
    return _ratio(r.total(_GAIN), np.where(r.total(_DOWN) > 0.5, losses, 0.0))


FIGURES: dict[str, Callable[[Resampled, float], FloatArray]] = {
    "annual_return": _annual_return,
    "annual_volatility": lambda r, periods: _deviation(r) * np.sqrt(periods),
    "calmar_ratio": lambda r, periods: _ratio(_annual_return(r, periods), _drawdown(r)),
    "expected_shortfall": lambda r, _: np.maximum(-r.total(_TAIL), -r.total(_QUANTILE)),
    "hit_rate": lambda r, _: _ratio(r.total(_UP), np.round(r.total(_UP) + r.total(_DOWN))),
    "max_drawdown": lambda r, _: _drawdown(r),
    "omega_ratio": lambda r, _: _omega(r),
    "sharpe_ratio": lambda r, periods: _ratio(_average(r), _deviation(r)) * np.sqrt(periods),
    "sortino_ratio": _sortino,
    "total_return": lambda r, _: np.expm1(r.total(_LOG)),
    "value_at_risk": lambda r, _: 0.0 - r.total(_QUANTILE),
}
"""Measures of `workbench.risk` that run compiled."""
