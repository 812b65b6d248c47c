"""How quickly pages of bars come through a guarded venue, beside plain ccxt at the same server."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.data.replay import synthetic_replay
from workbench.data.replay.running import replay_process
from workbench.data.venues.address import redirect
from workbench.data.venues.budget import Bans, Budget
from workbench.data.venues.clock import SystemClock
from workbench.data.venues.open import open_venue

pytestmark = pytest.mark.benchmark

PAGES, SIZE, MINUTE = 120, 1000, 60_000
SINCE = 1_704_067_200_000


def pages(fetch: Callable[[int], Any]) -> tuple[float, list[Any]]:
    fetch(SINCE)
    best, found = np.inf, []
    for turn in range(3):
        started = time.perf_counter()
        found = [fetch(SINCE + (turn * PAGES + i) * SIZE * MINUTE) for i in range(PAGES)]
        best = min(best, time.perf_counter() - started)
    return best, found


def test_pages_through_a_guarded_venue(settings: Any, report: Callable[[str, str, str], None]) -> None:
    import ccxt

    market = functools.partial(synthetic_replay, "gbm(seed=1)", ("BTC/USDT",), perpetuals=False)
    with replay_process(market) as url:
        plain = redirect(
            ccxt.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}}), url
        )
        plain.has["fetchCurrencies"] = False
        plain.load_markets()
        theirs, their_rows = pages(lambda since: plain.fetch_ohlcv("BTC/USDT", "1m", since, SIZE))
        venue = open_venue("binance", settings, at=url, seed=0)
        venue.markets()
        ours, our_rows = pages(lambda since: venue.fetch_bars("BTC/USDT", "1m", since, SIZE))
    assert np.array_equal(np.vstack(our_rows), np.vstack([np.array(p, float) for p in their_rows]))
    rows = PAGES * SIZE
    report(
        f"bars a second, pages of {SIZE}, one thread: guarded venue against plain ccxt",
        f"{rows / ours:,.0f} against {rows / theirs:,.0f} ({theirs / ours:.1f}x)",
        ">= 100,000",
    )


def test_cost_of_the_guards(tmp_path: Path, report: Callable[[str, str, str], None]) -> None:
    budget, bans = Budget(tmp_path, SystemClock()), Bans(tmp_path, SystemClock())
    host = "127.0.0.1:1/api.binance.com"
    budget.take(host, 1, 60)
    started = time.perf_counter()
    for _ in range(1000):
        assert bans.active(host) is None
        budget.take(host, 1, 60)
    report("budget and ban check of one request", f"{(time.perf_counter() - started) * 1e3:.0f} us", "< 1,000 us")
