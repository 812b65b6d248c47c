"""Out-of-sample forecasts: fit on each training part, predict the test part after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from workbench.backtest.splits import Fold, WalkForward, rows_of
from workbench.errors import DataError
from workbench.typing import FloatArray, IntArray

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
        Rows (time, symbol); columns ``p_bear``, ``p_neutral``, ``p_bull`` and ``forecast`` = p_bull − p_bear.
    folds
        One row per fold: ``fold``, ``train_start``, ``train_end``, ``test_start``, ``test_end``, ``n_train`` and
        ``n_test`` (rows, over all symbols), ``n_purged`` (bars), ``accuracy`` (over test rows whose label is known;
        NaN if none is).
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
    features are known by then.

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
        When the bars do not fill one fold, or a fold has fewer training rows than a window needs.
    """
    row_times = pd.DatetimeIndex(design.X.index.get_level_values("time"))
    t1 = design.t1.where(design.known)
    by_time = design.t1.groupby(row_times).max()
    folds = splitter.split(by_time.index, by_time.to_numpy())
    runs = []
    for done, fold in enumerate(folds):
        if progress:
            progress(done / len(folds), f"fold {done + 1} of {len(folds)}")
        train, test = rows_of(fold, row_times, t1)
        runs.append(_run_fold(design, fold, train, test, model_factory(seed), row_times))
    if progress:
        progress(1.0, f"{len(folds)} folds")
    return Forecasts(
        proba=pd.concat([run.proba for run in runs]),
        folds=pd.DataFrame([run.row for run in runs]),
        training=pd.DataFrame([{"fold": n} | dict(e) for n, run in enumerate(runs) for e in run.history]),
        model=runs[-1].model,
        standardizer=runs[-1].standardizer,
    )


@dataclass(frozen=True)
class _FoldRun:
    proba: pd.DataFrame
    row: dict[str, Any]
    history: list[dict[str, Any]]
    model: Any
    standardizer: Standardizer


def _run_fold(
    design: DesignLike, fold: Fold, train: IntArray, test: IntArray, model: Any, row_times: pd.DatetimeIndex
) -> _FoldRun:
    from workbench.features import Standardizer
    from workbench.models import top_class

    if len(train) == 0:
        raise DataError(f"fold {fold.number} has no training row with a known label; raise train_size")
    standardizer = Standardizer().fit(design.X.iloc[train])
    first = int(row_times.searchsorted(fold.window_start))
    rows = np.arange(first, int(test[-1]) + 1)
    values = design.X.iloc[rows]
    learns = getattr(model, "learns", True)  # a baseline reads the bare feature: scaling would move its zero
    scaled = (standardizer.transform(values) if learns else values).to_numpy()
    inputs, ends = _inputs(scaled, design.X.index.get_level_values("symbol")[rows], getattr(model, "lookback", 1))
    ends = ends + first
    fit_on, predict_on = np.isin(ends, train), np.isin(ends, test)
    if not fit_on.any() or predict_on.sum() != len(test):
        raise DataError(
            f"fold {fold.number}: {len(train)} training rows are too few for windows of {model.lookback} bars; "
            "raise train_size or lower lookback"
        )
    labels = design.y.to_numpy(dtype=np.float64, na_value=np.nan)
    model = model.fit(inputs[fit_on], labels[ends[fit_on]].astype(np.int64))
    proba = np.asarray(model.predict_proba(inputs[predict_on]), dtype=np.float64)
    known = design.known.to_numpy(dtype=bool)[test]
    hits = top_class(proba) == labels[test]
    row = {
        "fold": fold.number,
        "train_start": fold.train_start,
        "train_end": fold.train_end,
        "test_start": fold.test_start,
        "test_end": fold.test_end,
        "n_train": int(fit_on.sum()),
        "n_test": len(test),
        "n_purged": fold.n_purged,
        "accuracy": float(hits[known].mean()) if known.any() else float("nan"),
    }
    frame = pd.DataFrame(proba, index=design.X.index[test], columns=PROBABILITIES)
    frame["forecast"] = frame["p_bull"] - frame["p_bear"]
    return _FoldRun(frame, row, list(getattr(model, "history_", [])), model, standardizer)


def _inputs(scaled: FloatArray, symbols: pd.Index, lookback: int) -> tuple[FloatArray, IntArray]:
    """Return the model's inputs and, for each, the row it ends at."""
    if lookback == 1:
        return scaled, np.arange(len(scaled))
    from workbench.models import windows

    return windows(scaled, symbols.to_numpy(), lookback)
