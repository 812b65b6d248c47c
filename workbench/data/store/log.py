"""The log of one series: Delta's own, one JSON file a version, and in each a checksum over all of its bytes.

An entry names every file of its version, so opening a version is reading one small file, however many there are.
Other Delta readers see plain add and remove actions.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import xxhash

from workbench.data.store.entry import Entry, Part
from workbench.errors import DataError

FORMAT = 1
ZEROS = "0" * 16
CHECK = re.compile(rb'"check":"([0-9a-f]{16})"')
"""Where an entry carries the checksum (xxh3) of its bytes, taken with zeros in this place."""

_ENTRY = re.compile(r"(\d{20})\.json")


class ForeignEntryError(DataError):
    """An entry of the log that this store did not write."""


def log_folder(folder: Path) -> Path:
    """Return the folder of the log."""
    return folder / "_delta_log"


def entry_path(folder: Path, version: int) -> Path:
    """Return the file of a version's entry."""
    return folder / "_delta_log" / f"{version:020d}.json"


def newest_version(folder: Path, known: int = 0) -> int:
    """Return the newest version by the names in the log alone; 0 means that nothing was ever written.

    ``known`` is a version known to exist, from which a few steps are tried before the folder is listed.
    """
    for version in range(known, known + 16 if known else 0):
        if not os.path.exists(f"{folder}/_delta_log/{version + 1:020d}.json"):
            return version
    try:
        names = os.listdir(log_folder(folder))
    except FileNotFoundError:
        return 0
    return max((int(m[1]) for m in map(_ENTRY.fullmatch, names) if m), default=0)


def read_entry(folder: Path, version: int) -> Entry:
    """Read and verify the entry of a version.

    Raises
    ------
    ForeignEntryError
        When another program wrote it.
    DataError
        When it is torn or changed, or says that the version was lost to damage.
    FileNotFoundError
        When it does not exist.
    """
    entry = read_any_entry(folder, version)
    if "lost" in entry.note:
        raise DataError(f"version {version} was lost to damage: {entry.note['lost']}")
    return entry


def read_any_entry(folder: Path, version: int) -> Entry:
    """Read and verify the entry of a version, also the one that a repair put in the place of a lost one."""
    path = entry_path(folder, version)
    data = path.read_bytes()
    info = commit_info(path, data)
    own = info.get("workbench")
    if not isinstance(own, dict):
        if info.get("content_hash") and str(info.get("engineInfo", "")).startswith("delta-rs"):
            from workbench.data.store.legacy import legacy_entry

            return legacy_entry(folder, version, info)
        raise ForeignEntryError(f"the entry {path.name} of the log was not written by this store")
    stamp = _verified(path, data)
    if own.get("format") != FORMAT or own.get("version") != version:
        raise DataError(f"the entry {path.name} has format {own.get('format')} of version {own.get('version')}")
    note = {k: str(v) for k, v in info.items() if k in ("mode", "rows", "content_hash", "lost", "gone")}
    parts = tuple(Part(*p) for p in own["parts"])
    return Entry(version, parts, own["base"], own["since"], note, info["timestamp"], stamp=stamp)


def check_entry(path: Path) -> None:
    """Verify entry 0, which no read of ours needs.

    Raises
    ------
    DataError
        When it is damaged.
    """
    data = path.read_bytes()
    info = commit_info(path, data)
    own = info.get("workbench")
    if isinstance(own, dict):
        _verified(path, data)
        if own.get("version") != 0:
            raise DataError(f"the entry {path.name} of the log is that of version {own.get('version')}")
    elif not str(info.get("engineInfo", "")).startswith("delta-rs"):
        raise ForeignEntryError(f"the entry {path.name} of the log was not written by this store")


def stamp_of(folder: Path, version: int) -> str:
    """Return the stamp of a version's entry, without verifying or reading the rest of it; empty where it is absent."""
    try:
        with open(f"{folder}/_delta_log/{version:020d}.json", "rb") as stream:
            data = stream.read()
    except OSError:
        return ""
    found = CHECK.search(data)
    return found[1].decode() if found else str(xxhash.xxh3_64_hexdigest(data))


def actions_of(folder: Path, version: int) -> tuple[set[str], set[str]]:
    """Return the names of the files that an entry adds and removes."""
    rows = [json.loads(line) for line in entry_path(folder, version).read_bytes().splitlines()]
    return {r["add"]["path"] for r in rows if "add" in r}, {r["remove"]["path"] for r in rows if "remove" in r}


def parts_said(data: bytes) -> tuple[Part, ...] | None:
    """Return the files that a damaged entry names, as far as it can be read; each must be verified by its checksum."""
    try:
        info = json.loads(data.splitlines()[0])["commitInfo"]
        parts = tuple(Part(*p) for p in info["workbench"]["parts"])
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return parts if all(p.digest for p in parts) else None


def commit_info(path: Path, data: bytes) -> dict[str, Any]:
    """Return what an entry says of itself.

    Raises
    ------
    DataError
        When it is no entry.
    """
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError as err:
            raise DataError(f"the entry {path.name} of the log is damaged: {err}") from err
        if isinstance(row, dict) and isinstance(row.get("commitInfo"), dict):
            return dict(row["commitInfo"])
    raise DataError(f"the entry {path.name} of the log is damaged: it does not say what it is")


def _verified(path: Path, data: bytes) -> str:
    found = CHECK.search(data)
    if found is None or checksum(data, found) != found[1].decode():
        raise DataError(f"the entry {path.name} of the log is damaged: its checksum does not match")
    return found[1].decode()


def checksum(data: bytes, found: re.Match[bytes]) -> str:
    """Return the checksum of an entry's bytes, those of the checksum itself taken as zeros."""
    return str(xxhash.xxh3_64_hexdigest(data[: found.start(1)] + ZEROS.encode() + data[found.end(1) :]))
