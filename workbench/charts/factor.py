"""What one feature is worth: its coefficient over time, its quantiles, its distribution and its drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, name_ticks, short_name, zero_line
from workbench.charts.figure import need_rows, number_axis, time_axis
from workbench.charts.sampling import naive_utc
from workbench.charts.tables import EMPTY
from workbench.charts.theme import ACCENT, DOWN, NEUTRAL, UP
from workbench.errors import DataError

_STABLE, _SHIFTED = 0.10, 0.25


def coefficient_chart(ic: pd.DataFrame, feature: str, *, height: int = 260) -> Any:
    """Draw one feature's rank information coefficient block by block, with its mean.

    Parameters
    ----------
    ic : DataFrame, block × feature
        Indexed by the first bar of each block.
    """
    from bokeh.models import ColumnDataSource, Span

    values = _column(ic, feature).dropna()
    need_rows(values, f"the coefficients of {feature}")
    mean = float(values.mean())
    same = float((np.sign(values) == np.sign(mean)).mean())
    times = pd.DatetimeIndex(naive_utc(pd.DatetimeIndex(values.index)))
    step = (times[1] - times[0]) if len(times) > 1 else pd.Timedelta(days=1)
    figure = factor_figure(
        f"Rank IC of {short_name(feature)} by blocks of bars",
        height,
        x_axis_type="datetime",
    )
    source = ColumnDataSource({
        "time": times, "middle": times + step / 2, "value": values.to_numpy(),
        "color": np.where(values.to_numpy() > 0, UP, DOWN),
    })  # fmt: skip
    width = 0.8 * step.total_seconds() * 1000
    bars = figure.vbar("middle", width, "value", 0, source=source, fill_color="color", fill_alpha=0.6, line_color=None)
    zero_line(figure)
    figure.add_layout(Span(location=mean, dimension="width", line_color=ACCENT, line_dash="dashed", line_width=1.5))
    time_axis(figure)
    figure.xaxis.axis_label = f"time, UTC · dashed: mean, whose sign {same:.0%} of the blocks have"
    figure.yaxis.axis_label = "rank IC"
    told = {"block from": "@time{%F %H:%M}", "rank IC": "@value{+0.0000}"}
    finish_factor(figure, [bars], told, formatters={"@time": "datetime"})
    return figure


def quantile_chart(quantiles: pd.DataFrame, feature: str, *, height: int = 260) -> Any:
    """Draw what followed each quantile of one feature, with bars of two standard errors.

    Parameters
    ----------
    quantiles : DataFrame
        Columns feature, quantile, mean and se (fractions).
    """
    from bokeh.models import ColumnDataSource

    mine = quantiles[quantiles["feature"] == feature]
    need_rows(mine, f"the quantile returns of {feature}")
    mean, error = 1e4 * mine["mean"].to_numpy(), 2e4 * mine["se"].to_numpy()
    figure = factor_figure(f"After each quantile of {short_name(feature)}", height)
    source = ColumnDataSource({
        "x": mine["quantile"].to_numpy(), "mean": mean, "low": mean - error, "high": mean + error,
        "color": np.where(mean > 0, UP, DOWN), "error": error / 2,
    })  # fmt: skip
    bars = figure.vbar("x", 0.7, "mean", 0, source=source, fill_color="color", fill_alpha=0.6, line_color=None)
    figure.segment("x", "low", "x", "high", source=source, line_color=NEUTRAL, line_width=2)
    zero_line(figure)
    name_ticks(figure.xaxis, [str(q) for q in mine["quantile"]], first=1)
    figure.xaxis.axis_label = "quantile, 1 lowest · ± 2 standard errors"
    figure.yaxis.axis_label = "mean excess return, bp"
    finish_factor(figure, [bars], {"quantile": "@x", "mean": "@mean{+0.0} bp", "standard error": "@error{0.0} bp"})
    return figure


def distribution_chart(histograms: pd.DataFrame, feature: str, *, height: int = 260) -> Any:
    """Draw the distribution of one feature in the first half of the bars and in the second.

    Parameters
    ----------
    histograms : DataFrame
        Columns feature, left, right (edges, in the feature's unit), first and last (shares).
    """
    from bokeh.models import ColumnDataSource

    mine = histograms[histograms["feature"] == feature]
    need_rows(mine, f"the distribution of {feature}")
    figure = factor_figure(f"Values of {short_name(feature)}: share of bars", height)
    edges = np.append(mine["left"].to_numpy(), mine["right"].to_numpy()[-1])
    drawn = []
    for key, words, color, dash in (("first", "first half", ACCENT, "dashed"), ("last", "second half", UP, "solid")):
        shares = mine[key].to_numpy()
        source = ColumnDataSource({"x": edges, "share": np.append(shares, shares[-1]), "part": [words] * len(edges)})
        line = figure.step("x", "share", source=source, mode="after", line_color=color, line_dash=dash, line_width=2,
                           legend_label=words)  # fmt: skip
        drawn.append(line)
    number_axis(figure, "0.0%")
    figure.y_range.start = 0
    figure.xaxis.axis_label = "value; what lies outside is counted in the outermost bins"
    finish_factor(figure, drawn, {"part": "@part", "from": "@x{0.[0000]}", "share": "@share{0.0%}"}, legend=True)
    return figure


def drift_chart(drift: pd.DataFrame, feature: str, *, height: int = 220) -> Any:
    """Draw how far one feature has moved from its first half, in each quarter of the second.

    Parameters
    ----------
    drift : DataFrame
        Columns feature, part, start, end, psi and ks; part 0, the whole second half, is not drawn.
    """
    from bokeh.models import ColumnDataSource, Span

    mine = drift[(drift["feature"] == feature) & (drift["part"] > 0)]
    need_rows(mine, f"the drift of {feature}")
    names = [
        f"{pd.Timestamp(a):%b %Y} –\n{pd.Timestamp(b):%b %Y}" for a, b in zip(mine["start"], mine["end"], strict=True)
    ]
    psi = mine["psi"].to_numpy()
    figure = factor_figure(f"Drift of {short_name(feature)} from the first half", height)
    source = ColumnDataSource({"x": np.arange(len(mine)), "psi": psi, "ks": mine["ks"].to_numpy(), "name": names})
    bars = figure.vbar("x", 0.6, "psi", 0, source=source, fill_color=UP, fill_alpha=0.6, line_color=None)
    top = max(float(np.nanmax(psi, initial=0.0)) * 1.1, 1.25 * _SHIFTED)
    figure.y_range.start, figure.y_range.end = 0, top
    for level in (_STABLE, _SHIFTED):
        figure.add_layout(Span(location=level, dimension="width", line_color=NEUTRAL, line_dash="dashed"))
    name_ticks(figure.xaxis, names)
    figure.xaxis.axis_label = f"dashed: stable below {_STABLE:.2f}, shifted above {_SHIFTED:.2f}"
    figure.yaxis.axis_label = "PSI"
    finish_factor(figure, [bars], {"PSI": "@psi{0.000}", "KS": "@ks{0.000}"})
    return figure


def _column(ic: pd.DataFrame, feature: str) -> pd.Series:
    if feature not in ic:
        raise DataError(
            f"there are no coefficients of {feature!r}; there are those of {', '.join(ic.columns) or EMPTY}"
        )
    return ic[feature]
