"""Small sqlite files that only grow: made whole, opened for one question or one transaction, never left locked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import ArtifactError
from workbench.ops.files import atomic_path
from workbench.ops.locks import file_lock


@dataclass(frozen=True)
class AppendOnly:
    """One append-only sqlite file; safe with many writing processes and with a killed one.

    Parameters
    ----------
    path
        The file; made by the first writer.
    schema
        Script that makes it, triggers that forbid change and deletion included.
    name, treasure
        What the file is called, and what of it must not be lost, in an error.
    timeout
        Seconds a writer waits for the others.
    """

    path: Path
    schema: str
    name: str
    treasure: str
    timeout: float

    @contextmanager
    def open(self, write: bool = False) -> Iterator[Any]:
        """Yield a connection, None where there is no file yet to read.

        Raises
        ------
        ArtifactError
            When the file is damaged, locked for too long or not writable.
        """
        db: sqlite3.Connection | None = None
        try:
            if write and not self.path.exists():
                self._create()
            if self.path.exists():
                db = connect(self.path, self.timeout)
            yield db
        except sqlite3.Error as err:
            cure = "wait for the other writer" if "locked" in str(err) else "free space, or restore it from a backup"
            raise ArtifactError(f"{self.name} {self.path}: {err}; {cure} ({self.treasure} must not be lost)") from err
        finally:
            if db is not None:
                db.close()

    def _create(self) -> None:
        lock = self.path.with_name(f".{self.path.name}.lock")
        with file_lock(lock, f"making the {self.name}", self.timeout):
            if self.path.exists():
                return
            with atomic_path(self.path) as temporary:
                db = connect(temporary, self.timeout)
                db.executescript(self.schema)
                db.close()


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """Open a file so that what is acknowledged is on disk and nothing can be replaced."""
    db = sqlite3.connect(path, timeout=timeout, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA recursive_triggers = ON")  # so that INSERT OR REPLACE cannot delete either
    return db
