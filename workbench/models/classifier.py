"""The contract every model keeps: checks at `fit` and `predict`, three classes always, clear behaviour on thin data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from workbench.errors import DataError, NotFittedError
from workbench.models.metrics import CLASSES, check_labels, top_class
from workbench.models.registry import check_parameters
from workbench.typing import FloatArray, IntArray

MIN_ROWS = 10
_CHUNK = 4096
_LARGEST = 1e30  # float32, in which nets compute, ends at 3.4e38


class DirectionClassifier(ClassifierMixin, BaseEstimator, ABC):
    """Forecasts bear (-1), neutral (0) or bull (+1); subclasses say how in `_fit` and `_forecast`.

    ``X`` is (n, n_features), or (n, lookback, n_features) where ``lookback`` is above 1; rows are in time order.
    ``predict_proba`` always has three columns in the order -1, 0, +1, whichever classes the training rows held.

    Notes
    -----
    A learning model needs at least ten rows. Where they hold a single class there is nothing to tell apart: the
    forecast is then the same for every row and kept in ``constant_``: Laplace's rule of succession
    ``(count_k + 1) / (n + 3)``.
    """

    name: ClassVar[str] = ""
    learns: ClassVar[bool] = True
    weights: ClassVar[Literal["none", "skops", "safetensors"]] = "none"
    lookback: int = 1

    classes_: IntArray
    n_features_in_: int
    class_counts_: IntArray
    constant_: FloatArray | None

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn from rows in time order.

        Parameters
        ----------
        X
            (n, n_features) or (n, lookback, n_features), finite, standardised where scale matters.
        y
            (n,) labels -1, 0 or +1, all known.

        Raises
        ------
        ConfigError
            When a parameter does not fit.
        DataError
            When shapes do not match, a value is not finite, a label is not -1, 0 or +1, or there are too few rows.
        """
        check_parameters(self.name, self.get_params(deep=False))
        self._forget()
        rows = self._check_rows(X)
        labels = check_labels(y, len(rows))
        if self.learns and len(rows) < MIN_ROWS:
            raise DataError(
                f"model {self.name!r} needs at least {MIN_ROWS} training rows, got {len(rows)}; lengthen train_size"
            )
        counts = np.bincount(labels + 1, minlength=3)
        constant = None
        if self.learns and np.count_nonzero(counts) == 1:
            constant = (counts + 1) / (counts.sum() + 3)
            self._fit_single_class()
        else:
            self._fit(rows, labels)
        self.classes_ = CLASSES.copy()
        self.n_features_in_ = int(rows.shape[-1])
        self.class_counts_ = counts
        self.constant_ = constant
        return self

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:
        """Return (n, 3) probabilities of bear, neutral and bull; each row sums to 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            When the width differs from the one at `fit`, or a value is not finite.
        """
        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"model {self.name!r} has not learned anything yet; call fit(X, y) first")
        rows = self._check_rows(X)
        if rows.shape[-1] != self.n_features_in_:
            raise DataError(
                f"X has {rows.shape[-1]} features, but model {self.name!r} was fitted with {self.n_features_in_}"
            )
        if len(rows) == 0:
            return np.zeros((0, 3))
        proba = np.tile(self.constant_, (len(rows), 1)) if self.constant_ is not None else self._forecast(rows)
        if not np.isfinite(proba).all():
            row = int(np.flatnonzero(~np.isfinite(proba).all(axis=1))[0])
            raise DataError(
                f"model {self.name!r} has no finite forecast for row {row}; its weights or features are out of range"
            )
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X: npt.ArrayLike) -> IntArray:
        """Return (n,) the most probable class, 0 (no direction) where the top is shared."""
        return top_class(self.predict_proba(X))

    @abstractmethod
    def _fit(self, X: FloatArray, y: IntArray) -> None:
        """Learn from checked rows that hold at least two classes."""

    def _fit_single_class(self) -> None:
        """Set what else a model shows after `fit`, where there was nothing to learn."""

    @abstractmethod
    def _forecast(self, X: FloatArray) -> FloatArray:
        """Return (n, 3) non-negative scores of checked rows, to be normalised."""

    def _forget(self) -> None:
        """Drop what an earlier `fit` learned, so that a failed one leaves no half-old model."""
        for learned in [k for k in vars(self) if k.endswith("_") and not k.startswith("_")]:
            delattr(self, learned)

    def _check_rows(self, X: npt.ArrayLike) -> FloatArray:
        try:
            rows = np.asarray(X)
            if rows.dtype not in (np.float64, np.float32):
                rows = rows.astype(np.float64)
        except (ValueError, TypeError):
            raise DataError(
                f"X must hold numbers only, got {type(X).__name__} that cannot be read as an array of floats"
            ) from None
        self._check_shape(rows)
        for start in range(0, len(rows), _CHUNK):  # in pieces: a window view is far larger than its memory
            piece = rows[start : start + _CHUNK]
            good = np.abs(piece) <= _LARGEST  # False for NaN too
            if not good.all():
                where = np.argwhere(~good)[0]
                value, row = piece[tuple(where)], start + where[0]
                raise DataError(
                    f"X is {value} at row {row}, column {where[-1]}; drop warm-up rows, fill the gap or scale it"
                )
        return rows

    def _check_shape(self, rows: npt.NDArray[Any]) -> None:
        windowed = self.lookback > 1
        if rows.ndim != (3 if windowed else 2) or rows.shape[-1] == 0:
            wanted = (
                f"(n, {self.lookback}, n_features); make it with windows(X, groups, {self.lookback})"
                if windowed
                else "(n, n_features)"
            )
            raise DataError(f"X of model {self.name!r} must have the shape {wanted}, got {rows.shape}")
        if windowed and rows.shape[1] != self.lookback:
            raise DataError(
                f"X has windows of {rows.shape[1]} bars, but model {self.name!r} has lookback={self.lookback}"
            )


def three_columns(proba: FloatArray, classes: IntArray) -> FloatArray:
    """Spread the columns of the classes seen in training over bear, neutral and bull; an unseen class gets 0."""
    full = np.zeros((len(proba), 3))
    full[:, np.asarray(classes, dtype=np.int64) + 1] = proba
    return full
