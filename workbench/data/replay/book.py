"""Order books around a price: a function of the time, so that snapshots and differences always agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.typing import FloatArray, IntArray

SLOT_MS = 100
"""The book changes this often; the number of a slot is the update id."""

_SHORTEST, _LONGEST = 10, 600
_SPREAD_OUT = 3


@dataclass(frozen=True)
class Book:
    """Levels of price and amount, best first, (n, 2), at an update id."""

    update_id: int
    time_ms: int
    bids: FloatArray
    asks: FloatArray


@dataclass(frozen=True)
class Quote:
    """The last 24 hours of a symbol, and its best prices: ``bid`` and ``ask`` are (price, amount)."""

    symbol: str
    open_ms: int
    close_ms: int
    open: float
    high: float
    low: float
    last: float
    volume: float
    quote_volume: float
    bid: tuple[float, ...]
    ask: tuple[float, ...]
    first_id: int
    last_id: int


def hashed(values: IntArray, *key: int) -> npt.NDArray[np.uint64]:
    """Return well-mixed 64-bit numbers of whole numbers and a key (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = values.astype(np.uint64)
    for part in (*key, 0x9E3779B97F4A7C15):
        mixed = mixed + np.uint64(part & 0xFFFFFFFFFFFFFFFF)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def book_at(
    last_ticks: int,
    time_ms: int,
    depth: int,
    key: tuple[int, int],
    typical_lots: int,
    price_decimals: int,
    amount_decimals: int,
) -> Book:
    """Return the book at a time around the last price.

    About every third tick has a level; a level's amount stays for one second to a minute, so that few levels change
    from one slot to the next.
    """
    slot = time_ms // SLOT_MS
    span = np.arange(_SPREAD_OUT * 2 * depth + 8, dtype=np.int64)
    sides = []
    for number, ticks in ((1, last_ticks - 1 - span), (2, last_ticks + 1 + span)):
        ticks = ticks[ticks > 0] if number == 1 else ticks  # noqa: PLW2901  # the levels that can be
        own = hashed(ticks, *key, number)
        here = own % np.uint64(_SPREAD_OUT) == 0
        here[:1] = True
        ticks, own = ticks[here][:depth], own[here][:depth]  # noqa: PLW2901
        period = _SHORTEST + (own >> np.uint64(8)).astype(np.int64) % (_LONGEST - _SHORTEST)
        phase = (own >> np.uint64(20)).astype(np.int64) % period
        lots = 1 + (hashed(ticks + ((slot + phase) // period << 32), *key) % np.uint64(typical_lots * 8)).astype(
            np.int64
        )
        sides.append(np.column_stack([ticks / 10.0**price_decimals, lots / 10.0**amount_decimals]))
    return Book(int(slot), time_ms, sides[0], sides[1])


def changed(before: FloatArray, after: FloatArray) -> FloatArray:
    """Return the levels of ``after`` that are new or differ, and those gone with amount 0: (n, 2)."""
    old = dict(zip(before[:, 0].tolist(), before[:, 1].tolist(), strict=True))
    new = dict(zip(after[:, 0].tolist(), after[:, 1].tolist(), strict=True))
    levels = [(price, amount) for price, amount in new.items() if old.get(price) != amount]
    levels += [(price, 0.0) for price in old if price not in new]
    return np.array(levels, dtype=np.float64).reshape(-1, 2)
