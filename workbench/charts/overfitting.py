"""Whether the best of many is more than luck: logits of PBO, degradation out of sample, the best that luck makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor
from workbench.charts.marks import clean, faint, finite, histogram, need, placeholder, source, style_axes
from workbench.charts.tables import number, percent
from workbench.charts.theme import ACCENT, DOWN, NEUTRAL, UP
from workbench.typing import FloatArray

MOST_POINTS = 4000


def overfitting_chart(pbo: pd.DataFrame | pd.Series, *, height: int = 250) -> Any:
    """Draw the logits of where the configuration chosen in one half of the blocks ranked in the other half.

    Parameters
    ----------
    pbo : DataFrame or Series
        ``logit`` of each split: below 0 the choice did worse than the median out of sample.

    Notes
    -----
    The probability of backtest overfitting is the share of logits at or below 0.

    References
    ----------
    Bailey, Borwein, López de Prado & Zhu (2017), Journal of Computational Finance 20(4).
    """
    values = finite(pbo["logit"] if isinstance(pbo, pd.DataFrame) and "logit" in pbo else pbo)
    if len(values) == 0:
        return placeholder("Probability of backtest overfitting", "needs at least two configurations and their returns")
    share = float((values <= 0).mean())
    return histogram(
        values,
        f"PBO {percent(share, 0)}: in so many of {len(values):,} splits the choice fell below the median",
        style="0.0",
        xlabel="logit of the choice's rank out of sample: below 0 worse than the median",
        ylabel="splits",
        height=height,
        by_sign=True,
        tail=0.0,
        marks=[
            (0.0, "median of all configurations", NEUTRAL, "solid"),
            (float(np.median(values)), f"median logit {number(float(np.median(values)))}", ACCENT, "dashed"),
        ],
    )


def degradation_chart(degradation: pd.DataFrame, *, unit: str = "per bar", height: int = 290) -> Any:
    """Draw in-sample against out-of-sample Sharpe ratios of what was chosen, with the line of least squares.

    Parameters
    ----------
    degradation : DataFrame
        Columns in_sample and out_of_sample, one row a split.
    unit : str
        What the Sharpe ratios are, such as ``per bar`` or ``annual``.
    """
    if not need(degradation, "in_sample", "out_of_sample"):
        return placeholder("In-sample against out-of-sample", "needs at least two splits with a choice")
    pairs = clean(degradation, "in_sample", "out_of_sample").astype(float)
    x, y = pairs["in_sample"].to_numpy(), pairs["out_of_sample"].to_numpy()
    slope, level = line_of(x, y)
    figure = factor_figure(_degradation_title(x, y, slope), height)
    step = max(1, -(-len(x) // MOST_POINTS))
    data = source(x=x[::step], y=y[::step])
    drawn = figure.scatter("x", "y", source=data, size=6, fill_color=UP, line_color=UP, fill_alpha=0.25, line_alpha=0.6)
    ends = np.array([x.min(), x.max()])
    figure.line(ends, ends, line_color=NEUTRAL, line_dash="dotted", line_width=1.6, legend_label="as good as in sample")
    if np.isfinite(slope):
        figure.line(
            ends,
            level + slope * ends,
            line_color=DOWN,
            line_width=2,
            legend_label=f"least squares, slope {number(slope)}",
        )
    faint(figure)
    style_axes(figure, x="0.00[00]", y="0.00[00]")
    figure.xaxis.axis_label, figure.yaxis.axis_label = f"Sharpe ratio in sample, {unit}", f"out of sample, {unit}"
    finish_factor(figure, [drawn], {"in sample": "@x{0.0000}", "out of sample": "@y{0.0000}"}, legend=True)
    return figure


def line_of(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Return slope and level of the least-squares line; NaN where ``x`` does not vary."""
    spread = x - x.mean()
    square = float((spread**2).sum())
    if len(x) < 2 or square < 1e-18:
        return float("nan"), float("nan")
    slope = float((spread * (y - y.mean())).sum() / square)
    return slope, float(y.mean() - slope * x.mean())


def _degradation_title(x: FloatArray, y: FloatArray, slope: float) -> str:
    lost = float((y <= 0).mean())
    means = f"{_short(float(x.mean()))} in sample became {_short(float(y.mean()))} outside"
    return f"Degradation: Sharpe ratio {means}; {percent(lost, 0)} lost money" + (
        "" if np.isfinite(slope) else ", one value only"
    )


def _short(value: float) -> str:
    return number(value, 2 if abs(value) >= 0.2 else 3 if abs(value) >= 0.02 else 4)


def luck_chart(
    cells: pd.DataFrame, expected_maximum: float | None = None, *, metric: str = "sharpe_ratio", height: int = 250
) -> Any:
    """Draw the Sharpe ratios of all configurations, the best of them, and the best that luck alone would show.

    Parameters
    ----------
    cells : DataFrame
        One row per configuration, with ``metric``.
    expected_maximum : float, optional
        Expected best of as many independent trials without skill, in the unit of ``metric``.
    """
    values = finite(cells[metric]) if metric in cells else np.array([])
    if len(values) == 0:
        return placeholder("All configurations", "the sweep has no finished configuration")
    best = float(values.max())
    marks = [
        (best, f"best {number(best)}", UP, "solid"),
        (float(np.median(values)), f"median {number(float(np.median(values)))}", NEUTRAL, "dotted"),
    ]
    title = f"{len(values):,} configurations: the best has a Sharpe ratio of {number(best)}"
    if expected_maximum is not None and np.isfinite(expected_maximum):
        marks.insert(1, (expected_maximum, f"best expected of luck {number(expected_maximum)}", DOWN, "dashed"))
        title += ", above the best of luck" if best > expected_maximum else ", no more than luck"
    return histogram(
        values,
        title,
        style="0.0[0]",
        xlabel="Sharpe ratio, annual",
        ylabel="configurations",
        height=height,
        by_sign=False,
        marks=marks,
        tail=0.0,
    )
