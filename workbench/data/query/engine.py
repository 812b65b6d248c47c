"""The engine of queries: a DuckDB that sits in the process, reads only the tables it is handed and changes nothing."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.config import did_you_mean
from workbench.data.bars import symbol_frame, symbols_of
from workbench.errors import DataError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_READING = ("SELECT", "EXPLAIN", "MULTI")  # MULTI is what PIVOT becomes
_SHUT = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_SETUP = "set TimeZone='UTC'; set python_enable_replacements=false; set lock_configuration=true"
_PLACE = re.compile(r"\n+LINE (\d+): (.*)\n( *)\^", re.DOTALL)


class Engine:
    """One connection, for one query; use it in a ``with`` block.

    Files, extensions and settings are shut before the query is seen, so it reads only what `offer` handed over.

    Parameters
    ----------
    known : iterable of str
        Names of tables that may be offered, for close matches.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = set(known)
        self._columns: set[str] = set()

    def __enter__(self) -> Engine:
        import duckdb

        spill = Path(tempfile.gettempdir()) / f"workbench-query-{os.getpid()}"
        self._connection = duckdb.connect(":memory:", config={**_SHUT, "temp_directory": str(spill)})
        self._connection.execute(_SETUP)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def offer(self, name: str, table: Any, columns: str = "*") -> None:
        """Hand an Arrow table or data set over by a name, with the columns of a SELECT list."""
        relation = self._connection.from_arrow(table).project(columns)
        relation.create_view(name)
        self._known.add(name)
        self._columns.update(relation.columns)

    def run(self, query: str, params: Sequence[Any] | Mapping[str, Any] | None) -> pa.Table:
        """Run one reading statement and return its rows.

        Raises
        ------
        DataError
            In one line: what is wrong, where, and close matches of a wrong name.
        """
        import duckdb
        import pyarrow as pa

        try:
            _refuse_writing(duckdb.extract_statements(query))
            values = dict(params) if isinstance(params, Mapping) else None if params is None else list(params)
            return self._connection.sql(query, params=values).to_arrow_table()
        except (duckdb.BinderException, duckdb.CatalogException) as err:
            raise DataError(self._located(query, params, err)) from err
        except (duckdb.Error, pa.ArrowException, OSError) as err:
            raise DataError(self._told(str(err))) from err

    def _located(self, query: str, params: Any, err: Exception) -> str:
        """Say it with its place, which only a run of the statement tells; it ends where the names are looked up."""
        import duckdb

        try:
            self._connection.execute(query, params)
        except duckdb.Error as again:
            return self._told(str(again))
        return self._told(str(err))

    def _told(self, text: str) -> str:
        if "operations are disabled by configuration" in text or "external extensions is disabled" in text:
            names = ", ".join(sorted(self._known))
            return f"a query reads the store ({names}) and no files; hand other data in as a frame: sql(…, name=frame)"
        where = _PLACE.search(text)
        message = text[: where.start()] if where else text
        kind, _, said = message.partition(": ")
        failed = re.search(r"the Arrow source failed: (?:\w+: )?(.*)", said, re.DOTALL)
        if failed:
            cause = " ".join(failed[1].split())[:300]
            return f"a stored file is damaged, so the query has no answer: {cause}; run 'workbench data verify'"
        return f"the query is wrong: {self._advice(said or kind)}{_place(where)}"

    def _advice(self, said: str) -> str:
        first, *more = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
        table = re.match(r'(?:Table with name|Referenced table) "?([^\s"]+)"? (?:does not exist|not found)', first)
        if table:
            return f"there is no table {table[1]!r}.{did_you_mean(table[1], self._known)}"
        column = re.search(r'column (?:named )?"([^"]+)"(?: not found|$)', first)
        if column:
            offered = re.findall(r'"([^"]+)"', " ".join(m for m in more if m.startswith("Candidate bindings")))
            return f"there is no column {column[1]!r}.{did_you_mean(column[1], offered or self._columns)}"
        return " ".join([first.replace("!", "."), *more])


