"""The log of one series: Delta's own, one JSON file a version, and in each a checksum over all of its bytes.

An entry names every file of its version, so opening a version is reading one small file, however many there are.
Other Delta readers see plain add and remove actions.
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import xxhash

from workbench.data.store.layout import Layout, delta_schema
from workbench.errors import DataError

FORMAT = 1
_ZEROS = "0" * 16
_CHECK = re.compile(rb'"check":"([0-9a-f]{16})"')
_ENTRY = re.compile(r"(\d{20})\.json")
# Old entries of the log are never cleaned up: every version stays readable.
_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "100000000"}


class ForeignEntryError(DataError):
    """An entry of the log that this store did not write."""


@dataclass(frozen=True)
class Part:
    """One Parquet file of a version; times are microseconds since 1970 UTC of its first and last row."""

    path: str
    size: int
    rows: int
    first: int
    last: int

    @property
    def digest(self) -> str:
        """The checksum of the file's bytes (xxh3, 16 hex digits), which its name carries; empty for older files."""
        found = re.fullmatch(r".+-x([0-9a-f]{16})\.parquet", self.path)
        return found[1] if found else ""


@dataclass(frozen=True)
class Entry:
    """What one version consists of and how it came about.

    ``base`` is the newest version at or before this one that was not a mere append: rows that an earlier version
    since then has are the same here. ``since`` is the last version that replaced the whole series. ``stamp`` tells
    this entry from another of the same number.
    """

    version: int
    parts: tuple[Part, ...]
    base: int = 0
    since: int = 0
    note: dict[str, str] = field(default_factory=dict)
    timestamp: int | None = None
    legacy: bool = False
    stamp: str = ""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(p.rows for p in self.parts)

    @property
    def first(self) -> int:
        """Time of the first row, microseconds."""
        return min(p.first for p in self.parts)

    @property
    def last(self) -> int:
        """Time of the last row, microseconds."""
        return max(p.last for p in self.parts)

    @property
    def size(self) -> int:
        """Bytes of this version's files."""
        return sum(p.size for p in self.parts)

    @property
    def updated(self) -> pd.Timestamp | Any:
        """When it was written."""
        return pd.NaT if self.timestamp is None else pd.Timestamp(self.timestamp, unit="ms", tz="UTC")


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
        When it is torn or changed.
    FileNotFoundError
        When it does not exist.
    """
    path = entry_path(folder, version)
    data = path.read_bytes()
    info = _commit_info(path, data)
    own = info.get("workbench")
    if not isinstance(own, dict):
        if info.get("content_hash") and str(info.get("engineInfo", "")).startswith("delta-rs"):
            return _legacy_entry(folder, version, info)
        raise ForeignEntryError(f"the entry {path.name} of the log was not written by this store")
    found = _CHECK.search(data)
    if found is None or _check(data, found) != found[1].decode():
        raise DataError(f"the entry {path.name} of the log is damaged: its checksum does not match")
    if own.get("format") != FORMAT or own.get("version") != version:
        raise DataError(f"the entry {path.name} has format {own.get('format')} of version {own.get('version')}")
    note = {k: str(v) for k, v in info.items() if k in ("mode", "rows", "content_hash", "lost")}
    parts = tuple(Part(*p) for p in own["parts"])
    return Entry(version, parts, own["base"], own["since"], note, info["timestamp"], stamp=found[1].decode())


def write_entry(folder: Path, layout: Layout, entry: Entry, before: Entry | None, mode: str) -> str:
    """Put an entry into the log, durably and only where none of its number is, and return its stamp.

    The caller holds the lock of the series.
    """
    old = {p.path: p for p in before.parts} if before else {}
    new = {p.path: p for p in entry.parts}
    own = {
        "format": FORMAT, "check": _ZEROS, "version": entry.version, "base": entry.base, "since": entry.since,
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
    return _create(folder, entry.version, lines)


def create_log(folder: Path, layout: Layout, timestamp: int) -> None:
    """Write entry 0, which holds the schema, unless it is there."""
    if entry_path(folder, 0).exists():
        return
    own = {"format": FORMAT, "check": _ZEROS, "version": 0, "base": 0, "since": 0, "parts": []}
    info = {"timestamp": timestamp, "operation": "CREATE TABLE", "operationParameters": {}, "workbench": own}
    protocol = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
    _create(folder, 0, [{"commitInfo": info}, protocol, _metadata(folder, layout, timestamp)])


def stamp_of(folder: Path, version: int) -> str:
    """Return the stamp of a version's entry, without verifying or reading the rest of it; empty where it is absent."""
    try:
        with open(f"{folder}/_delta_log/{version:020d}.json", "rb") as stream:
            data = stream.read()
    except OSError:
        return ""
    found = _CHECK.search(data)
    return found[1].decode() if found else str(xxhash.xxh3_64_hexdigest(data))


def _commit_info(path: Path, data: bytes) -> dict[str, Any]:
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError as err:
            raise DataError(f"the entry {path.name} of the log is damaged: {err}") from err
        if isinstance(row, dict) and isinstance(row.get("commitInfo"), dict):
            return dict(row["commitInfo"])
    raise DataError(f"the entry {path.name} of the log is damaged: it does not say what it is")


def _check(data: bytes, found: re.Match[bytes]) -> str:
    blank = data[: found.start(1)] + _ZEROS.encode() + data[found.end(1) :]
    return str(xxhash.xxh3_64_hexdigest(blank))


def _create(folder: Path, version: int, lines: Sequence[dict[str, Any]]) -> str:
    """Temporary file, fsync, link under the entry's name (which must be free), fsync of the log's folder."""
    blank = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode() + b"\n"
    found = _CHECK.search(blank)
    assert found is not None  # noqa: S101  # put there above
    digest = str(xxhash.xxh3_64_hexdigest(blank))
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
        _place(temporary, path)
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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    if not path.exists():
        return ""
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    return next((str(r["metaData"]["id"]) for r in rows if "metaData" in r), "")


def _legacy_entry(folder: Path, version: int, info: dict[str, Any]) -> Entry:
    """Read a version that an earlier release wrote through deltalake, by replaying the log up to it."""
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        actions = pa.table(DeltaTable(str(folder), version=version).get_add_actions(flatten=True)).to_pylist()
    except DeltaError as err:
        raise DataError(f"the log cannot be replayed: {str(err).strip().splitlines()[0]}") from err
    spans = [(_micros(a["min.time"]), _micros(a["max.time"])) for a in actions]
    parts = [Part(a["path"], a["size_bytes"], a["num_records"], *s) for a, s in zip(actions, spans, strict=True)]
    if any(p.digest for p in parts):  # files of this release are named only by entries of this release
        raise DataError(f"the entry {version} of the log is damaged: it names files without their checksums")
    note = {str(k): str(v) for k, v in info.items() if k in ("mode", "rows", "content_hash")}
    ordered = tuple(sorted(parts, key=lambda p: p.first))
    since = _legacy_since(folder, version)
    stamp = stamp_of(folder, version)
    return Entry(version, ordered, version, since, note, info.get("timestamp"), legacy=True, stamp=stamp)


def _micros(time: object) -> int:
    return int(pd.Timestamp(time).value) // 1000  # type: ignore[arg-type]  # a datetime of the log


def _legacy_since(folder: Path, version: int) -> int:
    for number in range(version, 0, -1):
        path = entry_path(folder, number)
        if _commit_info(path, path.read_bytes()).get("mode") == "replace":
            return number
    return 0
