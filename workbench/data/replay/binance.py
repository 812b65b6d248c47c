"""Binance's REST dialect: spot, USD-M perpetuals, and a COIN-M venue that lists nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.data.replay.binance_asked import Asked, BinanceError
from workbench.data.replay.binance_shapes import (
    agg_trades_json,
    book_json,
    book_ticker,
    exchange_info,
    klines_json,
    mark_price,
    public_trades_json,
    text,
    ticker_24h,
)
from workbench.data.replay.grid import HOUR, MINUTE, length_ms
from workbench.data.replay.market import FUNDING_MS, Instrument, PriceKind
from workbench.data.replay.server import Call, Channel, ReplayServer, json_answer
from workbench.errors import DataError

if TYPE_CHECKING:
    from aiohttp import web

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")


Handler = Callable[[Asked], Any]


class _Binance:
    name = ""
    kind = "spot"
    hosts: tuple[str, ...] = ()
    most_klines = 1000
    refused_status = 400

    def __init__(self) -> None:
        self._routes: dict[str, Handler] = self.routes()
        self._minute = self._used = 0

    def routes(self) -> dict[str, Handler]:
        """Return the function of each path."""
        return {}

    async def handle_rest(self, call: Call, venue: ReplayServer) -> web.Response | None:
        """Answer a request in Binance's words."""
        handler = self._routes.get(call.path)
        if handler is None:
            return None
        try:
            value = handler(Asked(call, venue, self.kind))
        except BinanceError as err:
            return json_answer({"code": err.code, "msg": str(err)}, err.status)
        except DataError as err:
            return json_answer({"code": -1120, "msg": str(err)}, 400)
        return json_answer(value, headers={"X-MBX-USED-WEIGHT-1M": str(self._weight(call))})

    def _weight(self, call: Call) -> int:
        """Return the requests of this minute so far, as the venue tells it in each answer."""
        minute = int(call.time // 60)
        self._minute, self._used = minute, (self._used + 1 if minute == self._minute else 1)
        return self._used

    async def handle_socket(self, channel: Channel, venue: ReplayServer) -> None:
        """Hold the conversation of one stream socket."""
        from workbench.data.replay.binance_ws import converse

        await converse(channel, venue, self.kind, self)

    def klines(self, asked: Asked) -> bytes:
        """Answer bars of last prices."""
        return self._bars(asked, asked.instrument(), "last")

    def _bars(self, asked: Asked, info: Instrument, price: PriceKind) -> bytes:
        timeframe = asked.length("interval", INTERVALS, info.symbol)
        limit = asked.limit(500, self.most_klines)
        start, end = asked.number("startTime"), asked.number("endTime")
        length = length_ms(timeframe)
        last = asked.now + 1 if end is None else min(end, asked.now) + 1
        if start is None:
            rows = asked.market.seen(info.symbol, timeframe, last - (limit + 1) * length, last, asked.now, price)
            return klines_json(rows[-limit:], timeframe, info, price)
        span = start + (limit + 2) * length
        rows = asked.market.seen(info.symbol, timeframe, max(start, 0), min(last, span), asked.now, price)
        if len(rows) < limit and span < last:
            rows = self._over_gaps(asked, info, timeframe, max(start, info.listed_ms), last, limit, price)
        return klines_json(rows[:limit], timeframe, info, price)

    def _over_gaps(
        self, asked: Asked, info: Instrument, timeframe: str, start: int, last: int, limit: int, price: PriceKind
    ) -> Any:
        """Return the first bars from a time on, however far apart they lie: the span doubles until it holds them."""
        span = 2 * limit * length_ms(timeframe)
        while True:
            rows = asked.market.seen(info.symbol, timeframe, start, min(last, start + span), asked.now, price)
            if len(rows) >= limit or start + span >= last:
                return rows
            span *= 2

    def depth(self, asked: Asked) -> Any:
        """Answer the order book."""
        info = asked.instrument()
        book = asked.market.book(info.symbol, asked.book_ms, asked.limit(100, 5000))
        return book_json(book, info)

    def agg_trades(self, asked: Asked) -> bytes:
        """Answer trades: from an id, from a time, or the newest."""
        info = asked.instrument()
        return agg_trades_json(self._trades(asked, info), info)

    def trades(self, asked: Asked) -> bytes:
        """Answer the newest trades, or old ones from an id."""
        info = asked.instrument()
        return public_trades_json(self._trades(asked, info), info)

    def _trades(self, asked: Asked, info: Instrument) -> Any:
        limit = asked.limit(500, 1000)
        first, start, end = (asked.number(k) for k in ("fromId", "startTime", "endTime"))
        if first is not None:
            return asked.market.trades_from(info.symbol, first, limit, asked.now)
        if start is None:
            return asked.market.last_trades(info.symbol, min(asked.now, asked.now if end is None else end), limit)
        stop = min(asked.now, start + HOUR if end is None else end)
        return asked.market.trades(info.symbol, start, stop + 1).take(slice(0, limit))

    def time(self, asked: Asked) -> Any:
        """Answer the venue's clock."""
        return {"serverTime": asked.told_now}

    def ping(self, asked: Asked) -> Any:  # noqa: ARG002
        """Answer."""
        return {}

    def info(self, asked: Asked) -> Any:
        """Answer what is traded."""
        wanted = asked.params.get("symbol")
        chosen = [asked.instrument()] if wanted else asked.instruments()
        return exchange_info(chosen, asked.kind, asked.told_now)

    def ticker(self, asked: Asked) -> Any:
        """Answer 24-hour statistics, of one symbol or all."""
        return self._each(asked, lambda i: ticker_24h(asked.market.ticker(i.symbol, asked.now), i))

    def book_ticker(self, asked: Asked) -> Any:
        """Answer best prices, of one symbol or all."""
        return self._each(asked, lambda i: book_ticker(asked.market.book(i.symbol, asked.book_ms, 1), i))

    def price(self, asked: Asked) -> Any:
        """Answer last prices, of one symbol or all."""

        def one(i: Instrument) -> dict[str, Any]:
            quote = ticker_24h(asked.market.ticker(i.symbol, asked.now), i)
            return {"symbol": i.id, "price": quote["lastPrice"], **({} if i.kind == "spot" else {"time": asked.now})}

        return self._each(asked, one)

    def average_price(self, asked: Asked) -> Any:
        """Answer the mean price of the last five minutes' trades."""
        info = asked.instrument()
        trades = asked.market.trades(info.symbol, asked.now - 5 * MINUTE, asked.now + 1)
        if not len(trades):
            trades = asked.market.last_trades(info.symbol, asked.now, 1)
        weights = trades.amounts if trades.amounts.sum() else None
        mean = float(np.average(trades.prices, weights=weights))
        return {"mins": 5, "price": text(mean, 8), "closeTime": int(trades.times[-1])}

    def _each(self, asked: Asked, answer: Callable[[Instrument], dict[str, Any]]) -> Any:
        if asked.params.get("symbol"):
            return answer(asked.instrument())
        return [answer(one) for one in asked.instruments()]


class BinanceSpot(_Binance):
    """Binance spot: api.binance.com and its streams."""

    name = "Binance spot"
    hosts = (
        "api.binance.com", "api1.binance.com", "api2.binance.com", "api3.binance.com", "data-api.binance.vision",
        "stream.binance.com", "data-stream.binance.vision", "ws-api.binance.com",
    )  # fmt: skip

    def routes(self) -> dict[str, Handler]:
        """Return the function of each path."""
        return {
            "/api/v3/ping": self.ping,
            "/api/v3/time": self.time,
            "/api/v3/exchangeInfo": self.info,
            "/api/v3/klines": self.klines,
            "/api/v3/uiKlines": self.klines,
            "/api/v3/depth": self.depth,
            "/api/v3/trades": self.trades,
            "/api/v3/historicalTrades": self.trades,
            "/api/v3/aggTrades": self.agg_trades,
            "/api/v3/ticker/24hr": self.ticker,
            "/api/v3/ticker/price": self.price,
            "/api/v3/ticker/bookTicker": self.book_ticker,
            "/api/v3/ticker": self.ticker,
            "/api/v3/avgPrice": self.average_price,
            "/sapi/v1/system/status": lambda _: {"status": 0, "msg": "normal"},
        }


class BinanceUsdm(_Binance):
    """Binance USD-M perpetuals: fapi.binance.com and its streams."""

    name = "Binance USD-M"
    kind = "swap"
    hosts = ("fapi.binance.com", "fstream.binance.com", "ws-fapi.binance.com")
    most_klines = 1500

    def routes(self) -> dict[str, Handler]:
        """Return the function of each path."""
        return {
            "/fapi/v1/ping": self.ping,
            "/fapi/v1/time": self.time,
            "/fapi/v1/exchangeInfo": self.info,
            "/fapi/v1/klines": self.klines,
            "/fapi/v1/markPriceKlines": lambda asked: self._bars(asked, asked.instrument(), "mark"),
            "/fapi/v1/indexPriceKlines": lambda asked: self._bars(asked, asked.instrument("pair"), "index"),
            "/fapi/v1/depth": self.depth,
            "/fapi/v1/trades": self.trades,
            "/fapi/v1/historicalTrades": self.trades,
            "/fapi/v1/aggTrades": self.agg_trades,
            "/fapi/v1/ticker/24hr": self.ticker,
            "/fapi/v1/ticker/price": self.price,
            "/fapi/v2/ticker/price": self.price,
            "/fapi/v1/ticker/bookTicker": self.book_ticker,
            "/fapi/v1/fundingRate": self.funding,
            "/fapi/v1/fundingInfo": lambda _: [],
            "/fapi/v1/premiumIndex": self.premium,
            "/fapi/v1/openInterest": self.open_interest,
            "/futures/data/openInterestHist": self.open_interest_history,
        }

    def funding(self, asked: Asked) -> Any:
        """Answer funding rates: the newest, or the first from a time on."""
        limit = asked.limit(100, 1000)
        start, end = asked.number("startTime"), asked.number("endTime")
        last = asked.now + 1 if end is None else min(end, asked.now) + 1
        chosen = [asked.instrument()] if asked.params.get("symbol") else asked.instruments()
        found = []
        for info in chosen:
            begin = last - limit * FUNDING_MS if start is None else start
            stop = min(last, max(begin, info.listed_ms) + limit * FUNDING_MS)
            for time, rate, mark in asked.market.funding(info.symbol, begin, stop):
                found.append((int(time), info.id, f"{rate:.8f}", f"{mark:.8f}"))
        rows = sorted(found)
        rows = rows[-limit:] if start is None else rows[:limit]
        return [{"symbol": s, "fundingTime": t, "fundingRate": r, "markPrice": m} for t, s, r, m in rows]

    def premium(self, asked: Asked) -> Any:
        """Answer mark and index prices and the next funding, of one symbol or all."""
        return self._each(asked, lambda info: mark_price(asked.market, info, asked.now))

    def open_interest(self, asked: Asked) -> Any:
        """Answer the open interest of now."""
        info = asked.instrument()
        row = asked.market.open_interest(info.symbol, 1000, asked.now - 1000, asked.now + 1)[-1]
        return {"openInterest": f"{row[1]:.{info.amount_decimals}f}", "symbol": info.id, "time": int(row[0])}

    def open_interest_history(self, asked: Asked) -> Any:
        """Answer open interest at each step; Binance keeps one month, and so do we."""
        info, limit = asked.instrument(), asked.limit(30, 500)
        step = length_ms(asked.length("period", PERIODS, info.symbol))
        start, end = asked.number("startTime"), asked.number("endTime")
        last = asked.now + 1 if end is None else min(end, asked.now) + 1
        begin = last - limit * step if start is None else start
        rows = asked.market.open_interest(info.symbol, step, begin, min(last, begin + limit * step))
        return [
            {
                "symbol": info.id,
                "sumOpenInterest": f"{amount:.8f}",
                "sumOpenInterestValue": f"{value:.8f}",
                "timestamp": int(time),
            }
            for time, amount, value in rows
        ]


class BinanceCoinm(_Binance):
    """Binance COIN-M: it is there, and lists nothing."""

    name = "Binance COIN-M (empty)"
    kind = "coin"
    hosts = ("dapi.binance.com", "dstream.binance.com")

    def routes(self) -> dict[str, Handler]:
        """Return the function of each path."""
        return {
            "/dapi/v1/ping": self.ping,
            "/dapi/v1/time": self.time,
            "/dapi/v1/exchangeInfo": self.info,
            "/dapi/v1/ticker/24hr": lambda _: [],
        }