def _refuse_writing(statements: Sequence[duckdb.Statement]) -> None:
    if not statements:
        raise DataError("the query is empty; write one such as 'select * from series'")
    if len(statements) != 1:
        raise DataError(f"a query is one statement, got {len(statements)}; run them one after another")
    kind = statements[0].type.name
    if kind not in _READING:
        raise DataError(f"a query only reads: SELECT, WITH, FROM, PIVOT, DESCRIBE, SUMMARIZE or EXPLAIN, got {kind}")


def _place(where: re.Match[str] | None) -> str:
    if where is None:
        return ""
    number, line, indent = where[1], where[2], len(where[3])
    column = indent - len(f"LINE {number}: ") + 1
    if line.startswith("...") or line.endswith("..."):  # shortened: the column would be that of the excerpt
        return f" (line {number}: {line.strip()[:160]})"
    return f" (line {number}, column {column}: {line.strip()[:160]})"


def arrow_of(name: str, frame: Any, taken: Iterable[str]) -> Any:
    """Return what a user hands in as an Arrow table.

    Raises
    ------
    DataError
        When it is no frame, or its name cannot be one of a table.
    """
    import pyarrow as pa

    if name in taken or name.startswith("_"):
        raise DataError(f"the name {name!r} is that of a table of the store; hand the frame in under another one")
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(frame.name if isinstance(frame.name, str) else "value")
    if not isinstance(frame, pd.DataFrame):
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.table(frame)
        raise DataError(f"{name} must be a DataFrame, a Series or an Arrow table, got {type(frame).__name__}")
    if frame.columns.nlevels == 2 and list(frame.columns.names) == ["field", "symbol"]:
        frame = _long(frame)
    named = [n for n in frame.index.names if n is not None and n not in frame.columns]
    frame = frame.reset_index(level=named) if named else frame
    if not len(frame.columns):
        raise DataError(f"the frame {name!r} has no columns")
    try:
        return pa.table(
            [_array(frame.iloc[:, i]) for i in range(frame.shape[1])], names=[str(c) for c in frame.columns]
        )
    except (pa.ArrowException, ValueError) as err:
        raise DataError(f"the frame {name!r} cannot be handed to a query: {' '.join(str(err).split())}") from err


def _array(values: pd.Series) -> pa.Array:
    """Turn a column into Arrow; times with a zone by their numbers, as pyarrow's own way there is deprecated."""
    import pyarrow as pa

    if not isinstance(values.dtype, pd.DatetimeTZDtype):
        return pa.array(values, from_pandas=True)
    times = pd.DatetimeIndex(values).tz_convert("UTC")
    return pa.array(times.asi8, pa.int64(), mask=times.isna()).cast(pa.timestamp(times.unit, "UTC"))


def _long(bars: pd.DataFrame) -> pd.DataFrame:
    parts = [symbol_frame(bars, s).assign(symbol=s).reset_index() for s in symbols_of(bars)]
    joined = pd.concat(parts, ignore_index=True)
    return joined[["symbol", "time", *(c for c in joined.columns if c not in ("symbol", "time"))]]


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return rows as a frame: times in UTC, sums of whole numbers as int64, decimals as float64."""
    columns = {i: _column(table.column(i)) for i in range(table.num_columns)}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))
    return frame.set_axis(pd.Index(table.column_names, dtype="str"), axis=1)


def _column(values: pa.ChunkedArray) -> pd.Series:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return values.to_pandas().dt.tz_localize("UTC")
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp("us")).to_pandas().dt.tz_localize("UTC")
    if pa.types.is_timestamp(kind):
        return values.to_pandas().dt.tz_convert("UTC")
    if pa.types.is_decimal(kind):
        whole = kind.scale == 0 and not values.null_count and bool(pc.all(pc.less(pc.abs(values), 2**62)).as_py())
        return values.cast(pa.int64() if whole else pa.float64()).to_pandas()
    return values.to_pandas()
