"""What features are worth, many at once: coefficients over time, decay, quantile returns, importance, redundancy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.calendar import diverging
from workbench.charts.figure import dress, legend_above, need_rows, time_axis
from workbench.charts.sampling import naive_utc
from workbench.charts.theme import ACCENT, CYCLE, DOWN, NEUTRAL, UP

ROW_HEIGHT = 22
MOST_LINES = 4
MOST_ROWS = 40
"""Features in one picture; the table lists them all."""
_MOST_LETTERS = 30
_NUMBERED = 14
"""Features up to which a map of correlations has its numbers written in."""
_LABELLED = (30, 60)
"""Features from which a map has smaller labels, and from which only its rows have any."""
_CELL_TEXT = "#10161b"
_DASHES = ("solid", "dashed", "dotted", "dashdot")
_MARKS = ("circle", "square", "triangle", "diamond")


def running_coefficient_chart(ic: pd.DataFrame, features: Sequence[str], *, height: int = 300) -> Any:
    """Draw the running total of the blocks' rank information coefficients: a straight line is a steady feature.

    Parameters
    ----------
    ic : DataFrame, block × feature
        Mean coefficient of each block of bars, indexed by its first bar.
    features : sequence of str
        Those to draw; at most four, the first of them.

    Returns
    -------
    bokeh.plotting.figure
    """
    need_rows(ic, "the coefficients over time")
    chosen = list(features)[:MOST_LINES]
    total = ic[chosen].cumsum()
    figure = factor_figure(
        "Rank IC over time: straight means steady",
        height,
        x_axis_type="datetime",
    )
    times = naive_utc(pd.DatetimeIndex(ic.index))
    drawn = []
    for i, name in enumerate(chosen):
        block = ic[name].to_numpy()
        source = _source(time=times, total=total[name].to_numpy(), block=block, feature=[name] * len(ic))
        look = {"line_color": CYCLE[i], "line_dash": _DASHES[i], "line_width": 2}
        drawn.append(figure.line("time", "total", source=source, legend_label=name, muted_alpha=0.12, **look))
    zero_line(figure)
    time_axis(figure)
    figure.yaxis.axis_label = f"sum over {len(ic)} blocks"
    told = {"feature": "@feature", "block from": "@time{%F}", "IC of the block": "@block{+0.000}"}
    finish_factor(figure, drawn, told, legend=True, formatters={"@time": "datetime"})
    return figure


def decay_chart(decay: pd.DataFrame, features: Sequence[str], *, height: int = 300) -> Any:
    """Draw the rank information coefficient over horizons with bars of two Newey-West standard errors.

    Parameters
    ----------
    decay : DataFrame
        Columns feature, horizon, rank_ic, rank_ic_se, rank_ic_t, q_value.
    features : sequence of str
        Those to draw; at most four, the first of them.
    """
    need_rows(decay, "the decay")
    horizons = sorted(decay["horizon"].unique())
    chosen = list(features)[:MOST_LINES]
    figure = factor_figure("Rank IC by bars ahead, ± 2 standard errors", height)
    drawn = []
    for i, name in enumerate(chosen):
        mine = decay[decay["feature"] == name].sort_values("horizon")
        shift = 0.09 * (i - (len(chosen) - 1) / 2)
        place = np.array([horizons.index(h) for h in mine["horizon"]]) + shift
        value, error = mine["rank_ic"].to_numpy(), 2 * mine["rank_ic_se"].to_numpy()
        source = _source(
            place=place, value=value, low=value - error, high=value + error, feature=[name] * len(mine),
            horizon=mine["horizon"].to_numpy(), t=mine["rank_ic_t"].to_numpy(), q=mine["q_value"].to_numpy(),
        )  # fmt: skip
        color = CYCLE[i]
        figure.line("place", "value", source=source, line_color=color, line_dash=_DASHES[i], legend_label=name)
        figure.segment("place", "low", "place", "high", source=source, line_color=color, line_width=1.5)
        drawn.append(
            figure.scatter("place", "value", source=source, color=color, marker=_MARKS[i], size=8, legend_label=name)
        )
    zero_line(figure)
    name_ticks(figure.xaxis, [f"{h:,}" for h in horizons])
    figure.xaxis.axis_label = "bars ahead, from the fill at the next open"
    figure.yaxis.axis_label = "rank IC"
    told = {"feature": "@feature", "bars ahead": "@horizon", "rank IC": "@value{+0.0000}", "t": "@t{0.0}",
            "q-value": "@q{0.000}"}  # fmt: skip
    finish_factor(figure, drawn, told, legend=True)
    return figure


def quantile_map(quantiles: pd.DataFrame, features: Sequence[str], *, height: int | None = None) -> Any:
    """Draw what followed each quantile of each feature, one row a feature, with the number in every cell.

    Parameters
    ----------
    quantiles : DataFrame
        Columns feature, quantile (1 the lowest), mean (excess forward return, a fraction) and se.
    features : sequence of str
        Rows from the top.
    """
    need_rows(quantiles, "the quantile returns")
    chosen = [str(f) for f in features][:MOST_ROWS]
    cells = quantiles[quantiles["feature"].isin(chosen)].reset_index(drop=True)
    n = int(cells["quantile"].max())
    bp = 1e4 * cells["mean"].to_numpy()
    reach = max(float(np.nanquantile(np.abs(bp), 0.95)), 1e-9) if np.isfinite(bp).any() else 1.0
    figure = _rows_figure(chosen, "Mean excess return after each quantile, basis points", height)
    source = _source(
        x=cells["quantile"].to_numpy(), y=[chosen.index(f) for f in cells["feature"]], feature=cells["feature"],
        bp=bp, color=_colours(bp, reach), text=[_whole(v) for v in bp],
        shown=[_with_error(m, s) for m, s in zip(cells["mean"], cells["se"], strict=True)],
    )  # fmt: skip
    boxes = figure.rect("x", "y", 0.98, 0.92, source=source, fill_color="color", line_color=None)
    _write(figure, source)
    figure.x_range.start, figure.x_range.end = 0.5, n + 0.5
    name_ticks(figure.xaxis, [f"{q}" for q in range(1, n + 1)], first=1)
    figure.xaxis.axis_label = f"quantile of the feature, 1 lowest to {n} highest"
    finish_factor(figure, [boxes], {"feature": "@feature", "quantile": "@x", "mean ± error, bp": "@shown"})
    return figure


def importance_chart(importance: pd.DataFrame, *, name: str = "feature", height: int | None = None) -> Any:
    """Draw what the model loses without each feature, with one standard error each way, the most needed on top.

    Parameters
    ----------
    importance : DataFrame
        Columns ``name``, mda_log_loss with _se and, where known, sfi_log_loss: nats per forecast.
    name : str
        ``feature`` or, for clusters, ``members``.
    """
    need_rows(importance, "the importance")
    table = importance.sort_values("mda_log_loss", ascending=False, kind="stable").head(MOST_ROWS)
    rows = [str(v) for v in table[name]]
    what = "feature" if name == "feature" else "whole cluster"
    figure = _rows_figure(rows, f"Log loss added by shuffling a {what}", height)
    value, error = 1e3 * table["mda_log_loss"].to_numpy(), 1e3 * table["mda_log_loss_se"].to_numpy()
    alone = 1e3 * table["sfi_log_loss"].to_numpy() if "sfi_log_loss" in table else np.full(len(table), np.nan)
    source = _source(
        y=np.arange(len(table)), value=value, low=value - error, high=value + error, alone=alone, feature=rows,
        color=np.where(value > 0, UP, DOWN), hit=100 * table["mda_accuracy"].to_numpy(),
    )  # fmt: skip
    bars = figure.hbar(
        "y", 0.66, "value", 0, source=source, fill_color="color", fill_alpha=0.5, line_color=None,
        legend_label="shuffled in the model",
    )  # fmt: skip
    figure.segment("low", "y", "high", "y", source=source, line_color=NEUTRAL, line_width=1.8)
    drawn = [bars]
    told = {name: "@feature", "shuffled": "@value{+0.00} mnats", "accuracy lost": "@hit{+0.00} points"}
    if np.isfinite(alone).any():
        mark = {"marker": "diamond", "size": 9, "color": ACCENT, "legend_label": "alone, gain over the shares"}
        drawn.append(figure.scatter("alone", "y", source=source, **mark))
        told["alone"] = "@alone{+0.00} mnats"
    zero_line(figure, "height")
    figure.xaxis.axis_label = "thousandths of a nat, ± 1 error; above 0 it helps"
    finish_factor(figure, drawn, told, legend=True)
    return figure


def correlation_map(correlation: pd.DataFrame, *, height: int | None = None) -> Any:
    """Draw the rank correlations of features, like ones beside each other.

    Parameters
    ----------
    correlation : DataFrame, feature × feature
        Ordered by clusters, -1 to 1.
    """
    need_rows(correlation, "the correlations")
    names = [str(c) for c in correlation.columns]
    k = len(names)
    row = max(10, min(ROW_HEIGHT, 900 // max(k, 1)))
    figure = _rows_figure(
        names, "Rank correlation of the features, like ones beside each other", height or 190 + row * k
    )
    values = correlation.to_numpy(dtype=float)
    y, x = np.indices(values.shape)
    flat = values.ravel()
    source = _source(
        x=x.ravel(), y=y.ravel(), value=flat, color=_colours(flat, 1.0),
        text=[_whole(100 * v).removeprefix("+") for v in flat],
        one=[names[i] for i in y.ravel()], other=[names[i] for i in x.ravel()],
    )  # fmt: skip
    boxes = figure.rect("x", "y", 1, 1, source=source, fill_color="color", line_color=None)
    if k <= _NUMBERED:
        _write(figure, source)
        figure.title.text += ", in hundredths"
    figure.x_range.start, figure.x_range.end = -0.5, k - 0.5
    name_ticks(figure.xaxis, names)
    figure.xaxis.major_label_orientation = 0.9
    finish_factor(figure, [boxes], {"features": "@one · @other", "rank correlation": "@value{+0.00}"})
    if k > _LABELLED[0]:
        figure.axis.major_label_text_font_size = "10px" if k <= _LABELLED[1] else "9px"
    figure.xaxis.visible = k <= _LABELLED[1]  # the columns stand in the order of the rows
    return figure


def leading_features(factors: pd.DataFrame, n: int = MOST_LINES) -> list[str]:
    """Return the strongest feature of each cluster, the strongest first: what a picture of a few lines should show.

    Parameters
    ----------
    factors : DataFrame
        Columns feature and cluster, the strongest first.
    n : int
        At most so many.
    """
    return [str(f) for f in factors.drop_duplicates("cluster")["feature"].head(n)]


def factor_figure(title: str, height: int, **options: Any) -> Any:
    """Return an empty figure with the tools that these charts share."""
    from bokeh.plotting import figure

    tools = {"tools": "pan,box_zoom,reset,save", "active_drag": None}
    return figure(title=title, height=height, sizing_mode="stretch_width", **tools, **options)


def finish_factor(
    figure: Any, drawn: Sequence[Any], told: dict[str, str], *, legend: bool = False, formatters: Any = None
) -> None:
    """Dress a figure, put its legend above and add the one tooltip."""
    from bokeh.models import HoverTool

    dress(figure)
    if legend:
        legend_above(figure)
    figure.add_tools(HoverTool(renderers=list(drawn), tooltips=list(told.items()), formatters=formatters or {}))


def zero_line(figure: Any, dimension: str = "width") -> None:
    """Draw the line of nothing."""
    from bokeh.models import Span

    figure.add_layout(Span(location=0, dimension=dimension, line_color=NEUTRAL, line_width=1))


def name_ticks(axis: Any, names: Sequence[str], first: int = 0) -> None:
    """Write names at whole places from ``first`` on."""
    from bokeh.models import FixedTicker

    axis.ticker = FixedTicker(ticks=list(range(first, first + len(names))))
    axis.major_label_overrides = {first + i: short_name(n) for i, n in enumerate(names)}


def _rows_figure(names: Sequence[str], title: str, height: int | None) -> Any:
    from bokeh.models import Range1d

    figure = factor_figure(
        title, height or 100 + ROW_HEIGHT * len(names), y_range=Range1d(len(names) - 0.5, -0.5)
    )  # from the top
    name_ticks(figure.yaxis, names)
    figure.grid.visible = False
    figure.yaxis.major_tick_in = figure.yaxis.major_tick_out = 0
    return figure


def short_name(name: str) -> str:
    """Cut a long spec so that a picture has room for it."""
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"


def _source(**columns: Any) -> Any:
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({k: np.asarray(v) for k, v in columns.items()})


def _write(figure: Any, source: Any) -> None:
    figure.text(
        "x", "y", "text", source=source, text_align="center", text_baseline="middle", text_font_size="11px",
        text_color=_CELL_TEXT,
    )  # fmt: skip


def _colours(values: Any, reach: float) -> list[str]:
    """Return a colour for each value from -reach to reach; both themes show the same light cells with dark text."""
    scale = diverging()
    known = np.nan_to_num(np.clip(np.asarray(values, dtype=float) / reach, -1.0, 1.0), nan=0.0)
    return [scale[round((v + 1) / 2 * (len(scale) - 1))] for v in known]


def _whole(value: float) -> str:
    return "–" if np.isnan(value) else "0" if abs(value) < 0.5 else f"{value:+.0f}".replace("-", "−")


def _with_error(mean: float, error: float) -> str:
    return "–" if np.isnan(mean) else f"{1e4 * mean:+.1f} ± {1e4 * error:.1f}".replace("-", "−")
