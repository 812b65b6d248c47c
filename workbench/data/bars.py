"""The bars convention and its one door.

Bars are a frame: a UTC ``DatetimeIndex`` named ``time`` (the *open* of each bar), unique and increasing; columns
(field, symbol) with the fields open, high, low, close and volume as float64. A symbol that does not trade at a
time is NaN in all five fields. Prices are above 0, volume is not negative, and high and low enclose open and close.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import BarsError, DataError
from workbench.typing import Bars, BoolArray, FloatArray

BAR_FIELDS = ("open", "high", "low", "close", "volume")
PRICE_FIELDS = BAR_FIELDS[:4]
VIOLATIONS = {
    "missing_value": "a field is empty while others are not",
    "infinite_value": "infinite value",
    "price_not_positive": "price not above 0",
    "negative_volume": "negative volume",
    "high_below_low": "high below low",
    "high_below_body": "high below open or close",
    "low_above_body": "low above open or close",
}
"""What a bar can do wrong: machine key and words."""


def check_bars(bars: Bars) -> Bars:
    """Check bars against the convention and return them unchanged: the one door of the library.

    Parameters
    ----------
    bars : DataFrame
        ``n_bars`` rows; columns (field, symbol).

    Returns
    -------
    DataFrame
        The same object.

    Raises
    ------
    BarsError
        One line naming symbol, time, field and value of the first violation, as attributes too.
    DataError
        When the index or the columns do not have the shape of bars.
    """
    _check_index(bars)
    _check_columns(bars)
    for symbol in symbols_of(bars):
        values = field_arrays(bars, symbol)
        for kind, field, mask in violations(values):
            if mask.any():
                raise _violation(bars.index[int(mask.argmax())], symbol, field, values[field][mask][0], kind)
    return bars


def violations(values: Mapping[str, FloatArray]) -> Iterator[tuple[str, str, BoolArray]]:
    """Yield (kind, field, mask of bars) for each rule of one bar; the only place where the rules are written.

    Parameters
    ----------
    values : mapping of field to array of shape (n_bars,)
        All five fields of one symbol. A bar with NaN in every field is an absent bar and breaks no rule.
    """
    matrix = np.vstack([values[f] for f in BAR_FIELDS])
    absent = np.isnan(matrix).all(axis=0)
    for field in BAR_FIELDS:
        yield "missing_value", field, np.isnan(values[field]) & ~absent
    for field in BAR_FIELDS:
        yield "infinite_value", field, np.isinf(values[field])
    for field in PRICE_FIELDS:
        yield "price_not_positive", field, values[field] <= 0
    yield "negative_volume", "volume", values["volume"] < 0
    yield "high_below_low", "high", values["high"] < values["low"]
    body = np.vstack([values["open"], values["close"]])
    yield "high_below_body", "high", values["high"] < body.max(axis=0)
    yield "low_above_body", "low", values["low"] > body.min(axis=0)


def symbols_of(bars: Bars) -> tuple[str, ...]:
    """Return the symbols of bars in the order of their columns."""
    return tuple(dict.fromkeys(bars.columns.get_level_values(1)))


def field_arrays(bars: Bars, symbol: str) -> dict[str, FloatArray]:
    """Return the five fields of one symbol as float64 arrays of shape (n_bars,)."""
    return {f: bars[(f, symbol)].to_numpy(dtype=np.float64) for f in BAR_FIELDS}


def symbol_frame(bars: Bars, symbol: str) -> pd.DataFrame:
    """Return one symbol as a flat frame with the five fields, without the times at which it does not trade."""
    frame = pd.DataFrame(field_arrays(bars, symbol), index=bars.index)
    return frame[frame.notna().any(axis=1)]


def bars_of(frames: Mapping[str, pd.DataFrame]) -> Bars:
    """Join flat frames (time × five fields) of several symbols into bars: outer join of times, symbols sorted."""
    symbols = sorted(frames)
    if not symbols:
        raise DataError("bars need at least one symbol")
    index = frames[symbols[0]].index
    for symbol in symbols[1:]:
        index = index.union(frames[symbol].index)
    index = pd.DatetimeIndex(index, name="time")
    columns = pd.MultiIndex.from_product([BAR_FIELDS, symbols], names=["field", "symbol"])
    aligned = {s: frames[s].reindex(index) for s in symbols}
    data = np.column_stack([aligned[s][f].to_numpy(dtype=np.float64) for f, s in columns])
    return pd.DataFrame(data, index=index, columns=columns)


def content_hash(bars: Bars) -> str:
    """Return the SHA-256 of the content of bars as 64 hex digits.

    Notes
    -----
    Hashed bytes, in order: the line ``workbench bars 1``; the sorted symbols as a JSON list and a line feed; the
    times as little-endian int64 nanoseconds since 1970 UTC; then for each symbol (sorted), for each of open, high,
    low, close and volume, the values as little-endian float64, with every NaN written as the quiet NaN and -0.0 as
    0.0. Equal bars have equal hashes whatever the order of their columns or the unit of their index.
    """
    symbols = sorted(symbols_of(bars))
    digest = hashlib.sha256(b"workbench bars 1\n")
    digest.update(json.dumps(symbols, ensure_ascii=True).encode() + b"\n")
    digest.update(_utc_index(bars).as_unit("ns").asi8.astype("<i8").tobytes())
    for symbol in symbols:
        for values in field_arrays(bars, symbol).values():
            canonical = np.where(np.isnan(values), np.nan, values) + 0.0
            digest.update(canonical.astype("<f8").tobytes())
    return digest.hexdigest()


def series_hash(bars: Bars) -> str:
    """Return a hash of prices and volumes that no renaming of symbols changes (64 hex digits).

    Each symbol is hashed alone under the same name, at the times at which it trades; the hashes are sorted.
    """
    alone = (symbol_frame(bars, symbol) for symbol in symbols_of(bars))
    digests = sorted(content_hash(bars_of({"SERIES": frame})) for frame in alone)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _utc_index(bars: Bars) -> pd.DatetimeIndex:
    index = bars.index
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"bars need a DatetimeIndex named 'time', got {type(index).__name__}")
    return index


def _check_index(bars: Any) -> None:
    if not isinstance(bars, pd.DataFrame):
        raise DataError(f"bars must be a pandas DataFrame, got {type(bars).__name__}")
    index = _utc_index(bars)
    if len(index) == 0:
        raise DataError("bars are empty; a series needs at least one bar")
    if index.tz is None:
        raise DataError(
            f"bars must be in UTC, their times have no time zone (first {index[0]}); use .tz_localize('UTC')"
        )
    if str(index.tz) != "UTC":
        raise DataError(
            f"bars must be in UTC, their times are in {index.tz} (first {index[0]}); use .tz_convert('UTC')"
        )
    if index.name != "time":
        raise DataError(f"the index of bars must be named 'time', got {index.name!r}; use .rename_axis(index='time')")
    if index.hasnans:
        raise DataError(f"bars have no time in row {int(np.flatnonzero(index.isna())[0])}; remove that row")
    steps = np.diff(index.asi8)
    if (steps <= 0).any():
        row = int(np.flatnonzero(steps <= 0)[0]) + 1
        what, cure = ("twice", "keep one") if steps[row - 1] == 0 else (f"after {index[row - 1]}", "sort by time")
        raise BarsError(
            f"bars must have unique, increasing times: row {row} has {index[row]} {what}; {cure}", time=index[row]
        )


def _check_columns(bars: Bars) -> None:
    columns = bars.columns
    if not isinstance(columns, pd.MultiIndex) or columns.nlevels != 2:
        raise DataError(
            f"bars need two-level columns (field, symbol), got {list(columns)[:6]}; build them with bars_of"
        )
    if list(columns.names) != ["field", "symbol"]:
        raise DataError(f"the column levels of bars must be named 'field' and 'symbol', got {list(columns.names)}")
    if columns.has_duplicates:
        raise DataError(f"bars have the column {columns[columns.duplicated()][0]} twice")
    have = set(columns)
    for symbol in symbols_of(bars):
        missing = [f for f in BAR_FIELDS if (f, symbol) not in have]
        if missing:
            raise BarsError(f"bars of {symbol} lack the field {missing[0]!r}", symbol=str(symbol), field=missing[0])
    extra = [f for f in columns.get_level_values(0) if f not in BAR_FIELDS]
    if extra:
        raise DataError(f"bars have an unknown field {extra[0]!r}; the fields are {', '.join(BAR_FIELDS)}")
    wrong = [(c, d) for c, d in bars.dtypes.items() if d != np.float64]
    if wrong:
        raise DataError(f"bars must be float64, column {wrong[0][0]} is {wrong[0][1]}; use .astype(float)")


def _violation(time: pd.Timestamp, symbol: str, field: str, value: float, kind: str) -> BarsError:
    text = f"{symbol} at {time:%Y-%m-%d %H:%M}: {VIOLATIONS[kind]}, {field} = {float(value):g}; set it aside"
    return BarsError(text, symbol=symbol, time=time, field=field, value=float(value))
