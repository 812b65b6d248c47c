"""Bars as bare arrays: one row of memory a column of the frame, and each symbol's own bars.

A symbol's features are computed on its own bars: rows where it does not trade (NaN: not yet listed, a holiday, a halt,
delisted) are skipped, do not count in any window, and stay NaN in the result.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.errors import DataError
from workbench.features.registry import FIELDS
from workbench.typing import Bars, BoolArray, FloatArray, IntArray


class Own:
    """One symbol's own bars for one set of fields.

    Attributes
    ----------
    rows
        Whether each row is one of them; None where all are.
    size
        How many there are.
    """

    def __init__(self, market: Market, symbol: int, rows: BoolArray | None) -> None:
        self._market, self._symbol = market, symbol
        self._taken: dict[str, Any] = {}
        self.rows = rows
        self.size = market.n_bars if rows is None else int(np.count_nonzero(rows))

    def field(self, name: str) -> Any:
        """Return a field of the own bars, contiguous; ``time`` as int64 nanoseconds."""
        if name not in self._taken:
            self._taken[name] = self.own(
                self._market.times if name == "time" else self._market.column(name, self._symbol)
            )
        return self._taken[name]

    def own(self, values: Any) -> Any:
        """Take the own rows of a column over all rows."""
        return values if self.rows is None else values[self.rows]

    def spread(self, values: FloatArray, out: FloatArray) -> None:
        """Write values of the own bars to their rows of a column, NaN elsewhere."""
        if self.rows is None:
            out[:] = values
        else:
            out.fill(np.nan)
            out[self.rows] = values


class Market:
    """The arrays of a frame of bars, without a copy where the frame is one piece of float64 memory.

    Make one to compute features of the same bars many times: which rows are a symbol's own is then looked up once. The
    frame must not be changed while it is in use.

    Attributes
    ----------
    frame, index, symbols, n_bars
        The frame, its index, its symbols in order and its number of rows.
    """

    def __init__(self, bars: Bars) -> None:
        check_layout(bars)
        self.frame, self.index, self.n_bars = bars, pd.DatetimeIndex(bars.index), len(bars)
        columns: Any = bars.columns
        self._place: dict[tuple[str, str], int] = {column: i for i, column in enumerate(columns)}
        self.symbols: list[str] = list(dict.fromkeys(symbol for _, symbol in self._place))
        self.fields: list[str] = list(dict.fromkeys(field for field, _ in self._place))
        self._own: dict[tuple[int, frozenset[str]], Own] = {}
        self._full: dict[tuple[str, int], bool] = {}
        self._digests: dict[str, str] = {}

    @cached_property
    def values(self) -> FloatArray:
        """float64, (n_columns, n_bars): each column of the frame is one contiguous row."""
        try:
            values = self.frame.to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as err:
            raise _no_numbers(self.frame) or err from err
        return _writable(np.ascontiguousarray(values.T))

    @cached_property
    def times(self) -> IntArray:
        """Open times as nanoseconds since 1970 UTC."""
        return self.index.as_unit("ns").asi8

    @cached_property
    def symbol_index(self) -> pd.Index:
        """The symbols as they stand in the frame's columns."""
        columns: Any = self.frame.columns
        return pd.Index(self.symbols, dtype=columns.levels[1].dtype, name=columns.names[1])

    def column(self, field: str, symbol: int) -> FloatArray:
        """Return one field of one symbol over all rows; not to be written to."""
        return self.values[self._place[field, self.symbols[symbol]]]

    def has(self, field: str, symbol: int) -> bool:
        """Whether a symbol has a field."""
        return (field, self.symbols[symbol]) in self._place

    def place(self, field: str, symbol: str) -> int:
        """Return the number of a column of the frame."""
        return self._place[field, symbol]

    def require(self, text: str, fields: frozenset[str]) -> None:
        """Refuse a feature whose fields the bars lack.

        Raises
        ------
        DataError
            Naming feature, field and symbol.
        """
        for field in sorted(fields - {"time"}):
            for symbol in self.symbols:
                if (field, symbol) not in self._place:
                    has = ", ".join(f for f, s in self._place if s == symbol)
                    raise DataError(
                        f"feature {text!r} needs the field {field!r} of {symbol}, which these bars lack"
                        f" (they have {has}); load bars with {', '.join(sorted(fields - {'time'}))}"
                    )

    def own(self, symbol: int, fields: frozenset[str]) -> Own:
        """Return a symbol's own bars: the rows on which it has all of the fields."""
        key = (symbol, fields)
        if key not in self._own:
            read = fields - {"time"} or {"close" if "close" in self.fields else self.fields[0]}
            holes = [f for f in sorted(read) if not self._complete(f, symbol)]
            if not holes:
                self._own[key] = self._whole(symbol)
            else:
                rows = np.logical_and.reduce([~np.isnan(self.column(f, symbol)) for f in holes])
                same = next((o for (s, _), o in list(self._own.items()) if s == symbol and _equal(o.rows, rows)), None)
                self._own[key] = same or Own(self, symbol, rows)
        return self._own[key]

    def digest(self, fields: frozenset[str]) -> str:
        """Return a hash of what a feature of these fields can see: their values, the times and the symbols."""
        import xxhash

        parts = []
        for field in sorted(fields - {"time"}):
            if field not in self._digests:
                digest = xxhash.xxh3_128()
                for j in range(len(self.symbols)):
                    digest.update(self.column(field, j).data if self.has(field, j) else b"-")
                self._digests[field] = digest.hexdigest()
            parts.append(f"{field} {self._digests[field]}")
        times = xxhash.xxh3_128_hexdigest(self.times.tobytes())
        trading = "" if fields - {"time"} else self.digest(frozenset(self.fields))
        return "; ".join([*parts, times, trading, *map(repr, self.symbols)])

    def forget(self) -> None:
        """Drop what was taken of single symbols: it points back here, and would keep results alive for a while."""
        self._own.clear()

    def _whole(self, symbol: int) -> Own:
        key = (symbol, frozenset[str]())
        if key not in self._own:
            self._own[key] = Own(self, symbol, None)
        return self._own[key]

    def _complete(self, field: str, symbol: int) -> bool:
        key = (field, symbol)
        if key not in self._full:
            column = self.column(field, symbol)
            total = float(np.dot(column, column))  # NaN where one value is: the quickest way to see it
            self._full[key] = total == total or not bool(np.isnan(column).any())
        return self._full[key]


