"""Combinatorial purged cross-validation: many out-of-sample paths from one history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.backtest.validation.purging import grouped
from workbench.backtest.validation.spans import Size, check_size
from workbench.errors import ConfigError, DataError
from workbench.typing import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class CombinatorialFold:
    """Some groups to test on, and the rows of the others whose labels do not touch them.

    Parameters
    ----------
    train, test
        Positions of rows, increasing.
    number
        0 for the first split.
    test_groups
        Groups that are tested, increasing.
    group_of
        Group of each test row, (n_test,).
    test_start, test_end
        First and last test bar; other groups may lie between them.
    n_purged
        Rows of the other groups that were left out, because their label reaches into a test group, they lie in the
        labels of one or in the embargo behind it, or their own label is not known.
    """

    train: IntArray
    test: IntArray
    number: int
    test_groups: tuple[int, ...]
    group_of: IntArray
    test_start: pd.Timestamp
    test_end: pd.Timestamp
    n_purged: int


@dataclass(frozen=True)
class CombinatorialPurged:
    """Cut the bars into groups and test on every choice of ``n_test_groups`` of them, training on the others.

    Each group is tested in several splits, so the out-of-sample forecasts join to several histories of the same
    length: a distribution of Sharpe ratios where a walk-forward gives one number.

    .. note:: Timing. The training part holds bars *after* test bars. The paths say how a way of making models fares
       over other orders of events, not what it would have earned: for that use `WalkForward`.

    Parameters
    ----------
    n_groups
        N, groups of as many bars as can be; 6 to 10 is usual.
    n_test_groups
        k, usually 2.
    embargo
        Bars, or a length of time such as ``"2D"``, after the end of a test group's last label that are left out of the
        training too.

    Notes
    -----
    C(N, k) splits; every group is tested in C(N − 1, k − 1) = k / N · C(N, k) of them, which is the number of paths.

    References
    ----------
    López de Prado, M. (2018). Advances in Financial Machine Learning, ch. 12. Wiley.

    Examples
    --------
    >>> splitter = CombinatorialPurged(n_groups=6, n_test_groups=2)
    >>> splitter.n_splits, splitter.n_paths
    (15, 5)
    """

    n_groups: int = 10
    n_test_groups: int = 2
    embargo: Size = 0

    def __post_init__(self) -> None:
        check_size("CombinatorialPurged", "n_groups", self.n_groups, 2)
        check_size("CombinatorialPurged", "n_test_groups", self.n_test_groups, 1)
        check_size("CombinatorialPurged", "embargo", self.embargo, 0)
        if self.n_test_groups >= self.n_groups:
            raise ConfigError(
                f"CombinatorialPurged: n_test_groups must be below n_groups {self.n_groups}, got {self.n_test_groups}; "
                "2 of 10 is usual"
            )

    @property
    def n_splits(self) -> int:
        """C(N, k)."""
        return math.comb(self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        """C(N − 1, k − 1)."""
        return math.comb(self.n_groups - 1, self.n_test_groups - 1)

    def split(self, row_times: Any, row_t1: Any) -> list[CombinatorialFold]:
        """Return the splits, in the order of the test groups.

        Parameters
        ----------
        row_times
            Bar of each row, (n_rows,), in order of time; rows of several assets share bars.
        row_t1
            Time at which each row's label is known, (n_rows,); rows with NaT are tested but never trained on.

        Raises
        ------
        DataError
            When the rows are not in order, are fewer bars than groups, or purging leaves a split nothing to train on.
        """
        groups = grouped("CombinatorialPurged", row_times, row_t1, self.n_groups, self.embargo)
        sizes = np.diff(groups.edges)
        folds = []
        for number, tested in enumerate(combinations(range(self.n_groups), self.n_test_groups)):
            train, test = groups.train_rows(tested), groups.test_rows(tested)
            if len(train) == 0:
                raise DataError(
                    f"CombinatorialPurged: split {number}, groups {tested}, has no training row left after purging; "
                    "use fewer test groups, a shorter horizon or a smaller embargo"
                )
            fold = CombinatorialFold(
                train=train,
                test=test,
                number=number,
                test_groups=tested,
                group_of=np.repeat(tested, sizes[list(tested)]),
                test_start=groups.first_bars[tested[0]],
                test_end=groups.last_bars[tested[-1]],
                n_purged=len(groups.known) - len(train) - len(test),
            )
            folds.append(fold)
        return folds

    def paths(self) -> IntArray:
        """Return which split forecasts each group of each path, (n_paths, n_groups).

        A group's first path takes its forecasts from the first split that tests it, the second path from the second.

        Examples
        --------
        >>> CombinatorialPurged(4, 2).paths().tolist()
        [[0, 0, 1, 2], [1, 3, 3, 4], [2, 4, 5, 5]]
        """
        tested = list(combinations(range(self.n_groups), self.n_test_groups))
        columns = [[n for n, groups in enumerate(tested) if g in groups] for g in range(self.n_groups)]
        return np.array(columns, dtype=np.int64).T

    def assemble(self, folds: Sequence[CombinatorialFold], predictions: Sequence[npt.ArrayLike]) -> FloatArray:
        """Join the splits' forecasts to paths.

        Parameters
        ----------
        folds
            What `split` returned.
        predictions
            One array per fold, (n_test, ...), in the order of its test rows; NaN where there is no forecast.

        Returns
        -------
        array, (n_paths, n_rows, ...)
            Each path has one forecast for every row.

        Raises
        ------
        DataError
            When a split's forecasts are missing or not one per test row.
        """
        if not len(folds) == len(predictions) == self.n_splits:
            raise DataError(
                f"CombinatorialPurged: {self.n_splits} splits, got {len(folds)} folds, {len(predictions)} forecasts; "
                "pass every split's, in the order of split()"
            )
        values = [np.asarray(p, dtype=np.float64) for p in predictions]
        for fold, value in zip(folds, values, strict=True):
            if value.shape[:1] != fold.test.shape or value.shape[1:] != values[0].shape[1:]:
                raise DataError(
                    f"CombinatorialPurged: forecasts of split {fold.number} are {value.shape}, its test part has "
                    f"{len(fold.test)} rows; give one forecast per test row, NaN where there is none"
                )
        n_rows = 1 + max(int(fold.test[-1]) for fold in folds)
        joined = np.full((self.n_paths, n_rows, *values[0].shape[1:]), np.nan)
        paths = self.paths()
        for fold, value in zip(folds, values, strict=True):
            for group in fold.test_groups:
                path = int(np.argmax(paths[:, group] == fold.number))
                here = fold.group_of == group
                joined[path, fold.test[here]] = value[here]
        return joined
