"""Walk-forward splits with purging and embargo; `purge` is the one owner of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.typing import BoolArray, IntArray


@dataclass(frozen=True)
class Fold:
    """One training part and the test part right after it.

    Parameters
    ----------
    train, test
        Positions in the ``times`` that were split, increasing.
    number
        0 for the first fold.
    train_start, train_end
        First and last training bar that is left after purging.
    test_start, test_end
        First and last test bar.
    n_purged
        Bars of the training window that were left out because their label reaches the test part or its embargo, or is
        not known.
    window_start
        First bar of the training window before purging.
    labels_before
        Training labels must end before this time: the first test bar, moved back by the embargo.
    """

    train: IntArray
    test: IntArray
    number: int
    train_start: pd.Timestamp
    train_end: pd.Timestamp
    test_start: pd.Timestamp
    test_end: pd.Timestamp
    n_purged: int
    window_start: pd.Timestamp
    labels_before: pd.Timestamp


@dataclass(frozen=True)
class WalkForward:
    """Train on a window of bars, test on the bars after it, step on by the test size.

    Parameters
    ----------
    train_size
        Bars in the training window before purging; the first window where ``expanding``.
    test_size
        Bars in each test part. Test parts tile the series; the last one may be shorter.
    expanding
        Keep all earlier bars in the training window instead of rolling it.
    embargo
        Bars kept free between the end of the last training label and the first test bar: with 0 a label must end
        before the first test bar, with e more than e bars before it.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=10, tz="UTC")
    >>> [(f.train.tolist(), f.test.tolist()) for f in WalkForward(4, 3).split(times, times)]
    [([0, 1, 2, 3], [4, 5, 6]), ([3, 4, 5, 6], [7, 8, 9])]
    """

    train_size: int
    test_size: int
    expanding: bool = False
    embargo: int = 0

    def __post_init__(self) -> None:
        for name, least in (("train_size", 1), ("test_size", 1), ("embargo", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"WalkForward: {name} must be at least {least}, got {getattr(self, name)}")

    def split(self, times: Any, t1: Any) -> list[Fold]:
        """Return the folds over unique bar times.

        Parameters
        ----------
        times
            Unique, increasing times of the bars, (n_bars,).
        t1
            Time at which each bar's label is known, (n_bars,), the latest over its assets; NaT where it is not known
            yet, and such a bar is never trained on.

        Raises
        ------
        DataError
            When there are fewer bars than one fold needs, or purging leaves a fold nothing to train on.
        """
        bars, ends = pd.DatetimeIndex(times), pd.DatetimeIndex(t1)
        if len(bars) != len(ends):
            raise DataError(f"WalkForward: {len(bars)} times but {len(ends)} label ends (t1); pass one for each bar")
        if bars.has_duplicates or not bars.is_monotonic_increasing:
            raise DataError("WalkForward: times must be unique and increasing; map rows of many assets with rows_of")
        needed = self.train_size + self.test_size
        if len(bars) < needed:
            raise DataError(
                f"one fold needs train_size {self.train_size} + test_size {self.test_size} = {needed} bars, "
                f"got {len(bars)}; choose a longer range or smaller sizes"
            )
        starts = range(self.train_size, len(bars), self.test_size)
        return [self._fold(number, start, bars, ends) for number, start in enumerate(starts)]

    def _fold(self, number: int, start: int, bars: pd.DatetimeIndex, ends: pd.DatetimeIndex) -> Fold:
        test = np.arange(start, min(start + self.test_size, len(bars)))
        window = np.arange(0 if self.expanding else start - self.train_size, start)
        before = bars[max(start - self.embargo, 0)]
        train = window[purge(bars[window], ends[window], before=before)]
        if len(train) == 0:
            raise DataError(
                f"WalkForward: fold {number} has no training bar left after purging {len(window)} bars whose labels "
                f"end at {before} or later; raise train_size or lower horizon or embargo"
            )
        return Fold(
            train=train,
            test=test,
            number=number,
            train_start=bars[train[0]],
            train_end=bars[train[-1]],
            test_start=bars[test[0]],
            test_end=bars[test[-1]],
            n_purged=len(window) - len(train),
            window_start=bars[window[0]],
            labels_before=before,
        )


def purge(starts: Any, ends: Any, *, before: Any = None, after: Any = None) -> BoolArray:
    """Return which rows' labels lie wholly before or wholly after a test part.

    Parameters
    ----------
    starts, ends
        Time of each row and time t1 at which its label is known, (n_rows,). The interval is closed.
    before
        Keep rows with ``t1 < before``: the first test time, moved back by the embargo. None = keep none on that side.
    after
        Keep rows with ``start > after``: the end of the last test label, moved on by the embargo. None = keep none
        there.

    Returns
    -------
    array of bool, (n_rows,)
        False too where t1 is NaT.

    References
    ----------
    López de Prado, M. (2018). Advances in Financial Machine Learning, ch. 7. Wiley.
    """
    first, last = pd.DatetimeIndex(starts), pd.DatetimeIndex(ends)
    keep = np.zeros(len(first), dtype=bool)
    if before is not None:
        keep |= np.asarray(last < before)
    if after is not None:
        keep |= np.asarray(first > after)
    return keep & ~np.asarray(last.isna())


def rows_of(fold: Fold, row_times: Any, row_t1: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the training and test rows of a fold for rows of many assets.

    Parameters
    ----------
    fold
        Fold over the unique times of the rows.
    row_times, row_t1
        Time and label end of each row, (n_rows,); each row is purged by its own t1.

    Returns
    -------
    train, test
        Positions of rows, increasing.
    """
    times = pd.DatetimeIndex(row_times)
    window = np.asarray((times >= fold.window_start) & (times < fold.test_start))
    train = window & purge(times, row_t1, before=fold.labels_before)
    test = np.asarray((times >= fold.test_start) & (times <= fold.test_end))
    return np.flatnonzero(train), np.flatnonzero(test)
