"""The replay venue: pages of bars a second from a process of its own, beside answers made field by field in Python."""

from __future__ import annotations

import functools
import http.client
import json
import time
from collections.abc import Callable

import numpy as np
import psutil
import pytest

from workbench.data.replay import replay_process, synthetic_replay
from workbench.data.replay.binance_shapes import closing_times, klines_json, turnover

Report = Callable[[str, str, str], None]
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

NOW = 1_790_000_000.0
PAGES, ROWS, MINUTE = 600, 1000, 60_000


def by_field(rows: np.ndarray) -> bytes:
    """The same page, one Python object a field."""
    ends = closing_times(rows[:, 0].astype(np.int64), "1m")
    quote, bought, count = turnover(rows, "1m")
    page = []
    for i, (opened, *prices, volume) in enumerate(rows.tolist()):
        texts = [f"{value:.8f}" for value in (*prices, volume)]
        taken = [f"{volume * bought[i]:.8f}", f"{quote[i] * bought[i]:.8f}"]
        page.append([int(opened), *texts, int(ends[i]), f"{quote[i]:.8f}", int(count[i]), *taken, "0"])
    return json.dumps(page, separators=(",", ":")).encode()


def test_a_page_of_bars_as_json(report: Report) -> None:
    market = synthetic_replay(symbols=("BTC/USDT",))
    info = market.instrument("BTC/USDT")
    rows = market.bars("BTC/USDT", "1m", int(NOW * 1000) - ROWS * MINUTE, int(NOW * 1000))
    slow, fast = json.loads(by_field(rows)), json.loads(klines_json(rows, "1m", info))
    assert [row[:7] for row in slow] == [row[:7] for row in fast]
    ratios, times = [], []
    for _ in range(30):
        began = time.process_time()
        by_field(rows)
        middle = time.process_time()
        klines_json(rows, "1m", info)
        times.append(time.process_time() - middle)
        ratios.append((middle - began) / times[-1])
    report("replay: page of 1,000 bars as JSON", f"{1e3 * float(np.median(times)):.2f} ms", "")
    report("replay: the same, field by field in Python / ours", f"{float(np.median(ratios)):.1f}", "")


def test_pages_a_second(report: Report) -> None:
    make = functools.partial(synthetic_replay, symbols=("BTC/USDT",))
    begin = int(NOW * 1000) - PAGES * ROWS * MINUTE
    path = "/api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=1000&startTime="
    with replay_process(make, start=NOW) as url:
        server = psutil.Process().children()[-1]
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        bars = 0
        connection.request("GET", path + "1780000000000")
        connection.getresponse().read()
        before, cpu, began = server.memory_info().rss, sum(server.cpu_times()[:2]), time.perf_counter()
        for page in range(PAGES):
            connection.request("GET", f"{path}{begin + page * ROWS * MINUTE}")
            bars += connection.getresponse().read().count(b"],[") + 1
        wall, cpu = time.perf_counter() - began, sum(server.cpu_times()[:2]) - cpu
        grown = (server.memory_info().rss - before) / 2**20
    assert bars == PAGES * ROWS
    report("replay: pages of 1,000 bars a second over loopback, each new", f"{PAGES / wall:.0f}", "≥ 150")
    report("replay: the same for a second of the server's CPU", f"{PAGES / cpu:.0f}", "≥ 150")
    report(f"replay: memory grown over {PAGES} pages", f"{grown:.0f} MB", "")
