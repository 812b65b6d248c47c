"""What the pictures of results share: a placeholder, histograms, bars and lines of reference on Bokeh figures."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, name_ticks
from workbench.charts.figure import dress, lines
from workbench.charts.tables import Column, Table
from workbench.charts.theme import DOWN, NEUTRAL, UP
from workbench.typing import FloatArray

NOTHING = "nothing to show"
_TINY = 1e-300

MOST_NAMES = 24
"""Names that a horizontal axis has room for."""


def placeholder(title: str, why: str, *, height: int = 84) -> Any:
    """Return an empty figure that says what is missing and why, in place of a picture.

    Parameters
    ----------
    title : str
        What would have been shown.
    why : str
        One sentence: what is missing, and what brings it.
    """
    figure = factor_figure(f"{title}: {NOTHING}", height)
    figure.scatter([0], [0], size=0, alpha=0)  # Bokeh warns of figures that hold nothing
    dress(figure)
    figure.grid.visible = figure.yaxis.visible = False
    figure.xaxis.axis_label = why
    figure.xaxis.axis_line_alpha = 0  # not colours: the theme's CSS would bring them back
    figure.xaxis.major_tick_out = figure.xaxis.major_tick_in = figure.xaxis.minor_tick_out = 0
    figure.xaxis.major_label_text_alpha, figure.xaxis.major_label_text_font_size = 0, "1px"
    figure.toolbar_location, figure.outline_line_alpha = None, 0
    return figure


def empty_table(caption: str, why: str) -> Table:
    """Return a table of one line that says what is missing and why."""
    frame = pd.DataFrame({"note": [why]})
    return Table(frame, [Column("note", NOTHING, str, True, True)], caption, {(0, "note"): "soft"})


def finite(values: Any) -> FloatArray:
    """Return the finite values as a flat array."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    return flat[np.isfinite(flat)]


def need(frame: pd.DataFrame | None, *columns: str) -> bool:
    """Whether a frame has rows, and all ``columns`` with at least one value each."""
    if frame is None or len(frame) == 0 or not set(columns) <= set(frame.columns):
        return False
    return all(bool(frame[c].notna().any()) for c in columns)


