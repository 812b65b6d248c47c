"""Rows of one symbol to bars: what breaks the convention is set aside, what is merely out of order is sorted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS, VIOLATIONS, violations
from workbench.data.files.cells import RawTable
from workbench.data.store.kept import FINDING_COLUMNS
from workbench.typing import BoolArray

MOST_OUT_OF_ORDER = 0.01
"""Share of rows that may stand out of order; with more, the times themselves are in doubt."""
MOST_BROKEN, ALWAYS_ALLOWED = 0.05, 20
"""Share of rows that may break the convention, and the count that always may; with more, the file is damaged."""


def sort_out(table: RawTable, symbol: str, rows: pd.DataFrame, notes: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the bars that keep the convention, and one finding for each row that was not taken as it stood.

    Parameters
    ----------
    rows : DataFrame
        Columns time, the five fields and row (position in the file), in file order.

    Notes
    -----
    Rules, in this order: newest-first files are turned round; up to one in a hundred rows out of order are sorted
    into place and listed; a bar that breaks a rule is set aside; of equal bars the first stays; of bars of one time
    with different values none stays. A file is refused when more than half of its rows are left out, or when more
    than 5 % (and more than 20) are for another reason than being exact repetitions.
    """
    rows, moved = _in_order(table, rows, notes)
    kinds, fields = np.full(len(rows), "", dtype=object), np.full(len(rows), "", dtype=object)

    def mark(mask: BoolArray, kind: str, field: str) -> None:
        fresh = mask & (kinds == "")
        kinds[fresh], fields[fresh] = kind, field

    mark(rows[list(BAR_FIELDS)].isna().all(axis=1).to_numpy(), "missing_value", "open")
    for kind, field, mask in violations({f: rows[f].to_numpy(np.float64) for f in BAR_FIELDS}):
        mark(mask, kind, field)
    mark(_repeated(rows, kinds == "", ["time", *BAR_FIELDS], "first"), "duplicate", "time")
    mark(_repeated(rows, kinds == "", ["time"], False), "conflicting_duplicate", "time")
    bad = kinds != ""
    values = [
        float(row[f]) if f in BAR_FIELDS else np.nan
        for f, (_, row) in zip(fields[bad], rows[bad].iterrows(), strict=True)
    ]
    left_out = _findings(
        table, symbol, rows[bad], kinds[bad], fields[bad], np.array(values, dtype=float), set_aside=True
    )
    _refuse_mostly_bad(table, symbol, rows, left_out)
    _refuse_damaged(table, symbol, rows, left_out)
    late = rows[moved & ~bad]
    sorted_in = _findings(table, symbol, late, "unsorted", "time", np.nan, set_aside=False)
    frame = rows[~bad].set_index("time")[list(BAR_FIELDS)].astype(float)
    return frame, pd.concat([left_out, sorted_in], ignore_index=True)


def _repeated(rows: pd.DataFrame, chosen: BoolArray, columns: list[str], keep: object) -> BoolArray:
    mask = np.zeros(len(rows), dtype=bool)
    mask[chosen] = rows.loc[chosen].duplicated(columns, keep=keep).to_numpy()  # type: ignore[arg-type]  # "first" or False
    return mask


def _in_order(table: RawTable, rows: pd.DataFrame, notes: list[str]) -> tuple[pd.DataFrame, BoolArray]:
    steps = np.diff(pd.DatetimeIndex(rows["time"]).asi8)
    newest_first = bool((steps < 0).sum() > (steps > 0).sum())
    wrong = np.concatenate([[False], steps > 0 if newest_first else steps < 0])
    if wrong.mean() > MOST_OUT_OF_ORDER if len(rows) else False:
        i = int(wrong.argmax())
        here, before = rows.iloc[i], rows.iloc[i - 1]
        raise table.error(
            f"times are not in order: {table.place(int(here['row']))} has {here['time']} after {before['time']} "
            f"({int(wrong.sum())} such places); sort the file by time"
        )
    if newest_first:
        notes.append("rows were newest first; turned round")
        rows, wrong = rows.iloc[::-1], wrong[::-1]
    if wrong.any():
        notes.append(f"{int(wrong.sum())} row(s) were out of order; sorted into place")
        order = np.argsort(pd.DatetimeIndex(rows["time"]).asi8, kind="stable")
        rows, wrong = rows.iloc[order], wrong[order]
    return rows.reset_index(drop=True), wrong


def _findings(
    table: RawTable, symbol: str, rows: pd.DataFrame, kinds: object, fields: object, values: object, *, set_aside: bool
) -> pd.DataFrame:
    cells = rows[list(BAR_FIELDS)].to_numpy()
    texts = [" ".join(f"{f}={v:.12g}" for f, v in zip(BAR_FIELDS, bar, strict=True)) for bar in cells]
    places = [f"{table.path.name} {table.place(int(r))}" for r in rows["row"]]
    data = {
        "kind": kinds,
        "symbol": symbol,
        "time": rows["time"].to_numpy(),
        "field": fields,
        "value": values,
        "note": [f"{p}: {t}" for p, t in zip(places, texts, strict=True)],
        "set_aside": set_aside,
    }
    frame = pd.DataFrame(data, index=range(len(rows)), columns=list(FINDING_COLUMNS))
    return frame.assign(time=pd.DatetimeIndex(rows["time"])).astype({"value": float, "set_aside": bool})


def _refuse_mostly_bad(table: RawTable, symbol: str, rows: pd.DataFrame, findings: pd.DataFrame) -> None:
    if not len(rows):
        raise table.error(f"no bar of {symbol}")
    if len(findings) * 2 <= len(rows):
        return
    raise table.error(
        f"{len(findings)} of {len(rows)} rows of {symbol} are no bars, so this is not a file of bars; "
        f"the first: {_why(findings)}"
    )


def _refuse_damaged(table: RawTable, symbol: str, rows: pd.DataFrame, findings: pd.DataFrame) -> None:
    """Refuse a file with so many broken rows that those which look sound cannot be trusted either."""
    broken = findings[findings["kind"] != "duplicate"]
    if len(broken) <= max(ALWAYS_ALLOWED, MOST_BROKEN * len(rows)):
        return
    raise table.error(
        f"{len(broken)} of {len(rows)} rows of {symbol} ({len(broken) / len(rows):.1%}) break the convention, so the "
        f"others cannot be trusted; the first: {_why(broken)}; download or export the file again"
    )


def _why(findings: pd.DataFrame) -> str:
    first = findings.iloc[0]
    words = VIOLATIONS.get(first["kind"], str(first["kind"]).replace("_", " "))
    return f"{words} ({first['note']})"
