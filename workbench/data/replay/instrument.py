"""What the replay venue trades: one spot market or perpetual each."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.data.replay.feeds import Feed


@dataclass(frozen=True)
class Instrument:
    """One market of the venue: ``kind`` is spot, or swap for a perpetual such as ``BTC/USDT:USDT``."""

    symbol: str
    base: str
    quote: str
    kind: str
    price_decimals: int
    amount_decimals: int
    listed_ms: int
    end_ms: int | None

    @property
    def id(self) -> str:
        """Base and quote together, as Binance writes it: BTCUSDT."""
        return self.base + self.quote

    @property
    def price_tick(self) -> float:
        """Smallest step of prices."""
        return 1 / 10**self.price_decimals

    @property
    def amount_step(self) -> float:
        """Smallest step of amounts."""
        return 1 / 10**self.amount_decimals


def instrument_of(symbol: str, feed: Feed) -> Instrument:
    """Return the instrument of a symbol such as ``BTC/USDT`` or ``BTC/USDT:USDT``."""
    pair, _, settle = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not slash:
        base, quote = pair, "USD"
    kind = "swap" if settle else "spot"
    return Instrument(symbol, base, quote, kind, feed.price_decimals, feed.amount_decimals, feed.first_ms, feed.end_ms)
