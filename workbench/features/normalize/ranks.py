"""Rank-Gauss: the training rows' quantiles mapped to those of the normal distribution."""

from __future__ import annotations

from statistics import NormalDist
from typing import Self, overload

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.features.normalize.training import (
    Names,
    check_fitted,
    check_lengths,
    like,
    names_of,
    reading,
    same_columns,
    training_rows,
)
from workbench.typing import FloatArray, Json


class RankGauss:
    """Map each column through its training quantiles to standard normal scores.

    Only the order of the values counts, so heavy tails and any monotonic distortion are gone. To be preferred for
    networks and linear models on features of odd shapes. Fitting refuses NaN and infinity; transforming passes NaN on
    and maps what lies beyond the training rows, infinity too, to the outermost score.

    Parameters
    ----------
    n_quantiles
        Quantiles kept per column, at most one per training row.

    Attributes
    ----------
    quantiles_, scores_
        One increasing array per column: values of the training rows and their normal scores. Equal quantiles are kept
        once, with the mean of their scores; a constant column has the one score 0.
    names_, n_rows_
        As in `Standardizer`.

    Notes
    -----
    With m quantiles at ``p_i = (i - 1/2) / m``, i = 1 … m, a value x is mapped to the linear interpolation of
    ``Phi^-1(p_i)`` at x among the quantiles. The outermost score is ``Phi^-1(1 / 2m)``, -3.29 for m = 1000.

    Examples
    --------
    >>> import numpy as np
    >>> from workbench.features.normalize import RankGauss
    >>> RankGauss().fit(np.array([[1.0], [2.0], [300.0]])).transform(np.array([[2.0], [9e9]])).round(3).tolist()
    [[0.0], [0.967]]
    """

    quantiles_: list[FloatArray]
    scores_: list[FloatArray]
    names_: Names
    n_rows_: int

    def __init__(self, n_quantiles: int = 1000) -> None:
        self.n_quantiles = n_quantiles

    def fit(self, X: pd.DataFrame | FloatArray) -> Self:
        """Learn the quantiles of the training rows; see `Standardizer.fit`."""
        self._check()
        values, self.names_ = training_rows("RankGauss", X)
        m = min(self.n_quantiles, len(values))
        shares = (np.arange(m) + 0.5) / m
        normal = NormalDist()
        scores = np.array([normal.inv_cdf(p) for p in shares])
        self.quantiles_, self.scores_ = [], []
        ordered = np.sort(values, axis=0)
        for j in range(values.shape[1]):
            grid = np.interp(shares * len(values) - 0.5, np.arange(len(values)), ordered[:, j])
            kept, place = np.unique(grid, return_inverse=True)
            self.quantiles_.append(kept)
            mean = np.bincount(place, weights=scores) / np.bincount(place)
            self.scores_.append(
                np.where(np.abs(mean) < 1e-12, 0.0, mean)
            )  # a constant column maps to 0, not to rounding
        self.n_rows_ = len(values)
        return self

    @overload
    def transform(self, X: pd.DataFrame) -> pd.DataFrame: ...
    @overload
    def transform(self, X: FloatArray) -> FloatArray: ...
    def transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Return normal scores; see `Standardizer.transform`."""
        check_fitted(self, "quantiles_")
        values = same_columns("RankGauss", X, len(self.quantiles_), self.names_)
        out = np.empty(values.shape)
        for j, (quantiles, scores) in enumerate(zip(self.quantiles_, self.scores_, strict=True)):
            column = values[..., j]
            out[..., j] = np.where(np.isnan(column), np.nan, np.interp(column, quantiles, scores))
        return like(X, out)

    def fit_transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Fit on X and return it transformed."""
        return self.fit(X).transform(X)

    def to_spec(self) -> Json:
        """Return settings and what was learned as plain JSON values."""
        check_fitted(self, "quantiles_")
        return {
            "kind": "rank_gauss",
            "n_quantiles": self.n_quantiles,
            "quantiles": [q.tolist() for q in self.quantiles_],
            "scores": [s.tolist() for s in self.scores_],
            "names": None if self.names_ is None else list(self.names_),
            "n_rows": self.n_rows_,
        }

    @classmethod
    def from_spec(cls, spec: Json) -> Self:
        """Rebuild one from `to_spec`; see `Standardizer.from_spec`."""
        what = "a rank-Gauss normaliser"
        with reading(spec, "rank_gauss", what):
            made = cls(int(spec["n_quantiles"]))
            made._check()
            made.quantiles_ = [np.array(q, dtype=np.float64) for q in spec["quantiles"]]
            made.scores_ = [np.array(s, dtype=np.float64) for s in spec["scores"]]
            made.names_ = names_of(spec)
            made.n_rows_ = int(spec["n_rows"])
            check_lengths(what, made.names_, list(range(len(made.quantiles_))), list(range(len(made.scores_))))
            for quantiles, scores in zip(made.quantiles_, made.scores_, strict=True):
                check_lengths(what, None, quantiles, scores)
                finite = np.isfinite(quantiles).all() and np.isfinite(scores).all()
                if not quantiles.size or not finite or (np.diff(quantiles) <= 0).any() or (np.diff(scores) <= 0).any():
                    raise DataError(f"the spec of {what} holds quantiles that do not increase; write it again")
        return made

    def _check(self) -> None:
        if not isinstance(self.n_quantiles, int) or isinstance(self.n_quantiles, bool) or self.n_quantiles < 2:
            raise ConfigError(f"RankGauss: n_quantiles must be a whole number from 2 on, got {self.n_quantiles!r}")
