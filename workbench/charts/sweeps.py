"""A sweep as a surface: two parameters in a heat map, the winner marked, its plateau outlined, the best in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.calendar import diverging
from workbench.charts.factors import factor_figure, finish_factor, name_ticks
from workbench.charts.marks import empty_table, need, placeholder, source
from workbench.charts.tables import Column, Table, number, percent, signed_percent, unit_of, whole, write_metric
from workbench.charts.theme import DOWN, label_of
from workbench.errors import DataError
from workbench.typing import BoolArray, FloatArray

STATISTICS = frozenset(
    {
        "annual_return", "annual_volatility", "calmar_ratio", "cell", "cluster", "config", "config_hash", "costs",
        "deflated_sharpe_ratio", "exposure", "high", "hit_rate", "low", "max_drawdown", "n_trades", "number", "p_value",
        "plateau", "plateau_score", "probabilistic_sharpe_ratio", "rank", "sharpe_ratio", "sortino_ratio", "status",
        "total_return", "turnover",
    }
)  # fmt: skip
"""Columns of a sweep's table that are results; all others are parameters."""
_NONE = "the sweep has no finished configuration"
_WRITTEN = 15
_MOST_TICKS = 26
_INK = "#10161b"


def parameters_of(cells: pd.DataFrame, parameters: Sequence[str] | None = None) -> list[str]:
    """Return the parameter columns with more than one value, the one with most values first."""
    names = list(parameters) if parameters is not None else [str(c) for c in cells.columns if c not in STATISTICS]
    missing = [n for n in names if n not in cells]
    if missing:
        raise DataError(
            f"the sweep has no parameter {missing[0]!r}; it has {', '.join(parameters_of(cells)) or 'none'}"
        )
    counts = {n: len(levels(cells[n])) for n in names}
    return sorted((n for n in names if counts[n] > 1), key=lambda n: -counts[n])


def levels(values: pd.Series) -> list[Any]:
    """Return the distinct values of a parameter, sorted; numbers as numbers, a missing value last."""
    distinct = list(pd.unique(values.dropna()))
    ordered = sorted(distinct, key=lambda v: (isinstance(v, str), v))
    return ordered + ([None] if values.isna().any() else [])


def place_of(values: pd.Series, known: Sequence[Any]) -> np.ndarray:
    """Return the position of each value among the levels."""
    places = {v: i for i, v in enumerate(known) if v is not None}
    return np.array([len(known) - 1 if pd.isna(v) else places[v] for v in values])


def level_name(value: Any) -> str:
    """Write one value of a parameter."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "none"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def winner_of(cells: pd.DataFrame, metric: str) -> pd.Series:
    """Return the row with the highest finite value of ``metric``, the first of equals."""
    values = cells[metric].to_numpy(dtype=float)
    return cells.iloc[int(np.where(np.isfinite(values), values, -np.inf).argmax())]


def others_at(cells: pd.DataFrame, winner: pd.Series, free: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Return the cells whose other parameters are the winner's."""
    same = np.ones(len(cells), dtype=bool)
    for name in names:
        if name not in free:
            same &= (cells[name].isna() if pd.isna(winner[name]) else cells[name] == winner[name]).to_numpy()
    return cells[same]


def surface_chart(
    cells: pd.DataFrame,
    *,
    x: str | None = None,
    y: str | None = None,
    metric: str = "sharpe_ratio",
    plateau: float = 0.9,
    parameters: Sequence[str] | None = None,
    height: int | None = None,
) -> Any:
    """Draw ``metric`` over two parameters; the other parameters are those of the winner.

    A winner amid a wide plateau is more likely to last than a spike: its neighbours, which differ by one step, do as
    well. Outlined are the cells that hang together with the winner and reach a share of its value.

    Parameters
    ----------
    cells : DataFrame
        One row per configuration: parameters, ``metric`` and other statistics.
    x, y : str, optional
        Parameters of the axes; default the two with the most values.
    plateau : float
        Share of the winner's value that the outlined cells reach.
    parameters : sequence of str, optional
        Columns that are parameters; default those that are not known statistics.
    """
    if not need(cells, metric):
        return placeholder("Parameter surface", _NONE)
    names = parameters_of(cells, parameters)
    axes = _axes(names, x, y)
    if len(axes) < 2:
        return placeholder(
            "Parameter surface", f"needs two parameters with several values, has {len(names)}; see the line"
        )
    winner = winner_of(cells, metric)
    part = others_at(cells, winner, axes, names).drop_duplicates(list(axes))
    grid, xs, ys = surface_of(part, axes, metric)
    win = (int(place_of(pd.Series([winner[axes[1]]]), ys)[0]), int(place_of(pd.Series([winner[axes[0]]]), xs)[0]))
    inside = plateau_of(grid, win, plateau)
    fixed = ", ".join(f"{label_of(n)} {level_name(winner[n])}" for n in names if n not in axes)
    figure = factor_figure(_surface_title(grid, win, inside, metric), height or 120 + min(max(24 * len(ys), 140), 520))
    boxes = _cells(figure, part, axes, (xs, ys), metric)
    _outline(figure, inside)
    _frame(figure, win, small=grid.size > _WRITTEN**2)
    _surface_axes(figure, axes, xs, ys, f"; {fixed}" if fixed else "", plateau)
    finish_factor(
        figure, [boxes], {label_of(axes[0]): "@xname", label_of(axes[1]): "@yname", label_of(metric): "@shown"}
    )
    return figure


