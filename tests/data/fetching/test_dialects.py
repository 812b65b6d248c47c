"""Every venue in its own dialect: pages as its documentation says, some newest first, some by windows of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data.bars import symbol_frame
from workbench.data.fetching.fetch import fetch
from workbench.data.fetching.records import fetch_records, fetch_reference_bars
from workbench.data.fetching.report import FetchReport
from workbench.data.store.barstore import open_store
from workbench.data.store.records import open_records
from workbench.data.venues.open import open_venue
from workbench.typing import FloatArray, IntArray

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
LENGTHS = {
    "1m": MINUTE,
    "1h": HOUR,
    "1d": DAY,
    "1H": HOUR,
    "1Dutc": DAY,  # OKX
    "1": MINUTE,
    "60": HOUR,
    "D": DAY,  # Bybit
}
SYMBOLS = {
    "binance": "BTC/USDT",
    "binanceusdm": "BTC/USDT:USDT",
    "kraken": "BTC/USD",
    "coinbase": "BTC/USD",
    "okx": "BTC/USDT:USDT",
    "bybit": "BTC/USDT:USDT",
}
BYBIT_MARKET = {
    "symbol": "BTCUSDT",
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "settleCoin": "USDT",
    "launchTime": "1585526400000",
    "deliveryTime": "0",
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {"maxOrderQty": "1190", "minOrderQty": "0.001", "qtyStep": "0.001"},
    "fundingInterval": 480,
}


@dataclass
class DialectVenue:
    """Bars of one market at a scripted server, told as each venue documents it; ``refused`` are senseless requests."""

    clock: Any
    make: Any
    first: int = 0
    holes: tuple[tuple[int, int], ...] = ()
    funding_every: int = 8 * HOUR
    funding_since: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def now(self) -> int:
        return int(self.clock.now() * 1000)

    def times(self, start: int, stop: int, step: int) -> IntArray:
        """Open times in [start, stop) that have a bar."""
        start = max(start, self.first // step * step)
        times = np.arange(-(-start // step) * step, min(stop, self.now + 1), step, dtype=np.int64)
        for a, b in self.holes:
            times = times[(times < a) | (times + step > b)]
        return times

    def rows(self, times: IntArray, step: int) -> FloatArray:
        k = times // MINUTE
        middle = 100 + k % 977
        volume = np.where(times + step > self.now, 0.5, 1 + k % 13)  # the bar that still runs
        return np.column_stack([times, middle, middle + 2, middle - 2, middle + 1, volume]).astype(float)

    def truth(self, start: int, stop: int, step: int = MINUTE) -> FloatArray:
        """Bars that are over."""
        times = self.times(start, stop, step)
        return self.rows(times[times + step <= self.now - 2_000], step)

    def answer(self, asked: Any) -> Any:
        where, query = asked.path, asked.query
        if where.lower().endswith("/time"):
            return self.make(self._time(where))
        if where == "/v5/market/instruments-info":
            rows = [BYBIT_MARKET] if query["category"] == "linear" and "status" not in query else []
            return self.make(
                {
                    "retCode": 0,
                    "retMsg": "OK",
                    "result": {"category": query["category"], "list": rows, "nextPageCursor": ""},
                }
            )
        for piece, tell in _TOLD.items():
            if piece in where:
                return tell(self, asked)
        self.refused.append(where)
        return self.make({"message": "NotFound"}, status=404)

    def _time(self, where: str) -> Any:
        now = self.now
        return {
            "/0/public/Time": {"error": [], "result": {"unixtime": now // 1000}},
            "/time": {"epoch": now / 1000},
            "/api/v5/public/time": {"code": "0", "data": [{"ts": str(now)}]},
            "/v5/market/time": {
                "retCode": 0,
                "result": {"timeSecond": str(now // 1000), "timeNano": str(now * 10**6)},
                "time": now,
            },
        }.get(where, {"serverTime": now})

    def bad(self, why: str, body: Any, status: int = 400) -> Any:
        self.refused.append(why)
        return self.make(body, status=status)


def binance(venue: DialectVenue, asked: Any) -> Any:
    """From ``startTime`` on, oldest first."""
    step, limit = LENGTHS[asked.query["interval"]], int(asked.query["limit"])
    if limit > 1500:
        return venue.bad("limit", {"code": -1130, "msg": "Data sent for parameter 'limit' is not valid."})
    times = venue.times(int(asked.query["startTime"]), 2**62, step)[: min(limit, 1000)]
    rows = venue.rows(times, step).tolist()
    return venue.make([[int(r[0]), *map(str, r[1:]), int(r[0]) + step - 1, "7", 3, "1", "1", "0"] for r in rows])


def kraken(venue: DialectVenue, asked: Any) -> Any:
    """The last 720 and the one that runs, later than ``since``."""
    step = int(asked.query["interval"]) * MINUTE
    times = venue.times(0, 2**62, step)[-721:]
    rows = venue.rows(times[times > int(asked.query["since"]) * 1000], step).tolist()
    body = [[int(r[0]) // 1000, *map(str, r[1:5]), "0", str(r[5]), 3] for r in rows]
    return venue.make({"error": [], "result": {"XXBTZUSD": body, "last": int(times[-2]) // 1000}})


def coinbase(venue: DialectVenue, asked: Any) -> Any:
    """``start`` to ``end``, both included, newest first; more than 300 are refused; nothing without a trade."""
    step = int(asked.query["granularity"]) * 1000
    start, end = (int(pd.Timestamp(asked.query[name]).value // 10**6) for name in ("start", "end"))
    if end < start or (end - start) // step + 1 > 300:
        return venue.bad("window", {"message": "granularity too small for the requested time range"})
    rows = venue.rows(venue.times(start, end + 1, step), step)[::-1].tolist()
    return venue.make([[int(t) // 1000, low, high, first, last, volume] for t, first, high, low, last, volume in rows])


def okx(venue: DialectVenue, asked: Any) -> Any:
    """Later than ``before`` and earlier than ``after``, newest first; the usual address keeps 1,440 bars."""
    query, step = asked.query, LENGTHS[asked.query["bar"]]
    most = 100 if "-price" in asked.path or "index" in asked.path else 300
    if int(query["limit"]) > most:
        return venue.bad("limit", {"code": "51000", "msg": "Parameter limit error", "data": []}, 200)
    times = venue.times(int(query["before"]) + 1, int(query["after"]), step)
    if "/history-" not in asked.path:
        times = times[times > venue.now - 1440 * step]
    rows = venue.rows(times, step)[::-1][: int(query["limit"])].tolist()
    body = [[str(int(r[0])), *map(str, r[1:5]), str(r[5] * 100), str(r[5]), "7", "1"] for r in rows]
    if most == 100:
        body = [[*row[:5], "1"] for row in body]
    return venue.make({"code": "0", "msg": "", "data": body})


def bybit(venue: DialectVenue, asked: Any) -> Any:
    """The first ``limit`` from ``start`` on, or the last ones up to ``end``; newest first either way."""
    query = asked.query
    step, limit = LENGTHS[query["interval"]], int(query["limit"])
    if limit > 1000:
        return venue.bad("limit", {"retCode": 10001, "retMsg": "params error"}, 200)
    times = venue.times(int(query["start"]) // step * step, int(query.get("end", 2**62)) + 1, step)
    rows = venue.rows(times[-limit:] if "end" in query else times[:limit], step)[::-1].tolist()
    width = 5 if "-price-" in asked.path else 6
    body = [[str(int(r[0])), *map(str, r[1:width]), *(["700"] if width == 6 else [])] for r in rows]
    return venue.make({"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": body}})


_TOLD: dict[str, Callable[[DialectVenue, Any], Any]] = {
    "lines": binance,  # klines, markPriceKlines
    "Klines": binance,
    "/0/public/OHLC": kraken,
    "/candles": coinbase,
    "/api/v5/market/": okx,
    "kline": bybit,
}
_TOLD = {"/api/v5/market/": okx, "/v5/market/": bybit, **_TOLD}


@pytest.fixture
def dialects(scripted_server: Any, step_clock: Any, answer_of: Any) -> DialectVenue:
    venue = DialectVenue(step_clock, answer_of)
    scripted_server.answer = venue.answer
    return venue


@pytest.fixture
def brought(settings: Settings, scripted_server: Any, step_clock: Any) -> Callable[..., FetchReport]:
    """Fetch from the scripted server through unmodified ccxt."""

    def bring(name: str, since: int, until: int | None = None, timeframe: str = "1m", **more: Any) -> FetchReport:
        stop = None if until is None else pd.Timestamp(until, unit="ms", tz="UTC")
        venue = open_venue(name, settings, at=scripted_server.url, clock=step_clock, seed=0)
        return fetch(
            [venue], SYMBOLS[name], timeframe, pd.Timestamp(since, unit="ms", tz="UTC"), stop, settings=settings,
            clock=step_clock, **more,
        )  # fmt: skip

    return bring


def held(settings: Settings, name: str, timeframe: str = "1m") -> FloatArray:
    frame = symbol_frame(open_store(settings).read(f"replay-{name}", SYMBOLS[name], timeframe), SYMBOLS[name])
    return np.column_stack([pd.DatetimeIndex(frame.index).as_unit("ms").asi8, frame.to_numpy()])


@pytest.mark.parametrize("name", SYMBOLS)
def test_many_pages_then_what_is_new_then_what_is_older(
    name: str, dialects: DialectVenue, brought: Any, settings: Settings, step_clock: Any, scripted_server: Any
) -> None:
    kept = 700 if name == "kraken" else 2_500
    newest = dialects.now // MINUTE * MINUTE
    middle, oldest = newest - kept // 2 * MINUTE, newest - kept * MINUTE
    report = brought(name, middle)
    assert report.complete, report
    np.testing.assert_array_equal(held(settings, name), dialects.truth(middle, newest))
    step_clock.time += 600.0
    report = brought(name, middle)
    assert (report.added, report.requests) == (10, 1)  # what is missing, and one request for it
    np.testing.assert_array_equal(held(settings, name), dialects.truth(middle, newest + 10 * MINUTE))
    if name == "kraken":
        oldest += 11 * MINUTE  # ten minutes on, it keeps ten fewer
    report = brought(name, oldest)
    np.testing.assert_array_equal(held(settings, name), dialects.truth(oldest, newest + 10 * MINUTE))
    assert report.complete
    assert report.gaps().empty
    assert report.revisions().empty
    assert dialects.refused == []
    asked = len(scripted_server.asked)
    assert brought(name, oldest).requests == 0
    assert len(scripted_server.asked) - asked <= 3  # the lists of markets


@pytest.mark.parametrize("name", [n for n in SYMBOLS if n != "kraken"])
def test_before_the_listing_and_over_an_outage_longer_than_a_page(
    name: str, dialects: DialectVenue, brought: Any, settings: Settings
) -> None:
    stop = dialects.now // DAY * DAY
    dialects.first = stop - 6 * DAY + 9 * HOUR + 17 * MINUTE
    dialects.holes = ((stop - 4 * DAY + 5 * MINUTE, stop - 2 * DAY + 3 * HOUR), (stop - DAY, stop - DAY + 7 * MINUTE))
    report = brought(name, stop - 40 * DAY, stop)
    np.testing.assert_array_equal(held(settings, name), dialects.truth(stop - 40 * DAY, stop))
    assert report.complete
    assert dialects.refused == []
    gaps = report.gaps()
    assert gaps["bars"].sum() + len(held(settings, name)) == 40 * DAY // MINUTE
    assert report.requests < 80
    again = brought(name, stop - 40 * DAY, stop)
    assert (again.requests, again.added) == (0, 0)


@pytest.mark.parametrize("name", ["coinbase", "okx", "bybit", "binance"])
def test_a_market_in_which_most_minutes_pass_without_a_trade(
    name: str, dialects: DialectVenue, brought: Any, settings: Settings
) -> None:
    stop = dialects.now // HOUR * HOUR
    start = stop - 2_000 * MINUTE
    rng = np.random.default_rng(4)
    dialects.holes = tuple((int(t), int(t) + MINUTE) for t in start + MINUTE * rng.choice(2_000, 1_500, replace=False))
    report = brought(name, start, stop)
    np.testing.assert_array_equal(held(settings, name), dialects.truth(start, stop))
    assert report.complete
    assert report.requests <= 2 * (-(-2_000 // 298) + 2)


@pytest.mark.parametrize("price", ["mark", "index"])
@pytest.mark.parametrize("name", ["binanceusdm", "okx", "bybit"])
def test_bars_of_reference_prices_over_many_pages(
    name: str, price: Any, dialects: DialectVenue, settings: Settings, scripted_server: Any, step_clock: Any
) -> None:
    stop = dialects.now // HOUR * HOUR
    start = stop - 1_300 * HOUR
    venue = open_venue(name, settings, at=scripted_server.url, clock=step_clock, seed=0)
    since, until = (pd.Timestamp(t, unit="ms", tz="UTC") for t in (start, stop))
    report = fetch_reference_bars(
        price, [venue], SYMBOLS[name], "1h", since, until, settings=settings, clock=step_clock
    )
    truth = dialects.truth(start, stop, HOUR)
    frame = symbol_frame(open_store(settings).read(f"replay-{name}-{price}", SYMBOLS[name], "1h"), SYMBOLS[name])
    np.testing.assert_array_equal(frame.to_numpy()[:, :4], truth[:, 1:5])
    assert (frame["volume"] == 0).all()
    assert report.complete
    assert dialects.refused == []


# Funding rates and open interest.


def funding_told(venue: DialectVenue, asked: Any) -> Any:
    """Binance from ``startTime`` on; OKX and Bybit the newest of a window first, as far as the limit goes."""
    query, every = asked.query, venue.funding_every
    times = np.arange(-(-venue.funding_since // every) * every, venue.now + 1, every, dtype=np.int64)
    limit = int(query["limit"])
    if "fundingRate" in asked.path:
        times = times[times >= int(query["startTime"])][:limit]
        rows = [{"symbol": "BTCUSDT", "fundingTime": int(t), "fundingRate": rate(t), "markPrice": "100"} for t in times]
        return venue.make(rows)
    if limit > (100 if asked.host == "www.okx.com" else 200):
        return venue.bad("limit", {"retCode": 10001, "code": "51000", "msg": "limit"}, 200)
    if asked.host == "www.okx.com":
        inside = (times > int(query.get("before", 0))) & (times < int(query.get("after", 2**62)))
        rows = [
            {"instId": "BTC-USDT-SWAP", "fundingTime": str(t), "fundingRate": "9", "realizedRate": rate(t)}
            for t in times[inside][::-1][:limit]
        ]
        return venue.make({"code": "0", "msg": "", "data": rows})
    if "startTime" in query and "endTime" not in query:
        return venue.bad("startTime alone", {"retCode": 10001, "retMsg": "params error"}, 200)
    inside = (times >= int(query["startTime"])) & (times <= int(query["endTime"]))
    rows = [
        {"symbol": "BTCUSDT", "fundingRateTimestamp": str(t), "fundingRate": rate(t)}
        for t in times[inside][::-1][:limit]
    ]
    return venue.make({"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}})


def interest_told(venue: DialectVenue, asked: Any) -> Any:
    """The newest of a window first, as far as the limit goes; OKX leaves both ends out."""
    query, okx_asked = asked.query, asked.host == "www.okx.com"
    period = query.get("intervalTime") or query["period"]
    step = {"5m": 5 * MINUTE, "5min": 5 * MINUTE, "1h": HOUR, "1H": HOUR}[period]
    start, end = (int(query[n]) for n in (("begin", "end") if okx_asked else ("startTime", "endTime")))
    if asked.host == "fapi.binance.com" and start < venue.now - 30 * DAY:
        return venue.bad("too old", {"code": -1130, "msg": "parameter 'startTime' is invalid."})
    times = np.arange(-(-start // step) * step, min(end, venue.now) + 1, step, dtype=np.int64)
    times = times[(times > start) & (times < end)] if okx_asked else times
    rows = [(int(t), t // step % 1000 + 5) for t in times[::-1][: int(query["limit"])]]
    if okx_asked:  # contracts of 0.01, base units, dollars
        body = [[str(t), str(a * 100), str(a), str(a * 9)] for t, a in rows]
        return venue.make({"code": "0", "msg": "", "data": body})
    if asked.host == "api.bybit.com":
        listed = [{"openInterest": str(a), "timestamp": str(t)} for t, a in rows]
        return venue.make(
            {"retCode": 0, "result": {"symbol": "BTCUSDT", "category": "linear", "list": listed, "nextPageCursor": ""}}
        )
    return venue.make(
        [
            {"symbol": "BTCUSDT", "sumOpenInterest": str(a), "sumOpenInterestValue": str(a * 9), "timestamp": t}
            for t, a in rows[::-1]
        ]
    )


def rate(time: Any) -> str:
    return f"{(int(time) // HOUR % 977 - 488) / 1e6:.6f}"


_TOLD = {
    "fundingRate": funding_told,
    "/funding-rate-history": funding_told,
    "/funding/history": funding_told,
    "/open-interest": interest_told,
    "openInterestHist": interest_told,
    **_TOLD,
}


@pytest.mark.parametrize("every", [8 * HOUR, HOUR])
@pytest.mark.parametrize("name", ["binanceusdm", "okx", "bybit"])
def test_funding_over_many_pages(
    name: str, every: int, dialects: DialectVenue, settings: Settings, scripted_server: Any, step_clock: Any
) -> None:
    dialects.funding_every = every
    stop = dialects.now // DAY * DAY
    start = stop - 88 * DAY
    dialects.funding_since = start - 2 * DAY  # OKX keeps three months
    for since in (start + 60 * DAY, start, start - 10 * DAY):
        venue = open_venue(name, settings, at=scripted_server.url, clock=step_clock, seed=0)
        first, last = (pd.Timestamp(t, unit="ms", tz="UTC") for t in (since, stop))
        (report,) = fetch_records("funding", [venue], SYMBOLS[name], first, last, settings=settings, clock=step_clock)
        assert report.complete, report
        stored = open_records(settings).read("funding", f"replay-{name}", SYMBOLS[name])
        times = np.arange(max(since, dialects.funding_since), stop, every)
        np.testing.assert_array_equal(pd.DatetimeIndex(stored.index).as_unit("ms").asi8, times)
        np.testing.assert_array_equal(stored["rate"], [float(rate(t)) for t in times])
        assert report.complete
        assert report.requests <= 60
    assert dialects.refused == []


@pytest.mark.parametrize("name", ["binanceusdm", "okx", "bybit"])
def test_open_interest_over_many_pages(
    name: str, dialects: DialectVenue, settings: Settings, scripted_server: Any, step_clock: Any
) -> None:
    stop = dialects.now // DAY * DAY
    for start in (stop - 20 * DAY, stop - 25 * DAY):
        venue = open_venue(name, settings, at=scripted_server.url, clock=step_clock, seed=0)
        first, last = (pd.Timestamp(t, unit="ms", tz="UTC") for t in (start, stop))
        (report,) = fetch_records(
            "open_interest", [venue], SYMBOLS[name], first, last, settings=settings, clock=step_clock
        )
        stored = open_records(settings).read("open_interest", f"replay-{name}", SYMBOLS[name])
        times = np.arange(start, stop, HOUR)
        np.testing.assert_array_equal(pd.DatetimeIndex(stored.index).as_unit("ms").asi8, times)
        np.testing.assert_array_equal(stored["amount"], times // HOUR % 1000 + 5)
        assert report.complete
    assert dialects.refused == []


@pytest.mark.parametrize("name", ["binanceusdm", "okx", "bybit"])
def test_funding_long_before_the_first_rate(
    name: str, dialects: DialectVenue, settings: Settings, scripted_server: Any, step_clock: Any
) -> None:
    stop = dialects.now // DAY * DAY
    dialects.funding_since = stop - 30 * DAY
    venue = open_venue(name, settings, at=scripted_server.url, clock=step_clock, seed=0)
    (report,) = fetch_records("funding", [venue], SYMBOLS[name], "2018-01-01", settings=settings, clock=step_clock)
    assert report.complete
    assert report.added == 30 * 3 + 3  # and those of today
    assert report.requests <= 30
    assert dialects.refused == []


def test_open_interest_older_than_a_venue_keeps_says_from_when(
    dialects: DialectVenue, settings: Settings, scripted_server: Any, step_clock: Any
) -> None:
    venue = open_venue("binanceusdm", settings, at=scripted_server.url, clock=step_clock, seed=0)
    (report,) = fetch_records(
        "open_interest", [venue], SYMBOLS["binanceusdm"], "2023-01-01", settings=settings, clock=step_clock
    )
    assert report.complete
    assert any("keeps nothing before" in note for note in report.notes)
    assert report.added >= 29 * 24
    assert dialects.refused == []


# Trades.


def trades_told(venue: DialectVenue, asked: Any) -> Any:
    """Binance by windows of an hour, Kraken from a second on, the others their latest only, newest first."""
    query, host = asked.query, asked.host
    limit = int(query.get("limit") or query.get("count") or 0)
    times = np.arange(venue.now - 6 * HOUR, venue.now, 4_700, dtype=np.int64)
    if host.endswith("binance.com"):
        inside = times[(times >= int(query["startTime"])) & (times <= int(query["endTime"]))][:limit]
        return venue.make([{"a": int(t), "p": "100", "q": "2", "T": int(t), "m": False} for t in inside])
    if host == "api.kraken.com":
        inside = times[times >= int(query["since"]) * 1000][:limit]
        rows = [["100", "2", t / 1000, "b", "l", "", int(t)] for t in inside.tolist()]
        return venue.make({"error": [], "result": {"XXBTZUSD": rows, "last": f"{inside[-1]}000000"}})
    newest = times[::-1][:limit].tolist()
    if host == "api.bybit.com":
        if limit > 1000:
            return venue.bad("limit", {"retCode": 10001, "retMsg": "params error"}, 200)
        rows = [{"execId": str(t), "price": "100", "size": "2", "side": "Buy", "time": str(t)} for t in newest]
        return venue.make({"retCode": 0, "result": {"category": "linear", "list": rows}})
    if host == "www.okx.com":
        if limit > 500:
            return venue.bad("limit", {"code": "51000", "msg": "Parameter limit error", "data": []}, 200)
        rows = [
            {"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "200", "px": "100", "tradeId": str(t), "ts": str(t)}
            for t in newest
        ]
        return venue.make({"code": "0", "msg": "", "data": rows})
    when = [pd.Timestamp(t, unit="ms").isoformat(timespec="milliseconds") + "Z" for t in newest]
    return venue.make(
        [
            {"trade_id": t, "side": "sell", "size": "2", "price": "100", "time": w}
            for t, w in zip(newest, when, strict=True)
        ]
    )


_TOLD = {
    "aggTrades": trades_told,
    "/0/public/Trades": trades_told,
    "/recent-trade": trades_told,
    "/market/trades": trades_told,
    "/trades": trades_told,
    **_TOLD,
}


@pytest.mark.parametrize("name", SYMBOLS)
def test_trades_as_far_back_as_a_venue_tells(
    name: str, dialects: DialectVenue, settings: Settings, scripted_server: Any, step_clock: Any
) -> None:
    kept = {"coinbase": 1000, "okx": 500, "bybit": 1000}.get(name, 10_000)
    now = dialects.now
    every = np.arange(now - 6 * HOUR, now, 4_700)
    for _ in range(2):  # the second one asks for what is new: nothing
        venue = open_venue(name, settings, at=scripted_server.url, clock=step_clock, seed=0)
        since = pd.Timestamp(now - 6 * HOUR, unit="ms", tz="UTC")
        (report,) = fetch_records("trades", [venue], SYMBOLS[name], since, settings=settings, clock=step_clock)
        stored = open_records(settings).read("trades", f"replay-{name}", SYMBOLS[name])
        np.testing.assert_array_equal(pd.DatetimeIndex(stored.index).as_unit("ms").asi8, every[-kept:])
        assert (stored[["price", "amount", "side"]] == [100.0, 2.0, "buy"]).all(axis=None)
        assert report.complete
    assert dialects.refused == []
