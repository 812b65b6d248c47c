"""The bodies of Binance's answers, shaped after recorded ones: names, types and numbers as text."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.data.replay.book import Book, Quote
from workbench.data.replay.encoding import Column, rows_as_json
from workbench.data.replay.grid import end_of, length_ms
from workbench.data.replay.market import FUNDING_MS, Instrument, PriceKind, ReplayMarket
from workbench.data.replay.trades import Trades
from workbench.typing import FloatArray, IntArray

_FOREVER_MS = 4_133_404_800_000
"""Delivery date of perpetuals: 2100-12-25."""

_TRADES_A_MINUTE = 24


def klines_json(rows: FloatArray, timeframe: str, info: Instrument, price: PriceKind = "last") -> bytes:
    """Return bars as Binance's arrays of twelve fields.

    The quote volume is the volume at the mean of open, high, low and close; takers bought the larger part of it the
    nearer the bar closed to its high.
    """
    opens = rows[:, 0].astype(np.int64)
    ends = closing_times(opens, timeframe)
    prices, amounts = decimals(info)
    if price != "last":
        prices, zero = 8, '"0",'
        tail: list[Column] = [f",{zero}", (ends, 0), f",{zero}", (np.full(len(rows), 60), 0), f",{zero}{zero}" + '"0"]']
        return rows_as_json(["[", (opens, 0), *_quoted(rows[:, 1:5], prices), *tail], len(rows))
    quote, bought, count = turnover(rows, timeframe)
    columns: list[Column] = [
        "[", (opens, 0), *_quoted(rows[:, 1:5], prices), ',"', (rows[:, 5], amounts), '",', (ends, 0),
        ',"', (quote, 8), '",', (count, 0), ',"', (rows[:, 5] * bought, amounts), '","', (quote * bought, 8),
        '","0"]',
    ]  # fmt: skip
    return rows_as_json(columns, len(rows))


def turnover(rows: FloatArray, timeframe: str) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return quote volume, the share that takers bought, and the number of trades of bars, each (n,)."""
    quote = rows[:, 5] * rows[:, 1:5].mean(axis=1)
    span = rows[:, 2] - rows[:, 3]
    bought = 0.25 + 0.5 * np.divide(rows[:, 4] - rows[:, 3], span, out=np.full(len(rows), 0.5), where=span > 0)
    count = np.where(rows[:, 5] > 0, _TRADES_A_MINUTE * (length_ms(timeframe) // 60_000), 0)
    return quote, bought, count


def closing_times(opens: IntArray, timeframe: str) -> IntArray:
    """Return the last millisecond of each bar."""
    if timeframe != "1M":
        return opens + (length_ms(timeframe) - 1)
    return np.array([end_of(int(t), timeframe) - 1 for t in opens], dtype=np.int64)


def decimals(info: Instrument) -> tuple[int, int]:
    """Return the decimals of prices and amounts in answers: eight on spot, the instrument's own on futures."""
    return (8, 8) if info.kind == "spot" else (info.price_decimals, info.amount_decimals)


def text(value: float, places: int) -> str:
    """Return a number as Binance's text."""
    return f"{value:.{places}f}"


def levels_json(levels: FloatArray, info: Instrument) -> str:
    """Return price levels as JSON: ``[["4.00","431.00"]]``."""
    prices, amounts = decimals(info)
    columns: list[Column] = ['["', (levels[:, 0], prices), '","', (levels[:, 1], amounts), '"]']
    return rows_as_json(columns, len(levels)).decode()


def book_json(book: Book, info: Instrument) -> bytes:
    """Return the answer of ``depth``."""
    times = "" if info.kind == "spot" else f'"E":{book.time_ms},"T":{book.time_ms},'
    sides = f'"bids":{levels_json(book.bids, info)},"asks":{levels_json(book.asks, info)}'
    return f'{{"lastUpdateId":{book.update_id},{times}{sides}}}'.encode()


def agg_trades_json(trades: Trades, info: Instrument) -> bytes:
    """Return the answer of ``aggTrades``: each trade an aggregate of itself."""
    prices, amounts = decimals(info)
    ids = (trades.ids, 0)
    columns: list[Column] = [
        '{"a":', ids, ',"p":"', (trades.prices, prices), '","q":"', (trades.amounts, amounts),
        '","f":', ids, ',"l":', ids, ',"T":', (trades.times, 0), ',"m":', trades.buyer_maker,
        ',"M":true}' if info.kind == "spot" else "}",
    ]  # fmt: skip
    return rows_as_json(columns, len(trades))


def public_trades_json(trades: Trades, info: Instrument) -> bytes:
    """Return the answer of ``trades``."""
    prices, amounts = decimals(info)
    columns: list[Column] = [
        '{"id":', (trades.ids, 0), ',"price":"', (trades.prices, prices), '","qty":"', (trades.amounts, amounts),
        '","quoteQty":"', (trades.prices * trades.amounts, 8), '","time":', (trades.times, 0),
        ',"isBuyerMaker":', trades.buyer_maker, ',"isBestMatch":true}' if info.kind == "spot" else "}",
    ]  # fmt: skip
    return rows_as_json(columns, len(trades))


def ticker_24h(quote: Quote, info: Instrument) -> dict[str, Any]:
    """Return the answer of ``ticker/24hr``."""
    prices, amounts = decimals(info)
    change = quote.last - quote.open
    mean = quote.quote_volume / quote.volume if quote.volume else quote.last
    top = {
        "symbol": info.id,
        "priceChange": text(change, prices),
        "priceChangePercent": text(100 * change / quote.open, 3),
        "weightedAvgPrice": text(mean, prices),
    }
    best = {
        "prevClosePrice": text(quote.open, prices),
        "lastPrice": text(quote.last, prices),
        "lastQty": text(quote.bid[1], amounts),
        "bidPrice": text(quote.bid[0], prices),
        "bidQty": text(quote.bid[1], amounts),
        "askPrice": text(quote.ask[0], prices),
        "askQty": text(quote.ask[1], amounts),
    }
    if info.kind != "spot":
        best = {k: best[k] for k in ("lastPrice", "lastQty")}
    return {
        **top,
        **best,
        "openPrice": text(quote.open, prices),
        "highPrice": text(quote.high, prices),
        "lowPrice": text(quote.low, prices),
        "volume": text(quote.volume, amounts),
        "quoteVolume": text(quote.quote_volume, 8 if info.kind == "spot" else prices),
        "openTime": quote.open_ms,
        "closeTime": quote.close_ms,
        "firstId": quote.first_id,
        "lastId": quote.last_id,
        "count": quote.last_id - quote.first_id + 1,
    }


def book_ticker(book: Book, info: Instrument) -> dict[str, Any]:
    """Return the answer of ``ticker/bookTicker``."""
    prices, amounts = decimals(info)
    answer: dict[str, Any] = {
        "symbol": info.id,
        "bidPrice": text(book.bids[0, 0], prices),
        "bidQty": text(book.bids[0, 1], amounts),
        "askPrice": text(book.asks[0, 0], prices),
        "askQty": text(book.asks[0, 1], amounts),
    }
    return answer if info.kind == "spot" else {**answer, "time": book.time_ms, "lastUpdateId": book.update_id}


def mark_price(market: ReplayMarket, info: Instrument, now_ms: int) -> dict[str, Any]:
    """Return the answer of ``premiumIndex``."""
    lowest = market.timeframe(info.symbol)
    mark, index = (market.partial(info.symbol, lowest, now_ms, kind) for kind in ("mark", "index"))
    due = (now_ms // FUNDING_MS + 1) * FUNDING_MS
    rates = market.funding(info.symbol, due - FUNDING_MS, due)
    return {
        "symbol": info.id,
        "markPrice": text(float("nan") if mark is None else mark[4], 8),
        "indexPrice": text(float("nan") if index is None else index[4], 8),
        "estimatedSettlePrice": text(float("nan") if index is None else index[4], 8),
        "lastFundingRate": text(rates[-1, 1] if len(rates) else 0.0, 8),
        "interestRate": "0.00010000",
        "nextFundingTime": due,
        "time": now_ms,
    }


def exchange_info(instruments: list[Instrument], kind: str, now_ms: int) -> dict[str, Any]:
    """Return the answer of ``exchangeInfo``."""
    minute = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
    if kind == "spot":
        limits: list[dict[str, Any]] = [
            {**minute, "limit": 6000},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
        ]
        head: dict[str, Any] = {"timezone": "UTC", "serverTime": now_ms, "rateLimits": limits, "exchangeFilters": []}
        return {**head, "symbols": [_spot_symbol(i, now_ms) for i in instruments]}
    head = {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED" if kind == "swap" else "COIN_MARGINED",
        "rateLimits": [{**minute, "limit": 2400}],
        "exchangeFilters": [],
        "assets": [],
    }
    if kind == "swap":
        quotes = sorted({i.quote for i in instruments})
        head["assets"] = [{"asset": q, "marginAvailable": True, "autoAssetExchange": "-10000"} for q in quotes]
    return {**head, "symbols": [_swap_symbol(i, now_ms) for i in instruments]}


def _status(info: Instrument, now_ms: int) -> str:
    ended = info.end_ms is not None and info.end_ms <= now_ms
    return ("BREAK" if info.kind == "spot" else "SETTLING") if ended else "TRADING"


def _spot_symbol(info: Instrument, now_ms: int) -> dict[str, Any]:
    tick, step = text(info.price_tick, 8), text(info.amount_step, 8)
    return {
        "symbol": info.id,
        "status": _status(info, now_ms),
        "baseAsset": info.base,
        "baseAssetPrecision": 8,
        "quoteAsset": info.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000.00000000", "stepSize": step},
            {"filterType": "MIN_NOTIONAL", "minNotional": "5.00000000", "applyToMarket": True, "avgPriceMins": 5},
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def _swap_symbol(info: Instrument, now_ms: int) -> dict[str, Any]:
    tick, step = text(info.price_tick, info.price_decimals), text(info.amount_step, info.amount_decimals)
    return {
        "symbol": info.id,
        "pair": info.id,
        "contractType": "PERPETUAL",
        "deliveryDate": _FOREVER_MS if info.end_ms is None else info.end_ms,
        "onboardDate": info.listed_ms,
        "status": _status(info, now_ms),
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": info.base,
        "quoteAsset": info.quote,
        "marginAsset": info.quote,
        "pricePrecision": info.price_decimals,
        "quantityPrecision": info.amount_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012000",
        "marketTakeBound": "0.30",
        "filters": [
            {"minPrice": tick, "maxPrice": "1000000", "filterType": "PRICE_FILTER", "tickSize": tick},
            {"stepSize": step, "filterType": "LOT_SIZE", "maxQty": "1000000", "minQty": step},
            {"stepSize": step, "filterType": "MARKET_LOT_SIZE", "maxQty": "1000000", "minQty": step},
            {"limit": 200, "filterType": "MAX_NUM_ORDERS"},
            {"notional": "5", "filterType": "MIN_NOTIONAL"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _quoted(values: FloatArray, places: int) -> list[Column]:
    """Return columns of text fields, each after a comma."""
    found: list[Column] = []
    for i in range(values.shape[1]):
        found += [',"' if i == 0 else '","', (values[:, i], places)]
    return [*found, '"']
