"""The deepest drawdowns: when they began, where they ended, how long they lasted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor
from workbench.charts.figure import time_axis
from workbench.charts.marks import empty_table, placeholder, source, style_axes
from workbench.charts.rollings import strategy_of
from workbench.charts.sampling import naive_utc, screen
from workbench.charts.tables import Column, Table, moment, number, percent, whole
from workbench.charts.theme import DOWN, UP

_NONE = "the strategy was never below its highest equity, or holds no bars"


def drawdown_periods_chart(returns: pd.DataFrame | pd.Series, *, top: int = 5, height: int = 240) -> Any:
    """Draw the underwater curve with its deepest spells shaded and numbered by depth.

    Parameters
    ----------
    returns : DataFrame or Series, time × series
        Net simple returns per bar as fractions; of a frame, the column ``strategy`` or the first.
    top : int
        Spells to shade.
    """
    from workbench import risk

    net = strategy_of(returns)
    periods = periods_frame(net, top)
    if periods.empty:
        return placeholder("Drawdown periods", _NONE)
    figure = factor_figure(_title(periods), height, x_axis_type="datetime")
    thin = screen(pd.DataFrame({"below": -risk.drawdown(net)}))
    line = source(time=thin.index, below=thin["below"].to_numpy())
    drawn = figure.varea("time", 0, "below", source=line, fill_color=UP, fill_alpha=0.18)
    curve = figure.line("time", "below", source=line, line_color=UP, line_width=1.4)
    boxes = _boxes(figure, periods, float(thin["below"].min()), _names(periods, net))
    time_axis(figure)
    style_axes(figure, y="0.0%")
    figure.y_range.end = 0
    figure.yaxis.axis_label = "below the highest equity"
    figure.xaxis.axis_label = "time, UTC · shaded: from the last peak to its recovery, numbered by depth"
    told = {"number": "@rank", "from": "@left{%F}", "lowest": "@trough", "until": "@until", "depth": "@depth{0.0%}",
            "days": "@days{0,0}"}  # fmt: skip
    finish_factor(figure, [boxes], told, formatters={"@left": "datetime"})
    drawn.level = curve.level = "overlay"
    return figure


def _title(periods: pd.DataFrame) -> str:
    deepest, longest = periods.iloc[0], float(periods["days"].max())
    open_now = " and not over" if pd.isna(deepest["recovered"]) else ""
    return (
        f"Deepest drawdown {percent(deepest['depth'])}{open_now}; longest of the {len(periods)}: {whole(longest)} days"
    )


def _names(periods: pd.DataFrame, net: pd.Series) -> list[str]:
    """Number the spells; those too short to write in go without."""
    width = (periods["end"] - periods["start"]) / (net.index[-1] - net.index[0])
    return [str(i + 1) if w > 0.015 else "" for i, w in enumerate(width)]


def _boxes(figure: Any, periods: pd.DataFrame, lowest: float, names: list[str]) -> Any:
    times = {c: naive_utc(pd.DatetimeIndex(periods[c])) for c in ("start", "end", "trough")}
    open_end = periods["recovered"].isna()
    data = source(
        left=times["start"],
        right=times["end"],
        middle=times["trough"],
        bottom=np.full(len(periods), lowest * 1.12),
        rank=[str(i + 1) for i in range(len(periods))],
        name=names,
        depth=periods["depth"].to_numpy(),
        days=periods["days"].to_numpy(),
        trough=[moment(t) for t in periods["trough"]],
        until=["not over" if o else moment(t) for o, t in zip(open_end, periods["end"], strict=True)],
        label_y=np.full(len(periods), lowest * 1.04),
    )
    boxes = figure.quad(
        left="left",
        right="right",
        top=0,
        bottom="bottom",
        source=data,
        fill_color=DOWN,
        fill_alpha=0.16,
        line_color=DOWN,
        line_alpha=0.35,
    )
    figure.text(
        "middle",
        "label_y",
        "name",
        source=data,
        text_color=DOWN,
        text_font_size="13px",
        text_font_style="bold",
        text_align="center",
        text_baseline="middle",
    )
    return boxes


def drawdown_periods_table(returns: pd.DataFrame | pd.Series, *, top: int = 10) -> Table:
    """Return the deepest drawdowns as rows: start, lowest point, recovery, depth and length in days.

    Parameters
    ----------
    returns : DataFrame or Series, time × series
        Net simple returns per bar as fractions; of a frame, the column ``strategy`` or the first.
    top : int
        Rows, deepest first.
    """
    periods = periods_frame(strategy_of(returns), top)
    if periods.empty:
        return empty_table("Deepest drawdowns", _NONE)
    periods["rank"] = np.arange(1, len(periods) + 1)
    columns = [
        Column("rank", "number", whole),
        Column("start", "start, UTC", moment),
        Column("trough", "lowest, UTC", moment),
        Column("recovered", "recovered, UTC", moment),
        Column("depth", "depth", lambda v: percent(v, 2)),
        Column("days", "days under water", _days),
        Column("to_trough", "days to the lowest", _days),
        Column("duration", "bars", whole),
    ]
    n_open = int(periods["recovered"].isna().sum())
    note = "; one is not over" if n_open else ""
    return Table(periods, columns, f"The {len(periods)} deepest drawdowns, net of costs{note}")


def _days(value: float) -> str:
    return whole(value) if value >= 10 else number(value, 1)


def periods_frame(net: pd.Series, top: int) -> pd.DataFrame:
    """Return the deepest drawdown periods with ``end`` (recovery or the last bar), ``days`` and ``to_trough``."""
    from workbench import risk

    if len(net) == 0:
        return pd.DataFrame()
    periods = risk.drawdown_periods(net, top)
    last = net.index[-1]
    periods["end"] = periods["recovered"].where(periods["recovered"].notna(), last)
    for name, until in (("days", "end"), ("to_trough", "trough")):
        periods[name] = (periods[until] - periods["start"]).dt.total_seconds() / 86_400
    return periods
