"""Which column of a file is what. Rules are fixed and written here; what they leave open is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS, PRICE_FIELDS
from workbench.data.files.cells import DECIMAL_COMMA, RawTable, cell_texts
from workbench.data.files.times import read_times
from workbench.typing import FloatArray

_TIME_NAMES = (
    "timestamp", "open_time", "opentime", "time_open", "time_period_start", "datetime", "date_time",
    "time", "unix", "unix_timestamp", "date", "ts", "t", "start", "",
)  # fmt: skip
_PRICE_NAMES = {
    "open": ("open", "o", "open_price", "price_open"),
    "high": ("high", "h", "high_price", "price_high"),
    "low": ("low", "l", "low_price", "price_low"),
    "close": ("close", "c", "close_price", "price_close"),
}
_VOLUME_NAMES = ("base_volume", "volume_base", "volume", "vol", "v", "volume_traded")
SYMBOL_NAMES = ("symbol", "ticker", "tic", "pair", "instrument")
# Not symbols of files with columns side by side, but kinds of prices.
_NOT_SYMBOLS = {"bid", "ask", "mid", "adj", "mark", "index", "underlying", "pre", "post"}
_EMPTY = {"", "nan", "null", "none", "na", "n/a", "-", "--"}
# Files without a header, by their number of columns: time first, then what stands there.
_HEADERLESS = {
    6: ("time", *BAR_FIELDS),
    7: ("time", *BAR_FIELDS, "trades"),
    12: ("time", *BAR_FIELDS, "close_time", "quote_volume", "trades", "taker_base", "taker_quote", "ignored"),
}


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of one symbol's bars; ``volume`` is ``None`` where the file has none."""

    time: int
    prices: dict[str, int]
    volume: int | None
    symbol: int | None = None


@dataclass
class Recognised:
    """Cells turned to times and numbers.

    Attributes
    ----------
    series : dict of symbol (or ``None``: the file names none) to DataFrame
        Rows in file order: time, the five fields as float64, and ``row``, the row in the file.
    wide : bool
        Whether symbols stood side by side, so that an empty row means "not traded".
    """

    series: dict[str | None, pd.DataFrame]
    wide: bool = False
    notes: list[str] = field(default_factory=list)


def recognise(table: RawTable, base: str | None, date_order: str | None, price_scale: float | None) -> Recognised:
    """Find time, prices, volume and symbol of a table and read them.

    Parameters
    ----------
    base : str, optional
        The traded asset if known, such as ``BTC``: a column ``volume_btc`` is then the volume.
    price_scale : float, optional
        Factor on prices, for files that hold whole numbers.
    """
    notes = list(table.notes)
    names = _names(table)
    wide = {} if table.names is None else _wide_columns(table.names)
    if wide and not all(f in names for f in PRICE_FIELDS):
        return _read_wide(table, names, wide, date_order, price_scale or 1.0, notes)
    columns = _columns(table, names, base, notes)
    times, how = _times(table, names, columns.time, date_order, notes)
    _refuse_lean(table, how, price_scale)
    if price_scale not in (None, 1.0):
        notes.append(f"prices multiplied by {price_scale:g}")
    notes.append(how)
    frame = _fields(table, columns, price_scale or 1.0)
    frame.insert(0, "time", times)
    if columns.symbol is None:
        return Recognised({None: frame}, notes=notes)
    symbols = table.cells[columns.symbol].astype(str).str.strip()
    return Recognised({str(s): frame[(symbols == s).to_numpy()] for s in symbols.unique()}, notes=notes)


def _names(table: RawTable) -> list[str]:
    if table.names is not None:
        return [re.sub(r"[ \-.]+", "_", re.sub(r"^\d+\. ", "", n.strip(" <>\ufeff").lower())) for n in table.names]
    width = table.cells.shape[1]
    texts = [i for i in range(1, width) if table.cells[i].map(_is_word).any()]
    if width not in _HEADERLESS or texts:
        seen = ", ".join(str(v) for v in table.cells.iloc[0].tolist()[:8])
        trades = " It looks like a list of trades; make bars of it first." if width == 3 or texts else ""
        raise table.error(
            f"{width} columns without a header are not bars (first row: {seen}); "
            f"bars have time, {', '.join(BAR_FIELDS)}.{trades}"
        )
    return list(_HEADERLESS[width])


