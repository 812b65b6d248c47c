"""Values as they were known: a restated number is not seen before the day it was published."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.data.timeframes import timeframe_delta
from workbench.errors import DataError
from workbench.typing import IntArray


def as_known(
    frame: pd.DataFrame,
    index: pd.DatetimeIndex,
    *,
    event_time: str = "event_time",
    publish_time: str = "publish_time",
    by: str | None = None,
    timeframe: str | None = None,
) -> pd.DataFrame:
    """Join published values to bars so that each bar sees what was known by then, and nothing later.

    A row of ``frame`` says: the value of this event became known at this time. Of one event several rows may exist, the
    first report and its restatements. At a time t the newest event published by t is shown, in its newest wording
    published by t; a restatement of an older event does not displace a newer event.

    Parameters
    ----------
    frame : DataFrame
        Rows in any order, with the two times (UTC) and value columns.
    index : DatetimeIndex
        UTC times to join to, usually the open times of bars.
    event_time, publish_time : str
        Names of the columns.
    by : str, optional
        A column such as ``symbol``: each of its values is joined by itself, and the result has columns (value, by).
    timeframe : str, optional
        Bar length of ``index``. Given, a row sees what was published by the close of its bar, the moment at which a
        close is acted on; left out, by its open.

    Returns
    -------
    DataFrame
        The value columns and ``event_time`` at ``index``; missing before anything was published.

    Raises
    ------
    DataError
        When a column is missing, a time is empty or has no zone, or two rows contradict each other (one event,
        published at one time, twice).
    """
    keys = [event_time, publish_time, *([by] if by else [])]
    for key in keys:
        if key not in frame.columns:
            raise DataError(f"the frame has no column {key!r}.{did_you_mean(key, [str(c) for c in frame.columns])}")
    events, published = (_nanoseconds(frame[c], c) for c in (event_time, publish_time))
    twice = np.flatnonzero(frame.duplicated(keys, keep=False).to_numpy())
    if len(twice):
        row = frame.iloc[int(twice[0])]
        raise DataError(
            f"the event of {row[event_time]} was published twice at {row[publish_time]}; keep one of the "
            f"{len(twice)} rows that contradict each other so"
        )
    moments = _nanoseconds(index.to_series(), "index") + (timeframe_delta(timeframe).value if timeframe else 0)
    values = frame.drop(columns=[c for c in keys if c != event_time])
    if by is None:
        return _joined(values, events, published, moments, index)
    groups = frame.groupby(by, sort=True).indices
    parts = {
        name: _joined(values.iloc[rows], events[rows], published[rows], moments, index) for name, rows in groups.items()
    }
    joined = pd.concat(parts, axis=1, names=[by]).swaplevel(axis=1)
    return joined.reindex(columns=pd.MultiIndex.from_product([values.columns, list(parts)], names=["field", by]))


def _joined(
    values: pd.DataFrame, events: IntArray, published: IntArray, moments: IntArray, index: pd.DatetimeIndex
) -> pd.DataFrame:
    order = np.lexsort((events, published))
    newest = np.maximum.accumulate(events[order])
    # A row is shown from its publication on if no newer event was out by then; else the last shown row stays.
    shown = np.maximum.accumulate(np.where(events[order] == newest, np.arange(len(order)), -1))
    seen = np.searchsorted(published[order], moments, side="right") - 1
    rows = np.where(seen >= 0, order[shown[np.maximum(seen, 0)]], -1)
    return values.reset_index(drop=True).reindex(rows).set_axis(index, axis=0)


def _nanoseconds(times: pd.Series, name: str) -> IntArray:
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise DataError(f"column {name!r} must hold UTC times, got {times.dtype}; use pd.to_datetime(..., utc=True)")
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise DataError(f"{name!r} is empty in row {row}; a value without both times cannot be placed")
    return pd.DatetimeIndex(times).as_unit("ns").asi8.astype(np.int64)
