"""What of a candle chart is on screen, and which events lie there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.typing import BoolArray, FloatArray, IntArray

Shapes = dict[str, dict[str, list[Any]]]
"""Layer -> columns of its data source."""


@dataclass(frozen=True)
class View:
    """The newest closed bar and the window on screen.

    Attributes
    ----------
    now : int
        Number of the newest bar whose close is known; whatever became known later is not drawn.
    start, end : float
        Bar numbers at the left and right edge.
    low, high : float
        Prices between which the candles of the window lie.
    width : float
        Pixels from the left to the right edge.
    """

    now: int
    start: float
    end: float
    low: float
    high: float
    width: float = 1000.0

    @property
    def bars_per_pixel(self) -> float:
        """Bars that take the width of one pixel."""
        return (self.end - self.start) / self.width

    def sees(self, known: IntArray, left: IntArray | FloatArray, right: IntArray | FloatArray) -> BoolArray:
        """Say which events are known and lie, from their left to their right, at least partly in the window."""
        return (known <= self.now) & (left <= self.end) & (right >= self.start)

    def reaches(self, bottom: FloatArray, top: FloatArray) -> BoolArray:
        """Say which price ranges meet that of the candles on screen."""
        return (top >= self.low) & (bottom <= self.high)
