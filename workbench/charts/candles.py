"""Candlesticks with volume, overlays and indicator panes on one linked time axis.

Bars are drawn by their number, so nights, weekends and holidays take no room; the axis still shows times. A rising
bar is hollow and a falling one filled, so direction can be read without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.charts.candlerows import candle_legend, candle_rows, intraday, latest_window, one_symbol, source_data
from workbench.charts.events import chart_events
from workbench.charts.figure import dress, dress_legend
from workbench.charts.overlays import Overlays
from workbench.charts.theme import NEUTRAL, style_of

PRICE_HEIGHT, VOLUME_HEIGHT, PANE_HEIGHT = 400, 92, 118
ON_PRICE = (
    "sma", "ema", "vwap", "session_vwap", "bollinger_upper", "bollinger_lower", "bollinger_middle",
    "keltner_upper", "keltner_lower", "donchian_upper", "donchian_lower", "sar",
)  # fmt: skip
"""Feature names in units of price: they lie over the candles, every other one gets its own pane."""


@dataclass(frozen=True)
class CandleFigure:
    """The Bokeh models of one candle chart.

    Parameters
    ----------
    layout : bokeh.models.GridPlot
        All panes, x axes linked.
    source : bokeh.models.ColumnDataSource
        One row per bar; stream to it and the picture follows.
    x_range : bokeh.models.Range1d
        Moves on with each streamed bar while its right end shows the latest; once the user looks elsewhere it stays.
    price_line : bokeh.models.Span
        The last price.
    columns : dict[str, str]
        Indicator spec -> column of ``source``.
    overlays : Overlays
        Layers of events over the candles; empty until it is told which to show.
    """

    layout: Any
    source: Any
    x_range: Any
    price_line: Any
    columns: dict[str, str]
    overlays: Overlays

    def show_latest(self, window: int) -> None:
        """Show the last ``window`` bars, wherever the browser has gone since."""
        last = float(self.source.data["i"][-1])
        start, end = last - window + 0.5, last + 1.5
        # The browser may have moved on alone, and only what differs from the range as the server knows it is sent.
        self.x_range.update(
            start=start - 1e-6 * (self.x_range.start == start), end=end + 1e-6 * (self.x_range.end == end)
        )


def candle_figure(
    rows: pd.DataFrame, specs: list[str], *, title: str, window: int, volume: bool = True, wheel: bool = False
) -> CandleFigure:
    """Build the linked figures over ``rows`` from `candle_rows`.

    Parameters
    ----------
    specs : list of str
        Names of the columns v0, v1, …; those named in `ON_PRICE` lie over the candles.
    window : int
        Bars on screen; older ones are a drag away.
    wheel : bool
        Let the mouse wheel zoom at once (a page), or only after it is chosen in the toolbar (a report).
    """
    from bokeh.layouts import gridplot
    from bokeh.models import ColumnDataSource, Range1d, Span

    source = ColumnDataSource(source_data(rows))
    start, end = latest_window(rows, window)
    x_range = Range1d(start=start, end=end)
    source.js_on_change("streaming", _follow(source, x_range, int(rows["i"].iloc[-1])))
    source.js_on_change("data", _begin_again(source, x_range))
    columns = {spec: f"v{k}" for k, spec in enumerate(specs)}
    guide = Span(dimension="height", line_color=NEUTRAL, line_dash="dotted", line_width=1)
    over = [s for s in specs if s.split("(")[0] in ON_PRICE]
    price = _pane(x_range, PRICE_HEIGHT, title, guide, wheel)
    price_line = _candles(price, source, rows)
    _lines(price, source, {s: columns[s] for s in over})
    overlays = Overlays(price)
    figures = [price]
    if volume and rows["volume"].fillna(0).abs().sum() > 0:
        figures.append(_volume(source, x_range, guide, wheel))
    for spec in specs:
        if spec not in over:
            figures.append(_indicator(source, x_range, guide, wheel, spec, columns[spec]))
    _bottom_axis(figures, source, intraday(rows))
    layout = gridplot(
        [[f] for f in figures],
        sizing_mode="stretch_width",
        merge_tools=True,
        toolbar_options={"logo": None, "autohide": False},
    )
    below = [(figure, row + 1, column) for figure, row, column in layout.children[1:]]
    layout.children = [layout.children[0], (overlays.legend, 1, 0), *below]
    return CandleFigure(layout, source, x_range, price_line, columns, overlays)


def _follow(source: Any, x_range: Any, last: int) -> Any:
    from bokeh.models import CustomJS

    code = """
        const last = source.data.i[source.data.i.length - 1];
        const before = x_range.shown_last ?? first_last;
        x_range.shown_last = last;
        if (x_range.end >= before && last > before)
            x_range.setv({start: x_range.start + last - before, end: x_range.end + last - before}, {sync: false});
    """
    return CustomJS(args={"source": source, "x_range": x_range, "first_last": last}, code=code)


def _begin_again(source: Any, x_range: Any) -> Any:
    from bokeh.models import CustomJS

    code = "x_range.shown_last = source.data.i[source.data.i.length - 1];"
    return CustomJS(args={"source": source, "x_range": x_range}, code=code)


def candles_chart(
    bars: pd.DataFrame,
    symbol: str | None = None,
    *,
    indicators: pd.DataFrame | None = None,
    overlays: pd.DataFrame | None = None,
    panes: pd.DataFrame | None = None,
    events: Sequence[str] = (),
    volume: bool = True,
    last: int = 250,
) -> Any:
    """Draw the latest bars of one symbol as candlesticks.

    Parameters
    ----------
    bars : DataFrame, time × (field, symbol)
    symbol : str, optional
        Default: the first.
    indicators, overlays, panes : DataFrame, time × spec, optional
        Feature values of the symbol. ``overlays`` lie on the candles, ``panes`` below them, ``indicators`` where their
        name belongs. Two-level columns (spec, symbol) are accepted.
    events : sequence of str
        What is known at the last bar and drawn at its origin: some of ``smart_money``, ``patterns`` and ``regimes``.
    volume : bool
        Show volume in a pane of its own.
    last : int
        Bars to draw; the title says how many there are.

    Returns
    -------
    bokeh.models.GridPlot
    """
    symbol = symbol or str(bars.columns.get_level_values("symbol")[0])
    parts = [one_symbol(f, symbol) for f in (indicators, overlays, panes) if f is not None]
    joined = pd.concat(parts, axis=1) if parts else None
    rows = candle_rows(bars, symbol, joined)
    n_all, legend = len(rows), candle_legend(rows)
    rows = rows.tail(last)
    specs = [] if joined is None else [str(c) for c in joined.columns]
    shown = f"last {len(rows):,} of {n_all:,} bars"
    title = f"{symbol}: {shown}, UTC · {legend}"
    figure = candle_figure(rows, specs, title=title, window=last + 2, volume=volume)
    if events:
        figure.overlays.show(events)
        start, end = figure.x_range.start, figure.x_range.end
        figure.overlays.draw(chart_events(bars, symbol, events), rows, int(rows["i"].iloc[-1]), start, end)
    return figure.layout


def _pane(x_range: Any, height: int, title: str, guide: Any, wheel: bool) -> Any:
    from bokeh.models import CrosshairTool, DataRange1d
    from bokeh.plotting import figure

    drag = "xpan,xwheel_zoom,xbox_zoom,reset,save"
    pane = figure(
        height=height,
        sizing_mode="stretch_width",
        x_range=x_range,
        y_range=DataRange1d(range_padding=0.08),
        title=title or None,
        tools=drag,
        active_drag="xpan",
        active_scroll="xwheel_zoom" if wheel else None,
        y_axis_location="right",
        window_axis="x",
        output_backend="canvas",
    )
    dress(pane)
    pane.min_border_right, pane.min_border_left = 76, 8
    pane.add_tools(CrosshairTool(dimensions="height", overlay=guide))
    return pane


def _candles(pane: Any, source: Any, rows: pd.DataFrame) -> Any:
    from bokeh.models import HoverTool, NumeralTickFormatter, Span

    pane.segment("i", "top", "i", "high", source=source, color="color", line_width=1.2)
    pane.segment("i", "low", "i", "bottom", source=source, color="color", line_width=1.2)
    # Not vbar: it draws every bar left of the view as a line on the frame's edge.
    pane.rect(
        "i",
        "middle",
        0.7,
        "body",
        source=source,
        line_color="color",
        fill_color="color",
        fill_alpha="fill",
        line_width=1.2,
        name="bodies",
    )
    path = pane.line(
        "i", "close", source=source, alpha=0
    )  # bodies cannot be hit by a vertical line, an unseen line can
    number = price_format(float(rows["close"].iloc[-1]))
    tips = [
        ("", "@time{%F %H:%M} UTC"),
        *((w, f"@{{{w}}}{{{number}}}") for w in ("open", "high", "low", "close")),
        ("volume", "@volume{0.00 a}"),
    ]
    pane.add_tools(
        HoverTool(
            renderers=[path],
            mode="vline",
            tooltips=tips,
            formatters={"@time": "datetime"},
            point_policy="follow_mouse",
        )
    )
    pane.yaxis.formatter = NumeralTickFormatter(format=number)
    line = Span(
        location=float(rows["close"].iloc[-1]),
        dimension="width",
        line_color="#2f7fc1",
        line_dash="dotted",
        line_width=1.2,
    )
    pane.add_layout(line)
    return line


def price_format(price: float) -> str:
    """Return a numeral.js style with as many decimals as the size of a price asks for."""
    decimals = 2 if price >= 10 else 4 if price >= 0.1 else 6
    return "0,0." + "0" * decimals


def _lines(pane: Any, source: Any, columns: dict[str, str]) -> None:
    for k, (spec, column) in enumerate(columns.items()):
        style = style_of(spec, k + 2)
        band = spec.startswith(("bollinger", "keltner", "donchian"))
        color, dash = (NEUTRAL, "dashed") if band else (style.color, "solid")
        pane.line(
            "i", column, source=source, color=color, line_dash=dash, line_width=1.5, legend_label=spec, muted_alpha=0.1
        )
    if columns:
        dress_legend(pane)
        pane.legend.location, pane.legend.orientation = "top_left", "horizontal"
        pane.legend.spacing = 14


def _volume(source: Any, x_range: Any, guide: Any, wheel: bool) -> Any:
    from bokeh.models import NumeralTickFormatter

    pane = _pane(x_range, VOLUME_HEIGHT, "", guide, wheel)
    pane.rect(
        "i",
        "half_volume",
        0.7,
        "volume",
        source=source,
        line_color="color",
        fill_color="color",
        fill_alpha="fill",
        alpha=0.6,
    )
    pane.y_range.start = 0
    pane.yaxis.formatter = NumeralTickFormatter(format="0 a")
    pane.yaxis.ticker.desired_num_ticks = 2
    _caption(pane, "volume")
    return pane


def _indicator(source: Any, x_range: Any, guide: Any, wheel: bool, spec: str, column: str) -> Any:
    from bokeh.models import HoverTool, NumeralTickFormatter, Span

    pane = _pane(x_range, PANE_HEIGHT, "", guide, wheel)
    line = pane.line("i", column, source=source, color="#2f7fc1", line_width=1.6)
    pane.yaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
    pane.yaxis.ticker.desired_num_ticks = 3
    marks = {"rsi": (30, 70), "mfi": (20, 80), "stoch_k": (20, 80), "adx": (25,)}.get(
        spec.split("(", maxsplit=1)[0], (0,)
    )
    for mark in marks:
        pane.add_layout(Span(location=mark, dimension="width", line_color=NEUTRAL, line_dash="dotted", line_width=1))
    pane.add_tools(
        HoverTool(
            renderers=[line], mode="vline", tooltips=[(spec, f"@{column}{{0,0.000}}")], point_policy="follow_mouse"
        )
    )
    _caption(pane, spec)
    return pane


def _caption(pane: Any, text: str) -> None:
    from bokeh.models import Label

    pane.add_layout(
        Label(
            x=8,
            y=6,
            x_units="screen",
            y_units="screen",
            text=text,
            text_font_size="11px",
            text_color="#51606d",
            y_offset=0,
        )
    )


def _bottom_axis(figures: list[Any], source: Any, with_hours: bool) -> None:
    from bokeh.models import AdaptiveTicker, CustomJSTickFormatter

    cut, width = ("slice(0, 16).replace('T', ' ')", 118) if with_hours else ("slice(0, 10)", 78)
    code = (
        "const d = source.data; const k = Math.round(tick) - d.i[0];"
        "if (k < 0 || k >= d.i.length || Math.abs(tick - Math.round(tick)) > 1e-6) return '';"
        # On a narrow window every second, third … tick is named, always the same ones while the chart moves.
        "const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;"
        "const width = pane.properties.inner_width.is_unset ? 1000 : pane.inner_width;"
        "const pixel = (pane.x_range.end - pane.x_range.start) / width, pixels = step / pixel;"
        f"if (Math.round(tick / step) % Math.max(1, Math.ceil({width} / pixels)) != 0) return '';"
        f"if ((tick - pane.x_range.start) / pixel < {width // 2 - 20}) return '';"  # it would be pushed onto the next
        f"return new Date(d.time[k]).toISOString().{cut};"
    )
    for pane in figures:
        pane.xaxis.ticker = AdaptiveTicker(mantissas=[1, 2, 5], min_interval=1, desired_num_ticks=8)
        pane.xaxis.formatter = CustomJSTickFormatter(args={"source": source, "pane": figures[0]}, code=code)
        pane.xaxis.visible = pane is figures[-1]
        if pane is not figures[-1]:
            pane.min_border_bottom = 4
