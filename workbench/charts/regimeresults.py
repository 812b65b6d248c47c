"""What the strategy made in each regime of the market."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, zero_line
from workbench.charts.marks import empty_table, name_axis, need, placeholder, plain, signs, source, style_axes
from workbench.charts.tables import Column, Table, number, percent, signed_percent, whole
from workbench.charts.theme import label_of

_NONE = "the range is too short to tell regimes apart"


def regimes_chart(regimes: pd.DataFrame, *, height: int = 260) -> Any:
    """Draw the Sharpe ratio in each regime; the width of a bar is the share of time spent in it.

    Parameters
    ----------
    regimes : DataFrame
        Columns regime, share (of bars, fraction), sharpe_ratio (annual), total_return, max_drawdown.
    """
    if not need(regimes, "regime", "sharpe_ratio"):
        return placeholder("Results by regime", _NONE)
    frame = regimes[np.isfinite(regimes["sharpe_ratio"].astype(float))].reset_index(drop=True)
    sharpe = frame["sharpe_ratio"].to_numpy(dtype=float)
    share = frame["share"].to_numpy(dtype=float) if "share" in frame else np.full(len(frame), 1 / len(frame))
    names = [label_of(str(r)) for r in frame["regime"]]
    best, worst = names[int(sharpe.argmax())], names[int(sharpe.argmin())]
    figure = factor_figure(
        f"By regime: best in {best} ({number(sharpe.max())}), worst in {worst} ({number(sharpe.min())})"
        if len(frame) > 1 else f"By regime: Sharpe ratio {number(sharpe[0])} in {best}", height
    )  # fmt: skip
    data = source(
        x=np.arange(len(frame)), sharpe=sharpe, share=share, name=names, color=signs(sharpe),
        width=0.12 + 0.78 * share / max(float(np.nanmax(share)), 1e-9),
        total=_column(frame, "total_return"), fall=_column(frame, "max_drawdown"),
    )  # fmt: skip
    bars = figure.vbar("x", "width", "sharpe", 0, source=data, fill_color="color", fill_alpha=0.55, line_color="color")
    zero_line(figure)
    name_axis(figure, names)
    plain(figure)
    style_axes(figure, y="0.0[0]")
    figure.yaxis.axis_label, figure.xaxis.axis_label = "Sharpe ratio, annual", "width: share of the bars in the regime"
    told = {"regime": "@name, @share{0.0%} of bars", "Sharpe ratio": "@sharpe{0.00}", "total return": "@total{+0.0%}",
            "deepest fall": "@fall{0.0%}"}  # fmt: skip
    finish_factor(figure, [bars], told)
    return figure


def _column(frame: pd.DataFrame, name: str) -> Any:
    return frame[name].to_numpy(dtype=float) if name in frame else np.full(len(frame), np.nan)


def regimes_table(regimes: pd.DataFrame) -> Table:
    """Return the results of each regime as rows.

    Parameters
    ----------
    regimes : DataFrame
        Columns regime, n_bars, share, total_return, annual_return, annual_volatility, sharpe_ratio, max_drawdown.
    """
    caption = "Results by regime, net of costs"
    if not need(regimes, "regime"):
        return empty_table(caption, _NONE)
    frame = regimes.reset_index(drop=True).assign(name=[label_of(str(r)) for r in regimes["regime"]])
    columns = [
        Column("name", "regime", str, True),
        Column("n_bars", "bars", whole),
        Column("share", "share of bars", percent),
        Column("total_return", "total return", signed_percent),
        Column("annual_return", "annual return", signed_percent),
        Column("annual_volatility", "annual volatility", percent),
        Column("sharpe_ratio", "Sharpe ratio", number),
        Column("max_drawdown", "deepest fall", percent),
    ]
    return Table(frame, [c for c in columns if c.key in frame], caption)
