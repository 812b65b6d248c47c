"""What every chart shares: the backend, the finishing touches of a figure, and lines over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.charts.sampling import screen
from workbench.charts.theme import FONT, label_of, style_of
from workbench.errors import DataError

HEIGHT = 300
PERCENT = "0.0%"
YEARLY_TICKS = 12
TOOLS = {"default_tools": ["pan", "box_zoom", "wheel_zoom", "reset", "save"], "active_tools": []}
PLAIN = "0,0.00"


_LEGEND_CSS = """
:host { --background-color: transparent !important; background: transparent !important; }
.bk-label { color: var(--chart-ink, #1d252d) !important; }
"""  # the legend writes its colours into the page once, so CSS has to win over them


def holoviews() -> Any:
    """Import HoloViews with its Bokeh backend and return it."""
    import holoviews as hv
    import holoviews.plotting.bokeh

    hv.Store.set_current_backend("bokeh")
    return hv


def preload() -> None:
    """Import the plotting libraries now (about 2 s), so that the first chart does not wait for them."""
    holoviews()
    import hvplot  # noqa: F401 - loaded ahead of use


def need_rows(frame: pd.DataFrame | pd.Series, what: str) -> None:
    """Raise when there is nothing to draw."""
    if len(frame) == 0:
        raise DataError(f"{what} has no rows to draw; run the notebook that makes it, or choose a longer range")


def dress(figure: Any) -> None:
    """Set fonts, grid and toolbar of a Bokeh figure; colours follow the theme's CSS where it is present."""
    from bokeh.models import HoverTool

    # HoloViews keeps columns for tooltips only where it adds its own hover tool; ours take their place.
    figure.toolbar.tools = [t for t in figure.toolbar.tools if not isinstance(t, HoverTool)]
    figure.toolbar.logo = None
    figure.toolbar.autohide = True
    figure.outline_line_color = None
    figure.output_backend = "canvas"
    figure.background_fill_color = figure.border_fill_color = "#ffffff"
    figure.min_border_right = 16
    if figure.title is not None:
        figure.title.text_font, figure.title.text_font_size = FONT, "14px"
        figure.title.text_font_style, figure.title.text_color = "bold", "#1d252d"
    for axis in figure.axis:
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "12px"
        axis.axis_label_text_font_style = "normal"
        axis.axis_line_color = axis.major_tick_line_color = "#b9c3cb"
        axis.minor_tick_line_color = None
        axis.axis_label_text_color = axis.major_label_text_color = "#51606d"
    for grid in figure.grid:
        grid.grid_line_color = "#e3e8ec"
    dress_legend(figure)


def dress_legend(figure: Any) -> None:
    """Set fonts and colours of the legends; a click on an entry dims its line."""
    for legend in figure.legend:
        legend.stylesheets = [_LEGEND_CSS]
        legend.label_text_font = FONT
        legend.label_text_font_size = "12px"
        legend.label_text_color = "#1d252d"
        legend.background_fill_alpha = 0.75
        legend.border_line_color = None
        legend.padding, legend.spacing, legend.margin = 4, 2, 6
        legend.click_policy = "mute"


def finish(*steps: Callable[[Any], None]) -> Callable[[Any, Any], None]:
    """Return a HoloViews hook that dresses the figure, then runs ``steps`` on it."""

    def hook(plot: Any, _element: Any) -> None:
        dress(plot.state)
        for step in steps:
            step(plot.state)

    return hook


def legend_above(figure: Any) -> None:
    """Move the legend above the plot in one line, so that it covers no data."""
    for legend in list(figure.legend):
        for place in (figure.center, figure.left, figure.right, figure.above, figure.below):
            if legend in place:
                place.remove(legend)
        legend.orientation, legend.location = "horizontal", "left"
        legend.padding, legend.margin, legend.spacing = 0, 2, 14
        figure.add_layout(legend, "above")


def time_axis(figure: Any) -> None:
    """Write dates as ``2015``, ``Mar 2015``, ``2015-03-04`` or hours, by the zoom."""
    from bokeh.models import DatetimeTickFormatter, MonthsTicker

    figure.xaxis.formatter = DatetimeTickFormatter(
        years="%Y", months="%b %Y", days="%d %b %Y", hours="%d %b %H:%M", hourmin="%H:%M", minutes="%H:%M"
    )
    figure.xaxis.axis_label = "time, UTC"
    if _years(figure) < YEARLY_TICKS:  # Bokeh's own ticker of years writes each year twice on so short a range
        for axis in figure.xaxis:
            axis.ticker.tickers = [*axis.ticker.tickers[:-1], MonthsTicker(months=[0])]


def _years(figure: Any) -> float:
    start, end = (pd.Timestamp(edge) for edge in (figure.x_range.start, figure.x_range.end))
    return (end - start) / pd.Timedelta(days=365)


def number_axis(figure: Any, style: str) -> None:
    """Write the vertical axis in a numeral.js style such as ``0.0%``."""
    from bokeh.models import NumeralTickFormatter

    figure.yaxis.formatter = NumeralTickFormatter(format=style)


def read_off(columns: Mapping[str, str], style: str) -> Callable[[Any], None]:
    """Return a step that adds one tooltip with the value of every series (column -> words) at the pointer's time."""

    def step(figure: Any) -> None:
        from bokeh.models import CrosshairTool, HoverTool

        first = next(r for r in figure.renderers if set(columns) <= set(r.data_source.data))
        told = [("time", "@time{%F %H:%M} UTC"), *((words, f"@{c}{{{style}}}") for c, words in columns.items())]
        hover = HoverTool(renderers=[first], mode="vline", tooltips=told, formatters={"@time": "datetime"})
        figure.add_tools(hover, CrosshairTool(dimensions="height", line_alpha=0.4))

    return step


def lines(
    frame: pd.DataFrame,
    *,
    title: str,
    ylabel: str,
    number: str = PLAIN,
    log: bool = False,
    height: int = HEIGHT,
    note: str = "",
    steps: Sequence[Callable[[Any], None]] = (),
) -> Any:
    """Draw one line per column over time, with a shared tooltip, a legend and fixed series styles.

    Parameters
    ----------
    frame : DataFrame, time × series
        Values in the unit that ``ylabel`` names.
    number : str
        How Bokeh writes values, such as ``0.0%``.
    note : str
        Said below the time axis, such as the timing of trades.
    log : bool
        Logarithmic vertical axis; values must be above 0.

    Returns
    -------
    holoviews.Overlay
    """
    need_rows(frame, title)
    hv = holoviews()
    names = [str(c) for c in frame.columns]
    columns = {name if name.isidentifier() else f"series_{i}": name for i, name in enumerate(names)}
    thin = screen(frame.set_axis(list(columns), axis=1)).reset_index()
    curves = [_curve(thin, columns, i, height=height, log=log) for i in range(len(columns))]
    label = f"time, UTC · {note}" if note else "time, UTC"
    hook = finish(
        time_axis,
        lambda f: setattr(f.xaxis[0], "axis_label", label),
        lambda f: number_axis(f, number),
        read_off({c: label_of(n) for c, n in columns.items()}, number),
        *steps,
        legend_above,
    )
    return hv.Overlay(curves).opts(
        title=title,
        ylabel=ylabel,
        responsive=True,
        height=height,
        logy=log,
        hooks=[hook],
        show_legend=len(names) > 1,
        show_grid=True,
        **TOOLS,
    )


def _curve(thin: pd.DataFrame, columns: Mapping[str, str], position: int, *, height: int, log: bool) -> Any:
    from hvplot import hvPlot

    column, name = list(columns.items())[position]
    style = style_of(name, position)
    first = position == 0  # the first curve carries the values of all, for the shared tooltip
    return hvPlot(thin).line(
        x="time",
        y=column,
        label=label_of(name),
        color=style.color,
        line_dash=style.dash,
        line_width=style.width,
        hover=first,
        hover_cols=[c for c in columns if c != column] if first else [],
        responsive=True,
        height=height,
        logy=log,
        muted_alpha=0.12,
    )
