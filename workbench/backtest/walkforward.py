"""Out-of-sample forecasts: fit on each training part, predict the test part after it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from workbench.backtest.validation import Fold, WalkForward, purge, rows_of
from workbench.errors import DataError
from workbench.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from workbench.features import Standardizer

PROBABILITIES = ["p_bear", "p_neutral", "p_bull"]

Progress = Callable[[float, str], None]


class DesignLike(Protocol):
    """What `walk_forward_forecasts` reads of a `workbench.features.Design`."""

    @property
    def X(self) -> pd.DataFrame:  # noqa: N802 -- the papers' symbol
        """Rows (time, symbol) sorted by time; columns features, without NaN."""

    @property
    def y(self) -> pd.Series:
        """Classes −1, 0, 1."""

    @property
    def t1(self) -> pd.Series:
        """Time at which each label is known, NaT where it is not yet."""

    @property
    def known(self) -> pd.Series:
        """Rows whose label is known."""


@dataclass(frozen=True)
class Forecasts:
    """Out-of-sample forecasts of all folds, one after the other.

    Parameters
    ----------
    proba
        Rows (time, symbol); columns ``p_bear``, ``p_neutral``, ``p_bull`` and ``forecast`` = p_bull − p_bear. Test
        rows without a full window of past rows are left out.
    folds
        One row per fold: ``fold``, ``train_start``, ``train_end``, ``test_start``, ``test_end``, ``n_train``,
        ``n_test`` and ``n_forecast`` (rows, over all symbols; the last counts the test rows that have a forecast),
        ``n_purged`` (bars), ``accuracy`` (over rows with a forecast whose label is known; NaN if none is).
    training
        Epochs of models that keep a ``history_``: ``fold``, ``epoch`` and what the model noted; else empty.
    model, standardizer
        Those fitted on the last fold.
    """

    proba: pd.DataFrame
    folds: pd.DataFrame
    training: pd.DataFrame
    model: Any
    standardizer: Standardizer

    @property
    def forecast(self) -> pd.DataFrame:
        """Forecasts in [−1, 1] as time × symbol, NaN where there is none."""
        return self.proba["forecast"].unstack("symbol")


def walk_forward_forecasts(
    design: DesignLike,
    model_factory: Callable[[int], Any],
    splitter: WalkForward,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Forecasts:
    """Fit a fresh model on every fold's training part and forecast its test part.

    Each fold learns the mean and scale of its features from its own training rows. Models with a ``lookback`` above 1
    get windows of past rows; those of the first test rows reach back into the bars before the test part, whose
    features are known by then. A test row with too little past for a window (its symbol listed lately) gets no
    forecast. A model with a validation tail has the labels that reach into it purged by `set_tail_purge`.

    Parameters
    ----------
    design
        ``X`` (rows (time, symbol) sorted by time, columns features), ``y`` (−1, 0, 1), ``t1`` (label ends), ``known``
        (rows whose label is known).
    model_factory
        Takes a seed and returns an unfitted classifier with classes −1, 0, 1; called once per fold with the same seed.
    splitter
        Splits the unique times.
    seed
        Seed of every fold's model.
    progress
        Called with the share done, 0 to 1, and a few words.

    Returns
    -------
    Forecasts

    Raises
    ------
    DataError
        When the bars do not fill one fold, test parts overlap, or no training row or no test row of a fold has a full
        window.
    """
    row_times = times_of(design)
    t1 = design.t1.where(design.known)
    by_time = design.t1.groupby(row_times).max()
    folds = splitter.split(by_time.index, by_time.to_numpy())
    _check_apart(folds)
    runs, rows = [], []
    for done, fold in enumerate(folds):
        if progress:
            progress(done / len(folds), f"fold {done + 1} of {len(folds)}")
        train, test = rows_of(fold, row_times, t1)
        first = int(row_times.searchsorted(fold.window_start))
        read = np.arange(first, int(test[-1]) + 1)
        runs.append(run_fold(design, fold.number, read, train, test, model_factory(seed)))
        rows.append(_row(fold, runs[-1]))
    if progress:
        progress(1.0, f"{len(folds)} folds")
    return Forecasts(
        proba=pd.concat([run.proba for run in runs]),
        folds=pd.DataFrame(rows),
        training=pd.DataFrame([{"fold": n} | dict(e) for n, run in enumerate(runs) for e in run.history]),
        model=runs[-1].model,
        standardizer=runs[-1].standardizer,
    )


def _check_apart(folds: list[Fold]) -> None:
    for fold, following in itertools.pairwise(folds):
        if following.test_start <= fold.test_end:
            raise DataError(
                f"test parts {fold.number} and {following.number} overlap at {following.test_start}; a bar can have "
                "only one forecast; choose a step of at least test_size"
            )


def _row(fold: Fold, run: FoldRun) -> dict[str, Any]:
    return {
        "fold": fold.number,
        "train_start": fold.train_start,
        "train_end": fold.train_end,
        "test_start": fold.test_start,
        "test_end": fold.test_end,
        "n_train": run.n_train,
        "n_test": run.n_test,
        "n_forecast": len(run.proba),
        "n_purged": fold.n_purged,
        "accuracy": run.accuracy,
    }


def set_tail_purge(model: Any, row_times: Any, t1: Any) -> None:
    """Set a model's ``purge`` so that no label it learns from ends in its validation tail, or later.

    Call it before ``fit``. Labels are purged by time, so symbols of different calendars may stand side by side. A model
    without the parameters ``purge`` and ``valid_share``, or whose ``purge`` is above 0 already, is left as it is.

    Parameters
    ----------
    model
        Unfitted; changed in place.
    row_times, t1
        Time of each row that the model will be fitted on and time at which its label is known, (n_rows,), by time. A
        label that is not known (NaT) counts as one that ends later.

    Notes
    -----
    Models leave out consecutive rows: all those before the tail, from the first on whose label reaches into it. A
    symbol that rests for long just before the tail therefore takes the other symbols' rows of that rest along.
    """
    from workbench.models import tail_start

    parameters = model.get_params() if hasattr(model, "get_params") else {}
    if parameters.get("purge") != 0 or "valid_share" not in parameters:
        return
    times = pd.DatetimeIndex(row_times)
    start = tail_start(len(times), parameters["valid_share"])
    if start >= len(times):
        return
    reaching = np.flatnonzero(~purge(times[:start], pd.DatetimeIndex(t1)[:start], before=times[start]))
    if len(reaching):
        model.set_params(purge=int(start - reaching[0]))


@dataclass(frozen=True)
class FoldRun:
    """A model fitted on one training part and its forecasts of the test part.

    Parameters
    ----------
    proba
        One row per test row with a full window; columns ``p_bear``, ``p_neutral``, ``p_bull`` and ``forecast``.
    rows
        Position of each of these rows in the design.
    n_train, n_test
        Training rows with a full window, and all test rows.
    accuracy
        Over the forecasts whose label is known; NaN if none is.
    history
        What the model noted of its epochs.
    model, standardizer
        As fitted.
    """

    proba: pd.DataFrame
    rows: IntArray
    n_train: int
    n_test: int
    accuracy: float
    history: list[dict[str, Any]]
    model: Any
    standardizer: Standardizer


def run_fold(design: DesignLike, number: int, read: IntArray, train: IntArray, test: IntArray, model: Any) -> FoldRun:
    """Fit a model on some rows of a design and forecast others.

    Parameters
    ----------
    number
        Of the fold, for messages.
    read
        Rows whose features may be read, without gaps: windows of past rows reach no further back than the first.
    train, test
        Rows to fit on and to forecast, increasing, among those read.
    model
        Unfitted.
    """
    from workbench.features import Standardizer
    from workbench.models import top_class

    if len(train) == 0:
        raise DataError(f"fold {number} has no training row with a known label; raise train_size")
    row_times = times_of(design)
    standardizer = Standardizer().fit(design.X.iloc[train])
    values = design.X.iloc[read]
    learns = getattr(model, "learns", True)  # a baseline reads the bare feature: scaling would move its zero
    scaled = (standardizer.transform(values) if learns else values).to_numpy()
    inputs, ends = _inputs(scaled, design.X.index.get_level_values("symbol")[read], getattr(model, "lookback", 1))
    ends = ends + int(read[0])
    fit_on, predict_on = np.isin(ends, train), np.isin(ends, test)
    _check_windows(number, train, test, fit_on, predict_on, model)
    learnt, asked = ends[fit_on], ends[predict_on]
    labels = design.y.to_numpy(dtype=np.float64, na_value=np.nan)
    set_tail_purge(model, row_times[learnt], design.t1.iloc[learnt])
    model = model.fit(inputs[fit_on], labels[learnt].astype(np.int64))
    proba = np.asarray(model.predict_proba(inputs[predict_on]), dtype=np.float64)
    known = design.known.to_numpy(dtype=bool)[asked]
    hits = top_class(proba) == labels[asked]
    frame = pd.DataFrame(proba, index=design.X.index[asked], columns=PROBABILITIES)
    frame["forecast"] = frame["p_bull"] - frame["p_bear"]
    return FoldRun(
        proba=frame,
        rows=asked,
        n_train=len(learnt),
        n_test=len(test),
        accuracy=float(hits[known].mean()) if known.any() else float("nan"),
        history=list(getattr(model, "history_", [])),
        model=model,
        standardizer=standardizer,
    )


def times_of(design: DesignLike) -> pd.DatetimeIndex:
    """Return the time of each row of a design."""
    return pd.DatetimeIndex(design.X.index.get_level_values("time"))


def _check_windows(
    number: int, train: IntArray, test: IntArray, fit_on: BoolArray, predict_on: BoolArray, model: Any
) -> None:
    if not fit_on.any():
        raise DataError(
            f"fold {number}: {len(train)} training rows are too few for windows of {model.lookback} bars; "
            "raise train_size or lower lookback"
        )
    if not predict_on.any():
        raise DataError(
            f"fold {number}: none of its {len(test)} test rows has the {model.lookback} bars of its symbol that a "
            "window needs; raise test_size, lower lookback or leave out symbols that list so late"
        )


def _inputs(scaled: FloatArray, symbols: pd.Index, lookback: int) -> tuple[FloatArray, IntArray]:
    """Return the model's inputs and, for each, the row it ends at."""
    if lookback == 1:
        return scaled, np.arange(len(scaled))
    from workbench.models import windows

    return windows(scaled, symbols.to_numpy(), lookback)
