"""Intervals for headline figures by the block bootstrap, which keeps what neighbouring returns have in common."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import risk
from workbench.backtest.statistics.figures import FIGURES, resample
from workbench.backtest.statistics.intervals import METHODS, Method, bca_bounds, percentile_bounds, studentised_bounds
from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.risk.series import Returns, clean, resolve_periods
from workbench.typing import FloatArray

Scheme = Literal["stationary", "circular"]
Statistic = Callable[[FloatArray], float]

HEADLINE = (
    "total_return",
    "annual_return",
    "annual_volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown",
    "calmar_ratio",
    "value_at_risk",
    "expected_shortfall",
    "hit_rate",
)
SCHEMES = ("stationary", "circular")
_CELLS = 2_000_000
_MOST_LEFT_OUT = 200


@dataclass(frozen=True, eq=False)
class Interval:
    """A figure with its interval.

    Parameters
    ----------
    metric
        Name of the figure.
    value
        In the sample itself.
    low, high
        Bounds; NaN where the figure is undefined in more than half of the resamples.
    confidence
        Share of such intervals that hold the true value, as intended.
    method
        How the bounds were found.
    replicates
        The figure in every resample, (n_replicates,).
    block_length
        Mean length of the blocks, in bars.
    """

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    method: str
    replicates: FloatArray
    block_length: float


def optimal_block_length(values: npt.ArrayLike) -> tuple[float, float]:
    """Return the block lengths with the least error for the mean of a series: stationary, circular.

    Parameters
    ----------
    values
        A series without missing values, (n_obs,), at least 8.

    Returns
    -------
    tuple of float
        Bars, 1 or more; at most ``min(3 √n, n / 3)``.

    Notes
    -----
    ``(2 g² / d · n)^(1/3)`` with a flat-top window over the autocovariances up to twice the lag after which they stay
    within ``2 √(log₁₀ n / n)``; d of the stationary bootstrap is the corrected one of 2009, where the first paper's
    asks for blocks that are too short.

    References
    ----------
    Politis, D. N. and White, H. (2004). Automatic Block-Length Selection for the Dependent Bootstrap. Econometric
    Reviews 23(1), 53-70. Patton, A., Politis, D. N. and White, H. (2009). Correction. Econometric Reviews 28(4).
    """
    series = np.asarray(values, dtype=np.float64)
    n = len(series)
    if series.ndim != 1 or n < 8:
        raise DataError(f"optimal_block_length needs a series of at least 8 values, got {series.shape}")
    if np.ptp(series) == 0:
        return 1.0, 1.0
    centred = series - series.mean()
    run = max(5, int(math.log10(n)))
    most = math.ceil(math.sqrt(n)) + run
    most = min(most, n - 2)
    covariances = np.array([centred[k:] @ centred[: n - k] for k in range(most + 1)]) / n
    squares = np.cumsum(centred**2)
    # each autocorrelation is taken over the values that it pairs
    scale = np.array([math.sqrt((squares[-1] - squares[k]) * squares[n - k - 2]) for k in range(most + 1)])
    small = np.abs(covariances) * n < 2.0 * math.sqrt(math.log10(n) / n) * scale
    quiet = [i for i in range(most + 1 - run) if small[i : i + run].all()]
    width = min(2 * max(quiet[0], 1) if quiet else most, most)
    lags = np.arange(1, width + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - lags / width))
    slope = 2.0 * float(window * lags @ covariances[1 : width + 1])
    long_run = float(covariances[0] + 2.0 * window @ covariances[1 : width + 1])
    largest = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    if long_run == 0:
        return float(largest), float(largest)
    lengths = [(2.0 * slope**2 / (d * long_run**2) * n) ** (1 / 3) for d in (2.0, 4.0 / 3.0)]
    return float(np.clip(lengths[0], 1, largest)), float(np.clip(lengths[1], 1, largest))


def bootstrap_interval(
    returns: Returns,
    statistic: str | Statistic = "sharpe_ratio",
    *,
    confidence: float = 0.95,
    replicates: int = 1_000,
    method: Method | None = None,
    scheme: Scheme = "stationary",
    block_length: float | None = None,
    periods_per_year: float | None = None,
    tail: float = 0.95,
    seed: int | np.random.Generator = 0,
) -> Interval:
    """Return an interval for one figure of a return series.

    Parameters
    ----------
    returns
        Simple returns as fractions, (n_bars,), at least 8; NaN are left out.
    statistic
        Name of a measure of `workbench.risk`, or a function of a vector of returns. Names in ``FIGURES`` run compiled,
        others build every resample, which is for short series.
    confidence
        Of the interval, usually 0.95.
    replicates
        Number of resamples, usually 1,000.
    method
        ``studentised`` (the Sharpe ratio alone, and its default), ``percentile`` (the default of the others) or
        ``bca``, which corrects bias and skewness.
    scheme
        ``stationary``: block lengths vary around their mean; ``circular``: they are equal.
    block_length
        Mean bars of a block; None takes `optimal_block_length` of the returns or of their squared deviations, whichever
        is longer.
    periods_per_year
        Bars in a year; inferred from the index of a Series.
    tail
        Confidence of value at risk and expected shortfall.
    seed
        Of the resamples.

    Returns
    -------
    Interval

    Notes
    -----
    Drawing single returns instead of blocks breaks up trends and spells of volatility: intervals come out too narrow.
    So do blocks whose length comes from the returns alone, which hardly correlate while their size does. The percentile
    interval of a drawdown says how deep it might have been with the same returns in other orders of blocks.

    References
    ----------
    Politis, D. N. and Romano, J. P. (1994). The Stationary Bootstrap. JASA 89(428), 1303-1313. Ledoit, O. and Wolf, M.
    (2008). Robust Performance Hypothesis Testing with the Sharpe Ratio. Journal of Empirical Finance 15(5), 850-859.
    Efron, B. (1987). Better Bootstrap Confidence Intervals. JASA 82(397), 171-185.
    """
    name = statistic if isinstance(statistic, str) else getattr(statistic, "__name__", "statistic")
    metrics: dict[str, str | Statistic] = {name: statistic}
    return _intervals(
        returns, metrics, confidence, replicates, method, scheme, block_length, periods_per_year, tail, seed
    )[0]


def headline_intervals(
    returns: Returns,
    *,
    metrics: Sequence[str] = HEADLINE,
    confidence: float = 0.95,
    replicates: int = 1_000,
    scheme: Scheme = "stationary",
    block_length: float | None = None,
    periods_per_year: float | None = None,
    tail: float = 0.95,
    seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Return every headline figure with an interval, all from the same resamples.

    Parameters are those of `bootstrap_interval`; each metric has its default method.

    Returns
    -------
    DataFrame
        Columns ``metric``, ``value``, ``low``, ``high``, ``confidence``, in the order of ``metrics``.
    """
    found = _intervals(
        returns,
        {m: m for m in metrics},
        confidence,
        replicates,
        None,
        scheme,
        block_length,
        periods_per_year,
        tail,
        seed,
    )
    columns = ["metric", "value", "low", "high", "confidence"]
    return pd.DataFrame([[getattr(row, c) for c in columns] for row in found], columns=columns)


