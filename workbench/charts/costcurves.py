"""How much cost and how much capital a strategy bears."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, zero_line
from workbench.charts.marks import need, placeholder, source, style_axes, upright
from workbench.charts.tables import number
from workbench.charts.theme import ACCENT, DOWN, UP
from workbench.typing import FloatArray


def cost_curve_chart(
    cost_curve: pd.DataFrame,
    assumed_bps: float | None = None,
    *,
    break_even_bps: float | None = None,
    height: int = 260,
) -> Any:
    """Draw the Sharpe ratio and the annual return over the cost of a trade, and where the strategy stops earning.

    Parameters
    ----------
    cost_curve : DataFrame
        Columns cost_bps (per side, of the value traded), sharpe_ratio (annual), annual_return (fraction).
    assumed_bps : float, optional
        Cost that the run assumed, marked.
    break_even_bps : float, optional
        Cost at which nothing is earned, where it is known more exactly; default where the drawn line crosses 0.
    """
    if not need(cost_curve, "cost_bps", "sharpe_ratio"):
        return placeholder("Cost curve", "the run holds no cost curve: it traded nothing, or was made without one")
    table = cost_curve.sort_values("cost_bps")
    bps, sharpe = table["cost_bps"].to_numpy(dtype=float), table["sharpe_ratio"].to_numpy(dtype=float)
    annual = table["annual_return"].to_numpy(dtype=float) if "annual_return" in table else np.full(len(bps), np.nan)
    even = break_even(bps, sharpe) if break_even_bps is None else break_even_bps
    figure = factor_figure(_cost_title(bps, sharpe, even, assumed_bps), height)
    data = source(bps=bps, sharpe=sharpe, annual=annual)
    figure.line("bps", "sharpe", source=data, line_color=UP, line_width=2.2)
    drawn = figure.scatter("bps", "sharpe", source=data, size=6, color=UP, legend_label="Sharpe ratio, annual")
    _span(figure, sharpe, even, "break-even", DOWN, "dashed")
    _span(figure, sharpe, assumed_bps, "assumed in this run", ACCENT, "solid")
    zero_line(figure)
    style_axes(figure, x="0,0.[0]", y="0.00")
    figure.xaxis.axis_label, figure.yaxis.axis_label = (
        "cost per side, basis points of the value traded",
        "Sharpe ratio, annual",
    )
    told = {"cost": "@bps{0.[0]} bp", "Sharpe ratio": "@sharpe{0.00}", "annual return": "@annual{+0.0%}"}
    finish_factor(figure, [drawn], told, legend=True)
    return figure


def break_even(bps: FloatArray, values: FloatArray) -> float:
    """Return the cost at which ``values`` first fall to 0, between the two nearest points; NaN where they never do.

    Parameters
    ----------
    bps, values : array, shape (n,)
        Costs in rising order and what is earned at each.
    """
    known = np.isfinite(values)
    bps, values = bps[known], values[known]
    if len(values) and values[0] <= 0:
        return float(bps[0]) if values[0] == 0 else float("nan")
    for i in range(1, len(values)):
        if values[i] <= 0:
            share = values[i - 1] / (values[i - 1] - values[i])
            return float(bps[i - 1] + share * (bps[i] - bps[i - 1]))
    return float("nan")


def _cost_title(bps: FloatArray, sharpe: FloatArray, even: float, assumed: float | None) -> str:
    if np.isfinite(even):
        room = f", {number(even / assumed, 1)}× what was assumed" if assumed else ""
        return f"Costs: the strategy breaks even at {number(even, 1)} bp per side{room}"
    first = sharpe[np.isfinite(sharpe)][0]
    if first <= 0:
        return f"Costs: the strategy earns nothing even at {number(float(bps[0]), 1)} bp per side"
    return f"Costs: still earning at {number(float(bps[-1]), 1)} bp per side, the highest tried"


def _span(figure: Any, values: FloatArray, place: float | None, words: str, color: str, dash: str) -> None:
    if place is None or not np.isfinite(place):
        return
    known = values[np.isfinite(values)]
    low, high = min(0.0, float(known.min())), max(0.0, float(known.max()))
    figure.line([place, place], [low, high or 1.0], line_color=color, line_dash=dash, line_width=1.8,
                legend_label=f"{words}, {number(place, 1)} bp")  # fmt: skip


def capacity_chart(
    capacity: pd.DataFrame, *, best: float | None = None, break_even: float | None = None, height: int = 260
) -> Any:
    """Draw the Sharpe ratio over the capital put to work, as the strategy's own trades move the price.

    Parameters
    ----------
    capacity : DataFrame
        Columns capital (cash), sharpe_ratio (annual), annual_return (fraction) and participation: the share of a bar's
        volume that its trades take (fraction).
    best, break_even : float, optional
        Capital that earns the most money a year, and capital at which nothing is left, marked where known.
    """
    if not need(capacity, "capital", "sharpe_ratio"):
        return placeholder(
            "Capacity", "the run holds no capacity curve: the market has no volume, or nothing was traded"
        )
    table = capacity[capacity["capital"] > 0].sort_values("capital")
    capital, sharpe = table["capital"].to_numpy(dtype=float), table["sharpe_ratio"].to_numpy(dtype=float)
    marks = _capacity_marks(halving(capital, sharpe), best, break_even)
    words = ", ".join(f"{words} at {short_money(value)}" for value, words, _, _ in marks[:2])
    title = f"Capacity: {words or _unmarked(sharpe)}"
    figure = factor_figure(title, height, x_axis_type="log")
    data = source(
        capital=capital, sharpe=sharpe, shown=[short_money(c) for c in capital],
        annual=_column(table, "annual_return"), participation=_column(table, "participation"),
    )  # fmt: skip
    figure.line("capital", "sharpe", source=data, line_color=UP, line_width=2.2)
    drawn = figure.scatter("capital", "sharpe", source=data, size=6, color=UP, legend_label="Sharpe ratio, annual")
    for value, words, color, dash in marks:
        upright(figure, value, float(np.nanmax(sharpe)), f"{words}, {short_money(value)}", color, dash)
    zero_line(figure)
    _money_axis(figure)
    style_axes(figure, y="0.00")
    figure.xaxis.axis_label, figure.yaxis.axis_label = (
        "capital, in the currency of the prices, log scale",
        "Sharpe ratio, annual",
    )
    told = {"capital": "@shown", "Sharpe ratio": "@sharpe{0.00}", "annual return": "@annual{+0.0%}",
            "share of volume": "@participation{0.00%}"}  # fmt: skip
    finish_factor(figure, [drawn], told, legend=True)
    return figure


def _unmarked(sharpe: FloatArray) -> str:
    known = sharpe[np.isfinite(sharpe)]
    losing = len(known) == 0 or known[0] <= 0
    return "nothing is earned at any size" if losing else "the Sharpe ratio is never halved in this range"


def _capacity_marks(half: float, best: float | None, break_even: float | None) -> list[tuple[float, str, str, str]]:
    marks = [
        (best, "most money earned", ACCENT, "solid"),
        (break_even, "nothing left", DOWN, "solid"),
        (half, "half the Sharpe ratio gone", DOWN, "dashed"),
    ]
    return [(float(v), words, color, dash) for v, words, color, dash in marks if v is not None and np.isfinite(v)]


def halving(capital: FloatArray, sharpe: FloatArray) -> float:
    """Return the capital at which the Sharpe ratio falls to half of that of the least, log-linear between points."""
    known = np.isfinite(sharpe) & (capital > 0)
    capital, sharpe = capital[known], sharpe[known]
    if len(sharpe) == 0 or sharpe[0] <= 0:
        return float("nan")
    half = sharpe[0] / 2
    for i in range(1, len(sharpe)):
        if sharpe[i] <= half:
            share = (sharpe[i - 1] - half) / (sharpe[i - 1] - sharpe[i])
            return float(np.exp(np.log(capital[i - 1]) + share * np.log(capital[i] / capital[i - 1])))
    return float("nan")


def short_money(value: float) -> str:
    """Write an amount in few signs: ``950``, ``25 k``, ``1.5 M``, ``2 bn``."""
    for size, unit in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{unit}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def _column(table: pd.DataFrame, name: str) -> FloatArray:
    return table[name].to_numpy(dtype=float) if name in table else np.full(len(table), np.nan)


def _money_axis(figure: Any) -> None:
    from bokeh.models import CustomJSTickFormatter

    figure.xaxis.formatter = CustomJSTickFormatter(
        code="""
        const steps = [[1e9, ' bn'], [1e6, ' M'], [1e3, ' k'], [0, '']];
        const [floor, unit] = steps.find(([s]) => tick >= s), size = floor || 1;
        return String(Number((tick / size).toPrecision(3))) + unit;
        """
    )
