"""Purged k-fold cross-validation: training on both sides of the test part, for measuring and never for a backtest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.backtest.validation.purging import grouped
from workbench.backtest.validation.spans import Size, check_size
from workbench.errors import DataError
from workbench.typing import IntArray


@dataclass(frozen=True)
class PurgedFold:
    """One test part, and the rows before and after it whose labels do not touch it.

    Parameters
    ----------
    train, test
        Positions of rows, increasing.
    number
        0 for the first fold.
    test_start, test_end
        First and last test bar.
    n_purged
        Rows outside the test part that were left out, because their label reaches into it, they lie in the labels of
        the test part or in the embargo behind these, or their own label is not known.
    """

    train: IntArray
    test: IntArray
    number: int
    test_start: pd.Timestamp
    test_end: pd.Timestamp
    n_purged: int


@dataclass(frozen=True)
class PurgedKFold:
    """Cut the bars into ``n_folds`` stretches and test on each, training on what is left of the others.

    .. note:: Timing. The training part holds bars *after* the test part. That is right for asking how much a feature
       says about its label, and wrong for asking what a strategy would have earned: for that use `WalkForward`.

    Parameters
    ----------
    n_folds
        5 is usual.
    embargo
        Bars, or a length of time such as ``"2D"``, after the end of the last test label that are left out of the
        training too: features that look back into the test part say something about it.

    References
    ----------
    López de Prado, M. (2018). Advances in Financial Machine Learning, ch. 7. Wiley.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=6, tz="UTC")
    >>> [(f.train.tolist(), f.test.tolist()) for f in PurgedKFold(3).split(times, times)]
    [([2, 3, 4, 5], [0, 1]), ([0, 1, 4, 5], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """

    n_folds: int = 5
    embargo: Size = 0

    def __post_init__(self) -> None:
        check_size("PurgedKFold", "n_folds", self.n_folds, 2)
        check_size("PurgedKFold", "embargo", self.embargo, 0)

    def split(self, row_times: Any, row_t1: Any) -> list[PurgedFold]:
        """Return the folds.

        Parameters
        ----------
        row_times
            Bar of each row, (n_rows,), in order of time; rows of several assets share bars.
        row_t1
            Time at which each row's label is known, (n_rows,); rows with NaT are tested but never trained on.

        Raises
        ------
        DataError
            When the rows are not in order, are fewer bars than folds, or purging leaves a fold nothing to train on.
        """
        groups = grouped("PurgedKFold", row_times, row_t1, self.n_folds, self.embargo)
        folds = []
        for number in range(self.n_folds):
            train, test = groups.train_rows((number,)), groups.test_rows((number,))
            if len(train) == 0:
                raise DataError(
                    f"PurgedKFold: fold {number} has no training row left after purging; use fewer folds, a shorter "
                    "horizon or a smaller embargo"
                )
            start, end = groups.first_bars[number], groups.last_bars[number]
            folds.append(PurgedFold(train, test, number, start, end, len(groups.known) - len(train) - len(test)))
        return folds
