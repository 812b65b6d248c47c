"""Round trips: from the fill that opens a position to the one that closes or turns it."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest.market import Market

COLUMNS = ("symbol", "entry_time", "exit_time", "side", "entry_price", "exit_price", "units", "pnl", "return", "bars")


@dataclass
class _Trip:
    """Running totals of one round trip; units and values are unsigned, fees are those of its own share of fills."""

    first: int
    sign: float
    entered: float = 0.0
    entry_value: float = 0.0
    left: float = 0.0
    exit_value: float = 0.0
    fees: float = 0.0

    def enter(self, units: float, price: float, fee: float) -> None:
        self.entered += units
        self.entry_value += units * price
        self.fees += fee

    def leave(self, units: float, price: float, fee: float) -> None:
        self.left += units
        self.exit_value += units * price
        self.fees += fee


def round_trips(fills: pd.DataFrame, market: Market) -> pd.DataFrame:
    """Return one row per round trip of each symbol, in the order of entry.

    Fills that add to a position move its average entry price, fills that reduce it move the average exit price; a
    fill that turns a position is split at zero, its fee in proportion. A position still open is valued at the last
    close without the costs of leaving.
    """
    rows: list[tuple[Any, ...]] = []
    bars = market.times.get_indexer(pd.DatetimeIndex(fills["time"]))
    for asset, symbol in enumerate(market.symbols):
        mine = np.flatnonzero((fills["symbol"] == symbol).to_numpy())
        series = (fills[c].to_numpy()[mine].tolist() for c in ("units", "price", "fee"))
        rows += _trips_of(symbol, asset, bars[mine].tolist(), *series, market=market)
    rows.sort(key=operator.itemgetter(1))  # by entry; stable, so then by symbol
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    left = table["exit_time"].to_numpy(dtype=np.int64)
    exits = market.times[left].where(left >= 0)  # −1 is an open trade
    return table.assign(entry_time=market.times[table["entry_time"].to_numpy(dtype=np.int64)], exit_time=exits)


def _trips_of(
    symbol: str,
    asset: int,
    bars: list[int],
    sizes: list[float],
    prices: list[float],
    fees: list[float],
    *,
    market: Market,
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    trip: _Trip | None = None
    units = 0.0
    for bar, size, price, fee in zip(bars, sizes, prices, fees, strict=True):
        before, units = units, units + size
        entering, its_fee = size, fee
        if trip is not None and before * size < 0:
            closing = min(abs(before), abs(size))
            trip.leave(closing, price, fee * closing / abs(size))
            if units * before > 0:
                continue
            rows.append(_row(symbol, trip, bar, market))
            trip, entering, its_fee = None, units, fee * (1.0 - closing / abs(size))
        if entering != 0.0:
            trip = trip or _Trip(bar, float(np.sign(entering)))
            trip.enter(abs(entering), price, its_fee)
    if trip is not None:
        closes = market.closes[asset]
        trip.leave(abs(units), float(closes[~np.isnan(closes)][-1]), 0.0)
        rows.append(_row(symbol, trip, None, market))
    return rows


def _row(symbol: str, trip: _Trip, exit_bar: int | None, market: Market) -> tuple[Any, ...]:
    pnl = trip.sign * (trip.exit_value - trip.entry_value) - trip.fees
    last = len(market.times) - 1 if exit_bar is None else exit_bar
    return (
        symbol,
        trip.first,
        -1 if exit_bar is None else exit_bar,
        "long" if trip.sign > 0 else "short",
        trip.entry_value / trip.entered,
        trip.exit_value / trip.left,
        trip.entered,
        pnl,
        pnl / trip.entry_value,
        last - trip.first,
    )
