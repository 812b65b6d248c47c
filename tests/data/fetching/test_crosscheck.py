"""Closes against a second source, and records beside bars, through the venue in memory."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data.fetching.crosscheck import compare_closes, cross_check
from workbench.data.fetching.fetch import fetch
from workbench.data.fetching.records import fetch_records, fetch_reference_bars
from workbench.data.store.barstore import open_store
from workbench.data.store.records import open_records
from workbench.errors import DataError

_spec = importlib.util.spec_from_file_location(
    "memory_venue_of_crosscheck", Path(__file__).with_name("memory_venue.py")
)
assert _spec is not None
assert _spec.loader is not None
memory: Any = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = memory
_spec.loader.exec_module(memory)

SYMBOL = "BTC/USDT"
SINCE, UNTIL, NOW = "2020-02-09", "2020-02-10", "2020-02-10 00:00:30"


@pytest.fixture
def clock() -> Any:
    return memory.StillClock(NOW)


# --- closes ----------------------------------------------------------------------------------------------------------


def test_differences_are_counted_in_basis_points_of_the_second_source() -> None:
    times = pd.date_range("2020-01-01", periods=100, freq="h", tz="UTC", name="time")
    ours = pd.Series(100.0, index=times)
    other = ours.copy()
    other.iloc[:50] = 100 / 1.001  # ours is 10 basis points above
    other.iloc[7] = 100 / 0.99  # and 100 below
    check = compare_closes(ours, other.iloc[:99], symbol="A", timeframe="1h", source="x", against="y", bound_bps=50)
    assert check.common == 99
    assert check.median_bps == pytest.approx(10)
    assert check.max_bps == pytest.approx(100)
    assert check.beyond.index.tolist() == [times[7]]
    assert check.alarm
    assert str(check).startswith("ALARM A 1h: x against y: 99 closes in common")
    calm = compare_closes(ours, other, symbol="A", timeframe="1h", source="x", against="y", bound_bps=101)
    assert not calm.alarm
    assert calm.frame()["beyond"][0] == 0


def test_nothing_in_common_is_an_alarm_too() -> None:
    times = pd.date_range("2020-01-01", periods=4, freq="h", tz="UTC", name="time")
    one, other = pd.Series(1.0, index=times[:2]), pd.Series(1.0, index=times[2:])
    check = compare_closes(one, other, symbol="A", timeframe="1h", source="x", against="y")
    assert check.alarm
    assert "no bar in common" in str(check)


def test_a_second_venue_is_held_against_and_never_blended(settings: Settings, clock: Any) -> None:
    ours, other = memory.MemoryVenue(clock), memory.MemoryVenue(clock, "kraken", keeps=720, limit=720)
    fetch([ours], SYMBOL, "1m", SINCE, UNTIL, settings=settings, clock=clock)
    store = open_store(settings)
    version = store.newest_version("binance", SYMBOL, "1m")
    same = cross_check("binance", SYMBOL, "1m", other, settings=settings, clock=clock)
    assert (same.common, same.max_bps, same.alarm) == (719, 0.0, False)
    away = memory.MemoryVenue(clock, "okx", salt=1)
    check = cross_check("binance", SYMBOL, "1m", away, settings=settings, clock=clock)
    assert check.common == 1440
    assert check.alarm
    both = pd.concat([store.read(s, SYMBOL, "1m")[("close", SYMBOL)] for s in ("binance", "okx")], axis=1).to_numpy()
    apart = np.abs(both[:, 0] / both[:, 1] - 1) * 1e4
    assert check.max_bps == pytest.approx(apart.max())
    assert check.p99_bps == pytest.approx(np.quantile(apart, 0.99))
    assert len(check.beyond) == (apart > 50).sum()
    assert store.newest_version("binance", SYMBOL, "1m") == version
    assert set(store.provenance("binance", SYMBOL, "1m")["source"]) == {"binance"}


def test_a_check_that_cannot_be_made_is_one_line(settings: Settings, clock: Any) -> None:
    fetch([memory.MemoryVenue(clock)], SYMBOL, "1h", SINCE, UNTIL, settings=settings, clock=clock)
    with pytest.raises(DataError, match="against itself"):
        cross_check("binance", SYMBOL, "1h", "binance", settings=settings, clock=clock)
    lacks = memory.MemoryVenue(clock, "coinbase", symbols=("BTC/USD",))
    with pytest.raises(DataError, match="never taken in its place"):
        cross_check("binance", SYMBOL, "1h", lacks, settings=settings, clock=clock)
    with pytest.raises(DataError, match="above 0"):
        cross_check(
            "binance", SYMBOL, "1h", memory.MemoryVenue(clock, "okx"), bound_bps=0, settings=settings, clock=clock
        )


# --- records ---------------------------------------------------------------------------------------------------------


def _records(settings: Settings, kind: str, venue: Any, since: str, until: str | None = None) -> Any:
    (report,) = fetch_records(kind, [venue], venue.symbols[0], since, until, settings=settings, clock=venue.clock)
    return report


@pytest.mark.parametrize("limit", [7, 100, 1000])
def test_trades_of_one_millisecond_are_neither_lost_nor_doubled_at_page_ends(
    settings: Settings, clock: Any, limit: int
) -> None:
    venue = memory.MemoryVenue(clock, limit=limit)
    report = _records(settings, "trades", venue, "2020-02-09 22:00", "2020-02-09 23:00")
    trades = open_records(settings).read("trades", "binance", SYMBOL)
    assert len(trades) == report.added == 6 * 60 + 2 * 60
    assert trades["id"].is_unique
    assert _records(settings, "trades", venue, "2020-02-09 22:00", "2020-02-09 23:00").requests == 0


def test_trades_come_incrementally_and_backward(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=100)
    _records(settings, "trades", venue, "2020-02-09 23:00")
    clock.sleep(600)
    venue.asked.clear()
    later = _records(settings, "trades", venue, "2020-02-09 23:00")
    assert later.added == 60 + 20
    assert min(since for _, kind, since, _ in venue.asked if kind == "trades") >= memory.ms("2020-02-10") - 10_000
    venue.asked.clear()
    earlier = _records(settings, "trades", venue, "2020-02-09 22:30")
    assert earlier.added == 30 * 8
    ids = open_records(settings).read("trades", "binance", SYMBOL)["id"]
    assert len(ids) == ids.nunique() == 603 + 2 * 101  # 100.5 minutes, three trades at each full one


def test_funding_and_open_interest_of_a_perpetual(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, "binanceusdm", symbols=("BTC/USDT:USDT",), limit=10)
    funding = _records(settings, "funding", venue, "2020-01-05")
    assert funding.added == 36 * 3 + 1
    assert _records(settings, "funding", venue, "2020-01-05").requests <= 1
    interest = _records(settings, "open_interest", venue, "2020-02-08")
    assert interest.added == 49
    kept = open_records(settings).read("funding", "binanceusdm", "BTC/USDT:USDT")
    assert kept.index.to_series().diff().dropna().eq(pd.Timedelta(hours=8)).all()


def test_records_stopped_by_an_outage_go_on_where_they_were(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, "binanceusdm", symbols=("BTC/USDT:USDT",), limit=10)
    answer, calls = venue.fetch_funding, []

    def fails_at_the_fourth(*words: Any) -> pd.DataFrame:
        calls.append(words)
        if len(calls) == 4:
            raise memory.down("binanceusdm")
        return answer(*words)

    venue.fetch_funding = fails_at_the_fourth
    first = _records(settings, "funding", venue, "2020-01-05")
    assert (first.complete, first.added) == (False, 30)
    assert "not complete: binanceusdm is down" in str(first)
    clock.sleep(60)
    second = _records(settings, "funding", venue, "2020-01-05")
    assert (second.complete, second.added) == (True, 109 - 30)
    assert calls[4][1] == calls[3][1]  # from the place where it stopped


@pytest.mark.parametrize(("kind", "says"), [("fundings", "Did you mean 'funding'"), ("", "unknown")])
def test_an_unknown_kind_of_records_is_one_line(settings: Settings, clock: Any, kind: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        _records(settings, kind, memory.MemoryVenue(clock), SINCE)


def test_mark_price_bars_lie_in_a_source_of_their_own(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, "binanceusdm", symbols=("BTC/USDT:USDT",))
    answer, prices = venue.fetch_bars, []

    def priced(*words: Any, price: str = "trade") -> np.ndarray:
        prices.append(price)
        return answer(*words)

    venue.fetch_bars = priced
    report = fetch_reference_bars("mark", [venue], "BTC/USDT:USDT", "1h", SINCE, UNTIL, settings=settings, clock=clock)
    assert (report.added, set(prices)) == (24, {"mark"})
    assert open_store(settings).symbols("binanceusdm-mark", "1h") == ("BTC/USDT:USDT",)


def test_coingecko_at_midnight_is_held_against_the_close_of_the_day_before(
    settings: Settings, clock: Any, scripted_server: Any, answer_of: Any
) -> None:
    fetch([memory.MemoryVenue(clock)], SYMBOL, "1h", "2020-02-01", UNTIL, settings=settings, clock=clock)
    closes = open_store(settings).read("binance", SYMBOL, "1h")[("close", SYMBOL)]
    days = pd.date_range("2020-02-02", "2020-02-10", tz="UTC")
    told = [[int(day.timestamp() * 1000), float(closes[day - pd.Timedelta(hours=1)]) * 1.001] for day in days]
    told[3][1] *= 1.02

    def answer(asked: Any) -> Any:
        listed = asked.path.endswith("/coins/list")
        return answer_of([{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}] if listed else {"prices": told})

    scripted_server.answer = answer
    check = cross_check("binance", SYMBOL, "1h", "coingecko", settings=settings, clock=clock, at=scripted_server.url)
    assert check.common == 9
    assert check.median_bps == pytest.approx(1e4 * (1 - 1 / 1.001))
    assert check.beyond.index.tolist() == [days[3] - pd.Timedelta(hours=1)]