def clean(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the rows in which all ``columns`` are finite."""
    return frame.loc[np.isfinite(frame[list(columns)].to_numpy(dtype=float)).all(axis=1)]


def time_lines(frame: pd.DataFrame, what: str, why: str, **options: Any) -> Any:
    """Return `lines` of the columns that hold values, or a placeholder where none holds two of them."""
    shown = frame.replace([np.inf, -np.inf], np.nan).dropna(how="all", axis=1).dropna(how="all")
    if len(shown) < 2 or shown.shape[1] == 0:
        return placeholder(what, why)
    return lines(shown, **options)


def source(**columns: Any) -> Any:
    """Return a Bokeh data source of arrays."""
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({k: v if isinstance(v, list) else np.asarray(v) for k, v in columns.items()})


def signs(values: FloatArray) -> list[str]:
    """Return the colour of each value: rising from 0 on, falling below."""
    return [UP if v >= 0 else DOWN for v in values]


def style_axes(figure: Any, *, x: str | None = None, y: str | None = None) -> None:
    """Write the axes in numeral.js styles such as ``0.0%``."""
    from bokeh.models import NumeralTickFormatter

    if x:
        figure.xaxis.formatter = NumeralTickFormatter(format=x)
    if y:
        figure.yaxis.formatter = NumeralTickFormatter(format=y)


def bins_of(
    values: FloatArray, n_bins: int = 60, *, tail: float = 0.002, at_zero: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return the counts and edges of a histogram, values beyond the outermost quantiles in the outermost bins.

    Parameters
    ----------
    values : array, shape (n,)
        Finite.
    tail : float
        Share at each end that may be gathered in the outermost bin, so that one outlier does not squash the rest.
    at_zero : bool
        Let 0 be an edge, so that no bin holds both signs.
    """
    low, high = (float(v) for v in np.quantile(values, [tail, 1 - tail]))
    reach = max(abs(low), abs(high))
    if not high - low > max(1e-12 * reach, _TINY):
        half = 0.5 * (reach if reach > _TINY else 1.0)
        low, high = low - half, high + half
    n_bins = int(min(n_bins, max(8, 3 * np.sqrt(len(values)))))
    edges = np.linspace(low, high, n_bins + 1)
    if at_zero:
        width = (high - low) / n_bins
        edges = width * np.arange(np.floor(low / width), np.ceil(high / width) + 1)
    counts, edges = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    return counts.astype(np.float64), edges


def histogram(
    values: FloatArray, title: str, *, style: str, xlabel: str, ylabel: str = "count", height: int = 260,
    by_sign: bool = False, marks: Sequence[tuple[float, str, str, str]] = (), tail: float = 0.002,
    steps: Sequence[Callable[[Any, FloatArray, FloatArray], None]] = (),
) -> Any:  # fmt: skip
    """Draw a histogram with upright lines of reference that the legend names.

    Parameters
    ----------
    values : array, shape (n,)
        Finite, at least one.
    style : str
        How values are written, such as ``0.0%``.
    by_sign : bool
        Colour bars by the sign of their middle.
    marks : sequence of (value, words, colour, dash)
        Lines; one beyond the bars widens the axis.
    steps : sequence of callables
        Each is given the figure, the counts and the edges, before the legend is placed.
    """
    from bokeh.models import BasicTicker

    counts, edges = bins_of(values, tail=tail, at_zero=by_sign)
    middle = (edges[:-1] + edges[1:]) / 2
    figure = factor_figure(title, height)
    data = source(
        left=edges[:-1], right=edges[1:], count=counts, share=counts / counts.sum(),
        color=signs(middle) if by_sign else [UP] * len(counts),
    )  # fmt: skip
    bars = figure.quad(
        left="left", right="right", top="count", bottom=0, source=data, fill_color="color", fill_alpha=0.55,
        line_color="color", line_alpha=0.9, line_width=0.5,
    )  # fmt: skip
    for step in steps:
        step(figure, counts, edges)
    for value, words, color, dash in marks:
        upright(figure, value, float(counts.max()) * 1.05, words, color, dash)
    figure.y_range.start = 0
    figure.yaxis.ticker = BasicTicker(min_interval=1)
    style_axes(figure, x=style, y="0,0")
    figure.xaxis.axis_label, figure.yaxis.axis_label = xlabel, ylabel
    told = {"from": f"@left{{{style}}}", "to": f"@right{{{style}}}", "count": "@count{0,0} (@share{0.0%})"}
    finish_factor(figure, [bars], told, legend=bool(figure.legend))
    return figure


def upright(figure: Any, value: float, top: float, words: str, color: str, dash: str = "dashed") -> None:
    """Draw a line of reference from 0 to ``top`` that the legend names."""
    if np.isfinite(value):
        figure.line([value, value], [0, top], line_color=color, line_dash=dash, line_width=2, legend_label=words)


def level(figure: Any, value: float, words: str, color: str, start: Any, end: Any, dash: str = "dashed") -> None:
    """Draw a flat line of reference from ``start`` to ``end`` that the legend names."""
    if np.isfinite(value):
        figure.line([start, end], [value, value], line_color=color, line_dash=dash, line_width=1.6, legend_label=words)


def name_axis(figure: Any, names: Sequence[str], *, room: int = 110) -> None:
    """Write names below upright bars at 0, 1, 2 …: in lines where they are long, every n-th where there are many.

    Parameters
    ----------
    room : int
        Letters that fit side by side.
    """
    longest = max((len(n) for n in names), default=0)
    each = max(4, room // max(len(names), 1) - 1)
    shown = [textwrap.fill(n, each, break_long_words=False) for n in names] if longest > each else list(names)
    widest = max((len(line) for n in shown for line in n.split("\n")), default=0)
    every = max(1, -(-len(names) // MOST_NAMES), -(-(widest + 1) * len(names) // room))
    name_ticks(figure.xaxis, shown)
    figure.xaxis.ticker.ticks = list(range(0, len(names), every))
    figure.xgrid.visible = False


def plain(figure: Any) -> None:
    """Give a bar chart room for few bars: at least three bars wide."""
    from bokeh.models import Range1d

    ticks = getattr(figure.xaxis[0].ticker, "ticks", None) or [0]
    middle, half = (ticks[0] + ticks[-1]) / 2, max(1.5, (ticks[-1] - ticks[0]) / 2 + 0.6)
    figure.x_range = Range1d(middle - half, middle + half)


def join(*figures: Any) -> Any:
    """Return pictures below each other as one."""
    from bokeh.layouts import column

    return column(*figures, sizing_mode="stretch_width")


def tiles(figures: Sequence[Any], n_columns: int = 3, *, note: str = "") -> Any:
    """Return small multiples in rows of ``n_columns``, with no toolbar on each and a note above all."""
    from bokeh.layouts import column, row
    from bokeh.models import Spacer

    for figure in figures:
        figure.toolbar_location = None
    padded = [*figures, *(Spacer(sizing_mode="stretch_width") for _ in range(-len(figures) % n_columns))]
    rows = [row(*padded[i : i + n_columns], sizing_mode="stretch_width") for i in range(0, len(padded), n_columns)]
    return column(*([_note(note)] if note else []), *rows, sizing_mode="stretch_width")


def _note(text: str) -> Any:
    """Return a line of text as a figure: Bokeh's own blocks of text belong to its widgets, which reports leave out."""
    figure = placeholder("", "", height=30)
    figure.title.text, figure.title.text_font_size, figure.title.text_font_style = text, "12px", "normal"
    figure.xaxis.visible = False
    return figure


def restyle(*looks: tuple[str, str]) -> Callable[[Any], None]:
    """Return a step for `lines` that gives each line in turn a colour and a dash: colour alone says nothing."""

    def step(figure: Any) -> None:
        drawn = [r for r in figure.renderers if hasattr(getattr(r, "glyph", None), "line_dash")]
        for renderer, (color, dash) in zip(drawn, looks, strict=False):
            renderer.glyph.line_color, renderer.glyph.line_dash = color, dash

    return step


def wide(values: Any) -> bool:
    """Whether positive values spread so far that a logarithmic axis serves them: by a factor of three or more."""
    known = finite(values)
    return len(known) > 0 and float(known.min()) > 0 and float(known.max()) >= 3 * float(known.min())


def log_ticks(figure: Any, values: Any) -> None:
    """Write 1, 2 and 5 of each decade that the values reach on a logarithmic axis."""
    from bokeh.models import FixedTicker

    known = finite(values)
    decades = np.arange(np.floor(np.log10(known.min())), np.ceil(np.log10(known.max())) + 1)
    steps = (1.0, 2.0, 5.0) if len(decades) <= 5 else (1.0,)
    figure.yaxis.ticker = FixedTicker(ticks=[float(m * 10**d) for d in decades for m in steps])
    figure.yaxis.ticker.minor_ticks = []


def faint(figure: Any) -> None:
    """Draw the line of nothing across and upright."""
    from bokeh.models import Span

    for dimension in ("width", "height"):
        figure.add_layout(Span(location=0, dimension=dimension, line_color=NEUTRAL, line_width=1))
