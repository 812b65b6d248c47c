"""What the kernels of this room write: plain arrays under names, with room for one entry a bar.

Entries of an event are numbered in the order in which they become known. Bars are counted from 0; -1 says "not yet".
Arrays over bars have shape (capacity,), as have those over events: no bar makes more than one event of a kind and side.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np

from workbench.typing import FloatArray, IntArray

_STATE = 8


class Swings(NamedTuple):
    """Alternating swing highs and lows, and per bar the last known one of each side."""

    origin: IntArray
    known: IntArray
    direction: IntArray
    level: FloatArray
    ended: IntArray
    """Bar at which a more extreme swing of the same side, with none of the other side between, took its place."""
    reach: IntArray
    """Bar of the furthest price against the swing between its origin (excluded) and its known bar."""
    top: IntArray
    """Per bar, number of the last known swing high."""
    bottom: IntArray
    high_queue: IntArray
    low_queue: IntArray
    state: IntArray


class Breaks(NamedTuple):
    """Breaks of structure and changes of character, and per bar the direction of the last one."""

    swing: IntArray
    """Number of the swing whose level was closed through."""
    known: IntArray
    direction: IntArray
    character: IntArray
    """1 for a change of character, 0 for a break of structure."""
    trend: IntArray
    """Per bar, direction of the last break; 0 before the first."""
    at: IntArray
    """Per bar, number of the break that it made."""
    up_queue: IntArray
    down_queue: IntArray
    before: IntArray
    """Per swing, number of the last one of the other side before it, and ``after`` it."""
    after: IntArray
    kept: IntArray
    kept_end: IntArray
    state: IntArray


class Zones(NamedTuple):
    """Price zones of one side: fair-value gaps or order blocks, and per bar which of them are open."""

    origin: IntArray
    known: IntArray
    near: FloatArray
    """The edge that price meets first when it comes back: the top of a bullish zone, the bottom of a bearish one."""
    far: FloatArray
    touched: IntArray
    ended: IntArray
    nearest: IntArray
    """Per bar, number of the open zone that price meets first."""
    n_open: IntArray
    """Per bar, number of open zones."""
    heap: IntArray
    touch_heap: IntArray
    crossed: IntArray
    """Per swing, 1 when its level has been closed through."""
    state: IntArray


class Pools(NamedTuple):
    """Liquidity pools of one side; an entry is one state of a pool, from one member's known bar to the next."""

    pool: IntArray
    """Number of the swing that began the pool."""
    last: IntArray
    """Number of its newest member."""
    known: IntArray
    level: FloatArray
    swept: IntArray
    ended: IntArray
    nearest: IntArray
    """Per bar, number of the entry of the unswept pool nearest to price."""
    sweeps: IntArray
    """Per bar, pools swept by it."""
    entry: IntArray
    """Per leading swing, number of its pool's newest entry."""
    joined: IntArray
    """Per swing, number of the leader whose pool it joined."""
    members: IntArray
    total: FloatArray
    leaders: IntArray
    pools: IntArray
    state: IntArray


class Dealing(NamedTuple):
    """Per bar: the dealing range between the last swings, and how far price has come back from the newest one."""

    top: FloatArray
    bottom: FloatArray
    direction: IntArray
    current: FloatArray
    deepest: FloatArray
    values: FloatArray


class Spans(NamedTuple):
    """Highs and lows of spans of time (days, weeks, sessions), one entry a span; per bar its span and the last one."""

    number: IntArray
    """Per bar, number of its day, week or session day since 1970."""
    active: IntArray
    """Per bar, 1 within a span."""
    first: IntArray
    """First bar of the span."""
    known: IntArray
    """First bar after the span."""
    high_bar: IntArray
    low_bar: IntArray
    high_broken: IntArray
    """First later bar beyond the high, before the next span is over."""
    low_broken: IntArray
    span: IntArray
    """Per bar, number of the newest span that has begun."""
    done: IntArray
    """Per bar, number of the newest span that is over."""
    high: FloatArray
    """Per bar, highest price so far of the newest span."""
    low: FloatArray
    state: IntArray


R = TypeVar("R", Swings, Breaks, Zones, Pools, Dealing, Spans)

_FLOATS = {"level", "near", "far", "total", "current", "deepest", "values", "high", "low"}


def empty(kind: type[R], capacity: int) -> R:
    """Return a record with room for so many bars."""
    fields: dict[str, Any] = {name: _empty(kind, name, capacity) for name in kind._fields}
    return kind(**fields)


def _empty(kind: type[R], name: str, capacity: int) -> FloatArray | IntArray:
    if name in ("state", "values"):
        return np.zeros(_STATE) if name == "values" else np.zeros(_STATE, dtype=np.int64)
    floats = name in _FLOATS or (kind is Dealing and name in ("top", "bottom"))
    return np.zeros(capacity) if floats else np.zeros(capacity, dtype=np.int64)  # memory never written costs nothing


def grown(record: R, capacity: int) -> R:
    """Return a copy of the record with room for more bars."""
    fresh = empty(type(record), capacity)
    for name, old, new in zip(record._fields, record, fresh, strict=True):
        if name not in ("state", "values"):
            new[: old.size] = old
        else:
            new[:] = old
    return fresh
