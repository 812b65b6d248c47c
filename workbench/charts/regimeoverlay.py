"""Regimes as the background of a candle chart: trend as colour, wild markets as hatching, shocks as marks."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.charts.events import Arrays
from workbench.charts.theme import DOWN, UP
from workbench.charts.view import Shapes, View
from workbench.typing import BoolArray

_WILD = 2.0
MOST_SHOCKS = 30


def regime_shapes(values: Arrays, view: View) -> Shapes:
    """Return the shapes of all layers of regimes, as columns of their data sources.

    Parameters
    ----------
    values
        ``regimes`` of `workbench.charts.events.ChartEvents`.
    view
        The newest closed bar and the window.
    """
    first = int(values["i"][0])
    start = int(np.clip(np.floor(view.start) - first, 0, len(values["i"])))
    stop = int(np.clip(min(view.now, np.ceil(view.end)) + 1 - first, start, len(values["i"])))
    window = slice(start, stop)
    i, trend = values["i"][window], values["trend_regime"][window]
    spans: dict[str, list[Any]] = {"x0": [], "x1": [], "color": []}
    for sign, color in ((1.0, UP), (-1.0, DOWN)):
        begin, end = _runs(trend == sign)
        spans["x0"] += (i[begin] - 0.5).tolist()
        spans["x1"] += (i[end] + 0.5).tolist()
        spans["color"] += [color] * begin.size
    begin, end = _runs(values["vol_regime"][window] == _WILD)
    shocked = np.flatnonzero(values["critical_event"][window] > 0)[-MOST_SHOCKS:]
    return {
        "trend": spans,
        "wild": {"x0": (i[begin] - 0.5).tolist(), "x1": (i[end] + 0.5).tolist()},
        "shock": {"x": i[shocked].tolist(), "y": values["high"][window][shocked].tolist()},
    }


def _runs(state: BoolArray) -> tuple[Any, Any]:
    """Return the first and the last position of each run of True."""
    edges = np.diff(np.r_[False, state, False].astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
