"""Bars of a higher time frame of one symbol, and the row at which each of them is known.

A higher bar is known on the first bar that closes no earlier than it does; before, nothing of it is seen. A first
higher bar in whose middle the symbol's bars begin is left out: its open and its range would be those of a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from workbench.errors import ConfigError
from workbench.typing import FloatArray, IntArray

_WEEK = 7 * 86_400_000_000_000
_MONDAY = 4 * 86_400_000_000_000  # 1970-01-05, the first Monday on the clock


class Rows(Protocol):
    """Where a symbol's fields come from: its own bars, or its bars of a higher time frame."""

    @property
    def size(self) -> int: ...

    def field(self, name: str) -> Any: ...


@dataclass(frozen=True)
class HigherBars:
    """Complete higher bars of one symbol.

    Attributes
    ----------
    fields
        Arrays by field, one value a higher bar.
    seen
        For each own row, how many higher bars are known by its close.
    size, length
        How many there are, and how long each is in nanoseconds.
    """

    fields: dict[str, Any]
    seen: IntArray
    size: int
    length: int

    def field(self, name: str) -> Any:
        """Return a field of the higher bars."""
        return self.fields[name]

    def visible(self, values: FloatArray, out: FloatArray) -> None:
        """Write to each own row the value of the newest higher bar known there, NaN before the first."""
        known = self.seen > 0
        out[~known] = np.nan
        out[known] = values[self.seen[known] - 1]


def higher_bars(own: Rows, fields: frozenset[str], timeframe: str, base: int) -> HigherBars:
    """Gather a symbol's own bars into complete bars of a higher time frame.

    Parameters
    ----------
    fields
        Fields to gather: open takes the first value, high and low the extremes, volume and funding_rate the sum, and
        every other the last.
    base
        Length of the own bars in nanoseconds.

    Raises
    ------
    ConfigError
        When the time frame is finer than the bars, or not a multiple of their length.
    """
    length = check_multiple(timeframe, base)
    times = own.field("time")
    shift = _MONDAY if length % _WEEK == 0 else 0
    bucket = (times - shift) // length
    first = np.flatnonzero(np.diff(bucket, prepend=bucket[:1] - 1)) if times.size else np.zeros(0, np.int64)
    begins = bucket[first] * length + shift
    known = np.searchsorted(times + base, begins + length)  # the first own row that closes no earlier
    n_over = int(np.count_nonzero(known < times.size))
    n_rows = int(np.append(first, times.size)[n_over]) if n_over else 0
    dropped = int(bool(n_over) and times[0] != begins[0])
    gathered = {f: _gather(f, own.field(f)[:n_rows], first[:n_over], begins)[dropped:] for f in fields}
    seen = np.searchsorted(known[dropped:n_over], np.arange(times.size), side="right")
    return HigherBars(gathered, seen, max(n_over - dropped, 0), length)


def check_multiple(timeframe: str, base: int) -> int:
    """Return the length of a time frame in nanoseconds, a multiple of the bars'.

    Raises
    ------
    ConfigError
        When it is finer than the bars or no multiple.
    """
    from workbench.data.timeframes import timeframe_delta, timeframe_name

    length = int(timeframe_delta(timeframe).value)
    name = timeframe_name(pd.Timedelta(base, unit="ns"))
    if length < base:
        raise ConfigError(f"time frame {timeframe} is finer than the bars, which are of {name}; load finer bars")
    if length % base:
        raise ConfigError(f"time frame {timeframe} is not a multiple of the bars' {name}; choose one that is")
    return length


def _gather(field: str, values: Any, first: IntArray, begins: IntArray) -> Any:
    if field == "time":
        return begins[: first.size]
    if not first.size:
        return np.zeros(0)
    if field == "open":
        return values[first]
    if field == "high":
        return np.maximum.reduceat(values, first)
    if field == "low":
        return np.minimum.reduceat(values, first)
    if field in ("volume", "funding_rate"):
        return np.add.reduceat(values, first)
    return values[np.append(first[1:], values.size) - 1]
