"""Regimes by the training rows' quantiles of one feature."""

from __future__ import annotations

from typing import Self, overload

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.features.normalize.training import (
    Names,
    check_fitted,
    names_of,
    reading,
    same_columns,
    training_rows,
)
from workbench.typing import FloatArray, IntArray, Json


class QuantileRegimes:
    """Cut one feature, usually a volatility, at the quantiles of its training rows: state 0 the lowest part.

    The plainest model of regimes, and the one to beat. Fitting refuses NaN and infinity; a NaN to predict gives -1.

    Parameters
    ----------
    n_states
        Parts of equal shares of the training rows, from 2 to 20.

    Attributes
    ----------
    edges_
        The n_states - 1 cuts, shape (n_states - 1,); a value on a cut belongs to the part above it.
    names_, n_rows_
        As in `workbench.features.Standardizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from workbench.features.regimes import QuantileRegimes
    >>> QuantileRegimes(2).fit(np.array([[1.0], [2.0], [3.0]])).predict(np.array([[1.9], [2.0]])).tolist()
    [0, 1]
    """

    edges_: FloatArray
    names_: Names
    n_rows_: int

    def __init__(self, n_states: int = 3) -> None:
        self.n_states = n_states

    def fit(self, X: pd.DataFrame | FloatArray) -> Self:
        """Learn the cuts from rows × 1 feature.

        Raises
        ------
        DataError
            Another number of features, or NaN or infinity.
        """
        self._check()
        values, self.names_ = training_rows("QuantileRegimes", X)
        if values.shape[1] != 1:
            raise DataError(
                f"QuantileRegimes.fit takes one feature, got {values.shape[1]}; choose a column: X[['vol']]"
            )
        self.edges_ = np.quantile(values[:, 0], np.arange(1, self.n_states) / self.n_states)
        self.n_rows_ = len(values)
        return self

    @overload
    def predict(self, X: pd.DataFrame) -> pd.Series: ...
    @overload
    def predict(self, X: FloatArray) -> IntArray: ...
    def predict(self, X: pd.DataFrame | FloatArray) -> pd.Series | IntArray:
        """Return the state of each row, 0 to n_states - 1; -1 for NaN."""
        check_fitted(self, "edges_")
        column = same_columns("QuantileRegimes", X, 1, self.names_)[:, 0]
        states = np.where(np.isnan(column), -1, np.searchsorted(self.edges_, column, side="right")).astype(np.int64)
        return pd.Series(states, index=X.index, name="regime") if isinstance(X, pd.DataFrame) else states

    def to_spec(self) -> Json:
        """Return what was learned as plain JSON values; floats survive the trip bit for bit."""
        check_fitted(self, "edges_")
        names = None if self.names_ is None else list(self.names_)
        return {"kind": "quantile_regimes", "edges": self.edges_.tolist(), "names": names, "n_rows": self.n_rows_}

    @classmethod
    def from_spec(cls, spec: Json) -> Self:
        """Rebuild one from `to_spec`.

        Raises
        ------
        DataError
            When the spec is not one of quantile regimes, or its cuts do not increase.
        """
        what = "quantile regimes"
        with reading(spec, "quantile_regimes", what):
            edges = np.array(spec["edges"], dtype=np.float64)
            made = cls(edges.size + 1)
            made._check()
            made.edges_, made.names_, made.n_rows_ = edges, names_of(spec), int(spec["n_rows"])
            if edges.ndim != 1 or not np.isfinite(edges).all() or (np.diff(edges) < 0).any():
                raise DataError(f"the spec of {what} holds cuts that do not increase; write it again with to_spec()")
        return made

    def _check(self) -> None:
        states = self.n_states
        if not isinstance(states, int) or isinstance(states, bool) or not 2 <= states <= 20:
            raise ConfigError(f"QuantileRegimes: n_states must be a whole number from 2 to 20, got {states!r}")
