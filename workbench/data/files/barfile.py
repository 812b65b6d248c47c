"""A file of bars by the convention: what is in doubt is an error, what breaks the convention is set aside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.data.bars import bars_of, check_bars
from workbench.data.files.cells import RawTable, read_table
from workbench.data.files.filenames import base_of, hints_of, normal_symbol, price_kind_of
from workbench.data.files.recognise import SYMBOL_NAMES, recognise
from workbench.data.files.sorting import sort_out
from workbench.data.store.names import check_symbol
from workbench.data.timeframes import canonical_timeframe, check_timeframe, infer_timeframe
from workbench.errors import DataError
from workbench.typing import Bars


@dataclass(frozen=True, eq=False)
class BarFile:
    """What a file holds, by the bars convention.

    Attributes
    ----------
    frames : dict of symbol to DataFrame
        time × five fields; every bar passes the door.
    findings : DataFrame
        One row for each row of the file that was not taken as it stood: kind, symbol, time, field, value, note (place
        in the file and all values), set_aside (``False`` for a row that was out of order and sorted into place).
    notes : tuple of str
        Every choice that was made while reading.
    """

    path: Path
    timeframe: str
    frames: dict[str, pd.DataFrame]
    findings: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols, sorted."""
        return tuple(sorted(self.frames))

    @property
    def bars(self) -> Bars:
        """All symbols as bars: outer join of their times."""
        return check_bars(bars_of(self.frames))


def read_bar_file(
    path: Path | str, symbol: str | None = None, timeframe: str | None = None, *,
    date_order: str | None = None, price_scale: float | None = None,
) -> BarFile:  # fmt: skip
    """Read a CSV, JSON, Parquet or Feather file of bars, also packed in .gz or .zip.

    Columns, time unit, order, symbol and bar length are recognised; every choice is in `BarFile.notes`. A bar that
    breaks the convention is set aside and listed, as are exact repetitions (the first stays) and bars of one time
    with different values (none stays); with more than 20 such rows and more than 5 % of the symbol's rows, repetitions
    apart, the file is refused.

    Parameters
    ----------
    symbol, timeframe : str, optional
        Default: from the file's columns, its name and its times. What contradicts the file is refused.
    date_order : {"dmy", "mdy"}, optional
        For dates such as 03/04/2024, where the file does not tell.
    price_scale : float, optional
        Factor on prices, for files that hold whole numbers.

    Raises
    ------
    DataError
        One line naming the file, where possible row and column, and the cure.
    """
    if date_order not in (None, "dmy", "mdy"):
        raise DataError(
            f"date_order must be 'dmy' or 'mdy', got {date_order!r}.{did_you_mean(str(date_order), ('dmy', 'mdy'))}"
        )
    if price_scale is not None and not (np.isfinite(price_scale) and price_scale > 0):
        raise DataError(f"price_scale must be above 0, got {price_scale!r}")
    wanted = None if symbol is None else check_symbol(symbol)
    length = None if timeframe is None else canonical_timeframe(timeframe)
    table = read_table(path)
    named, told_length = hints_of(table.stem)
    column_symbol = _column_symbol(table)
    guess = wanted or column_symbol or named
    found = recognise(table, base_of(guess) if guess else None, date_order, price_scale)
    series = _named_series(table, found.series, wanted, named)
    frames, told, notes = {}, [], list(found.notes)
    for name, rows in series.items():
        frames[name], found_here = sort_out(table, name, rows, notes)
        told.append(found_here)
    length = _length(table, series, length, told_length)
    findings = pd.concat(told, ignore_index=True)
    if wanted is None:
        notes += _kind_notes(table, frames)
    return BarFile(table.path, length, frames, findings, tuple(dict.fromkeys(notes)))


def _column_symbol(table: RawTable) -> str | None:
    for i, name in enumerate(table.names or []):
        if name.strip().lower() in SYMBOL_NAMES:
            return normal_symbol(str(table.cells[i].iloc[0]))
    return None


def _kind_notes(table: RawTable, frames: dict[str, pd.DataFrame]) -> list[str]:
    word = price_kind_of(table.stem)
    if word is None or list(frames) == [word.upper()]:
        return []
    return [
        f"the file's name says {word!r}: these may not be traded prices, yet they count as "
        f"{', '.join(sorted(frames))}; to keep them apart give a symbol (--symbol) or a source (--source) of their own"
    ]


def _named_series(
    table: RawTable, series: dict[str | None, pd.DataFrame], wanted: str | None, named: str | None
) -> dict[str, pd.DataFrame]:
    if None in series:
        name = wanted or named
        if name is None:
            raise table.error(
                "no symbol in the file or in its name; give it, such as symbol='BTC/USDT' (--symbol BTC/USDT)"
            )
        return {name: series[None]}
    by_name = {check_symbol(normal_symbol(str(s))): frame for s, frame in series.items()}
    if wanted is not None and wanted not in by_name:
        raise table.error(f"the file holds {', '.join(sorted(by_name))}, not {wanted!r}")
    if wanted is None and named is not None and len(by_name) == 1 and named not in by_name:
        raise table.error(
            f"its name says {named!r} but its column says {next(iter(by_name))!r}; say which with symbol= (--symbol)"
        )
    return {wanted: by_name[wanted]} if wanted is not None else by_name


def _length(table: RawTable, series: dict[str, pd.DataFrame], wanted: str | None, told: str | None) -> str:
    """Tell the bar length from all times of the file, those of rows that are set aside too."""
    times = {s: pd.DatetimeIndex(rows["time"]).unique().sort_values() for s, rows in series.items()}
    lengths = {s: _length_of(table, t, wanted, told) for s, t in times.items()}
    if len(set(lengths.values())) > 1:
        raise table.error(
            f"its symbols differ in bar length ({lengths}); import them one by one with symbol= (--symbol)"
        )
    return next(iter(lengths.values()))


def _length_of(table: RawTable, times: pd.DatetimeIndex, wanted: str | None, told: str | None) -> str:
    name = wanted or told
    try:
        if name is None:
            return infer_timeframe(times)
        check_timeframe(times, name)
    except DataError as err:
        origin = "" if wanted or not told else "its name: "
        raise table.error(
            f"{origin}{err}; give timeframe= (--timeframe) as the times are" if name else str(err)
        ) from None
    return name
