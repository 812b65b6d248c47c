"""Images of series: the newest version as plain arrays beside its table, so that a read costs what its rows cost.

An image is disposable. It is used only while it is of the version asked for, and each block only after its checksum
was compared; an absent, stale or damaged one is made anew from the table. Making or extending one never delays or
fails a write or a read: who cannot (another is at it, no space, read-only) goes on without.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
import pandas as pd

from workbench.data.store import imagefile
from workbench.data.store.entry import Entry
from workbench.data.store.imagefile import ImageError, Meta
from workbench.data.store.log import newest_version, stamp_of
from workbench.data.store.table import SeriesTable
from workbench.errors import DataError
from workbench.typing import FloatArray, IntArray


@dataclass(frozen=True)
class SeriesImage:
    """The image of one series."""

    table: SeriesTable

    @property
    def folder(self) -> Path:
        """Where it lies: beside the files of the table, under a name that Delta readers pass over."""
        return self.table.folder / "_image"

    def read(
        self, columns: Sequence[str], start: int | None, end: int | None, version: int | None
    ) -> tuple[IntArray, FloatArray, Meta] | None:
        """Return times, values of shape (n_columns, n) and the meta data; ``None`` where the image cannot serve.

        A stale image is brought up to date first when the newest version is asked for.
        """
        for _ in range(3):  # a writer may put a new image in the place of the one whose meta data was just read
            meta = self._current(version)
            if meta is None:
                return None
            try:
                return *imagefile.read_rows(self.folder, meta, self._numbers(columns), start, end), meta
            except ImageError as err:
                if self._load() == meta.stamp:
                    self._drop(str(err))
        return None

    def extend(self, before: Entry, after: Entry, rows: pd.DataFrame) -> None:
        """Add appended rows, where the image is of the version before; otherwise it stays behind and is caught up."""
        try:
            if imagefile.load_meta(self.folder) is None:
                return
            with self._lock():
                meta = imagefile.load_meta(self.folder)
                if meta is None or (meta.version, meta.stamp) != (before.version, before.stamp):
                    return
                imagefile.extend(self.folder, meta, after.version, after.stamp, *self._arrays(rows))
        except filelock.Timeout:
            return
        except (ImageError, FileNotFoundError) as err:
            self._drop(str(err))
        except OSError as err:  # it stays as it was, of the version before
            self._tell(err)

    def _current(self, version: int | None) -> Meta | None:
        try:
            meta = imagefile.load_meta(self.folder)
        except ImageError as err:
            self._drop(str(err))
            meta = None
        if meta is not None and stamp_of(self.table.folder, meta.version) != meta.stamp:
            meta = None
        if version is not None:
            return meta if meta is not None and meta.version == version else None
        newest = newest_version(self.table.folder, meta.version if meta else 0)
        if meta is not None and meta.version == newest:
            return meta
        return self._refresh(meta) if newest else None

    def _refresh(self, meta: Meta | None) -> Meta | None:
        """Catch up with the newest version: by its new rows where nothing else changed, otherwise as a whole."""
        entry = self.table.entry()
        if not entry.parts:
            return None
        try:
            self.folder.mkdir(exist_ok=True)
            with self._lock():
                return self._caught_up(meta, entry) or self._built(entry)
        except (filelock.Timeout, DataError):  # of a damaged table the rows asked for may still be whole
            return None
        except (ImageError, FileNotFoundError) as err:
            self._drop(str(err))
        except OSError as err:
            self._tell(err)
        return None

    def _caught_up(self, meta: Meta | None, entry: Entry) -> Meta | None:
        now = imagefile.load_meta(self.folder)
        if meta is None or now is None or now.stamp != meta.stamp or meta.version < entry.base:
            return None
        rows = self.table.read(entry, int(meta.last[-1]) + 1, None, self.table.layout.fields)
        if meta.rows + len(rows) != entry.rows:
            return None
        return imagefile.extend(self.folder, meta, entry.version, entry.stamp, *self._arrays(rows))

    def _built(self, entry: Entry) -> Meta | None:
        needed = entry.rows * (1 + len(self.table.layout.fields)) * 8
        if shutil.disk_usage(self.folder).free < 2 * needed:  # the space is the tables'
            return None
        rows = self.table.read(entry, None, None, self.table.layout.fields)
        return imagefile.build(self.folder, entry.version, entry.stamp, *self._arrays(rows))

    def _arrays(self, rows: pd.DataFrame) -> tuple[IntArray, list[FloatArray]]:
        times = np.ascontiguousarray(pd.DatetimeIndex(rows.index).as_unit("us").asi8)
        return times, [np.ascontiguousarray(rows[f].to_numpy(np.float64)) for f in self.table.layout.fields]

    def _numbers(self, columns: Sequence[str]) -> list[int]:
        return [self.table.layout.fields.index(c) + 1 for c in columns]

    def _lock(self) -> filelock.BaseFileLock:
        return filelock.FileLock(self.folder / "_lock", timeout=0)

    def _load(self) -> str:
        try:
            meta = imagefile.load_meta(self.folder)
        except ImageError:
            return ""
        return meta.stamp if meta else ""

    def _tell(self, err: OSError) -> None:
        from workbench.ops import get_logger

        get_logger("data").warning("the image of a series cannot be kept", series=self.table.label, why=str(err))

    def _drop(self, why: str) -> None:
        """Forget an image that cannot be used; the next read makes a new one."""
        from workbench.ops import get_logger

        get_logger("data").warning("the image of a series is dropped and made anew", series=self.table.label, why=why)
        try:
            (self.folder / imagefile.META).unlink(missing_ok=True)
        except OSError as err:  # read-only: it is found damaged again, and never used
            get_logger("data").info("a damaged image stays", series=self.table.label, why=str(err))
