"""What the store holds, as pictures: bars by month, and the venues that they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.figure import dress, legend_above, need_rows, time_axis
from workbench.charts.sampling import naive_utc
from workbench.charts.theme import CYCLE, DOWN, UP

ROW_HEIGHT = 22
MOST_LETTERS = 16
_LEVELS = (
    ("no bar at all", 0.0),
    ("under 50 %", 0.15),
    ("50 to 90 %", 0.35),
    ("90 to 99 %", 0.55),
    ("over 99 %", 0.75),
    ("every bar", 1.0),
)
"""Classes of a month and the strength of their colour; the first is hatched besides."""
_BOUNDS = (0.5, 0.9, 0.99, 1.0)


def coverage_chart(months: pd.DataFrame, *, height: int | None = None) -> Any:
    """Draw the share of bars held for each symbol and month: one hue, the fuller the stronger; no bar is hatched.

    Parameters
    ----------
    months : DataFrame
        Columns symbol, month (its first moment), held, expected and share (0 to 1), as
        `workbench.data.month_table` returns. Months outside a symbol's span have no cell.

    Returns
    -------
    bokeh.plotting.figure
    """
    need_rows(months, "coverage")
    symbols = [str(s) for s in dict.fromkeys(months["symbol"])]
    cells = _cells(months, symbols)
    figure = _rows_figure(
        symbols,
        "Share of bars held, by symbol and month",
        height or 96 + ROW_HEIGHT * len(symbols),
        x_axis_location="above",
        x_axis_type="datetime",
        x_range=(cells["left"].min(), cells["right"].max()),
    )
    marks = [_cells_of(figure, cells[cells["level"] == level], level) for level in range(len(_LEVELS))]
    time_axis(figure)
    figure.xaxis.axis_label = None
    if len(symbols) > 30:  # the axis again where a long picture ends
        from bokeh.models import DatetimeAxis

        figure.add_layout(DatetimeAxis(), "below")
        time_axis(figure)
        figure.xaxis.axis_label = None
    told = {"symbol": "@symbol", "month": "@name", "bars held": "@held{0,0} of @expected{0,0}", "share": "@shown"}
    _dress(figure, marks, told)
    return figure


def shares_chart(shares: pd.DataFrame, *, height: int | None = None) -> Any:
    """Draw the venues that the bars of each symbol came from as parts of one bar; repaired bars are hatched.

    Parameters
    ----------
    shares : DataFrame
        Columns symbol, venue, bars, repaired, share and repaired_share, as `workbench.data.source_shares` returns.

    Returns
    -------
    bokeh.plotting.figure
    """
    need_rows(shares, "source shares")
    from bokeh.models import NumeralTickFormatter

    symbols = [str(s) for s in dict.fromkeys(shares["symbol"])]
    figure = _rows_figure(
        symbols,
        "Venues that the bars came from; repaired bars are hatched",
        height or 110 + ROW_HEIGHT * len(symbols),
        x_range=(0.0, 1.0),
    )
    figure.xaxis.formatter = NumeralTickFormatter(format="0 %")
    figure.xaxis.axis_label = "share of the symbol's bars"
    order = shares.groupby("venue")["bars"].sum().sort_values(ascending=False, kind="stable").index
    segments = _segments(shares, symbols, list(order))
    marks = []
    for place, venue in enumerate(order):
        for repaired in (False, True):
            mine = segments[(segments["venue"] == venue) & (segments["is_repaired"] == repaired)]
            if len(mine):
                marks.append(_segments_of(figure, mine, place, f"{venue}, repaired" if repaired else str(venue)))
    _dress(figure, marks, {"symbol": "@symbol", "venue": "@label", "bars": "@n{0,0}", "share": "@shown"})
    return figure


def _rows_figure(symbols: Sequence[str], title: str, height: int, **options: Any) -> Any:
    from bokeh.models import FixedTicker, Range1d
    from bokeh.plotting import figure

    picture = figure(
        title=title,
        height=height,
        sizing_mode="stretch_width",
        tools="xpan,xbox_zoom,reset,save",
        active_drag=None,
        y_range=Range1d(len(symbols) - 0.5, -0.5, bounds=(-0.5, len(symbols) - 0.5)),
        **options,
    )
    picture.yaxis.ticker = FixedTicker(ticks=list(range(len(symbols))))
    picture.yaxis.major_label_overrides = {i: _short(s) for i, s in enumerate(symbols)}
    picture.grid.visible = False
    return picture


def _short(symbol: str) -> str:
    return symbol if len(symbol) <= MOST_LETTERS else symbol[: MOST_LETTERS - 1] + "…"


def _cells(months: pd.DataFrame, symbols: Sequence[str]) -> pd.DataFrame:
    rows = months["symbol"].astype(str).map({s: i for i, s in enumerate(symbols)}).to_numpy()
    left = pd.DatetimeIndex(naive_utc(pd.DatetimeIndex(months["month"])))
    share = months["share"].to_numpy(dtype=float)
    known = np.nan_to_num(share, nan=1.0)
    level = np.where(months["held"].to_numpy() == 0, 0, 1 + np.searchsorted(_BOUNDS, known, side="right"))
    return pd.DataFrame({
        "left": left, "right": left + pd.offsets.MonthBegin(1), "top": rows - 0.42, "bottom": rows + 0.42,
        "symbol": months["symbol"].astype(str).to_numpy(), "name": left.strftime("%B %Y"),
        "held": months["held"].to_numpy(), "expected": months["expected"].to_numpy(),
        "shown": [_share_text(v) for v in share], "level": level,
    })  # fmt: skip


def _share_text(share: float) -> str:
    """Write a share so that only a whole one reads 100 %."""
    if np.isnan(share):
        return "none expected"
    return f"{np.floor(share * 1e4) / 100:.2f} %"


def _cells_of(figure: Any, cells: pd.DataFrame, level: int) -> Any:
    from bokeh.models import ColumnDataSource

    if cells.empty:
        return None
    words, strength = _LEVELS[level]
    look: Mapping[str, Any] = {"fill_color": UP, "fill_alpha": strength}
    if level == 0:
        look = {"fill_color": DOWN, "fill_alpha": 0.12, "hatch_pattern": "/", "hatch_color": DOWN, "hatch_scale": 7}
    columns = {c: cells[c].to_numpy() for c in cells if c != "level"}
    look = {**look, "line_color": UP if level else DOWN, "line_alpha": 0.6, "line_width": 1}
    return figure.quad("left", "right", "top", "bottom", source=ColumnDataSource(columns), legend_label=words, **look)


def _segments(shares: pd.DataFrame, symbols: Sequence[str], order: Sequence[str]) -> pd.DataFrame:
    """Return the parts of each bar from left to right: a venue's bars as they came, then its repaired ones."""
    place = {v: i for i, v in enumerate(order)}
    rows = []
    for symbol, mine in shares.groupby("symbol", sort=False):
        left = 0.0
        for row in sorted(mine.to_dict("records"), key=lambda r: place[r["venue"]]):
            parts = (
                (False, row["bars"] - row["repaired"], row["share"] - row["repaired_share"]),
                (True, row["repaired"], row["repaired_share"]),
            )
            for repaired, n, share in parts:
                if n:
                    rows.append((symbol, row["venue"], repaired, n, left, left + share, share))
                    left += share
    frame = pd.DataFrame(rows, columns=["symbol", "venue", "is_repaired", "n", "left", "right", "share"])
    at = frame["symbol"].astype(str).map({s: i for i, s in enumerate(symbols)})
    return frame.assign(top=at - 0.36, bottom=at + 0.36, shown=[_share_text(s) for s in frame["share"]])


