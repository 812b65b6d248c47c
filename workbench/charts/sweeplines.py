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
    cells: pd.DataFrame, parameter: str, names: Sequence[str], metric: str, height: int, *, small: bool = False
) -> Any:
    table = line_frame(cells, parameter, names, metric)
    values = table["value"].to_numpy(dtype=float)
    top = int(np.where(np.isfinite(values), values, -np.inf).argmax())
    words, best = f"{label_of(metric)} by {label_of(parameter)}", f"best at {table['level'].iloc[top]}"
    title = f"{words[:1].upper()}{words[1:]}: {best}, {write_metric(metric, float(values[top]))}"
    figure = factor_figure(f"{label_of(parameter)}: {best}" if small else title, height)
    drawn = _draw(figure, table, top, legend=not small)
    zero_line(figure)
    name_axis(figure, list(table["level"]), room=30 if small else 110)
    coarse, fine = ("0%", "0.0%") if unit_of(metric) == "fraction" else ("0.[00]", "0.00")
    style_axes(figure, y=coarse)
    figure.xaxis.axis_label = None if small else f"{label_of(parameter)} · ringed: the winner"
    figure.yaxis.axis_label = None if small else label_of(metric)
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


def _draw(figure: Any, table: pd.DataFrame, top: int, *, legend: bool) -> Any:
    def words(text: str) -> dict[str, str]:
        return {"legend_label": text} if legend else {}

    columns = {c: table[c].to_numpy() for c in table.columns if c != "level"}
    data = source(x=np.arange(len(table)), level=list(table["level"]), **columns)
    known = float(table["low"].notna().mean()) if "low" in table else 0.0
    if known > 0.8:
        figure.varea("x", "low", "high", source=data, fill_color=UP, fill_alpha=0.15, **words("its interval"))
    elif known > 0:  # only the best cells have one
        figure.segment("x", "low", "x", "high", source=data, line_color=UP, line_alpha=0.6, **words("its interval"))
    look = {"line_color": NEUTRAL, "line_dash": "dashed", "line_width": 1.5}
    figure.line("x", "median", source=data, **look, **words("median of all cells"))
    figure.line("x", "value", source=data, line_color=UP, line_width=2, **words("others at the winner's"))
    drawn = figure.scatter("x", "value", source=data, size=6, color=UP)
    figure.scatter([top], table["value"].iloc[[top]], size=14, fill_alpha=0, line_color=DOWN, line_width=2.5)
    return drawn
