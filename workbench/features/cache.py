"""Results kept by content: the bars' values, what is computed from them, and the code that does it.

An entry's name is a hash of all three, so nothing is ever stale: another price, parameter or line of code has another
name. Entries are mapped into memory, not read, and their checksum is compared on each use; a damaged one is dropped
and computed anew. The folder can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from workbench.errors import WorkbenchError
from workbench.features.expressions.tree import fields_of
from workbench.features.market import Market
from workbench.features.specs import BoundFeature
from workbench.ops import append_line, atomic_write
from workbench.typing import FloatArray

_HEADER = 4096
_MAGIC = "workbench features 1"
_GIB = 1 << 30


@dataclass(frozen=True)
class CacheStats:
    """What a cache holds and how often it had what was asked for, since it was last cleared."""

    hits: int
    misses: int
    entries: int
    bytes: int

    @property
    def hit_rate(self) -> float:
        """Share of the features asked for that were there; 0 before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class FeatureCache:
    """A folder of computed features.

    Parameters
    ----------
    folder
        Made when it is first written to.
    most_bytes
        The entries longest unused are dropped beyond this; 4 GiB by default.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from workbench.data import load_bars
    >>> from workbench.features import FeatureCache, compute
    >>> bars = load_bars("gbm(seed=1, n_bars=200)", ["A"], "1h")
    >>> with TemporaryDirectory() as folder:
    ...     cache = FeatureCache(Path(folder))
    ...     same = compute(bars, "rsi(14)", cache=cache).equals(compute(bars, "rsi(14)", cache=cache))
    ...     print(same, cache.stats().hit_rate)
    True 0.5
    """

    def __init__(self, folder: Path, *, most_bytes: int = 4 * _GIB) -> None:
        self.folder = Path(folder)
        self.most_bytes = most_bytes

    def read(self, market: Market, bounds: list[BoundFeature], base: int | None) -> dict[str, FloatArray]:
        """Return the features that are there, by text: float64, (n_symbols, n_bars), a private map of the file."""
        shape = (len(market.symbols), market.n_bars)
        found: dict[str, FloatArray] = {}
        for bound in bounds:
            values = self._entry(self._path(market, bound, base), shape)
            if values is not None:
                found[bound.text] = values
        self._count(len(found), len(bounds) - len(found))
        return found

    def write(self, market: Market, bound: BoundFeature, base: int | None, values: FloatArray) -> None:
        """Keep a feature; a full disk costs the entry only, and is logged."""
        import xxhash

        data = np.ascontiguousarray(values)
        header = {
            "format": _MAGIC,
            "spec": bound.text[:200],
            "shape": list(data.shape),
            "xxh3": xxhash.xxh3_128_hexdigest(data.data),
        }
        path = self._path(market, bound, base)
        try:
            atomic_write(path, b"".join([json.dumps(header).encode().ljust(_HEADER), data.tobytes()]))
            self._make_room()
        except WorkbenchError as err:
            _warn("feature_not_cached", spec=bound.text, reason=str(err))

    def stats(self) -> CacheStats:
        """Count entries, bytes, hits and misses."""
        hits = misses = 0
        log = self.folder / "uses.log"
        for line in log.read_text().splitlines() if log.exists() else ():
            parts = line.split()
            if len(parts) == 2 and all(p.isdigit() for p in parts):
                hits, misses = hits + int(parts[0]), misses + int(parts[1])
        entries = self._entries()
        return CacheStats(hits, misses, len(entries), sum(size for _, size, _ in entries))

    def clear(self) -> int:
        """Delete all entries and counts; return how many entries there were."""
        entries = self._entries()
        for _, _, path in entries:
            path.unlink(missing_ok=True)
        (self.folder / "uses.log").unlink(missing_ok=True)
        return len(entries)

    def _entry(self, path: Path, shape: tuple[int, int]) -> FloatArray | None:
        import xxhash

        try:
            with path.open("rb") as stream:
                header = json.loads(stream.read(_HEADER))
            if header["format"] != _MAGIC or tuple(header["shape"]) != shape:
                raise ValueError("another format or shape")
            values: FloatArray = np.memmap(path, np.float64, "c", _HEADER, shape) if all(shape) else np.empty(shape)
            if xxhash.xxh3_128_hexdigest(values.data) != header["xxh3"]:
                raise ValueError("the checksum differs")
            with suppress(OSError):  # of a folder that may be read only
                os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as err:
            _warn("cached_feature_dropped", file=str(path), reason=str(err))
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        return values.view(np.ndarray)

    def _path(self, market: Market, bound: BoundFeature, base: int | None) -> Path:
        length = str(base if bound.timeframes else None)  # which the features beside it may have needed
        parts = [_libraries(), bound.version(deep=True), length, market.digest(fields_of(bound.node))]
        name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
        return self.folder / name[:2] / f"{name}.f64"

    def _count(self, hits: int, misses: int) -> None:
        try:
            append_line(self.folder / "uses.log", f"{hits} {misses}", durable=False)
        except WorkbenchError as err:
            _warn("cache_use_not_counted", reason=str(err))

    def _entries(self) -> list[tuple[float, int, Path]]:
        """Last use, size and path of each entry, the longest unused first."""
        found = []
        for path in self.folder.glob("??/*.f64"):
            try:
                state = path.stat()
            except FileNotFoundError:
                continue  # another process made room
            found.append((state.st_mtime, state.st_size, path))
        return sorted(found)

    def _make_room(self) -> None:
        entries = self._entries()
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries[:-1]:
            if total <= self.most_bytes:
                break
            with suppress(OSError):
                path.unlink(missing_ok=True)
                total -= size


def _warn(event: str, **details: str) -> None:
    from workbench.ops import get_logger

    get_logger(__name__).warning(event, **details)


@lru_cache(maxsize=1)
def _libraries() -> str:
    """Hash of the code of this room, kernels and operators included, and of the libraries that compute for it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    for name in ("TA-Lib", "numpy", "numba", "pandas"):
        digest.update(f"{name} {importlib.metadata.version(name)}".encode())
    return digest.hexdigest()
