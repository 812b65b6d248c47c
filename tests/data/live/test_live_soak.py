"""Twenty symbols at 100× for minutes: memory stays flat, no bar is missing, twice or wrong."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import psutil
import pytest

from workbench.data.live import LiveOptions, LiveStream
from workbench.data.replay.building import synthetic_replay
from workbench.data.replay.faults import Faults, open_faults
from workbench.data.replay.running import replay_process
from workbench.typing import FloatArray

SPEED = 100.0
START = 1_700_000_000.0
SYMBOLS = tuple(f"C{n:02d}/USDT" for n in range(20))
BAR_MS = 60_000
MOST_BARS = 1 << 14
FAULTS = "close-1006@40m every 3h; frozen@100m for 15m every 5h; close-1012@3h every 4h"


def faults() -> Faults:
    return open_faults(FAULTS, start=START)


@dataclass
class Tally:
    """Final bars as they came, in memory laid out before, and the process's resident memory."""

    rows: FloatArray = field(default_factory=lambda: np.zeros((len(SYMBOLS), MOST_BARS, 6)))
    counts: list[int] = field(default_factory=lambda: [0] * len(SYMBOLS))
    memory: list[tuple[float, float]] = field(default_factory=list)
    updates: int = 0

    def slope_mb_an_hour(self, warm_up: float) -> float:
        """Median of the slopes between all pairs of samples after the warm-up (Theil and Sen): spikes do not count."""
        kept = np.array([m for m in self.memory if m[0] >= warm_up])
        first, second = np.triu_indices(len(kept), 1)
        slopes = (kept[second, 1] - kept[first, 1]) / (kept[second, 0] - kept[first, 0])
        return float(np.median(slopes)) * 3600


async def read(url: str, seconds: float) -> tuple[Tally, LiveStream]:
    loop, tally, mine = asyncio.get_running_loop(), Tally(), psutil.Process()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _pad: 0)
    tally.rows[:] = 1.0  # touched: laid out now, not as bars come
    options = LiveOptions(history=100).at_speed(SPEED)
    stream = LiveStream("binance", SYMBOLS, "1m", options=options, at=url)
    index = {symbol: n for n, symbol in enumerate(SYMBOLS)}
    await stream.start()
    began, sampled = loop.time(), -1.0
    async for update in stream:
        tally.updates += 1
        if update.final:
            n = index[update.symbol]
            tally.rows[n, tally.counts[n]] = (
                update.time, update.open, update.high, update.low, update.close, update.volume,
            )  # fmt: skip
            tally.counts[n] += 1
        passed = loop.time() - began
        if passed - sampled >= min(2.0, seconds / 10):
            gc.collect()
            trim(0)  # what the allocator keeps back is not held by the stream
            tally.memory.append((passed, mine.memory_info().rss / 2**20))
            sampled = passed
        if passed > seconds:
            break
    await stream.close()
    return tally, stream


def check(tally: Tally) -> None:
    market = synthetic_replay(symbols=SYMBOLS)
    for n, symbol in enumerate(SYMBOLS):
        mine = tally.rows[n, : tally.counts[n]]
        first, last = int(mine[0, 0]), int(mine[-1, 0])
        assert mine[:, 0].tolist() == list(range(first, last + 1, BAR_MS))  # none missing, none twice
        np.testing.assert_allclose(mine, market.bars(symbol, "1m", first, last + BAR_MS), rtol=1e-12)


def soak(seconds: float) -> tuple[Tally, LiveStream]:
    make = partial(synthetic_replay, symbols=SYMBOLS)
    with replay_process(make, start=START, speed=SPEED, make_faults=faults) as url:
        tally, stream = asyncio.run(read(url, seconds))
    check(tally)
    return tally, stream


@pytest.mark.slow
def test_twenty_symbols_on_one_connection_stay_whole() -> None:
    tally, stream = soak(float(os.environ.get("WORKBENCH_SOAK_SHORT_S", "30")))
    assert min(tally.counts) > 5
    assert stream.status.gaps_repaired >= len(SYMBOLS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_symbols_for_ten_minutes_hold_their_memory() -> None:
    seconds = float(os.environ.get("WORKBENCH_SOAK_S", "600"))
    tally, stream = soak(seconds)
    warm_up = seconds / 3  # until caches of libraries, of addresses and the like, are full
    slope = tally.slope_mb_an_hour(warm_up)
    status = stream.status
    found = [end - since for since, end, _ in stream.outages] or [0.0]
    warm = [m for t, m in tally.memory if t >= warm_up]
    print(
        f"\n{len(SYMBOLS)} symbols, {seconds:.0f} s at {SPEED:g}×: {sum(tally.counts)} final bars of {tally.updates} "
        f"updates, {status.gaps_repaired} by REST, {status.reconnects} reconnects, outages found after "
        f"{min(found):.2f}–{max(found):.2f} s\nresident memory {warm[0]:.1f} to {warm[-1]:.1f} MB, "
        f"every minute: {' '.join(f'{m:.2f}' for m in warm[:: max(len(warm) // 8, 1)])}; "
        f"slope {slope:+.2f} MB an hour; {dict(status.counts)}"
    )
    assert status.reconnects >= 1
    assert slope <= 1.0
