"""What a version of a series is: the files that it consists of and how it came about."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Part:
    """One Parquet file of a version; times are microseconds since 1970 UTC of its first and last row."""

    path: str
    size: int
    rows: int
    first: int
    last: int

    @property
    def version(self) -> int:
        """The version that its name says it was written for; 0 where the name is not of this store."""
        found = re.search(r"-(\d{8})-x?[0-9a-f]{16}\.parquet$", self.path)
        return int(found[1]) if found else 0

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
