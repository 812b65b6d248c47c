"""What a walk-forward chose in each fold and what became of it, and the paths that recombined folds give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, name_ticks, zero_line
from workbench.charts.figure import time_axis
from workbench.charts.marks import (
    empty_table,
    finite,
    histogram,
    join,
    level,
    log_ticks,
    name_axis,
    need,
    placeholder,
    plain,
    source,
    style_axes,
    wide,
)
from workbench.charts.sampling import min_max_sample, naive_utc
from workbench.charts.sweeps import level_name, levels, place_of
from workbench.charts.tables import Column, Table, moment, number, percent, unit_of, write_metric
from workbench.charts.theme import ACCENT, CYCLE, DOWN, NEUTRAL, UP, label_of

_FIXED = ("fold", "train_start", "train_end", "test_start", "test_end", "in_sample", "out_of_sample")
_NONE = "no fold was judged; choose a longer range or shorter folds"
_NO_PATHS = "the run was made without combinatorial folds; set cpcv_groups"
MOST_PATHS = 60
_MOST_BARS = 40


def parameters_chosen(selection: pd.DataFrame, parameters: Sequence[str] | None = None) -> list[str]:
    """Return the columns of a selection that are parameters."""
    return list(parameters) if parameters is not None else [str(c) for c in selection.columns if c not in _KNOWN]


_KNOWN = frozenset({*_FIXED, "n_train", "n_test", "n_purged", "n_trades", "total_return", "max_drawdown", "rank",
                    "runner_up", "n_configurations"})  # fmt: skip


def selection_table(
    selection: pd.DataFrame, *, objective: str = "sharpe_ratio", parameters: Sequence[str] | None = None
) -> Table:
    """Return what each fold chose, and its Sharpe ratio in and out of sample.

    Parameters
    ----------
    selection : DataFrame
        Columns fold, test_start, test_end (UTC), the parameters, in_sample and out_of_sample.
    objective : str
        Machine key of what was chosen by, the unit of in_sample and out_of_sample.
    """
    caption = "Chosen in each fold"
    if not need(selection, "fold"):
        return empty_table(caption, _NONE)
    frame = selection.reset_index(drop=True)
    names = parameters_chosen(frame, parameters)

    def write(value: float) -> str:
        return write_metric(objective, float(value))

    columns = [
        Column("fold", "fold", lambda v: f"{v:g}" if isinstance(v, float) else str(v)),
        Column("train_start", "trained from, UTC", moment),
        Column("test_start", "tested from, UTC", moment),
        Column("test_end", "to, UTC", moment),
        *(Column(n, label_of(n), level_name) for n in names),
        Column("in_sample", f"{label_of(objective)} in sample", write),
        Column("out_of_sample", "out of sample", write),
    ]
    marks = {}
    if "out_of_sample" in frame:
        marks = {(i, "out_of_sample"): "pass" if v > 0 else "fail" for i, v in enumerate(frame["out_of_sample"])}
    n_sets = len(frame[names].astype(str).drop_duplicates()) if names else 0
    note = f": {n_sets} different choices in {len(frame)} folds" if names else ""
    return Table(frame, [c for c in columns if c.key in frame], caption + note, marks)


def selection_chart(selection: pd.DataFrame, *, parameters: Sequence[str] | None = None, height: int = 150) -> Any:
    """Draw the value of each parameter chosen over the folds: a level line is a stable choice.

    Parameters
    ----------
    selection : DataFrame
        Columns fold and the parameters.
    height : int
        Of one parameter.
    """
    if not need(selection, "fold"):
        return placeholder("Chosen parameters", _NONE)
    names = [n for n in parameters_chosen(selection, parameters) if selection[n].notna().any()]
    if not names:
        return placeholder("Chosen parameters", "nothing was chosen: the walk-forward has one configuration")
    folds = [level_name(f) for f in selection["fold"]]
    figures = [_chosen(selection, n, folds, height, CYCLE[i % len(CYCLE)]) for i, n in enumerate(names)]
    figures[-1].xaxis.axis_label = "fold"
    return figures[0] if len(figures) == 1 else join(*figures)


def _chosen(selection: pd.DataFrame, name: str, folds: list[str], height: int, color: str) -> Any:
    known = levels(selection[name])
    places = place_of(selection[name], known)
    changes = int((np.diff(places) != 0).sum())
    times = "never changes" if changes == 0 else "changes once" if changes == 1 else f"changes {changes} times"
    figure = factor_figure(f"{label_of(name)}: {times} in {len(folds)} folds", height)
    numbers = all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in known)
    y = selection[name].to_numpy(dtype=float) if numbers else places.astype(float)
    data = source(x=np.arange(len(folds)), y=y, fold=folds, value=[level_name(v) for v in selection[name]])
    figure.step("x", "y", source=data, mode="center", line_color=color, line_width=1.8)
    drawn = figure.scatter("x", "y", source=data, size=7, color=color)
    if not numbers:
        name_ticks(figure.yaxis, [level_name(v) for v in known])
    else:
        style_axes(figure, y="0.[0000]")
    name_axis(figure, folds)
    plain(figure)
    pad = 0.12 * (y.max() - y.min()) or max(0.5, 0.1 * abs(float(y.max())))
    figure.y_range.start, figure.y_range.end = float(y.min()) - pad, float(y.max()) + pad
    finish_factor(figure, [drawn], {"fold": "@fold", label_of(name): "@value"})
    figure.title.text_font_size, figure.toolbar_location, figure.min_border_left = "12px", None, 70
    return figure


def fold_sharpe_chart(selection: pd.DataFrame, *, objective: str = "sharpe_ratio", height: int = 260) -> Any:
    """Draw the objective, usually the Sharpe ratio, of what each fold chose, in sample and out of sample.

    Parameters
    ----------
    selection : DataFrame
        Columns fold, in_sample, out_of_sample (a Sharpe ratio is annual).
    objective : str
        Machine key of what was chosen by.
    """
    if not need(selection, "fold", "in_sample", "out_of_sample"):
        return placeholder("In and out of sample by fold", _NONE)
    inside, outside = (selection[c].to_numpy(dtype=float) for c in ("in_sample", "out_of_sample"))
    words = f"{label_of(objective)[:1].upper()}{label_of(objective)[1:]}"
    fine = "0.0%" if unit_of(objective) == "fraction" else "0.00"
    won, before, after = (float(np.nanmean(v)) for v in (outside > 0, inside, outside))
    figure = factor_figure(
        f"{words} by fold: {write_metric(objective, before)} in sample, {write_metric(objective, after)} outside;"
        f" {percent(won, 0)} of folds above 0",
        height,
    )
    x = np.arange(len(selection))
    names = [level_name(f) for f in selection["fold"]]
    shared = {"fold": names, "inside": inside, "outside": outside}
    left = figure.vbar(
        "x",
        0.36,
        "inside",
        0,
        source=source(x=x - 0.2, **shared),
        fill_color=NEUTRAL,
        fill_alpha=0.25,
        line_color=NEUTRAL,
        hatch_pattern="/",
        hatch_color=NEUTRAL,
        hatch_alpha=0.6,
        legend_label="in sample",
    )
    colors = [UP if v >= 0 else DOWN for v in outside]
    right = figure.vbar("x", 0.36, "outside", 0, source=source(x=x + 0.2, color=colors, **shared), fill_color="color",
                        line_color="color", fill_alpha=0.7, legend_label="out of sample")  # fmt: skip
    zero_line(figure)
    name_axis(figure, names)
    plain(figure)
    style_axes(figure, y="0.0%" if fine == "0.0%" else "0.0[0]")
    figure.xaxis.axis_label, figure.yaxis.axis_label = "fold", label_of(objective)
    told = {"fold": "@fold", "in sample": f"@inside{{{fine}}}", "out of sample": f"@outside{{{fine}}}"}
    finish_factor(figure, [left, right], told, legend=True)
    return figure


def paths_chart(paths: pd.DataFrame, *, height: int = 300) -> Any:
    """Draw the growth of 1.00 along every path of combinatorial folds, their median and their middle eight in ten.

    Parameters
    ----------
    paths : DataFrame, time × path
        Net simple returns per bar as fractions.
    """
    growth = (1.0 + paths.fillna(0.0)).cumprod()
    if len(growth) < 2 or growth.shape[1] == 0:
        return placeholder("Paths", _NO_PATHS)
    last = growth.iloc[-1]
    lost, worst, best = float((last < 1).mean()), number(float(last.min())), number(float(last.max()))
    log = wide(growth.to_numpy())
    figure = factor_figure(
        f"{growth.shape[1]} paths: from {worst} to {best}, {percent(lost, 0)} lost money",
        height,
        x_axis_type="datetime",
        y_axis_type="log" if log else "linear",
    )
    step = max(1, -(-len(growth) // 1500))
    band = growth.iloc[::step]
    times = naive_utc(pd.DatetimeIndex(band.index))
    low, middle, high = np.quantile(band.to_numpy(), [0.1, 0.5, 0.9], axis=1)
    figure.varea(times, low, high, fill_color=UP, fill_alpha=0.15, legend_label="8 in 10 paths")
    drawn = [_path(figure, growth.iloc[:, i]) for i in range(0, growth.shape[1], -(-growth.shape[1] // MOST_PATHS))]
    figure.line(times, middle, line_color=UP, line_width=2.6, legend_label="median of the paths")
    level(figure, 1.0, "start", NEUTRAL, times[0], times[-1], "dotted")
    if log:
        log_ticks(figure, growth.to_numpy())
    time_axis(figure)
    style_axes(figure, y="0,0.00")
    figure.yaxis.axis_label = f"equity, start = 1.00{', log scale' if log else ''}"
    told = {"path": "@path", "time": "@time{%F}", "equity": "@value{0,0.00}"}
    finish_factor(figure, drawn, told, legend=True, formatters={"@time": "datetime"})
    return figure


def _path(figure: Any, growth: pd.Series) -> Any:
    thin = min_max_sample(growth.to_frame("value"), 600)
    data = source(
        time=naive_utc(pd.DatetimeIndex(thin.index)),
        value=thin["value"].to_numpy(),
        path=[str(growth.name)] * len(thin),
    )
    return figure.line("time", "value", source=data, line_color=ACCENT, line_width=0.8, line_alpha=0.55)


def path_sharpe_chart(paths: pd.DataFrame, *, height: int = 240) -> Any:
    """Draw the annual Sharpe ratio of every path, the worst first; of many paths their distribution.

    Parameters
    ----------
    paths : DataFrame, time × path
        Net simple returns per bar as fractions.
    """
    sharpe = path_sharpes(paths)
    if sharpe.empty:
        return placeholder("Sharpe ratios of the paths", _NO_PATHS)
    values = finite(sharpe)
    median, won = float(np.median(values)), float((values > 0).mean())
    title = f"Paths: Sharpe ratio {number(median)} in the median, {percent(won, 0)} above 0"
    if len(values) > _MOST_BARS:
        marks = [(median, f"median {number(median)}", ACCENT, "solid"), (0.0, "0", NEUTRAL, "dotted")]
        return histogram(values, title, style="0.0[0]", xlabel="Sharpe ratio of a path, annual", ylabel="paths",
                         height=height, by_sign=True, marks=marks, tail=0.0)  # fmt: skip
    figure = factor_figure(title, height)
    names = [str(n) for n in sharpe.index]
    data = source(
        x=np.arange(len(sharpe)), value=sharpe.to_numpy(), path=names, color=[UP if v >= 0 else DOWN for v in sharpe]
    )
    drawn = figure.vbar("x", 0.7, "value", 0, source=data, fill_color="color", line_color="color", fill_alpha=0.55)
    zero_line(figure)
    name_axis(figure, names)
    plain(figure)
    style_axes(figure, y="0.0[0]")
    figure.xaxis.axis_label, figure.yaxis.axis_label = "path, the worst first", "Sharpe ratio, annual"
    finish_factor(figure, [drawn], {"path": "@path", "Sharpe ratio": "@value{0.00}"})
    return figure


def path_sharpes(paths: pd.DataFrame) -> pd.Series:
    """Return the annual Sharpe ratio of each path, rising; paths that never moved are left out."""
    from workbench import risk

    if len(paths) < 2:
        return pd.Series(dtype=float)
    known = {c: paths[c].dropna() for c in paths.columns}
    sharpe = {c: risk.sharpe_ratio(v) for c, v in known.items() if len(v) > 1 and float(v.max()) > float(v.min())}
    return pd.Series(sharpe, dtype=float).dropna().sort_values(kind="stable")
