"""A replay of bars at n× as a live stream: the same updates each time, to be paused, sped up and moved."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS, check_bars, symbols_of
from workbench.data.live.pace import Pace
from workbench.data.live.updates import BarUpdate, StreamStatus
from workbench.data.timeframes import canonical_timeframe, timeframe_delta, utc_time
from workbench.errors import DataError
from workbench.typing import Bars, FloatArray

_BREATH = 64
"""Updates after which other tasks of the loop get their turn even where nothing has to be waited for."""


class ReplayStream:
    """Bars of the past as `workbench.data.live.updates.Stream`.

    Each bar is shown when it opens (at its open price, volume 0), on its way where ``intrabar`` is set (the nearer
    extreme after a quarter of its life, the farther after half, its close after three quarters, volume growing
    evenly), and as final at the moment of its close.

    Parameters
    ----------
    bars : DataFrame
        n_bars × (field, symbol).
    timeframe : str
    source : str
        Named by the status and by every update.
    speed : float
        Seconds of the past for one of the reader's; infinity does not wait at all.
    start : time, optional
        First bar that is replayed; earlier ones are its `history`. Default: the first bar.
    intrabar : bool
        Show the way of a bar, not only its open and end.

    Notes
    -----
    ``received`` is the replayed moment. A `seek` begins anew: only after it may the times of updates go back.
    """

    def __init__(
        self, bars: Bars, timeframe: str, *, source: str = "replay", speed: float = 60.0, start: object = None,
        intrabar: bool = True,
    ) -> None:  # fmt: skip
        self._bars = check_bars(bars)
        if not len(bars):
            raise DataError(f"{source} has no bar to replay")
        self.source, self.symbols, self.timeframe = source, symbols_of(bars), canonical_timeframe(timeframe)
        self._intrabar = intrabar
        self._step = timeframe_delta(timeframe).total_seconds()
        self._opens: FloatArray = pd.DatetimeIndex(bars.index).as_unit("ms").asi8 / 1000.0
        self._values = np.stack([bars[list(_columns(s))].to_numpy(dtype=np.float64) for s in self.symbols], axis=1)
        self._pace = Pace(speed)
        self._next = self._row_of(start)
        self._events: Iterator[tuple[float, BarUpdate]] | None = None
        self._jumps = self._told = 0
        self._last_message, self._ended, self._closed = math.nan, False, False

    @property
    def status(self) -> StreamStatus:
        """How the replay is doing now; its age is in replayed seconds."""
        state = "closed" if self._closed or self._ended else "connecting" if self._events is None else "live"
        detail = "paused" if self._pace.paused else "at its end" if self._ended else ""
        age = self._pace.now() - self._last_message if self._events is not None else math.nan
        return StreamStatus(state, self.source, age, self._last_message, skew_s=0.0, detail=detail)

    @property
    def speed(self) -> float:
        """Seconds of the past for one of the reader's; may be set at any time."""
        return self._pace.speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._pace.speed = value

    @property
    def position(self) -> pd.Timestamp:
        """The replayed moment."""
        moment = self._pace.now()
        at = self._opens[min(self._next, len(self._opens) - 1)] if math.isnan(moment) else moment
        return pd.Timestamp(round(min(at, self._opens[-1] + self._step) * 1000), unit="ms", tz="UTC")

    def pause(self) -> None:
        """Stand still until `resume`."""
        self._pace.pause()

    def resume(self) -> None:
        """Run on."""
        self._pace.resume()

    def seek(self, time: object) -> None:
        """Go on with the first bar at or after a time.

        Raises
        ------
        DataError
            When the time is none, or after the last bar.
        """
        self._next = self._row_of(time)
        self._jumps += 1
        self._ended = False
        if self._events is not None:
            self._begin()

    def history(self, n: int = 500) -> Bars:
        """Return the newest ``n`` final bars before the replayed moment.

        Raises
        ------
        DataError
            When there is none.
        """
        if self._next == 0:
            raise DataError(f"no bar of {self.source} is final yet; start the replay later, or wait")
        return self._bars.iloc[max(self._next - n, 0) : self._next]

    async def start(self) -> None:
        """Begin; does nothing the second time."""
        if self._events is None:
            self._begin()

    def __aiter__(self) -> AsyncIterator[BarUpdate]:
        return self

    async def __anext__(self) -> BarUpdate:
        await self.start()
        while not self._closed and self._events is not None:
            jumps, event = self._jumps, next(self._events, None)
            if event is None:
                self._ended = True
                break
            while not self._closed and jumps == self._jumps and not self._reached(event[0]):
                await self._pace.reach(event[0])
            if self._closed or jumps != self._jumps:
                continue
            self._told += 1
            if self._told % _BREATH == 0:
                await asyncio.sleep(0)
            self._last_message = event[0]
            if event[1].final:
                self._next = max(self._next, int(np.searchsorted(self._opens, event[1].time / 1000)) + 1)
            return event[1]
        raise StopAsyncIteration

    async def close(self) -> None:
        """End the replay."""
        self._closed = True
        self._pace.resume()

    def _begin(self) -> None:
        self._pace.move(float(self._opens[self._next]))
        self._events = self._played(self._next)

    def _reached(self, moment: float) -> bool:
        return not self._pace.paused and self._pace.now() >= moment

    def _row_of(self, start: object) -> int:
        time = utc_time(start, "start")
        row = 0 if time is None else int(np.searchsorted(self._opens, time.timestamp()))
        if row >= len(self._opens):
            last = pd.Timestamp(self._opens[-1], unit="s", tz="UTC")
            raise DataError(f"{self.source} has no bar at or after {start}; its last is at {last:%Y-%m-%d %H:%M}")
        return row

    def _played(self, row: int) -> Iterator[tuple[float, BarUpdate]]:
        """Yield each update with its moment, in order of moments, then of symbols."""
        for i in range(row, len(self._opens)):
            trading = [s for s in range(len(self.symbols)) if not np.isnan(self._values[i, s]).all()]
            ways = {s: _way(self._values[i, s], self._intrabar) for s in trading}
            for part in range(len(next(iter(ways.values()), ()))):
                share, final = ways[trading[0]][part][:2]
                moment = float(self._opens[i]) + share * self._step
                for s in trading:
                    yield moment, self._update(s, i, ways[s][part][2], final, moment)

    def _update(self, symbol: int, row: int, values: tuple[float, ...], final: bool, moment: float) -> BarUpdate:
        o, h, low, c, v = values
        time = round(self._opens[row] * 1000)
        return BarUpdate(self.symbols[symbol], time, o, h, low, c, v, final, self.source, moment)


def _way(values: FloatArray, intrabar: bool) -> list[tuple[float, bool, tuple[float, ...]]]:
    """Return the states of one bar: share of its life, whether final, and (open, high, low, close, volume)."""
    o, h, low, c, v = (float(x) for x in values)
    opening, end = (0.0, False, (o, o, o, o, 0.0)), (1.0, True, (o, h, low, c, v))
    if not intrabar:
        return [opening, end]
    down_first = c >= o
    quarter = (o, o, low, low, v / 4) if down_first else (o, h, o, h, v / 4)
    half = (o, h, low, h, v / 2) if down_first else (o, h, low, low, v / 2)
    return [opening, (0.25, False, quarter), (0.5, False, half), (0.75, False, (o, h, low, c, 3 * v / 4)), end]


def _columns(symbol: str) -> Iterator[tuple[str, str]]:
    for name in BAR_FIELDS:
        yield name, symbol
