"""One series on disk: a Delta table of time, open, high, low, close and volume. The only file that knows deltalake.

A write puts its Parquet file down durably first and then commits one entry of the Delta log, so a reader sees the
version before or the version after, and a crash in between leaves only a file that no version names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS
from workbench.errors import DataError
from workbench.ops import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pandas.api.typing import NaTType

# Old entries of the log are never cleaned up: every version stays readable.
_CONFIGURATION: dict[str, str | None] = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "50"}


@dataclass(frozen=True)
class Part:
    """One Parquet file of a version."""

    path: str
    size: int
    rows: int
    first: pd.Timestamp
    last: pd.Timestamp


@dataclass(frozen=True)
class Snapshot:
    """What one version of a series consists of."""

    version: int
    parts: tuple[Part, ...]
    updated: pd.Timestamp | NaTType

    @property
    def rows(self) -> int:
        """Number of bars."""
        return sum(p.rows for p in self.parts)

    @property
    def last(self) -> pd.Timestamp:
        """Time of the last bar."""
        return max(p.last for p in self.parts)

    @property
    def size(self) -> int:
        """Bytes of this version's files."""
        return sum(p.size for p in self.parts)


@dataclass(frozen=True)
class SeriesTable:
    """The table of one series; ``label`` names it in errors, such as ``"BTC/USDT 1h (import)"``."""

    folder: Path
    label: str

    def newest(self) -> int:
        """Return the newest version by the names in the log alone; 0 means that nothing was ever written."""
        entries = (p.stem for p in (self.folder / "_delta_log").glob("*.json"))
        return max((int(e) for e in entries if e.isdigit()), default=0)

    def snapshot(self, version: int | None = None) -> Snapshot:
        """Return what a version consists of; ``None`` is the newest."""
        with self._told(version):
            table = self._open(version)
            actions = _arrow(table.get_add_actions(flatten=True)).to_pylist()
            updated = _milliseconds_utc(table.history(1)[0].get("timestamp"))
            number = int(table.version())
        parts = [
            Part(a["path"], a["size_bytes"], a["num_records"], pd.Timestamp(a["min.time"]), pd.Timestamp(a["max.time"]))
            for a in actions
        ]
        return Snapshot(number, tuple(sorted(parts, key=lambda p: p.first)), updated)

    def history(self) -> list[dict[str, Any]]:
        """Return the entries of the log, oldest first."""
        with self._told(None):
            return sorted(self._open(None).history(), key=lambda entry: entry["version"])

    def read(
        self, snapshot: Snapshot, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """Return the bars of a version with ``start <= time < end`` as a flat frame; it may be empty."""
        import pyarrow.parquet as pq

        chosen = [p for p in snapshot.parts if (start is None or p.last >= start) and (end is None or p.first < end)]
        filters = [("time", ">=", start)] if start is not None else []
        filters += [("time", "<", end)] if end is not None else []
        with self._told(snapshot.version):
            tables = [
                pq.read_table(
                    self.folder / p.path, filters=filters or None, partitioning=None,
                    page_checksum_verification=True, use_threads=False,
                )
                for p in chosen
            ]  # fmt: skip
        frames = [_frame(t) for t in tables]
        return pd.concat(frames) if len(frames) > 1 else frames[0] if frames else _empty_frame()

    def commit(self, frame: pd.DataFrame, kind: Literal["append", "overwrite"], note: dict[str, str]) -> int:
        """Write one Parquet file and commit it as the next version; the caller holds the lock of the series."""
        import pyarrow.parquet as pq
        from deltalake import CommitProperties, DeltaTable
        from deltalake.transaction import AddAction

        with self._told(None, "write"):
            if not (self.folder / "_delta_log").is_dir():
                self.folder.mkdir(parents=True, exist_ok=True)
                DeltaTable.create(str(self.folder), _schema(), mode="ignore", configuration=_CONFIGURATION)
            table = self._open(None)
            number = int(table.version()) + 1
            name = f"bars-{number:08d}-{note['content_hash'][:16]}.parquet"
            with atomic_path(self.folder / name) as temporary:
                pq.write_table(
                    _arrow_table(frame), temporary, compression="zstd", row_group_size=65536, write_page_checksum=True
                )
            size = (self.folder / name).stat().st_size
            action = AddAction(name, size, {}, _milliseconds(self.folder / name), True, _statistics(frame))
            properties = CommitProperties(custom_metadata=dict(note), max_commit_retries=0)
            table.create_write_transaction([action], kind, table.schema(), commit_properties=properties)
            self._sync_log(number)
        return number

    def _open(self, version: int | None) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(str(self.folder), version=version)

    def _sync_log(self, number: int) -> None:
        log = self.folder / "_delta_log"
        for path in (log / f"{number:020d}.json", log):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    @contextmanager
    def _told(self, version: int | None, verb: str = "read") -> Iterator[None]:
        """Turn the library's errors into one line of ours."""
        import pyarrow as pa
        from deltalake.exceptions import DeltaError

        try:
            yield
        except (OSError, DeltaError, pa.ArrowException, KeyError, ValueError) as err:
            if isinstance(err, DataError):
                raise
            first = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
            what = "the newest version" if version is None else f"version {version}"
            raise DataError(
                f"cannot {verb} {what} of {self.label} in {self.folder}: {first}; {self._cure(verb)}"
            ) from err

    def _cure(self, verb: str) -> str:
        if verb == "write":
            return "free space or make the folder writable; the versions stored before are whole"
        return "name an earlier version, or restore the folder from a backup"


def _milliseconds_utc(stamp: int | None) -> pd.Timestamp | NaTType:
    return pd.NaT if stamp is None else pd.Timestamp(stamp, unit="ms", tz="UTC")


def _schema() -> pa.Schema:
    import pyarrow as pa

    time = pa.field("time", pa.timestamp("us", "UTC"), nullable=False)
    return pa.schema([time, *(pa.field(f, pa.float64(), nullable=False) for f in BAR_FIELDS)])


def _arrow_table(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    schema = _schema()
    times = pa.array(pd.DatetimeIndex(frame.index).as_unit("us").asi8, pa.int64()).cast(schema.field("time").type)
    return pa.Table.from_arrays([times, *(pa.array(frame[f].to_numpy(np.float64)) for f in BAR_FIELDS)], schema=schema)


def _frame(table: pa.Table) -> pd.DataFrame:
    import pyarrow as pa

    times = table["time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    index = pd.DatetimeIndex(times.astype("datetime64[us]"), tz="UTC", name="time")
    return pd.DataFrame({f: table[f].to_numpy() for f in BAR_FIELDS}, index=index)


def _empty_frame() -> pd.DataFrame:
    index = pd.DatetimeIndex(np.empty(0, "datetime64[us]"), tz="UTC", name="time")
    return pd.DataFrame({f: np.empty(0) for f in BAR_FIELDS}, index=index)


def _arrow(batch: Any) -> pa.Table:
    import pyarrow as pa

    return pa.table(batch)


def _statistics(frame: pd.DataFrame) -> str:
    first, last = (t.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%S.%fZ") for t in (frame.index[0], frame.index[-1]))
    return json.dumps(
        {"numRecords": len(frame), "minValues": {"time": first}, "maxValues": {"time": last}, "nullCount": {"time": 0}}
    )


def _milliseconds(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000
