"""Ingest end to end: replay venue in a process of its own, unmodified ccxt, checks, store; and its memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx
import numpy as np
import psutil
import pytest

from workbench.config import Settings
from workbench.data.fetching.fetch import fetch
from workbench.data.fetching.progress import Silent
from workbench.data.replay import (
    ReplayClock,
    open_faults,
    replay_of_bars,
    replay_process,
    replay_venue,
    synthetic_replay,
)
from workbench.data.sources.synthetic import synthetic_market
from workbench.data.store.barstore import open_store
from workbench.data.venues.open import open_venue

Report = Callable[[str, str, str], None]
pytestmark = pytest.mark.benchmark
SINCE, UNTIL = "2020-01-01", "2025-10-01"
SINCE_MS, N_BARS = 1_577_836_800_000, 3_024_000  # the first of them, and minutes between both


class Weigher(Silent):
    """Resident memory after each page."""

    def __init__(self) -> None:
        self.process, self.bars, self.points = psutil.Process(), 0, []

    def advance(self, bars: int) -> None:
        self.bars += bars
        self.points.append((self.bars, self.process.memory_info().rss / 2**20))


@pytest.mark.timeout(600)
def test_ingest_through_the_replay_venue(settings: Settings, report: Report) -> None:
    weigher = Weigher()
    with replay_process(synthetic_replay) as url:
        fetch("binance", "ETH/USDT", "1m", SINCE, "2020-02-01", settings=settings, at=url)  # both sides warm
        began = time.perf_counter()
        done = fetch("binance", "BTC/USDT", "1m", SINCE, UNTIL, settings=settings, at=url, progress=weigher)
        took = time.perf_counter() - began
        bare, pages = _bare_loop(url)
    assert done.complete
    assert done.gaps().empty
    bars = open_store(settings).read("replay-binance", "BTC/USDT", "1m")
    assert len(bars) == done.added == N_BARS
    assert (np.diff(bars.index.as_unit("ms").asi8) == 60_000).all()
    rate, bare_rate = done.added / took, pages * 1000 / bare
    points = np.array(weigher.points)
    late = points[points[:, 0] > 0.2 * N_BARS]
    slope = np.polyfit(late[:, 0] / 1e6, late[:, 1], 1)[0]
    report("ingest, 3.0 M minute bars end to end", f"{rate:,.0f} bars/s, {done.requests} requests", ">= 100,000 bars/s")
    report("pages and JSON alone (httpx)", f"{bare_rate:,.0f} bars/s; ingest is {rate / bare_rate:.2f} of it", "-")
    report(
        "memory while ingesting",
        f"{slope:+.1f} MB a million bars after the first fifth, {late[:, 1].max():.0f} MB",
        "flat",
    )


def _bare_loop(url: str, pages: int = 600) -> tuple[float, int]:
    """Download so many pages of 1,000 bars one after the other and parse them; return the seconds."""
    query = {"symbol": "BTCUSDT", "interval": "1m", "limit": "1000"}
    with httpx.Client() as client:
        began = time.perf_counter()
        for page in range(pages):
            since = str(SINCE_MS + page * 60_000_000)
            rows = json.loads(
                client.get(f"{url}/api.binance.com/api/v3/klines", params={**query, "startTime": since}).text
            )
            assert len(rows) == 1000
        return time.perf_counter() - began, pages


def test_from_the_outage_to_the_first_bar_of_the_next_venue(settings: Settings, report: Report) -> None:
    bars, _ = synthetic_market("regimes(seed=7, n_bars=700)", ["BTC/USDT"], "1h")
    now = (bars.index[-1].timestamp()) + 300
    clock = ReplayClock(now)
    faults = open_faults("503@1s on api.binance.com", start=now)
    times = []
    with replay_venue(replay_of_bars(bars, "1h"), clock, faults) as running:
        venues = [open_venue(v, settings, at=running.base_url, clock=clock) for v in ("binance", "kraken")]
        for venue in venues:
            venue.markets()
        time.sleep(1.2)
        done = fetch(venues, "BTC/USDT", "1h", bars.index[0], settings=settings, clock=clock)
        times += done.failovers()["seconds"].tolist()
    assert done.series[0].shares == {"kraken": 699}
    report("failover, from the venue's failure to the next one's first bar", f"{1000 * times[0]:.0f} ms", "<= 1 s")