def _axes(names: Sequence[str], x: str | None, y: str | None) -> tuple[str, ...]:
    for name in (x, y):
        if name is not None and name not in names:
            raise DataError(
                f"the sweep has no parameter {name!r} with several values; it has {', '.join(names) or 'none'}"
            )
    free = [n for n in names if n not in (x, y)]
    across = x or (free.pop(0) if free else None)
    up = y or (free.pop(0) if free else None)
    return tuple(n for n in (across, up) if n is not None)


def surface_of(part: pd.DataFrame, axes: Sequence[str], metric: str) -> tuple[FloatArray, list[Any], list[Any]]:
    """Return the grid of ``metric``, rows by the second axis and columns by the first, and the levels of both."""
    xs, ys = levels(part[axes[0]]), levels(part[axes[1]])
    grid = np.full((len(ys), len(xs)), np.nan)
    grid[place_of(part[axes[1]], ys), place_of(part[axes[0]], xs)] = part[metric].to_numpy(dtype=float)
    return grid, xs, ys


def plateau_of(grid: FloatArray, winner: tuple[int, int], share: float) -> BoolArray:
    """Return which cells reach ``share`` of the winner's value and hang together with it by their sides.

    Parameters
    ----------
    grid : array, shape (n_y, n_x)
        NaN where a configuration is missing.
    winner : (row, column)
    share : float
        Such as 0.9. A winner at or below 0 has no plateau but itself.
    """
    inside = np.zeros(grid.shape, dtype=bool)
    inside[winner] = True
    top = grid[winner]
    good = grid >= share * top if top > 0 else inside
    todo = [winner]
    while todo:
        i, j = todo.pop()
        for a, b in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
            if 0 <= a < grid.shape[0] and 0 <= b < grid.shape[1] and good[a, b] and not inside[a, b]:
                inside[a, b] = True
                todo.append((a, b))
    return inside


def _surface_title(grid: FloatArray, win: tuple[int, int], inside: BoolArray, metric: str) -> str:
    n, known = int(inside.sum()), int(np.isfinite(grid).sum())
    shape = "a spike" if n <= 2 else "a plateau" if n >= max(5, 0.1 * known) else "a small plateau"
    top = write_metric(metric, float(grid[win]))
    return f"{label_of(metric)[:1].upper()}{label_of(metric)[1:]}: best {top}, {shape} of {n} in {known:,} cells"


def _cells(
    figure: Any, part: pd.DataFrame, axes: Sequence[str], known: tuple[list[Any], list[Any]], metric: str
) -> Any:
    values = part[metric].to_numpy(dtype=float)
    finite = np.abs(values[np.isfinite(values)])
    reach = max(float(np.quantile(finite, 0.98)), 1e-9) if len(finite) else 1.0
    scale = diverging()
    place = np.nan_to_num(np.clip(values / reach, -1, 1))
    percents = unit_of(metric) == "fraction"
    data = source(
        x=place_of(part[axes[0]], known[0]),
        y=place_of(part[axes[1]], known[1]),
        color=[scale[round((v + 1) / 2 * (len(scale) - 1))] for v in place],
        xname=[level_name(v) for v in part[axes[0]]],
        yname=[level_name(v) for v in part[axes[1]]],
        shown=[write_metric(metric, float(v)) for v in values],
        text=[
            "–" if not np.isfinite(v) else number(100 * v, 0) if percents else number(v, 2 if reach < 10 else 0)
            for v in values
        ],
    )
    boxes = figure.rect("x", "y", 1, 1, source=data, fill_color="color", line_color=None)
    if len(known[0]) <= _WRITTEN and len(known[1]) <= 2 * _WRITTEN:
        figure.text("x", "y", "text", source=data, text_align="center", text_baseline="middle", text_font_size="11px",
                    text_color=_INK)  # fmt: skip
    return boxes


