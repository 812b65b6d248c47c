"""Purged k-fold cross-validation: training on both sides of the test part, for measuring and never for a backtest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest.splits import purge
from workbench.errors import ConfigError, DataError
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
        Bars after the end of the last test label that are left out of the training too: features that look back into
        the test part say something about it.

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
    embargo: int = 0

    def __post_init__(self) -> None:
        for name, least in (("n_folds", 2), ("embargo", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"PurgedKFold: {name} must be at least {least}, got {getattr(self, name)}")

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
        times, ends = pd.DatetimeIndex(row_times), pd.DatetimeIndex(row_t1)
        if len(times) != len(ends):
            raise DataError(f"PurgedKFold: {len(times)} times but {len(ends)} label ends (t1); pass one for each row")
        if not times.is_monotonic_increasing:
            raise DataError("PurgedKFold: rows must be in order of time; sort them by it")
        bars = times.unique()
        if len(bars) < self.n_folds:
            raise DataError(f"PurgedKFold: {self.n_folds} folds need as many bars, got {len(bars)}; load more")
        edges = np.linspace(0, len(bars), self.n_folds + 1).astype(int)
        return [self._fold(k, edges[k], edges[k + 1], bars, times, ends) for k in range(self.n_folds)]

    def _fold(
        self,
        number: int,
        start: int,
        stop: int,
        bars: pd.DatetimeIndex,
        times: pd.DatetimeIndex,
        ends: pd.DatetimeIndex,
    ) -> PurgedFold:
        first, last = bars[start], bars[stop - 1]
        in_test = np.asarray((times >= first) & (times <= last))
        keep = purge(times, ends, before=first, after=self._free_after(ends[in_test], last, bars)) & ~in_test
        if not keep.any():
            raise DataError(
                f"PurgedKFold: fold {number} has no training row left after purging; use fewer folds, a shorter horizon"
                " or a smaller embargo"
            )
        return PurgedFold(
            train=np.flatnonzero(keep),
            test=np.flatnonzero(in_test),
            number=number,
            test_start=first,
            test_end=last,
            n_purged=int((~keep & ~in_test).sum()),
        )

    def _free_after(self, ends: pd.DatetimeIndex, last: pd.Timestamp, bars: pd.DatetimeIndex) -> pd.Timestamp | None:
        """Time after which training may begin again: the end of the last test label, moved on by the embargo."""
        known = ends[np.asarray(ends.notna())]
        end = max(known.max(), last) if len(known) else last
        place = int(bars.searchsorted(end, side="right")) - 1 + self.embargo
        return max(end, bars[place]) if place < len(bars) else None
