"""Reads of bars: from the image of a series where it serves, from its table otherwise; one series or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS
from workbench.data.store.image import SeriesImage
from workbench.data.store.table import SeriesTable
from workbench.typing import Bars, FloatArray, IntArray

Arrays = tuple[IntArray, FloatArray, int]
"""Times in microseconds of shape (n,), values of shape (n_fields, n), and the version that they are of."""


def read_arrays(
    table: SeriesTable,
    fields: Sequence[str],
    start: int | None,
    end: int | None,
    version: int | None,
    *,
    image: bool,
) -> Arrays:
    """Return fields of a version with ``start <= time < end`` (microseconds); there may be no row.

    Raises
    ------
    DataError
        When the version is damaged or was never written.
    """
    if image:
        found = SeriesImage(table).read(fields, start, end, version)
        if found is not None:
            return found[0], found[1], found[2].version
    entry = table.entry(version)
    frame = table.read(entry, start, end, fields)
    times = pd.DatetimeIndex(frame.index).asi8
    return times, np.array([frame[f].to_numpy() for f in fields]).reshape(len(fields), len(times)), entry.version


@lru_cache(maxsize=4096)
def _columns(symbols: tuple[str, ...]) -> pd.MultiIndex:
    return pd.MultiIndex.from_product([BAR_FIELDS, symbols], names=["field", "symbol"])


def time_index(times: IntArray) -> pd.DatetimeIndex:
    """Return microseconds since 1970 as the index of bars, without a copy."""
    return pd.DatetimeIndex(times.view("datetime64[us]"), name="time", copy=False).tz_localize("UTC")


def bars_frame(times: IntArray, values: FloatArray, symbol: str) -> Bars:
    """Return the five fields of one symbol, values of shape (5, n), as bars without a copy."""
    return pd.DataFrame(values.T, index=time_index(times), columns=_columns((symbol,)), copy=False)


def joined_frame(read: Mapping[str, tuple[IntArray, FloatArray]]) -> Bars:
    """Return several symbols as bars: the union of their times, NaN where a symbol has no bar."""
    symbols = tuple(sorted(read))
    clocks = [read[s][0] for s in symbols]
    times = max(clocks, key=len)
    if not all(len(c) == len(times) and (c == times).all() for c in clocks):
        times = np.unique(np.concatenate(clocks))
    values = np.full((len(BAR_FIELDS), len(symbols), len(times)), np.nan)
    for number, symbol in enumerate(symbols):
        own, rows = read[symbol]
        at = slice(None) if len(own) == len(times) else np.searchsorted(times, own)
        values[:, number, at] = rows
    flat = values.reshape(-1, len(times))
    return pd.DataFrame(flat.T, index=time_index(times), columns=_columns(symbols), copy=False)
