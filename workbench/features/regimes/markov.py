"""A hidden Markov model of regimes: fitted in-sample, applied by filtering only."""

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
    check_numbers,
    names_of,
    reading,
    same_columns,
    series_rows,
    training_rows,
)
from workbench.typing import FloatArray, IntArray, Json


class HiddenMarkov:
    """Gaussian hidden Markov model; states are ordered by volatility, 0 the calmest, so that labels are stable.

    Rows are bars in time order, columns are features such as log returns and log ranges; with an index level
    ``symbol`` each symbol is a sequence of its own and all share the parameters. Fit it on the training part.

    .. note:: Timing. `predict_proba` gives *filtered* probabilities: row t uses rows up to t and the parameters that
       were learned. Smoothed ones, which know the future, are used while fitting and never given out. Rows to predict
       start from the chain's long-run shares; hand it the rows before them too, and the filter has found its state.

    Parameters
    ----------
    n_states
        Regimes, from 2 to 8.
    n_iter
        Most rounds of Baum-Welch.
    tol
        Stops when a round raises the mean log likelihood of a row by less.

    Attributes
    ----------
    means_, variances_
        Shape (n_states, n_features); covariances are diagonal.
    transition_
        Shape (n_states, n_states): row i holds the chances to go from state i to each.
    start_
        Long-run shares of the states, shape (n_states,).
    log_likelihood_, n_iter_
        Mean log likelihood of a training row, and rounds done.
    names_, n_rows_
        As in `workbench.features.Standardizer`.

    Notes
    -----
    Baum-Welch from a fixed beginning: rows are parted by their size in sigmas into equal groups, states last ten bars.
    So the same rows give the same model. Variances are kept above 1e-6 of a column's. Fitting refuses NaN; in rows to
    predict a NaN says nothing, and the probabilities move by the transitions alone.

    References
    ----------
    Rabiner (1989), A tutorial on hidden Markov models, Proceedings of the IEEE 77. Hamilton (1989), Econometrica 57.
    """

    means_: FloatArray
    variances_: FloatArray
    transition_: FloatArray
    start_: FloatArray
    log_likelihood_: float
    n_iter_: int
    names_: Names
    n_rows_: int

    def __init__(self, n_states: int = 2, n_iter: int = 200, tol: float = 1e-6) -> None:
        self.n_states, self.n_iter, self.tol = n_states, n_iter, tol

    def fit(self, X: pd.DataFrame | FloatArray) -> Self:
        """Learn the parameters by Baum-Welch.

        Raises
        ------
        DataError
            NaN or infinity, by column; a constant column; fewer than ten rows per state.
        """
        self._check()
        values, self.names_ = training_rows("HiddenMarkov", X)
        _check_rows(X, values, 10 * self.n_states)
        parts = [np.ascontiguousarray(values[rows]) for rows in series_rows(X, len(values))]
        self._begin(values)
        before = -np.inf
        for round_ in range(1, self.n_iter + 1):
            self.log_likelihood_ = self._round(parts) / len(values)
            self.n_iter_ = round_
            if self.log_likelihood_ - before < self.tol:
                break
            before = self.log_likelihood_
        self._order(values.var(axis=0))
        self.n_rows_ = len(values)
        return self

    @overload
    def predict_proba(self, X: pd.DataFrame) -> pd.DataFrame: ...
    @overload
    def predict_proba(self, X: FloatArray) -> FloatArray: ...
    def predict_proba(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Return the filtered probability of each state, (n_rows, n_states); columns 0 … of a frame."""
        from workbench.features.regimes.markov_kernels import filtered

        check_fitted(self, "means_")
        values = same_columns("HiddenMarkov", X, self.means_.shape[1], self.names_)
        out = np.empty((len(values), self.n_states))
        for rows in series_rows(X, len(values)):
            b, _ = self._densities(np.ascontiguousarray(values[rows]))
            alpha = np.empty(b.shape)
            filtered(b, self.start_, self.transition_, alpha)
            out[rows] = alpha
        return pd.DataFrame(out, index=X.index) if isinstance(X, pd.DataFrame) else out

    @overload
    def predict(self, X: pd.DataFrame) -> pd.Series: ...
    @overload
    def predict(self, X: FloatArray) -> IntArray: ...
    def predict(self, X: pd.DataFrame | FloatArray) -> pd.Series | IntArray:
        """Return the likeliest state of each row by the filtered probabilities, 0 the calmest."""
        proba = self.predict_proba(X)
        states = np.asarray(proba).argmax(axis=1).astype(np.int64)
        return pd.Series(states, index=X.index, name="regime") if isinstance(X, pd.DataFrame) else states

    def to_spec(self) -> Json:
        """Return what was learned as plain JSON values; floats survive the trip bit for bit."""
        check_fitted(self, "means_")
        return {
            "kind": "hidden_markov",
            "means": self.means_.tolist(),
            "variances": self.variances_.tolist(),
            "transition": self.transition_.tolist(),
            "names": None if self.names_ is None else list(self.names_),
            "n_rows": self.n_rows_,
        }

    @classmethod
    def from_spec(cls, spec: Json) -> Self:
        """Rebuild one from `to_spec`; what only fitting needs is at its defaults.

        Raises
        ------
        DataError
            When the spec is not one of a hidden Markov model, or its numbers do not fit together.
        """
        what = "a hidden Markov model"
        with reading(spec, "hidden_markov", what):
            means, variances, transition = (
                np.array(spec[key], dtype=np.float64) for key in ("means", "variances", "transition")
            )
            made = cls(len(means))
            made._check()
            made.means_, made.variances_, made.transition_ = means, variances, transition
            made.names_, made.n_rows_ = names_of(spec), int(spec["n_rows"])
            if means.ndim != 2 or means.shape != variances.shape or transition.shape != (len(means), len(means)):
                raise DataError(f"the spec of {what} has lists of differing lengths; write it again with to_spec()")
        check_lengths(what, made.names_, means[0])
        check_numbers(what, means, variances)
        if not np.allclose(transition.sum(axis=1), 1) or (transition < 0).any():
            raise DataError(f"the spec of {what} holds transitions that are no chances; write it again with to_spec()")
        made.start_ = _long_run(transition)
        return made

    def _check(self) -> None:
        for name, value, low, high in (("n_states", self.n_states, 2, 8), ("n_iter", self.n_iter, 1, 100_000)):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ConfigError(f"HiddenMarkov: {name} must be a whole number from {low} to {high}, got {value!r}")
        if not self.tol >= 0:
            raise ConfigError(f"HiddenMarkov: tol must be 0 or more, got {self.tol!r}")

    def _begin(self, values: FloatArray) -> None:
        """Part the rows by their size into equal groups; each is the beginning of a state."""
        k = self.n_states
        size = (((values - np.median(values, axis=0)) / values.std(axis=0)) ** 2).sum(axis=1)
        group = np.argsort(np.argsort(size, kind="stable"), kind="stable") * k // len(values)
        self._floor = 1e-6 * values.var(axis=0)
        self.means_ = np.array([values[group == j].mean(axis=0) for j in range(k)])
        spread = np.array([((values[group == j] - self.means_[j]) ** 2).mean(axis=0) for j in range(k)])
        self.variances_ = np.maximum(spread, self._floor)
        self.transition_ = np.full((k, k), 0.1 / (k - 1)) + np.eye(k) * (0.9 - 0.1 / (k - 1))
        self.start_ = np.full(k, 1 / k)

    def _round(self, parts: list[FloatArray]) -> float:
        """One round of Baum-Welch; return the log likelihood before it."""
        from workbench.features.regimes.markov_kernels import expectations

        k, total = self.n_states, 0.0
        moves, gammas = np.zeros((k, k)), []
        for part in parts:
            b, shifts = self._densities(part)
            gamma = np.empty(b.shape)
            total += expectations(b, self.start_, self.transition_, gamma, moves) + shifts.sum()
            gammas.append(gamma)
        gamma, x = np.concatenate(gammas), np.concatenate(parts)
        weight = np.maximum(gamma.sum(axis=0), 1e-12)[:, np.newaxis]
        self.means_ = gamma.T @ x / weight
        for j in range(k):
            self.variances_[j] = np.maximum(gamma[:, j] @ (x - self.means_[j]) ** 2 / weight[j], self._floor)
        moves += 1e-10  # a state that was never left keeps a way out
        self.transition_ = moves / moves.sum(axis=1, keepdims=True)
        self.start_ = _long_run(self.transition_)
        return total

    def _densities(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        from workbench.features.regimes.markov_kernels import densities

        b, shifts = np.empty((len(values), self.n_states)), np.empty(len(values))
        densities(values, self.means_, self.variances_, b, shifts)
        return b, shifts

    def _order(self, unit: FloatArray) -> None:
        order = np.argsort((self.variances_ / unit).sum(axis=1), kind="stable")
        self.means_, self.variances_ = self.means_[order], self.variances_[order]
        self.transition_ = np.ascontiguousarray(self.transition_[np.ix_(order, order)])
        self.start_ = _long_run(self.transition_)


def _long_run(transition: FloatArray) -> FloatArray:
    """Return the stationary distribution: p = p T, sum(p) = 1."""
    k = len(transition)
    system = np.vstack([transition.T - np.eye(k), np.ones(k)])
    shares = np.linalg.lstsq(system, np.append(np.zeros(k), 1.0), rcond=None)[0]
    shares = np.maximum(shares, 0.0)
    return shares / shares.sum()


def _check_rows(X: Rows, values: FloatArray, least: int) -> None:
    if len(values) < least:
        raise DataError(f"HiddenMarkov.fit needs at least {least} rows, got {len(values)}; give more or fewer states")
    constant: npt.NDArray[np.bool_] = np.ptp(values, axis=0) <= 1e-12 * np.abs(values).max(axis=0)
    if constant.any():
        j = int(constant.argmax())
        name = X.columns[j] if isinstance(X, pd.DataFrame) else j
        raise DataError(f"HiddenMarkov.fit: column {name!r} is constant; leave it out")
