"""How much of each month a series covers: the frame behind the heat map of the data page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.data.quality.calendars import expected_times, infer_calendar
from workbench.data.store.barstore import BarStore
from workbench.data.timeframes import timeframe_delta
from workbench.errors import DataError


def coverage(store: BarStore, source: str, timeframe: str, symbols: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the share of expected bars that are stored, symbol × month.

    Parameters
    ----------
    symbols : sequence of str, optional
        Default: all of the source at this time frame.

    Returns
    -------
    DataFrame
        Rows symbol, columns ``"2015-01"``, ...; values 0 to 1, NaN in months before the first and after the last bar.
        Expected are the times of the symbol's own calendar between its first and its last bar.

    Raises
    ------
    DataError
        When there is no such series.
    """
    chosen = store.symbols(source, timeframe) if symbols is None else tuple(symbols)
    if not chosen:
        raise DataError(f"source {source!r} holds no series at {timeframe}; import one, or name another time frame")
    rows = {s: monthly_share(pd.DatetimeIndex(store.read(source, s, timeframe).index), timeframe) for s in chosen}
    frame = pd.DataFrame(rows).T.sort_index(axis=1)
    return frame.rename_axis(index="symbol", columns="month")


def monthly_share(times: pd.DatetimeIndex, timeframe: str) -> pd.Series:
    """Return the share of expected times that are present for each month of increasing times."""
    delta = timeframe_delta(timeframe)
    expected = expected_times(times, delta, infer_calendar(times, delta))
    present = pd.Series(expected.isin(times).astype(float), index=expected)
    return present.groupby(expected.strftime("%Y-%m")).mean()
