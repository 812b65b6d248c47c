"""A sweep as lines: one parameter at a time, the others at the winner's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, zero_line
from workbench.charts.marks import name_axis, need, placeholder, source, style_axes, tiles
from workbench.charts.sweeps import level_name, levels, others_at, parameters_of, place_of, winner_of
from workbench.charts.tables import unit_of, write_metric
from workbench.charts.theme import DOWN, NEUTRAL, UP, label_of

_NONE = "the sweep has no finished configuration"
_MOST_TILES = 9


def parameter_chart(
    cells: pd.DataFrame,
    parameter: str | None = None,
    *,
    metric: str = "sharpe_ratio",
    parameters: Sequence[str] | None = None,
    height: int = 260,
) -> Any:
    """Draw ``metric`` over one parameter, the others at the winner's, with its interval and the spread of all cells.

    Parameters
    ----------
    cells : DataFrame
        One row per configuration: parameters, ``metric`` and, for the Sharpe ratio, low and high.
    parameter : str, optional
        Which; default the one with the most values.
    """
    if not need(cells, metric):
        return placeholder("Parameter line", _NONE)
    names = parameters_of(cells, parameters)
    chosen = parameter if parameter is not None else (names[0] if names else None)
    if chosen is None or chosen not in names:
        return placeholder("Parameter line", f"no parameter{f' {chosen}' if chosen else ''} has more than one value")
    return _line(cells, chosen, names, metric, height)


def parameters_chart(
    cells: pd.DataFrame, *, metric: str = "sharpe_ratio", parameters: Sequence[str] | None = None, height: int = 210
) -> Any:
    """Draw a small line for each parameter with several values; see `parameter_chart`.

    Parameters
    ----------
    cells : DataFrame
        One row per configuration: parameters and ``metric``.
    """
    if not need(cells, metric):
        return placeholder("Parameters one by one", _NONE)
    names = parameters_of(cells, parameters)[:_MOST_TILES]
    if not names:
        return placeholder("Parameters one by one", "no parameter has more than one value")
    figures = [_line(cells, n, names, metric, height, small=True) for n in names]
    note = f"{label_of(metric)}; line: others at the winner's, ringed: the winner, dashed: median of all cells"
    return tiles(figures, n_columns=min(3, len(figures)), note=note)


def line_frame(cells: pd.DataFrame, parameter: str, names: Sequence[str], metric: str) -> pd.DataFrame:
    """Return one row per level: value at the winner's other parameters, its interval, median and best of all cells."""
    winner = winner_of(cells, metric)
    known = levels(cells[parameter])
    mine = others_at(cells, winner, [parameter], names).drop_duplicates(parameter)
    table = pd.DataFrame({"level": [level_name(v) for v in known]})
    columns = {"value": metric, **({"low": "low", "high": "high"} if metric == "sharpe_ratio" else {})}
    at = place_of(mine[parameter], known)
    for name, column in columns.items():
        table[name] = np.nan
        if column in mine:
            table.loc[at, name] = mine[column].to_numpy(dtype=float)
    every = cells[metric].astype(float).groupby(place_of(cells[parameter], known))
    table["median"], table["best"] = every.median(), every.max()
    return table


def _line(
    cells: pd.DataFrame, parameter: str, names: Sequence[str], metric: str, height: int, *, small: bool = False,
) -> Any:  # fmt: skip
    table = line_frame(cells, parameter, names, metric)
    top = int(table["value"].to_numpy().argmax()) if table["value"].notna().any() else 0
    words = f"{label_of(metric)} by {label_of(parameter)}"
    best = f"best at {table['level'].iloc[top]}"
    title = (
        f"{label_of(parameter)}: {best}"
        if small
        else f"{words[:1].upper()}{words[1:]}: {best}, {write_metric(metric, float(table['value'].iloc[top]))}"
    )
    figure = factor_figure(title, height)
    data = source(x=np.arange(len(table)), **{c: table[c].to_numpy() for c in table.columns if c != "level"},
                  level=list(table["level"]))  # fmt: skip
    labels = (lambda words: {"legend_label": words}) if not small else (lambda _words: {})
    if "low" in table and table["low"].notna().any():
        figure.varea("x", "low", "high", source=data, fill_color=UP, fill_alpha=0.15, **labels("its interval"))
    figure.line(
        "x",
        "median",
        source=data,
        line_color=NEUTRAL,
        line_dash="dashed",
        line_width=1.5,
        **labels("median of all cells"),
    )
    figure.line("x", "value", source=data, line_color=UP, line_width=2, **labels("others at the winner's"))
    drawn = figure.scatter("x", "value", source=data, size=6, color=UP)
    figure.scatter([top], table["value"].iloc[[top]], size=14, fill_alpha=0, line_color=DOWN, line_width=2.5)
    zero_line(figure)
    name_axis(figure, list(table["level"]), room=30 if small else 110)
    style = "0%" if unit_of(metric) == "fraction" else "0.[00]"
    style_axes(figure, y=style)
    figure.xaxis.axis_label = None if small else f"{label_of(parameter)} · ringed: the winner"
    figure.yaxis.axis_label = None if small else label_of(metric)
    fine = "0.0%" if unit_of(metric) == "fraction" else "0.00"
    told = {
        label_of(parameter): "@level",
        label_of(metric): f"@value{{{fine}}}",
        "median of all cells": f"@median{{{fine}}}",
        "best of all cells": f"@best{{{fine}}}",
    }
    finish_factor(figure, [drawn], told, legend=not small)
    if small:
        figure.title.text_font_size = "12px"
    return figure
