"""The triple-barrier label: which of profit-take, stop and time limit a position meets first."""

from __future__ import annotations

import math

import numpy as np

from workbench.config import did_you_mean
from workbench.errors import ConfigError
from workbench.features.labels.horizons import LABEL_WINDOW, MOST_BARS, trailing_volatility
from workbench.features.labels.outcomes import Label, Outcomes
from workbench.features.labels.registry import label
from workbench.typing import Bars, Panel

UNITS = ("volatility", "fraction")
VERTICALS = ("zero", "sign")


def _following(
    bars: Bars, side: Panel | None, *, up: float, down: float, horizon: int, window: int, unit: str, vertical: str
) -> Label:
    """Positions that follow a side, None = long; of a short the profit-take lies below the entry and the stop above."""
    from workbench.features.labels.barrier_kernels import first_touch

    for name, value, allowed in (("unit", unit, UNITS), ("vertical", vertical, VERTICALS)):
        if value not in allowed:
            raise ConfigError(f"label 'triple_barrier': {name} is {value!r}.{did_you_mean(value, allowed)}")
    made = Outcomes(bars, "triple_barrier", "open", "high", "low", "close")
    symbols, shape = made.like.columns, made.like.shape
    ones = np.ones(shape)
    scales = trailing_volatility(bars, window)[symbols].to_numpy() if unit == "volatility" else ones
    sides = ones if side is None else side[symbols].to_numpy(dtype=np.float64)
    for j, own, (open_, high, low, _) in made.each_symbol():
        scale, chosen = np.ascontiguousarray(scales[own, j]), np.ascontiguousarray(sides[own, j])
        distances = up or math.inf, down or math.inf
        exits, prices, barrier, held = first_touch(open_, high, low, scale, chosen, *distances, horizon)
        known = np.flatnonzero(exits >= 0)
        returns = chosen[known] * (prices[known] / open_[known + 1] - 1)
        met = barrier[known].astype(np.float64)
        classes = np.where(met == 0, np.sign(returns), met) if vertical == "sign" else met
        lived = held[known].astype(np.float64)
        made.put(j, own[known], own[exits[known]], side=classes, returns=returns, barrier=met, held=lived)
    return made.label("side", "barrier")


@label(
    "triple_barrier",
    ahead=lambda horizon, **_: horizon + 1,
    warmup=lambda window, unit, **_: window if unit == "volatility" else 0,
    classes=True,
    bounds={"up": (0, 1e6), "down": (0, 1e6), "horizon": (1, MOST_BARS), "window": (2, MOST_BARS)},
    references=("López de Prado (2018), Advances in Financial Machine Learning, ch. 3",),
    sided=_following,
)
def triple_barrier(
    bars: Bars,
    *,
    up: float = 2.0,
    down: float = 1.0,
    horizon: int = 20,
    window: int = LABEL_WINDOW,
    unit: str = "volatility",
    vertical: str = "zero",
) -> Label:
    """Which barrier a position from the next open meets first: profit-take (+1), stop (-1) or the time limit (0).

    Parameters
    ----------
    bars
        Bars with open, high, low and close.
    up, down
        Distance of profit-take and stop from the entry price, in multiples of ``unit``; 0 leaves that barrier out.
    horizon
        Bars after which the position is closed at the open: the vertical barrier.
    window
        Returns in the trailing volatility, which is read at the close of the decision and is per bar.
    unit
        ``"volatility"``, or ``"fraction"`` of the entry price (then no volatility is needed).
    vertical
        The value where time runs out: ``"zero"``, or ``"sign"`` of the return.

    Returns
    -------
    Label
        ``y`` -1, 0, +1; ``details["barrier"]`` +1 profit-take, -1 stop, 0 vertical; ``t1`` the bar of the exit.

    Notes
    -----
    Filled at the open of bar t + 1; the barriers are live from that bar on and are touched by high and low. A later
    bar that opens at or beyond a barrier fills at its open. Where one bar touches both, the stop wins. The time limit
    fills at the open of bar t + 1 + horizon, so with both barriers out the return is that of `forward_return`.
    Unknown where the bars end before the position does, in the warm-up, and where the volatility is 0. The last
    ``horizon`` bars therefore hold early touches only: a known label never changes, but 0 is missing there.
    """
    return _following(bars, None, up=up, down=down, horizon=horizon, window=window, unit=unit, vertical=vertical)
