"""The live chart on a stream: bars as a venue sends them, the forming one included, with their source and their age."""

from __future__ import annotations

import html
import math
import time
from typing import Any

import panel as pn
import param

from workbench import charts
from workbench.apps import parts
from workbench.apps.overlays import SWITCHES, EventOverlays, switches
from workbench.apps.parts import Tile
from workbench.apps.sources import offered_sources, offered_symbols, offered_timeframes, open_page_of
from workbench.charts.forming import GrowingRows
from workbench.charts.tables import moment, number, signed_percent
from workbench.config import LiveChartParameters, Settings, load_settings
from workbench.data.live import BarUpdate, StreamStatus, StreamThread, is_stream, open_stream, run_in_thread
from workbench.data.timeframes import timeframe_delta
from workbench.errors import WorkbenchError

KEPT = 3000
"""Most bars kept of the stream; enough to settle every indicator."""

TICK_MS = 250
"""The page redraws at most four times a second, whatever the stream does."""

_AGE_WARN_S, _SILENT_S = 5.0, 12.0
_MOODS = {
    "live": "good",
    "polling": "warn",
    "repairing": "warn",
    "stale": "warn",
    "connecting": "calm",
    "closed": "bad",
}
_WORDS = {
    "connecting": "connecting",
    "live": "live",
    "stale": "stale: the venue is silent or the connection broke",
    "repairing": "repairing: missing bars are being fetched",
    "polling": "polling: the WebSocket does not work, bars come by REST",
    "closed": "closed",
}


