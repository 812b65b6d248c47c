"""Fractional differentiation over a fixed window: as much memory of a level as stationarity allows.

References
----------
Hosking (1981), Fractional differencing, Biometrika 68. López de Prado (2018), Advances in Financial Machine Learning,
ch. 5.5 (fixed-width window). MacKinnon (2010), Critical values for cointegration tests, Queen's Economics Department
working paper 1227.
"""

from __future__ import annotations

from typing import Self, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.features.normalize.training import (
    Names,
    Rows,
    check_fitted,
    check_lengths,
    like,
    names_of,
    reading,
    same_columns,
    series_rows,
    training_rows,
)
from workbench.features.registry import indicator
from workbench.typing import FloatArray, Json

MOST_WEIGHTS = 100_000
_BLOCK = 8192
_MACKINNON = {  # constant, no trend: c0 + c1 / T + c2 / T**2 + c3 / T**3
    0.01: (-3.43035, -6.5393, -16.786, -79.433),
    0.05: (-2.86154, -2.8903, -4.234, -40.040),
    0.10: (-2.56677, -1.5384, -2.809, 0.0),
}


def difference_weights(d: float, threshold: float = 1e-4) -> FloatArray:
    """Return the weights of the newest value, the one before, …, cut before the first smaller than ``threshold``.

    ``w_0 = 1, w_k = -w_(k-1) (d - k + 1) / k``: the binomial series of (1 - L)^d. One weight for d = 0, two for d = 1.

    Examples
    --------
    >>> from workbench.features.normalize import difference_weights
    >>> difference_weights(0.5, 0.05).tolist()
    [1.0, -0.5, -0.125, -0.0625]
    """
    if not 0 <= d <= 2:
        raise ConfigError(f"d must be from 0 to 2, got {d!r}; 0 leaves the series, 1 differences it")
    if not 1e-8 <= threshold < 1:
        raise ConfigError(f"threshold must be from 1e-8 to below 1, got {threshold!r}; 1e-4 is usual")
    weights = [1.0]
    while len(weights) <= MOST_WEIGHTS:
        k = len(weights)
        w = -weights[-1] * (d - k + 1) / k
        if abs(w) < threshold:
            return np.array(weights)
        weights.append(w)
    raise ConfigError(f"d={d} with threshold={threshold} needs more than {MOST_WEIGHTS} bars; raise the threshold")


def frac_diff_array(x: FloatArray, d: float, threshold: float = 1e-4) -> FloatArray:
    """Return the fractional difference of a series, shape (n,); NaN on the first ``len(weights) - 1`` rows."""
    weights = difference_weights(d, threshold)
    lead = weights.size - 1
    out = np.full(x.size, np.nan)
    product = np.empty(_BLOCK)
    for first in range(lead, x.size, _BLOCK):
        last = min(first + _BLOCK, x.size)
        total = x[first:last].copy()
        for lag in range(1, weights.size):  # newest first, for every row alike: a cut of the future changes no bit
            total += np.multiply(x[first - lag : last - lag], weights[lag], out=product[: last - first])
        out[first:last] = total
    return out


def _warmup(d: float, threshold: float) -> int:
    return difference_weights(d, threshold).size - 1


@indicator(
    "frac_diff",
    warmup=_warmup,
    family="returns",
    bounds={"d": (0.0, 2.0), "threshold": (1e-8, 0.5)},
    stationary=False,
    references=("López de Prado (2018), Advances in Financial Machine Learning, ch. 5.5",),
)
def frac_diff(close: FloatArray, *, d: float = 0.4, threshold: float = 1e-4) -> FloatArray:
    """Fractional difference of the log close, fixed window: 0 the log price itself, 1 the log return.

    Notes
    -----
    ``sum(w_k ln close[t - k])`` with the weights of `difference_weights`; the default looks back 282 bars. The cut
    weights do not add to 0, so the level still shifts a little with the price scale.
    """
    return frac_diff_array(np.log(close), d, threshold)


def adf_statistic(x: npt.ArrayLike, lags: int = 1) -> float:
    """Return the t-value of the augmented Dickey-Fuller test with a constant; far below 0 = no unit root.

    ``dx_t = a + g x_(t-1) + b_1 dx_(t-1) + … + b_lags dx_(t-lags) + e_t``, the t-value of g. A constant series has
    minus infinity.

    Raises
    ------
    DataError
        Fewer than ``2 lags + 5`` values, or NaN.
    """
    y = np.asarray(x, dtype=np.float64)
    if y.ndim != 1 or y.size < 2 * lags + 5 or not np.isfinite(y).all():
        raise DataError(f"an ADF test with {lags} lags needs {2 * lags + 5} finite values, got shape {y.shape}")
    steps = np.diff(y)
    target = steps[lags:]
    columns = [y[lags:-1], *(steps[lags - i : -i] for i in range(1, lags + 1))]
    design = np.column_stack(columns)
    design, target = design - design.mean(axis=0), target - target.mean()  # the constant, partialled out
    if not np.ptp(y) > 1e-12 * np.abs(y).max():
        return -np.inf
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    residual = target - design @ coefficients
    variance = residual @ residual / max(target.size - lags - 2, 1)
    error = np.sqrt(variance * np.linalg.pinv(design.T @ design)[0, 0])
    return float(coefficients[0] / error) if error > 0 else 0.0


