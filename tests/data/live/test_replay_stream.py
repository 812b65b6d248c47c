"""Replays: deterministic, paced, stopped and moved; and what a page reads of a stream that is too fast for it."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.data import bars_of
from workbench.data.live import BarUpdate, ReplayStream, StreamStatus, conflate
from workbench.data.live.buffer import UpdateBuffer
from workbench.errors import ConfigError, DataError, VenueError
from workbench.typing import Bars

Run = Callable[[Any], Any]


@pytest.fixture
def two_symbols(rng: np.random.Generator) -> Bars:
    """Forty hours of two symbols; the second lacks hours 10 to 12."""
    index = pd.date_range("2024-01-01", periods=40, freq="h", tz="UTC", name="time")
    frames = {}
    for symbol in ("AAA/USDT", "BBB/USDT"):
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 40)))
        open_ = np.concatenate([[100.0], close[:-1]])
        high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
        values = {"open": open_, "high": high, "low": low, "close": close, "volume": rng.uniform(1, 9, 40)}
        frames[symbol] = pd.DataFrame(values, index=index)
    frames["BBB/USDT"] = frames["BBB/USDT"].drop(index[10:13])
    return bars_of(frames)


async def read_all(stream: Any) -> list[BarUpdate]:
    return [update async for update in stream]


def as_rows(updates: list[BarUpdate], symbol: str) -> list[tuple[float, ...]]:
    return [(u.time, u.open, u.high, u.low, u.close, u.volume) for u in updates if u.symbol == symbol and u.final]


def test_the_final_bars_of_a_replay_are_the_stored_ones_to_the_bit(two_symbols: Bars, virtually: Run) -> None:
    updates = virtually(read_all(ReplayStream(two_symbols, "1h", speed=math.inf)))
    for symbol in ("AAA/USDT", "BBB/USDT"):
        frame = two_symbols.xs(symbol, axis=1, level="symbol").dropna()
        frame = frame[["open", "high", "low", "close", "volume"]]
        stored = [(t.value // 10**6, *row) for t, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)]
        assert as_rows(updates, symbol) == stored


def test_a_replay_is_the_same_each_time_and_at_each_speed(two_symbols: Bars, virtually: Run) -> None:
    runs = [virtually(read_all(ReplayStream(two_symbols, "1h", speed=s))) for s in (math.inf, 3600.0, 10.0)]
    assert runs[0] == runs[1] == runs[2]


def test_unclosed_states_stay_inside_their_bar_and_grow(two_symbols: Bars, virtually: Run) -> None:
    updates = virtually(read_all(ReplayStream(two_symbols, "1h", speed=math.inf)))
    last: dict[str, BarUpdate] = {}
    for update in updates:
        before = last.get(update.symbol)
        if before is not None and not before.final:
            assert update.time == before.time
            assert update.volume >= before.volume
            assert update.high >= before.high
            assert update.low <= before.low
        assert update.low <= min(update.open, update.close) <= max(update.open, update.close) <= update.high
        last[update.symbol] = update
    assert len(updates) == 5 * (40 + 37)


def test_each_moment_comes_at_its_time(two_symbols: Bars, virtually: Run) -> None:
    async def moments() -> list[tuple[float, float]]:
        loop, first = asyncio.get_running_loop(), two_symbols.index[0].timestamp()
        stream = ReplayStream(two_symbols, "1h", speed=600.0)
        return [(loop.time(), (u.received - first) / 600.0) async for u in stream]

    came = virtually(moments())
    assert came[-1][1] == pytest.approx(40 * 3600 / 600)
    assert max(abs(at - due) for at, due in came) < 1e-6


def test_a_replay_is_paused_sped_up_and_moved(two_symbols: Bars, virtually: Run) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        stream = ReplayStream(two_symbols, "1h", speed=3600.0, intrabar=False)
        got: list[BarUpdate] = []

        async def read() -> None:
            async for update in stream:
                got.append(update)

        reader = loop.create_task(read())
        await asyncio.sleep(5.5)
        assert stream.position == two_symbols.index[5] + pd.Timedelta("30min")
        assert len(stream.history()) == 5
        stream.pause()
        count = len(got)
        await asyncio.sleep(100)
        assert len(got) == count
        assert stream.status.detail == "paused"
        stream.resume()
        stream.speed = 7200.0
        await asyncio.sleep(1.0)
        assert stream.position == two_symbols.index[7] + pd.Timedelta("30min")
        stream.seek("2024-01-02 06:00")
        await asyncio.sleep(0.1)
        assert got[-1].timestamp == two_symbols.index[30]
        assert len(stream.history()) == 30
        stream.seek("2024-01-01 02:00")
        await asyncio.sleep(0.1)
        assert got[-1].timestamp == two_symbols.index[2]
        await stream.close()
        await reader
        assert stream.status.state == "closed"

    virtually(story())


def test_the_history_of_a_replay_is_what_lies_before_its_start(two_symbols: Bars, virtually: Run) -> None:
    async def story() -> None:
        stream = ReplayStream(two_symbols, "1h", start="2024-01-01 10:00", speed=math.inf)
        await stream.start()
        pd.testing.assert_frame_equal(stream.history(4), two_symbols.iloc[6:10])
        first = await anext(stream)
        assert first.timestamp == two_symbols.index[10]

    virtually(story())
    with pytest.raises(DataError, match="no bar at or after 2030"):
        ReplayStream(two_symbols, "1h", start="2030-01-01")
    with pytest.raises(ConfigError, match="above 0"):
        ReplayStream(two_symbols, "1h", speed=0)
    with pytest.raises(DataError, match="no bar of replay is final yet"):
        ReplayStream(two_symbols, "1h").history()


class Flood:
    """A stream of ``rate`` updates a second on the loop's time, one final bar in ``every``; then it ends."""

    symbols, timeframe, source = ("A", "B"), "1m", "flood"
    status = StreamStatus("live", "flood", 0.0, 0.0)

    def __init__(self, seconds: float, rate: int, every: int) -> None:
        self.total, self.rate, self.every, self.count = int(seconds * rate), rate, every, 0
        self.closed = False

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        self.closed = True

    def history(self, n: int = 500) -> Bars:
        raise DataError(f"none of {n}")

    def __aiter__(self) -> Flood:
        return self

    async def __anext__(self) -> BarUpdate:
        if self.count >= self.total:
            raise StopAsyncIteration
        if self.count % 100 == 0:
            await asyncio.sleep(100 / self.rate)
        number, self.count = self.count // 2, self.count + 1
        bar, final = number // self.every, number % self.every == self.every - 1
        return BarUpdate("AB"[self.count % 2], bar * 60_000, 1, 1, 1, 1, float(number), final, "flood", 0.0)


