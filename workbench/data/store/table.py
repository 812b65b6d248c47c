"""One series on disk: a Delta table whose Parquet files are written, named by their checksum and read here.

A write puts its Parquet files down durably first and then one entry of the log, so a reader sees the version before
or the version after, and a crash in between leaves only files that no version names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from workbench.data.store import log, logwriting
from workbench.data.store.entry import Entry, Part
from workbench.data.store.layout import BARS, Layout, empty_frame, join_frames, to_arrow, to_frame
from workbench.errors import DataError
from workbench.ops import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 262_144
"""Most rows of a Parquet file: what one changed row makes a write rewrite."""

Kind = Literal["append", "change", "replace"]


@dataclass(frozen=True)
class Plan:
    """A version to be made: these rows in new files, in place of the dropped ones of the version before.

    ``kind`` says what it does to the rows that were there: nothing (``append``), changes or inserts some
    (``change``), or takes the place of all (``replace``). ``new`` are the rows handed in that the series did not hold.
    """

    rows: pd.DataFrame
    dropped: tuple[Part, ...]
    kind: Kind
    new: pd.DataFrame


@dataclass(frozen=True)
class SeriesTable:
    """The table of one series; ``label`` names it in errors, such as ``"BTC/USDT 1h (import)"``."""

    folder: Path
    label: str
    layout: Layout = BARS

    def newest(self, known: int = 0) -> int:
        """Return the newest version, 0 where nothing was ever written; ``known`` is one known to exist."""
        return log.newest_version(self.folder, known)

    def entry(self, version: int | None = None) -> Entry:
        """Return what a version consists of, verified; ``None`` is the newest.

        Raises
        ------
        DataError
            When its entry in the log is missing, damaged, of another program, or says that the version was lost.
        """
        with self.told(version):
            return log.read_entry(self.folder, self.newest() if version is None else version)

    def history(self) -> Iterator[Entry]:
        """Return the entries of the log, oldest first, those of lost versions too."""
        for version in range(1, self.newest() + 1):
            with self.told(version):
                yield log.read_any_entry(self.folder, version)

    def read(
        self, entry: Entry, start: int | None = None, end: int | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of a version with ``start <= time < end`` (microseconds) as a flat frame; it may be empty.

        Each file is verified as a whole before its rows are used.
        """
        chosen = [p for p in entry.parts if (start is None or p.last >= start) and (end is None or p.first < end)]
        with self.told(entry.version):
            frame = self.read_parts(chosen, columns)
        if start is None and end is None:
            return frame
        times = frame.index.asi8  # type: ignore[attr-defined]  # a DatetimeIndex in microseconds
        low = 0 if start is None else int(np.searchsorted(times, start))
        high = len(times) if end is None else int(np.searchsorted(times, end))
        return frame.iloc[low:high]

    def read_parts(self, parts: Iterable[Part], columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows of files, in their order."""
        frames = [to_frame(self.layout, self._arrow(p, columns), columns) for p in parts]
        return join_frames(frames) if frames else empty_frame(self.layout, columns)

    def commit(
        self,
        plan: Plan,
        before: Entry | None,
        mode: str,
        now: float,
        content_hash: str,
        extra: dict[str, str] | None = None,
    ) -> Entry:
        """Write the files of a plan and make them the next version; the caller holds the lock of the series."""
        written = int(now * 1000)
        with self.told(None, "write"):
            self.folder.mkdir(parents=True, exist_ok=True)
            if before is None:
                for parent in self.folder.parents[:4]:  # a new series must outlive a power cut, with its folders
                    with suppress(PermissionError):  # of folders above ours that we may not list
                        logwriting.sync_folder(parent)
                logwriting.create_log(self.folder, self.layout, written)
            version = before.version + 1 if before else 1
            chunks = [plan.rows.iloc[i : i + PART_ROWS] for i in range(0, len(plan.rows), PART_ROWS)]
            new = [self._write_part(version, chunk) for chunk in chunks]
            gone = {p.path for p in plan.dropped}
            parts = [p for p in before.parts if p.path not in gone] if before else []
            note = {"mode": mode, "rows": str(len(plan.new)), "content_hash": content_hash, **(extra or {})}
            entry = Entry(
                version,
                tuple(sorted([*parts, *new], key=lambda p: (p.first, p.last, p.path))),
                before.base if before and plan.kind == "append" else version,
                version if mode == "replace" else before.since if before else 0,
                note,
                written,
            )
            stamp = logwriting.write_entry(self.folder, self.layout, entry, before, "Overwrite" if gone else "Append")
        return replace(entry, stamp=stamp)

    def check_part(self, part: Part) -> None:
        """Read a file whole and verify it.

        Raises
        ------
        DataError
            When it is missing, torn, changed, or does not hold what the log says.
        """
        with self.told(None, "read a file of"):
            self._arrow(part, None)

    def _arrow(self, part: Part, columns: Sequence[str] | None) -> pa.Table:
        """Read a file; its bytes are compared with the checksum in its name before anything is taken from them."""
        import pyarrow as pa
        import pyarrow.parquet as pq
        import xxhash

        data = (self.folder / part.path).read_bytes()
        if len(data) != part.size:
            raise DataError(f"{part.path} has {len(data)} bytes, not {part.size}: it is torn or was changed")
        if part.digest and xxhash.xxh3_64_hexdigest(data) != part.digest:
            raise DataError(f"{part.path} is damaged: its checksum does not match")
        wanted = None if columns is None else ["time", *columns]
        file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(data)), page_checksum_verification=not part.digest)
        here = None if wanted is None else [c for c in wanted if c in file.schema_arrow.names]
        table = file.read(columns=here, use_threads=False)
        times = table["time"].cast("int64")
        found = (len(times), *(times[i].as_py() for i in (0, -1) if len(times)))
        if found != (part.rows, part.first, part.last):
            raise DataError(f"{part.path} does not hold the rows that the log says")
        return table

    def _write_part(self, version: int, frame: pd.DataFrame) -> Part:
        import xxhash

        data = encode(self.layout, frame)
        name = f"{self.layout.name}-{version:08d}-x{xxhash.xxh3_64_hexdigest(data)}.parquet"
        atomic_write(self.folder / name, data)
        times = frame.index.asi8  # type: ignore[attr-defined]  # a DatetimeIndex in microseconds
        return Part(name, len(data), len(frame), int(times[0]), int(times[-1]))

    @contextmanager
    def told(self, version: int | None, verb: str = "read") -> Iterator[None]:
        """Turn the errors of files and libraries into one line of ours."""
        import pyarrow as pa

        try:
            yield
        except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as err:
            text = str(err).strip()
            if isinstance(err, DataError) and self.label in text:
                raise
            first = text.splitlines()[0] if text else type(err).__name__
            if isinstance(err, FileNotFoundError):
                first = f"{Path(str(err.filename)).name} is missing"
            what = "the newest version" if version is None else f"version {version}"
            raise DataError(f"cannot {verb} {what} of {self.label} in {self.folder}: {first}; {_cure(verb)}") from err


def encode(layout: Layout, frame: pd.DataFrame) -> bytes:
    """Return rows as the bytes of a Parquet file of one row group.

    Prices lie on a tick grid and volumes repeat, so a dictionary without a small limit beats the other encodings;
    times are written as differences.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    dictionary = [*layout.columns] if len(layout.columns) else False
    pq.write_table(
        to_arrow(layout, frame), sink, compression="zstd", compression_level=3, row_group_size=PART_ROWS,
        use_dictionary=dictionary, dictionary_pagesize_limit=1 << 23,
        column_encoding={"time": "DELTA_BINARY_PACKED"}, write_page_checksum=True,
    )  # fmt: skip
    return bytes(sink.getvalue())


def _cure(verb: str) -> str:
    if verb == "write":
        return "free space or make the folder writable; the versions stored before are whole"
    return "name an earlier version, or run 'workbench data verify' and 'workbench data repair'"
