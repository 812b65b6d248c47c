"""What is wrong with a series on disk: in its log, in the files that versions name, and in those that none does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.data.store import imagefile, log
from workbench.data.store.entry import Entry, Part
from workbench.data.store.image import SeriesImage
from workbench.data.store.imagefile import ImageError
from workbench.data.store.kept import findings_path
from workbench.data.store.log import ForeignEntryError
from workbench.data.store.table import SeriesTable
from workbench.errors import DataError

STATUSES = ("sound", "leftovers", "foreign", "damaged")
"""From harmless to harmful: nothing to say; files of killed writers; files of others; something is lost or changed."""

VERIFY_COLUMNS = ("version", "status", "damaged_versions", "findings")

_OWN_FOLDERS = {"_delta_log", "_image", "_quality"}
_LOG_FILE = re.compile(r"\d{20}\.json|\d{20}\.checkpoint(\.[\d.]+)?\.parquet|_last_checkpoint")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: ``status`` is one of `STATUSES`, ``versions`` those that it touches."""

    status: str
    path: Path
    words: str
    versions: tuple[int, ...] = ()
    part: Part | None = None


@dataclass(frozen=True)
class Inspection:
    """All that was found in a series.

    ``entries`` are the sound ones by version, those of versions that an earlier repair gave up included. ``gone`` are
    the names of files that an earlier repair gave up; the versions that had them stay unreadable and are no news.
    """

    newest: int
    entries: dict[int, Entry]
    findings: tuple[Finding, ...]
    gone: frozenset[str]

    @property
    def status(self) -> str:
        """The worst of all findings."""
        return max((f.status for f in self.findings), key=STATUSES.index, default="sound")

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions that cannot be read in full."""
        return tuple(sorted({v for f in self.findings for v in f.versions}))


def inspect_series(table: SeriesTable, *, deep: bool = True) -> Inspection:
    """Look at everything that lies in the folder of a series.

    Parameters
    ----------
    deep : bool
        Read every file and compare its checksum; otherwise only names and sizes.
    """
    newest = table.newest()
    entries: dict[int, Entry] = {}
    found = [*_entries(table, newest, entries)]
    gone = frozenset(name for e in entries.values() for name in json.loads(e.note.get("gone", "[]")))
    found += _parts(table, entries, gone, deep=deep)
    named = {p.path for e in entries.values() for p in e.parts}
    found += _strangers(table, named)
    found += [*_beside(table, newest, deep=deep)]
    return Inspection(newest, entries, tuple(found), gone)


def _entries(table: SeriesTable, newest: int, entries: dict[int, Entry]) -> Iterator[Finding]:
    """Yield what is wrong with the log, and gather its sound entries."""
    for version in range(newest + 1):
        path = log.entry_path(table.folder, version)
        touched = (version,) if version else ()
        try:
            if version:
                entries[version] = log.read_any_entry(table.folder, version)
            elif not path.is_file():
                raise FileNotFoundError(path)
            else:
                log.check_entry(path)
        except ForeignEntryError as err:
            yield Finding("foreign", path, str(err), touched)
        except FileNotFoundError:
            yield Finding("damaged", path, f"the entry {path.name} of the log is missing", touched)
        except (DataError, OSError, ValueError, TypeError, KeyError) as err:
            words = str(err) if isinstance(err, DataError) else f"the entry {path.name} of the log is damaged: {err}"
            yield Finding("damaged", path, words, touched)
    if newest in entries and "lost" in entries[newest].note:
        path = log.entry_path(table.folder, newest)
        yield Finding("damaged", path, f"a repair after the loss of version {newest} did not end", (newest,))


def _parts(table: SeriesTable, entries: dict[int, Entry], gone: frozenset[str], *, deep: bool) -> list[Finding]:
    users: dict[Part, list[int]] = {}
    for entry in entries.values():
        for part in entry.parts if "lost" not in entry.note else ():
            users.setdefault(part, []).append(entry.version)
    found = []
    for part, versions in users.items():
        words = None if part.path in gone else _wrong(table, part, deep=deep)
        if words:
            found.append(Finding("damaged", table.folder / part.path, words, tuple(versions), part))
    return found


def _wrong(table: SeriesTable, part: Part, *, deep: bool) -> str:
    """Say what is wrong with a file; empty where nothing is."""
    try:
        if deep:
            table.check_part(part)
        elif (table.folder / part.path).stat().st_size != part.size:
            return f"{part.path} does not have {part.size} bytes"
    except FileNotFoundError:
        return f"{part.path} is missing"
    except (DataError, OSError) as err:
        cause = err.__cause__
        text = str(cause) if cause is not None and not isinstance(cause, FileNotFoundError) else ""
        return text.splitlines()[0] if text else f"{part.path} is missing"
    return ""


def _strangers(table: SeriesTable, named: Iterable[str]) -> list[Finding]:
    """Find the files that no version names."""
    known = set(named)
    own = re.compile(rf"{table.layout.name}-\d{{8}}-x?[0-9a-f]{{16}}\.parquet|\..+\.part")
    found = []
    for path in sorted(table.folder.iterdir()):
        if path.name in known or path.name in _OWN_FOLDERS or path.name == "_lock":
            continue
        if own.fullmatch(path.name) and path.is_file():
            found.append(Finding("leftovers", path, f"{path.name} is of a write that did not end"))
        else:
            found.append(Finding("foreign", path, f"{path.name} is not of this store"))
    for path in sorted(log.log_folder(table.folder).iterdir()):
        if not _LOG_FILE.fullmatch(path.name):
            found.append(Finding("foreign", path, f"{path.name} in the log is not of this store"))
    return found


def _beside(table: SeriesTable, newest: int, *, deep: bool) -> Iterator[Finding]:
    """Look at the image and at the findings of imports; an image is disposable, so a damaged one harms nobody."""
    folder = SeriesImage(table).folder
    for path in sorted(folder.glob(".*.part")):
        yield Finding("leftovers", path, f"{path.name} of the image is of a write that did not end")
    try:
        meta = imagefile.load_meta(folder)
        if meta is not None and deep:
            imagefile.read_rows(folder, meta, range(1, meta.columns), None, None)
        if meta is not None and meta.version > newest:
            path = log.entry_path(table.folder, meta.version)
            words = f"the entry {path.name} of the log is missing: the image is of version {meta.version}"
            yield Finding("damaged", path, words, (meta.version,))
    except ImageError as err:
        yield Finding("leftovers", folder / imagefile.META, f"the image is damaged and will be made anew: {err}")
    path = findings_path(table.folder)
    if path.exists():
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            yield Finding("damaged", path, f"the import findings are damaged: {err}")


def verify_row(table: SeriesTable, *, deep: bool) -> dict[str, object]:
    """Return one row of a verification: version, status, damaged_versions, findings."""
    try:
        found = inspect_series(table, deep=deep)
    except OSError as err:
        words = f"the folder cannot be read: {err.strerror or err}"
        return {"version": table.newest(), "status": "damaged", "damaged_versions": "", "findings": words}
    words = "; ".join(f.words for f in found.findings)
    damaged = version_words(found.versions)
    return {"version": found.newest, "status": found.status, "damaged_versions": damaged, "findings": words}


def version_words(versions: Iterable[int]) -> str:
    """Return versions in words: ``"1, 3-5"``."""
    runs: list[list[int]] = []
    for v in sorted(versions):
        if runs and v == runs[-1][1] + 1:
            runs[-1][1] = v
        else:
            runs.append([v, v])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
