"""What Binance's streams say of the present: tickers, best prices, marks and the top of a book."""

from __future__ import annotations

from typing import Any

from workbench.data.replay.binance_shapes import decimals, levels_json, mark_price, text, ticker_24h
from workbench.data.replay.market import Instrument, ReplayMarket


def ticker_said(market: ReplayMarket, info: Instrument, now_ms: int, told_ms: int) -> dict[str, Any]:
    """Return a message of ``ticker``: the last 24 hours."""
    quote = market.ticker(info.symbol, now_ms)
    said = ticker_24h(quote, info)
    prices, amounts = decimals(info)
    best: dict[str, Any] = {
        "x": text(quote.open, prices), "b": text(quote.bid[0], prices), "B": text(quote.bid[1], amounts),
        "a": text(quote.ask[0], prices), "A": text(quote.ask[1], amounts),
    }  # fmt: skip
    return {
        "e": "24hrTicker", "E": told_ms, "s": info.id, "p": said["priceChange"], "P": said["priceChangePercent"],
        "w": said["weightedAvgPrice"], "c": said["lastPrice"], "Q": said["lastQty"], "o": said["openPrice"],
        "h": said["highPrice"], "l": said["lowPrice"], "v": said["volume"], "q": said["quoteVolume"],
        "O": said["openTime"], "C": said["closeTime"], "F": said["firstId"], "L": said["lastId"], "n": said["count"],
        **(best if info.kind == "spot" else {}),
    }  # fmt: skip


def mini_said(market: ReplayMarket, info: Instrument, now_ms: int, told_ms: int) -> dict[str, Any]:
    """Return a message of ``miniTicker``."""
    full = ticker_said(market, info, now_ms, told_ms)
    return {"e": "24hrMiniTicker", **{k: full[k] for k in ("E", "s", "c", "o", "h", "l", "v", "q")}}


def best_said(market: ReplayMarket, info: Instrument, now_ms: int, told_ms: int) -> dict[str, Any]:
    """Return a message of ``bookTicker``: best prices."""
    book = market.book(info.symbol, now_ms, 1)
    prices, amounts = decimals(info)
    levels = {
        "s": info.id, "b": text(book.bids[0, 0], prices), "B": text(book.bids[0, 1], amounts),
        "a": text(book.asks[0, 0], prices), "A": text(book.asks[0, 1], amounts),
    }  # fmt: skip
    if info.kind == "spot":
        return {"u": book.update_id, **levels}
    return {"e": "bookTicker", "u": book.update_id, **levels, "T": told_ms, "E": told_ms}


def mark_said(market: ReplayMarket, info: Instrument, now_ms: int, told_ms: int) -> dict[str, Any]:
    """Return a message of ``markPrice``."""
    said = mark_price(market, info, now_ms)
    return {
        "e": "markPriceUpdate", "E": told_ms, "s": info.id, "p": said["markPrice"], "i": said["indexPrice"],
        "P": said["estimatedSettlePrice"], "r": said["lastFundingRate"], "T": said["nextFundingTime"],
    }  # fmt: skip


def top_said(market: ReplayMarket, info: Instrument, now_ms: int, told_ms: int, levels: int) -> str:
    """Return a message of ``depth5`` and the like: the top of the book, as JSON."""
    book = market.book(info.symbol, now_ms, levels)
    bids, asks = levels_json(book.bids, info), levels_json(book.asks, info)
    if info.kind == "spot":
        return f'{{"lastUpdateId":{book.update_id},"bids":{bids},"asks":{asks}}}'
    number = book.update_id
    return (
        f'{{"e":"depthUpdate","E":{told_ms},"T":{told_ms},"s":"{info.id}","U":{number},"u":{number},'
        f'"pu":{number - 1},"b":{bids},"a":{asks}}}'
    )