def _is_word(cell: object) -> bool:
    if not isinstance(cell, str):
        return False
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() not in _EMPTY and not DECIMAL_COMMA.fullmatch(cell.strip())
    return False


def _columns(table: RawTable, names: list[str], base: str | None, notes: list[str]) -> Columns:
    shown = ", ".join(n or "(no name)" for n in (table.names or names))
    if {"strike", "expiry"} & set(names):
        raise table.error(f"this is a table of options (columns {shown}), not of bars")
    found = {f: [i for i, n in enumerate(names) if n in aliases] for f, aliases in _PRICE_NAMES.items()}
    missing = [f for f in PRICE_FIELDS if not found[f]]
    if missing:
        trades = " It looks like a list of trades." if "price" in names and len(missing) == 4 else ""
        raise table.error(f"no column for {', '.join(missing)}; the columns are {shown}.{trades}")
    double = next((f for f in PRICE_FIELDS if len(found[f]) > 1), None)
    if double:
        raise table.error(
            f"{len(found[double])} columns could be the {double}: columns {[i + 1 for i in found[double]]}; keep one"
        )
    time = next((names.index(n) for n in _TIME_NAMES if n in names and (n or names.index(n) == 0)), None)
    if time is None:
        raise table.error(f"no column of times; the columns are {shown}")
    symbol = next((names.index(n) for n in SYMBOL_NAMES if n in names), None)
    volume = _volume(table, names, base, notes)
    columns = Columns(time, {f: found[f][0] for f in PRICE_FIELDS}, volume, symbol)
    used = {time, symbol, volume, *columns.prices.values()}
    others = [(table.names or names)[i] for i in range(len(names)) if i not in used]
    if others:
        notes.append(f"columns not used: {', '.join(others)}")
    return columns


def _volume(table: RawTable, names: list[str], base: str | None, notes: list[str]) -> int | None:
    """Choose the volume: that of the traded asset by name, else the plainest name; ticks and turnover never."""
    wanted = [*((f"volume_{base.lower()}", f"{base.lower()}_volume") if base else ()), *_VOLUME_NAMES]
    found = [names.index(n) for n in wanted if n in names]
    if not found:
        notes.append("no volume in the file: written as 0")
        return None
    shown = table.names or names
    twice = [n for n in wanted if names.count(n) > 1]
    if twice:
        raise table.error(f"{names.count(twice[0])} columns are named {twice[0]!r}; keep one")
    rivals = [shown[i] for i, n in enumerate(names) if i != found[0] and ("vol" in n or n in {"turnover", "amount"})]
    if rivals:
        notes.append(f"volume is column {shown[found[0]]!r}, not {', '.join(map(repr, rivals))}")
    return found[0]


def _times(
    table: RawTable, names: list[str], column: int, date_order: str | None, notes: list[str]
) -> tuple[pd.DatetimeIndex, str]:
    shown = table.names or names
    if {"date", "time"} <= set(names) and _is_clock(table.cells[names.index("time")]):
        joined = table.cells[names.index("date")].astype(str) + " " + table.cells[names.index("time")].astype(str)
        cells = table.cells.copy()
        cells[names.index("date")] = joined
        both = RawTable(table.path, table.stem, table.names, cells, table.lines)
        return read_times(both, names.index("date"), "date + time", date_order)
    times, how = read_times(table, column, shown[column] or "(first)", date_order)
    for other in [i for i, n in enumerate(names) if n in _TIME_NAMES and n and i != column]:
        _refuse_other_times(table, times, other, shown[other], shown[column], date_order)
        notes.append(f"times are those of {shown[column]!r}; {shown[other]!r} agrees")
    return times, how