def adf_critical(n_rows: int, significance: float = 0.05) -> float:
    """Return the value below which `adf_statistic` rejects a unit root (MacKinnon 2010, constant, no trend)."""
    if significance not in _MACKINNON:
        raise ConfigError(f"significance must be one of {', '.join(map(str, _MACKINNON))}, got {significance!r}")
    return float(np.polynomial.polynomial.polyval(1 / n_rows, _MACKINNON[significance]))


def smallest_order(
    x: npt.ArrayLike, *, threshold: float = 1e-4, significance: float = 0.05, step: float = 0.05, lags: int = 1
) -> float:
    """Return the smallest d of 0, step, 2 step … 1 whose fractional difference passes the ADF test.

    Parameters
    ----------
    x
        Training rows of one series, oldest first, shape (n,); never the test rows, or d knows them.
    threshold
        As in `difference_weights`.
    significance
        0.01, 0.05 or 0.10.
    step, lags
        Grid of d, and lagged differences in the test.

    Raises
    ------
    DataError
        Where not even the first difference passes, or the windows leave too few rows.
    """
    values = np.asarray(x, dtype=np.float64)
    for d in np.arange(0, 1 + step / 2, step):
        order = min(round(float(d), 10), 1.0)
        tried = frac_diff_array(values, order, threshold)
        tried = tried[~np.isnan(tried)]
        if tried.size >= max(2 * lags + 5, 20) and adf_statistic(tried, lags) < adf_critical(tried.size, significance):
            return order
    raise DataError(
        f"no order up to 1 makes these {values.size} rows stationary at {significance}; give more rows,"
        " a larger threshold (shorter window), or difference them first"
    )


class FractionalDifference:
    """Difference each column fractionally, rows in time order; with an index level ``symbol`` each symbol by itself.

    For levels such as prices, totals and spreads that a model should not get raw: a d between 0 and 1 keeps part of
    their memory, a return (d = 1) keeps none. Causal: row t uses the ``window_`` rows up to t, and the first
    ``window_ - 1`` rows come out as NaN. To transform test rows, hand it the rows before them too.

    Parameters
    ----------
    d
        Order from 0 to 2; None: `smallest_order` of each column, found on the training rows.
    threshold
        Weights from the first smaller one on are cut.

    Attributes
    ----------
    d_
        Order of each column, shape (n_features,).
    window_
        Rows that a value uses at most.
    names_, n_rows_
        As in `Standardizer`.
    """

    d_: FloatArray
    window_: int
    names_: Names
    n_rows_: int

    def __init__(self, d: float | None = 0.4, threshold: float = 1e-4) -> None:
        self.d, self.threshold = d, threshold

    def fit(self, X: pd.DataFrame | FloatArray) -> Self:
        """Fix the order of each column; with a given d the training rows only say which columns there are.

        Raises
        ------
        DataError
            As `Standardizer.fit`; also where no order passes, by column.
        """
        values, self.names_ = training_rows("FractionalDifference", X)
        if self.d is not None:
            orders = [self.d] * values.shape[1]
        else:
            orders = [self._found(X, values, j) for j in range(values.shape[1])]
        self._learn(orders)
        self.n_rows_ = len(values)
        return self

    @overload
    def transform(self, X: pd.DataFrame) -> pd.DataFrame: ...
    @overload
    def transform(self, X: FloatArray) -> FloatArray: ...
    def transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Return the differences; NaN on the first ``window_ - 1`` rows, and in a window with a NaN."""
        check_fitted(self, "d_")
        values = same_columns("FractionalDifference", X, self.d_.size, self.names_)
        if values.ndim != 2:
            raise DataError(f"FractionalDifference needs rows × features in time order, got shape {values.shape}")
        out = np.full(values.shape, np.nan)
        for rows in series_rows(X, len(values)):
            for j, d in enumerate(self.d_):
                column = frac_diff_array(np.ascontiguousarray(values[rows, j]), d, self.threshold)
                column[: self.window_ - 1] = np.nan  # one warm-up for all columns
                out[rows, j] = column
        return like(X, out)

    def fit_transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Fit on X and return it transformed."""
        return self.fit(X).transform(X)

    def to_spec(self) -> Json:
        """Return settings and what was learned as plain JSON values."""
        check_fitted(self, "d_")
        return {
            "kind": "frac_diff",
            "d": self.d,
            "threshold": self.threshold,
            "orders": self.d_.tolist(),
            "names": None if self.names_ is None else list(self.names_),
            "n_rows": self.n_rows_,
        }

    @classmethod
    def from_spec(cls, spec: Json) -> Self:
        """Rebuild one from `to_spec`; see `Standardizer.from_spec`."""
        what = "a fractional difference"
        with reading(spec, "frac_diff", what):
            made = cls(None if spec["d"] is None else float(spec["d"]), float(spec["threshold"]))
            made.names_ = names_of(spec)
            made.n_rows_ = int(spec["n_rows"])
            check_lengths(what, made.names_, spec["orders"])
            made._learn([float(d) for d in spec["orders"]])
        return made

    def _found(self, X: Rows, values: FloatArray, j: int) -> float:
        name = X.columns[j] if isinstance(X, pd.DataFrame) else j
        try:
            return max(
                smallest_order(values[rows, j], threshold=self.threshold) for rows in series_rows(X, len(values))
            )
        except DataError as err:
            raise DataError(f"FractionalDifference: column {name!r}: {err}") from err

    def _learn(self, orders: list[float]) -> None:
        self.window_ = max(difference_weights(d, self.threshold).size for d in orders)
        self.d_ = np.array(orders, dtype=np.float64)
