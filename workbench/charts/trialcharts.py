"""Every trial on a data set: how good each looked, which belong together, and which is this run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, short_name, zero_line
from workbench.charts.marks import need, placeholder, source, style_axes
from workbench.charts.tables import EMPTY, moment, number
from workbench.charts.theme import CYCLE, DOWN, NEUTRAL

MOST_CLUSTERS = 4
_MARKERS = ("circle", "square", "triangle", "diamond", "hex")
_COLOURS = tuple(c for c in CYCLE if c not in {DOWN, NEUTRAL})
MOST_POINTS = 5000


def trials_chart(trials: pd.DataFrame, current: int | None = None, *, height: int = 280) -> Any:
    """Draw the Sharpe ratio of every trial in the order they were made, alike ones in one colour, this run ringed.

    Parameters
    ----------
    trials : DataFrame
        Columns number (from 1), sharpe_ratio (annual), cluster and, where known, first_seen (UTC) and config (text).
    current : int, optional
        Number of this run's trial.
    """
    from bokeh.models import BasicTicker

    if not need(trials, "number", "sharpe_ratio"):
        return placeholder("Trials", "no trial was counted on this data set yet")
    table = trials[np.isfinite(trials["sharpe_ratio"].astype(float))].sort_values("number")
    best = np.maximum.accumulate(table["sharpe_ratio"].to_numpy(dtype=float))
    figure = factor_figure(_title(table, current), height)
    figure.step(table["number"], best, mode="after", line_color=NEUTRAL, line_dash="dashed", line_width=1.6,
                legend_label="best so far")  # fmt: skip
    shown = _thin(table)
    drawn = [_draw(figure, part, words, i) for i, (words, part) in enumerate(groups(shown))]
    mine = table[table["number"] == current]
    if len(mine):
        drawn.append(
            figure.scatter(
                "number",
                "sharpe",
                source=_points(mine),
                size=15,
                fill_alpha=0,
                line_color=DOWN,
                line_width=3,
                legend_label="this run",
            )
        )
    zero_line(figure)
    figure.xaxis.ticker = BasicTicker(min_interval=1)
    style_axes(figure, x="0,0", y="0.0[0]")
    figure.xaxis.axis_label, figure.yaxis.axis_label = "trial, in the order they were first made", "Sharpe ratio"
    told = {
        "trial": "@number{0,0}, cluster @cluster",
        "first made": "@seen",
        "Sharpe ratio": "@sharpe{0.00}",
        "what": "@config",
    }
    finish_factor(figure, drawn, told, legend=True)
    return figure


def groups(trials: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the largest clusters in words, and all smaller ones together."""
    if "cluster" not in trials or trials["cluster"].isna().all():
        return [("trials", trials)]
    clusters = trials["cluster"].astype(object).where(trials["cluster"].notna(), "none")
    sizes = clusters.value_counts()
    leading = list(sizes.index[:MOST_CLUSTERS])
    parts = [(f"cluster {_name(c)} ({len(trials[clusters == c]):,})", trials[clusters == c]) for c in leading]
    rest = trials[~clusters.isin(leading)]
    return parts + ([(f"{len(sizes) - len(leading):,} smaller ({len(rest):,})", rest)] if len(rest) else [])


def _name(cluster: Any) -> str:
    if cluster is None or cluster is pd.NA or cluster != cluster:
        return EMPTY
    return str(int(cluster)) if isinstance(cluster, int | float | np.number) else str(cluster)


def _draw(figure: Any, part: pd.DataFrame, words: str, position: int) -> Any:
    rest = position >= MOST_CLUSTERS
    color = NEUTRAL if rest else _COLOURS[position % len(_COLOURS)]
    marker = "cross" if rest else _MARKERS[position % len(_MARKERS)]
    return figure.scatter(
        "number", "sharpe", source=_points(part), marker=marker, size=7, fill_color=color, line_color=color,
        fill_alpha=0.35, legend_label=words,
    )  # fmt: skip


def _points(part: pd.DataFrame) -> Any:
    n = len(part)
    return source(
        number=part["number"].to_numpy(),
        sharpe=part["sharpe_ratio"].to_numpy(dtype=float),
        cluster=[_name(c) for c in part["cluster"]] if "cluster" in part else ["–"] * n,
        seen=[moment(t) for t in part["first_seen"]] if "first_seen" in part else ["–"] * n,
        config=[short_name(str(c)) if len(str(c)) < 31 else str(c)[:90] for c in part["config"]]
        if "config" in part
        else ["–"] * n,
    )


def _thin(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the best trials and an even sample of the others where there are too many to draw."""
    if len(table) <= MOST_POINTS:
        return table
    order = table["sharpe_ratio"].sort_values(ascending=False, kind="stable").index
    half = MOST_POINTS // 2
    rest = order[half:]
    return table.loc[order[:half].union(rest[:: -(-len(rest) // half)])].sort_values("number")


def _title(table: pd.DataFrame, current: int | None) -> str:
    n = len(table)
    title = f"{n:,} trials" if n != 1 else "One trial"
    if n > 1 and "cluster" in table and table["cluster"].notna().any():
        k = int(table["cluster"].nunique())
        title += f" in {k:,} clusters" if k != 1 else " in one cluster"
    mine = table.loc[table["number"] == current, "sharpe_ratio"]
    if len(mine):
        rank = int((table["sharpe_ratio"] > mine.iloc[0]).sum()) + 1
        place = f"{ordinal(rank)} " if rank > 1 else ""
        return f"{title}: this run is the {place}best, Sharpe ratio {number(float(mine.iloc[0]))}"
    return f"{title}: the best Sharpe ratio is {number(float(table['sharpe_ratio'].max()))}"


def ordinal(n: int) -> str:
    """Write a rank: ``1st``, ``2nd``, ``3rd``, ``4th``, ``11th``."""
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"
