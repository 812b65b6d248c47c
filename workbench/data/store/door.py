"""The store's door: bars, records and provenance as callers hand them over become checked rows of one series."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from workbench.data.bars import bars_of, check_bars, content_hash, symbol_frame, symbols_of
from workbench.data.store.layout import Layout, keys_of, sort_rows
from workbench.data.store.names import check_source
from workbench.errors import DataError
from workbench.typing import Bars


def bar_rows(bars: Bars, symbol: str, source: str, provenance: pd.DataFrame | None) -> pd.DataFrame:
    """Return bars of one symbol as rows: five values, who they came from, whether they mended something."""
    check_bars(bars)
    if symbols_of(bars) != (symbol,):
        raise DataError(f"write takes bars of {symbol!r} alone, got bars of {', '.join(symbols_of(bars))}")
    frame = symbol_frame(bars, symbol)
    if frame.empty:
        raise DataError(f"bars of {symbol!r} hold no traded bar")
    return _with_provenance(frame.set_axis(_microseconds(frame.index, symbol), axis=0), source, provenance)


def bars_hash(rows: pd.DataFrame, symbol: str) -> str:
    """Return the content hash of rows as bars; who they came from does not matter."""
    return content_hash(bars_of({symbol: rows.drop(columns=["source", "repaired"])}))


def record_rows(layout: Layout, frame: pd.DataFrame) -> pd.DataFrame:
    """Return records as rows: checked times, columns, kinds and keys, in the order of their keys.

    Raises
    ------
    DataError
        When a column is missing, unknown, of another kind, or empty where it must not be; when a key comes twice.
    """
    if not isinstance(frame, pd.DataFrame) or not isinstance(frame.index, pd.DatetimeIndex):
        raise DataError(f"records of {layout.name} must be a frame with a DatetimeIndex named 'time'")
    if frame.empty:
        raise DataError(f"the frame of {layout.name} is empty; a write needs at least one row")
    if frame.index.name != "time" or str(frame.index.tz) != "UTC" or frame.index.hasnans:
        raise DataError(
            f"the index of {layout.name} must be 'time' in UTC without empty times, got {frame.index.name!r} "
            f"in {frame.index.tz}"
        )
    if set(frame.columns) != set(layout.columns):
        raise DataError(f"{layout.name} has the columns {', '.join(layout.columns)}; got {', '.join(frame.columns)}")
    rows = frame[list(layout.columns)].set_axis(_microseconds(frame.index, layout.name), axis=0)
    rows = sort_rows(layout, pd.DataFrame({c: _column(layout, rows[c], c) for c in layout.columns}, index=rows.index))
    keys = keys_of(layout, rows)
    if not keys.is_unique:
        raise DataError(f"{layout.name} has {keys[keys.duplicated()][0]} twice; keep one")
    return rows


def records_hash(layout: Layout, rows: pd.DataFrame) -> str:
    """Return the SHA-256 of records: kind, times, then each column in the layout's order."""
    digest = hashlib.sha256(f"workbench records {layout.name} 1\n".encode())
    digest.update(pd.DatetimeIndex(rows.index).as_unit("us").asi8.astype("<i8").tobytes())
    for name in layout.columns:
        if layout.is_text(name):
            digest.update("\n".join(rows[name].astype(str)).encode())
        else:
            values = rows[name].to_numpy(np.float64)
            digest.update((np.where(np.isnan(values), np.nan, values) + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()


def _column(layout: Layout, column: pd.Series, name: str) -> pd.Series:
    if layout.is_text(name):
        if column.isna().any():
            raise DataError(f"{name} of {layout.name} is empty at {column.index[column.isna()][0]}; fill it in")
        return column.astype("str")
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError) as err:
        raise DataError(f"{name} of {layout.name} must be numbers, got {column.iloc[0]!r}") from err
    plain = values.to_numpy()
    wrong = np.isinf(plain) if layout.nullable(name) else ~np.isfinite(plain)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{name} of {layout.name} is {plain[row]} at {column.index[row]}; leave that row out")
    return values


def _microseconds(index: pd.Index, what: str) -> pd.DatetimeIndex:
    times = pd.DatetimeIndex(index)
    if (times.as_unit("ns").asi8 % 1000).any():
        raise DataError(f"{what!r} has times finer than a microsecond; floor them to the time frame")
    return times.as_unit("us")


def _with_provenance(frame: pd.DataFrame, source: str, provenance: pd.DataFrame | None) -> pd.DataFrame:
    if provenance is None:
        empty = pd.Categorical.from_codes(np.full(len(frame), -1, np.int8), categories=pd.Index([], dtype="str"))
        return frame.assign(source=empty, repaired=np.zeros(len(frame), bool))
    if set(provenance.columns) != {"source", "repaired"}:
        raise DataError(
            f"provenance has the columns source and repaired, got {', '.join(map(str, provenance.columns))}"
        )
    stamps = pd.DatetimeIndex(provenance.index).as_unit("us")
    lacking = ~frame.index.isin(stamps)
    if lacking.any() or not stamps.is_unique:
        what = f"says nothing of the bar {frame.index[lacking][0]}" if lacking.any() else "has a time twice"
        raise DataError(f"provenance {what}; give one row for each bar")
    told = provenance.set_axis(stamps, axis=0).reindex(frame.index)
    if told["repaired"].isna().any():
        raise DataError("repaired of the provenance must be True or False, got an empty value")
    names = told["source"].astype("str")
    for name in names.dropna().unique():
        check_source(name)
    return frame.assign(
        source=pd.Categorical(names.where(names != source)), repaired=told["repaired"].astype(bool).to_numpy()
    )
