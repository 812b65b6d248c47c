"""A request to Binance: its parameters, read and refused as Binance does."""

from __future__ import annotations

from workbench.data.replay.calls import Call
from workbench.data.replay.grid import length_ms
from workbench.data.replay.market import Instrument
from workbench.data.replay.server import ReplayServer


class BinanceError(Exception):
    """A refusal in Binance's words: ``{"code": -1121, "msg": "Invalid symbol."}``."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Asked:
    """The parameters of one request, read as Binance reads them."""

    def __init__(self, call: Call, venue: ReplayServer, kind: str) -> None:
        self.params, self.venue, self.kind = call.params, venue, kind
        self.market = venue.market
        self.now = venue.now_ms()
        self.told_now = venue.now_ms(call.host)
        step = venue.book_step_ms()
        self.book_ms = self.now // step * step
        """When the books were last changed: snapshots and streams show the same states."""

    def instruments(self) -> list[Instrument]:
        """Return the listed instruments of this host."""
        known = (self.market.instrument(s) for s in self.market.symbols)
        return [i for i in known if i.kind == self.kind and i.listed_ms <= self.now]

    def instrument(self, key: str = "symbol") -> Instrument:
        """Return the instrument that is asked for."""
        wanted = self.params.get(key)
        if not wanted:
            raise BinanceError(-1102, f"Mandatory parameter '{key}' was not sent, was empty/null, or malformed.")
        for one in self.instruments():
            if one.id == wanted:
                return one
        raise BinanceError(-1121, "Invalid symbol.")

    def number(self, key: str, default: int | None = None) -> int | None:
        """Return a whole number, such as a limit or a time."""
        text = self.params.get(key)
        if text in (None, ""):
            return default
        try:
            return int(text)
        except ValueError:
            raise BinanceError(-1100, f"Illegal characters found in parameter '{key}'.") from None

    def limit(self, default: int, most: int) -> int:
        """Return how many rows are asked for: more than the most is cut, as Binance does."""
        limit = self.number("limit", default)
        if limit is None or limit < 1:
            raise BinanceError(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(limit, most)

    def length(self, key: str, known: tuple[str, ...], symbol: str) -> str:
        """Return the bar length asked for, if this host has it and the market's bars are short enough."""
        text = self.params.get(key, "")
        if text not in known or length_ms(text) % length_ms(self.market.timeframe(symbol)):
            raise BinanceError(-1120, "Invalid interval.")
        return text
