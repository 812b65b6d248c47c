"""Times as they are written in files, to UTC. What is in doubt is an error that names row and column."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from workbench.data.files.cells import RawTable, cell_texts

# An epoch number is read in the one unit that puts it between 1980 and 2100; these ranges do not overlap.
_EPOCH_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_EARLIEST, _LATEST = 315_532_800.0, 4_102_444_800.0
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?")
_ZONE = r"(?:Z|UTC|[+-]\d{2}:?\d{2})$"
_THREE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(.*)")
_FORMATS = (
    (re.compile(r"\d{4}-\d{2}-\d{2} \d{2}-[AP]M"), "%Y-%m-%d %I-%p"),
    (re.compile(r"\d{8} \d{2}:\d{2}"), "%Y%m%d %H:%M"),
    (re.compile(r"\d{8} \d{2}:\d{2}:\d{2}"), "%Y%m%d %H:%M:%S"),
    (re.compile(r"\d{8} \d{6}"), "%Y%m%d %H%M%S"),
    (re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}"), "%b %d, %Y"),
    (re.compile(r"\d{1,2}-[A-Z][a-z]{2}-\d{4}"), "%d-%b-%Y"),
)
KNOWN_TIMES = "ISO 8601, seconds to nanoseconds since 1970, YYYYMMDD, or day and month with the year last"


def read_times(table: RawTable, column: int, name: str, date_order: str | None = None) -> tuple[pd.DatetimeIndex, str]:
    """Return the times of a column in UTC (microseconds) and in words how they were read.

    Parameters
    ----------
    date_order : {"dmy", "mdy"}, optional
        For dates with the year last, where the file itself does not tell.

    Raises
    ------
    DataError
        Naming the first row that is empty, unknown or ambiguous.
    """
    cells = table.cells[column]
    if isinstance(cells.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(cells.dtype):
        return _from_datetimes(table, cells, name)
    if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_bool_dtype(cells.dtype):
        return _from_numbers(table, cells.to_numpy(np.float64), cells, name)
    text = cell_texts(cells)
    empty = np.flatnonzero((text == "").to_numpy())
    if len(empty):
        raise table.error(f"{table.place(int(empty[0]))}, column {name!r} has no time; fill it in or remove the row")
    if text.str.fullmatch(r"\d+(\.\d+)?").all():
        return _from_numbers(table, text.to_numpy(np.float64), text, name)
    return _from_text(table, text, name, date_order)


def _utc(times: pd.DatetimeIndex | pd.Series) -> pd.DatetimeIndex:
    index = pd.DatetimeIndex(times)
    index = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    return index.as_unit("us").rename("time")


def _from_datetimes(table: RawTable, cells: pd.Series, name: str) -> tuple[pd.DatetimeIndex, str]:
    if cells.isna().any():
        raise table.error(
            f"{table.place(int(cells.isna().to_numpy().argmax()))}, column {name!r} has no time; remove the row"
        )
    zone = getattr(cells.dtype, "tz", None)
    return _utc(pd.DatetimeIndex(cells)), "times without a zone, taken as UTC" if zone is None else f"times in {zone}"


def _from_numbers(table: RawTable, numbers: np.ndarray, cells: pd.Series, name: str) -> tuple[pd.DatetimeIndex, str]:
    for digits, pattern in ((8, "%Y%m%d"), (14, "%Y%m%d%H%M%S")):
        if ((numbers >= 10.0 ** (digits - 1)) & (numbers < 10.0**digits) & (numbers % 1 == 0)).all():
            text = pd.Series(numbers.astype(np.int64)).astype(str)
            return _parsed(table, text, name, pattern), f"times written as {pattern}, taken as UTC"
    fits = {u: (numbers >= _EARLIEST * f) & (numbers <= _LATEST * f) for u, f in _EPOCH_UNITS.items()}
    unit = max(fits, key=lambda u: int(fits[u].sum()))
    wrong = np.flatnonzero(~fits[unit])
    if len(wrong):
        row = int(wrong[0])
        usual = f"like the others in {unit}" if fits[unit].any() else "in s, ms, us or ns"
        raise table.error(
            f"{table.place(row)}, column {name!r}: {cells.iloc[row]} is no time {usual} since 1970, in 1980 to 2100"
        )
    scale = 1_000_000 / _EPOCH_UNITS[unit]
    whole = cells.to_numpy(np.int64) if pd.api.types.is_integer_dtype(cells.dtype) else None
    micro = np.rint(numbers * scale).astype(np.int64) if whole is None else _exact_micro(whole, unit)
    return _utc(pd.DatetimeIndex(micro.astype("datetime64[us]"))), f"times in {unit} since 1970"


def _exact_micro(whole: np.ndarray, unit: str) -> np.ndarray:
    return whole // 1000 if unit == "ns" else whole * {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]


def _from_text(table: RawTable, text: pd.Series, name: str, date_order: str | None) -> tuple[pd.DatetimeIndex, str]:
    sample = text.iloc[0]
    if re.match(r"\d{4}([./])\d{2}\1\d{2}", sample):
        text = text.str.replace(r"^(\d{4})[./](\d{2})[./](\d{2})", r"\1-\2-\3", regex=True)
        sample = text.iloc[0]
    if _ISO.fullmatch(sample):
        return _from_iso(table, text, name)
    for pattern, form in _FORMATS:
        if pattern.fullmatch(sample):
            return _parsed(table, text, name, form), f"times written as {form}, taken as UTC"
    if _THREE.fullmatch(sample):
        return _from_year_last(table, text, name, date_order)
    raise table.error(f"{table.place(0)}, column {name!r}: {sample!r} is not a time; known are {KNOWN_TIMES}")


def _from_iso(table: RawTable, text: pd.Series, name: str) -> tuple[pd.DatetimeIndex, str]:
    shaped = text.str.fullmatch(_ISO.pattern)
    _refuse_unread(table, text, text.where(shaped), name)
    zoned = text.str.contains(_ZONE, regex=True)
    if zoned.any() and not zoned.all():
        row = int((zoned != zoned.iloc[0]).to_numpy().argmax())
        raise table.error(
            f"{table.place(row)}, column {name!r}: {text.iloc[row]!r}: some times name a zone and others do not"
        )
    times = pd.to_datetime(text.str.replace(r" ?UTC$", "Z", regex=True), format="ISO8601", utc=True, errors="coerce")
    _refuse_unread(table, text, times, name)
    return _utc(times), "ISO times with a zone" if zoned.all() else "ISO times without a zone, taken as UTC"


def _from_year_last(
    table: RawTable, text: pd.Series, name: str, date_order: str | None
) -> tuple[pd.DatetimeIndex, str]:
    parts = text.str.extract(_THREE.pattern)
    if parts[0].isna().any():
        row = int(parts[0].isna().to_numpy().argmax())
        raise table.error(
            f"{table.place(row)}, column {name!r}: {text.iloc[row]!r} is not written like {text.iloc[0]!r}"
        )
    one, two = parts[0].astype(int), parts[2].astype(int)
    order = date_order
    if order is None:
        if (one > 12).any() == (two > 12).any():
            why = (
                "is ambiguous: day or month first?"
                if not (one > 12).any()
                else "contradicts others: the day stands first and second"
            )
            raise table.error(
                f"{table.place(0)}, column {name!r}: {text.iloc[0]!r} {why}; date_order='dmy' or 'mdy' (--date-order)"
            )
        order = "dmy" if (one > 12).any() else "mdy"
    day, month = (one, two) if order == "dmy" else (two, one)
    iso = (
        parts[3]
        + "-"
        + month.map("{:02d}".format)
        + "-"
        + day.map("{:02d}".format)
        + parts[4].str.replace(r"^[ ,T]+", "T", regex=True)
    )
    times = pd.to_datetime(iso, format="ISO8601", utc=True, errors="coerce")
    _refuse_unread(table, text, times, name)
    return _utc(times), f"times with the {'day' if order == 'dmy' else 'month'} first, taken as UTC"


def _parsed(table: RawTable, text: pd.Series, name: str, form: str) -> pd.DatetimeIndex:
    times = pd.to_datetime(text, format=form, errors="coerce")
    _refuse_unread(table, text, times, name)
    return _utc(times)


def _refuse_unread(table: RawTable, text: pd.Series, times: pd.Series, name: str) -> None:
    if times.isna().any():
        row = int(times.isna().to_numpy().argmax())
        raise table.error(
            f"{table.place(row)}, column {name!r}: {text.iloc[row]!r} is not a time written like {text.iloc[0]!r}"
        )