def sharpe_interval(
    returns: Returns,
    *,
    confidence: float = 0.95,
    replicates: int = 1_000,
    periods_per_year: float | None = None,
    block_length: float | None = None,
    seed: int | np.random.Generator = 0,
) -> tuple[float, float]:
    """Return the studentised interval of the annualised Sharpe ratio: low, high."""
    found = bootstrap_interval(
        returns,
        confidence=confidence,
        replicates=replicates,
        periods_per_year=periods_per_year,
        block_length=block_length,
        seed=seed,
    )
    return found.low, found.high


def _intervals(
    returns: Returns,
    metrics: dict[str, str | Statistic],
    confidence: float,
    replicates: int,
    method: Method | None,
    scheme: Scheme,
    block_length: float | None,
    periods_per_year: float | None,
    tail: float,
    seed: int | np.random.Generator,
) -> list[Interval]:
    values = clean(returns, "bootstrap_interval", minimum=8)
    _check(confidence, replicates, method, scheme, list(metrics))
    length = _block_length(values, scheme, block_length)
    # measures that know no years do not ask for them
    periods = _periods(returns, periods_per_year, metrics)
    state = np.random.default_rng(seed)
    entropy = int(state.integers(2**63))  # every figure sees the same resamples, whichever others are asked for
    fast = [m for m in metrics if metrics[m] == m and m in FIGURES]
    resampled = None
    if fast:
        geometric = scheme == "stationary"
        rng = np.random.default_rng(entropy)
        resampled = resample(values, replicates, length, geometric, set(fast), 1.0 - tail, rng)
    found = []
    for name, wanted in metrics.items():
        function = _function(wanted, periods, tail)
        if name in fast and resampled is not None:
            draws = FIGURES[name](resampled, periods)
        else:
            draws = _slow(values, function, replicates, length, scheme, np.random.default_rng(entropy))
        chosen = method or ("studentised" if name == "sharpe_ratio" and name in fast else "percentile")
        value = float(function(values))
        if chosen == "studentised":
            if name != "sharpe_ratio" or resampled is None:
                raise ConfigError(f"method 'studentised' is for sharpe_ratio, got {name!r}; use 'bca' or 'percentile'")
            bounds = studentised_bounds(value, draws, *resampled.sharpe_errors(periods), confidence)
        elif chosen == "bca":
            bounds = bca_bounds(value, draws, _jackknife(values, function, length), confidence)
        else:
            bounds = percentile_bounds(draws, confidence)
        found.append(Interval(name, value, *bounds, confidence, chosen, draws, length))
    return found


