"""Trades inside a bar: a seeded path that makes up its open, high, low, close and volume exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.data.replay.grid import MINUTE
from workbench.typing import BoolArray, FloatArray, IntArray

_PER_MINUTE = 24
_MOST = 960


@dataclass(frozen=True)
class Trades:
    """Trades, oldest first: arrays of shape (n,). ``buyer_maker``: the taker sold."""

    ids: IntArray
    times: IntArray
    prices: FloatArray
    amounts: FloatArray
    buyer_maker: BoolArray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, where: slice | BoolArray) -> Trades:
        """Return some of them."""
        return Trades(
            self.ids[where], self.times[where], self.prices[where], self.amounts[where], self.buyer_maker[where]
        )


def trades_per_bar(step_ms: int) -> int:
    """Return how many trades a bar of this length holds: 24 a minute, at most 960."""
    return int(min(_PER_MINUTE * max(1, step_ms // MINUTE), _MOST))


def no_trades() -> Trades:
    """Return no trades."""
    empty = np.empty(0)
    whole = np.empty(0, dtype=np.int64)
    return Trades(whole, whole, empty, empty, np.empty(0, dtype=bool))


def joined(parts: list[Trades]) -> Trades:
    """Return trades one after the other."""
    if not parts:
        return no_trades()
    return Trades(
        np.concatenate([p.ids for p in parts]),
        np.concatenate([p.times for p in parts]),
        np.concatenate([p.prices for p in parts]),
        np.concatenate([p.amounts for p in parts]),
        np.concatenate([p.buyer_maker for p in parts]),
    )


def trades_of_bar(
    row: FloatArray, step_ms: int, price_decimals: int, amount_decimals: int, key: tuple[int, int]
) -> Trades:
    """Return the trades of one bar, the same at every call.

    The first trade is at the open and at the bar's first millisecond, the last at the close; one is at the high, one
    at the low, none outside; amounts are whole steps that add up to the volume. A bar without volume and without
    movement has no trades.

    Parameters
    ----------
    row : ndarray of shape (6,)
        Open time in milliseconds, open, high, low, close, volume.
    key : (int, int)
        Seed and symbol; the bar's time is added.
    """
    time, open_, high, low, close, volume = (float(v) for v in row)
    lots = round(volume * 10**amount_decimals)
    if lots == 0 and high == low:
        return no_trades()
    rng = np.random.default_rng([*key, int(time) // 1000])
    n = trades_per_bar(step_ms)
    ticks, anchors = _path(rng, n, [round(p * 10**price_decimals) for p in (open_, high, low, close)])
    edges = np.cumsum(rng.random(n) + 0.05)
    amounts = np.diff(np.floor(edges / edges[-1] * lots).astype(np.int64), prepend=0)
    amounts[-1] += lots - int(amounts.sum())
    offsets = np.sort(rng.integers(1, step_ms, n))
    offsets[0] = 0
    ids = int(time) // step_ms * n + np.arange(n, dtype=np.int64)
    moves = np.sign(np.diff(ticks, prepend=ticks[0]))
    sold = np.where(moves == 0, rng.random(n) < 0.5, moves < 0)
    made = Trades(
        ids, int(time) + offsets, ticks / 10.0**price_decimals, amounts / 10.0**amount_decimals, sold.astype(bool)
    )
    return made if lots >= 4 * n else made.take((amounts > 0) | anchors)


def bar_of_trades(trades: Trades, open_ms: int, amount_decimals: int) -> FloatArray:
    """Return the bar that trades make up so far: (6,)."""
    volume = round(float(trades.amounts.sum()), amount_decimals)
    prices = trades.prices
    return np.array([open_ms, prices[0], prices.max(), prices.min(), prices[-1], volume])


def _path(rng: np.random.Generator, n: int, corners: list[int]) -> tuple[IntArray, BoolArray]:
    """Return prices in ticks through the four corners of a bar, and where the corners lie."""
    open_, high, low, close = corners
    at = rng.permutation(np.arange(1, n - 1))[:2]
    knots = sorted([(0, open_), (n - 1, close), (int(at[0]), high), (int(at[1]), low)])
    where = np.array([k for k, _ in knots])
    line = np.interp(np.arange(n), where, [p for _, p in knots])
    noise = rng.standard_normal(n) * (high - low) * 0.08
    ticks = np.clip(np.rint(line + noise), low, high).astype(np.int64)
    anchors = np.zeros(n, dtype=bool)
    for k, price in knots:
        ticks[k], anchors[k] = price, True
    return ticks, anchors