def _frame(figure: Any, win: tuple[int, int], *, small: bool) -> None:
    """Mark the winner: by a frame, or by a ring where the cells are small."""
    look = {"fill_alpha": 0, "line_color": DOWN, "line_width": 3}
    if small:
        figure.scatter([win[1]], [win[0]], size=18, **look)
    else:
        figure.rect([win[1]], [win[0]], 1, 1, **look)


def _outline(figure: Any, inside: BoolArray) -> None:
    """Draw the sides between the plateau and what lies outside it."""
    padded = np.pad(inside, 1)
    x0, y0, x1, y1 = [], [], [], []
    for i, j in np.argwhere(inside):
        for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            if padded[i + 1 + di, j + 1 + dj]:
                continue
            x0.append(j + dj / 2 - abs(di) / 2)
            x1.append(j + dj / 2 + abs(di) / 2)
            y0.append(i + di / 2 - abs(dj) / 2)
            y1.append(i + di / 2 + abs(dj) / 2)
    figure.segment(x0, y0, x1, y1, line_color=_INK, line_width=2)


def _surface_axes(figure: Any, axes: Sequence[str], xs: list[Any], ys: list[Any], fixed: str, plateau: float) -> None:
    from bokeh.models import FixedTicker, Range1d

    for axis, known in ((figure.xaxis, xs), (figure.yaxis, ys)):
        name_ticks(axis, [level_name(v) for v in known])
        every = max(1, -(-len(known) // _MOST_TICKS))
        axis.ticker = FixedTicker(ticks=list(range(0, len(known), every)))
    figure.x_range, figure.y_range = Range1d(-0.5, len(xs) - 0.5), Range1d(-0.5, len(ys) - 0.5)
    figure.grid.visible = False
    figure.xaxis.axis_label = (
        f"{label_of(axes[0])}{fixed} · framed or ringed: the winner; outlined: at least {plateau:.0%} of it"
    )
    figure.yaxis.axis_label = label_of(axes[1])


def cells_table(
    cells: pd.DataFrame, *, top: int = 10, metric: str = "sharpe_ratio", parameters: Sequence[str] | None = None
) -> Table:
    """Return the best configurations with their interval and what is left of them after counting the trials.

    Parameters
    ----------
    cells : DataFrame
        One row per configuration: parameters and sharpe_ratio, low, high (its interval), deflated_sharpe_ratio,
        total_return, max_drawdown, n_trades, turnover.
    top : int
        Rows, best first.
    """
    caption = f"The best configurations by {label_of(metric)}"
    if not need(cells, metric):
        return empty_table(caption, _NONE)
    names = parameters_of(cells, parameters)
    best = (
        cells.sort_values(metric, ascending=False, kind="stable", na_position="last").head(top).reset_index(drop=True)
    )
    best = best.assign(place=np.arange(1, len(best) + 1))
    if {"low", "high"} <= set(best.columns):
        best["interval"] = [_interval(a, b) for a, b in zip(best["low"], best["high"], strict=True)]
    known = [
        Column("place", "place", whole),
        *(Column(n, label_of(n), level_name) for n in names),
        Column("sharpe_ratio", "Sharpe ratio", number),
        Column("interval", "its interval", str),
        Column("deflated_sharpe_ratio", "DSR", lambda v: number(float(v), 3)),
        Column("total_return", "total return", lambda v: signed_percent(float(v), 1)),
        Column("max_drawdown", "deepest fall", percent),
        Column("n_trades", "trades", whole),
        Column("turnover", "turnover, ×/year", lambda v: number(float(v), 1)),
    ]
    marks = {}
    if "deflated_sharpe_ratio" in best:
        marks = {
            (i, "deflated_sharpe_ratio"): "pass" if v >= 0.95 else "fail"
            for i, v in enumerate(best["deflated_sharpe_ratio"])
        }
    return Table(best, [c for c in known if c.key in best], f"{caption}, of {len(cells):,}", marks)


def _interval(low: float, high: float) -> str:
    return "–" if not np.isfinite(low + high) else f"{number(low)} to {number(high)}"
