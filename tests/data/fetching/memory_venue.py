"""A market venue in memory: the whole `Venue` protocol, with page limits, a clock and faults switched on by request.

Tests load it by path; run as a program it fetches into a store, so that a test can kill it:
``memory_venue.py HOME SINCE UNTIL NOW LOG`` prints one line a request into LOG.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.data.timeframes import timeframe_delta
from workbench.data.venues.vocabulary import Market, OrderBook, Ticker, VenueDownError
from workbench.typing import FloatArray

Fault = Callable[[FloatArray], FloatArray] | Exception


class StillClock:
    """A clock that moves only when it is told to, or slept on."""

    def __init__(self, now: object) -> None:
        self.time = pd.Timestamp(now).timestamp()  # type: ignore[arg-type]

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def ms(time: object) -> int:
    """Milliseconds since 1970 of a UTC time in text."""
    stamp = pd.Timestamp(time)  # type: ignore[arg-type]
    return int((stamp.tz_localize("UTC") if stamp.tz is None else stamp).value // 1_000_000)


def true_bars(times: np.ndarray, salt: int = 0) -> FloatArray:
    """The bars that a venue has at open times in milliseconds: a function of the time alone."""
    x = (times // 60_000 + 7919 * salt).astype(np.float64)
    close = 100 + 10 * np.sin(x / 97) + (x % 13) * 0.1 + salt
    opened = 100 + 10 * np.sin((x - 1) / 97) + (x % 11) * 0.1 + salt
    return np.column_stack([
        opened, np.maximum(opened, close) + 0.5, np.minimum(opened, close) - 0.5, close, 1 + x % 17,
    ])  # fmt: skip


class MemoryVenue:
    """Bars of some symbols between a listing and an end, less holes.

    Parameters
    ----------
    limit : int
        Page limit that the venue says it has; ``server_limit`` is what it keeps to.
    windowed : bool
        Whether an answer covers only ``limit`` bars of time from its start (Coinbase), instead of the next bars.
    keeps : int
        Where above 0: only the latest so many bars are there, whatever is asked (Kraken).
    skew : float
        Seconds that the venue's clock is ahead.
    lag : float
        Seconds by which its bars come late.
    faults : dict
        By number of the request for bars (from 0): an error to raise, or a function of the rows.
    """

    def __init__(
        self,
        clock: StillClock,
        name: str = "binance",
        *,
        symbols: Iterable[str] = ("BTC/USDT",),
        listed: object = "2020-01-01",
        delisted: object = None,
        tells_listing: bool = False,
        lengths: tuple[str, ...] = ("1m", "5m", "1h", "1d", "1w"),
        limit: int = 500,
        server_limit: int = 0,
        windowed: bool = False,
        keeps: int = 0,
        skew: float = 0.0,
        lag: float = 0.0,
        salt: int = 0,
    ) -> None:
        self.clock, self.name, self.limit, self.windowed, self.keeps = clock, name, limit, windowed, keeps
        self.server_limit = server_limit or limit
        self.skew, self.lag, self.salt, self.lengths = skew, lag, salt, lengths
        self.listed, self.delisted = ms(listed), ms(delisted) if delisted else 0
        self.tells_listing, self.symbols = tells_listing, tuple(symbols)
        self.holes: list[tuple[int, int]] = []
        self.faults: dict[int, Fault] = {}
        self.always: Fault | None = None
        self.asked: list[tuple[str, str, int, int]] = []
        self.times_told = 0

    def timeframes(self) -> tuple[str, ...]:
        return self.lengths

    def page_limit(self, timeframe: str) -> int:
        return self.limit

    def markets(self) -> dict[str, Market]:
        tell = self.tells_listing
        listed = pd.Timestamp(self.listed, unit="ms", tz="UTC") if tell else None
        ended = pd.Timestamp(self.delisted, unit="ms", tz="UTC") if tell and self.delisted else None
        return {
            s: Market(
                s, s.partition("/")[0], s.partition("/")[2].partition(":")[0], "swap" if ":" in s else "spot",
                not self.delisted, 0.01, 1e-6, 5.0, listed, ended,
            )
            for s in self.symbols
        }  # fmt: skip

    def truth(self, timeframe: str, start: int, stop: int) -> FloatArray:
        """All bars that open from start up to stop, the unclosed one as if it were over."""
        step = int(timeframe_delta(timeframe).value // 1_000_000)
        phase = 4 * 86_400_000 % step if step == 604_800_000 else 0
        listed = (self.listed - phase) // step * step + phase  # a longer bar begins before the first trade
        first = -((phase - max(start, listed)) // step) * step + phase
        times = np.arange(first, min(stop, self.delisted or stop), step, dtype=np.int64)
        for begin, end in self.holes:
            # A longer bar is there as soon as one minute of it traded.
            times = times[~((times >= begin) & (times + step <= end))]
        return np.column_stack([times.astype(float), true_bars(times, self.salt)])

    def fetch_bars(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> FloatArray:
        number = len(self.asked)
        self.asked.append((symbol, timeframe, since_ms, limit))
        fault = self.faults.get(number, self.always)
        if isinstance(fault, Exception):
            raise fault
        step = int(timeframe_delta(timeframe).value // 1_000_000)
        now = int((self.clock.now() + self.skew - self.lag) * 1000)
        limit = min(limit, self.server_limit)
        stop = min(now + 1, since_ms + limit * step) if self.windowed else now + 1
        rows = self.truth(timeframe, since_ms, stop)
        if self.keeps:
            rows = self.truth(timeframe, now - self.keeps * step, now + 1)[-self.keeps :]
        rows = rows[:limit] if not self.keeps else rows
        if len(rows) and rows[-1, 0] + step > now:
            rows[-1, 4] = rows[-1, 3]  # the unclosed bar: its close is its low, until it is over
        return rows if fault is None else fault(rows)

    def server_time(self) -> float:
        self.times_told += 1
        return self.clock.now() + self.skew

    def fetch_trades(self, symbol: str, since_ms: int, limit: int) -> pd.DataFrame:
        """One trade every 10 s, three of them at each full minute."""
        now = int(self.clock.now() * 1000)
        seconds = np.arange(max(since_ms, self.listed) // 10_000 * 10_000, now, 10_000, dtype=np.int64)
        times = np.sort(np.concatenate([seconds, *(2 * [seconds[seconds % 60_000 == 0]])]))
        same = np.arange(len(times)) - np.searchsorted(times, times)
        keep = times >= since_ms
        frame = pd.DataFrame(
            {
                "id": pd.Series([f"{t}-{k}" for t, k in zip(times, same, strict=True)], dtype="string"),
                "price": 100 + times // 10_000 % 7 * 0.5,
                "amount": 1.0 + same,
                "side": pd.Series(np.where(same % 2, "sell", "buy"), dtype="string"),
            }
        ).set_index(pd.DatetimeIndex(times.astype("datetime64[ms]"), tz="UTC", name="time"))
        self.asked.append((symbol, "trades", since_ms, limit))
        return frame[keep].head(min(limit, self.server_limit))

    def fetch_funding(self, symbol: str, since_ms: int, limit: int) -> pd.DataFrame:
        """One rate every 8 hours."""
        self.asked.append((symbol, "funding", since_ms, limit))
        return self._every(8 * 3_600_000, since_ms, limit, {"rate": 1e-4, "mark_price": 100.0})

    def fetch_open_interest(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> pd.DataFrame:
        """One value a bar."""
        self.asked.append((symbol, "open_interest", since_ms, limit))
        step = int(timeframe_delta(timeframe).value // 1_000_000)
        return self._every(step, since_ms, limit, {"amount": 5.0, "value": 500.0})

    def fetch_order_book(self, symbol: str, limit: int = 100) -> OrderBook:
        return OrderBook(symbol, self.clock.now(), np.array([[99.0, 1.0]]), np.array([[101.0, 1.0]]))

    def fetch_ticker(self, symbol: str) -> Ticker:
        return Ticker(symbol, self.clock.now(), 99.0, 101.0, 100.0, 1.0, 100.0)

    def _every(self, step: int, since_ms: int, limit: int, values: dict[str, float]) -> pd.DataFrame:
        now = int(self.clock.now() * 1000)
        times = np.arange(-(-max(since_ms, self.listed) // step) * step, now + 1, step, dtype=np.int64)
        times = times[: min(limit, self.server_limit)]
        index = pd.DatetimeIndex(times.astype("datetime64[ms]"), tz="UTC", name="time")
        return pd.DataFrame({k: v + np.arange(len(times)) * 0.0 for k, v in values.items()}, index=index)


def down(venue: str, until: float = 0.0) -> VenueDownError:
    """What a venue raises when its breaker is open."""
    return VenueDownError(f"{venue} is down: 503 five times in a minute", venue=venue, until=until)


def _main(home: str, since: str, until: str, now: str, log: str) -> None:
    from workbench.config import load_settings
    from workbench.data.fetching.fetch import fetch

    venue = MemoryVenue(StillClock(now), limit=500)
    answer = venue.fetch_bars
    with Path(log).open("a", buffering=1) as stream:

        def told(symbol: str, timeframe: str, since_ms: int, limit: int) -> FloatArray:
            rows = answer(symbol, timeframe, since_ms, limit)
            stream.write(f"{since_ms} {limit} {len(rows)}\n")
            return rows

        venue.fetch_bars = told  # type: ignore[method-assign]
        settings = load_settings({"WORKBENCH_HOME": home})
        fetch([venue], "BTC/USDT", "1m", since, until, settings=settings, clock=venue.clock, chunk_bars=2_000)


if __name__ == "__main__":
    _main(*sys.argv[1:])
