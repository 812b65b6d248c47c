"""One vocabulary over all venues: what they are asked and what they answer, whatever their own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from workbench.errors import VenueError
from workbench.typing import FloatArray


class VenueDownError(VenueError):
    """A venue cannot be asked now: its breaker is open, it banned this machine, or its retries are used up.

    ``until`` is when it may be asked again (seconds since 1970 UTC), 0 where nobody knows.
    """

    def __init__(self, message: str, *, venue: str, until: float = 0.0) -> None:
        super().__init__(message)
        self.venue, self.until = venue, until


@dataclass(frozen=True)
class Market:
    """One market of a venue.

    ``listed`` and ``delisted`` are the times of its first trade and of its end, where the venue tells them.
    """

    symbol: str
    base: str
    quote: str
    kind: str  # spot, swap or future
    active: bool
    price_tick: float
    amount_step: float
    min_notional: float
    listed: pd.Timestamp | None = None
    delisted: pd.Timestamp | None = None


@dataclass(frozen=True)
class Ticker:
    """Best prices and the last one at a time (seconds since 1970 UTC)."""

    symbol: str
    time: float
    bid: float
    ask: float
    last: float
    base_volume: float
    quote_volume: float


@dataclass(frozen=True)
class OrderBook:
    """Price levels, best first: two columns, price and amount, of shape (n_levels, 2)."""

    symbol: str
    time: float
    bids: FloatArray
    asks: FloatArray


class Venue(Protocol):
    """What every venue answers. Each call is one or more guarded requests: budget, ban, breaker and retries inside.

    Times are milliseconds since 1970 UTC where ccxt has them so. All calls raise `VenueDownError` when the venue
    cannot be asked, `VenueError` when it refused, and `DataError` when what was asked does not exist there.
    """

    name: str
    """As the user writes it: binance, binanceusdm, kraken, coinbase, okx, bybit."""

    def timeframes(self) -> tuple[str, ...]:
        """Return the bar lengths that the venue has."""
        ...

    def page_limit(self, timeframe: str) -> int:
        """Return the most bars that one request brings."""
        ...

    def markets(self) -> dict[str, Market]:
        """Return all markets by symbol; asked once, then kept."""
        ...

    def fetch_bars(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> FloatArray:
        """Return one page of bars from ``since_ms`` on, oldest first, the unclosed one included.

        Returns
        -------
        ndarray, float64, of shape (n_bars, 6)
            Open time in milliseconds, open, high, low, close, volume; one request.
        """
        ...

    def fetch_trades(self, symbol: str, since_ms: int, limit: int) -> pd.DataFrame:
        """Return one page of public trades: index ``time``, columns id, price, amount, side (``buy``: the taker)."""
        ...

    def fetch_funding(self, symbol: str, since_ms: int, limit: int) -> pd.DataFrame:
        """Return one page of funding rates of a perpetual: index ``time``, columns rate (fraction), mark_price."""
        ...

    def fetch_open_interest(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> pd.DataFrame:
        """Return one page of open interest: index ``time``, columns amount (base units), value (quote units)."""
        ...

    def fetch_order_book(self, symbol: str, limit: int = 100) -> OrderBook:
        """Return the order book."""
        ...

    def fetch_ticker(self, symbol: str) -> Ticker:
        """Return best and last prices."""
        ...

    def server_time(self) -> float:
        """Return the venue's clock, seconds since 1970 UTC."""
        ...