class StreamPage(param.Parameterized):
    """State of the page: which stream is read, and what of it is on screen.

    Parameters
    ----------
    parameters : LiveChartParameters
        ``source`` names the stream, such as ``live:binance``.
    settings : Settings, optional
        Where the store and the venues are; default those of the environment.
    """

    source = param.Selector(default="", objects=[""], label="Source")
    symbol = param.Selector(default="", objects=[""], label="Symbol")
    timeframe = param.Selector(default="1m", objects=["1m"], label="Time frame")
    overlays = param.ListSelector(default=[], objects=SWITCHES, label="Overlays")

    def __init__(self, parameters: LiveChartParameters, settings: Settings | None = None) -> None:
        super().__init__()
        self._p, self._settings = parameters, settings or load_settings()
        self._events = EventOverlays(parameters.overlays)
        self._thread: StreamThread | None = None
        self._grown: GrowingRows | None = None
        self._last: BarUpdate | None = None
        self._callback: Any = None
        self._choosing = True  # the selectors are being filled: their changes open nothing
        self.param.source.objects = offered_sources(self._settings, parameters.source)
        self.param.symbol.objects = offered_symbols(self._settings, parameters.source, parameters.symbol)
        self.param.timeframe.objects = offered_timeframes(parameters.source, parameters.timeframe)
        self.param.update(source=parameters.source, symbol=parameters.symbol, timeframe=parameters.timeframe)
        self.overlays = list(parameters.overlays)
        self._choosing = False

    # The stream

    def open(self) -> None:
        """Read the chosen stream from now on, in place of the one before."""
        self.close()
        self._grown = self._last = None
        self._place.objects = [parts.markup(f'<p role="status">Connecting to {self.source} …</p>')]
        try:
            stream = open_stream(
                self.source, [self.symbol], self.timeframe, settings=self._settings, speed=self._times_real()
            )
        except WorkbenchError as err:
            self._fail(err)
            return
        self._message.object = ""
        self._thread = run_in_thread(stream)

    def close(self) -> None:
        """End the stream; does nothing where none is open."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None

    def tick(self) -> None:
        """Show what came since the last tick."""
        if self._thread is None or not pn.state.loaded:  # a chart made while the page still loads never arrives there
            return
        if not self._thread.ready:
            if self._thread.status.detail:  # it does not work at once: say why while it is tried again
                self._show_status(self._thread.status)
            return
        try:
            grown = self._grown or self._begin(self._thread)
            updates = self._thread.take()
        except WorkbenchError as err:
            self._fail(err)
            return
        if updates:
            self._show(grown, updates)
        self._show_status(self._thread.status)

    def _times_real(self) -> float:
        if self.source.startswith("live:"):
            return 1.0
        return self._p.speed * timeframe_delta(self.timeframe).total_seconds()

    def _begin(self, thread: StreamThread) -> GrowingRows:
        from workbench.features import compute

        bars = thread.history(KEPT)
        self._grown = GrowingRows(bars, self.symbol, list(self._p.indicators), compute, limit=KEPT)
        title = f"{self.symbol} · {self.timeframe} · {self.source} · {charts.candle_legend(self._grown.rows)}"
        self._figure = charts.candle_figure(
            self._grown.rows, self._grown.names, title=title, window=self._p.window, wheel=True
        )
        self._events.attach(self._figure)
        self._draw_events(self._grown)
        self._place.objects = [pn.pane.Bokeh(self._figure.layout, sizing_mode="stretch_width", margin=0)]
        return self._grown

    def _show(self, grown: GrowingRows, updates: list[BarUpdate]) -> None:
        known = grown.last_closed
        change = grown.apply(updates)
        source = self._figure.source
        if change.last:
            row = len(source.data["i"]) - 1
            source.patch({name: [(row, value)] for name, value in change.last.items()})
        if len(change.rows):
            source.stream(charts.source_data(change.rows), rollover=KEPT)
        self._last = updates[-1]
        self._figure.price_line.location = self._last.close
        if grown.last_closed != known:
            self._draw_events(grown)

    def _draw_events(self, grown: GrowingRows) -> None:
        """Draw what is known at the last closed bar; a forming bar makes no event."""
        self._events.load(grown.bars, self.symbol, first=int(grown.rows["i"].iloc[0]))
        self._events.draw(grown.rows, int(grown.rows["i"].iloc[-1]))

    @param.depends("overlays", watch=True)
    def _switch(self) -> None:
        if self._choosing:
            return
        self._events.choose(self.overlays)
        self._message.object = parts.notice(self._events.problem, "bad") if self._events.problem else ""
        if pn.state.location:
            pn.state.location.update_query(overlays=",".join(self.overlays))

    def _fail(self, err: WorkbenchError) -> None:
        self._message.object = parts.notice(str(err), "bad")
        self._state.object = ""
        if self._grown is None:
            self._place.objects = []
        self.close()

    # The choice

    @param.depends("source", "symbol", "timeframe", watch=True)
    def _choose(self) -> None:
        if self._choosing:
            return
        if not is_stream(self.source):
            self.close()
            open_page_of(self._settings, self.source, self.symbol)
            return
        self._choosing = True
        try:
            self.param.symbol.objects = offered_symbols(self._settings, self.source, self.symbol)
            self.param.timeframe.objects = offered_timeframes(self.source, self.timeframe)
        finally:
            self._choosing = False
        if pn.state.location:
            pn.state.location.update_query(source=self.source, symbol=self.symbol, timeframe=self.timeframe)
        self.open()

    # Looking

    def view(self) -> Any:
        """Return the page as one Panel object; its stream begins to run."""
        parts.load_panel()
        css = {"stylesheets": [parts.WIDGET_CSS], "margin": (0, 8, 8, 0)}
        latest = pn.widgets.Button(label="⇥ Latest", width=88, align="end", **css)
        again = pn.widgets.Button(label="↻ Reconnect", width=112, align="end", **css)
        latest.on_click(lambda _event: self.follow())
        again.on_click(lambda _event: self.open())
        self._message, self._numbers, self._state = parts.markup(), parts.markup(), parts.markup()
        self._place = parts.card(margin=(10, 0, 0, 0))
        bar = pn.FlexBox(  # not a Row, whose widths would hold the whole page wide
            pn.widgets.Select.from_param(self.param.source, width=150, **css),
            pn.widgets.Select.from_param(self.param.symbol, width=150, **css),
            pn.widgets.Select.from_param(self.param.timeframe, width=80, **css),
            latest,
            again,
            switches(self),
            sizing_mode="stretch_width",
            align_items="flex-end",
            margin=0,
        )
        self.open()
        self._callback = pn.state.add_periodic_callback(self.tick, period=TICK_MS)
        if pn.state.curdoc is not None:
            pn.state.on_session_destroyed(lambda _context: self.close())
        hint = parts.hint("drag moves, wheel zooms")
        return pn.Column(
            bar, self._message, self._state, self._numbers, self._place, hint, sizing_mode="stretch_width", margin=0
        )

    def follow(self) -> None:
        """Show the latest bars again and go along with them."""
        if self._grown is not None:
            self._figure.show_latest(self._p.window)

    def _show_status(self, status: StreamStatus) -> None:
        self._state.object = _state_line(status)
        if self._grown is not None:
            self._numbers.object = parts.tiles(self._tiles(self._grown, status))

    def _tiles(self, grown: GrowingRows, status: StreamStatus) -> list[Tile]:
        closed = grown.rows["close"].to_numpy()
        forming = grown.forming
        price = closed[-1] if forming is None else forming.close
        before = closed[-1] if forming is not None else closed[-2] if len(closed) > 1 else closed[-1]
        change = price / before - 1
        arrow = "▲" if change > 0 else "▼" if change < 0 else "■"
        came_from = self._last.source if self._last is not None else status.source
        return [
            Tile(f"{self.symbol}, last price", number(price, 2 if price >= 10 else 4), "of the bar that is forming"),
            Tile("Change, one bar", f"{arrow} {signed_percent(change)}", "against the last close"),
            Tile("Forming bar", _opened(forming), self._closes(forming, status)),
            Tile("Last closed bar", moment(grown.last_closed), f"closed at {number(closed[-1])}, UTC of its open"),
            Tile("Came from", came_from, self._stand_in() or status.source),
            Tile("Data age", _age(status.age_s), "since the last message with data"),
        ]

    def _stand_in(self) -> str:
        """Return who answers in the venue's place, empty where it is the venue itself."""
        at = self._settings.venues_at if self.source.startswith("live:") else ""
        return f"replay venue at {at.partition('//')[2]}, not the real one" if at else ""

    def _closes(self, forming: BarUpdate | None, status: StreamStatus) -> str:
        """Return how long the forming bar still has, by the venue's clock; nothing where that clock runs apart."""
        length = timeframe_delta(self.timeframe).total_seconds()
        left = math.nan if forming is None else forming.time / 1000 + length - (time.time() + status.skew_s)
        if not 0 <= left <= length:
            return "UTC, open of the bar"
        return f"closes in {int(left // 60)}:{int(left % 60):02d}"


