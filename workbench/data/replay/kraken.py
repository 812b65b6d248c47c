"""Kraken's dialect: the REST answers of its public spot market, in the shapes that Kraken sends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.data.replay.calls import Call
from workbench.data.replay.channel import Channel
from workbench.data.replay.encoding import Column, rows_as_json
from workbench.data.replay.grid import DAY, end_of, length_ms
from workbench.data.replay.kraken_names import asset_of, pair_of, pairs_by_name
from workbench.data.replay.market import Instrument
from workbench.data.replay.server import ReplayServer, json_answer
from workbench.data.replay.trades import trades_per_bar
from workbench.errors import DataError
from workbench.typing import FloatArray

if TYPE_CHECKING:
    from aiohttp import web

INTERVALS = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d", 10080: "1w", 21600: "15d"}
"""Bar lengths by their minutes; what Kraken calls two weeks is 15 days."""

COMMITTED_BARS = 720
"""So many ended bars are kept, whatever is asked; the one under way comes on top."""

LOT_DECIMALS = 8
_PRICE_TEXT = 5
_MOST_TRADES = 1000
_MOST_LEVELS = 500
_TAKER_FEES = [[0, 0.4], [10000, 0.35], [50000, 0.24], [100000, 0.22], [250000, 0.2], [500000, 0.18], [1000000, 0.16]]
_MAKER_FEES = [[0, 0.25], [10000, 0.2], [50000, 0.14], [100000, 0.12], [250000, 0.1], [500000, 0.08], [1000000, 0.06]]


class KrakenError(Exception):
    """A refusal in Kraken's words, such as ``EQuery:Unknown asset pair``; it comes with status 200."""


def listed(venue: ReplayServer) -> dict[str, Instrument]:
    """Return the spot instruments that are traded now, by every name that Kraken takes for them."""
    now = venue.now_ms()
    known = (venue.market.instrument(symbol) for symbol in venue.market.symbols)
    return pairs_by_name(
        [i for i in known if i.kind == "spot" and i.listed_ms <= now and (i.end_ms is None or now < i.end_ms)]
    )


class Asked:
    """The parameters of one request, read as Kraken reads them."""

    def __init__(self, call: Call, venue: ReplayServer) -> None:
        self.params, self.venue, self.market = call.params, venue, venue.market
        self.now = venue.now_ms()
        self.told_now = venue.now_ms(call.host)

    def pairs(self) -> dict[str, Instrument]:
        """Return the pairs that are asked for, by id; all where none is named."""
        names = listed(self.venue)
        wanted = self.params.get("pair")
        chosen = set(names.values()) if not wanted else {self._named(names, one) for one in wanted.split(",")}
        return {pair_of(i).id: i for i in sorted(chosen, key=lambda i: pair_of(i).id)}

    def pair(self) -> tuple[str, Instrument]:
        """Return the one pair that is asked for."""
        if not self.params.get("pair"):
            raise KrakenError("EGeneral:Invalid arguments")
        return next(iter(self.pairs().items()))

    def whole(self, key: str, default: int) -> int:
        """Return a whole number."""
        try:
            return int(float(self.params.get(key) or default))
        except ValueError:
            raise KrakenError("EGeneral:Invalid arguments") from None

    @staticmethod
    def _named(names: dict[str, Instrument], name: str) -> Instrument:
        if name not in names:
            raise KrakenError("EQuery:Unknown asset pair")
        return names[name]


class Kraken:
    """Kraken spot: api.kraken.com and ws.kraken.com."""

    hosts = ("api.kraken.com", "ws.kraken.com")

    def __init__(self) -> None:
        self._routes: dict[str, Callable[[Asked], Any]] = {
            "/0/public/Time": server_time,
            "/0/public/SystemStatus": system_status,
            "/0/public/Assets": assets,
            "/0/public/AssetPairs": asset_pairs,
            "/0/public/OHLC": ohlc,
            "/0/public/Ticker": tickers,
            "/0/public/Depth": depth,
            "/0/public/Trades": trades,
        }

    async def handle_rest(self, call: Call, venue: ReplayServer) -> web.Response | None:
        """Answer a request in Kraken's words."""
        route = self._routes.get(call.path)
        if route is None:
            return json_answer({"error": ["EGeneral:Unknown method"]}) if call.path.startswith("/0/") else None
        try:
            result = route(Asked(call, venue))
        except KrakenError as err:
            return json_answer({"error": [str(err)]})
        except DataError:
            return json_answer({"error": ["EGeneral:Invalid arguments"]})
        return json_answer(result if isinstance(result, bytes) else {"error": [], "result": result})

    async def handle_socket(self, channel: Channel, venue: ReplayServer) -> None:
        """Hold the conversation of one socket (version 2 of Kraken's protocol)."""
        from workbench.data.replay.kraken_ws import converse

        await converse(channel, venue)


