"""A venue through ccxt: our vocabulary on one side, an unmodified ccxt exchange on the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.data.timeframes import canonical_timeframe, timeframe_delta
from workbench.data.venues.answers import BadAnswerError, BadRowError, HistoryError
from workbench.data.venues.catalogue import VenueInfo
from workbench.data.venues.clock import Clock
from workbench.data.venues.guard import Guard, state_name
from workbench.data.venues.hooks import guarded_exchange, in_shape
from workbench.data.venues.keys import Keys
from workbench.data.venues.records import (
    base_units,
    book_of,
    funding_frame,
    interest_frame,
    market_of,
    ticker_of,
    trades_frame,
)
from workbench.data.venues.retries import DEADLINE_S
from workbench.data.venues.rows import FORMATS, RefusedBar, RowFormat, raw_rows, read_rows, shown, sift
from workbench.data.venues.skew import ask_dated, measure_skew, read_skew
from workbench.data.venues.transport import ANSWER_S
from workbench.data.venues.vocabulary import Market, OrderBook, Ticker
from workbench.errors import ConfigError, DataError, WorkbenchError
from workbench.typing import FloatArray

T = TypeVar("T")

PRICES = ("trade", "mark", "index")
"""What bars are made of: trades, the mark price or the index price of a perpetual."""
AHEAD_MS = 2_000.0
"""Venue and machine may differ so much before a bar counts as one of the future and the skew is measured."""
_HOUR_MS = 3_600_000
"""Venues tell funding rates once an hour at most."""
SKEW_KEPT_S = 3600.0
"""A measured skew is trusted for so long before a bar of the future makes it be measured again."""


class CcxtVenue:
    """One venue of the catalogue, asked through ccxt; it is the `Venue` of the vocabulary.

    Parameters
    ----------
    info : VenueInfo
        Row of the catalogue.
    folder : path
        Where bans, budget and breaker lie, shared by all processes: ``settings.data_dir / "venues"``.
    clock : Clock
        Tells what bars can exist, and is slept on.
    rng : numpy.random.Generator
        Draws the jitter of retries.
    at : str
        Base address of a replay venue; empty = the venue itself.
    keys : Keys, optional
        For what public data do not need.
    verify : bool
        Certificates are always checked: False is refused.
    """

    def __init__(
        self,
        info: VenueInfo,
        *,
        folder: Path,
        clock: Clock,
        rng: np.random.Generator,
        at: str = "",
        keys: Keys | None = None,
        deadline_s: float = DEADLINE_S,
        answer_s: float = ANSWER_S,
        verify: bool = True,
    ) -> None:
        if not verify:
            raise ConfigError(f"certificates of {info.name} are always checked; verify=False is not possible")
        self.info, self.name, self.at, self.clock, self.folder = info, info.name, at, clock, Path(folder)
        self.keys = keys or Keys()
        self.guard = Guard(
            state_name(info.name, at), self.folder, clock, rng, deadline_s=deadline_s, hide=self.keys.hide
        )
        self.refused: list[tuple[str, str, RefusedBar]] = []
        self.exchange, self._answer = guarded_exchange(
            info, self.guard, clock, at=at, keys=self.keys, answer_s=answer_s
        )
        self._markets: dict[str, Market] | None = None
        self._timeframes = _shared_timeframes(self.exchange.timeframes, weeks=info.weeks_from_monday)

    def __repr__(self) -> str:
        return f"CcxtVenue({self.guard.venue!r})"

    def timeframes(self) -> tuple[str, ...]:
        """Return the bar lengths that the venue has, shortest first."""
        return self._timeframes

    def page_limit(self, timeframe: str) -> int:
        """Return the most bars that one request brings."""
        self._known_timeframe(timeframe)
        return self.info.bars_per_page

    def markets(self) -> dict[str, Market]:
        """Return all markets by symbol; asked once, then kept."""
        if self._markets is None:
            loaded = self.ask(self.exchange.load_markets)
            kinds = {s: m for s, m in loaded.items() if m.get("type") in self.info.kinds}
            if not kinds:
                raise BadAnswerError(f"{self.name} listed no markets; ask again later")
            self._markets = in_shape(lambda: {s: market_of(m) for s, m in kinds.items()})
        return self._markets

    def fetch_bars(self, symbol: str, timeframe: str, since_ms: int, limit: int, *, price: str = "trade") -> FloatArray:
        """Return one page of bars from ``since_ms`` on, oldest first, the unclosed one included; one request.

        A page with an impossible bar is asked for again; when the bar comes again it is left out of the page, named in
        the log and in ``refused``, and so becomes a gap. An answer that is no page is a `BadAnswerError` in the end.

        Parameters
        ----------
        price : str
            ``trade``; ``mark`` or ``index`` for the mark and index price of a perpetual, whose volume is 0.

        Returns
        -------
        ndarray, float64, of shape (n_bars, 6)
            Open time in milliseconds, open, high, low, close, volume.

        Raises
        ------
        HistoryError
            When the venue no longer has bars that old (Kraken).
        """
        timeframe = self._known_timeframe(timeframe)
        self._known_price(price)
        self._known_symbol(symbol)
        step = int(timeframe_delta(timeframe).total_seconds() * 1000)
        self._still_kept(symbol, timeframe, since_ms, step)
        most = self.info.bars_per_page if price == "trade" else self.info.mark_per_page
        limit = max(1, min(int(limit), most))
        page = _Page(self, symbol, timeframe, int(since_ms), limit, step, price)
        try:
            bars = self.ask(page.fetch)
        except _AheadError:
            measure_skew(self, warn=not self.at)
            bars = self.ask(page.fetch)
        for bar in page.refused:
            self._report(symbol, timeframe, bar)
        return bars[:limit]

    def fetch_trades(self, symbol: str, since_ms: int, limit: int) -> pd.DataFrame:
        """Return one page of public trades: index ``time``, columns id, price, amount, side (``buy``: the taker).

        Where ``info.trades_history`` is False the venue has its latest trades only, whatever ``since_ms`` says.
        """
        self._known_symbol(symbol)
        spot = self.info.spot_trades_per_page if self.markets()[symbol].kind == "spot" else 0
        limit = max(1, min(int(limit), spot or self.info.trades_per_page))
        size = base_units(self.exchange.markets[symbol])
        read = lambda: self.exchange.fetch_trades(symbol, int(since_ms), limit)  # noqa: E731
        frame = lambda rows, latest: trades_frame(rows, symbol, since_ms=since_ms, latest_ms=latest)  # noqa: E731
        trades = ask_dated(self, read, frame).iloc[:limit]
        return trades.assign(amount=size(trades["amount"], trades["price"]))

    def fetch_funding(self, symbol: str, since_ms: int, limit: int) -> pd.DataFrame:
        """Return one page of funding rates of a perpetual: index ``time``, columns rate (fraction), mark_price."""
        self._perpetual(symbol, "funding")
        most, wanted = self.info.funding_per_page, max(1, int(limit))
        limit, pages, before = min(wanted, most), [], 0
        while True:
            n_rows, page = self._funding(symbol, int(since_ms), limit, before)
            pages.append(page)
            if not self.info.newest_first or n_rows < limit or len(page) == 0:
                break
            before, limit = int(page.index[0].timestamp() * 1000), most  # full: older ones may have been cut off
            if before - since_ms < _HOUR_MS:
                break
        return pd.concat(pages[::-1]).iloc[:wanted]

    def _funding(self, symbol: str, since_ms: int, limit: int, before: int) -> tuple[int, pd.DataFrame]:
        """Return the number of rows that came, and the rates; ``before`` above 0: only older ones than that."""
        until = {"okx": {"after": before}}.get(self.exchange.id, {"until": before - 1}) if before else {}
        read = lambda: self.exchange.fetch_funding_rate_history(symbol, since_ms, limit, until)  # noqa: E731

        def frame(rows: list[Any], latest: float) -> tuple[int, pd.DataFrame]:
            return len(rows), funding_frame(rows, symbol, since_ms=since_ms, latest_ms=latest)

        n_rows, page = ask_dated(self, read, frame)
        return n_rows, page[page.index < pd.Timestamp(before, unit="ms", tz="UTC")] if before else page

    def fetch_open_interest(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> pd.DataFrame:
        """Return one page of open interest: index ``time``, columns amount (base units), value (quote units)."""
        self._perpetual(symbol, "open_interest")
        timeframe = canonical_timeframe(timeframe)
        self.info.check_open_interest(timeframe)
        step = int(timeframe_delta(timeframe).total_seconds() * 1000)
        self._interest_kept(symbol, timeframe, since_ms, step)
        limit = max(1, min(int(limit), self.info.open_interest_per_page))
        # Without an end ccxt asks for one value more than the limit, and venues that tell the newest drop the first.
        until = {"until": int(since_ms) + limit * step - 1}
        read = lambda: self.exchange.fetch_open_interest_history(  # noqa: E731
            symbol, timeframe, int(since_ms), limit, until
        )
        frame = lambda rows, latest: interest_frame(rows, symbol, since_ms=since_ms, latest_ms=latest)  # noqa: E731
        return ask_dated(self, read, frame).iloc[:limit]

    def window_ms(self, kind: str, symbol: str, timeframe: str = "") -> int:
        """Return how much time one request for records covers, 0 where the venue goes on to the next one by itself.

        Parameters
        ----------
        kind : str
            ``trades``, ``funding`` or ``open_interest``; an empty answer about a window says nothing of later ones.
        """
        if kind == "open_interest":
            return self.info.open_interest_per_page * int(timeframe_delta(timeframe).total_seconds() * 1000)
        if kind == "funding" and self.exchange.id == "bybit":
            self._known_symbol(symbol)
            told = (self.exchange.markets[symbol].get("info") or {}).get("fundingInterval")
            return self.info.funding_per_page * (int(told) if told else 480) * 60_000
        return 0

    def fetch_order_book(self, symbol: str, limit: int = 100) -> OrderBook:
        """Return the order book."""
        self._known_symbol(symbol)
        return self.ask(lambda: book_of(symbol, self.exchange.fetch_order_book(symbol, limit), self.clock.now()))

    def fetch_ticker(self, symbol: str) -> Ticker:
        """Return best and last prices; where the ticker has no best ones (Binance USD-M), the order book's."""
        self._known_symbol(symbol)
        ticker = self.ask(lambda: ticker_of(symbol, self.exchange.fetch_ticker(symbol), self.clock.now()))
        if not (np.isnan(ticker.bid) and np.isnan(ticker.ask)):
            return ticker
        book = self.fetch_order_book(symbol, 5)
        bid, ask = (float(side[0, 0]) if len(side) else np.nan for side in (book.bids, book.asks))
        return replace(ticker, bid=bid, ask=ask)

    def server_time(self) -> float:
        """Return the venue's clock, seconds since 1970 UTC."""
        if not self.exchange.has.get("fetchTime"):
            raise DataError(f"{self.name} does not tell its time")
        told = self.ask(self.exchange.fetch_time)
        if not isinstance(told, int | float) or not told > 0:
            raise BadAnswerError(f"{self.name} answered {shown(told)} where its time was asked for")
        return float(told) / 1000

    def ask(self, ask: Callable[[], T]) -> T:
        """Make one call by the retry table."""
        return self.guard.call(lambda: in_shape(ask))

    def skew_known(self) -> bool:
        """Tell whether the venue's clock was compared with ours within the hour."""
        skew = read_skew(self.folder, self.guard.venue)
        return skew is not None and 0 <= self.clock.now() - skew.measured < SKEW_KEPT_S

    def latest_ms(self) -> float:
        """Return the latest time that an answer may bear: the venue's now, as far as its clock is known."""
        skew = read_skew(self.folder, self.guard.venue)
        return (self.clock.now() + (skew.seconds if skew else 0.0)) * 1000 + AHEAD_MS

    def _known_symbol(self, symbol: str) -> None:
        markets = self.markets()
        if symbol not in markets:
            hint = did_you_mean(symbol, markets) if isinstance(symbol, str) else ""
            hint = hint if len(hint) < 80 else " " + f"It has {len(markets)} markets, such as {next(iter(markets))!r}."
            raise DataError(f"{self.name} has no market {symbol!r}.{_settled(symbol, markets) or hint}")

    def _perpetual(self, symbol: str, what: str) -> None:
        words = what.replace("_", " ")
        if what not in self.info.has:
            raise DataError(f"{self.name} has no {words}; ask a venue with perpetuals, such as binanceusdm")
        self._known_symbol(symbol)
        kind = self.markets()[symbol].kind
        if kind != "swap":
            raise DataError(f"{symbol} at {self.name} is a {kind} market, which has no {words}")

    def _known_price(self, price: str) -> None:
        if price not in PRICES:
            raise DataError(f"bars of the price {price!r} are unknown.{did_you_mean(str(price), PRICES)}")
        if price != "trade" and price not in self.info.has:
            raise DataError(f"{self.name} has no {price} price; ask a venue with perpetuals, such as binanceusdm")

    def _known_timeframe(self, timeframe: str) -> str:
        wanted = canonical_timeframe(timeframe)
        if wanted in self._timeframes:
            return wanted
        span = timeframe_delta(wanted)
        lower = [
            t for t in self._timeframes if timeframe_delta(t) < span and span % timeframe_delta(t) == pd.Timedelta(0)
        ]
        cure = (
            f"fetch {lower[-1]} (--timeframe {lower[-1]}) and resample it with wb.data.resample"
            if lower
            else f"it has {' '.join(self._timeframes)}"
        )
        raise DataError(f"{self.name} has no bars of {wanted}; {cure}")

    def _still_kept(self, symbol: str, timeframe: str, since_ms: int, step: int) -> None:
        if not self.info.newest_only:
            return
        earliest = self._oldest(since_ms, lambda now: now - now % step - self.info.newest_only * step)
        if since_ms < earliest:
            first = pd.Timestamp(earliest, unit="ms", tz="UTC")
            raise HistoryError(
                f"{self.name} keeps the last {self.info.newest_only} bars only, {timeframe} of {symbol} from "
                f"{first:%Y-%m-%d %H:%M} on: start there, build older bars from its trades, or ask another venue",
                earliest_ms=earliest,
            )

    def _oldest(self, since_ms: int, at: Callable[[int], int]) -> int:
        """Return the oldest time that is kept; a replay venue may live in another year, and is asked for its time."""
        earliest = at(int(self.clock.now() * 1000))
        return at(int(self.server_time() * 1000)) if self.at and since_ms < earliest else earliest

    def _interest_kept(self, symbol: str, timeframe: str, since_ms: int, step: int) -> None:
        days, rows = self.info.open_interest_days, self.info.open_interest_rows
        kept = days * 86_400_000 - 60_000 if days else rows * step  # a minute for clocks that differ
        earliest = self._oldest(since_ms, lambda now: -(-(now - kept) // step) * step) if kept else 0
        if since_ms <= earliest - step:
            first = pd.Timestamp(earliest, unit="ms", tz="UTC")
            raise HistoryError(
                f"{self.name} keeps {timeframe} of the open interest of {symbol} from {first:%Y-%m-%d %H:%M} on: "
                "start there",
                earliest_ms=earliest,
            )

    def _report(self, symbol: str, timeframe: str, bar: RefusedBar) -> None:
        from workbench.ops import get_logger

        self.refused.append((symbol, timeframe, bar))
        time = pd.Timestamp(int(bar.time_ms), unit="ms", tz="UTC")
        get_logger("data").warning(
            "a bar was refused", venue=self.name, symbol=symbol, timeframe=timeframe, time=str(time), kind=bar.kind,
            field=bar.field, value=bar.value,
        )  # fmt: skip


class _Page:
    """One page of bars, asked again while it holds impossible ones."""

    def __init__(
        self, venue: CcxtVenue, symbol: str, timeframe: str, since_ms: int, limit: int, step: int, price: str
    ) -> None:
        self.venue, self.symbol, self.timeframe, self.price = venue, symbol, timeframe, price
        self.since_ms, self.limit, self.step = since_ms, limit, step
        self.tries, self.refused = 0, ()  # type: tuple[int, tuple[RefusedBar, ...]]

    def fetch(self) -> FloatArray:
        venue, exchange = self.venue, self.venue.exchange
        self.tries += 1
        params = {} if self.price == "trade" else {"price": self.price}
        exchange.fetch_ohlcv(self.symbol, self.timeframe, self.since_ms, self.limit, params)
        rows = raw_rows(exchange.id, venue._answer.json)
        page = read_rows(exchange.id, rows, self._form())
        if self.price != "trade":
            page[:, 5] = 0.0
        bars, self.refused = sift(page, step_ms=self.step, since_ms=self.since_ms, latest_ms=venue.latest_ms())
        if any(bar.kind == "future_time" for bar in self.refused) and not venue.skew_known():
            raise _AheadError
        if self.refused and self.tries < 3:
            bar = self.refused[0]
            raise BadRowError(f"a bar cannot be: {bar.kind}, {bar.field} = {bar.value:g}")
        return bars

    def _form(self) -> RowFormat:
        exchange = self.venue.exchange.id
        if self.price != "trade":  # no volume: what stands in its place differs, and is not read
            return RowFormat((0, 1, 2, 3, 4, 4))
        contract = exchange == "okx" and self.venue.markets()[self.symbol].kind != "spot"
        return FORMATS["okx:contract" if contract else exchange]


class _AheadError(WorkbenchError):
    """A bar opens in the future by our clock, whose distance from the venue's is not known yet."""


def _settled(symbol: Any, markets: dict[str, Market]) -> str:
    close = [s for s in markets if isinstance(symbol, str) and s.startswith(f"{symbol}:")]
    return f" Did you mean {close[0]!r}?" if close else ""


def _shared_timeframes(told: dict[str, Any] | None, *, weeks: bool) -> tuple[str, ...]:
    names = {}
    for name in told or {}:
        if re.fullmatch(r"[1-9]\d{0,3}[mhdw]", name):
            minutes = int(timeframe_delta(name).total_seconds() // 60)
            if (minutes <= 1440 and 1440 % minutes == 0) or (weeks and minutes == 10080):  # others begin anywhere
                names[canonical_timeframe(name)] = minutes
    return tuple(sorted(names, key=names.__getitem__))
