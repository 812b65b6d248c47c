"""The files of a query as one data set: those that its filters leave are verified as a whole before they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import xxhash
from pyarrow.fs import LocalFileSystem

from workbench.data.store.log import Part
from workbench.errors import DataError

_MICROSECONDS = pa.timestamp("us", "UTC")


class VerifiedDataset(ds.FileSystemDataset):
    """Parquet files with what is known of each without opening it.

    DuckDB asks for a scanner with the filter that it hands down. Files which that filter rules out stay shut; the
    others are compared with the checksum that their name carries. Files of earlier releases carry none: they must
    hold their columns, and the reader verifies their pages.

    Parameters
    ----------
    schema : pyarrow.Schema
        Columns of the files and of ``known``.
    parts : mapping of path to Part
        What the log says of each file.
    known : mapping of path to mapping of column to str
        Values that all rows of a file share.
    required : sequence of str
        Columns that every file holds.
    """

    def __init__(
        self,
        schema: pa.Schema,
        parts: Mapping[str, Part],
        known: Mapping[str, Mapping[str, str]],
        required: tuple[str, ...],
    ) -> None:
        checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        parquet, disk = ds.ParquetFileFormat(default_fragment_scan_options=checked), LocalFileSystem()
        fragments = [
            parquet.make_fragment(path, filesystem=disk, partition_expression=_span(part, known[path]))
            for path, part in parts.items()
        ]
        super().__init__(fragments, schema, parquet, disk)
        self._parts = parts
        self._required = required
        self._sound: set[str] = set()

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> ds.Scanner:
        """Return a scanner over the files that a filter leaves, each verified."""
        chosen = list(self.get_fragments(filter))
        for fragment in chosen:
            if fragment.path not in self._sound:
                self._verify(fragment.path)
                self._sound.add(fragment.path)
        files = ds.FileSystemDataset(chosen, self.schema, self.format, self.filesystem)
        return files.scanner(columns=columns, filter=filter, **options)

    def _verify(self, path: str) -> None:
        part, name = self._parts[path], Path(path).name
        with pa.memory_map(path) as file:
            data = file.read_buffer()
        if data.size != part.size:
            raise DataError(f"{name} has {data.size:,} bytes of {part.size:,}")
        if part.digest:
            if xxhash.xxh3_64_hexdigest(data) != part.digest:
                raise DataError(f"{name} is damaged: its checksum does not match")
        elif not set(self._required) <= set(pq.read_schema(pa.BufferReader(data)).names):
            raise DataError(f"{name} is damaged: it lacks a column")


def _span(part: Part, known: Mapping[str, str]) -> ds.Expression:
    """Return what is true of every row of a file."""
    first, last = (pa.scalar(t, pa.int64()).cast(_MICROSECONDS) for t in (part.first, part.last))
    truth = (ds.field("time") >= first) & (ds.field("time") <= last)
    for column, value in known.items():
        truth = truth & (ds.field(column) == value)
    return truth
