"""Pattern features bar by bar: the same kernel and the same finders as over all bars, on the newest pivots only."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.features.patterns.divergence import find_divergences, oscillator_values, oscillator_warmup
from workbench.features.patterns.pivots import Candidates, Matches, Pivots
from workbench.typing import FloatArray

_KEPT = 9  # a correction after an impulse looks back over nine pivots
Finder = Callable[[Pivots], Matches | Candidates]


class PivotFollower:
    """Takes one bar after the other and keeps the newest confirmed pivots."""

    def __init__(self, threshold: float, atr_window: int) -> None:
        from workbench.features.patterns.zigzag_kernels import PIVOT_BAR, PIVOT_PRICE, STATE_SIZE, advance

        self._advance, self._bar_place, self._price_place = advance, PIVOT_BAR, PIVOT_PRICE
        self._state: FloatArray = np.zeros(STATE_SIZE)
        self._threshold, self._atr_window = float(threshold), int(atr_window)
        self._rows: list[tuple[int, int, float, int]] = []
        self.bar = -1

    def take(self, high: float, low: float, close: float) -> bool:
        """Take a bar; return whether it confirms a pivot."""
        self.bar += 1
        side = self._advance(self._state, high, low, close, self._threshold, self._atr_window)
        if side:
            origin, price = int(self._state[self._bar_place]), float(self._state[self._price_place])
            self._rows = [*self._rows[1 - _KEPT :], (origin, self.bar, price, side)]
        return bool(side)

    @property
    def rows(self) -> list[tuple[int, int, float, int]]:
        """Origin, known bar, price and side of the newest pivots, oldest first."""
        return self._rows

    def pivots(self) -> Pivots:
        """Return the newest pivots as arrays."""
        origin, known, price, side = (np.array(column) for column in zip(*self._rows, strict=True))
        return Pivots(origin, known, price, side)


@dataclass
class _Waiting:
    """One candidate whose lines are watched."""

    known: int
    until: int
    upper: tuple[float, float]
    lower: tuple[float, float]
    upward: int
    downward: int
    score: float
    code: int


class PatternFollower:
    """A held pattern signal bar by bar; calling it with high, low and close returns the value at that bar."""

    def __init__(self, find: Finder, *, threshold: float, atr_window: int, hold: int) -> None:
        self._find, self._hold, self._warmup = find, hold, atr_window
        self._follower = PivotFollower(threshold, atr_window)
        self._waiting: dict[int, _Waiting] = {}
        self._known, self._value = -hold, 0.0

    def __call__(self, high: float, low: float, close: float) -> float:
        found: list[tuple[float, int, int]] = []  # score, place in a draw, direction
        if self._follower.take(high, low, close):
            pivots = self._follower.pivots()
            result = self._find(pivots)
            if isinstance(result, Candidates):
                self._watch(result, pivots)
            else:
                new = np.flatnonzero(result.known == self._follower.bar)
                found = [(float(result.score[k]), -int(result.code[k]), int(result.direction[k])) for k in new]
        found += self._breaks(close)
        bar = self._follower.bar
        if found:
            score, _, direction = max(found)
            self._known, self._value = bar, direction * score
        if bar < self._warmup:
            return np.nan
        return self._value if bar - self._known < self._hold else 0.0

    def _watch(self, c: Candidates, pivots: Pivots) -> None:
        for k in np.flatnonzero(c.matches.last == pivots.price.size - 1):
            self._waiting[int(c.chain[k])] = _Waiting(
                known=int(c.matches.known[k]),
                until=int(c.until[k]),
                upper=(float(c.upper[k]), float(c.upper_slope[k])),
                lower=(float(c.lower[k]), float(c.lower_slope[k])),
                upward=int(c.upward[k]),
                downward=int(c.downward[k]),
                score=float(c.matches.score[k]),
                code=int(c.matches.code[k]),
            )

    def _breaks(self, close: float) -> list[tuple[float, int, int]]:
        found, bar = [], self._follower.bar
        for chain, w in list(self._waiting.items()):
            ahead = bar - w.known
            above, below = close > w.upper[0] + w.upper[1] * ahead, close < w.lower[0] + w.lower[1] * ahead
            if bar > w.until:
                del self._waiting[chain]
            elif above or below:
                del self._waiting[chain]
                if w.upward if above else w.downward:
                    found.append((w.score, -w.code, 1 if above else -1))
        return found


class DivergenceFollower:
    """The divergence feature bar by bar; calling it with high, low, close and volume returns the value at that bar.

    The oscillator depends on the whole history, so closes and volumes are kept; it is computed where a pivot is
    confirmed, on few bars.
    """

    def __init__(self, *, oscillator: str, kind: str, hold: int, threshold: float, atr_window: int) -> None:
        self._oscillator, self._kind, self._hold = oscillator, kind, hold
        self._warmup = max(atr_window, oscillator_warmup(oscillator))
        self._follower = PivotFollower(threshold, atr_window)
        self._closes, self._volumes = array("d"), array("d")
        self._known, self._value = -hold, 0.0

    def __call__(self, high: float, low: float, close: float, volume: float) -> float:
        self._closes.append(close)
        self._volumes.append(volume)
        confirmed = self._follower.take(high, low, close)
        bar = self._follower.bar
        if confirmed and len(self._follower.rows) > 2:
            values = oscillator_values(self._oscillator, np.frombuffer(self._closes), np.frombuffer(self._volumes))
            found = find_divergences(self._follower.pivots(), values, kind=self._kind)
            for k in np.flatnonzero(found.known == bar):
                self._known, self._value = bar, float(found.direction[k] * found.score[k])
        if bar < self._warmup:
            return np.nan
        return self._value if bar - self._known < self._hold else 0.0
