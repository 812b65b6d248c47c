"""Nested selection: configurations are chosen inside each outer fold and judged outside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd

from workbench.backtest.validation.purging import checked_labels
from workbench.errors import ConfigError, DataError
from workbench.typing import FloatArray, IntArray

Score: TypeAlias = Callable[[int, IntArray, IntArray], float]
"""``score(configuration, train, test)``: fitted on training rows, judged on test rows; larger is better."""


class FoldLike(Protocol):
    """What a splitter's folds have in common."""

    @property
    def train(self) -> IntArray:
        """Positions to fit on."""

    @property
    def test(self) -> IntArray:
        """Positions to judge on."""

    @property
    def test_start(self) -> pd.Timestamp:
        """First test bar."""

    @property
    def test_end(self) -> pd.Timestamp:
        """Last test bar."""


class Splitter(Protocol):
    """`WalkForward`, `PurgedKFold` or `CombinatorialPurged`."""

    def split(self, times: Any, t1: Any, /) -> Sequence[FoldLike]:
        """Return the folds."""


@dataclass(frozen=True, eq=False)
class NestedSelection:
    """What was chosen in each outer fold, and how it did outside.

    Parameters
    ----------
    table
        One row per outer fold: ``fold``, ``test_start``, ``test_end``, ``n_train``, ``n_test``, ``n_inner`` (inner
        folds), ``chosen``, ``inside`` (mean score of the chosen over the inner folds), ``inside_std`` (over the inner
        folds, ddof 1; NaN for one), ``outside`` (its score on the outer test part) and ``degradation`` =
        inside − outside.
    inside
        Mean inner score of every configuration, (n_folds, n_configurations).
    """

    table: pd.DataFrame
    inside: FloatArray

    @property
    def chosen(self) -> IntArray:
        """Configuration chosen in each outer fold, (n_folds,)."""
        return self.table["chosen"].to_numpy(dtype=np.int64)


def nested_selection(
    score: Score,
    n_configurations: int,
    times: Any,
    t1: Any,
    *,
    outer: Splitter,
    inner: Splitter,
    progress: Callable[[float, str], None] | None = None,
) -> NestedSelection:
    """Choose the best configuration inside each outer training part, by inner folds, and judge it outside.

    A score of the best of many on the same folds that chose it is too high. Here the outer test part has no say in
    the choice: it is scored once, for the chosen configuration alone. Use it whenever configurations are compared;
    choosing counts as ``n_configurations`` trials all the same.

    Parameters
    ----------
    score
        ``score(configuration, train, test)``, larger is better; positions are into ``times``. NaN where it is not
        defined: such a fold says nothing about the configuration.
    n_configurations
        Configurations, numbered from 0.
    times, t1
        Time of each row and time at which its label is known, (n_rows,), as the splitters want them.
    outer
        Its test parts judge. `WalkForward` for what a strategy would have earned.
    inner
        Splits each outer training part, whose labels all end before the outer test part, or lie wholly behind it.
        `PurgedKFold` uses its data best.
    progress
        Called with the share done, 0 to 1, and a few words.

    Returns
    -------
    NestedSelection

    Raises
    ------
    DataError
        When an outer training part is too short for the inner folds, or no configuration has a score inside one.

    Notes
    -----
    The configuration with the highest mean inner score is chosen, the first among equals. Its score outside comes from
    fitting on the whole outer training part.

    References
    ----------
    Varma, S. and Simon, R. (2006). Bias in error estimation when using cross-validation for model selection. BMC
    Bioinformatics 7:91.
    """
    if n_configurations < 1:
        raise ConfigError(f"nested_selection: n_configurations must be at least 1, got {n_configurations}")
    rows, ends = checked_labels("nested_selection", times, t1)
    folds = outer.split(rows, ends)
    records, means = [], np.full((len(folds), n_configurations), np.nan)
    for number, fold in enumerate(folds):
        if progress:
            progress(number / len(folds), f"outer fold {number + 1} of {len(folds)}")
        scores = _inner_scores(score, n_configurations, number, fold.train, rows, ends, inner)
        defined = np.isfinite(scores)
        means[number] = np.where(defined, scores, 0.0).sum(axis=0) / np.where(
            defined.any(axis=0), defined.sum(axis=0), np.nan
        )
        if np.isnan(means[number]).all():
            raise DataError(
                f"nested_selection: no configuration has a score inside outer fold {number}; see its scores"
            )
        chosen = int(np.nanargmax(means[number]))
        mine = scores[defined[:, chosen], chosen]
        outside = float(score(chosen, fold.train, fold.test))
        records.append(
            {
                "fold": number,
                "test_start": fold.test_start,
                "test_end": fold.test_end,
                "n_train": len(fold.train),
                "n_test": len(fold.test),
                "n_inner": len(scores),
                "chosen": chosen,
                "inside": float(means[number, chosen]),
                "inside_std": float(mine.std(ddof=1)) if len(mine) > 1 else float("nan"),
                "outside": outside,
                "degradation": float(means[number, chosen]) - outside,
            }
        )
    if progress:
        progress(1.0, f"{len(folds)} outer folds")
    return NestedSelection(pd.DataFrame(records), means)


def _inner_scores(
    score: Score,
    n_configurations: int,
    number: int,
    train: IntArray,
    rows: pd.DatetimeIndex,
    ends: pd.DatetimeIndex,
    inner: Splitter,
) -> FloatArray:
    """Score every configuration on every inner fold, (n_inner, n_configurations)."""
    try:
        folds = inner.split(rows[train], ends[train])
    except DataError as err:
        raise DataError(f"nested_selection: inside outer fold {number}: {err}") from None
    scores = np.empty((len(folds), n_configurations))
    for row, fold in enumerate(folds):
        fit, judge = train[fold.train], train[fold.test]
        scores[row] = [score(c, fit, judge) for c in range(n_configurations)]
    return scores
