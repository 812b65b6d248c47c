"""A normaliser that learns from the training rows only, and can be written as JSON."""

from __future__ import annotations

from typing import Self, overload

import numpy as np
import pandas as pd

from workbench.errors import DataError, NotFittedError
from workbench.typing import FloatArray, Json


class Standardizer:
    """Subtract the mean and divide by the population standard deviation of the training rows, by column.

    A column that is constant in the training rows is only centred (scale 1). Fit it on the training part of each fold;
    fitting on all rows would let the test part leak into the training.

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
    names_: tuple[str, ...] | None
    n_rows_: int

    def fit(self, X: pd.DataFrame | FloatArray) -> Self:
        """Learn mean and scale.

        Raises
        ------
        DataError
            When X is empty, not two-dimensional, or holds NaN or infinity.
        """
        values = np.asarray(X, dtype=np.float64)
        if values.ndim != 2 or not values.size:
            raise DataError(f"Standardizer.fit needs rows × features, got shape {values.shape}; pass the training rows")
        if not np.isfinite(values).all():
            column = int((~np.isfinite(values)).any(axis=0).argmax())
            name = X.columns[column] if isinstance(X, pd.DataFrame) else column
            raise DataError(f"Standardizer.fit got NaN or infinity in column {name!r}; drop the warm-up rows first")
        self.mean_ = values.mean(axis=0)
        spread = values.std(axis=0)
        rounding = 10 * np.finfo(np.float64).eps * np.abs(values).max(axis=0)
        self.scale_ = np.where(spread > rounding, spread, 1.0)
        self.names_ = tuple(map(str, X.columns)) if isinstance(X, pd.DataFrame) else None
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
        self._check_fitted()
        width = X.shape[-1] if X.ndim else 0
        if width != self.mean_.size:
            raise DataError(f"Standardizer was fitted on {self.mean_.size} features, got {width}; use the same specs")
        if not isinstance(X, pd.DataFrame):
            return (np.asarray(X, dtype=np.float64) - self.mean_) / self.scale_
        if self.names_ is not None and tuple(map(str, X.columns)) != self.names_:
            raise DataError(
                f"Standardizer was fitted on {list(self.names_)}, got {list(X.columns)}; use the same order"
            )
        values = (X.to_numpy(dtype=np.float64) - self.mean_) / self.scale_
        return pd.DataFrame(values, index=X.index, columns=X.columns, copy=False)

    def fit_transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Fit on X and return it transformed."""
        return self.fit(X).transform(X)

    def to_spec(self) -> Json:
        """Return what was learned as plain JSON values; floats survive the trip bit for bit."""
        self._check_fitted()
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
        made = cls()
        try:
            if spec["kind"] != "standardizer":
                raise DataError(f"this is the spec of {spec['kind']!r}, not of a standardizer; give the right one")
            made.mean_ = np.array(spec["mean"], dtype=np.float64)
            made.scale_ = np.array(spec["scale"], dtype=np.float64)
            names = spec["names"]
            made.names_ = None if names is None else tuple(map(str, names))
            made.n_rows_ = int(spec["n_rows"])
        except (KeyError, TypeError, ValueError) as err:
            if isinstance(err, DataError):
                raise
            raise DataError(
                f"the spec of a standardizer lacks or garbles {err}; write it again with to_spec()"
            ) from err
        made._check_learned()
        return made

    def _check_fitted(self) -> None:
        if not hasattr(self, "mean_"):
            raise NotFittedError("Standardizer is not fitted; call fit(X) on the training rows first")

    def _check_learned(self) -> None:
        same = self.mean_.ndim == 1 and self.mean_.shape == self.scale_.shape
        if not same or (self.names_ is not None and len(self.names_) != self.mean_.size):
            raise DataError("the spec of a standardizer has lists of differing lengths; write it again with to_spec()")
        if not (np.isfinite(self.mean_).all() and np.isfinite(self.scale_).all() and (self.scale_ > 0).all()):
            raise DataError("the spec of a standardizer holds a scale that is not positive and finite; write it again")
