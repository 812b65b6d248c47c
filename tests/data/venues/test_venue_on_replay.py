"""Venues against the replay venue: the truth comes back, under every fault only the truth or a typed error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.data.replay import ReplayClock, replay_venue, synthetic_replay
from workbench.data.replay.fault_kinds import FAULTS
from workbench.data.replay.faults import open_faults
from workbench.data.venues.open import open_venue
from workbench.data.venues.skew import measure_skew
from workbench.errors import DataError, VenueError

NOW = pd.Timestamp("2026-03-10 12:34:27.500", tz="UTC").timestamp()
MINUTE = 60_000
SINCE = int(NOW * 1000) // MINUTE * MINUTE - 400 * MINUTE
SYMBOLS = {"binance": "BTC/USDT", "binanceusdm": "BTC/USDT:USDT", "kraken": "BTC/USDT"}
REST = [kind.name for kind in FAULTS.values() if kind.side != "socket"]
WAITING = {"timeout", "slow", "drip"}  # they take the machine's own seconds; see the scripted drip
OFTEN = {"429", "418", "502", "reset", "html", "truncated", "nan", "unordered", "seconds"}


@pytest.fixture(scope="module")
def replayed_market() -> Any:
    return synthetic_replay("regimes(seed=7)", ("BTC/USDT", "ETH/USDT"))


@pytest.fixture
def replayed(replayed_market: Any) -> Iterator[Any]:
    """Run a replay venue with a clock that only waiting moves, and with faults."""
    running: list[Any] = []

    def start(faults: str = "") -> tuple[str, Any, Any]:
        clock = ReplayClock(NOW, frozen=True)
        plan = open_faults(faults, seed=1, start=NOW) if faults else None
        context = replay_venue(replayed_market, clock, plan)
        found = context.__enter__()
        running.append(context)
        return found.base_url, clock, found.venue

    yield start
    for context in running:
        context.__exit__(None, None, None)


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_venue_gives_the_market_back(name: str, replayed: Any, replayed_market: Any, settings: Any) -> None:
    url, clock, server = replayed()
    venue, symbol = open_venue(name, settings, at=url, clock=clock, seed=0), SYMBOLS[name]
    assert symbol in venue.markets()
    for timeframe, step in (("1m", MINUTE), ("1h", 60 * MINUTE)):
        since = SINCE // step * step
        page = venue.fetch_bars(symbol, timeframe, since, 300)
        truth = replayed_market.bars(symbol, timeframe, since, since + 300 * step)
        closed = truth[truth[:, 0] + step <= clock.now() * 1000][:300]
        np.testing.assert_allclose(page[: len(closed)], closed, rtol=1e-6)
        assert len(page) - len(closed) in (0, 1)  # the unclosed one
    assert venue.server_time() == pytest.approx(clock.now(), abs=1)
    assert abs(measure_skew(venue).seconds) <= 1
    book, ticker = venue.fetch_order_book(symbol, 20), venue.fetch_ticker(symbol)
    assert book.bids[0, 0] < book.asks[0, 0]
    assert ticker.bid <= ticker.last * 1.01
    trades = venue.fetch_trades(symbol, SINCE, 200)
    assert len(trades) > 0
    assert trades.index.is_monotonic_increasing
    assert trades.index[0] >= pd.Timestamp(SINCE, unit="ms", tz="UTC")
    assert server.requests.total == sum(server.requests.counts.values()) > 0


@pytest.mark.parametrize("ahead", [90.0, 3 * 86_400.0])
def test_records_of_a_venue_whose_clock_is_ahead_are_not_refused(
    ahead: float, replayed: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A replay venue that runs at 60 times the speed is hours ahead after minutes."""
    url, clock, _ = replayed()
    ours = ReplayClock(NOW - ahead, frozen=True)
    venue = open_venue("binanceusdm", settings, at=url, clock=ours, seed=0)
    since = int((NOW - 5 * 86_400) * 1000)
    rates = venue.fetch_funding("BTC/USDT:USDT", since, 1000)
    assert len(rates) == 15
    trades = venue.fetch_trades("BTC/USDT:USDT", int(NOW * 1000) - 5000, 1000)
    assert trades.index[-1].timestamp() > NOW - 5
    clock.step(600)  # what was measured is old at once
    interest = venue.fetch_open_interest("BTC/USDT:USDT", "5m", int(NOW * 1000) - 3_600_000, 500)
    assert interest.index[-1].timestamp() > NOW
    assert "clock" not in capsys.readouterr().err


