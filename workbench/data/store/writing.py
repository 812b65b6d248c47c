"""What a write does to a series: which rows go down, and whether they join the old ones or take their place."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from workbench.data.store.table import SeriesTable, Snapshot
from workbench.errors import BarsError, DataError

Mode = Literal["merge", "append", "replace"]
Kind = Literal["append", "overwrite"]

MOST_PARTS = 64
"""Files of a version; the append after that gathers them into one, so that a read stays one open of a file or few."""


def plan_write(
    table: SeriesTable, stored: Snapshot | None, frame: pd.DataFrame, mode: Mode
) -> tuple[pd.DataFrame, Kind | None]:
    """Return the rows to write and how; ``None`` means that the series already holds what it should.

    Raises
    ------
    BarsError
        When a stored bar has other values than the new one of the same time.
    DataError
        When ``append`` is asked for bars that do not come last.
    """
    if stored is None or not stored.parts:
        return frame, "overwrite"
    if mode == "replace":
        return frame, None if _holds(table, stored, frame) else "overwrite"
    last = stored.last
    old = table.read(stored, frame.index[0]) if frame.index[0] <= last else frame.iloc[:0]
    shared = frame.index.intersection(old.index)
    _refuse_contradiction(table, old.loc[shared], frame.loc[shared])
    new = frame.loc[frame.index.difference(shared)]
    if new.empty:
        return frame, None
    if new.index[0] > last and len(stored.parts) < MOST_PARTS:
        return new, "append"
    if mode == "append" and new.index[0] <= last:
        raise DataError(
            f"cannot append to {table.label}: {new.index[0]:%Y-%m-%d %H:%M} lies before its last bar "
            f"{last:%Y-%m-%d %H:%M}; use mode 'merge' (--mode merge) to fill holes"
        )
    return pd.concat([table.read(stored), new]).sort_index(), "overwrite"


def _holds(table: SeriesTable, stored: Snapshot, frame: pd.DataFrame) -> bool:
    try:
        return len(frame) == stored.rows and bool(frame.equals(table.read(stored)))
    except DataError:  # a damaged file: replacing it is what the caller asks for
        return False


def _refuse_contradiction(table: SeriesTable, old: pd.DataFrame, new: pd.DataFrame) -> None:
    before, after = old.to_numpy(), new.to_numpy()
    differs = before != after
    if not differs.any():
        return
    row, column = (int(i[0]) for i in differs.nonzero())
    time, field, value = old.index[row], str(old.columns[column]), float(after[row, column])
    raise BarsError(
        f"{table.label} already holds {time:%Y-%m-%d %H:%M} with {field} {before[row, column]:g}, not {value:g} "
        f"({int(differs.any(axis=1).sum())} bar(s) differ); use another source name (--source), "
        f"or mode 'replace' (--mode replace)",
        symbol=table.label.split(" ", 1)[0],
        time=time,
        field=field,
        value=value,
    )
