"""Z-scores, plain and robust: centre and scale of the training rows, by column."""

from __future__ import annotations

from typing import Self, overload

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.errors import ConfigError
from workbench.features.normalize.training import (
    Names,
    check_fitted,
    check_lengths,
    check_numbers,
    like,
    names_of,
    reading,
    same_columns,
    spread_of,
    training_rows,
)
from workbench.typing import FloatArray, Json


class Standardizer:
    """Subtract the mean and divide by the population standard deviation of the training rows, by column.

    A column that is constant in the training rows is only centred (scale 1). Fit it on the training part of each fold;
    fitting on all rows would let the test part leak into the training. Fitting refuses NaN and infinity; transforming
    passes them on.

    Attributes
    ----------
    mean_, scale_
        float64, shape (n_features,).
    names_
        Column names where it was fitted on a frame, else None.
    n_rows_
        Rows it was fitted on.

    Examples
    --------
    >>> import numpy as np
    >>> from workbench.features import Standardizer
    >>> Standardizer().fit(np.array([[0.0], [2.0]])).transform(np.array([[4.0]]))
    array([[3.]])
    """

    mean_: FloatArray
    scale_: FloatArray
    names_: Names
    n_rows_: int

    def fit(self, X: pd.DataFrame | FloatArray) -> Self:
        """Learn mean and scale.

        Raises
        ------
        DataError
            When X is empty, not two-dimensional, or holds NaN or infinity.
        """
        values, self.names_ = training_rows("Standardizer", X)
        self.mean_ = values.mean(axis=0)
        self.scale_ = spread_of(values)
        self.n_rows_ = len(values)
        return self

    @overload
    def transform(self, X: pd.DataFrame) -> pd.DataFrame: ...
    @overload
    def transform(self, X: FloatArray) -> FloatArray: ...
    def transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Return X in the training rows' units; a frame stays a frame, an array may have axes before the features.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            When the columns differ from those it was fitted on.
        """
        check_fitted(self, "mean_")
        values = same_columns("Standardizer", X, self.mean_.size, self.names_)
        return like(X, (values - self.mean_) / self.scale_)

    def fit_transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Fit on X and return it transformed."""
        return self.fit(X).transform(X)

    def to_spec(self) -> Json:
        """Return what was learned as plain JSON values; floats survive the trip bit for bit."""
        check_fitted(self, "mean_")
        return {
            "kind": "standardizer",
            "mean": self.mean_.tolist(),
            "scale": self.scale_.tolist(),
            "names": None if self.names_ is None else list(self.names_),
            "n_rows": self.n_rows_,
        }

    @classmethod
    def from_spec(cls, spec: Json) -> Self:
        """Rebuild one from `to_spec`.

        Raises
        ------
        DataError
            When the spec is not one of a standardiser, or its numbers do not fit together.
        """
        made, what = cls(), "a standardizer"
        with reading(spec, "standardizer", what):
            made.mean_ = np.array(spec["mean"], dtype=np.float64)
            made.scale_ = np.array(spec["scale"], dtype=np.float64)
            made.names_ = names_of(spec)
            made.n_rows_ = int(spec["n_rows"])
        check_lengths(what, made.names_, made.mean_, made.scale_)
        check_numbers(what, made.mean_, made.scale_)
        return made


_NORMAL = {"mad": 1.482602218505602, "iqr": 1 / 1.3489795003921634}
"""What a median absolute deviation or an interquartile range of normal values is multiplied by to give their sigma."""


class RobustStandardizer:
    """Subtract the median and divide by a scale that outliers do not move, by column.

    To be preferred where a few large values would stretch the standard deviation: volumes, funding, returns. Fitting
    refuses NaN and infinity; transforming passes NaN on.

    Parameters
    ----------
    scale
        ``"mad"``: median absolute deviation, ``"iqr"``: distance of the quartiles; both scaled to equal the standard
        deviation of normal values.
    clip
        Values beyond ± clip are set to it; 0 = none are.

    Attributes
    ----------
    center_, scale_
        float64, shape (n_features,). Where more than half of the values are equal the scale would be 0: there the
        standard deviation stands in, and 1 where the column is constant.
    names_, n_rows_
        As in `Standardizer`.
    """

    center_: FloatArray
    scale_: FloatArray
    names_: Names
    n_rows_: int

    def __init__(self, scale: str = "mad", clip: float = 0.0) -> None:
        self.scale, self.clip = scale, clip

    def fit(self, X: pd.DataFrame | FloatArray) -> Self:
        """Learn centre and scale from the training rows; see `Standardizer.fit`."""
        self._check()
        values, self.names_ = training_rows("RobustStandardizer", X)
        self.center_ = np.median(values, axis=0)
        if self.scale == "mad":
            width = np.median(np.abs(values - self.center_), axis=0)
        else:
            low, high = np.quantile(values, [0.25, 0.75], axis=0)
            width = high - low
        plain = spread_of(values)
        self.scale_ = np.where(width > 1e-12 * np.abs(self.center_), width * _NORMAL[self.scale], plain)
        self.n_rows_ = len(values)
        return self

    @overload
    def transform(self, X: pd.DataFrame) -> pd.DataFrame: ...
    @overload
    def transform(self, X: FloatArray) -> FloatArray: ...
    def transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Return X in robust units of the training rows; see `Standardizer.transform`."""
        check_fitted(self, "center_")
        values = same_columns("RobustStandardizer", X, self.center_.size, self.names_)
        scaled = (values - self.center_) / self.scale_
        return like(X, np.clip(scaled, -self.clip, self.clip) if self.clip else scaled)

    def fit_transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Fit on X and return it transformed."""
        return self.fit(X).transform(X)

    def to_spec(self) -> Json:
        """Return settings and what was learned as plain JSON values."""
        check_fitted(self, "center_")
        return {
            "kind": "robust_standardizer",
            "method": self.scale,
            "clip": self.clip,
            "center": self.center_.tolist(),
            "scale": self.scale_.tolist(),
            "names": None if self.names_ is None else list(self.names_),
            "n_rows": self.n_rows_,
        }

    @classmethod
    def from_spec(cls, spec: Json) -> Self:
        """Rebuild one from `to_spec`; see `Standardizer.from_spec`."""
        what = "a robust standardizer"
        with reading(spec, "robust_standardizer", what):
            made = cls(scale=str(spec["method"]), clip=float(spec["clip"]))
            made._check()
            made.center_ = np.array(spec["center"], dtype=np.float64)
            made.scale_ = np.array(spec["scale"], dtype=np.float64)
            made.names_ = names_of(spec)
            made.n_rows_ = int(spec["n_rows"])
        check_lengths(what, made.names_, made.center_, made.scale_)
        check_numbers(what, made.center_, made.scale_)
        return made

    def _check(self) -> None:
        if self.scale not in _NORMAL:
            hint = did_you_mean(str(self.scale), _NORMAL)
            raise ConfigError(f"RobustStandardizer: scale is {self.scale!r}.{hint}")
        if not np.isfinite(self.clip) or self.clip < 0:
            raise ConfigError(f"RobustStandardizer: clip must be 0 or more, got {self.clip!r}; 0 turns it off")