def _state_line(status: StreamStatus) -> str:
    stale = status.state == "live" and status.age_s > _AGE_WARN_S
    mood = "warn" if stale else _MOODS.get(status.state, "warn")
    words = _WORDS[status.state]
    if status.state == "polling" and status.age_s > _SILENT_S:
        mood, words = "bad", "no connection: neither WebSocket nor REST answers; both are tried again"
    facts = [f"data age {_age(status.age_s)}"]
    if status.reconnects:
        facts.append(f"{status.reconnects} reconnect{'s' if status.reconnects > 1 else ''}")
    if status.gaps_repaired:
        facts.append(f"{status.gaps_repaired} bar{'s' if status.gaps_repaired > 1 else ''} repaired by REST")
    if status.counts.get("missing"):
        facts.append(f"{status.counts['missing']} bars missing")
    if status.detail:
        facts.append(status.detail)
    text = " · ".join(facts)
    return (
        '<div role="status" aria-live="polite" style="display:flex;gap:10px;align-items:center;margin:2px 0 8px">'
        f"{parts.badge(words, mood, status.source)}"
        f'<span style="color:var(--wb-soft,#51606d);font-size:13px">{html.escape(text)}</span></div>'
    )


def _age(seconds: float) -> str:
    if math.isnan(seconds):
        return "none yet"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _opened(forming: BarUpdate | None) -> str:
    return "waiting" if forming is None else moment(forming.timestamp)
