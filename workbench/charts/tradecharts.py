"""Round trips as pictures: profit, return, holding time, excursions, and each side on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, zero_line
from workbench.charts.figure import time_axis
from workbench.charts.marks import (
    clean,
    finite,
    histogram,
    level,
    need,
    placeholder,
    restyle,
    source,
    style_axes,
    time_lines,
)
from workbench.charts.sampling import naive_utc
from workbench.charts.tables import number, percent, signed_percent, whole
from workbench.charts.theme import ACCENT, DOWN, NEUTRAL, UP

_NO_TRADES = "the strategy made no round trip in this range"
MOST_POINTS = 4000
"""Trades in a scatter; of more, those with the largest results and an even sample of the rest are drawn."""

What = Literal["pnl", "return", "bars"]


def trade_histogram_chart(
    trades: pd.DataFrame, *, what: What = "return", capital: float | None = None, height: int = 250
) -> Any:
    """Draw how the round trips' profits, returns or holding times are distributed.

    Parameters
    ----------
    trades : DataFrame
        One row per round trip: pnl (net), return (fraction), bars (held).
    what : {"pnl", "return", "bars"}
        ``pnl`` is shown over ``capital`` in percent where given, else in the unit of the frame.
    capital : float, optional
        Starting capital in the unit of ``pnl``.
    """
    if not need(trades, what):
        return placeholder(_NAMES[what], _NO_TRADES)
    values = finite(trades[what]) / (capital if what == "pnl" and capital else 1.0)
    if what == "bars":
        return _holding(values, trades, height)
    share = what == "return" or bool(capital)
    write = signed_percent if share else number
    won = float((values > 0).mean())
    xlabel = (
        "return of the trade" if what == "return" else "profit, share of the starting capital" if share else "profit"
    )
    return histogram(
        values, f"{_NAMES[what]}: {percent(won, 0)} of {len(values):,} won, mean {write(float(values.mean()))}",
        style="0.0%" if share else "0,0.[00]", ylabel="trades", height=height, by_sign=True, tail=0.005,
        xlabel=f"{xlabel}, net of costs; what lies outside is counted in the outermost bins",
        marks=[(float(values.mean()), f"mean {write(float(values.mean()))}", ACCENT, "solid"),
               (float(np.median(values)), f"median {write(float(np.median(values)))}", NEUTRAL, "dashed")],
    )  # fmt: skip


_NAMES = {"pnl": "Profit per trade", "return": "Return per trade", "bars": "Holding time"}


def _holding(values: Any, trades: pd.DataFrame, height: int) -> Any:
    median = float(np.median(values))
    hours = _hours_per_bar(trades)
    inside = f" ({duration(median * hours)})" if hours else ""
    return histogram(
        values,
        f"Holding time: half of {len(values):,} trades end within {whole(median)} bars{inside}",
        style="0,0",
        xlabel="bars held; what lies outside is counted in the outermost bins",
        ylabel="trades",
        height=height,
        tail=0.01,
        marks=[
            (median, f"median {whole(median)} bars", ACCENT, "solid"),
            (float(values.mean()), f"mean {number(float(values.mean()), 1)} bars", NEUTRAL, "dashed"),
        ],
    )


def _hours_per_bar(trades: pd.DataFrame) -> float | None:
    """Return the usual length of a bar, from trades that lasted, or None where it cannot be told."""
    if not need(trades, "entry_time", "exit_time", "bars"):
        return None
    lasted = trades[(trades["bars"] > 0) & trades["exit_time"].notna()]
    if lasted.empty:
        return None
    hours = (lasted["exit_time"] - lasted["entry_time"]).dt.total_seconds() / 3600 / lasted["bars"]
    return float(hours.median())


def duration(hours: float) -> str:
    """Write a length of time in the unit that reads best: ``45 min``, ``7.5 hours``, ``12.0 days``."""
    if hours < 2:
        return f"{60 * hours:,.0f} min"
    return f"{hours:,.1f} hours" if hours < 72 else f"{hours / 24:,.1f} days"


def trade_returns_chart(trades: pd.DataFrame, *, height: int = 260) -> Any:
    """Draw the return of each round trip at its exit: longs as triangles up, shorts as triangles down.

    Parameters
    ----------
    trades : DataFrame
        Columns symbol, side, entry_time, exit_time (UTC), return (fraction), bars and, where known, exit_reason.
    """
    if not need(trades, "exit_time", "return"):
        return placeholder("Return of each trade", _NO_TRADES)
    closed = trades[trades["exit_time"].notna() & np.isfinite(trades["return"])]
    best, worst = float(closed["return"].max()), float(closed["return"].min())
    title = f"Return of each trade at its exit: from {signed_percent(worst, 1)} to {signed_percent(best, 1)}"
    shown = _sample(closed, "return")
    figure = factor_figure(title, height, x_axis_type="datetime")
    drawn = []
    for side, marker, color in (("long", "triangle", UP), ("short", "inverted_triangle", DOWN)):
        part = shown[shown["side"] == side] if "side" in shown else shown.iloc[0 if side == "long" else len(shown) :]
        if len(part):
            drawn.append(
                figure.scatter("exit", "value", source=_points(part), marker=marker, size=7, fill_color=color,
                               line_color=color, fill_alpha=0.35, legend_label=f"{side}, {len(part):,}")
            )  # fmt: skip
    zero_line(figure)
    mean = float(closed["return"].mean())
    times = naive_utc(pd.DatetimeIndex(closed["exit_time"]))
    level(figure, mean, f"mean {signed_percent(mean)}", ACCENT, times.min(), times.max())
    if times.min() == times.max():
        day = pd.Timedelta(days=1)
        figure.x_range.start, figure.x_range.end = times.min() - day, times.max() + day
    time_axis(figure)
    style_axes(figure, y="0.0%")
    figure.yaxis.axis_label = "return of the trade, net"
    finish_factor(figure, drawn, _TOLD, legend=True, formatters={"@exit": "datetime", "@entry": "datetime"})
    return figure


_TOLD = {
    "trade": "@symbol @side",
    "from": "@entry{%F %H:%M}",
    "to": "@exit{%F %H:%M}",
    "return": "@value{+0.00%}",
    "held": "@bars{0,0} bars",
    "left by": "@reason",
}


def _points(part: pd.DataFrame) -> Any:
    def column(name: str, default: Any) -> Any:
        return part[name].to_numpy() if name in part else np.full(len(part), default)

    words = {k: [str(v) for v in column(k, "–")] for k in ("symbol", "side")}
    return source(
        exit=naive_utc(pd.DatetimeIndex(part["exit_time"])),
        entry=naive_utc(pd.DatetimeIndex(part["entry_time"])),
        value=part["return"].to_numpy(),
        bars=column("bars", np.nan),
        reason=[str(v) for v in column("exit_reason", "–")],
        low=-np.abs(column("mae", np.nan)),
        high=np.abs(column("mfe", np.nan)),
        **words,
    )


def _sample(trades: pd.DataFrame, column: str) -> pd.DataFrame:
    if len(trades) <= MOST_POINTS:
        return trades
    order = trades[column].abs().sort_values(ascending=False, kind="stable").index
    half = MOST_POINTS // 2
    rest = order[half:]
    return trades.loc[order[:half].union(rest[:: -(-len(rest) // half)])]


def excursions_chart(trades: pd.DataFrame, *, height: int = 300) -> Any:
    """Draw how far each trade ran against and for its holder before it ended, beside what it made.

    Left the greatest loss on the way (maximum adverse excursion), right the greatest gain (favourable). A winner far to
    the left nearly was a loser: stops nearer than that would have cost it. A loser far to the right gave a gain back.

    Parameters
    ----------
    trades : DataFrame
        Columns return, mae and mfe, fractions of the entry price; the signs of the excursions do not matter.

    References
    ----------
    Sweeney (1996), Maximum Adverse Excursion.
    """
    if not need(trades, "return", "mae", "mfe"):
        return placeholder("Excursions of trades (MAE and MFE)", f"{_NO_TRADES}, or its excursions were not kept")
    known = clean(trades, "return", "mae", "mfe")
    shown = _sample(known, "return")
    won = known["return"] > 0
    stop = float(np.quantile(known.loc[won, "mae"].abs(), 0.9)) if won.any() else float("nan")
    ahead = float(known.loc[~won, "mfe"].abs().median()) if (~won).any() else float("nan")
    from bokeh.layouts import row

    counts = {True: int(won.sum()), False: int((~won).sum())}
    part = "" if len(shown) == len(known) else f" · {len(shown):,} of {len(known):,} trades drawn, the largest all"
    left = _excursion(shown, "low", f"greatest loss on the way (MAE){part}", height, counts)
    left.title.text = f"MAE: 9 in 10 winners never lost over {percent(stop)}" if np.isfinite(stop) else "MAE: no winner"
    right = _excursion(shown, "high", "greatest gain on the way (MFE)", height, counts)
    right.title.text = (
        f"MFE: half the losers were once {percent(ahead)} ahead" if np.isfinite(ahead) else "MFE: no loser"
    )
    return row(left, right, sizing_mode="stretch_width")


def _excursion(trades: pd.DataFrame, column: str, words: str, height: int, counts: dict[bool, int]) -> Any:
    figure = factor_figure("", height)
    drawn = []
    for wins, marker, color, label in ((True, "circle", UP, "won"), (False, "x", DOWN, "lost")):
        part = trades[(trades["return"] > 0) == wins]
        if len(part):
            drawn.append(
                figure.scatter(
                    column,
                    "value",
                    source=_points_of_excursion(part),
                    marker=marker,
                    size=6,
                    fill_color=color,
                    line_color=color,
                    fill_alpha=0.3,
                    line_alpha=0.7,
                    legend_label=f"{label}, {counts[wins]:,}",
                )
            )
    ends = (
        (min(float(trades["return"].min()), 0.0), 0.0)
        if column == "low"
        else (0.0, max(float(trades["return"].max()), 0.0))
    )
    reach = np.array(ends)
    figure.line(
        reach, reach, line_color=NEUTRAL, line_dash="dotted", line_width=1.5, legend_label="ended at its extreme"
    )
    zero_line(figure)
    style_axes(figure, x="0.0%", y="0.0%")
    figure.xaxis.axis_label, figure.yaxis.axis_label = words, "return of the trade, net"
    told = {"trade": "@symbol @side", "return": "@value{+0.00%}", "greatest loss": "@low{0.00%}",
            "greatest gain": "@high{+0.00%}", "left by": "@reason"}  # fmt: skip
    finish_factor(figure, drawn, told, legend=True)
    return figure


def _points_of_excursion(part: pd.DataFrame) -> Any:
    return _points(
        part.assign(**{c: part.get(c, pd.Series(pd.NaT, index=part.index)) for c in ("entry_time", "exit_time")})
    )


def side_equity_chart(trades: pd.DataFrame, *, capital: float | None = None, height: int = 260) -> Any:
    """Draw the profit of closed trades added up, longs and shorts on their own and together.

    Parameters
    ----------
    trades : DataFrame
        Columns side (long, short), exit_time (UTC), pnl (net).
    capital : float, optional
        Starting capital in the unit of ``pnl``: profit is then a share of it.
    """
    frame = side_frame(trades, capital)
    if frame.empty:
        return placeholder("Profit by side", _NO_TRADES)
    share = capital is not None
    write: Callable[[float], str] = signed_percent if share else lambda v: number(v, 2 if abs(v) >= 10 else 4)
    parts = ", ".join(f"{c}s {write(float(frame[c].iloc[-1]))}" for c in ("long", "short") if c in frame)
    return time_lines(
        frame,
        "Profit by side",
        "at least two closed trades are needed",
        title=f"Profit of closed trades by side: {parts}",
        ylabel="share of the starting capital" if share else "profit, net",
        number="0.0%" if share else "0,0.00[00]",
        height=height,
        steps=[restyle((UP, "solid"), (DOWN, "dashed"), (ACCENT, "dotted"))],
    )


def side_frame(trades: pd.DataFrame, capital: float | None = None) -> pd.DataFrame:
    """Return the profit so far at each exit, by side and in all; a side that never traded has no column."""
    if not need(trades, "exit_time", "pnl", "side"):
        return pd.DataFrame()
    closed = trades[trades["exit_time"].notna()]
    profit = closed["pnl"].fillna(0.0) / (capital or 1.0)
    table = profit.groupby([pd.DatetimeIndex(closed["exit_time"]), closed["side"].to_numpy()]).sum().unstack()
    running = table.fillna(0.0).sort_index().cumsum()
    running = running[[c for c in ("long", "short") if c in running]]
    return running.assign(both=running.sum(axis=1)) if running.shape[1] > 1 else running
