"""Returns by year and month, and how they are distributed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from workbench.charts.calendar import MONTHS, month_frame
from workbench.charts.factors import factor_figure, finish_factor, name_ticks, zero_line
from workbench.charts.marks import empty_table, finite, histogram, placeholder, plain, source, style_axes
from workbench.charts.rollings import strategy_of
from workbench.charts.tables import Column, Table, number, percent, signed_percent
from workbench.charts.theme import ACCENT, DOWN, NEUTRAL, label_of, style_of
from workbench.typing import FloatArray

_NO_RETURNS = "the record has no returns; run the notebook that makes them"
_BENCHMARKS = ("buy_and_hold", "equal_weight")


def annual_chart(returns: pd.DataFrame | pd.Series, *, height: int = 260) -> Any:
    """Draw the return of each calendar year as a bar, the strategy beside its benchmarks.

    Parameters
    ----------
    returns : DataFrame or Series, time × series
        Net simple returns per bar as fractions; of a frame, ``strategy``, ``buy_and_hold`` and ``equal_weight``.
    """
    table = annual_frame(returns)
    if table.empty:
        return placeholder("Annual returns", _NO_RETURNS)
    won = int((table.iloc[:, 0] > 0).sum())
    figure = factor_figure(f"Annual returns, net of costs: above 0 in {won} of {len(table)} years", height)
    width = 0.8 / table.shape[1]
    drawn = []
    for i, name in enumerate(table.columns):
        style = style_of(str(name), i)
        data = source(
            x=np.arange(len(table)) + (i - (table.shape[1] - 1) / 2) * width,
            value=table[name].to_numpy(), year=[str(y) for y in table.index], name=[label_of(str(name))] * len(table),
        )  # fmt: skip
        hatch = {} if i == 0 else {"hatch_pattern": ("/", "x")[(i - 1) % 2], "hatch_color": style.color}
        drawn.append(
            figure.vbar("x", width * 0.92, "value", 0, source=data, fill_color=style.color, line_color=style.color,
                        fill_alpha=0.75 if i == 0 else 0.15, hatch_alpha=0.6, legend_label=label_of(str(name)), **hatch)
        )  # fmt: skip
    zero_line(figure)
    names = _year_names(table, returns)
    name_ticks(figure.xaxis, names)
    figure.xgrid.visible = False
    plain(figure)
    style_axes(figure, y="0%")
    figure.yaxis.axis_label = "return of the year"
    figure.xaxis.axis_label = "* only a part of the year" if "*" in "".join(names) else None
    told = {"year": "@year", "series": "@name", "return": "@value{+0.0%}"}
    finish_factor(figure, drawn, told, legend=table.shape[1] > 1)
    return figure


def annual_frame(returns: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """Return compounded returns by calendar year (UTC), the strategy first, then the benchmarks that are there."""
    if len(returns) == 0:
        return pd.DataFrame()
    chosen = {"strategy": strategy_of(returns)}
    if isinstance(returns, pd.DataFrame):
        chosen |= {b: returns[b].fillna(0.0).astype(float) for b in _BENCHMARKS if b in returns}
    frame = pd.DataFrame(chosen)
    years = pd.DatetimeIndex(frame.index).year
    return ((1.0 + frame).groupby(years).prod() - 1.0).rename_axis("year")


def _year_names(table: pd.DataFrame, returns: pd.DataFrame | pd.Series) -> list[str]:
    """Mark years of which the record holds only a part."""
    index = pd.DatetimeIndex(returns.index)
    names = [str(y) for y in table.index]
    if index[0].day_of_year > 7:
        names[0] += " *"
    if index[-1].day_of_year < 359 and not names[-1].endswith("*"):
        names[-1] += " *"
    return names


def calendar_table(returns: pd.DataFrame | pd.Series) -> Table:
    """Return the strategy's return of each month and year as one table, the latest year first.

    Parameters
    ----------
    returns : DataFrame or Series, time × series
        Net simple returns per bar as fractions; of a frame, the column ``strategy`` or the first.
    """
    caption = "Returns by month and year, net of costs"
    net = strategy_of(returns)
    if net.empty:
        return empty_table(caption, _NO_RETURNS)
    table = month_frame(net).sort_index(ascending=False).rename_axis("name").reset_index()
    table["name"] = table["name"].astype(str)
    shown = [*MONTHS, "year"]
    mean = pd.DataFrame({"name": ["mean"], **{c: [table[c].mean()] for c in shown}})
    table = pd.concat([table, mean], ignore_index=True) if len(table) > 1 else table
    marks = {
        (i, c): "fail" if table[c].iloc[i] < 0 else "pass"
        for i in range(len(table)) for c in shown if pd.notna(table[c].iloc[i]) and table[c].iloc[i] != 0
    }  # fmt: skip
    columns = [
        Column("name", "", str, True),
        *(Column(c, c, lambda v: signed_percent(float(v), 1).removesuffix(" %")) for c in MONTHS),
        Column("year", "year", lambda v: signed_percent(float(v), 1).removesuffix(" %")),
    ]
    months = finite(table[list(MONTHS)].iloc[: len(table) - (1 if len(table) > 1 else 0)])
    won = f"; {percent(float((months > 0).mean()), 0)} of {len(months)} months above 0" if len(months) else ""
    return Table(table, columns, f"{caption}, percent{won}", marks)


def returns_histogram_chart(
    returns: pd.DataFrame | pd.Series, *, every: Literal["bar", "day", "month"] = "bar", height: int = 260
) -> Any:
    """Draw how the strategy's returns are distributed, with the normal curve of the same mean and deviation.

    Parameters
    ----------
    returns : DataFrame or Series, time × series
        Net simple returns per bar as fractions; of a frame, the column ``strategy`` or the first.
    every : {"bar", "day", "month"}
        Compounded to days or months (UTC) first. Bars of days without a position are 0 and are kept out of ``bar``.
    """
    values, held = _per(strategy_of(returns), every)
    what = {"bar": "Returns per bar", "day": "Daily returns", "month": "Monthly returns"}[every]
    if len(values) < 2 or not values.std() > 0:
        return placeholder(what, f"needs at least two {every}s whose returns differ; choose a longer range")
    mean, tail = float(values.mean()), float(np.quantile(values, 0.05))
    skew = _moment(values, 3)
    kurtosis = _moment(values, 4)
    return histogram(
        values,
        f"{what}: skewness {number(skew, 1)}, kurtosis {number(kurtosis, 1)} (normal: 0, 3)",
        style="0.0%" if every != "bar" else "0.00%",
        xlabel=f"return per {every}; what lies outside is counted in the outermost bins{held}",
        ylabel=f"{every}s",
        height=height,
        by_sign=True,
        marks=[
            (mean, f"mean {signed_percent(mean)}", ACCENT, "solid"),
            (tail, f"worst 5 % below {signed_percent(tail)}", DOWN, "dashed"),
        ],
        steps=[lambda figure, _, edges: _normal(figure, values, edges)],
    )


def _per(net: pd.Series, every: str) -> tuple[FloatArray, str]:
    if every == "bar":
        values = finite(net)
        moved = values[values != 0]
        rest = len(values) - len(moved)
        return moved, f" · {rest:,} bars at exactly 0 left out" if rest else ""
    if net.empty:
        return np.array([]), ""
    rule = {"day": "D", "month": "MS"}[every]
    grouped = (1.0 + net).resample(rule)
    made = (grouped.prod() - 1.0)[grouped.count() > 0]
    return finite(made), ""


def _moment(values: FloatArray, power: int) -> float:
    deviation = values.std()
    return float(((values - values.mean()) ** power).mean() / deviation**power) if deviation > 0 else float("nan")


def _normal(figure: Any, values: FloatArray, edges: FloatArray) -> None:
    deviation = values.std(ddof=1)
    if not deviation > 0:
        return
    x = np.linspace(edges[0], edges[-1], 200)
    density = np.exp(-0.5 * ((x - values.mean()) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    y = density * len(values) * (edges[1] - edges[0])
    figure.line(x, y, line_color=NEUTRAL, line_width=1.8, line_dash="dotted", legend_label="normal of equal deviation")
