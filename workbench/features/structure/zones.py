"""Features of price zones: open fair-value gaps, order blocks, liquidity pools and their sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.features.registry import Step, StepMaker, indicator
from workbench.features.structure.readings import Maker, Reading, distance, read, step
from workbench.features.structure.swings import FAMILY, LONGEST
from workbench.features.structure.trackers import BlockTracker, GapTracker, PoolTracker, Prices, SwingTracker
from workbench.typing import FloatArray

_OHLC = ("open", "high", "low", "close")
_GAP: Any = dict(warmup=2, family="structure", recursive=True)
_POOL: Any = FAMILY | dict(bounds={"swing_length": (1, LONGEST), "tolerance": (1e-6, 0.1)})


def _near(tracker: GapTracker | BlockTracker, bars: Prices, rows: slice) -> FloatArray:
    return distance(tracker.zones.near, tracker.zones.nearest[rows], bars.close[rows])


def _count(tracker: GapTracker | BlockTracker, bars: Prices, rows: slice) -> FloatArray:  # noqa: ARG001
    return tracker.zones.n_open[rows].astype(np.float64)


def _gaps(sign: int, join_consecutive: bool) -> Maker:
    return lambda n: GapTracker(n, sign=sign, join_consecutive=join_consecutive)


def _gap_stream(sign: int, reading: Reading) -> StepMaker:
    def make(*, join_consecutive: bool) -> Step:
        return step(_gaps(sign, join_consecutive), reading, 2, *_OHLC)

    return make


def _blocks(sign: int, swing_length: int, break_by_body: bool) -> Maker:
    return lambda n: BlockTracker(n, sign=sign, swing_length=swing_length, break_by_body=break_by_body)


def _block_stream(sign: int, reading: Reading) -> StepMaker:
    def make(*, swing_length: int, break_by_body: bool) -> Step:
        return step(_blocks(sign, swing_length, break_by_body), reading, 2 * swing_length - 1, *_OHLC)

    return make


@indicator("fvg_bull", stream=_gap_stream(1, _near), **_GAP)
def fvg_bull(
    open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, *, join_consecutive: bool = False
) -> FloatArray:
    """Distance from the close down to the nearest open bullish fair-value gap, top / close - 1, below 0; 0 for none."""
    return read(_gaps(1, join_consecutive), _near, 2, open=open, high=high, low=low, close=close)


@indicator("fvg_bear", stream=_gap_stream(-1, _near), **_GAP)
def fvg_bear(
    open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, *, join_consecutive: bool = False
) -> FloatArray:
    """Distance from the close up to the nearest open bearish fair-value gap, bottom / close - 1; 0 for none."""
    return read(_gaps(-1, join_consecutive), _near, 2, open=open, high=high, low=low, close=close)


@indicator("fvg_bull_count", stream=_gap_stream(1, _count), **_GAP)
def fvg_bull_count(
    open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, *, join_consecutive: bool = False
) -> FloatArray:
    """Number of bullish fair-value gaps that price has not touched again."""
    return read(_gaps(1, join_consecutive), _count, 2, open=open, high=high, low=low, close=close)


@indicator("fvg_bear_count", stream=_gap_stream(-1, _count), **_GAP)
def fvg_bear_count(
    open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, *, join_consecutive: bool = False
) -> FloatArray:
    """Number of bearish fair-value gaps that price has not touched again."""
    return read(_gaps(-1, join_consecutive), _count, 2, open=open, high=high, low=low, close=close)


@indicator("order_block_bull", stream=_block_stream(1, _near), **FAMILY)
def order_block_bull(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    swing_length: int = 10,
    break_by_body: bool = False,
) -> FloatArray:
    """Distance from the close to the nearest unbroken bullish order block, top / close - 1; 0 for none.

    The nearest is the one that a fall would break first. Below 0 while the close is above the block, above 0 within it.
    """
    make = _blocks(1, swing_length, break_by_body)
    return read(make, _near, 2 * swing_length - 1, open=open, high=high, low=low, close=close)


@indicator("order_block_bear", stream=_block_stream(-1, _near), **FAMILY)
def order_block_bear(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    swing_length: int = 10,
    break_by_body: bool = False,
) -> FloatArray:
    """Distance from the close to the nearest unbroken bearish order block, bottom / close - 1; 0 for none.

    The nearest is the one that a rise would break first. Above 0 while the close is below the block, below 0 within it.
    """
    make = _blocks(-1, swing_length, break_by_body)
    return read(make, _near, 2 * swing_length - 1, open=open, high=high, low=low, close=close)


@indicator("order_block_bull_count", stream=_block_stream(1, _count), **FAMILY)
def order_block_bull_count(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    swing_length: int = 10,
    break_by_body: bool = False,
) -> FloatArray:
    """Number of unbroken bullish order blocks."""
    make = _blocks(1, swing_length, break_by_body)
    return read(make, _count, 2 * swing_length - 1, open=open, high=high, low=low, close=close)


@indicator("order_block_bear_count", stream=_block_stream(-1, _count), **FAMILY)
def order_block_bear_count(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    swing_length: int = 10,
    break_by_body: bool = False,
) -> FloatArray:
    """Number of unbroken bearish order blocks."""
    make = _blocks(-1, swing_length, break_by_body)
    return read(make, _count, 2 * swing_length - 1, open=open, high=high, low=low, close=close)


def _pools(sign: int, swing_length: int, tolerance: float) -> Maker:
    return lambda n: PoolTracker(n, sign=sign, swing_length=swing_length, tolerance=tolerance)


def _pool_distance(tracker: PoolTracker, bars: Prices, rows: slice) -> FloatArray:
    return distance(tracker.pools.level, tracker.pools.nearest[rows], bars.close[rows])


def _pool_stream(sign: int) -> StepMaker:
    def make(*, swing_length: int, tolerance: float) -> Step:
        return step(_pools(sign, swing_length, tolerance), _pool_distance, 2 * swing_length - 1, "high", "low", "close")

    return make


class _BothSides(SwingTracker):
    """Pools of both sides around one set of swings."""

    def __init__(self, capacity: int, *, swing_length: int, tolerance: float) -> None:
        super().__init__(capacity, swing_length=swing_length)
        settings: Any = dict(swing_length=swing_length, tolerance=tolerance, swings=self.swings)
        self.above = PoolTracker(capacity, sign=1, **settings)
        self.below = PoolTracker(capacity, sign=-1, **settings)

    def grow(self, capacity: int) -> None:
        super().grow(capacity)
        for side in (self.above, self.below):
            side.grow(capacity)
            side.swings = self.swings

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        super().advance(bars, start, stop)
        self.above.follow(bars, start, stop)
        self.below.follow(bars, start, stop)


def _swept(tracker: _BothSides, bars: Prices, rows: slice) -> FloatArray:  # noqa: ARG001
    return (tracker.above.pools.sweeps[rows] - tracker.below.pools.sweeps[rows]).astype(np.float64)


def _sweep_stream(*, swing_length: int, tolerance: float) -> Step:
    make: Maker = lambda n: _BothSides(n, swing_length=swing_length, tolerance=tolerance)  # noqa: E731
    return step(make, _swept, 2 * swing_length - 1, "high", "low")


@indicator("liquidity_above", stream=_pool_stream(1), **_POOL)
def liquidity_above(
    high: FloatArray, low: FloatArray, close: FloatArray, *, swing_length: int = 10, tolerance: float = 0.001
) -> FloatArray:
    """Distance from the close to the nearest unswept pool of equal swing highs, mean level / close - 1; 0 for none."""
    make = _pools(1, swing_length, tolerance)
    return read(make, _pool_distance, 2 * swing_length - 1, high=high, low=low, close=close)


@indicator("liquidity_below", stream=_pool_stream(-1), **_POOL)
def liquidity_below(
    high: FloatArray, low: FloatArray, close: FloatArray, *, swing_length: int = 10, tolerance: float = 0.001
) -> FloatArray:
    """Distance from the close to the nearest unswept pool of equal swing lows, mean level / close - 1; 0 for none."""
    make = _pools(-1, swing_length, tolerance)
    return read(make, _pool_distance, 2 * swing_length - 1, high=high, low=low, close=close)


@indicator("sweep", stream=_sweep_stream, **_POOL)
def sweep(high: FloatArray, low: FloatArray, *, swing_length: int = 10, tolerance: float = 0.001) -> FloatArray:
    """Liquidity pools of swing highs less pools of swing lows that this bar sweeps; 0 on most bars."""
    make: Maker = lambda n: _BothSides(n, swing_length=swing_length, tolerance=tolerance)  # noqa: E731
    return read(make, _swept, 2 * swing_length - 1, high=high, low=low)
