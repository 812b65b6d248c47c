"""Labels look forward on purpose, and carry the time at which they are known.

.. note:: Timing. The decision falls on the close of bar t, the fill at the open of bar t + 1; the label measures what
   a position held for ``horizon`` bars from that fill earns, and is known at the open of bar t + 1 + horizon.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.features.columns import panel
from workbench.features.volatility import realized_vol
from workbench.typing import Bars, FloatArray, IntArray, Panel

LABEL_WINDOW = 20
"""Returns in the trailing volatility that scales the neutral band."""


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
    if "open" not in bars.columns.unique(0):
        raise DataError("forward_return needs the field 'open', which these bars lack; load bars with all five fields")
    open_ = panel(bars, "open")
    values: FloatArray = open_.to_numpy(dtype=np.float64)
    times = pd.DatetimeIndex(open_.index)
    returns = np.full(values.shape, np.nan)
    ends = np.full(values.shape, -1, dtype=np.int64)
    for j in range(values.shape[1]):
        own = np.flatnonzero(~np.isnan(values[:, j]))
        entry, exit_ = own[1:-horizon], own[1 + horizon :]
        decided = own[: exit_.size]
        returns[decided, j] = values[exit_, j] / values[entry, j] - 1
        ends[decided, j] = exit_
    return pd.DataFrame(returns, index=open_.index, columns=open_.columns), _times(times, ends, open_)


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
    width = neutral_band * np.sqrt(horizon) * realized_vol(bars, window=window)
    width = width.reindex(index=returns.index, columns=returns.columns)
    return classes.mask(returns.abs() <= width, 0.0).where(width.notna())


def _times(times: pd.DatetimeIndex, ends: IntArray, like: Panel) -> Panel:
    known = times.append(pd.DatetimeIndex([pd.NaT], tz=times.tz))  # -1 takes the NaT at the end
    frame = pd.DataFrame({j: known[ends[:, j]] for j in range(like.shape[1])}, index=like.index)
    frame.columns = like.columns
    return frame


def _check_horizon(horizon: int) -> None:
    if not isinstance(horizon, int | np.integer) or isinstance(horizon, bool) or horizon < 1:
        raise ConfigError(f"horizon must be a whole number of bars from 1 on, got {horizon!r}")
