"""What a training part may not hold: labels that touch a test part, and the embargo behind it. One owner of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest.validation.spans import Size, moved
from workbench.errors import DataError
from workbench.typing import BoolArray, IntArray


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


def checked_labels(owner: str, times: Any, t1: Any) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Return rows' times and label ends, in order of time, or say what is wrong with them."""
    if t1 is None:
        raise DataError(f"{owner}: labels without an end cannot be purged; pass t1, the time each label is known")
    bars, ends = pd.DatetimeIndex(times), pd.DatetimeIndex(t1)
    if len(bars) != len(ends):
        raise DataError(f"{owner}: {len(bars)} times but {len(ends)} label ends (t1); pass one for each")
    if (bars.tz is None) != (ends.tz is None):
        raise DataError(f"{owner}: times are in zone {bars.tz} and t1 in {ends.tz}; pass both in UTC")
    if not bars.is_monotonic_increasing:
        raise DataError(f"{owner}: rows must be in order of time; sort them by it")
    early = np.asarray(ends < bars)
    if early.any():
        row = int(np.argmax(early))
        raise DataError(
            f"{owner}: the label of {bars[row]} ends before it, at {ends[row]}; t1 must not precede its row"
        )
    if len(bars) and ends.isna().all():
        raise DataError(f"{owner}: none of {len(bars)} labels has an end t1; pass the times at which they are known")
    return bars, ends


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows in order of time, cut into groups of bars, and what each group as a test part takes from the training.

    Parameters
    ----------
    known
        Rows whose label has an end, (n_rows,).
    edges
        First row of each group and, last, the number of rows, (n_groups + 1,).
    reaching
        For each group the rows before it whose label ends at its first bar or later.
    free_from
        First row behind each group's last label end and the embargo, (n_groups,).
    first_bars, last_bars
        First and last bar of each group.
    """

    known: BoolArray
    edges: IntArray
    reaching: tuple[IntArray, ...]
    free_from: IntArray
    first_bars: pd.DatetimeIndex
    last_bars: pd.DatetimeIndex

    def test_rows(self, groups: tuple[int, ...]) -> IntArray:
        """Return the rows of the groups, increasing."""
        return np.concatenate([np.arange(self.edges[g], self.edges[g + 1]) for g in groups])

    def train_rows(self, groups: tuple[int, ...]) -> IntArray:
        """Return the rows outside these test groups whose label does not touch them, nor the embargo behind."""
        keep = self.known.copy()
        for group in groups:
            keep[self.edges[group] : max(self.free_from[group], self.edges[group + 1])] = False
            keep[self.reaching[group]] = False
        return np.flatnonzero(keep)


def grouped(owner: str, times: Any, t1: Any, n_groups: int, embargo: Size) -> Groups:
    """Return rows cut into groups of as many bars as can be, with their purges; rows of several assets share bars."""
    rows, ends = checked_labels(owner, times, t1)
    bars = rows.unique()
    if len(bars) < n_groups:
        raise DataError(f"{owner}: {n_groups} folds need as many bars, got {len(bars)}; load more or lower the number")
    cuts = np.linspace(0, len(bars), n_groups + 1).astype(np.int64)
    first_bars, last_bars = bars[cuts[:-1]], bars[cuts[1:] - 1]
    edges = np.append(rows.searchsorted(first_bars), len(rows)).astype(np.int64)
    known = np.asarray(ends.notna())
    stamps = ends.as_unit("ns").asi8  # NaT is the least integer, so it is never the latest end
    starts = first_bars.as_unit("ns").asi8
    latest = np.maximum.accumulate(stamps)
    label_ends = np.maximum(np.maximum.reduceat(stamps, edges[:-1]), last_bars.as_unit("ns").asi8)
    reaching = []
    for start, edge in zip(starts, edges[:-1], strict=True):
        since = int(np.searchsorted(latest[:edge], start))
        reaching.append(since + np.flatnonzero(stamps[since:edge] >= start))
    zone = rows.tz
    free = [_free_from(pd.Timestamp(end, unit="ns", tz=zone), rows, bars, embargo) for end in label_ends]
    return Groups(known, edges, tuple(reaching), np.array(free, dtype=np.int64), first_bars, last_bars)


def _free_from(end: pd.Timestamp, rows: pd.DatetimeIndex, bars: pd.DatetimeIndex, embargo: Size) -> int:
    """First row that may be trained on again behind a label end, moved on by the embargo."""
    if isinstance(embargo, str):
        return int(rows.searchsorted(moved(end, embargo), side="right"))
    place = int(bars.searchsorted(end, side="right")) - 1 + embargo
    return int(rows.searchsorted(max(end, bars[place]), side="right")) if place < len(bars) else len(rows)
