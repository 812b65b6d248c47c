"""How often the gates were right on markets whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, name_ticks
from workbench.charts.marks import empty_table, need, placeholder, source, style_axes
from workbench.charts.tables import Column, Table, number, percent, whole
from workbench.charts.theme import DOWN, NEUTRAL, UP, label_of

_NONE = "no market was judged; set n_noise and n_planted above 0"
_RIGHT = {"noise": False, "planted": True}


def truth_chart(markets: pd.DataFrame, *, height: int = 260) -> Any:
    """Draw each market by its deflated Sharpe ratio: filled where the gates let it pass, a cross where they refused it.

    Parameters
    ----------
    markets : DataFrame
        One row per market and way: kind (noise, planted), way (backtest, sweep), passed (bool),
        deflated_sharpe_ratio, sharpe_ratio, seed and refused_by (text).
    """
    if not need(markets, "kind", "way", "passed"):
        return placeholder("Markets whose truth is known", _NONE)
    lanes = markets.groupby(["kind", "way"], sort=True).size().index.tolist()
    figure = factor_figure(_title(markets), height)
    places = {lane: i for i, lane in enumerate(lanes)}
    lane = np.array([places[pair] for pair in zip(markets["kind"], markets["way"], strict=True)], dtype=float)
    table = markets.assign(lane=lane + _spread(lane), right=markets["kind"].map(_RIGHT) == markets["passed"])
    drawn = []
    for passed, marker, words in ((True, "circle", "passed"), (False, "x", "refused")):
        for right, color, judged in ((True, UP, "rightly"), (False, DOWN, "wrongly")):
            part = table[(table["passed"] == passed) & (table["right"] == right)]
            if len(part):
                drawn.append(
                    figure.scatter(
                        "dsr",
                        "lane",
                        source=_points(part),
                        marker=marker,
                        size=9,
                        fill_color=color,
                        line_color=color,
                        fill_alpha=0.5,
                        line_width=1.8,
                        legend_label=f"{words} {judged}, {len(part):,}",
                    )
                )
    figure.line([0.95, 0.95], [-0.5, len(lanes) - 0.5], line_color=NEUTRAL, line_dash="dashed", line_width=1.5)
    name_ticks(figure.yaxis, [f"{kind}, {way}" for kind, way in lanes])
    figure.ygrid.visible = False
    style_axes(figure, x="0.00")
    figure.xaxis.axis_label = "deflated Sharpe ratio; dashed: 0.95"
    told = {"market": "@kind, @way, seed @seed", "DSR": "@shown", "Sharpe ratio": "@sharpe{0.00}",
            "refused by": "@refused"}  # fmt: skip
    finish_factor(figure, drawn, told, legend=True)
    return figure


def _title(markets: pd.DataFrame) -> str:
    parts = []
    for kind in ("noise", "planted"):
        mine = markets.loc[markets["kind"] == kind, "passed"]
        if len(mine):
            parts.append(f"{int(mine.sum())} of {len(mine)} {kind} markets passed")
    return "; ".join(parts) or "Markets whose truth is known"


def _spread(lane: np.ndarray) -> np.ndarray:
    """Set the markets of a lane apart, evenly by their order."""
    order = pd.Series(lane).groupby(lane).cumcount().to_numpy()
    return 0.6 * ((order * 0.618034) % 1.0 - 0.5)


def _points(part: pd.DataFrame) -> Any:
    def known(name: str) -> Any:
        return part[name].to_numpy(dtype=float) if name in part else np.full(len(part), np.nan)

    dsr = known("deflated_sharpe_ratio")
    return source(
        dsr=np.where(np.isfinite(dsr), dsr, 0.0), shown=["–" if np.isnan(v) else number(v, 3) for v in dsr],
        lane=part["lane"].to_numpy(), sharpe=known("sharpe_ratio"),
        kind=[str(k) for k in part["kind"]], way=[str(w) for w in part["way"]],
        seed=[str(s) for s in part["seed"]] if "seed" in part else ["–"] * len(part),
        refused=[label_of(str(r)) or "–" for r in part["refused_by"]] if "refused_by" in part else ["–"] * len(part),
    )  # fmt: skip


def truth_table(markets: pd.DataFrame) -> Table:
    """Return, for each kind of market and way, how many passed the gates and which gate refused most.

    Parameters
    ----------
    markets : DataFrame
        See `truth_chart`.
    """
    caption = "Markets whose truth is known"
    if not need(markets, "kind", "way", "passed"):
        return empty_table(caption, _NONE)
    rows = [_row(str(kind), str(way), part) for (kind, way), part in markets.groupby(["kind", "way"], sort=True)]
    columns = [
        Column("kind", "truth", str, True),
        Column("way", "judged by", str, True),
        Column("n", "markets", whole),
        Column("passed", "passed", whole),
        Column("share", "share passed", percent),
        Column("dsr", "median DSR", lambda v: number(float(v), 3)),
        Column("gate", "refused most often by", str, True),
    ]
    return Table(pd.DataFrame(rows), columns, caption)


def _row(kind: str, way: str, part: pd.DataFrame) -> dict[str, Any]:
    refused = part.get("refused_by", pd.Series("", index=part.index)).astype(str)
    gates = refused[refused != ""].str.split(", ").explode().value_counts()
    dsr = part.get("deflated_sharpe_ratio", pd.Series(np.nan, index=part.index)).astype(float)
    return {
        "kind": kind,
        "way": way,
        "n": float(len(part)),
        "passed": float(part["passed"].sum()),
        "share": float(part["passed"].mean()),
        "dsr": float(dsr.median()) if dsr.notna().any() else np.nan,
        "gate": f"{label_of(str(gates.index[0]))}, {int(gates.iloc[0])}×" if len(gates) else "–",
    }