def _is_clock(cells: pd.Series) -> bool:
    return isinstance(cells.iloc[0], str) and bool(cells.str.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?").all())


def _refuse_other_times(
    table: RawTable, times: pd.DatetimeIndex, other: int, name: str, chosen: str, date_order: str | None
) -> None:
    also, _ = read_times(table, other, name, date_order)
    dates_only = (also == also.normalize()).all()
    differs = np.flatnonzero((times.normalize() if dates_only else times) != also)
    if len(differs):
        row = int(differs[0])
        raise table.error(
            f"{table.place(row)}: column {chosen!r} says {times[row]}, column {name!r} {also[row]}; remove one of them"
        )


def _refuse_lean(table: RawTable, how: str, price_scale: float | None) -> None:
    if table.names is None and "%Y%m%d %H:%M" in how and price_scale is None:
        first, price = (str(c) for c in table.cells.iloc[0, :2])
        raise table.error(
            f"a file without a header whose times look like {first!r} usually holds prices times 10000 "
            f"(first open {price}); multiply by price_scale=0.0001 (--price-scale), or by 1"
        )


def _fields(table: RawTable, columns: Columns, scale: float) -> pd.DataFrame:
    data = {f: numbers(table, i, table.names[i] if table.names else f) * scale for f, i in columns.prices.items()}
    volume = columns.volume
    data["volume"] = np.zeros(len(table.cells)) if volume is None else numbers(table, volume, "volume")
    return pd.DataFrame(data).assign(row=range(len(table.cells)))


def numbers(table: RawTable, column: int, name: str) -> FloatArray:
    """Return a column as float64, NaN where a cell is empty.

    Raises
    ------
    DataError
        Naming the first cell that is not a number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = table.cells[column]
    if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_bool_dtype(cells.dtype):
        return cells.to_numpy(np.float64, na_value=np.nan)
    text = cell_texts(cells)
    text = text.mask(text.str.lower().isin(_EMPTY), "nan")
    try:
        return np.asarray(pc.cast(pa.array(text, pa.string()), pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:
        row = next(i for i, t in enumerate(text) if not _reads(t))
        comma = " (a decimal comma? write a point)" if DECIMAL_COMMA.fullmatch(text.iloc[row]) else ""
        raise table.error(f"{table.place(row)}, column {name!r}: {text.iloc[row]!r} is not a number{comma}") from None


def _reads(text: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.cast(pa.array([text]), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _wide_columns(names: list[str]) -> dict[str, dict[str, int]]:
    """Return symbol → field → column of headers such as ``BTC:open``, for symbols with all four prices."""
    found: dict[str, dict[str, int]] = {}
    for i, name in enumerate(names):
        match = re.fullmatch(r"(.+?)[:|_ .](open|high|low|close|volume)", name.strip(), re.IGNORECASE)
        if match:
            found.setdefault(match[1], {})[match[2].lower()] = i
    return {s: c for s, c in found.items() if s.lower() not in _NOT_SYMBOLS and all(f in c for f in PRICE_FIELDS)}


def _read_wide(
    table: RawTable,
    names: list[str],
    wide: dict[str, dict[str, int]],
    date_order: str | None,
    scale: float,
    notes: list[str],
) -> Recognised:
    time = next((names.index(n) for n in _TIME_NAMES if n in names and (n or names.index(n) == 0)), None)
    if time is None:
        raise table.error(f"no column of times; the columns are {', '.join(table.names or [])}")
    times, how = read_times(table, time, (table.names or names)[time] or "(first)", date_order)
    series: dict[str | None, pd.DataFrame] = {}
    for symbol, where in wide.items():
        frame = _fields(table, Columns(time, {f: where[f] for f in PRICE_FIELDS}, where.get("volume")), scale)
        if "volume" not in where:
            notes.append(f"no volume of {symbol} in the file: written as 0")
        frame.insert(0, "time", times)
        series[symbol] = frame[frame[list(PRICE_FIELDS)].notna().any(axis=1)]
    return Recognised(series, True, [*notes, how])
