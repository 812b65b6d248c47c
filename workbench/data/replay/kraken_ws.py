"""Kraken's sockets, version 2: ohlc, trade, book with checksums, and ticker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.data.replay.book import Book, changed
from workbench.data.replay.channel import Channel
from workbench.data.replay.grid import end_of, length_ms, open_of
from workbench.data.replay.kraken import INTERVALS, listed, mean_prices, trade_counts
from workbench.data.replay.kraken_shapes import book_checksum, iso, levels
from workbench.data.replay.market import Instrument
from workbench.data.replay.server import ReplayServer
from workbench.typing import FloatArray

DEPTHS = (10, 25, 100, 500, 1000)
_SNAPSHOT_BARS = 60
_SNAPSHOT_TRADES = 50
_MOST_TRADES = 1000
_HEARTBEAT_MS = 1000
Key = tuple[str, str, int]


@dataclass
class Subscription:
    """One channel of one symbol, and what was last told of it."""

    channel: str
    info: Instrument
    argument: int  # minutes of a bar, or levels of a book
    told_ms: int = -1
    book: tuple[FloatArray, FloatArray] | None = None
    quote: tuple[float, ...] = ()


async def converse(channel: Channel, venue: ReplayServer) -> None:
    """Hold the conversation of one socket until it is closed."""
    talk = _Conversation(channel, venue)
    await talk.greet()
    while True:
        text = await channel.receive()
        if text is not None:
            await talk.answer(text)
        await talk.speak()


class _Conversation:
    def __init__(self, channel: Channel, venue: ReplayServer) -> None:
        self._channel, self._venue, self._market = channel, venue, venue.market
        self._subscriptions: dict[Key, Subscription] = {}
        self._spoke_ms = 0

    async def greet(self) -> None:
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": self._channel.number}
        await self._send({"channel": "status", "type": "update", "data": [status]})

    async def answer(self, text: str) -> None:
        """Answer one message of the client."""
        try:
            asked = json.loads(text)
            method = asked["method"]
        except (ValueError, KeyError, TypeError):
            await self._send({"error": "Malformed request", "success": False})
            return
        if method == "ping":
            await self._reply(asked, {"method": "pong"})
        elif method in ("subscribe", "unsubscribe"):
            params = asked.get("params") or {}
            names = params.get("symbol") or []
            for name in [names] if isinstance(names, str) else names:
                await self._subscribe(asked, params, str(name), method == "subscribe")
        else:
            await self._reply(asked, {"method": method, "error": "Event(s) not found", "success": False})

    async def speak(self) -> None:
        """Send what the clock has brought since the last time."""
        now = self._venue.now_ms()
        for subscription in list(self._subscriptions.values()):
            await _TELL[subscription.channel](self, subscription, now)
        if now - self._spoke_ms >= _HEARTBEAT_MS and self._subscriptions:
            await self._send({"channel": "heartbeat"})

    async def _subscribe(self, asked: Mapping[str, Any], params: Mapping[str, Any], name: str, on: bool) -> None:
        kind = str(params.get("channel"))
        info = listed(self._venue).get(name)
        refusal = self._refusal(kind, params, info)
        argument = _argument(kind, params)
        key = (kind, name, argument)
        if not refusal and on and key in self._subscriptions:
            refusal = "Already subscribed"
        method = asked["method"]
        if refusal or info is None:
            said = refusal or f"Currency pair not supported {name}"
            await self._reply(asked, {"method": method, "error": said, "success": False, "symbol": name})
            return
        result: dict[str, Any] = {"channel": kind, "symbol": name}
        result |= {"ohlc": {"interval": argument}, "book": {"depth": argument}}.get(kind, {})
        if on:
            result["snapshot"] = bool(params.get("snapshot", kind != "trade"))
        await self._reply(asked, {"method": method, "result": result, "success": True})
        if not on:
            self._subscriptions.pop(key, None)
            return
        subscription = self._subscriptions[key] = Subscription(kind, info, argument)
        await _SNAPSHOT[kind](self, subscription, self._venue.now_ms(), bool(result["snapshot"]))

    def _refusal(self, kind: str, params: Mapping[str, Any], info: Instrument | None) -> str:
        if kind not in _TELL:
            return "Subscription name invalid"
        if info is None:
            return f"Currency pair not supported {params.get('symbol')}"
        argument = _argument(kind, params)
        if kind == "ohlc":
            lowest = length_ms(self._market.timeframe(info.symbol))
            if argument not in INTERVALS or length_ms(INTERVALS[argument]) % lowest:
                return "Subscription ohlc interval not supported"
        if kind == "book" and argument not in DEPTHS:
            return "Subscription depth not supported"
        return ""

    async def _reply(self, asked: Mapping[str, Any], words: dict[str, Any]) -> None:
        told = iso(self._venue.now_ms(self._channel.host))
        number = {"req_id": asked["req_id"]} if "req_id" in asked else {}
        await self._send({**words, **number, "time_in": told, "time_out": told})

    async def _send(self, words: Mapping[str, Any]) -> None:
        self._spoke_ms = self._venue.now_ms()
        await self._channel.send(json.dumps(words, separators=(",", ":")))

    # bars

    async def bars_snapshot(self, s: Subscription, now: int, wanted: bool) -> None:
        timeframe = INTERVALS[s.argument]
        begin = now - _SNAPSHOT_BARS * length_ms(timeframe)
        rows = self._market.seen(s.info.symbol, timeframe, begin, now + 1, now)
        if wanted and len(rows):
            await self._bars(s, rows, timeframe, "snapshot")
        s.told_ms = now

    async def tell_bars(self, s: Subscription, now: int) -> None:
        """Send each bar that was traded in: those that ended since with their last values, then the one under way."""
        if now == s.told_ms:
            return
        timeframe = INTERVALS[s.argument]
        rows = self._market.seen(s.info.symbol, timeframe, open_of(s.told_ms, timeframe), now + 1, now)
        before, s.told_ms = s.told_ms, now
        if len(rows) == 1 and len(self._market.trades(s.info.symbol, before + 1, now + 1)) == 0:
            return
        for row in rows:
            await self._bars(s, row[None], timeframe, "update")

    async def _bars(self, s: Subscription, rows: FloatArray, timeframe: str, kind: str) -> None:
        means, counts = mean_prices(rows), trade_counts(rows, timeframe)
        data = [
            {
                "symbol": s.info.symbol,
                "open": float(row[1]),
                "high": float(row[2]),
                "low": float(row[3]),
                "close": float(row[4]),
                "trades": int(count),
                "volume": float(row[5]),
                "vwap": round(float(mean), s.info.price_decimals),
                "interval_begin": iso(int(row[0]), 9),
                "interval": s.argument,
                "timestamp": iso(end_of(int(row[0]), timeframe)),
            }
            for row, mean, count in zip(rows, means, counts, strict=True)
        ]
        told = iso(self._venue.now_ms(self._channel.host), 9)
        await self._send({"channel": "ohlc", "type": kind, "timestamp": told, "data": data})

    # trades

    async def trades_snapshot(self, s: Subscription, now: int, wanted: bool) -> None:
        s.told_ms = now
        if wanted:
            await self._trades(s, self._market.last_trades(s.info.symbol, now, _SNAPSHOT_TRADES), "snapshot")

    async def tell_trades(self, s: Subscription, now: int) -> None:
        """Send the trades since the last time."""
        made = self._market.trades(s.info.symbol, s.told_ms + 1, now + 1)
        s.told_ms = now
        for at in range(0, len(made), _MOST_TRADES):
            await self._trades(s, made.take(slice(at, at + _MOST_TRADES)), "update")

    async def _trades(self, s: Subscription, made: Any, kind: str) -> None:
        data = [
            {
                "symbol": s.info.symbol,
                "side": "sell" if sold else "buy",
                "price": float(price),
                "qty": float(amount),
                "ord_type": "market" if number % 3 else "limit",
                "trade_id": int(number),
                "timestamp": iso(int(time)),
            }
            for number, time, price, amount, sold in zip(
                made.ids, made.times, made.prices, made.amounts, made.buyer_maker, strict=True
            )
        ]
        if data:
            await self._send({"channel": "trade", "type": kind, "data": data})

    # books

    async def book_snapshot(self, s: Subscription, now: int, wanted: bool) -> None:  # noqa: ARG002  # books need one
        book = self._market.book(s.info.symbol, now, s.argument)
        s.book = (book.bids, book.asks)
        await self._book(s, book, book.bids, book.asks, "snapshot")

    async def tell_book(self, s: Subscription, now: int) -> None:
        """Send the levels that are new, changed or gone."""
        if s.book is None:
            return
        book = self._market.book(s.info.symbol, now, s.argument)
        bids, asks = changed(s.book[0], book.bids), changed(s.book[1], book.asks)
        s.book = (book.bids, book.asks)
        if len(bids) or len(asks):
            await self._book(s, book, bids, asks, "update")

    async def _book(self, s: Subscription, book: Book, bids: FloatArray, asks: FloatArray, kind: str) -> None:
        told = {
            "symbol": s.info.symbol,
            "bids": levels(bids),
            "asks": levels(asks),
            "checksum": book_checksum(book.bids, book.asks, s.info.price_decimals),
            "timestamp": iso(book.time_ms),
        }
        await self._send({"channel": "book", "type": kind, "data": [told]})

    # tickers

    async def ticker_snapshot(self, s: Subscription, now: int, wanted: bool) -> None:
        if wanted:
            await self._ticker(s, now, "snapshot")

    async def tell_ticker(self, s: Subscription, now: int) -> None:
        """Send best and last prices when they have changed."""
        book = self._market.book(s.info.symbol, now, 1)
        best = (*book.bids[0], *book.asks[0], self._market.last_price(s.info.symbol, now))
        if best != s.quote:
            await self._ticker(s, now, "update")

    async def _ticker(self, s: Subscription, now: int, kind: str) -> None:
        quote = self._market.ticker(s.info.symbol, now)
        s.quote = (*quote.bid, *quote.ask, quote.last)
        vwap = quote.quote_volume / quote.volume if quote.volume else quote.last
        told = {
            "symbol": s.info.symbol,
            "bid": float(quote.bid[0]),
            "bid_qty": float(quote.bid[1]),
            "ask": float(quote.ask[0]),
            "ask_qty": float(quote.ask[1]),
            "last": quote.last,
            "volume": quote.volume,
            "vwap": round(vwap, 5),
            "low": quote.low,
            "high": quote.high,
            "change": round(quote.last - quote.open, s.info.price_decimals),
            "change_pct": round(100 * (quote.last / quote.open - 1), 2),
            "timestamp": iso(self._venue.now_ms(self._channel.host)),
        }
        await self._send({"channel": "ticker", "type": kind, "data": [told]})


_TELL = {
    "ohlc": _Conversation.tell_bars,
    "trade": _Conversation.tell_trades,
    "book": _Conversation.tell_book,
    "ticker": _Conversation.tell_ticker,
}
_SNAPSHOT = {
    "ohlc": _Conversation.bars_snapshot,
    "trade": _Conversation.trades_snapshot,
    "book": _Conversation.book_snapshot,
    "ticker": _Conversation.ticker_snapshot,
}


def _argument(kind: str, params: Mapping[str, Any]) -> int:
    key, usual = {"ohlc": ("interval", 1), "book": ("depth", 10)}.get(kind, ("", 0))
    try:
        return int(params.get(key, usual))
    except (TypeError, ValueError):
        return -1
