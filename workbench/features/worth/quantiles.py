"""What follows each quantile of a feature, without a look ahead: returns, spread, monotony and turnover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.errors import ConfigError
from workbench.features.worth.errors import Estimate, newey_west_lags, newey_west_mean
from workbench.features.worth.information import MIN_ASSETS, Mode, mode_of, row_correlations
from workbench.features.worth.ranks import average_ranks, both_known
from workbench.typing import FloatArray

MIN_HISTORY = 100
"""Own bars before the first quantile of a symbol along time."""
_GROWTH = 1.1


@dataclass(frozen=True, eq=False)
class QuantileReturns:
    """Mean forward return by quantile of the feature, the lowest first.

    Attributes
    ----------
    means
        One estimate per quantile: mean forward return beyond what all held bars earned, a fraction per ``horizon``
        bars. Across symbols beyond the mean of the bar's symbols, along time beyond the symbol's own mean.
    spread
        Highest quantile minus lowest.
    monotony
        Rank correlation of the quantiles' number and mean: 1 rises all the way, -1 falls all the way.
    """

    means: tuple[Estimate, ...]
    spread: Estimate
    monotony: float


def quantile_numbers(x: FloatArray, n_quantiles: int = 5, mode: Mode | None = None) -> FloatArray:
    """Return the quantile of each value, 0 (lowest) to ``n_quantiles - 1``, as it was known at its bar.

    Parameters
    ----------
    x
        (n_bars, n_assets).
    n_quantiles
        5 is usual; across symbols it needs at least as many symbols at a bar.
    mode
        Across symbols by the ranks of the bar. Along time by the symbol's own past: the edges are the quantiles of
        its values before, from 100 on, and are drawn anew each time that these have grown by a tenth.

    Returns
    -------
    array
        NaN where the feature is unknown, has too little past, or has too few symbols at the bar.

    Notes
    -----
    A value on an edge belongs to the quantile above. Rows before t fix the edges used at t, so removing later rows
    changes nothing.
    """
    if n_quantiles < 2:
        raise ConfigError(f"n_quantiles must be at least 2, got {n_quantiles}; 5 is usual")
    if (mode or mode_of(x)) == "cross-section":
        ranks = average_ranks(x)
        n = np.isfinite(x).sum(axis=1)[:, np.newaxis]
        with np.errstate(invalid="ignore", divide="ignore"):
            place = np.floor((ranks - 0.5) / n * n_quantiles)
        return np.where(n >= max(n_quantiles, MIN_ASSETS), place, np.nan)
    return np.column_stack([_by_own_past(x[:, j], n_quantiles) for j in range(x.shape[1])])


def _by_own_past(x: FloatArray, n_quantiles: int) -> FloatArray:
    out = np.full(x.size, np.nan)
    own = np.flatnonzero(np.isfinite(x))
    values = x[own]
    shares = np.arange(1, n_quantiles) / n_quantiles
    start = MIN_HISTORY
    while start < values.size:
        stop = min(int(start * _GROWTH), values.size)
        edges = np.quantile(values[:start], shares)
        out[own[start:stop]] = np.searchsorted(edges, values[start:stop], side="right")
        start = stop
    return out


def quantile_returns(
    numbers: FloatArray, forward: FloatArray, horizon: int, n_quantiles: int = 5, mode: Mode = "cross-section"
) -> QuantileReturns:
    """Return what followed each quantile, with Newey-West errors.

    Parameters
    ----------
    numbers
        (n_bars, n_assets), from `quantile_numbers`.
    forward
        (n_bars, n_assets) forward returns over ``horizon`` bars, fractions.
    """
    known = both_known(numbers, forward)
    excess = _excess(forward, known, mode)
    lags = newey_west_lags(int(known.any(axis=1).sum()), horizon)
    parts = [_terms(known & (numbers == q), excess, known) for q in range(n_quantiles)]
    means = tuple(newey_west_mean(terms, lags, influence) for terms, influence in parts)
    top, bottom = parts[-1], parts[0]
    spread = newey_west_mean(top[0] - bottom[0], lags, top[1] - bottom[1])
    return QuantileReturns(means, spread, _monotony(np.array([m.value for m in means])))


def _excess(forward: FloatArray, known: np.ndarray, mode: Mode) -> FloatArray:
    filled = np.where(known, forward, 0.0)
    axis = 1 if mode == "cross-section" else 0
    mean = filled.sum(axis=axis, keepdims=True) / np.maximum(known.sum(axis=axis, keepdims=True), 1)
    return np.where(known, forward - mean, 0.0)


def _terms(member: np.ndarray, excess: FloatArray, known: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Return a term a bar whose mean is the mean over the quantile's cells, and each bar's influence on it."""
    n, bars = int(member.sum()), known.any(axis=1)
    if not n:
        nothing = np.full(len(known), np.nan)
        return nothing, nothing
    scale = bars.sum() / n
    sums = (excess * member).sum(axis=1)
    terms = np.where(bars, scale * sums, np.nan)
    mean = sums.sum() / n
    return terms, np.where(bars, scale * (sums - mean * member.sum(axis=1)), np.nan)


def _monotony(means: FloatArray) -> float:
    if np.isnan(means).any():
        return float("nan")
    return float(row_correlations(np.arange(means.size, dtype=float)[np.newaxis], means[np.newaxis], min_assets=2)[0])


def turnover(numbers: FloatArray) -> float:
    """Return the share of values that lie in another quantile than at the symbol's bar before.

    Parameters
    ----------
    numbers
        (n_bars, n_assets), from `quantile_numbers`; a value without a quantile ends the comparison.
    """
    before, now = numbers[:-1], numbers[1:]
    known = np.isfinite(before) & np.isfinite(now)
    n = int(known.sum())
    return float(((before != now) & known).sum() / n) if n else float("nan")


def rank_autocorrelation(x: FloatArray, mode: Mode, lag: int = 1) -> float:
    """Return the rank correlation of a feature with itself ``lag`` bars before: 1 never trades, 0 trades all the time.

    Across symbols it is the mean over bars of the correlation across the symbols of a bar, along time the mean over
    symbols of the correlation over its bars.
    """
    if len(x) <= lag:
        return float("nan")
    now, before = (x[lag:], x[:-lag]) if mode == "cross-section" else (x[lag:].T, x[:-lag].T)
    r = row_correlations(now, before, min_assets=MIN_ASSETS)
    return float(np.nanmean(r)) if np.isfinite(r).any() else float("nan")
