"""What the rows of a series are: their key, their values, who they came from; and how they become Arrow and Delta."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS

if TYPE_CHECKING:
    import pyarrow as pa

PROVENANCE = ("source", "repaired")
"""Two more columns of bars: the venue of a bar where it is not the series' own, and whether the bar mended another."""


@dataclass(frozen=True)
class Layout:
    """The columns of a kind of series.

    A row is known by its key: its ``time``, and for trades their ``id`` as well. Values are float64 or text; those
    named in ``optional`` may be missing (NaN).
    """

    name: str
    fields: tuple[str, ...]
    texts: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    key: tuple[str, ...] = ("time",)
    provenance: bool = False
    noun: str = "row"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of a frame but the time: rest of the key, values, provenance."""
        return (*self.key[1:], *self.fields, *(PROVENANCE if self.provenance else ()))

    def is_text(self, column: str) -> bool:
        """Tell whether a column holds text."""
        return column in self.texts or column == "source"

    def nullable(self, column: str) -> bool:
        """Tell whether a column may be empty."""
        return column in self.optional or column in PROVENANCE


BARS = Layout("bars", BAR_FIELDS, provenance=True, noun="bar")

RECORDS: dict[str, Layout] = {
    "funding": Layout("funding", ("rate", "mark_price"), optional=("mark_price",)),
    "open_interest": Layout("open_interest", ("amount", "value"), optional=("amount", "value")),
    "trades": Layout("trades", ("price", "amount", "side"), texts=("id", "side"), key=("time", "id")),
    "market_cap": Layout("market_cap", ("price", "market_cap", "volume"), optional=("price", "market_cap", "volume")),
}
"""The kinds of records beside bars, and what they hold."""


def empty_frame(layout: Layout, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a frame of no rows."""
    return to_frame(layout, arrow_schema(layout, columns).empty_table(), columns)


def arrow_schema(layout: Layout, columns: Sequence[str] | None = None) -> pa.Schema:
    """Return the Arrow schema: time in UTC microseconds, then the columns."""
    import pyarrow as pa

    described = [pa.field("time", pa.timestamp("us", "UTC"), nullable=False)]
    for name in layout.columns if columns is None else columns:
        kind = pa.string() if layout.is_text(name) else pa.bool_() if name == "repaired" else pa.float64()
        described.append(pa.field(name, kind, nullable=layout.nullable(name)))
    return pa.schema(described)


def delta_schema(layout: Layout) -> str:
    """Return the schema as the Delta log has it."""
    names = {"string": "string", "bool": "boolean", "double": "double"}
    fields: list[dict[str, Any]] = []
    for field in arrow_schema(layout):
        kind = "timestamp" if field.name == "time" else names[str(field.type)]
        fields.append({"name": field.name, "type": kind, "nullable": field.nullable, "metadata": {}})
    return json.dumps({"type": "struct", "fields": fields}, separators=(",", ":"))


def to_arrow(layout: Layout, frame: pd.DataFrame) -> pa.Table:
    """Turn a frame into a table of the whole schema; a series' own source and "not repaired" become null."""
    import pyarrow as pa

    schema = arrow_schema(layout)
    times = pa.array(pd.DatetimeIndex(frame.index).as_unit("us").asi8, pa.int64()).cast(schema.field("time").type)
    arrays = [times]
    for name in layout.columns:
        kind = schema.field(name).type
        if name == "repaired":
            flags = frame[name].to_numpy(bool)
            arrays.append(pa.array(flags, kind, mask=~flags))
        elif layout.is_text(name):
            arrays.append(pa.array(frame[name], pa.string(), from_pandas=True).cast(kind))
        else:
            arrays.append(pa.array(frame[name].to_numpy(np.float64)))
    return pa.Table.from_arrays(arrays, schema=schema)


def to_frame(layout: Layout, table: pa.Table, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Undo `to_arrow`; columns that the table lacks (written before there was provenance) are empty."""
    times = table["time"].cast("int64").to_numpy()
    index = pd.DatetimeIndex(times.view("datetime64[us]"), tz="UTC", name="time")
    data: dict[str, Any] = {}
    for name in layout.columns if columns is None else columns:
        column = table[name] if name in table.column_names else None
        if name == "source":
            data[name] = _categories(column, len(index))
        elif name == "repaired":
            data[name] = np.zeros(len(index), bool) if column is None else column.fill_null(False).to_numpy()
        elif layout.is_text(name):
            data[name] = pd.array(table[name].to_pylist(), dtype="str")
        else:
            data[name] = table[name].to_numpy()
    return pd.DataFrame(data, index=index)


def _categories(column: pa.ChunkedArray | None, n: int) -> pd.Categorical:
    if column is None or column.null_count == n:
        return pd.Categorical.from_codes(np.full(n, -1, np.int8), categories=pd.Index([], dtype="str"))
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return pd.Categorical.from_codes(codes, categories=pd.Index(encoded.dictionary.to_pylist(), dtype="str"))


def join_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put frames one after another; the sources of all are known in the result."""
    if len(frames) == 1:
        return frames[0]
    if "source" in frames[0]:
        from pandas.api.types import union_categoricals

        sources = union_categoricals([f["source"].array for f in frames])
        joined = pd.concat([f.drop(columns="source") for f in frames])
        return joined.assign(source=sources)[list(frames[0].columns)]
    return pd.concat(list(frames))


def keys_of(layout: Layout, frame: pd.DataFrame) -> pd.Index:
    """Return the keys of the rows: their times, or (time, id)."""
    if layout.key == ("time",):
        return frame.index
    return pd.MultiIndex.from_arrays([frame.index, *(frame[k].astype("str") for k in layout.key[1:])])


def sort_rows(layout: Layout, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order of their keys; ids of digits stand by their number."""
    if layout.key == ("time",):
        return frame if frame.index.is_monotonic_increasing else frame.sort_index(kind="stable")
    ids = frame[layout.key[1]].astype("str")
    order = np.lexsort((ids.to_numpy(object), ids.str.len().to_numpy(), frame.index.asi8))  # type: ignore[attr-defined]
    return frame.iloc[order]
