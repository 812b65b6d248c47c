"""The switches of a live chart: which events are drawn over its candles, and in which window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import panel as pn

from workbench import charts
from workbench.apps import parts
from workbench.charts.events import ChartEvents
from workbench.errors import WorkbenchError

SWITCHES = {"Smart money": "smart_money", "Patterns": "patterns", "Regimes": "regimes"}
"""Words on the switches -> names of the overlays."""

_REST_MS = 120
"""While the window is dragged or zoomed, its events are drawn anew no more often than this."""


class EventOverlays:
    """What of the events is drawn on a page's figure: it follows the newest bar and the window, and redraws nothing.

    Parameters
    ----------
    families : sequence of str
        Overlays that are on at the start.
    """

    def __init__(self, families: Sequence[str] = ()) -> None:
        self.families = tuple(families)
        self.problem = ""
        self._figure: Any = None
        self._events: ChartEvents | None = None
        self._bars, self._symbol, self._first = pd.DataFrame(), "", 0
        self._rows, self._now = pd.DataFrame(), 0
        self._waiting = False

    def load(self, bars: pd.DataFrame, symbol: str, *, first: int = 0) -> None:
        """Take other bars, closed ones only; events are looked for when they are first drawn.

        Parameters
        ----------
        first : int
            Number of the symbol's first bar on the chart.
        """
        self._bars, self._symbol, self._first, self._events = bars, symbol, first, None

    def attach(self, figure: Any) -> None:
        """Draw on another figure from now on."""
        self._figure = figure
        self._told = self._start, self._end = float(figure.x_range.start), float(figure.x_range.end)
        self._newest = int(figure.source.data["i"][-1])
        figure.overlays.show(self.families)
        for edge in ("start", "end"):
            figure.x_range.on_change(edge, lambda _name, _old, _new: self._move(figure))
        figure.overlays.pane.on_change("inner_width", lambda _name, _old, new: self._resize(figure, new))

    def choose(self, families: Sequence[str]) -> None:
        """Switch overlays on and off, in place."""
        found = set(self.families) if self._events is not None else set()
        self.families = tuple(families)
        if not set(families) <= found:
            self._events = None
        if self._figure is not None:
            self._figure.overlays.show(self.families)
            self._redraw()

    def draw(self, rows: pd.DataFrame, now: int) -> None:
        """Draw what is known at the close of bar ``now``.

        Parameters
        ----------
        rows : DataFrame
            Rows on the chart, as of `workbench.charts.candle_rows`, a forming bar included.
        """
        newest = int(rows["i"].iloc[-1])
        if self._end >= self._newest:  # as in the browser: the window goes along while it shows the newest bar
            self._start, self._end = self._start + newest - self._newest, self._end + newest - self._newest
        self._newest, self._rows, self._now = newest, rows, now
        self._redraw()

    def _resize(self, figure: Any, width: int) -> None:
        figure.overlays.width = float(max(width, 1))
        self._move(figure)

    def _move(self, figure: Any) -> None:
        if figure is not self._figure:
            return
        edges = float(figure.x_range.start), float(figure.x_range.end)
        if edges != self._told:  # the browser moves the range alone while it follows, and does not tell
            self._told = self._start, self._end = edges
        if figure.x_range.document is None:
            self._redraw()
        elif not self._waiting:
            self._waiting = True
            figure.x_range.document.add_timeout_callback(self._rested, _REST_MS)

    def _rested(self) -> None:
        self._waiting = False
        self._redraw()

    def _redraw(self) -> None:
        if not self.families or self._rows.empty:
            return
        self.problem = ""
        try:
            if self._events is None:
                self._events = charts.chart_events(self._bars, self._symbol, self.families, first=self._first)
        except WorkbenchError as err:
            self.problem = str(err)
            self._events = ChartEvents()
        self._figure.overlays.draw(self._events, self._rows, self._now, self._start, self._end)


def switches(page: Any) -> Any:
    """Return the toggle buttons of a page's parameter ``overlays``."""
    return pn.widgets.CheckButtonGroup.from_param(
        page.param.overlays,
        name="",
        align="end",
        margin=(0, 8, 8, 0),
        stylesheets=[parts.WIDGET_CSS],
    )