def server_time(asked: Asked) -> Any:
    """Answer the venue's clock."""
    seconds = asked.told_now // 1000
    told = datetime.fromtimestamp(seconds, UTC)
    return {"unixtime": seconds, "rfc1123": f"{told:%a}, {told.day:>2} {told:%b %y %H:%M:%S} +0000"}


def system_status(asked: Asked) -> Any:
    """Answer that the venue is online."""
    return {
        "status": "online",
        "timestamp": f"{datetime.fromtimestamp(asked.told_now // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def assets(asked: Asked) -> Any:
    """Answer the currencies of all listed pairs."""
    names = {name for i in asked.pairs().values() for name in (i.base, i.quote)}
    found = {}
    for asset in sorted((asset_of(name) for name in names), key=lambda a: a.id):
        places = {"decimals": 4, "display_decimals": 2} if asset.fiat else {"decimals": 10, "display_decimals": 5}
        found[asset.id] = {"aclass": "currency", "altname": asset.altname, **places, "status": "enabled"}
    return found


def asset_pairs(asked: Asked) -> Any:
    """Answer what is traded: names, decimals, fees and smallest orders."""
    found = {}
    for pair_id, info in asked.pairs().items():
        pair = pair_of(info)
        found[pair_id] = {
            "altname": pair.altname,
            "wsname": pair.wsname,
            "aclass_base": "currency",
            "base": pair.base,
            "aclass_quote": "currency",
            "quote": pair.quote,
            "lot": "unit",
            "cost_decimals": 5,
            "pair_decimals": info.price_decimals,
            "lot_decimals": LOT_DECIMALS,
            "lot_multiplier": 1,
            "leverage_buy": [],
            "leverage_sell": [],
            "fees": _TAKER_FEES,
            "fees_maker": _MAKER_FEES,
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": f"{info.amount_step:.{info.amount_decimals}f}",
            "costmin": "0.5",
            "tick_size": f"{info.price_tick:.{info.price_decimals}f}",
            "status": "online",
        }
    return found


def ohlc(asked: Asked) -> Any:
    """Answer the newest 720 ended bars and the one under way, those after ``since`` alone."""
    pair_id, info = asked.pair()
    timeframe = INTERVALS.get(asked.whole("interval", 1))
    if timeframe is None or length_ms(timeframe) % length_ms(asked.market.timeframe(info.symbol)):
        raise KrakenError("EGeneral:Invalid arguments")
    begin = asked.now - (COMMITTED_BARS + 2) * length_ms(timeframe)
    rows = asked.market.seen(info.symbol, timeframe, begin, asked.now + 1, asked.now)[-COMMITTED_BARS - 1 :]
    ended = rows[[end_of(int(t), timeframe) <= asked.now for t in rows[:, 0]]] if len(rows) else rows
    last = int(ended[-1, 0]) // 1000 if len(ended) else 0
    chosen = rows[rows[:, 0] > asked.whole("since", 0) * 1000]
    body = ohlc_json(chosen, timeframe, info.price_decimals)
    return b'{"error":[],"result":{"%s":%s,"last":%d}}' % (pair_id.encode(), body, last)


def ohlc_json(rows: FloatArray, timeframe: str, price_decimals: int) -> bytes:
    """Return bars as Kraken's arrays of eight: time, open, high, low, close, mean price, volume, count."""
    seconds = rows[:, 0].astype(np.int64) // 1000
    columns: list[Column] = ["[", (seconds, 0)]
    for field in (*(rows[:, i] for i in (1, 2, 3, 4)), mean_prices(rows)):
        columns += [',"', (field, price_decimals), '"']
    columns += [',"', (rows[:, 5], LOT_DECIMALS), '",', (trade_counts(rows, timeframe), 0), "]"]
    return rows_as_json(columns, len(rows))


def mean_prices(rows: FloatArray) -> FloatArray:
    """Return a mean price of each bar, 0 where nothing was traded, (n,)."""
    return np.where(rows[:, 5] > 0, rows[:, 1:5].mean(axis=1), 0.0)


def trade_counts(rows: FloatArray, timeframe: str) -> FloatArray:
    """Return the number of trades of each bar, (n,)."""
    return np.where(rows[:, 5] > 0, float(trades_per_bar(length_ms(timeframe))), 0.0)


def tickers(asked: Asked) -> Any:
    """Answer today's and the last 24 hours' statistics, of the pairs asked for or of all."""
    return {pair_id: _ticker(asked, info) for pair_id, info in asked.pairs().items()}


def _ticker(asked: Asked, info: Instrument) -> dict[str, Any]:
    quote = asked.market.ticker(info.symbol, asked.now)
    midnight = asked.now // DAY * DAY
    today = asked.market.seen(info.symbol, "1d", midnight, asked.now + 1, asked.now)
    open_, high, low, volume = today[0, [1, 2, 3, 5]] if len(today) else (quote.open, quote.last, quote.last, 0.0)
    done = asked.market.last_trades(info.symbol, asked.now, 1)
    price = _text(_PRICE_TEXT)
    lots = _text(LOT_DECIMALS)
    vwap = quote.quote_volume / quote.volume if quote.volume else quote.last
    count = (quote.last_id - quote.first_id + 1) * (asked.now - midnight) // DAY
    return {
        "a": [price(quote.ask[0]), str(max(1, int(quote.ask[1]))), f"{quote.ask[1]:.3f}"],
        "b": [price(quote.bid[0]), str(max(1, int(quote.bid[1]))), f"{quote.bid[1]:.3f}"],
        "c": [price(quote.last), lots(done.amounts[-1] if len(done) else 0.0)],
        "v": [lots(volume), lots(quote.volume)],
        "p": [price((open_ + high + low + quote.last) / 4), price(vwap)],
        "t": [int(count), quote.last_id - quote.first_id + 1],
        "l": [price(low), price(quote.low)],
        "h": [price(high), price(quote.high)],
        "o": price(open_),
    }


def depth(asked: Asked) -> Any:
    """Answer the order book: price, amount and time of each level."""
    pair_id, info = asked.pair()
    count = min(max(1, asked.whole("count", 100)), _MOST_LEVELS)
    book = asked.market.book(info.symbol, asked.now, count)
    price, lots, seconds = _text(_PRICE_TEXT), _text(3), asked.told_now // 1000
    if info.amount_decimals > 3:
        lots = _text(info.amount_decimals)
    sides = {"asks": book.asks, "bids": book.bids}
    return {pair_id: {side: [[price(p), lots(a), seconds] for p, a in levels] for side, levels in sides.items()}}


def trades(asked: Asked) -> Any:
    """Answer trades after ``since`` (seconds, or nanoseconds as in ``last``), oldest first; without it the newest."""
    pair_id, info = asked.pair()
    count = min(max(1, asked.whole("count", _MOST_TRADES)), _MOST_TRADES)
    if asked.params.get("since"):
        since = _since_ms(asked.params["since"])
        made = _trades_after(asked, info, since, count)
    else:
        made = asked.market.last_trades(info.symbol, asked.now, count)
    price, lots = _text(_PRICE_TEXT), _text(LOT_DECIMALS)
    rows = [
        [price(p), lots(a), int(t) / 1000, "s" if sold else "b", "m" if n % 3 else "l", "", int(n)]
        for p, a, t, sold, n in zip(made.prices, made.amounts, made.times, made.buyer_maker, made.ids, strict=True)
    ]
    newest = int(made.times[-1]) if len(made) else asked.now
    return {pair_id: rows, "last": str(newest * 1_000_000)}


def _since_ms(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        raise KrakenError("EGeneral:Invalid arguments:since") from None
    return int(text) // 1_000_000 if value > 1e12 else int(value * 1000)


def _trades_after(asked: Asked, info: Instrument, since: int, count: int) -> Any:
    """Return the first trades after a time, however far apart they lie: the span grows until it holds them."""
    span = length_ms(asked.market.timeframe(info.symbol)) * (count // 8 + 2)
    start = max(since + 1, info.listed_ms)
    while True:
        stop = min(asked.now, start + span) + 1
        made = asked.market.trades(info.symbol, start, stop)
        if len(made) >= count or stop > asked.now:
            return made.take(slice(0, count))
        span *= 4


def _text(decimals: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{decimals}f}"
