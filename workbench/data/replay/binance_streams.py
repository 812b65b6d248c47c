"""Binance's WebSocket streams: each says what has come to be since it last spoke."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from workbench.data.replay.binance_said import best_said, mark_said, mini_said, ticker_said, top_said
from workbench.data.replay.binance_shapes import (
    decimals,
    levels_json,
    text,
    turnover,
)
from workbench.data.replay.book import SLOT_MS, Book, changed
from workbench.data.replay.grid import end_of, length_ms, open_of
from workbench.data.replay.market import Instrument, ReplayMarket
from workbench.data.replay.trades import trades_per_bar
from workbench.typing import FloatArray

_DEPTH = 1000
_MOST_STEPS = 60
_BAR_EVERY_MS = {"spot": 1000, "swap": 250}


class Stream(ABC):
    """One subscribed stream: `due` yields the messages between its last time and now, as JSON text.

    ``told_ms`` is what the host's clock shows, the event time; ``now_ms`` what is.
    """

    def __init__(self, market: ReplayMarket, info: Instrument) -> None:
        self.market, self.info = market, info

    @abstractmethod
    def due(self, now_ms: int, told_ms: int) -> Iterator[str]:
        """Yield messages."""


class BarStream(Stream):
    """``kline_1m``: every bar that has ended, as it ended, then the one under way when it has changed."""

    def __init__(self, market: ReplayMarket, info: Instrument, interval: str) -> None:
        super().__init__(market, info)
        self.interval = interval
        self._next_open: int | None = None
        self._said_ms = 0
        self._said: FloatArray | None = None

    def due(self, now_ms: int, told_ms: int) -> Iterator[str]:
        """Yield messages."""
        under_way = open_of(now_ms, self.interval)
        if self._next_open is None:
            self._next_open = under_way
        if under_way > self._next_open:
            for row in self.market.bars(self.info.symbol, self.interval, self._next_open, under_way):
                yield self._message(row, told_ms, final=True)
            self._next_open, self._said = under_way, None
        if self._said is None or now_ms - self._said_ms >= _BAR_EVERY_MS[self.info.kind]:
            row = self.market.partial(self.info.symbol, self.interval, now_ms)
            if row is not None and (self._said is None or not np.array_equal(row, self._said)):
                self._said, self._said_ms = row, now_ms
                yield self._message(row, told_ms, final=False)

    def _message(self, row: FloatArray, told_ms: int, *, final: bool) -> str:
        prices, amounts = decimals(self.info)
        opened = int(row[0])
        quote, bought, count = (v[0] for v in turnover(row[None], self.interval))
        step = length_ms(self.market.timeframe(self.info.symbol))
        first = opened // step * trades_per_bar(step)
        ended = end_of(opened, self.interval) - 1
        bar = {
            "t": opened, "T": ended, "s": self.info.id, "i": self.interval, "f": first, "L": first + int(count) - 1,
            "o": text(row[1], prices), "c": text(row[4], prices), "h": text(row[2], prices), "l": text(row[3], prices),
            "v": text(row[5], amounts), "n": int(count), "x": final, "q": text(quote, 8),
            "V": text(row[5] * bought, amounts), "Q": text(quote * bought, 8), "B": "0",
        }  # fmt: skip
        return _json({"e": "kline", "E": told_ms, "s": self.info.id, "k": bar})


class TradeStream(Stream):
    """``trade`` and ``aggTrade``: every trade once."""

    def __init__(self, market: ReplayMarket, info: Instrument, event: str) -> None:
        super().__init__(market, info)
        self.event = event
        self._after: int | None = None

    def due(self, now_ms: int, told_ms: int) -> Iterator[str]:
        """Yield messages."""
        if self._after is None:
            self._after = now_ms
        made = self.market.trades(self.info.symbol, self._after + 1, now_ms + 1)
        self._after = now_ms
        prices, amounts = decimals(self.info)
        spot = self.info.kind == "spot"
        for number, time, price, amount, maker in zip(
            made.ids.tolist(), made.times.tolist(), made.prices, made.amounts, made.buyer_maker.tolist(), strict=True
        ):
            ids = {"t": number} if self.event == "trade" else {"a": number}
            row = {"e": self.event, "E": told_ms, "s": self.info.id, **ids}
            row |= {"p": text(price, prices), "q": text(amount, amounts)}
            if self.event == "aggTrade":
                row |= {"f": number, "l": number}
            row |= {"T": time, "m": maker}
            if spot:
                row["M"] = True
            elif self.event == "trade":
                row["X"] = "MARKET"
            yield _json(row)


class DepthStream(Stream):
    """``depth@100ms``: all levels that changed since the last message; ids follow each other without a gap.

    The book is walked through each state that a snapshot may have shown meanwhile, so that a reader who starts from a
    snapshot in between is right too: a level may have changed and changed back.
    """

    def __init__(self, market: ReplayMarket, info: Instrument, every_ms: int, step_ms: Callable[[], int]) -> None:
        super().__init__(market, info)
        self.every_ms, self._step_ms = every_ms, step_ms
        self._book: Book | None = None

    def due(self, now_ms: int, told_ms: int) -> Iterator[str]:
        """Yield messages."""
        step = self._step_ms()
        until = now_ms // step * step
        if self._book is None:
            self._book = self.market.book(self.info.symbol, until, _DEPTH)
            return
        before = self._book
        if until - before.time_ms < self.every_ms:
            return
        self._book, (bids, asks) = self._walk(before, until, step)
        futures = "" if self.info.kind == "spot" else f'"T":{told_ms},'
        linked = "" if self.info.kind == "spot" else f'"pu":{before.update_id},'
        yield (
            f'{{"e":"depthUpdate","E":{told_ms},{futures}"s":"{self.info.id}","U":{before.update_id + 1},'
            f'"u":{self._book.update_id},{linked}"b":{bids},"a":{asks}}}'
        )

    def _walk(self, book: Book, until: int, step: int) -> tuple[Book, list[str]]:
        """Return the book at a time, and the levels of either side, as JSON, that changed on the way to it."""
        times = range(book.time_ms // step * step + step, until + 1, step)
        moved: tuple[dict[float, float], dict[float, float]] = ({}, {})
        for time in times if len(times) <= _MOST_STEPS else (until,):  # a clock that was set has shown nothing between
            after = self.market.book(self.info.symbol, time, _DEPTH)
            moved[0].update(changed(book.bids, after.bids).tolist())
            moved[1].update(changed(book.asks, after.asks).tolist())
            book = after
        return book, [levels_json(np.array(list(side.items())).reshape(-1, 2), self.info) for side in moved]


class EveryStream(Stream):
    """Streams that say the present state from time to time: tickers, best prices, the top of a book."""

    def __init__(
        self,
        market: ReplayMarket,
        info: Instrument,
        every_ms: int,
        say: Callable[[ReplayMarket, Instrument, int, int], Any],
    ) -> None:
        super().__init__(market, info)
        self.every_ms, self._say = every_ms, say
        self._said_ms: int | None = None

    def due(self, now_ms: int, told_ms: int) -> Iterator[str]:
        """Yield messages."""
        if self._said_ms is not None and now_ms - self._said_ms < self.every_ms:
            return
        self._said_ms = now_ms
        said = self._say(self.market, self.info, now_ms, told_ms)
        yield said if isinstance(said, str) else _json(said)


class AllStream(Stream):
    """``!ticker@arr`` and the like: one message with all instruments of the host."""

    def __init__(
        self, market: ReplayMarket, infos: list[Instrument], every_ms: int,
        say: Callable[[ReplayMarket, Instrument, int, int], Any],
    ) -> None:  # fmt: skip
        super().__init__(market, infos[0])
        self._infos, self.every_ms, self._say = infos, every_ms, say
        self._said_ms: int | None = None

    def due(self, now_ms: int, told_ms: int) -> Iterator[str]:
        """Yield messages."""
        if self._said_ms is not None and now_ms - self._said_ms < self.every_ms:
            return
        self._said_ms = now_ms
        yield _json([self._say(self.market, info, now_ms, told_ms) for info in self._infos])


def stream_named(
    name: str, market: ReplayMarket, infos: list[Instrument], step_ms: Callable[[], int] = lambda: SLOT_MS
) -> Stream | None:
    """Return the stream of a name such as ``btcusdt@kline_1m``; ``None`` where the host has none like it.

    Parameters
    ----------
    infos : list of Instrument
        Those of the host.
    step_ms : callable
        Gives the time between two states of the order books.
    """
    if not infos:
        return None
    if name.startswith("!"):
        return _stream_of_all(name, market, infos)
    ident, _, what = name.partition("@")
    info = next((i for i in infos if i.id.lower() == ident.lower()), None)
    if info is None:
        return None
    if match := re.fullmatch(r"kline_(\w+)", what):
        return _bar_stream(market, info, match[1])
    if what in ("trade", "aggTrade"):
        return TradeStream(market, info, what)
    if match := re.fullmatch(r"depth(?:@(\d+)ms)?", what):
        return DepthStream(market, info, int(match[1] or (1000 if info.kind == "spot" else 250)), step_ms)
    if match := re.fullmatch(r"depth(5|10|20)(?:@(\d+)ms)?", what):
        levels = int(match[1])
        return EveryStream(market, info, int(match[2] or 1000), lambda m, i, n, t: top_said(m, i, n, t, levels))
    if match := re.fullmatch(r"markPrice(?:@1s)?", what):
        return EveryStream(market, info, 1000 if "@" in what else 3000, mark_said)
    say = {"ticker": (1000, ticker_said), "miniTicker": (1000, mini_said), "bookTicker": (SLOT_MS, best_said)}.get(what)
    return None if say is None else EveryStream(market, info, *say)


def _bar_stream(market: ReplayMarket, info: Instrument, interval: str) -> Stream | None:
    from workbench.data.replay.binance import INTERVALS

    held = length_ms(market.timeframe(info.symbol))
    fits = interval in INTERVALS and length_ms(interval) % held == 0
    return BarStream(market, info, interval) if fits else None


def _stream_of_all(name: str, market: ReplayMarket, infos: list[Instrument]) -> Stream | None:
    if name.startswith("!markPrice@arr"):
        return AllStream(market, infos, 1000 if name.endswith("@1s") else 3000, mark_said)
    say = {"!ticker@arr": ticker_said, "!miniTicker@arr": mini_said}.get(name)
    return None if say is None else AllStream(market, infos, 1000, say)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
