"""The newest values of a series in one piece of memory."""

from __future__ import annotations

from typing import Any

import numpy as np


class Tail:
    """Appends values one by one and shows the newest ``k`` of them as an array.

    Parameters
    ----------
    keep
        How many are ever looked at; None keeps all.
    dtype
        float64, or int64 for times.
    """

    def __init__(self, keep: int | None, dtype: Any = np.float64) -> None:
        self._keep = keep
        self._memory = np.empty(max(64, 2 * (keep or 0)), dtype)
        self._end = 0
        self.count = 0
        """Values appended so far."""

    def append(self, value: float) -> None:
        """Add a value."""
        if self._end == self._memory.size:
            self._make_room()
        self._memory[self._end] = value
        self._end += 1
        self.count += 1

    def extend(self, values: Any) -> None:
        """Add an array of values."""
        kept = values if self._keep is None else values[-self._keep :]
        self.count += len(values) - len(kept)
        if self._end + len(kept) > self._memory.size:
            old = self._memory[: self._end]
            self._memory = np.empty(2 * (old.size + len(kept)), old.dtype)
            self._memory[: old.size] = old
        self._memory[self._end : self._end + len(kept)] = kept
        self._end += len(kept)
        self.count += len(kept)

    def newest(self, k: int | None = None) -> Any:
        """Return the newest ``k`` values, oldest first; all that are kept when None."""
        return self._memory[(0 if k is None else self._end - k) : self._end]

    @property
    def last(self) -> Any:
        """The newest value."""
        return self._memory[self._end - 1]

    def _make_room(self) -> None:
        if self._keep is None:
            self._memory = np.concatenate([self._memory, np.empty_like(self._memory)])
            return
        kept = self._memory[self._end - self._keep : self._end].copy()
        self._memory[: kept.size] = kept
        self._end = kept.size
