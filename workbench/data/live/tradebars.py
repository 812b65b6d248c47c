"""Bars built of trades, for venues that send no candles: the growing bar, one row after each trade."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from workbench.data.live.updates import Row

_REMEMBERED = 5000  # ids; venues send the last hundreds of trades again after a reconnect


class Trade(NamedTuple):
    """One public trade: milliseconds since 1970 UTC, price, amount in base units, the venue's id (empty: none)."""

    time: int
    price: float
    amount: float
    id: str = ""


class TradeBars:
    """Add trades of one symbol up to bars.

    Trades that were seen, that belong to a bar before the current one, or that are no sound trade are counted in
    ``ignored``. A bar built of trades shows what a reader has seen of it; the venue's own bar is the truth.
    """

    def __init__(self, step_ms: int) -> None:
        self.step_ms = step_ms
        self.newest_ms = 0
        self.ignored = 0
        self._bar: Row | None = None
        self._ids: deque[str] = deque()
        self._known: set[str] = set()

    def add(self, trade: Trade) -> Row | None:
        """Return the bar with this trade in it, or ``None`` where the trade changes nothing."""
        sound = trade.time > 0 and 0 < trade.price < math.inf and 0 <= trade.amount < math.inf
        start = trade.time - trade.time % self.step_ms
        if not sound or not self._is_new(trade.id) or (self._bar is not None and start < self._bar.time):
            self.ignored += 1
            return None
        self.newest_ms = max(self.newest_ms, trade.time)
        bar, price = self._bar, trade.price
        if bar is None or start > bar.time:
            self._bar = Row(start, price, price, price, price, trade.amount)
        else:
            volume = bar.volume + trade.amount
            self._bar = Row(start, bar.open, max(bar.high, price), min(bar.low, price), price, volume)
        return self._bar

    def _is_new(self, trade_id: str) -> bool:
        if not trade_id:
            return True
        if trade_id in self._known:
            return False
        self._known.add(trade_id)
        self._ids.append(trade_id)
        if len(self._ids) > _REMEMBERED:
            self._known.discard(self._ids.popleft())
        return True