def check_layout(bars: Bars) -> None:
    """Refuse a frame that is not laid out as bars.

    Raises
    ------
    DataError
        Saying what is wrong and how to get bars.
    """
    if not isinstance(bars, pd.DataFrame) or bars.columns.nlevels != 2 or not isinstance(bars.index, pd.DatetimeIndex):
        raise DataError(
            "bars must be a frame with a time index and (field, symbol) columns;"
            " load them with wb.load_bars(...) or check them with wb.data.check_bars(bars)"
        )
    if not bars.columns.is_unique or not bars.index.is_unique or not bars.index.is_monotonic_increasing:
        raise DataError(
            "bars must have unique columns and unique, increasing times; check them with wb.data.check_bars(bars)"
        )
    unknown = [f for f in bars.columns.unique(0) if f not in FIELDS]
    if unknown:
        hint = did_you_mean(str(unknown[0]), FIELDS)
        raise DataError(f"bars have an unknown field {unknown[0]!r} in their first column level.{hint}")


def _no_numbers(bars: Bars) -> DataError | None:
    """The first cell that is no number, by column and time."""
    columns: Any = bars.columns
    for field, symbol in columns:
        column: Any = bars[field, symbol]
        wrong = pd.to_numeric(column, errors="coerce").isna().to_numpy() & column.notna().to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            return DataError(
                f"bars hold {column.iloc[row]!r} in {field} of {symbol} at {bars.index[row]:%Y-%m-%d %H:%M};"
                " prices and volumes must be numbers: check them with wb.data.check_bars(bars)"
            )
    return None


def _writable(values: FloatArray) -> FloatArray:
    """Return the same memory without pandas' read-only mark: kernels are compiled for arrays without it.

    The library's own features write to no input, which the tests hold them to; a user's are given read-only views.
    """
    if values.flags.writeable:
        return values
    try:
        values.flags.writeable = True
    except ValueError:  # the memory itself may not be written to, such as a file's
        return values.copy()
    return values


def _equal(one: BoolArray | None, other: BoolArray) -> bool:
    return one is not None and bool(np.array_equal(one, other))
