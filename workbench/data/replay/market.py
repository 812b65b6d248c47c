"""The market behind the replay venue: bars at every length, trades, books, tickers, funding and open interest."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal

import numpy as np

from workbench.config import did_you_mean
from workbench.data.replay.book import SLOT_MS, Book, Quote, book_at, hashed
from workbench.data.replay.feeds import Feed
from workbench.data.replay.grid import DAY, HOUR, aggregate, end_of, length_ms, open_of, quantized
from workbench.data.replay.instrument import Instrument, instrument_of
from workbench.data.replay.trades import Trades, bar_of_trades, joined, trades_of_bar, trades_per_bar
from workbench.errors import DataError
from workbench.typing import FloatArray

FUNDING_MS = 8 * HOUR
PriceKind = Literal["last", "mark", "index"]
_PATHS_KEPT = 1024


class ReplayMarket:
    """What is traded and how, at all times: a function of its feeds and seed alone, without a clock.

    Times are milliseconds since 1970 UTC. Methods that take ``now_ms`` tell what is known then.

    Parameters
    ----------
    feeds : mapping of symbol to Feed
        Lowest bars; ``BTC/USDT`` is spot, ``BTC/USDT:USDT`` its perpetual.
    seed : int
        Of trades, books and funding.
    source : str
        Words for the status page.
    """

    def __init__(self, feeds: Mapping[str, Feed], seed: int = 7, source: str = "") -> None:
        if not feeds:
            raise DataError("a replay market needs at least one symbol")
        self.source, self.seed = source, seed
        self._feeds = dict(feeds)
        self._instruments = {s: instrument_of(s, f) for s, f in self._feeds.items()}
        self._paths: OrderedDict[tuple[str, int], Trades] = OrderedDict()
        self._lock = threading.Lock()
        self._hours: dict[tuple[str, int], FloatArray] = {}
        self._lots: dict[str, int] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols, spot and perpetuals."""
        return tuple(self._feeds)

    def instrument(self, symbol: str) -> Instrument:
        """Return what is known of a symbol; `DataError` with close matches where there is none."""
        found = self._instruments.get(symbol)
        if found is None:
            raise DataError(f"the replay venue has no symbol {symbol!r}.{did_you_mean(symbol, self._feeds)}")
        return found

    def timeframe(self, symbol: str) -> str:
        """Return the lowest bar length of a symbol."""
        return self._feeds[self.instrument(symbol).symbol].timeframe

    def bars(self, symbol: str, timeframe: str, start_ms: int, end_ms: int, price: PriceKind = "last") -> FloatArray:
        """Return whole bars that open in [start_ms, end_ms), as they are once they have ended.

        Returns
        -------
        ndarray of shape (n, 6)
            Open time in milliseconds, open, high, low, close, volume; mark and index prices have no volume.
        """
        if price != "last":
            return self._reference_bars(symbol, timeframe, start_ms, end_ms, price)
        feed = self._feeds[self.instrument(symbol).symbol]
        step, length = length_ms(feed.timeframe), length_ms(timeframe)
        start_ms = max(start_ms, open_of(feed.first_ms, timeframe))
        if feed.end_ms is not None:
            end_ms = min(end_ms, feed.end_ms)
        if start_ms >= end_ms:
            return np.empty((0, 6))
        if length == step:
            return feed.bars(start_ms, end_ms)
        if length < step or length % step:
            raise DataError(f"{symbol} is held at {feed.timeframe}; the replay venue has no {timeframe} bars of it")
        first = open_of(start_ms, timeframe)
        first = first if first >= start_ms else end_of(first, timeframe)
        last = end_of(open_of(end_ms - 1, timeframe), timeframe)
        if first >= last:
            return np.empty((0, 6))
        hourly = length % HOUR == 0 and step < HOUR
        rows = self._hourly(symbol, first, last) if hourly else feed.bars(first, last)
        return aggregate(rows, timeframe, feed.amount_decimals)

    def seen(
        self, symbol: str, timeframe: str, start_ms: int, end_ms: int, now_ms: int, price: PriceKind = "last"
    ) -> FloatArray:
        """Return bars that open in [start_ms, end_ms) and have opened by now; the one under way as far as it is."""
        rows = self.bars(symbol, timeframe, start_ms, min(end_ms, now_ms + 1), price)
        if len(rows) == 0 or end_of(int(rows[-1, 0]), timeframe) <= now_ms:
            return rows
        part = self.partial(symbol, timeframe, now_ms, price)
        return rows[:-1] if part is None else np.vstack([rows[:-1], part])

    def partial(self, symbol: str, timeframe: str, now_ms: int, price: PriceKind = "last") -> FloatArray | None:
        """Return the bar under way as far as it is, (6,), or ``None`` where none has opened."""
        if price != "last":
            return self._reference_partial(symbol, timeframe, now_ms, price)
        feed = self._feeds[self.instrument(symbol).symbol]
        begin = open_of(now_ms, timeframe)
        lowest = open_of(now_ms, feed.timeframe)
        own = self._under_way(symbol, lowest, now_ms)
        if begin == lowest:
            return own
        hour = max(begin, now_ms // HOUR * HOUR) if length_ms(feed.timeframe) < HOUR else begin
        rows = [self.bars(symbol, feed.timeframe, hour, lowest)]
        if hour > begin:  # whole hours are kept; only the one under way is made of its lowest bars
            rows.insert(0, self.bars(symbol, "1h", begin, hour))
        if own is not None:
            rows.append(own[None])
        joint = np.concatenate(rows)
        return aggregate(joint, timeframe, feed.amount_decimals)[-1] if len(joint) else None

    def _under_way(self, symbol: str, open_ms: int, now_ms: int) -> FloatArray | None:
        """Return the lowest bar that opens at a time as far as it is by now: (6,)."""
        feed = self._feeds[symbol]
        whole = feed.bars(open_ms, open_ms + 1)
        if not len(whole):
            return None
        path = self._path(symbol, whole[0])
        done = path.take(slice(0, int(np.searchsorted(path.times, now_ms, side="right"))))
        if len(done):
            return bar_of_trades(done, open_ms, feed.amount_decimals)
        opening = float(whole[0, 1])
        return np.array([open_ms, opening, opening, opening, opening, 0.0])

    def trades(self, symbol: str, start_ms: int, end_ms: int) -> Trades:
        """Return trades with start_ms <= time < end_ms."""
        lowest = self.timeframe(symbol)
        rows = self.bars(symbol, lowest, open_of(start_ms, lowest), end_ms)
        made = joined([self._path(symbol, row) for row in rows])
        return made.take((made.times >= start_ms) & (made.times < end_ms))

    def trades_from(self, symbol: str, first_id: int, limit: int, now_ms: int) -> Trades:
        """Return the next trades from an id on, as many as ``limit``, up to now."""
        step = length_ms(self.timeframe(symbol))
        start = max(first_id // trades_per_bar(step) * step, self.instrument(symbol).listed_ms)
        made = self.trades(symbol, start, min(now_ms + 1, start + step * (limit // trades_per_bar(step) + 2)))
        return made.take(made.ids >= first_id).take(slice(0, limit))

    def last_trades(self, symbol: str, now_ms: int, limit: int) -> Trades:
        """Return the newest trades up to now, as many as ``limit``."""
        step = length_ms(self.timeframe(symbol))
        span = step * (limit // trades_per_bar(step) + 2)
        return self.trades(symbol, now_ms - span, now_ms + 1).take(slice(-limit, None))

    def last_price(self, symbol: str, now_ms: int) -> float:
        """Return the last price at a time; NaN before the listing."""
        lowest = self.timeframe(symbol)
        rows = self.seen(symbol, lowest, now_ms - 10 * length_ms(lowest), now_ms + 1, now_ms)
        if len(rows):
            return float(rows[-1, 4])
        ended = self.instrument(symbol).end_ms
        return self.last_price(symbol, ended - 1) if ended is not None and now_ms >= ended else float("nan")

    def book(self, symbol: str, now_ms: int, depth: int = 1000) -> Book:
        """Return the order book: it changes ten times a second and lies around the last price."""
        info = self.instrument(symbol)
        if now_ms < info.listed_ms:
            raise DataError(f"{symbol} is not listed yet")
        known = max(now_ms // SLOT_MS * SLOT_MS, info.listed_ms)  # one slot, one book
        last = round(self.last_price(symbol, known) * 10**info.price_decimals)
        return book_at(
            last, now_ms, depth, (self.seed, _crc(symbol)), self._typical_lots(symbol), info.price_decimals,
            info.amount_decimals,
        )  # fmt: skip

    def ticker(self, symbol: str, now_ms: int) -> Quote:
        """Return the last 24 hours: open, high, low, last, volumes, best bid and ask, first and last trade."""
        lowest = self.timeframe(symbol)
        begin = open_of(now_ms - DAY, lowest) + length_ms(lowest)
        rows = self.seen(symbol, lowest, begin, now_ms + 1, now_ms)
        book = self.book(symbol, now_ms, 1)
        per_bar = trades_per_bar(length_ms(lowest))
        if len(rows) == 0:
            price = self.last_price(symbol, now_ms)
            rows = np.array([[begin, price, price, price, price, 0.0]])
        info = self.instrument(symbol)
        volume = round(float(rows[:, 5].sum()), info.amount_decimals)
        return Quote(
            symbol=symbol,
            open_ms=now_ms - DAY,
            close_ms=now_ms,
            open=float(rows[0, 1]),
            high=float(rows[:, 2].max()),
            low=float(rows[:, 3].min()),
            last=float(rows[-1, 4]),
            volume=volume,
            quote_volume=float((rows[:, 5] * rows[:, 1:5].mean(axis=1)).sum()),
            bid=tuple(book.bids[0]),
            ask=tuple(book.asks[0]),
            first_id=int(rows[0, 0]) // length_ms(lowest) * per_bar,
            last_id=int(rows[-1, 0]) // length_ms(lowest) * per_bar + per_bar - 1,
        )

    def funding(self, symbol: str, start_ms: int, end_ms: int) -> FloatArray:
        """Return funding of a perpetual each 8 hours in [start_ms, end_ms): (n, 3), time, rate, mark price."""
        info = self.instrument(symbol)
        first = -(-max(start_ms, info.listed_ms) // FUNDING_MS) * FUNDING_MS
        end_ms = end_ms if info.end_ms is None else min(end_ms, info.end_ms)
        times = np.arange(first, max(first, end_ms), FUNDING_MS, dtype=np.int64)
        draws = hashed(times // FUNDING_MS, self.seed, _crc(symbol)) / 2.0**64
        rates = np.round(1e-4 + 4e-4 * (draws - 0.5), 8)
        lowest = self.timeframe(symbol)
        marks = [self.bars(symbol, lowest, open_of(int(t), lowest), int(t) + 1, "mark") for t in times]
        return np.array([[t, r, m[0, 1]] for t, r, m in zip(times, rates, marks, strict=True) if len(m)]).reshape(-1, 3)

    def open_interest(self, symbol: str, step_ms: int, start_ms: int, end_ms: int) -> FloatArray:
        """Return open interest of a perpetual at each step in [start_ms, end_ms): (n, 3), time, amount, value."""
        info = self.instrument(symbol)
        first = -(-max(start_ms, info.listed_ms) // step_ms) * step_ms
        times = np.arange(first, max(first, end_ms), step_ms, dtype=np.int64)
        level = 5000.0 * self._typical_lots(symbol) / 10**info.amount_decimals
        amounts = quantized(
            level * (1 + 0.3 * np.sin(times / (9 * DAY)) + 0.05 * np.sin(times / HOUR)), info.amount_decimals
        )
        prices = np.array([self.last_price(symbol, int(t)) for t in times])
        return np.column_stack([times, amounts, amounts * prices])

    def _reference_bars(self, symbol: str, timeframe: str, start_ms: int, end_ms: int, price: PriceKind) -> FloatArray:
        own = self.bars(symbol, timeframe, start_ms, end_ms)
        index = self._index_symbol(symbol)
        if index == symbol or len(own) == 0:
            return _without_volume(own)
        other = self.bars(index, timeframe, start_ms, end_ms)
        return _without_volume(other if price == "index" else _between(own, other))

    def _reference_partial(self, symbol: str, timeframe: str, now_ms: int, price: PriceKind) -> FloatArray | None:
        own = self.partial(symbol, timeframe, now_ms)
        index = self._index_symbol(symbol)
        other = own if index == symbol else self.partial(index, timeframe, now_ms)
        if own is None or other is None:
            return None
        rows = _without_volume(other[None] if price == "index" else _between(own[None], other[None]))
        return rows[0]

    def _index_symbol(self, symbol: str) -> str:
        spot = symbol.partition(":")[0]
        return spot if spot in self._feeds else symbol

    def _hourly(self, symbol: str, start_ms: int, end_ms: int) -> FloatArray:
        """Return hourly bars of whole days, kept: 1 kB a day, so long spans of high bars cost their days only once."""
        feed = self._feeds[symbol]
        days = []
        for day in range(start_ms // DAY, (end_ms - 1) // DAY + 1):
            rows = self._hours.get((symbol, day))
            if rows is None:
                rows = aggregate(feed.bars(day * DAY, (day + 1) * DAY), "1h", feed.amount_decimals)
                self._hours[symbol, day] = rows
            days.append(rows)
        rows = np.concatenate(days)
        return rows[(rows[:, 0] >= start_ms) & (rows[:, 0] < end_ms)]

    def _path(self, symbol: str, row: FloatArray) -> Trades:
        key = (symbol, int(row[0]))
        with self._lock:
            path = self._paths.pop(key, None)
            if path is None:
                info = self._instruments[symbol]
                step = length_ms(self._feeds[symbol].timeframe)
                path = trades_of_bar(row, step, info.price_decimals, info.amount_decimals, (self.seed, _crc(symbol)))
            self._paths[key] = path
            if len(self._paths) > _PATHS_KEPT:
                self._paths.popitem(last=False)
            return path

    def _typical_lots(self, symbol: str) -> int:
        if symbol not in self._lots:
            feed = self._feeds[symbol]
            step = length_ms(feed.timeframe)
            rows = feed.bars(feed.first_ms, feed.first_ms + 500 * step)
            mean = float(rows[:, 5].mean()) if len(rows) else 0.0
            self._lots[symbol] = max(1, round(mean * 10**feed.amount_decimals / trades_per_bar(step)))
        return self._lots[symbol]


def _between(own: FloatArray, other: FloatArray) -> FloatArray:
    """Return the middle of two series at the times that both have."""
    _, mine, its = np.intersect1d(own[:, 0], other[:, 0], assume_unique=True, return_indices=True)
    own, other = own[mine], other[its]
    return np.column_stack([own[:, 0], np.round((own[:, 1:5] + other[:, 1:5]) / 2, 8), own[:, 5]])


def _without_volume(rows: FloatArray) -> FloatArray:
    return np.column_stack([rows[:, :5], np.zeros(len(rows))])


def _crc(symbol: str) -> int:
    return zlib.crc32(symbol.encode())
