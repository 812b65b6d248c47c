"""The last stretch of a data set, set aside until the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest.validation.purging import checked_labels, purge
from workbench.errors import ConfigError, DataError
from workbench.typing import IntArray


@dataclass(frozen=True, eq=False)
class LockboxSplit:
    """Rows to search on, and those to open once.

    Parameters
    ----------
    development
        Rows before the lock-box whose label ends before it, increasing.
    locked
        Rows in the lock-box, increasing.
    start
        First bar of the lock-box.
    n_purged
        Rows before it that were left out, because their label reaches into it or is not known.
    """

    development: IntArray
    locked: IntArray
    start: pd.Timestamp
    n_purged: int


def split_lockbox(
    times: Any, t1: Any = None, *, share: float | None = None, start: str | pd.Timestamp | None = None
) -> LockboxSplit:
    """Set the last stretch of a data set aside.

    All searching, tuning and cross-validation happens on the development rows; the locked ones answer one question,
    once. `workbench.tracking.LockBox` records each opening.

    Parameters
    ----------
    times
        Bar of each row, (n_rows,), in order of time; rows of several assets share bars.
    t1
        Time at which each row's label is known, (n_rows,); None where rows carry no labels.
    share
        Share of the bars to lock, such as 0.2, rounded up to whole bars.
    start
        First time to lock, instead of a share.

    Returns
    -------
    LockboxSplit

    Raises
    ------
    ConfigError
        When not exactly one of ``share`` and ``start`` is given, or the share is not in (0, 1).
    DataError
        When one of the two parts is empty.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=10, tz="UTC")
    >>> split = split_lockbox(times, times + pd.Timedelta("1D"), share=0.25)
    >>> split.development.tolist(), split.locked.tolist(), split.n_purged
    ([0, 1, 2, 3, 4, 5], [7, 8, 9], 1)
    """
    if (share is None) == (start is None):
        raise ConfigError(f"split_lockbox: give either share or start, got share={share} and start={start}")
    rows, ends = checked_labels("split_lockbox", times, times if t1 is None else t1)
    first = _first_locked(rows.unique(), share, start)
    locked = np.asarray(rows >= first)
    development = ~locked & purge(rows, ends, before=first)
    if not development.any() or not locked.any():
        raise DataError(
            f"split_lockbox: a lock-box from {first} leaves {int(development.sum())} rows to search on and "
            f"{int(locked.sum())} locked, of {len(rows)} up to {rows[-1] if len(rows) else None}; choose another start"
        )
    purged = int((~locked & ~development).sum())
    return LockboxSplit(np.flatnonzero(development), np.flatnonzero(locked), first, purged)


def _first_locked(bars: pd.DatetimeIndex, share: float | None, start: str | pd.Timestamp | None) -> pd.Timestamp:
    if start is not None:
        stamp = pd.Timestamp(start)
        return stamp.tz_localize(bars.tz) if stamp.tzinfo is None and bars.tz is not None else stamp
    if share is None or not 0.0 < share < 1.0:
        raise ConfigError(f"split_lockbox: share must lie in (0, 1), got {share}; 0.2 is usual")
    n_locked = math.ceil(share * len(bars))
    if n_locked >= len(bars):
        raise DataError(f"split_lockbox: a share of {share} locks all of {len(bars)} bars; load more or lower it")
    return bars[len(bars) - n_locked]