def test_a_page_reads_four_times_a_second_whatever_the_feed_does(virtually: Run) -> None:
    async def story() -> tuple[list[float], list[BarUpdate]]:
        loop, at, got = asyncio.get_running_loop(), [], []
        pages = conflate(Flood(30, 10_000, 500), rate=4)
        async for batch in pages:
            at.append(loop.time())
            unclosed = [u.symbol for u in batch if not u.final]
            assert len(unclosed) == len(set(unclosed))
            got += batch
        await pages.close()
        return at, got

    at, got = virtually(story())
    assert all(b - a >= 0.25 - 1e-9 for a, b in itertools.pairwise(at))
    assert 100 <= len(at) <= 122
    for symbol in "AB":
        finals = [u.time // 60_000 for u in got if u.final and u.symbol == symbol]
        assert finals == list(range(30 * 10_000 // 2 // 500))  # none dropped, in order


def test_a_slow_reader_holds_bounded_memory_and_every_final_bar(virtually: Run) -> None:
    async def story() -> int:
        pages = conflate(Flood(20, 10_000, 1000), rate=0.05)
        await anext(pages)
        await asyncio.sleep(15)
        held = len(pages._buffer)
        await pages.close()
        return held

    held = virtually(story())
    assert held <= 2 + 2 * 20 * 10_000 // 2 // 1000


def test_updates_of_a_bar_are_read_before_its_successors() -> None:
    def update(time: int, final: bool, volume: float = 0.0) -> BarUpdate:
        return BarUpdate("A", time, 1, 1, 1, 1, volume, final, "x", 0.0)

    buffer = UpdateBuffer(most_finals=3)
    for u in (update(1, False), update(1, False, 2), update(1, True), update(2, False), update(2, True)):
        buffer.put(u)
    buffer.put(update(3, False))
    assert [(u.time, u.final) for u in buffer.take()] == [(1, True), (2, True), (3, False)]
    assert len(buffer) == 0
    with pytest.raises(VenueError, match="3 final bars behind"):
        buffer.put_all(update(n, True) for n in range(5))