def _segments_of(figure: Any, mine: pd.DataFrame, place: int, label: str) -> Any:
    from bokeh.models import ColumnDataSource

    repaired = bool(mine["is_repaired"].iloc[0])
    look: dict[str, Any] = {"fill_color": CYCLE[place % len(CYCLE)], "fill_alpha": 0.35 if repaired else 0.9}
    if repaired:
        look |= {"hatch_pattern": "x", "hatch_color": CYCLE[place % len(CYCLE)], "hatch_scale": 8}
    columns = {c: mine[c].to_numpy() for c in ("symbol", "n", "left", "right", "top", "bottom", "shown")}
    source = ColumnDataSource({**columns, "label": np.array([label] * len(mine), dtype=object)})
    return figure.quad(
        "left", "right", "top", "bottom", source=source, line_color="#ffffff00", legend_label=label, **look
    )


def _dress(figure: Any, marks: Sequence[Any], told: Mapping[str, str]) -> None:
    from bokeh.models import HoverTool

    dress(figure)
    legend_above(figure)
    figure.legend.click_policy = "none"
    figure.add_tools(HoverTool(renderers=[m for m in marks if m is not None], tooltips=list(told.items())))
    figure.yaxis.axis_line_color = None
    figure.yaxis.major_tick_line_color = None
