"""How far and how long wealth was below its peak."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.risk.performance import annual_return
from workbench.risk.registry import measure
from workbench.risk.series import Returns, clean, ratio
from workbench.typing import FloatArray

DrawdownState = Literal["OK", "WARN", "HALT"]


@overload
def drawdown(returns: pd.Series[float]) -> pd.Series[float]: ...
@overload
def drawdown(returns: npt.ArrayLike) -> FloatArray: ...
def drawdown(returns: Returns) -> pd.Series[float] | FloatArray:
    """Return the fraction that wealth is below its running peak after each return.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; a missing return leaves wealth as it was.

    Returns
    -------
    Series or array
        ``1 − W[t] / max(1, W[0..t])``: 0 at a peak, 1 at ruin. Positive, larger is worse. Wealth is compounded from 1,
        and that start is itself a peak: a loss on the first bar is a drawdown.
    """
    values = np.nan_to_num(np.asarray(returns, dtype=np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    below = _drawdown(clean(values, "drawdown", minimum=0))
    return pd.Series(below, index=returns.index, name="drawdown") if isinstance(returns, pd.Series) else below


def _drawdown(values: FloatArray) -> FloatArray:
    wealth = np.cumprod(1.0 + values)
    peak = np.maximum.accumulate(np.concatenate(([1.0], wealth)))[1:]
    return 1.0 - wealth / peak


@measure(
    "max_drawdown", unit="fraction", direction="lower", reference="Bacon (2008), ch. 4; Magdon-Ismail & Atiya (2004)"
)
def max_drawdown(returns: Returns) -> float:
    """Largest fall of wealth from a peak, as a positive fraction.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.

    Returns
    -------
    float
        ``max(drawdown)`` in [0, 1]; 0 when wealth never fell. The start counts as a peak.
    """
    return float(_drawdown(clean(returns, "max_drawdown")).max())


@measure("max_drawdown_duration", unit="bars", direction="lower", reference="Bacon (2008), ch. 4")
def max_drawdown_duration(returns: Returns) -> float:
    """Longest unbroken spell below a former peak, in bars.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.

    Returns
    -------
    float
        Bars that closed under water; the bar that regains the peak is not one of them. A spell that has not ended
        counts up to the last bar.
    """
    under = _drawdown(clean(returns, "max_drawdown_duration")) > 0
    starts, ends = _spells(under)
    return float((ends - starts).max(initial=0))


@measure("calmar_ratio", unit="ratio", direction="higher", reference="Young (1991), Futures 20(11)")
def calmar_ratio(returns: Returns, *, periods_per_year: float | None = None) -> float:
    """Annual return over the maximum drawdown.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out. All of them count; Young used the last 36 months.
    periods_per_year
        Bars in a year; inferred from the index of a Series.

    Returns
    -------
    float
        `annual_return` / `max_drawdown`; NaN when wealth never fell.
    """
    return ratio(annual_return(returns, periods_per_year=periods_per_year), max_drawdown(returns))


def drawdown_periods(returns: pd.Series[float], top: int | None = None) -> pd.DataFrame:
    """Return every drawdown as a row, deepest first.

    Parameters
    ----------
    returns
        Simple returns as fractions with a time index; a missing return counts as 0.
    top
        Number of rows to keep; None = all.

    Returns
    -------
    DataFrame
        Columns ``start`` (first bar under water), ``trough``, ``recovered`` (bar that regained the peak; NaT while
        under water), ``depth`` (positive fraction), ``duration`` (bars under water).
    """
    if not isinstance(returns, pd.Series):
        raise DataError(f"drawdown_periods needs a Series with times, got {type(returns).__name__}")
    below = drawdown(returns).to_numpy()
    starts, ends = _spells(below > 0)
    troughs = np.array([s + int(below[s:e].argmax()) for s, e in zip(starts, ends, strict=True)], dtype=np.int64)
    times = returns.index
    recovered = [times[e] if e < len(times) else pd.NaT for e in ends]
    table = pd.DataFrame(
        {
            "start": times[starts],
            "trough": times[troughs],
            "recovered": pd.Series(recovered, dtype=times.dtype),
            "depth": below[troughs],
            "duration": ends - starts,
        }
    )
    return table.sort_values("depth", ascending=False, kind="stable").head(top or len(table)).reset_index(drop=True)


def drawdown_state(dd: float, warn: float = 0.10, halt: float = 0.20) -> DrawdownState:
    """Return ``OK``, ``WARN`` from ``warn`` on, ``HALT`` from ``halt`` on.

    Parameters
    ----------
    dd
        Drawdown as a positive fraction, such as ``drawdown(returns).iloc[-1]``.
    warn, halt
        Fractions with ``0 < warn < halt``.
    """
    if not 0 < warn < halt:
        raise ConfigError(f"drawdown_state: warn {warn} must be above 0 and below halt {halt}; exchange or change them")
    if np.isnan(dd):
        raise DataError("drawdown_state: the drawdown is NaN; pass the drawdown of a known bar")
    return "HALT" if dd >= halt else "WARN" if dd >= warn else "OK"


def _spells(flags: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return first and one-past-last positions of each run of true flags."""
    edges = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
