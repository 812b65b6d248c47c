"""Trackers: a concept's records and the kernels that carry them on, for whole arrays and bar by bar alike.

Each is made with room for so many bars and is told to go on from one bar to another; what it records of a bar never
depends on later ones. Numba loads when the first tracker is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.features.structure.records import Breaks, Dealing, Pools, Spans, Swings, Zones, empty, grown
from workbench.typing import FloatArray, IntArray

MINUTE = 60_000_000_000
_DAY = 1440 * MINUTE

PERIODS = {"4h": (240 * MINUTE, 0), "1d": (_DAY, 0), "1w": (7 * _DAY, -3 * _DAY)}
"""Length and start of a period in nanoseconds; weeks begin on Monday 00:00 UTC (1970-01-01 was a Thursday)."""

SESSIONS = {
    "asia": ("00:00", "09:00"),
    "asian_kill_zone": ("00:00", "04:00"),
    "london": ("07:00", "16:00"),
    "london_close_kill_zone": ("14:00", "16:00"),
    "london_open_kill_zone": ("06:00", "09:00"),
    "new_york": ("13:00", "22:00"),
    "new_york_kill_zone": ("11:00", "14:00"),
    "sydney": ("21:00", "06:00"),
    "tokyo": ("00:00", "09:00"),
}
"""Trading sessions, UTC all year round: a bar belongs to one when it opens at or after its start and before its end."""


class Prices:
    """Bars of one symbol as arrays, each of shape (capacity,), ``time`` in nanoseconds; some may be left out."""

    time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray

    def __init__(self, **columns: Any) -> None:
        self.replace(**columns)

    def replace(self, **columns: Any) -> None:
        """Take other arrays in the place of these."""
        for name, column in columns.items():
            setattr(self, name, column)


class SwingTracker:
    """Swing highs and lows of ``swing_length``."""

    def __init__(self, capacity: int, *, swing_length: int, swings: Swings | None = None) -> None:
        self.swing_length = swing_length
        self.swings = empty(Swings, capacity) if swings is None else swings

    def grow(self, capacity: int) -> None:
        """Make room."""
        self.swings = grown(self.swings, capacity)

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        """Go on over bars ``start`` to ``stop - 1``."""
        from workbench.features.structure.swing_kernels import advance_swings

        advance_swings(bars.high, bars.low, self.swing_length, self.swings, start, stop)


class BreakTracker(SwingTracker):
    """Breaks of structure and changes of character; ``by_pivots`` names them by the order of the swings."""

    def __init__(self, capacity: int, *, swing_length: int, by_pivots: bool = False) -> None:
        super().__init__(capacity, swing_length=swing_length)
        self.by_pivots = by_pivots
        self.breaks = empty(Breaks, capacity)

    def grow(self, capacity: int) -> None:
        """Make room."""
        super().grow(capacity)
        self.breaks = grown(self.breaks, capacity)

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        """Go on over bars ``start`` to ``stop - 1``."""
        from workbench.features.structure.swing_kernels import advance_breaks

        super().advance(bars, start, stop)
        advance_breaks(bars.close, self.swings, self.breaks, self.by_pivots, start, stop)


class GapTracker:
    """Fair-value gaps of one side."""

    def __init__(self, capacity: int, *, sign: int, join_consecutive: bool) -> None:
        self.sign, self.join = sign, join_consecutive
        self.zones = empty(Zones, capacity)

    def grow(self, capacity: int) -> None:
        """Make room."""
        self.zones = grown(self.zones, capacity)

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        """Go on over bars ``start`` to ``stop - 1``."""
        from workbench.features.structure.zone_kernels import advance_gaps

        front, back = (bars.low, bars.high) if self.sign > 0 else (bars.high, bars.low)
        advance_gaps(float(self.sign), front, back, bars.open, bars.close, self.join, self.zones, start, stop)


class BlockTracker(SwingTracker):
    """Order blocks of one side."""

    def __init__(
        self, capacity: int, *, sign: int, swing_length: int, break_by_body: bool, swings: Swings | None = None
    ) -> None:
        super().__init__(capacity, swing_length=swing_length, swings=swings)
        self.sign, self.by_body = sign, break_by_body
        self.zones = empty(Zones, capacity)

    def grow(self, capacity: int) -> None:
        """Make room."""
        super().grow(capacity)
        self.zones = grown(self.zones, capacity)

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        """Go on over bars ``start`` to ``stop - 1``."""
        super().advance(bars, start, stop)
        self.follow(bars, start, stop)

    def follow(self, bars: Prices, start: int, stop: int) -> None:
        """Go on behind swings that have been carried on already."""
        from workbench.features.structure.zone_kernels import advance_blocks

        front, back = (bars.low, bars.high) if self.sign > 0 else (bars.high, bars.low)
        sign, zones = float(self.sign), self.zones
        advance_blocks(sign, front, back, bars.open, bars.close, self.by_body, self.swings, zones, start, stop)


class PoolTracker(SwingTracker):
    """Liquidity pools of one side: of swing highs (sign 1) or of swing lows (-1).

    The band around the first swing is ``tolerance`` times its level, plus ``width`` in price units.
    """

    def __init__(
        self,
        capacity: int,
        *,
        sign: int,
        swing_length: int,
        tolerance: float,
        width: float = 0.0,
        swings: Swings | None = None,
    ) -> None:
        super().__init__(capacity, swing_length=swing_length, swings=swings)
        self.sign, self.tolerance, self.width = sign, tolerance, width
        self.pools = empty(Pools, capacity)

    def grow(self, capacity: int) -> None:
        """Make room."""
        super().grow(capacity)
        self.pools = grown(self.pools, capacity)

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        """Go on over bars ``start`` to ``stop - 1``."""
        super().advance(bars, start, stop)
        self.follow(bars, start, stop)

    def follow(self, bars: Prices, start: int, stop: int) -> None:
        """Go on behind swings that have been carried on already."""
        from workbench.features.structure.pool_kernels import advance_pools

        price = bars.high if self.sign > 0 else bars.low
        advance_pools(float(self.sign), price, self.tolerance, self.width, self.swings, self.pools, start, stop)


class DealingTracker(SwingTracker):
    """The dealing range between the last swings, and the way back from the newest one."""

    def __init__(self, capacity: int, *, swing_length: int) -> None:
        super().__init__(capacity, swing_length=swing_length)
        self.dealing = empty(Dealing, capacity)

    def grow(self, capacity: int) -> None:
        """Make room."""
        super().grow(capacity)
        self.dealing = grown(self.dealing, capacity)

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        """Go on over bars ``start`` to ``stop - 1``."""
        from workbench.features.structure.span_kernels import advance_dealing

        super().advance(bars, start, stop)
        advance_dealing(bars.high, bars.low, self.swings, self.dealing, start, stop)


class SpanTracker:
    """Highs and lows of the days, weeks, 4 hours or sessions of a name in `PERIODS` or `SESSIONS`."""

    def __init__(self, capacity: int, *, name: str) -> None:
        self.name = name
        self.spans = empty(Spans, capacity)

    def grow(self, capacity: int) -> None:
        """Make room."""
        self.spans = grown(self.spans, capacity)

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        """Go on over bars ``start`` to ``stop - 1``."""
        from workbench.features.structure.span_kernels import advance_spans

        self.spans.number[start:stop], self.spans.active[start:stop] = span_of(self.name, bars.time[start:stop])
        advance_spans(bars.high, bars.low, self.spans, start, stop)


def span_of(name: str, time: IntArray) -> tuple[IntArray, IntArray]:
    """Return for open times in nanoseconds the number of the period or session day, and 1 where it is active."""
    if name in PERIODS:
        length, begin = PERIODS[name]
        return (time - begin) // length, np.ones(time.size, dtype=np.int64)
    begin, end = (_minutes(text) * MINUTE for text in SESSIONS[name])
    number = (time - begin) // _DAY
    return number, (time - begin - number * _DAY < (end - begin) % _DAY).astype(np.int64)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)
