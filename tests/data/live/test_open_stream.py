"""One line opens any stream, and a page without an event loop reads it."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.config import Settings
from workbench.data import bars_of, open_store, symbol_frame, synthetic_market
from workbench.data.live import BarUpdate, LiveOptions, is_stream, open_stream, run_in_thread
from workbench.data.replay.building import synthetic_replay
from workbench.data.replay.clock import ReplayClock
from workbench.data.replay.running import Running, replay_venue
from workbench.errors import ConfigError, DataError, VenueError

SPEED = 300.0
SAFETY_S = 120.0
Run = Callable[[Any], Any]


@pytest.fixture(scope="module")
def fast_venue() -> Iterator[Running]:
    """A replay venue whose clock runs at 300×."""
    with replay_venue(synthetic_replay(), ReplayClock(1_700_000_000.0, SPEED)) as running:
        yield running


async def finals_of(stream: Any, count: int) -> list[BarUpdate]:
    got: list[BarUpdate] = []
    async with asyncio.timeout(SAFETY_S):
        async for update in stream:
            got += [update] if update.final else []
            if len(got) >= count:
                break
    await stream.close()
    return got


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SAFETY_S
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_a_source_is_named_by_kind_and_name(settings: Settings) -> None:
    assert [is_stream(s) for s in ("live:binance", "replay:import", "recorded:a.jsonl")] == [True] * 3
    assert [is_stream(s) for s in ("binance", "import", "gbm(seed=1)", "lively:x", "")] == [False] * 5
    with pytest.raises(ConfigError, match="Did you mean 'live'"):
        open_stream("lve:binance", "BTC/USDT", "1m", settings=settings)
    with pytest.raises(ConfigError, match="lacks a name"):
        open_stream("live:", "BTC/USDT", "1m", settings=settings)
    with pytest.raises(DataError, match="Did you mean 'binance'"):
        open_stream("live:binanec", "BTC/USDT", "1m", settings=settings)
    with pytest.raises(DataError, match="no live stream"):
        open_stream("live:coingecko", "BTC/USDT", "1d", settings=settings)
    with pytest.raises(DataError, match="its live stream is 'live:binance'"):
        open_stream("binance", "BTC/USDT", "1m", settings=settings)
    with pytest.raises(DataError, match="time frame '1x'"):
        open_stream("live:binance", "BTC/USDT", "1x", settings=settings)
    with pytest.raises(DataError, match="named twice"):
        open_stream("live:binance", ["BTC/USDT", "BTC/USDT"], "1m", settings=settings)
    with pytest.raises(DataError, match="no symbol is named"):
        open_stream("live:binance", [], "1m", settings=settings)
    with pytest.raises(ConfigError, match="runs at speed 1"):
        open_stream("live:binance", "BTC/USDT", "1m", settings=settings, speed=10)
    with pytest.raises(DataError, match="there is no recording"):
        open_stream("recorded:/nowhere.jsonl", [], "1m", settings=settings)


def test_stored_and_synthetic_bars_are_replayed_with_a_history(settings: Settings, virtually: Run) -> None:
    bars, _ = synthetic_market("gbm(n_bars=80, seed=1)", ["AAA/USDT"], "1h")
    open_store(settings).write("mine", "AAA/USDT", "1h", bars)
    for source in ("mine", "replay:mine", "replay:gbm(n_bars=80, seed=1)"):
        stream = open_stream(source, "AAA/USDT", "1h", settings=settings, speed=math.inf)
        assert len(stream.history(1000)) == 40
        assert len(virtually(finals_of(stream, 1000))) == 40
    stream = open_stream("mine", "AAA/USDT", "1h", settings=settings, speed=math.inf, start="2020-01-01")
    with pytest.raises(DataError, match="no bar of replay:mine is final yet"):
        stream.history()


@pytest.mark.parametrize(
    ("venue", "symbol", "timeframe", "message"),
    [
        ("binance", "BTC/USDTT", "1m", "Did you mean 'BTC/USDT'"),
        ("binance", "BTC/USDT", "7m", "has no bars of 7m"),
    ],
)
def test_what_a_venue_lacks_is_said_in_one_line(
    settings: Settings, fast_venue: Running, venue: str, symbol: str, timeframe: str, message: str
) -> None:
    stream = open_stream(f"live:{venue}", symbol, timeframe, settings=settings, at=fast_venue.base_url, speed=SPEED)
    with pytest.raises(DataError, match=message):
        asyncio.run(finals_of(stream, 1))


def test_a_venue_that_cannot_be_reached_is_said_in_one_line(settings: Settings) -> None:
    options = LiveOptions(start_timeout=0.2, backoff_base=0.01)
    stream = open_stream("live:binance", "BTC/USDT", "1m", settings=settings, at="http://127.0.0.1:9", options=options)
    with pytest.raises(VenueError, match="binance failed"):
        asyncio.run(finals_of(stream, 1))


def test_live_and_its_recording_are_the_same_to_their_reader(
    settings: Settings, fast_venue: Running, tmp_path: Path, virtually: Run
) -> None:
    path = tmp_path / "live.jsonl.gz"
    live = open_stream(
        "live:binance", ["BTC/USDT", "ETH/USDT"], "1m", settings=settings, at=fast_venue.base_url, speed=SPEED,
        record_to=path, options=LiveOptions(history=30),
    )  # fmt: skip
    seen = asyncio.run(finals_of(live, 12))
    again = open_stream(f"recorded:{path}", ["BTC/USDT", "ETH/USDT"], "1m", settings=settings, speed=math.inf)
    read = virtually(finals_of(again, 12))
    assert read == seen
    assert len(again.history(1000)) >= 30


def test_final_bars_go_into_the_store_confirmed_and_sourced(settings: Settings, fast_venue: Running) -> None:
    stream = open_stream(
        "live:binance", "BTC/USDT", "1m", settings=settings, at=fast_venue.base_url, speed=SPEED, store_to="mine",
        options=LiveOptions(history=30),
    )  # fmt: skip
    seen = asyncio.run(finals_of(stream, 8))
    store = open_store(settings)
    frame = symbol_frame(store.read("mine", "BTC/USDT", "1m"), "BTC/USDT")
    assert len(frame) >= 30 + 8
    assert (frame.index[1:] - frame.index[:-1]).unique().tolist() == [frame.index[1] - frame.index[0]]
    for update in seen:
        assert frame.loc[update.timestamp].tolist() == [
            update.open, update.high, update.low, update.close, update.volume,
        ]  # fmt: skip
    origin = store.provenance("mine", "BTC/USDT", "1m")
    assert set(origin["source"]) == {"binance"}
    assert not origin["repaired"].any()


def test_a_bar_that_the_store_refuses_is_told_and_the_stream_goes_on(settings: Settings) -> None:
    bars, _ = synthetic_market("gbm(n_bars=40, seed=1)", ["AAA/USDT"], "1h")
    frame = symbol_frame(bars, "AAA/USDT").iloc[20:24].copy()
    frame["volume"] += 1
    open_store(settings).write("mine", "AAA/USDT", "1h", bars_of({"AAA/USDT": frame}))
    stream = open_stream(
        "replay:gbm(n_bars=40, seed=1)", "AAA/USDT", "1h", settings=settings, speed=math.inf, store_to="mine"
    )
    assert len(asyncio.run(finals_of(stream, 1000))) == 20
    assert stream.status.counts["not_stored"] == 4
    assert len(open_store(settings).read("mine", "AAA/USDT", "1h")) == 40
    assert "already holds" in stream.status.detail


def test_a_page_reads_a_live_stream_by_a_thread(settings: Settings, fast_venue: Running) -> None:
    stream = open_stream(
        "live:kraken", ["BTC/USDT"], "1m", settings=settings, at=fast_venue.base_url, speed=SPEED,
        options=LiveOptions(history=30),
    )  # fmt: skip
    with run_in_thread(stream, rate=20) as thread:
        assert len(thread.history(20, timeout=SAFETY_S)) == 20
        got: list[BarUpdate] = []
        wait_for(lambda: bool(got.extend(thread.take())) or sum(u.final for u in got) >= 6)
        assert thread.status.source == "live:kraken"
        assert thread.running
        times = [u.time for u in got if u.final]
        assert times == list(range(times[0], times[-1] + 1, 60_000))
    wait_for(lambda: not thread.running)
    assert thread.status.state == "closed"
    assert not any(t.name == "stream live:kraken" for t in threading.enumerate())
    thread.close()


def test_a_thread_calls_back_in_batches_and_ends_with_its_stream(settings: Settings) -> None:
    batches: list[list[BarUpdate]] = []
    stream = open_stream("replay:gbm(n_bars=400, seed=1)", "AAA/USDT", "1h", settings=settings, speed=math.inf)
    thread = run_in_thread(stream, batches.append, rate=50)
    wait_for(lambda: not thread.running)
    assert thread.error is None
    finals = [u.time for batch in batches for u in batch if u.final]
    assert len(finals) == 200
    assert finals == sorted(finals)
    assert thread.take() == []


def test_a_replay_is_steered_through_its_thread(settings: Settings) -> None:
    stream: Any = open_stream("replay:gbm(n_bars=90, seed=1)", "AAA/USDT", "1h", settings=settings, speed=1.0)
    with run_in_thread(stream, rate=100) as thread:
        assert len(thread.history(100, timeout=SAFETY_S)) == 45
        thread.call(stream.pause)
        assert thread.status.detail == "paused"
        thread.call(lambda: setattr(stream, "speed", 1e6))
        thread.call(stream.resume)
        got: list[BarUpdate] = []
        wait_for(lambda: bool(got.extend(thread.take())) or not thread.running)
        got += thread.take()
        assert thread.status.state == "closed"
        assert len(thread.history(1000)) == 90
    assert sum(u.final for u in got) == 45


def test_what_ends_a_stream_reaches_the_page(settings: Settings, fast_venue: Running) -> None:
    stream = open_stream("live:binance", "BTC/UST", "1m", settings=settings, at=fast_venue.base_url, speed=SPEED)
    thread = run_in_thread(stream)
    wait_for(lambda: not thread.running)
    assert thread.ready
    with pytest.raises(DataError, match="has no symbol 'BTC/UST'"):
        thread.take()
    with pytest.raises(DataError, match="has no symbol 'BTC/UST'"):
        thread.history()
    assert isinstance(thread.error, DataError)
