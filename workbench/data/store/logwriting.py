"""Writing the log of a series: an entry appears whole and durable, and only where none of its number is."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.data.store.entry import Entry, Part
from workbench.data.store.layout import Layout, delta_schema
from workbench.data.store.log import CHECK, FORMAT, ZEROS, checksum, entry_path
from workbench.errors import DataError

# Old entries of the log are never cleaned up: every version stays readable.
_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "100000000"}


def write_entry(
    folder: Path, layout: Layout, entry: Entry, before: Entry | None, mode: str, *, instead: bool = False
) -> str:
    """Put an entry into the log, durably and only where none of its number is, and return its stamp.

    The caller holds the lock of the series. ``instead`` lets it take the place of a damaged one.
    """
    old = {p.path: p for p in before.parts} if before else {}
    new = {p.path: p for p in entry.parts}
    own = {
        "format": FORMAT, "check": ZEROS, "version": entry.version, "base": entry.base, "since": entry.since,
        "parts": [[p.path, p.size, p.rows, p.first, p.last] for p in entry.parts],
    }  # fmt: skip
    info = {
        "timestamp": entry.timestamp, "operation": "WRITE", "operationParameters": {"mode": mode},
        "engineInfo": "quant-research-workbench", **entry.note, "workbench": own,
    }  # fmt: skip
    lines: list[dict[str, Any]] = [{"commitInfo": info}]
    if before is not None and before.legacy:
        lines.append(_metadata(folder, layout, entry.timestamp))
    data_change = mode != "Gather"
    lines += [
        {"remove": {"path": p, "deletionTimestamp": entry.timestamp, "dataChange": data_change}}
        for p in old
        if p not in new
    ]
    lines += [_add(p, entry.timestamp, data_change) for path, p in new.items() if path not in old]
    return _create(folder, entry.version, lines, instead)


def create_log(folder: Path, layout: Layout, timestamp: int, *, instead: bool = False) -> None:
    """Write entry 0, which holds the schema, unless it is there; ``instead`` takes the place of a damaged one."""
    if entry_path(folder, 0).exists() and not instead:
        return
    own = {"format": FORMAT, "check": ZEROS, "version": 0, "base": 0, "since": 0, "parts": []}
    info = {"timestamp": timestamp, "operation": "CREATE TABLE", "operationParameters": {}, "workbench": own}
    protocol = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
    _create(folder, 0, [{"commitInfo": info}, protocol, _metadata(folder, layout, timestamp)], instead)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _create(folder: Path, version: int, lines: Sequence[dict[str, Any]], instead: bool = False) -> str:
    """Temporary file, fsync, link under the entry's name (which must be free), fsync of the log's folder."""
    blank = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode() + b"\n"
    found = CHECK.search(blank)
    assert found is not None  # noqa: S101  # put there above
    digest = checksum(blank, found)
    data = blank[: found.start(1)] + digest.encode() + blank[found.end(1) :]
    path = entry_path(folder, version)
    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.", suffix=".part")
    try:
        try:
            os.fchmod(handle, 0o644)
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, path) if instead else _place(temporary, path)
        sync_folder(path.parent)
        if version == 0:
            sync_folder(folder)
    except FileExistsError as err:
        raise DataError(f"version {version} was written by another process that does not hold the lock") from err
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    return digest


def _place(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)
    except OSError as err:
        if err.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        if path.exists():  # a disk without hard links (exFAT): the series' lock alone keeps others away
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from err
        os.replace(temporary, path)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _add(part: Part, timestamp: int | None, data_change: bool) -> dict[str, Any]:
    first, last = (_iso(t) for t in (part.first, part.last))
    stats = {
        "numRecords": part.rows,
        "minValues": {"time": first},
        "maxValues": {"time": last},
        "nullCount": {"time": 0},
    }
    return {
        "add": {
            "path": part.path, "partitionValues": {}, "size": part.size, "modificationTime": timestamp,
            "dataChange": data_change, "stats": json.dumps(stats, separators=(",", ":")),
        }
    }  # fmt: skip


def _iso(microseconds: int) -> str:
    return pd.Timestamp(microseconds, unit="us", tz="UTC").strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _metadata(folder: Path, layout: Layout, timestamp: int | None) -> dict[str, Any]:
    identity = _identity(folder) or str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(folder.parts[-4:])))
    return {
        "metaData": {
            "id": identity, "format": {"provider": "parquet", "options": {}}, "schemaString": delta_schema(layout),
            "partitionColumns": [], "createdTime": timestamp, "configuration": _CONFIGURATION,
        }
    }  # fmt: skip


def _identity(folder: Path) -> str:
    """Return the id of a table that is there already: a new schema keeps it."""
    path = entry_path(folder, 0)
    try:
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        return next((str(r["metaData"]["id"]) for r in rows if "metaData" in r), "")
    except (OSError, ValueError, TypeError, KeyError):  # absent, or damaged and about to be replaced
        return ""
