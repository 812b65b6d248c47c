"""Labels of a fixed horizon: the return a position earns, raw, in units of volatility, or as a class.

.. note:: Timing. The decision falls on the close of bar t, the fill at the open of bar t + 1; the label measures what
   a position held for ``horizon`` bars from that fill earns, and is known at the open of bar t + 1 + horizon.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import ConfigError
from workbench.features.compute import run_feature
from workbench.features.labels.outcomes import Label, Outcomes
from workbench.features.labels.registry import label
from workbench.typing import Bars, Panel

LABEL_WINDOW = 20
"""Returns in the trailing volatility that scales the neutral band, the scaled returns and the barriers."""
MOST_BARS = 100_000
"""Longest horizon or window."""


def forward_return(bars: Bars, horizon: int = 1) -> tuple[Panel, Panel]:
    """Return what a position opened at the next bar's open earns, and when that is known.

    Parameters
    ----------
    bars
        Bars with the field ``open``.
    horizon
        Bars that the position is held, from 1 on.

    Returns
    -------
    returns : Panel
        ``open[t + 1 + horizon] / open[t + 1] - 1`` at row t, a fraction; NaN where the bars end before, and where
        the symbol does not trade at t.
    t1 : Panel
        The open time of bar t + 1 + horizon; NaT where unknown.

    Notes
    -----
    Bars are counted on each symbol's own bars, as in the features; `t1` is the true time, so purging by it stays right
    across holidays and halts.

    References
    ----------
    López de Prado (2018), Advances in Financial Machine Learning, ch. 3 and 7 (t1).
    """
    _check_horizon(horizon)
    made = _held(bars, horizon, "forward_return")
    return made.frame("returns"), made.times()


def label_classes(
    returns: Panel, bars: Bars, neutral_band: float = 0.0, *, horizon: int = 1, window: int = LABEL_WINDOW
) -> Panel:
    """Return the class of each forward return: bear (-1), neutral (0) or bull (+1); NaN where unknown.

    Neutral is ``abs(r) <= neutral_band * volatility * sqrt(horizon)`` with the volatility per bar of the ``window``
    returns up to t. With a band of 0 only a return of exactly 0 is neutral and no volatility is needed.

    Raises
    ------
    ConfigError
        A negative band, or a horizon or window that does not fit.
    """
    _check_horizon(horizon)
    if not np.isfinite(neutral_band) or neutral_band < 0:
        raise ConfigError(f"neutral_band must be 0 or more, got {neutral_band!r}; 0 turns it off")
    classes = pd.DataFrame(np.sign(returns.to_numpy()), index=returns.index, columns=returns.columns)
    if neutral_band == 0:
        return classes
    width = neutral_band * np.sqrt(horizon) * trailing_volatility(bars, window)
    width = width.reindex(index=returns.index, columns=returns.columns)
    return classes.mask(returns.abs() <= width, 0.0).where(width.notna())


def trailing_volatility(bars: Bars, window: int) -> Panel:
    """Return the standard deviation (ddof=1) of the last ``window`` close-to-close returns, per bar."""
    return run_feature(bars, f"realized_vol({window})")


def _following(bars: Bars, side: Panel, *, horizon: int, **_: object) -> Label:
    held = _held(bars, horizon, "fixed").label("returns")
    returns = held.returns * side
    return replace(held, y=returns, returns=returns)


@label(
    "fixed",
    ahead=lambda horizon: horizon + 1,
    bounds={"horizon": (1, MOST_BARS)},
    sided=_following,
)
def fixed(bars: Bars, *, horizon: int = 1) -> Label:
    """Return of a position held for ``horizon`` bars from the next open, a fraction; see `forward_return`."""
    return _held(bars, horizon, "fixed").label("returns")


@label(
    "vol_scaled",
    ahead=lambda horizon, window: horizon + 1,  # noqa: ARG005 - every parameter is handed over by name
    warmup=lambda horizon, window: window,  # noqa: ARG005
    bounds={"horizon": (1, MOST_BARS), "window": (2, MOST_BARS)},
    sided=_following,
)
def vol_scaled(bars: Bars, *, horizon: int = 10, window: int = LABEL_WINDOW) -> Label:
    """Return over ``horizon`` bars in units of the volatility that was known when it was decided.

    Notes
    -----
    ``y_t = r_t / (sigma_t * sqrt(horizon))`` with r as in `forward_return` and sigma per bar from the ``window``
    returns up to t. NaN in the window's warm-up, and where sigma is 0: a price that stands still has no scale.
    """
    held = _held(bars, horizon, "vol_scaled").label("returns")
    width = trailing_volatility(bars, window)[held.returns.columns] * np.sqrt(horizon)
    scaled = held.returns / width.where(width > 0)
    unknown = scaled.isna()
    return replace(
        held,
        y=scaled,
        t1=held.t1.mask(unknown),
        returns=held.returns.mask(unknown),
        held=held.held.mask(unknown),
    )


def _held(bars: Bars, horizon: int, name: str) -> Outcomes:
    made = Outcomes(bars, name, "open")
    for j, own, (open_,) in made.each_symbol():
        entry, exit_ = open_[1:-horizon], open_[1 + horizon :]
        decided, n = own[: exit_.size], exit_.size
        made.put(j, decided, own[1 + horizon :], returns=exit_ / entry - 1, held=np.full(n, float(horizon)))
    return made


def _check_horizon(horizon: int) -> None:
    if not isinstance(horizon, int | np.integer) or isinstance(horizon, bool) or horizon < 1:
        raise ConfigError(f"horizon must be a whole number of bars from 1 on, got {horizon!r}")
