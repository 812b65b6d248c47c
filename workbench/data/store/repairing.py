"""Mending a damaged series: what is broken or foreign moves away, and a new version holds all that is still whole.

Nothing is deleted. A version whose entry in the log cannot be read is given up by an entry in its place that says so,
for its number must never come to mean other bars.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.data.store import log, logwriting
from workbench.data.store.entry import Entry, Part
from workbench.data.store.layout import empty_frame, join_frames, keys_of, sort_rows
from workbench.data.store.salvage import Lost, salvaged, unnamed_parts
from workbench.data.store.table import Plan, SeriesTable
from workbench.data.store.verifying import Inspection, inspect_series, version_words

RowsHash = Callable[[pd.DataFrame], str]


@dataclass(frozen=True)
class RepairReport:
    """What a repair did.

    ``version`` is the new sound version, ``None`` where the newest was whole. ``lost`` has one row for each span of
    time whose rows must be fetched again: first, last (missing where nobody knows) and rows (-1 where nobody knows).
    ``recovered`` counts rows that were saved from other files than the damaged ones.
    """

    series: str
    version: int | None
    quarantine: Path | None
    moved: tuple[str, ...]
    given_up: tuple[int, ...]
    recovered: int
    lost: pd.DataFrame

    def lines(self) -> list[str]:
        """Say it in lines for people."""
        if self.quarantine is None and self.version is None:
            return [f"{self.series} is sound; nothing to repair"]
        told = [f"moved {len(self.moved)} file(s) to {self.quarantine}: {', '.join(self.moved)}"] if self.moved else []
        if self.given_up:
            told.append(f"version {version_words(self.given_up)} cannot be read any more")
        if self.version is not None:
            told.append(f"version {self.version} is sound; {self.recovered} row(s) were saved from other files")
        for first, last, rows in zip(self.lost["first"], self.lost["last"], self.lost["rows"], strict=True):
            count = f"{rows} row(s)" if rows >= 0 else "rows of unknown number"
            until = "on" if pd.isna(last) else f"to {last:%Y-%m-%d %H:%M}"
            told.append(f"lost: {count} from {first:%Y-%m-%d %H:%M} {until}; fetch them again")
        return told


def quarantine_of(table: SeriesTable, root: Path, now: float) -> Path:
    """Return the folder into which a repair at a time moves files of a series."""
    stamp = pd.Timestamp(now, unit="s", tz="UTC").strftime("%Y%m%dT%H%M%S.%fZ")
    return root / "_quarantine" / stamp / table.folder.relative_to(root)


def repair_series(table: SeriesTable, quarantine: Path, now: float, rows_hash: RowsHash, step: int = 1) -> RepairReport:
    """Repair a series; the caller holds its lock.

    Parameters
    ----------
    quarantine : path
        Folder into which damaged and foreign files move.
    now : float
        Time of the new version, seconds since 1970 UTC.
    step : int
        Microseconds from a row to the next where they stand on a grid.
    """
    found = inspect_series(table)
    if found.status == "sound":
        return RepairReport(table.label, None, None, (), (), 0, _lost_frame([]))
    with table.told(None, "repair"):
        unnamed = unnamed_parts(found)
        newest = _newest_of_ours(found)
        moved = [_move(table, quarantine, p) for p in _entries_above(table, found, newest)]
        given_up = _give_up_entries(table, found, newest, unnamed, quarantine, int(now * 1000))
        version, recovered, lost = _new_version(table, found, newest, unnamed, now, rows_hash, step)
        used = {p.path for p in log.read_any_entry(table.folder, version or newest).parts} if newest else set()
        rest = [f.path for f in found.findings if f.path.parent != log.log_folder(table.folder)]
        rest += [f.path for f in found.findings if f.status == "foreign" and not _is_entry(table, f.path)]
        moved += [_move(table, quarantine, p) for p in dict.fromkeys(rest) if p.exists() and p.name not in used]
    names = (*(log.entry_path(table.folder, v).name for v in given_up), *moved)
    return RepairReport(
        table.label, version, quarantine if names else None, names, tuple(given_up), recovered, _lost_frame(lost)
    )


def _is_entry(table: SeriesTable, path: Path) -> bool:
    return path.parent == log.log_folder(table.folder) and path.suffix == ".json" and path.stem.isdigit()


def _newest_of_ours(found: Inspection) -> int:
    """Return the newest version that this store wrote, as far as can be told: above are only foreign entries."""
    damaged = {
        v for f in found.findings if f.status == "damaged" and f.part is None and f.path.exists() for v in f.versions
    }
    return max([*found.entries, *damaged], default=0)


def _entries_above(table: SeriesTable, found: Inspection, newest: int) -> list[Path]:
    """Return the entries of others that lie above ours, the highest first; nothing was ever acknowledged there."""
    paths = [log.entry_path(table.folder, v) for v in range(found.newest, newest, -1)]
    return [p for p in paths if p.exists()]


def _give_up_entries(
    table: SeriesTable, found: Inspection, newest: int, unnamed: Sequence[Part], quarantine: Path, stamp: int
) -> list[int]:
    """Put an entry in the place of each unreadable one, and a copy of that into quarantine; return their versions."""
    if any(f.path == log.entry_path(table.folder, 0) for f in found.findings):
        _copy_entry(table, 0, quarantine)
        logwriting.create_log(table.folder, table.layout, stamp, instead=True)
    given_up = []
    before: Entry | None = None
    for version in range(1, newest + 1):
        entry = found.entries.get(version)
        if entry is None:
            words = next(f.words for f in found.findings if version in f.versions and f.part is None)
            note = {"mode": "lost", "rows": "0", "lost": words}
            state = _state(table, found, version, before, unnamed)
            entry = Entry(version, state, version, before.since if before else 0, note, stamp)
            _copy_entry(table, version, quarantine)
            logwriting.write_entry(table.folder, table.layout, entry, before, "Repair", instead=True)
            given_up.append(version)
        before = entry
    return given_up


def _state(
    table: SeriesTable, found: Inspection, version: int, before: Entry | None, unnamed: Sequence[Part]
) -> tuple[Part, ...]:
    """Return the files that a lost version has for other Delta readers, and for the version that mends it.

    What its successor's actions need to make sense; or what the damaged entry names, where all of that is whole; or
    what the version before had.
    """
    known = {p.path: p for e in found.entries.values() for p in e.parts}
    after = found.entries.get(version + 1)
    if after is not None and not after.legacy:
        added, removed = log.actions_of(table.folder, after.version)
        kept = [p for p in after.parts if p.path not in added]
        return tuple([*kept, *(known[name] for name in sorted(removed) if name in known)])
    path = log.entry_path(table.folder, version)
    said = log.parts_said(path.read_bytes()) if path.is_file() else None
    broken = {f.part for f in found.findings if f.part is not None}
    if said is not None and all(p in unnamed or (p in known.values() and p not in broken) for p in said):
        return said
    return before.parts if before else ()


def _new_version(
    table: SeriesTable,
    found: Inspection,
    newest: int,
    unnamed: Sequence[Part],
    now: float,
    rows_hash: RowsHash,
    step: int,
) -> tuple[int | None, int, list[Lost]]:
    """Make a version of all whole files where some file is not whole; return it, rows saved and spans lost.

    Its entry says which files are given up, also where only older versions had them.
    """
    if not newest:
        return None, 0, []
    before = log.read_any_entry(table.folder, newest)
    broken = {f.part for f in found.findings if f.part is not None}
    damaged = tuple(p for p in before.parts if p in broken)
    if newest in found.entries and not broken and "lost" not in before.note:
        return None, 0, []
    whole = next((e for _, e in sorted(found.entries.items(), reverse=True) if "lost" not in e.note), None)
    kept = [p for p in before.parts if p not in broken]
    rows, lost = salvaged(table, found, whole, kept, damaged, step)
    if "lost" in before.note and set(before.parts) <= set(whole.parts if whole else ()):
        # The rows that the lost version added: those in whole files that no version names.
        later = _later_rows(table, kept, rows, [p for p in unnamed if p.version > (whole.version if whole else 0)])
        rows = sort_rows(table.layout, join_frames([f for f in (rows, later) if len(f)] or [rows]))
        ends = [p.last for p in before.parts] + [int(t) for t in pd.DatetimeIndex(later.index).asi8[-1:]]
        lost.append(Lost(max(ends, default=-step) + step, None, -1))
    gone = {"gone": json.dumps(sorted({*found.gone, *(p.path for p in broken)}))}
    digest = rows_hash(rows) if len(rows) else ""
    entry = table.commit(Plan(rows, damaged, "change", rows), before, "repair", now, digest, gone)
    return entry.version, len(rows), lost


def _later_rows(table: SeriesTable, kept: Sequence[Part], rows: pd.DataFrame, parts: Sequence[Part]) -> pd.DataFrame:
    """Return the rows of files whose keys are new; what a lost version changed in older rows is not known."""
    if not parts:
        return empty_frame(table.layout)
    known = keys_of(table.layout, table.read_parts(kept)).append(keys_of(table.layout, rows))
    later = join_frames([table.read_parts([p]) for p in parts])
    fresh = later[~keys_of(table.layout, later).isin(known)]
    return sort_rows(table.layout, fresh[~keys_of(table.layout, fresh).duplicated()])


def _copy_entry(table: SeriesTable, version: int, quarantine: Path) -> None:
    path = log.entry_path(table.folder, version)
    if path.is_file():
        target = quarantine / "_delta_log" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def _move(table: SeriesTable, quarantine: Path, path: Path) -> str:
    target = quarantine / path.relative_to(table.folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(path, target)
    except OSError:  # a quarantine on another disk, or a folder in the way
        shutil.move(path, target)
    logwriting.sync_folder(path.parent)
    return path.name


def _lost_frame(lost: Sequence[Lost]) -> pd.DataFrame:
    def times(values: list[int | None]) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(
            [pd.NaT if v is None else pd.Timestamp(v, unit="us", tz="UTC") for v in values], tz="UTC"
        )

    return pd.DataFrame(
        {"first": times([s.first for s in lost]), "last": times([s.last for s in lost]),
         "rows": np.array([s.rows for s in lost], np.int64)}
    )  # fmt: skip
