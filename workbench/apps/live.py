"""The live chart: stored bars replayed as a stream. A tick sends the new rows to the browser and redraws nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import param

from workbench import charts
from workbench.apps import parts
from workbench.apps.overlays import SWITCHES, EventOverlays, switches
from workbench.apps.parts import Tile
from workbench.apps.sources import offered_sources, open_page_of
from workbench.charts.tables import moment, number, signed_percent
from workbench.config import TIMEFRAMES, LiveChartParameters, Settings, load_settings
from workbench.data import available_symbols, load_bars, open_store
from workbench.data.live import is_stream
from workbench.errors import DataError, WorkbenchError

HISTORY = 5000
"""Most bars sent to the browser; older ones would slow it down and are not needed on screen."""

_FASTEST_MS = 100
_REPLAY_SHARE = 0.25


class LiveChartPage(param.Parameterized):
    """State of the replay: what is shown, up to which bar, and how fast it moves.

    Parameters
    ----------
    bars : DataFrame, time × (field, symbol)
        Bars of the symbol to open with.
    parameters : LiveChartParameters
        Source, symbol, time frame, indicators, bars on screen, speed and first bar of the replay.
    settings : Settings, optional
        Where other sources and symbols are looked for; default those of the environment.
    """

    source = param.Selector(default="sample", objects=["sample"], label="Source")
    symbol = param.Selector(default="", objects=[""], label="Symbol")
    timeframe = param.Selector(default="1d", objects=["1d"], label="Time frame")
    speed = param.Selector(default=4.0, objects={}, label="Speed")
    overlays = param.ListSelector(default=[], objects=SWITCHES, label="Overlays")
    playing = param.Boolean(default=False)
    position = param.Integer(default=0, doc="Bars that are known at this moment of the replay.")

    def __init__(
        self, bars: pd.DataFrame, parameters: LiveChartParameters | None = None, settings: Settings | None = None
    ) -> None:
        super().__init__()
        self._callback: Any = None
        self._settings = settings or load_settings()
        self._p = parameters or LiveChartParameters.model_validate({})
        held = [str(s) for s in bars.columns.get_level_values("symbol").unique()]
        self._events = EventOverlays(self._p.overlays)
        symbol = self._p.symbol if self._p.symbol in held else held[0]
        speeds = sorted({0.5, 1.0, 2.0, 4.0, 10.0, 25.0, 100.0, float(self._p.speed)})
        self._held = held
        self._choosing = True  # the selectors are being filled: their changes load nothing
        self.param.source.objects = offered_sources(self._settings, self._p.source)
        self.param.symbol.objects = self._symbols(self._p.source, self._p.timeframe)
        self.param.timeframe.objects = self._timeframes(self._p.source)
        self.param.speed.objects = {f"{s:g} bars/s": s for s in speeds}
        self.param.update(source=self._p.source, symbol=symbol, timeframe=self._p.timeframe, speed=float(self._p.speed))
        self.overlays = list(self._p.overlays)
        self._load(bars)
        self._choosing = False

    # What is shown

    def _symbols(self, source: str, timeframe: str) -> list[str]:
        held = self._held if (source, timeframe) == (self._p.source, self._p.timeframe) else []
        return list(dict.fromkeys([*held, *available_symbols(source, timeframe, self._settings)]))

    def _timeframes(self, source: str) -> list[str]:
        found = set(open_store(self._settings).list(source)["timeframe"])
        found |= {"1d"} if source == "sample" else set()
        found |= {self._p.timeframe} if source == self._p.source else set()
        return [t for t in TIMEFRAMES if t in found]

    def _load(self, bars: pd.DataFrame) -> None:
        from workbench.features import compute

        symbol, specs = self.symbol, list(self._p.indicators)
        values = charts.one_symbol(compute(charts.of_symbol(bars, symbol), specs), symbol) if specs else None
        rows = charts.candle_rows(bars, symbol, values)
        self._rows, self._shown = rows, symbol
        self._specs = specs if values is None else [str(c) for c in values.columns]
        self._events.load(bars, symbol)
        self.position = self._first_position()

    def _first_position(self) -> int:
        total = len(self._rows)
        if self._p.start:
            known = int((self._rows["time"] < pd.Timestamp(self._p.start).tz_localize(None)).sum()) if total else 0
        else:
            known = total - max(1, min(int(total * _REPLAY_SHARE), 2 * self._p.window))
        return int(np.clip(known, min(20, total), total))

    @property
    def at_end(self) -> bool:
        """Whether the last bar of the store is on screen."""
        return self.position >= len(self._rows)

    def visible_rows(self) -> pd.DataFrame:
        """Return the rows the browser holds at this moment: at most `HISTORY`, none from the future."""
        return self._rows.iloc[max(0, self.position - HISTORY) : self.position]

    # Moving

    def step(self, bars: int = 1) -> None:
        """Let the next bars become known: one ``stream`` call to the browser, whatever their number."""
        new = self._rows.iloc[self.position : self.position + bars]
        if len(new):
            self._figure.source.stream(charts.source_data(new), rollover=HISTORY)
            self.position += len(new)
            self._figure.price_line.location = float(new["close"].iloc[-1])
            self._draw_events()
            self._show_numbers()
        if self.at_end:
            self.playing = False

    def _tick(self) -> None:
        self.step(max(1, round(self.speed * self._period_ms() / 1000)))

    def _period_ms(self) -> int:
        return max(_FASTEST_MS, int(1000 / self.speed))

    @param.depends("playing", watch=True)
    def _play_or_pause(self) -> None:
        if self.playing and self.at_end:
            self.restart()
        if self.playing and self._callback is None:
            self._callback = pn.state.add_periodic_callback(self._tick, period=self._period_ms())
        elif self._callback is not None:
            (self._callback.start if self.playing else self._callback.stop)()
        self._play.label = "❚❚ Pause" if self.playing else "▶ Play"
        self._show_numbers()

    @param.depends("speed", watch=True)
    def _change_speed(self) -> None:
        if self._callback is not None:
            self._callback.period = self._period_ms()

    def follow(self) -> None:
        """Show the latest bars again and go along with them."""
        self._figure.show_latest(self._p.window)

    def restart(self) -> None:
        """Go back to the first bar of the replay."""
        self.position = self._first_position()
        self._figure.source.data = charts.source_data(self.visible_rows())
        self._figure.price_line.location = float(self.visible_rows()["close"].iloc[-1])
        self._draw_events()
        self.follow()
        self._show_numbers()

    @param.depends("overlays", watch=True)
    def _switch(self) -> None:
        if self._choosing:
            return
        self._events.choose(self.overlays)
        self._message.object = parts.notice(self._events.problem, "bad") if self._events.problem else ""
        if pn.state.location:
            pn.state.location.update_query(overlays=",".join(self.overlays))

    def _draw_events(self) -> None:
        self._events.draw(self.visible_rows(), self.position - 1)

    @param.depends("source", watch=True)
    def _change_source(self) -> None:
        if is_stream(self.source):
            self.playing = False
            open_page_of(self._settings, self.source, self.symbol)
            return
        self._offer(self._timeframes)

    @param.depends("timeframe", watch=True)
    def _change_timeframe(self) -> None:
        self._offer(lambda _source: list(self.param.timeframe.objects))

    @param.depends("symbol", watch=True)
    def _change_symbol(self) -> None:
        self._offer(lambda _source: list(self.param.timeframe.objects))

    def _offer(self, timeframes: Callable[[str], list[str]]) -> None:
        """Offer what the chosen source has, keep of the choice what it can, and show that series from its start."""
        if self._choosing:
            return
        self.playing, self._choosing = False, True
        try:
            self._choose("timeframe", timeframes(self.source))
            self._choose("symbol", self._symbols(self.source, self.timeframe))
            self._load(load_bars(self.source, [self.symbol], self.timeframe, settings=self._settings))
        except WorkbenchError as err:
            self._message.object = parts.notice(str(err), "bad")
            return
        finally:
            self._choosing = False
        self._message.object = ""
        self._draw()
        if pn.state.location:
            pn.state.location.update_query(source=self.source, symbol=self.symbol, timeframe=self.timeframe)

    def _choose(self, name: str, offered: list[str]) -> None:
        if not offered:
            raise DataError(
                f"source {self.source!r} has no {self.timeframe} bars; choose another, or 'workbench data import FILE'"
            )
        value = getattr(self, name)
        self.param[name].objects = offered
        setattr(self, name, value if value in offered else offered[0])

    # Looking

    def view(self) -> Any:
        """Return the page as one Panel object."""
        parts.load_panel()
        css = {"stylesheets": [parts.WIDGET_CSS], "margin": (0, 8, 8, 0)}
        self._play = pn.widgets.Button(label="▶ Play", color="primary", width=96, align="end", **css)
        step = pn.widgets.Button(label="Step ›", width=76, align="end", **css)
        again = pn.widgets.Button(label="↺ Restart", width=92, align="end", **css)
        latest = pn.widgets.Button(label="⇥ Latest", width=88, align="end", **css)
        self._play.on_click(lambda _event: setattr(self, "playing", not self.playing))
        step.on_click(lambda _event: self.step())
        again.on_click(lambda _event: self.restart())
        latest.on_click(lambda _event: self.follow())
        self._message, self._numbers = parts.markup(), parts.markup()
        self._place = parts.card(margin=(10, 0, 0, 0))
        self._draw()
        bar = pn.FlexBox(  # not a Row, whose widths would hold the whole page wide
            pn.widgets.Select.from_param(self.param.source, width=130, **css),
            pn.widgets.Select.from_param(self.param.symbol, width=130, **css),
            pn.widgets.Select.from_param(self.param.timeframe, width=80, **css),
            pn.widgets.Select.from_param(self.param.speed, width=105, **css),
            self._play,
            step,
            again,
            latest,
            switches(self),
            sizing_mode="stretch_width",
            align_items="flex-end",
            margin=0,
        )
        self._name_keys(self._play, "wb-play")
        self._name_keys(step, "wb-step")
        hint = parts.hint("Space plays or pauses, . steps · drag moves, wheel zooms")
        return pn.Column(bar, self._message, self._numbers, self._place, hint, sizing_mode="stretch_width", margin=0)

    @staticmethod
    def _name_keys(button: Any, name: str) -> None:
        button.tags = [name]

    def _draw(self) -> None:
        legend = charts.candle_legend(self._rows)
        title = f"{self._shown} · {self.timeframe} · replay of {self.source} · {legend}"
        self._figure = charts.candle_figure(
            self.visible_rows(), self._specs, title=title, window=self._p.window, wheel=True
        )
        self._events.attach(self._figure)
        self._draw_events()
        self._place.objects = [pn.pane.Bokeh(self._figure.layout, sizing_mode="stretch_width", margin=0)]
        self._show_numbers()

    def _show_numbers(self) -> None:
        known = self.visible_rows()
        last, before = known.iloc[-1], known.iloc[-2] if len(known) > 1 else known.iloc[-1]
        change = last["close"] / before["close"] - 1
        arrow = "▲" if change > 0 else "▼" if change < 0 else "■"
        left = len(self._rows) - self.position
        state = "end of data" if self.at_end else "playing" if self.playing else "paused"
        self._numbers.object = parts.tiles(
            [
                Tile(
                    f"{self._shown}, last price",
                    number(last["close"], 2 if last["close"] >= 10 else 4),
                    "close of the last known bar",
                ),
                Tile("Change, one bar", f"{arrow} {signed_percent(change)}", "close to close"),
                Tile("High", number(last["high"]), f"low {number(last['low'])}, last bar"),
                Tile("Replay clock", moment(last["time"]), "UTC, open of the last known bar"),
                Tile("Bars", f"{self.position:,}", f"known · {left:,} still to come"),
                Tile("State", state, f"data end {moment(self._rows['time'].iloc[-1])} UTC"),
            ]
        )


def live_chart_page(
    bars: pd.DataFrame | None, parameters: LiveChartParameters | None = None, settings: Settings | None = None
) -> Any:
    """Return the live chart: of a stream such as ``live:binance`` as it runs, of stored bars as a paused replay."""
    if parameters is not None and is_stream(parameters.source):
        from workbench.apps.streaming import StreamPage

        return StreamPage(parameters, settings).view()
    if bars is None:
        raise DataError("the live chart needs bars, or a stream such as source='live:binance'")
    return LiveChartPage(bars, parameters, settings).view()
