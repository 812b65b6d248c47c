"""Loops of volume features that compile to machine code; import this module inside the function that uses it."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray

_options = {"cache": True, "nogil": True, "error_model": "numpy"}
_DAY = 86_400_000_000_000  # nanoseconds
_EVEN = 1e-9  # bins whose volumes differ by less than this part of all are equal: rounding does not choose


@nb.njit(**_options)
def session_vwap(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, time: IntArray, out: FloatArray
) -> None:
    """Mean typical price of the UTC day so far, weighted by volume; unweighted while the day has none.

    The three sums are compensated (Kahan 1965) and begin anew each day.
    """
    day = np.int64(-1)
    value = traded = plain = value_lost = traded_lost = plain_lost = 0.0
    bars = 0
    for t in range(close.size):
        today = time[t] // _DAY
        if t == 0 or today != day:
            day = today
            value = traded = plain = value_lost = traded_lost = plain_lost = 0.0
            bars = 0
        typical = (high[t] + low[t] + close[t]) / 3
        y = typical * volume[t] - value_lost
        s = value + y
        value_lost = (s - value) - y
        value = s
        y = volume[t] - traded_lost
        s = traded + y
        traded_lost = (s - traded) - y
        traded = s
        y = typical - plain_lost
        s = plain + y
        plain_lost = (s - plain) - y
        plain = s
        bars += 1
        out[t] = value / traded if traded > 0 else plain / bars


@nb.njit(**_options)
def volume_profile(
    high: FloatArray,
    low: FloatArray,
    volume: FloatArray,
    ceiling: FloatArray,
    floor: FloatArray,
    traded: FloatArray,
    window: int,
    bins: int,
    share: float,
    poc: FloatArray,
    area_high: FloatArray,
    area_low: FloatArray,
) -> None:
    """Point of control and value area of the last ``window`` bars.

    ``ceiling``, ``floor`` and ``traded`` are highest high, lowest low and volume of each window. Its range is cut into
    ``bins``; a bar's volume lies evenly over its own range, so the inner bins of a bar take one difference at each end
    and a row costs ``window + bins``. Where the window has no volume every bar weighs 1.
    """
    n = high.size
    start = min(window - 1, n)
    poc[:start] = np.nan
    area_high[:start] = np.nan
    area_low[:start] = np.nan
    mass, steps = np.zeros(bins), np.zeros(bins + 1)
    thin = np.empty(n)  # one over a bar's range: its density per unit of volume
    for t in range(n):
        thin[t] = 1 / (high[t] - low[t]) if high[t] > low[t] else 0.0
    for t in range(window - 1, n):
        width = (ceiling[t] - floor[t]) / bins
        if width <= 0:
            poc[t] = area_high[t] = area_low[t] = floor[t]
            continue
        mass[:] = 0.0
        steps[:] = 0.0
        first = t - window + 1
        _spread(high, low, volume, thin, first, t + 1, traded[t] > 0, floor[t], width, mass, steps)
        level = total = 0.0
        for b in range(bins):
            level += steps[b]
            mass[b] += max(level, 0.0) * width
            total += mass[b]
        even = _EVEN * total
        best = 0
        for b in range(1, bins):
            if mass[b] > mass[best] + even:
                best = b
        bottom, top = _value_area(mass, best, share * total, even)
        poc[t] = floor[t] + (best + 0.5) * width
        area_low[t], area_high[t] = floor[t] + bottom * width, floor[t] + (top + 1) * width


@nb.njit(**_options)
def _spread(
    high: FloatArray,
    low: FloatArray,
    volume: FloatArray,
    thin: FloatArray,
    first: int,
    stop: int,
    weigh: bool,
    floor: float,
    width: float,
    mass: FloatArray,
    steps: FloatArray,
) -> None:
    """Add bars: their volume in part of a bin to ``mass``, their density over whole bins to ``steps``."""
    last = mass.size - 1
    per_width = 1 / width
    for s in range(first, stop):
        a, b = min(int((low[s] - floor) * per_width), last), min(int((high[s] - floor) * per_width), last)
        heavy = volume[s] if weigh else 1.0
        if a == b:
            mass[a] += heavy
            continue
        density = heavy * thin[s]
        mass[a] += density * (floor + (a + 1) * width - low[s])
        mass[b] += density * (high[s] - (floor + b * width))
        steps[a + 1] += density
        steps[b] -= density


@nb.njit(**_options)
def _value_area(mass: FloatArray, best: int, wanted: float, even: float) -> tuple[int, int]:
    """Bins around the fullest one that hold ``wanted``: the fuller neighbour joins first, the lower one of equals."""
    bottom = top = best
    held = mass[best]
    while held < wanted - even and (bottom > 0 or top < mass.size - 1):
        below = mass[bottom - 1] if bottom > 0 else -np.inf
        above = mass[top + 1] if top < mass.size - 1 else -np.inf
        if below >= above - even:
            bottom -= 1
            held += below
        else:
            top += 1
            held += above
    return bottom, top


def warm() -> None:
    """Compile every kernel of this module, or load it from the cache; also for arrays that may not be written to."""
    out = np.empty((3, 4))
    for writeable in (True, False):
        x, time = np.linspace(1.0, 2.0, 4), np.arange(4, dtype=np.int64)
        x.flags.writeable = time.flags.writeable = writeable
        session_vwap(x, x, x, x, time, out[0])
        other = np.linspace(1.0, 2.0, 4)
        volume_profile(x, x, x, other, other, other, 2, 4, 0.7, out[0], out[1], out[2])
