"""The wire of a live stream: unmodified ccxt.pro for its WebSocket, async ccxt for its REST, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from workbench.config import did_you_mean
from workbench.data.live.finality import sound_row
from workbench.data.live.options import LiveOptions
from workbench.data.live.tradebars import Trade, TradeBars
from workbench.data.live.updates import Row
from workbench.data.timeframes import canonical_timeframe, timeframe_delta
from workbench.data.venues.address import redirect
from workbench.data.venues.budget import DEFAULT_BAN_S, UNIT_MS, Bans, Budget, host_of
from workbench.data.venues.catalogue import venue_info
from workbench.data.venues.clock import Clock
from workbench.data.venues.vocabulary import VenueDownError
from workbench.errors import DataError, VenueError

_ROWS_KEPT = 50
"""Bars of one symbol that ccxt keeps between two reads: many more than begin between them."""
_TRADES_KEPT = 2000
_UNREAD = 1000
"""Candles of one symbol that wait for their reader at most."""
_REQUESTS_AT_ONCE = 4


class ProFeed:
    """One venue's rows of several symbols: pushed by WebSocket, asked by REST.

    Parameters
    ----------
    venue : str
        Name in the catalogue of venues.
    symbols : tuple of str
    timeframe : str
    at : str
        Address of a replay venue; empty for the venue itself.
    folder : path, optional
        Where bans are written down for all processes of the machine (``settings.data_dir / "venues"``).
    """

    def __init__(
        self, venue: str, symbols: tuple[str, ...], timeframe: str, clock: Clock, options: LiveOptions, *,
        at: str = "", folder: Path | None = None,
    ) -> None:  # fmt: skip
        info = venue_info(venue)
        if not info.exchange:
            raise DataError(f"venue {venue!r} has no live stream ({info.quirks}); use another venue")
        self.venue, self.symbols, self.timeframe = venue, symbols, canonical_timeframe(timeframe)
        self.step_ms = timeframe_delta(timeframe).value // 1_000_000
        self.dropped = self.duplicates = 0
        self._info, self._at, self._clock, self._options = info, at, clock, options
        self._bans = None if folder is None else Bans(folder, clock)
        self._budget = None if folder is None else Budget(folder, clock)
        self._at_once = asyncio.Semaphore(_REQUESTS_AT_ONCE)
        self._exchange: Any = None
        self._clients: list[Any] = []  # those of the present connection
        self._closing: set[asyncio.Task[None]] = set()
        self._trades = {symbol: TradeBars(self.step_ms) for symbol in symbols}
        self._unread: dict[str, list[Row]] = {symbol: [] for symbol in symbols}
        self.from_trades = False

    async def open(self) -> None:
        """Load the venue's markets and check what is asked.

        Raises
        ------
        DataError
            When the venue lacks a symbol or the time frame.
        VenueError
            When it cannot be reached.
        """
        exchange = self._exchange or self._made()
        self._exchange = exchange
        await self._asked(exchange.load_markets)
        for symbol in self.symbols:
            if symbol not in exchange.markets:
                raise DataError(f"{self.venue} has no symbol {symbol!r}.{did_you_mean(symbol, exchange.symbols)}")
        if self.timeframe not in exchange.timeframes:
            known = ", ".join(exchange.timeframes)
            raise DataError(f"{self.venue} has no bars of {self.timeframe}; it has {known}: stream one and resample")
        self.from_trades = self._options.from_trades or not exchange.has.get("watchOHLCV")
        self._lay_out_caches()

    async def watch(self, symbol: str) -> list[Row]:
        """Wait for news of a symbol and return its rows, oldest first; unsound ones are dropped and counted."""
        if self.from_trades:
            trades = await self._exchange.watch_trades(symbol)
            return self._bars_of_trades(symbol, trades)
        await self._exchange.watch_ohlcv(symbol, self.timeframe)
        rows, self._unread[symbol] = self._unread[symbol], []
        return rows

    def renewed(self) -> bool:
        """Tell whether a connection was made since the last call: ccxt renews one without a word at times."""
        clients = list(self._exchange.clients.values())
        if all(any(c is known for known in self._clients) for c in clients):
            return False
        self._clients = clients
        return True

    def connected(self) -> bool:
        """Tell whether a connection is open now."""
        return any(client.isConnected and not client.closed() for client in self._exchange.clients.values())

    async def fetch(self, symbol: str, since_ms: int, limit: int, *, strict: bool = True) -> list[Row]:
        """Return up to ``limit`` bars from ``since_ms`` on by one REST request, oldest first, the unclosed one too.

        Raises
        ------
        VenueError
            When the venue does not answer, or (``strict``) with a row that is no bar: the others are not trusted then.
        """
        raw = await self._asked(self._exchange.fetch_ohlcv, symbol, self.timeframe, since_ms, limit)
        rows = self._sound(raw)
        if strict and len(rows) < len(raw):
            raise VenueError(f"{self.venue} answered {len(raw) - len(rows)} rows of {symbol} that are no bars")
        unique = {row.time: row for row in rows if row.time >= since_ms}
        return [unique[time] for time in sorted(unique)]

    async def newest_trade_ms(self, symbol: str) -> int:
        """Return the time of the last trade by REST, 0 where there is none."""
        trades = await self._asked(self._exchange.fetch_trades, symbol)
        return max((int(t["timestamp"]) for t in trades), default=0)

    def last_trade_ms(self, symbol: str) -> int:
        """Return the time of the last trade that the WebSocket told of."""
        return self._trades[symbol].newest_ms

    @property
    def host(self) -> str:
        """Return the key under which bans and budget of the venue's REST are kept."""
        return host_of(f"{self._at or 'https:/'}/{self._info.hosts[0]}")

    @property
    def page_limit(self) -> int:
        """Most bars of one request."""
        return self._info.bars_per_page

    async def skew(self) -> float:
        """Return the venue's clock minus this machine's in seconds, NaN where the venue does not tell."""
        if not self._exchange.has.get("fetchTime"):
            return float("nan")
        before = self._clock.now()
        server = await self._asked(self._exchange.fetch_time)
        return float(server) / 1000 - (before + self._clock.now()) / 2

    def drop(self) -> None:
        """Forget the present connections, so that the next `watch` makes new ones; they close in the background.

        A half-open socket would keep a closing handshake waiting: it is given one second.
        """
        clients, self._exchange.clients = list(self._exchange.clients.values()), {}
        self._exchange.ws_dial_backoff = {}  # the stream has a back-off of its own, with jitter
        self._clients = []
        self._lay_out_caches()
        for client in clients:
            task = asyncio.get_running_loop().create_task(_closed(client))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def strangers(self) -> int:
        """Forget what the venue sent of symbols that nobody asked for, and return of how many it did.

        A message under a wrong name is one that its own symbol lacks.
        """
        kept = self._exchange.trades if self.from_trades else self._exchange.ohlcvs
        if len(kept) <= len(self.symbols):
            return 0
        strange = [symbol for symbol in kept if symbol not in self._unread]
        for symbol in strange:
            del kept[symbol]
        self.dropped += len(strange)
        return len(strange)

    async def close(self) -> None:
        """Close all connections."""
        if self._exchange is None:
            return
        self.drop()
        if self._closing:
            await asyncio.wait(set(self._closing), timeout=3.0)
        await self._exchange.close()

    def _made(self) -> Any:
        import ccxt.pro

        options = {**self._info.options, "OHLCVLimit": _ROWS_KEPT, "tradesLimit": _TRADES_KEPT}
        exchange = getattr(ccxt.pro, self._info.exchange)({
            "enableRateLimit": True,
            "newUpdates": True,
            "timeout": int(self._options.request_timeout * 1000),
            "options": options,
            **({"rateLimit": 1} if self._at else {}),  # a server on this machine needs no sparing
        })  # fmt: skip
        return redirect(exchange, self._at) if self._at else exchange

    async def _asked(self, request: Callable[..., Any], *args: Any) -> Any:
        """Make one REST request; the machine's bans and budget hold for it, and it writes bans down for others."""
        async with self._at_once:
            return await self._guarded(request, *args)

    async def _guarded(self, request: Callable[..., Any], *args: Any) -> Any:
        import ccxt

        host = self.host
        ban = self._bans.active(host) if self._bans else None
        if ban is not None:
            left = ban.until - self._clock.now()
            message = f"{self.venue} asked to be left alone for {left:.0f} s more; wait, or stream from another venue"
            raise VenueDownError(message, venue=self.venue, until=ban.until)
        if self._budget:
            units = max(1, round(self._exchange.rateLimit / UNIT_MS))
            await asyncio.to_thread(self._budget.take, host, units, self._options.request_timeout)
        try:
            async with asyncio.timeout(self._options.request_timeout):
                return await request(*args)
        except TimeoutError:
            raise VenueError(f"{self.venue} did not answer within {self._options.request_timeout:g} s") from None
        except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as err:
            status = 418 if " 418 " in str(err) else 429
            if self._bans:
                self._bans.set(host, status, _retry_after(self._exchange, status))
            raise VenueError(f"{self.venue} asked to be left alone: {_one_line(err)}") from err
        except ccxt.BaseError as err:
            raise VenueError(f"{self.venue} failed: {_one_line(err)}") from err
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as err:  # an answer ccxt cannot read
            raise VenueError(f"{self.venue} answered what cannot be read: {_one_line(err)}") from err

    def _lay_out_caches(self) -> None:
        """Give ccxt the caches that it writes candles to: it keeps only the last of several messages of one bar."""
        from workbench.data.live.rowcache import row_cache

        self._exchange.ohlcvs.clear()
        self._exchange.trades.clear()
        for symbol in self.symbols:
            self._unread[symbol].clear()
            if not self.from_trades:
                self._exchange.ohlcvs[symbol] = {self.timeframe: row_cache(_ROWS_KEPT, partial(self._take, symbol))}

    def _take(self, symbol: str, values: list[Any]) -> None:
        """Take one candle as it came; of several in a row of one bar the last, as long as the bar only grew."""
        rows, unread = self._sound([values]), self._unread[symbol]
        if not rows:
            return
        row, last = rows[0], unread[-1] if unread else None
        if last is None or last.time != row.time or row.volume < last.volume:
            unread.append(row)
        elif row == last:
            self.duplicates += 1
        else:
            unread[-1] = row
        if len(unread) > _UNREAD:  # nobody reads: what is lost here is seen as a gap, and repaired
            del unread[: _UNREAD // 2]

    def _sound(self, raw: Any) -> list[Row]:
        rows = []
        for values in raw if isinstance(raw, list) else []:
            row = Row(*values[:6]) if isinstance(values, list | tuple) and len(values) >= 6 else None
            if row is not None and sound_row(row, self.step_ms):
                rows.append(Row(row.time, *(float(v) for v in row[1:])))
            else:
                self.dropped += 1
        return rows

    def _bars_of_trades(self, symbol: str, trades: list[dict[str, Any]]) -> list[Row]:
        bars = self._trades[symbol]
        rows: dict[int, Row] = {}
        for t in sorted(trades, key=lambda t: t["timestamp"] or 0):
            trade = Trade(t["timestamp"] or 0, t["price"] or 0.0, t["amount"] or 0.0, str(t["id"] or ""))
            row = bars.add(trade)
            if row is not None:
                rows[row.time] = row
        return list(rows.values())


async def _closed(client: Any) -> None:
    with contextlib.suppress(Exception):  # the connection is given up already; how it ends is of no interest
        async with asyncio.timeout(1.0):
            await client.close()


def _retry_after(exchange: Any, status: int) -> float:
    headers = exchange.last_response_headers or {}
    text = next((v for k, v in headers.items() if str(k).lower() == "retry-after"), "")
    try:
        return max(float(text), 1.0)
    except ValueError:
        return DEFAULT_BAN_S if status == 418 else 10.0


def _one_line(err: BaseException) -> str:
    return f"{type(err).__name__} {err}".strip().partition("\n")[0][:160]
