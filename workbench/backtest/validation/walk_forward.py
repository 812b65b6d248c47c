"""Walk-forward splits: train on what came before, test on what comes next, step on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest.validation.purging import checked_labels, purge
from workbench.backtest.validation.spans import Size, check_size, moved
from workbench.errors import ConfigError, DataError
from workbench.typing import IntArray


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
    """Train on a window of bars, test on the bars after it, step on.

    The only splitter whose test parts are what a strategy would have earned: nothing later is learnt from. Sizes are
    bars, or lengths of time by the calendar such as ``"12h"``, ``"365D"``, ``"2W"``, ``"3M"`` (months) or ``"1Y"``.

    Parameters
    ----------
    train_size
        Training window before purging; the first window where ``expanding``.
    test_size
        Each test part. The last one may be shorter.
    expanding
        Keep all earlier bars in the training window instead of rolling it.
    embargo
        Kept free between the end of the last training label and the first test bar: with 0 a label must end before
        the first test bar, with e more than e bars before it. Since a label never ends before its own bar, this is
        also the gap between the two parts.
    step
        From one test part's start to the next one's; None = ``test_size``, so that test parts tile the series. A
        smaller step lets them overlap, a larger one leaves bars out.
    anchor
        First bar that may be used. An *anchored* walk-forward is an expanding one whose windows all begin here; without
        it they begin at the first bar there is, and are moved by more history, which an anchor prevents.
    min_test
        Least bars of the last test part; a shorter one is left out.

    Notes
    -----
    By the calendar, test part k is all bars in ``[s + k · step, s + k · step + test_size)`` with s the first bar (or
    the anchor) moved on by ``train_size``, whatever bars are missing; a step without bars is left out.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=10, tz="UTC")
    >>> [(f.train.tolist(), f.test.tolist()) for f in WalkForward(4, 3).split(times, times)]
    [([0, 1, 2, 3], [4, 5, 6]), ([3, 4, 5, 6], [7, 8, 9])]
    """

    train_size: Size
    test_size: Size
    expanding: bool = False
    embargo: Size = 0
    step: Size | None = None
    anchor: str | pd.Timestamp | None = None
    min_test: int = 1

    def __post_init__(self) -> None:
        for name, least in (("train_size", 1), ("test_size", 1), ("embargo", 0), ("min_test", 1)):
            check_size("WalkForward", name, getattr(self, name), least)
        if self.step is not None:
            check_size("WalkForward", "step", self.step, 1)
        if self.anchor is not None and not self.expanding:
            raise ConfigError(
                f"WalkForward: anchor {self.anchor} needs expanding=True, since a rolling window moves away from it; "
                "set it or leave the anchor out"
            )

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
        bars, ends = checked_labels("WalkForward", times, t1)
        if bars.has_duplicates:
            raise DataError("WalkForward: times must be unique and increasing; map rows of many assets with rows_of")
        first = 0 if self.anchor is None else int(bars.searchsorted(_like(self.anchor, bars)))
        folds: list[Fold] = []
        for start, opened in self._starts(first, bars):
            stop = _end(bars, start, opened, self.test_size)
            if stop - start >= (self.min_test if stop == len(bars) else 1):
                window = np.arange(self._window(first, start, opened, bars), start)
                folds.append(self._fold(len(folds), window, np.arange(start, stop), bars, ends))
        if not folds:
            raise DataError(f"WalkForward: no test part has min_test {self.min_test} bars; lower it or raise test_size")
        return folds

    def _opening(self, first: int, bars: pd.DatetimeIndex) -> tuple[int, pd.Timestamp] | None:
        """First bar of the first test part and the time it opens at; None where the bars end before."""
        start = len(bars)
        if not isinstance(self.train_size, str):
            start = first + self.train_size
        elif first < len(bars):
            opened = moved(bars[first] if self.anchor is None else _like(self.anchor, bars), self.train_size)
            start = int(bars.searchsorted(opened))
        if start >= len(bars):
            return None
        return start, opened if isinstance(self.train_size, str) else bars[start]

    def _checked_opening(self, first: int, bars: pd.DatetimeIndex) -> tuple[int, pd.Timestamp]:
        """Return the opening of the first fold, or say that the bars do not fill it."""
        if not isinstance(self.train_size, str) and not isinstance(self.test_size, str):
            needed, there = self.train_size + self.test_size, len(bars) - first
            if there < needed:
                raise DataError(
                    f"one fold needs train_size {self.train_size} + test_size {self.test_size} = {needed} bars, "
                    f"got {there}; choose a longer range or smaller sizes"
                )
        opening = self._opening(first, bars)
        if opening is None or _ends_early(bars, *opening, self.test_size):
            span = f"{len(bars)} bars from {bars[0]} to {bars[-1]}" if len(bars) else "no bar"
            raise DataError(
                f"one fold needs train_size {self.train_size} + test_size {self.test_size}, got {span}; choose a "
                "longer range or smaller sizes"
            )
        return opening

    def _starts(self, first: int, bars: pd.DatetimeIndex) -> Iterator[tuple[int, pd.Timestamp]]:
        """First bar of each test part and the time it opens at; steps without a bar are left out."""
        step = self.test_size if self.step is None else self.step
        start, origin = self._checked_opening(first, bars)
        if not isinstance(step, str):
            yield start, origin
            yield from ((place, bars[place]) for place in range(start + step, len(bars), step))
            return
        k = 0
        while start < len(bars):
            stop = int(bars.searchsorted(moved(origin, step, k + 1)))
            if stop > start:
                yield start, moved(origin, step, k)
            start, k = stop, k + 1

    def _window(self, first: int, start: int, opened: pd.Timestamp, bars: pd.DatetimeIndex) -> int:
        """First bar of the training window."""
        if self.expanding:
            return first
        if isinstance(self.train_size, str):
            return int(bars.searchsorted(moved(opened, self.train_size, -1)))
        return start - self.train_size

    def _fold(
        self, number: int, window: IntArray, test: IntArray, bars: pd.DatetimeIndex, ends: pd.DatetimeIndex
    ) -> Fold:
        start = int(test[0])
        if isinstance(self.embargo, str):
            before = moved(bars[start], self.embargo, -1)
        else:
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
            test_start=bars[start],
            test_end=bars[test[-1]],
            n_purged=len(window) - len(train),
            window_start=bars[window[0]],
            labels_before=before,
        )


def rows_of(fold: Fold, row_times: Any, row_t1: Any) -> tuple[IntArray, IntArray]:
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


def _end(bars: pd.DatetimeIndex, start: int, opened: pd.Timestamp, size: Size) -> int:
    """First bar behind a part of some size."""
    if isinstance(size, str):
        return int(bars.searchsorted(moved(opened, size)))
    return min(start + size, len(bars))


def _ends_early(bars: pd.DatetimeIndex, start: int, opened: pd.Timestamp, size: Size) -> bool:
    """Say whether the bars end before a part is full; the last bar lasts as long as the longest of the ten before."""
    if not isinstance(size, str):
        return start + size > len(bars)
    longest = (bars[-11:][1:] - bars[-11:][:-1]).max() if len(bars) > 1 else pd.Timedelta(0)
    return bool(moved(opened, size) > bars[-1] + longest)


def _like(time: str | pd.Timestamp, bars: pd.DatetimeIndex) -> pd.Timestamp:
    """Read a time in the zone of the bars, when it has none of its own."""
    stamp = pd.Timestamp(time)
    return stamp.tz_localize(bars.tz) if stamp.tzinfo is None and bars.tz is not None else stamp