def test_what_a_perpetual_has_besides(replayed: Any, replayed_market: Any, settings: Any) -> None:
    url, clock, _ = replayed()
    venue, symbol = open_venue("binanceusdm", settings, at=url, clock=clock, seed=0), "BTC/USDT:USDT"
    since = int((NOW - 10 * 86_400) * 1000)
    funding = venue.fetch_funding(symbol, since, 100)
    assert len(funding) == 30
    assert funding["mark_price"].notna().all()
    truth = replayed_market.funding(symbol, since, int(NOW * 1000))
    np.testing.assert_allclose(funding["rate"], truth[:, 1], atol=1e-8)
    assert len(venue.fetch_open_interest(symbol, "1h", since, 48)) == 48
    last = venue.fetch_bars(symbol, "1h", since, 24)
    for price in ("mark", "index"):
        bars = venue.fetch_bars(symbol, "1h", since, 24, price=price)
        assert bars[:, 0].tolist() == last[:, 0].tolist()
        assert (bars[:, 5] == 0).all()
        assert np.abs(bars[:, 4] / last[:, 4] - 1).max() < 0.05


@pytest.mark.parametrize(
    "kind", [k if k in OFTEN else pytest.param(k, marks=pytest.mark.slow) for k in REST if k not in WAITING]
)
def test_under_a_fault_only_the_truth_or_a_typed_error(
    kind: str, replayed: Any, replayed_market: Any, settings: Any
) -> None:
    more = "(mb=50)" if kind in ("big", "gzip-bomb") else ""
    url, clock, server = replayed(f"{kind}{more}@1s for 5m on binance")
    venue = open_venue("binance", settings, at=url, clock=clock, seed=0)
    venue.markets()
    clock.step(2)
    truth = replayed_market.bars("BTC/USDT", "1m", SINCE - 700 * MINUTE, SINCE + 600 * MINUTE)
    known = {row[0]: row[1:] for row in truth}
    seen: set[float] = set()
    for attempt in range(14):
        since = SINCE + attempt % 4 * 100 * MINUTE
        try:
            page = venue.fetch_bars("BTC/USDT", "1m", since, 100)
        except (VenueError, DataError) as error:
            assert "\n" not in str(error)  # noqa: PT017
            page = np.empty((0, 6))
        for row in page:
            assert row[0] + MINUTE <= (clock.now() + 60) * 1000 + MINUTE
            if row[0] + MINUTE <= clock.now() * 1000 - 5 * MINUTE and kind != "revised":
                np.testing.assert_allclose(row[1:], known[row[0]], rtol=1e-6)
        seen |= set(page[:, 0])
        clock.step(45)  # the fault ends, and so does the breaker's rest
    assert len(seen) > 150  # it recovered
    if kind == "418":
        assert server.requests.count(path="klines") == 1 + 7  # one that was banned, none while it lasted


def test_a_redirect_is_not_followed_for_long(replayed: Any, settings: Any) -> None:
    url, clock, server = replayed("redirect@1s on klines")
    venue = open_venue("binance", settings, at=url, clock=clock, seed=0)
    venue.markets()
    clock.step(2)
    with pytest.raises(VenueError):
        venue.fetch_bars("BTC/USDT", "1m", SINCE, 10)
    assert server.requests.count("api.binance.com", "klines") == 3
