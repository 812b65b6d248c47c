"""Where a replay market's lowest bars come from: arrays of stored bars, or a synthetic market drawn day by day."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from typing import Protocol

import numpy as np

from workbench.config import Spec, parse_spec
from workbench.data.replay.grid import DAY, HOUR, MINUTE, check_rows, decimals_of, length_ms, quantized
from workbench.data.sources.synthetic import synthetic_market
from workbench.data.timeframes import canonical_timeframe
from workbench.errors import ConfigError
from workbench.typing import FloatArray

COARSE = "4h"
COARSE_MS = 4 * HOUR
HISTORY_BARS = 20 * 365 * 6
"""Coarse bars of a synthetic market: twenty years from 2020-01-01 on."""

_DAYS_KEPT = 96
_MINUTES = 1440
_SCALES = {"BTC": (300.0, 2, 5), "ETH": (10.0, 2, 4), "SOL": (1.0, 4, 3)}
"""Price level in hundreds at the start, decimals of prices, decimals of amounts; others: as SOL."""


class Feed(Protocol):
    """Lowest bars of one symbol, all of its life at once: the replay clock decides what is seen of them."""

    timeframe: str
    first_ms: int
    end_ms: int | None
    """When the last bar ends; ``None``: it goes on."""

    price_decimals: int
    amount_decimals: int

    def bars(self, start_ms: int, end_ms: int) -> FloatArray:
        """Return bars that open in [start_ms, end_ms): (n, 6), open time in ms, open, high, low, close, volume."""
        ...


class ArrayFeed:
    """Bars in memory, 48 bytes each.

    Prices and volumes are rounded to eight decimals at most, the format of venues; all values that eight decimals can
    write stay as they are, to the bit.

    Parameters
    ----------
    rows : ndarray of shape (n, 6)
        Open time in milliseconds since 1970 UTC, open, high, low, close, volume.
    """

    def __init__(self, rows: FloatArray, timeframe: str) -> None:
        rows = check_rows(np.ascontiguousarray(rows, dtype=np.float64), f"bars of {timeframe}")
        self.timeframe = canonical_timeframe(timeframe)
        self.price_decimals = decimals_of(rows[:, 1:5])
        self.amount_decimals = decimals_of(rows[:, 5])
        self._rows = np.column_stack(
            [rows[:, 0], quantized(rows[:, 1:5], self.price_decimals), quantized(rows[:, 5], self.amount_decimals)]
        )
        self._times = self._rows[:, 0].copy()
        self.first_ms = int(self._times[0])
        self.end_ms: int | None = int(self._times[-1]) + length_ms(self.timeframe)

    def bars(self, start_ms: int, end_ms: int) -> FloatArray:
        """Return bars that open in [start_ms, end_ms)."""
        first, last = np.searchsorted(self._times, [start_ms, end_ms])
        return self._rows[first:last]


class SyntheticFeed:
    """Minute bars of a synthetic market, drawn a day at a time, the same whatever was asked before.

    A market of `workbench.data.sources.synthetic` draws twenty years of 4-hour bars from 2020 on; within each, minutes
    follow a Brownian bridge from its open to its close with its volatility, and share its volume. A day's minutes
    depend on the seed, the symbol and the day alone, so any page of history costs the same and nothing piles up.

    Parameters
    ----------
    spec : str
        gbm, planted, regimes or trending with their arguments, such as ``regimes(seed=7)``; without ``n_bars``.
    """

    timeframe = "1m"
    end_ms: int | None = None

    def __init__(self, spec: str | Spec, symbol: str) -> None:
        parsed = parse_spec(spec) if isinstance(spec, str) else spec
        if "n_bars" in parsed.kwargs or len(parsed.args) > 1:
            raise ConfigError(f"{parsed}: a replay market runs for twenty years from 2020 on; leave n_bars out")
        self._spec, self.symbol = parsed, symbol
        scale, self.price_decimals, self.amount_decimals = _SCALES.get(symbol.partition("/")[0], _SCALES["SOL"])
        self._scale = scale
        seed = int(str(parsed.kwargs.get("seed", parsed.args[0] if parsed.args else 1)))
        self._key = (seed, zlib.crc32(symbol.encode()))
        self._coarse: FloatArray | None = None
        self._days: OrderedDict[int, FloatArray] = OrderedDict()
        self._lock = threading.Lock()
        self.first_ms = int(np.datetime64("2020-01-01", "ms").astype(np.int64))
        self._last_ms = self.first_ms + HISTORY_BARS * COARSE_MS
        synthetic_market(self._sized(2), [symbol], COARSE)  # a wrong argument is told at once, not at the first page

    def bars(self, start_ms: int, end_ms: int) -> FloatArray:
        """Return bars that open in [start_ms, end_ms)."""
        start, end = max(start_ms, self.first_ms), min(end_ms, self._last_ms)
        if start >= end:
            return np.empty((0, 6))
        days = [self._day(day) for day in range(start // DAY, (end - 1) // DAY + 1)]
        rows = days[0] if len(days) == 1 else np.concatenate(days)
        first = -(-(start - int(rows[0, 0])) // MINUTE)
        last = -(-(end - int(rows[0, 0])) // MINUTE)
        return rows[first:last]

    def _day(self, day: int) -> FloatArray:
        with self._lock:  # a test may ask for the truth while the venue's thread answers
            rows = self._days.pop(day, None)
            if rows is None:
                rows = self._draw(day)
            self._days[day] = rows
            if len(self._days) > _DAYS_KEPT:
                self._days.popitem(last=False)
            return rows

    def _draw(self, day: int) -> FloatArray:
        rng = np.random.default_rng([*self._key, day])
        parts = DAY // COARSE_MS
        n = COARSE_MS // MINUTE
        first = (day * DAY - self.first_ms) // COARSE_MS
        open_, close, volume, sigma = self._coarse_path()[first : first + parts].T[:, :, None]
        returns = sigma * rng.standard_normal((parts, n))
        returns += (np.log(close / open_) - returns.sum(axis=1, keepdims=True)) / n
        ends = open_ * np.exp(np.cumsum(returns, axis=1))
        ends[:, -1] = close[:, 0]
        tick = 10.0**-self.price_decimals
        closes = np.maximum(quantized(ends, self.price_decimals), tick).ravel()
        start = max(float(quantized(open_[0], self.price_decimals)[0]), tick)
        opens = np.concatenate([[start], closes[:-1]])
        up, down = (np.sqrt(returns**2 - 2 * sigma**2 * np.log(1 - rng.random((parts, n)))) for _ in range(2))
        highs = quantized(opens * np.exp((returns + up).ravel() / 2), self.price_decimals)
        lows = quantized(opens * np.exp((returns - down).ravel() / 2), self.price_decimals)
        shares = np.exp(0.5 * rng.standard_normal((parts, n)))
        volumes = quantized((volume * shares / shares.sum(axis=1, keepdims=True)).ravel(), self.amount_decimals)
        return np.column_stack(
            [
                day * DAY + MINUTE * np.arange(_MINUTES, dtype=np.float64),
                opens,
                np.maximum(highs, np.maximum(opens, closes)),
                np.maximum(np.minimum(lows, np.minimum(opens, closes)), tick),
                closes,
                volumes,
            ]
        )

    def _sized(self, n_bars: int) -> Spec:
        return Spec(self._spec.name, self._spec.args, {**self._spec.kwargs, "n_bars": n_bars})

    def _coarse_path(self) -> FloatArray:
        """Return open, close, volume and volatility of a minute for each coarse bar: (n, 4)."""
        if self._coarse is None:
            bars, truth = synthetic_market(self._sized(HISTORY_BARS), [self.symbol], COARSE)
            open_, close = (bars[(f, self.symbol)].to_numpy() * self._scale for f in ("open", "close"))
            volume = bars[("volume", self.symbol)].to_numpy()
            minutes_a_year = 365 * DAY / MINUTE
            if ("volatility", self.symbol) in truth.columns:
                sigma = truth[("volatility", self.symbol)].to_numpy() / np.sqrt(minutes_a_year)
            else:
                sigma = np.full(len(open_), np.log(close / open_).std() / np.sqrt(COARSE_MS / MINUTE))
            self._coarse = np.column_stack([open_, close, volume, sigma])
        return self._coarse


class PerpetualFeed:
    """A perpetual's bars, made from its spot's: the basis swings by a few hundredths of a percent around zero."""

    def __init__(self, spot: Feed) -> None:
        self._spot = spot
        self.timeframe, self.first_ms, self.end_ms = spot.timeframe, spot.first_ms, spot.end_ms
        self.price_decimals, self.amount_decimals = spot.price_decimals, spot.amount_decimals
        self._step = length_ms(spot.timeframe)

    def bars(self, start_ms: int, end_ms: int) -> FloatArray:
        """Return bars that open in [start_ms, end_ms)."""
        rows = self._spot.bars(start_ms, end_ms)
        tick = 10.0**-self.price_decimals
        first, last = (1 + basis(rows[:, 0] + shift) for shift in (0, self._step))
        open_, close = (
            np.maximum(quantized(rows[:, i] * f, self.price_decimals), tick) for i, f in ((1, first), (4, last))
        )
        middle = (first + last) / 2
        high, low = (np.maximum(quantized(rows[:, i] * middle, self.price_decimals), tick) for i in (2, 3))
        return np.column_stack(
            [
                rows[:, 0],
                open_,
                np.maximum(high, np.maximum(open_, close)),
                np.minimum(low, np.minimum(open_, close)),
                close,
                rows[:, 5],
            ]
        )


def basis(times_ms: FloatArray) -> FloatArray:
    """Return by which fraction perpetuals are above spot: a smooth swing of two periods, at most 5e-4."""
    days = times_ms / DAY
    return 3e-4 * np.sin(2 * np.pi * days / 3.0) + 2e-4 * np.sin(2 * np.pi * days / 0.7)
