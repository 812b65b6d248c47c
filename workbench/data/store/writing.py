"""What a write does to a series: which rows go down, and which files they take the place of."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from workbench.data.store.entry import Entry, Part
from workbench.data.store.layout import join_frames, keys_of, sort_rows
from workbench.data.store.table import PART_ROWS, Plan, SeriesTable
from workbench.errors import BarsError, DataError

Mode = Literal["merge", "append", "replace", "revise"]

MOST_PARTS = 64
"""Small files of a version; the append after that gathers some into one, so that a read opens few files."""

_LEAST_GATHERED = 32


def plan_write(table: SeriesTable, stored: Entry | None, frame: pd.DataFrame, mode: Mode) -> Plan | None:
    """Return what to write; ``None`` means that the series already holds what it should.

    Parameters
    ----------
    frame : DataFrame
        Rows with unique keys in increasing order, all columns of the layout.

    Raises
    ------
    BarsError
        When a stored row has other values than the new one of the same key, unless the mode says to replace it.
    DataError
        When ``append`` is asked for rows that do not come last.
    """
    if stored is None or not stored.parts:
        return Plan(frame, (), "replace", frame)
    if mode == "replace":
        return None if _holds(table, stored, frame) else Plan(frame, stored.parts, "replace", frame)
    if int(frame.index.asi8[0]) > stored.last:  # type: ignore[attr-defined]  # a DatetimeIndex in microseconds
        return _append(table, stored, frame)
    touched = _touched(stored.parts, frame)
    with table.told(stored.version):
        old = table.read_parts(touched)
    old_keys, keys = keys_of(table.layout, old), keys_of(table.layout, frame)
    position = old_keys.get_indexer(keys)
    known = position >= 0
    twins, shared = old.iloc[position[known]], frame[known]
    changed = np.zeros(len(frame), bool)
    if mode == "revise":
        changed[known] = _differs(twins, shared, [*table.layout.columns])
    else:
        _refuse_contradiction(table, twins, shared)
    wanted = changed | ~known
    if not wanted.any():
        return None
    rows = frame[wanted]
    if not changed.any() and _comes_last(table, stored, rows, old):
        return _append(table, stored, rows)
    return _insert(table, stored, rows, frame[changed], mode)


def _comes_last(table: SeriesTable, stored: Entry, rows: pd.DataFrame, old: pd.DataFrame) -> bool:
    """Tell whether rows follow all that is stored; of trades at the very last time the ids decide."""
    start = int(rows.index.asi8[0])  # type: ignore[attr-defined]  # a DatetimeIndex in microseconds
    if start != stored.last or len(table.layout.key) == 1:
        return start > stored.last
    before, after = str(old[table.layout.key[1]].iloc[-1]), str(rows[table.layout.key[1]].iloc[0])
    return (len(before), before) < (len(after), after)


def _insert(table: SeriesTable, stored: Entry, rows: pd.DataFrame, changed: pd.DataFrame, mode: Mode) -> Plan:
    """Write rows among the stored ones: files of their span give way, so that no two files overlap."""
    if mode == "append":
        raise DataError(
            f"cannot append to {table.label}: {rows.index[0]:%Y-%m-%d %H:%M} lies before its last {table.layout.noun} "
            f"{_time(stored.last):%Y-%m-%d %H:%M}; use mode 'merge' (--mode merge) to fill holes"
        )
    start, stop = (int(t) for t in rows.index.asi8[[0, -1]])  # type: ignore[attr-defined]  # a DatetimeIndex
    dropped = tuple(p for p in stored.parts if p.last >= start and p.first <= stop)
    with table.told(stored.version):
        old = table.read_parts(dropped)
    kept = old[~keys_of(table.layout, old).isin(keys_of(table.layout, changed))] if len(changed) else old
    together = sort_rows(table.layout, join_frames([kept, rows])) if len(kept) else rows
    return Plan(together, dropped, "change", rows)


def _append(table: SeriesTable, stored: Entry, rows: pd.DataFrame) -> Plan:
    small = _trailing_small(stored.parts)
    if len(small) < MOST_PARTS:
        return Plan(rows, (), "append", rows)
    dropped = gathered(small)
    with table.told(stored.version):
        old = table.read_parts(dropped)
    return Plan(join_frames([old, rows]), dropped, "append", rows)


def gathered(small: tuple[Part, ...]) -> tuple[Part, ...]:
    """Choose the last files to be gathered: at least 32, and on leftwards while the next is smaller than their sum.

    So each row is rewritten a few times in the life of a series (the logarithm of its length), not once a gathering.
    """
    count = _LEAST_GATHERED
    total = sum(p.rows for p in small[-count:])
    while count < len(small) and small[-count - 1].rows < total:
        count += 1
        total += small[-count].rows
    return small[-count:]


def _trailing_small(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    count = 0
    while count < len(parts) and parts[-count - 1].rows < PART_ROWS // 2:
        count += 1
    return parts[len(parts) - count :]


def _touched(parts: tuple[Part, ...], frame: pd.DataFrame) -> tuple[Part, ...]:
    """Return the files in whose span some row of a frame lies."""
    times = frame.index.asi8  # type: ignore[attr-defined]  # a DatetimeIndex in microseconds
    low = np.searchsorted(times, [p.first for p in parts])
    high = np.searchsorted(times, [p.last for p in parts], side="right")
    return tuple(p for p, a, b in zip(parts, low, high, strict=True) if b > a)


def _holds(table: SeriesTable, stored: Entry, frame: pd.DataFrame) -> bool:
    if len(frame) != stored.rows:
        return False
    try:
        old = table.read(stored)
    except DataError:  # a damaged file: replacing it is what the caller asks for
        return False
    return bool(keys_of(table.layout, old).equals(keys_of(table.layout, frame))) and not bool(
        _differs(old, frame, [*table.layout.columns]).any()
    )


def _differs(old: pd.DataFrame, new: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Tell which rows differ in one of the columns; two missing values are equal."""
    differs = np.zeros(len(new), bool)
    for name in columns:
        differs |= _unequal(old, new, name)
    return differs


def _unequal(old: pd.DataFrame, new: pd.DataFrame, name: str) -> np.ndarray:
    if name == "repaired" or new[name].dtype == np.float64:
        a, b = old[name].to_numpy(), new[name].to_numpy()
        return (a != b) & ~((a != a) & (b != b))  # NaN is the value unequal to itself
    a, b = (f[name].astype(object).where(f[name].notna(), None).to_numpy() for f in (old, new))
    return np.asarray(a != b, bool)


def _refuse_contradiction(table: SeriesTable, old: pd.DataFrame, new: pd.DataFrame) -> None:
    names = [*table.layout.fields]
    differs = _differs(old, new, names)
    if not differs.any():
        return
    row = int(differs.argmax())
    column = next(n for n in names if _unequal(old.iloc[[row]], new.iloc[[row]], n)[0])
    time, before, after = new.index[row], old[column].iloc[row], new[column].iloc[row]
    many = f"({int(differs.sum())} {table.layout.noun}(s) differ)"
    if table.layout.noun == "bar":
        cure = "use another source name (--source), or mode 'replace' (--mode replace)"
    else:
        cure = "use another source name, or mode 'revise' to correct them"
    raise BarsError(
        f"{table.label} already holds {time:%Y-%m-%d %H:%M} with {column} {_short(before)}, not {_short(after)} "
        f"{many}; {cure}",
        symbol=table.label.split(" ", 1)[0],
        time=time,
        field=column,
        value=after,
    )


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _time(microseconds: int) -> pd.Timestamp:
    return pd.Timestamp(microseconds, unit="us", tz="UTC")
