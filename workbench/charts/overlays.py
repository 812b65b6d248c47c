"""The layers of a candle chart that show events: made once, then their data sources follow the newest bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench.charts.events import ChartEvents
from workbench.charts.overlaylayers import COLUMNS, add_layers, legend_html
from workbench.charts.patternoverlay import pattern_shapes
from workbench.charts.regimeoverlay import regime_shapes
from workbench.charts.structureoverlay import structure_shapes
from workbench.charts.view import Shapes, View


class Overlays:
    """Layers over the candles of one figure, by family: smart money, patterns, regimes.

    Attributes
    ----------
    pane : bokeh.plotting.figure
        The candles' figure.
    width : float
        Pixels of its frame; as no browser has told at first, a usual one.
    shown : tuple of str
        Families that are drawn.
    sources : dict[str, bokeh.models.ColumnDataSource]
        Layer -> its data; renderers have the layer's name.
    legend : bokeh.models.Spacer
        What the marks mean, for the families that are drawn.
    """

    def __init__(self, pane: Any) -> None:
        from bokeh.models import ColumnDataSource, Spacer
        from bokeh.models.dom import HTML

        # The scale stays that of the candles: an old zone far away must not press them flat.
        pane.y_range.renderers = list(pane.renderers)
        self.pane, self.width = pane, 1000.0
        self.shown: tuple[str, ...] = ()
        self.sources = {
            layer: ColumnDataSource(_empty(names)) for layers in COLUMNS.values() for layer, names in layers.items()
        }
        # Not bokeh.models.Div: that is a widget, whose scripts a report does not carry.
        self._words = HTML(html="")
        self.legend = Spacer(elements=[self._words], visible=False, sizing_mode="stretch_width")
        add_layers(pane, self.sources)

    def show(self, families: Sequence[str]) -> None:
        """Choose the families that are drawn; the others' layers are emptied."""
        self.shown = tuple(f for f in COLUMNS if f in families)
        self._words.html = legend_html(self.shown)
        self.legend.visible = bool(self.shown)
        for family, layers in COLUMNS.items():
            if family not in self.shown:
                for layer, names in layers.items():
                    self._put(layer, _empty(names))

    def draw(self, events: ChartEvents, rows: pd.DataFrame, now: int, start: float, end: float) -> None:
        """Draw what is known at the close of bar ``now`` and lies between the bar numbers ``start`` and ``end``.

        Parameters
        ----------
        rows : DataFrame
            As of `workbench.charts.candle_rows`, up to the newest bar; their highs and lows give the prices in view.
        """
        view = _view(rows, now, start, end, self.width)
        shapes: Shapes = {layer: _empty(names) for f in self.shown for layer, names in COLUMNS[f].items()}
        if "smart_money" in self.shown and events.structure:
            shapes |= structure_shapes(events.structure, view)
        if "patterns" in self.shown:
            shapes |= pattern_shapes(events.patterns, view, beyond_swings="smart_money" in self.shown)
        if "regimes" in self.shown and events.regimes:
            shapes |= regime_shapes(events.regimes, view)
        for layer, columns in shapes.items():
            self._put(layer, columns)

    def _put(self, layer: str, columns: dict[str, list[Any]]) -> None:
        """Send a layer's columns, unless the browser has them already."""
        source = self.sources[layer]
        if dict(source.data) != columns:
            source.data = columns


def _view(rows: pd.DataFrame, now: int, start: float, end: float, width: float) -> View:
    """Return the window with the prices of its candles; of a window without candles those of all."""
    i = rows["i"].to_numpy()
    shown = (i >= start) & (i <= end)
    if not shown.any():
        shown[:] = True
    low, high = float(rows["low"].to_numpy()[shown].min()), float(rows["high"].to_numpy()[shown].max())
    return View(now, start, end, low, high, width)


def _empty(names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: [] for name in names}
