"""How much is held and how much is traded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import DataError
from workbench.risk.registry import measure
from workbench.risk.series import clean, resolve_periods
from workbench.typing import FloatArray


@measure("exposure", unit="fraction", direction="lower", reference="Grinold & Kahn (1999), ch. 14", summarised=False)
def exposure(positions: npt.ArrayLike) -> float:
    """Mean gross exposure: sum of absolute positions as a fraction of equity.

    Parameters
    ----------
    positions
        Signed fractions of equity, ``(n_bars,)`` or ``(n_bars, n_assets)``; NaN counts as no position.

    Returns
    -------
    float
        0 when never invested, 1 when always fully invested, long or short.
    """
    return float(np.abs(_positions(positions, "exposure")).sum(axis=1).mean())


@measure("turnover", unit="per year", direction="lower", reference="Grinold & Kahn (1999), ch. 16", summarised=False)
def turnover(positions: Any = None, *, traded: Any = None, periods_per_year: float | None = None) -> float:
    """Value traded in a year as a multiple of equity, buys and sells both counted.

    Parameters
    ----------
    positions
        Signed fractions of equity, ``(n_bars,)`` or ``(n_bars, n_assets)``: trades are then the changes of the
        fractions, starting from none; the drift of a held position counts like a trade.
    traded
        Instead of positions, when the fills are known: value traded at each bar over equity, ``(n_bars,)``.
    periods_per_year
        Bars in a year; inferred from a time index.

    Returns
    -------
    float
        Buying and selling the whole equity once a year is 2.
    """
    if (positions is None) == (traded is None):
        raise DataError("turnover takes either positions or traded, one of the two")
    if traded is None:
        held = _positions(positions, "turnover")
        changes = np.abs(np.diff(held, axis=0, prepend=np.zeros((1, held.shape[1])))).sum(axis=1)
        return float(changes.mean()) * resolve_periods(positions, periods_per_year, "turnover")
    return float(clean(traded, "turnover").mean()) * resolve_periods(traded, periods_per_year, "turnover")


def _positions(positions: npt.ArrayLike, name: str) -> FloatArray:
    values = np.asarray(positions, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or len(values) == 0:
        raise DataError(f"{name} needs positions of shape (n_bars, n_assets), got {values.shape}")
    if np.isinf(values).any():
        raise DataError(f"{name}: a position is infinite; positions are fractions of equity")
    return np.nan_to_num(values)