def _function(statistic: str | Statistic, periods: float, tail: float) -> Statistic:
    if not isinstance(statistic, str):
        return statistic
    function = risk.get_measure(statistic).function
    known = {"periods_per_year": periods, "confidence": tail}
    wanted = inspect.signature(function).parameters
    given = {k: v for k, v in known.items() if k in wanted}
    return lambda values: function(values, **given)


def _slow(
    values: FloatArray, function: Statistic, replicates: int, length: float, scheme: Scheme, rng: np.random.Generator
) -> FloatArray:
    from workbench.backtest.statistics.bootstrap_kernels import resample_rows

    draws = np.empty(replicates)
    step = max(1, _CELLS // len(values))
    for start in range(0, replicates, step):
        count = min(step, replicates - start)
        rows = resample_rows(len(values), count, length, scheme == "stationary", rng)
        draws[start : start + count] = [function(values[row]) for row in rows]
    return draws


def _jackknife(values: FloatArray, function: Statistic, length: float) -> FloatArray:
    """Return the figure with one stretch left out at a time, stretches at least as long as a block."""
    n = len(values)
    parts = max(2, min(int(n // max(length, 1.0)), _MOST_LEFT_OUT))
    edges = np.linspace(0, n, parts + 1).astype(np.int64)
    return np.array([function(np.concatenate([values[:a], values[b:]])) for a, b in itertools.pairwise(edges)])


def _block_length(values: FloatArray, scheme: Scheme, block_length: float | None) -> float:
    if block_length is None:
        which = SCHEMES.index(scheme)
        chosen = max(optimal_block_length(v)[which] for v in (values, (values - values.mean()) ** 2))
    elif not 1 <= block_length <= len(values):
        raise ConfigError(
            f"block_length must be from 1 to the {len(values)} returns, got {block_length}; None finds one"
        )
    else:
        chosen = float(block_length)
    return chosen if scheme == "stationary" else float(max(1, round(chosen)))


def _periods(returns: Any, periods_per_year: float | None, metrics: dict[str, str | Statistic]) -> float:
    asked = [
        m
        for m, wanted in metrics.items()
        if isinstance(wanted, str)
        and "periods_per_year" in inspect.signature(risk.get_measure(wanted).function).parameters
    ]
    return resolve_periods(returns, periods_per_year, asked[0]) if asked else 1.0


def _check(confidence: float, replicates: int, method: str | None, scheme: str, metrics: list[str]) -> None:
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence must lie in (0, 1), got {confidence}; 0.95 is usual")
    if replicates < 2:
        raise ConfigError(f"replicates must be at least 2, got {replicates}; 1000 is usual")
    if method is not None and method not in METHODS:
        raise ConfigError(
            f"unknown method {method!r}; choose from {', '.join(METHODS)}.{did_you_mean(method, METHODS)}"
        )
    if scheme not in SCHEMES:
        raise ConfigError(
            f"unknown scheme {scheme!r}; choose from {', '.join(SCHEMES)}.{did_you_mean(scheme, SCHEMES)}"
        )
    if not metrics:
        raise ConfigError("metrics is empty; name at least one, such as sharpe_ratio")
