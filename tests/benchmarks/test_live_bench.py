"""Live streams: how soon a dead stream is found, against plain ccxt.pro, and what a message costs."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from workbench.data import synthetic_market
from workbench.data.live import LiveStream, ReplayStream, Row, conflate
from workbench.data.live.finality import BarFinality
from workbench.data.replay.building import synthetic_replay
from workbench.data.replay.clock import ReplayClock
from workbench.data.replay.faults import open_faults
from workbench.data.replay.running import replay_venue
from workbench.data.venues.address import redirect

Report = Callable[[str, str, str], None]
pytestmark = pytest.mark.benchmark
START = 1_700_000_000.0
BREAKS_AT, WATCHED = 10.0, 45.0


async def ours(url: str) -> float:
    """Seconds from the last message to the finding, with the options that users have."""
    stream = LiveStream("binance", ["BTC/USDT", "ETH/USDT"], "1m", at=url)

    async def read() -> None:
        async for _ in stream:
            if stream.outages:
                return

    reader = asyncio.get_running_loop().create_task(read())
    for _ in range(int(WATCHED * 20)):
        await asyncio.sleep(0.05)
        if stream.outages:
            break
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await stream.close()
    return stream.outages[0][1] - stream.outages[0][0] if stream.outages else math.inf


async def plain(url: str) -> float:
    """The same of a loop around ccxt.pro's `watch_ohlcv`: how long it waits before it says anything."""
    import ccxt.pro

    exchange: Any = redirect(ccxt.pro.binance({"options": {"fetchMarkets": {"types": ["spot"]}}}), url)
    last = time.monotonic()
    try:
        async with asyncio.timeout(WATCHED):
            while True:
                await exchange.watch_ohlcv("BTC/USDT", "1m")
                last = time.monotonic()
    except TimeoutError:
        return math.inf
    except ccxt.NetworkError:
        return time.monotonic() - last
    finally:
        await exchange.close()


@pytest.mark.parametrize("fault", ["frozen", "half-open", "close-1006"])
def test_how_soon_a_dead_stream_is_found(fault: str, report: Report) -> None:
    async def both(url: str) -> tuple[float, float]:
        found, peer = await asyncio.gather(ours(url), plain(url))
        return found, peer

    with replay_venue(
        synthetic_replay(), ReplayClock(START), open_faults(f"{fault}@{BREAKS_AT:g}s", start=START)
    ) as running:
        found, peer = asyncio.run(both(running.base_url))
    said = f"still waiting after {WATCHED:.0f} s" if math.isinf(peer) else f"{peer:.2f} s"
    report(f"stream {fault}: found after", f"{found:.2f} s (plain ccxt.pro: {said})", "<= 20 s")
    assert math.isfinite(found)


def test_what_a_message_costs(report: Report) -> None:
    from ccxt.async_support.base.ws.cache import ArrayCacheByTimestamp

    rows = [
        Row(bar * 60_000 + 60_000, 100.0, 101.0 + n, 99.0 - n, 100.0 + n, 1.0 + n)
        for bar in range(2000)
        for n in range(50)
    ]
    machine, cache = BarFinality(60_000, rest=False), ArrayCacheByTimestamp(1000)
    began = time.perf_counter()
    emitted = sum(len(machine.update([row], 0.0)) for row in rows)
    mine = time.perf_counter() - began
    began = time.perf_counter()
    for row in rows:
        cache.append(list(row))
    theirs = time.perf_counter() - began
    micro = 1e6 / len(rows)
    report(
        "one message through finality", f"{mine * micro:.1f} µs (ccxt's own cache: {theirs * micro:.1f} µs)", "<= 20 µs"
    )
    assert emitted >= len(rows)


def test_a_page_behind_a_flood(report: Report) -> None:
    bars, _ = synthetic_market("gbm(n_bars=20000, seed=1)", ["AAA/USDT"], "1h")

    async def read(rate: float) -> tuple[int, int, float]:
        pages, batches, finals, began = (
            conflate(ReplayStream(bars, "1h", speed=math.inf), rate),
            0,
            0,
            time.perf_counter(),
        )
        async for batch in pages:
            batches += 1
            finals += sum(u.final for u in batch)
        await pages.close()
        return batches, finals, time.perf_counter() - began

    batches, finals, seconds = asyncio.run(read(4.0))
    assert finals == 20_000
    report("a flood of 100,000 updates, read by a page", f"{100_000 / seconds:,.0f} updates/s in {batches} batches,"
           f" {(batches - 1) / seconds:.1f}/s", "<= 4/s, none final lost")  # fmt: skip
