"""What the strategy did while markets fell: named windows beside the benchmark."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor
from workbench.charts.figure import time_axis
from workbench.charts.marks import empty_table, need, placeholder, source, style_axes, tiles
from workbench.charts.rollings import strategy_of
from workbench.charts.sampling import naive_utc, screen
from workbench.charts.tables import Column, Table, moment, percent, signed_percent
from workbench.charts.theme import label_of, style_of

MOST_TILES = 12
_NONE = "no named crisis falls into the range of this record"


def crises_chart(
    returns: pd.DataFrame, crises: pd.DataFrame, *, benchmark: str = "buy_and_hold", height: int = 190
) -> Any:
    """Draw the growth of 1.00 within each crisis window, the strategy beside the benchmark, as small multiples.

    Parameters
    ----------
    returns : DataFrame, time × series
        Net simple returns per bar as fractions; ``strategy`` and ``benchmark``.
    crises : DataFrame
        Columns name, first, last (UTC); at most twelve are drawn, the first of them.
    height : int
        Of one window.
    """
    if not need(crises, "name", "first", "last") or len(returns) == 0:
        return placeholder("Crisis windows", _NONE)
    series = {"strategy": strategy_of(returns)}
    if benchmark in returns:
        series[benchmark] = returns[benchmark].fillna(0.0)
    frame = pd.DataFrame(series)
    parts = [(str(c.name), frame.loc[c.first : c.last]) for c in crises.head(MOST_TILES).itertuples(index=False)]
    figures = [_window(name, part, height) for name, part in parts if len(part) > 1]
    return tiles(figures) if figures else placeholder("Crisis windows", _NONE)


def _window(name: str, part: pd.DataFrame, height: int) -> Any:
    from bokeh.models import DatetimeTickFormatter

    growth = (1.0 + part).cumprod() - 1.0
    thin = screen(growth, 1000)
    made = signed_percent(float(growth["strategy"].iloc[-1]), 1)
    figure = factor_figure(f"{name}: {made}", height, x_axis_type="datetime")
    drawn = []
    for i, column in enumerate(thin.columns):
        style = style_of(str(column), i)
        data = source(time=naive_utc(thin.index), value=thin[column].to_numpy(), series=[label_of(column)] * len(thin))
        drawn.append(
            figure.line("time", "value", source=data, line_color=style.color, line_dash=style.dash,
                        line_width=style.width, legend_label=label_of(column))
        )  # fmt: skip
    time_axis(figure)
    figure.xaxis.formatter = DatetimeTickFormatter(days="%d %b", months="%b %Y", hours="%d %b %H:%M")
    figure.xaxis.ticker.desired_num_ticks = 3
    figure.xaxis.axis_label = None
    style_axes(figure, y="0%")
    told = {"series": "@series", "time": "@time{%F %H:%M}", "since the start": "@value{+0.0%}"}
    finish_factor(figure, drawn, told, legend=True, formatters={"@time": "datetime"})
    figure.title.text_font_size = "12px"
    return figure


def crises_table(crises: pd.DataFrame) -> Table:
    """Return the crisis windows as rows: what the strategy and the benchmark made, and the deepest fall within.

    Parameters
    ----------
    crises : DataFrame
        Columns name, first, last (UTC), strategy, buy_and_hold (returns), max_drawdown (positive), as fractions.
    """
    caption = "Crisis windows, returns net of costs"
    if not need(crises, "name"):
        return empty_table(caption, _NONE)
    frame = crises.reset_index(drop=True)
    better = pd.Series(False, index=frame.index)
    if {"strategy", "buy_and_hold"} <= set(frame.columns):
        frame = frame.assign(difference=frame["strategy"] - frame["buy_and_hold"])
        better = frame["difference"] > 0
    marks = {(i, "difference"): "pass" if b else "fail" for i, b in enumerate(better)}
    known = [
        Column("name", "crisis", str, True),
        Column("first", "from, UTC", moment),
        Column("last", "to, UTC", moment),
        Column("strategy", "strategy", signed_percent),
        Column("buy_and_hold", "buy and hold", signed_percent),
        Column("difference", "difference", signed_percent),
        Column("max_drawdown", "deepest fall of the strategy", lambda v: percent(v, 2)),
    ]
    note = f"; better than buy and hold in {int(better.sum())} of {len(frame)}" if "difference" in frame else ""
    return Table(frame, [c for c in known if c.key in frame], caption + note, marks)
