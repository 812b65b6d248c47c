"""Forecasts over combinatorial purged splits: many out-of-sample histories of one way of making models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest.validation import CombinatorialFold, CombinatorialPurged
from workbench.backtest.walkforward import PROBABILITIES, DesignLike, FoldRun, Progress, run_fold, times_of
from workbench.errors import DataError
from workbench.typing import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PathForecasts:
    """Out-of-sample forecasts of every path.

    Parameters
    ----------
    proba
        (n_paths, n_rows, 3): probabilities of −1, 0 and 1; NaN for rows without a full window of past rows.
    index
        The rows (time, symbol), those of the design.
    splits
        One row per split: ``split``, ``groups``, ``test_start``, ``test_end``, ``n_train``, ``n_test`` and
        ``n_forecast`` (rows), ``n_purged`` (rows), ``accuracy`` (over rows with a forecast whose label is known).
    paths
        Split that forecasts each group of each path, (n_paths, n_groups).
    """

    proba: FloatArray
    index: pd.MultiIndex
    splits: pd.DataFrame
    paths: IntArray

    @property
    def n_paths(self) -> int:
        """Number of histories."""
        return len(self.proba)

    def forecast(self, path: int) -> pd.DataFrame:
        """Return p_bull − p_bear of one path in [−1, 1] as time × symbol, NaN where there is none.

        Turn it into positions and simulate it like the forecast of a walk-forward; the Sharpe ratios of all paths are
        a distribution where a walk-forward has one number.
        """
        if not 0 <= path < self.n_paths:
            raise DataError(f"there are {self.n_paths} paths, numbered from 0; got {path}")
        series = pd.Series(self.proba[path, :, 2] - self.proba[path, :, 0], index=self.index)
        return series.unstack("symbol")


def cpcv_forecasts(
    design: DesignLike,
    model_factory: Callable[[int], Any],
    splitter: CombinatorialPurged,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> PathForecasts:
    """Fit a fresh model on every split's training part, forecast its test groups, and join the forecasts to paths.

    Each split is fitted as a fold of `walk_forward_forecasts` is, with the mean and scale of its own training rows. Use
    it to see how much a result depends on which stretch was tested; C(N, k) models are fitted.

    .. note:: Timing. Models learn from bars after those they forecast, and windows of past rows reach into the test
       groups before them: choose an ``embargo`` no shorter than the features and the model look back.

    Parameters
    ----------
    design
        ``X`` (rows (time, symbol) sorted by time, columns features), ``y`` (−1, 0, 1), ``t1`` (label ends), ``known``
        (rows whose label is known).
    model_factory
        Takes a seed and returns an unfitted classifier with classes −1, 0, 1; called once per split with the same seed.
    splitter
        Splits the rows, each purged by its own label end.
    seed
        Seed of every split's model.
    progress
        Called with the share done, 0 to 1, and a few words.

    Returns
    -------
    PathForecasts

    Raises
    ------
    DataError
        When there are fewer bars than groups, purging leaves a split nothing to train on, or no training row or no test
        row of a split has a full window.

    References
    ----------
    López de Prado, M. (2018). Advances in Financial Machine Learning, ch. 12. Wiley.
    """
    folds = splitter.split(times_of(design), design.t1.where(design.known))
    read = np.arange(len(design.X))
    forecasts, rows = [], []
    for fold in folds:
        if progress:
            progress(fold.number / len(folds), f"split {fold.number + 1} of {len(folds)}")
        run = run_fold(design, fold.number, read, fold.train, fold.test, model_factory(seed))
        values = np.full((len(fold.test), len(PROBABILITIES)), np.nan)
        values[np.searchsorted(fold.test, run.rows)] = run.proba[PROBABILITIES].to_numpy()
        forecasts.append(values)
        rows.append(_row(fold, run))
    if progress:
        progress(1.0, f"{len(folds)} splits")
    index = pd.MultiIndex.from_tuples(design.X.index, names=design.X.index.names)
    return PathForecasts(splitter.assemble(folds, forecasts), index, pd.DataFrame(rows), splitter.paths())


def _row(fold: CombinatorialFold, run: FoldRun) -> dict[str, Any]:
    return {
        "split": fold.number,
        "groups": fold.test_groups,
        "test_start": fold.test_start,
        "test_end": fold.test_end,
        "n_train": run.n_train,
        "n_test": run.n_test,
        "n_forecast": len(run.proba),
        "n_purged": fold.n_purged,
        "accuracy": run.accuracy,
    }
