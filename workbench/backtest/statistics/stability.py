"""Plateau or spike: whether the neighbours of the winning configuration do about as well."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.typing import FloatArray, IntArray

Verdict = Literal["plateau", "spike", "none"]
_FILLED = 0.3
_LEAST = 4


@dataclass(frozen=True, eq=False)
class Stability:
    """The winner of a search among its neighbours.

    Parameters
    ----------
    verdict
        ``plateau``: both ``score`` and ``share`` reach the threshold; ``spike``: they do not; ``none``: the winner is
        not above zero or has no neighbours, so there is nothing to judge.
    score
        Mean of the neighbours over the winner: about 1 on a plateau, about 0 for a spike. NaN without a verdict.
    share
        Share of the neighbours that reach the threshold times the winner.
    z
        How many standard deviations of its neighbours the winner lies above their mean; NaN where they do not differ.
    winner
        Row of the winner.
    neighbours
        Rows of the neighbours, (n_neighbours,).
    """

    verdict: Verdict
    score: float
    share: float
    z: float
    winner: int
    neighbours: IntArray


def surface_stability(
    parameters: pd.DataFrame,
    statistic: npt.ArrayLike,
    *,
    winner: int | None = None,
    threshold: float = 0.5,
    n_neighbours: int | None = None,
) -> Stability:
    """Say whether the best configuration stands on a plateau or on a spike.

    A rule that works at a window of 50 but not at 49 and 51 has found one path of the past. Ask it of every sweep and
    search before looking at the winner itself.

    Parameters
    ----------
    parameters
        One row for each configuration, one column for each parameter, (n_cells, n_parameters).
    statistic
        Figure of each, higher is better, (n_cells,), such as the Sharpe ratio; NaN (it did not trade) counts as 0.
    winner
        Row to judge; None is the best one, of equal ones the first.
    threshold
        Part of the winner's figure that neighbours must keep, and of the neighbours that must keep it.
    n_neighbours
        Number of nearest configurations to compare with; None takes all adjacent ones on a grid, and twice the number
        of parameters, at least 4, elsewhere.

    Returns
    -------
    Stability

    Notes
    -----
    Distance is counted in ranks along each axis, so that windows of 5, 10, 50 and 200 are one step apart each: by
    values the longest would have no neighbours. Adjacent on a grid is one step at most on every axis, with diagonals.
    Where less than 30 % of the grid is filled (random search), the nearest by the largest difference of ranks, as a
    share of an axis, are taken. Configurations that differ in something that is not a number are no neighbours. Cells
    near each other trade alike, so noise has plateaus too: a spike speaks against a strategy, a plateau not yet for it.

    References
    ----------
    Pardo, R. (2008). The Evaluation and Optimization of Trading Strategies, 2nd ed., ch. 11. Wiley.

    Examples
    --------
    >>> cells = pd.DataFrame({"window": [10, 20, 30, 40, 50]})
    >>> surface_stability(cells, [0.1, 0.0, 2.0, 0.1, 0.2]).verdict
    'spike'
    """
    values = _values(parameters, statistic)
    if not 0 < threshold <= 1:
        raise ConfigError(f"threshold must lie in (0, 1], got {threshold}; 0.5 is usual")
    if n_neighbours is not None and n_neighbours < 1:
        raise ConfigError(f"n_neighbours must be at least 1, got {n_neighbours}")
    best = int(np.argmax(values)) if winner is None else winner
    if not 0 <= best < len(values):
        raise ConfigError(f"winner must be a row from 0 to {len(values) - 1}, got {winner}")
    beside = _Axes(parameters).neighbours(best, n_neighbours)
    top, others = float(values[best]), values[beside]
    if len(others) == 0 or top <= 0:
        return Stability("none", math.nan, math.nan, math.nan, best, beside)
    score, share = float(others.mean()) / top, float((others >= threshold * top).mean())
    spread = float(others.std(ddof=1)) if len(others) > 1 else 0.0
    z = (top - float(others.mean())) / spread if spread > 1e-12 * top else math.nan
    verdict: Verdict = "plateau" if min(score, share) >= threshold else "spike"
    return Stability(verdict, score, share, z, best, beside)


def smoothed_surface(
    parameters: pd.DataFrame, statistic: npt.ArrayLike, *, n_neighbours: int | None = None
) -> FloatArray:
    """Return the mean figure of each configuration and its neighbours, (n_cells,).

    Its maximum is the middle of the best plateau, a more careful choice than the best cell. Parameters are those of
    `surface_stability`.
    """
    values = _values(parameters, statistic)
    axes = _Axes(parameters)
    return np.array([values[[i, *axes.neighbours(i, n_neighbours)]].mean() for i in range(len(values))])


class _Axes:
    """Ranks of configurations along each parameter."""

    def __init__(self, parameters: pd.DataFrame) -> None:
        numbers = [c for c in parameters if pd.api.types.is_numeric_dtype(parameters[c])]
        numbers = [c for c in numbers if not pd.api.types.is_bool_dtype(parameters[c])]
        codes = [pd.factorize(parameters[c], sort=True)[0] for c in numbers]
        self.ranks = np.array(codes, dtype=np.int64).reshape(len(codes), len(parameters))
        self.lengths = self.ranks.max(axis=1, initial=0) + 1
        kinds = parameters.drop(columns=numbers)
        self.kinds = kinds.astype(str).agg("|".join, axis=1).factorize()[0] if kinds.shape[1] else self.ranks[:0].sum(0)
        cells = math.prod(self.lengths.tolist()) * (int(self.kinds.max()) + 1)
        self.is_grid = len(parameters) >= _FILLED * cells

    def neighbours(self, cell: int, count: int | None) -> IntArray:
        steps = np.abs(self.ranks - self.ranks[:, [cell]])
        alike = self.kinds == self.kinds[cell]
        alike[cell] = False
        if self.is_grid and count is None:
            return np.flatnonzero(alike & (steps.max(axis=0, initial=0) <= 1))
        if not self.is_grid:
            steps = steps / self.lengths[:, None]
        known = np.flatnonzero(alike)
        farthest, total = steps.max(axis=0, initial=0)[known], steps.sum(axis=0)[known]
        nearest = known[np.lexsort((known, total, farthest))]
        return nearest[: count or max(_LEAST, 2 * len(self.lengths))]


def _values(parameters: pd.DataFrame, statistic: npt.ArrayLike) -> FloatArray:
    values = np.nan_to_num(np.asarray(statistic, dtype=np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    if values.shape != (len(parameters),) or len(values) == 0 or parameters.shape[1] == 0:
        raise DataError(
            f"statistic must hold one number for each row of parameters {parameters.shape}, got {values.shape}"
        )
    if np.isinf(values).any():
        raise DataError(
            f"statistic is infinite in row {int(np.argmax(np.isinf(values)))}; leave that configuration out"
        )
    if parameters.isna().any(axis=None):
        raise DataError("parameters hold a missing value; every configuration needs all of them")
    return values
