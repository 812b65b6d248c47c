"""What was held: sides, leverage, turnover, allocation, and what it cost, by kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, zero_line
from workbench.charts.figure import time_axis
from workbench.charts.marks import empty_table, level, need, placeholder, restyle, source, style_axes, time_lines
from workbench.charts.sampling import naive_utc
from workbench.charts.tables import Column, Table, number, percent, signed_percent
from workbench.charts.theme import ACCENT, CYCLE, DOWN, NEUTRAL, UP, label_of

MOST_LAYERS = 6
COSTS = ("fee", "slippage", "funding", "borrow", "interest")
_NO_POSITIONS = "the record has no positions; run the notebook that makes them"
_POINTS = 400
_COST_LOOKS = tuple(zip(CYCLE, ("solid", "dashed", "dotted", "dashdot", "dotdash", "solid"), strict=True))
_HATCHES = (" ", "/", "x", "\\", "-", ".", "o")


def sides_chart(positions: pd.DataFrame, *, height: int = 240) -> Any:
    """Draw how much of equity is long (above 0), short (below 0) and net over time.

    Parameters
    ----------
    positions : DataFrame, time × symbol
        Signed fractions of equity held after the fill; each point drawn is the mean of its stretch of time.
    """
    if len(positions) < 2 or positions.shape[1] == 0:
        return placeholder("Long, short and net exposure", _NO_POSITIONS)
    held = positions.fillna(0.0)
    sides = side_shares(held)
    thin = stretches(sides)
    times = naive_utc(pd.DatetimeIndex(thin.index))
    busy, mean = float((held != 0).any(axis=1).mean()), float(sides["net"].mean())
    title = f"Exposure: net {signed_percent(mean, 0)} on average, in the market {percent(busy, 0)} of the time"
    figure = factor_figure(title, height, x_axis_type="datetime")
    for side, color, hatch in (("long", UP, " "), ("short", DOWN, "/")):
        if bool((thin[side] != 0).any()):
            figure.varea(times, 0, thin[side].to_numpy(), fill_color=color, fill_alpha=0.35, hatch_pattern=hatch,
                         hatch_color=color, hatch_alpha=0.5, legend_label=side)  # fmt: skip
    data = source(time=times, **{c: thin[c].to_numpy() for c in thin.columns})
    drawn = figure.line("time", "net", source=data, line_color=ACCENT, line_width=1.8, legend_label="net")
    zero_line(figure)
    time_axis(figure)
    style_axes(figure, y="0%")
    figure.yaxis.axis_label = "share of equity"
    told = {"time": "@time{%F %H:%M}", "long": "@long{0.0%}", "short": "@short{0.0%}", "net": "@net{+0.0%}"}
    finish_factor(figure, [drawn], told, legend=True, formatters={"@time": "datetime"})
    return figure


def side_shares(held: pd.DataFrame) -> pd.DataFrame:
    """Return long, short (below 0) and net shares of equity at each bar."""
    long, short = held.clip(lower=0).sum(axis=1), held.clip(upper=0).sum(axis=1)
    return pd.DataFrame({"long": long, "short": short, "net": long + short})


def stretches(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the means of at most 400 equal stretches of rows, each at its first time."""
    n = min(_POINTS, len(frame))
    stretch = np.arange(len(frame)) * n // max(len(frame), 1)
    means = frame.groupby(stretch).mean()
    means.index = frame.index[np.searchsorted(stretch, np.arange(n))]
    return means


def leverage_chart(held: pd.DataFrame, *, limit: float | None = None, height: int = 220) -> Any:
    """Draw gross exposure over equity: what the account has at work for each unit of its own.

    Parameters
    ----------
    held : DataFrame, time
        The account, with its column ``gross``; or positions, time × symbol: signed fractions of equity after the fill.
    limit : float, optional
        Highest leverage allowed, drawn as a dashed line.
    """
    gross = (held["gross"] if "gross" in held else held.abs().sum(axis=1)).to_frame("leverage")
    highest, mean = (float(gross["leverage"].agg(f)) if len(gross) else 0.0 for f in ("max", "mean"))
    if limit is not None:
        gross["limit"] = limit
    return time_lines(
        gross,
        "Leverage",
        _NO_POSITIONS,
        title=f"Leverage: at most {highest:.2f}×, {mean:.2f}× on average",
        ylabel="gross over equity",
        number="0.00",
        height=height,
        steps=[restyle((UP, "solid"), (DOWN, "dashed"))],
    )


def turnover_chart(account: pd.DataFrame | pd.Series, *, height: int = 220) -> Any:
    """Draw the value traded in each calendar month over equity, with its mean.

    Parameters
    ----------
    account : DataFrame or Series, time
        ``traded``: value traded at each bar over equity; or that column alone.
    """
    monthly = turnover_frame(account)
    if monthly.empty:
        return placeholder("Turnover", "the record has no value traded per bar; run the notebook that makes it")
    starts = naive_utc(monthly.index)
    mean = float(monthly.mean())
    figure = factor_figure(f"Turnover: {mean:,.2f}× equity a month on average", height, x_axis_type="datetime")
    ends = pd.DatetimeIndex([t + pd.offsets.MonthBegin(1) for t in starts])
    gap = pd.Timedelta(days=2)
    data = source(left=starts + gap, right=ends - gap, value=monthly.to_numpy(), month=[f"{t:%b %Y}" for t in starts])
    bars = figure.quad(left="left", right="right", top="value", bottom=0, source=data, fill_color=UP, fill_alpha=0.55,
                       line_color=UP)  # fmt: skip
    level(figure, mean, f"mean {number(mean)}×", ACCENT, starts[0], ends[-1])
    time_axis(figure)
    figure.y_range.start = 0
    style_axes(figure, y="0,0.0[0]")
    figure.yaxis.axis_label = "× equity per month"
    finish_factor(figure, [bars], {"month": "@month", "traded over equity": "@value{0,0.00}×"}, legend=True)
    return figure


def turnover_frame(account: pd.DataFrame | pd.Series) -> pd.Series:
    """Return the value traded over equity, added up by calendar month (UTC)."""
    if isinstance(account, pd.DataFrame):
        if not need(account, "traded"):
            return pd.Series(dtype=float)
        account = account["traded"]
    ratio = account.replace([np.inf, -np.inf], np.nan).dropna()
    return ratio.resample("MS").sum() if len(ratio) else pd.Series(dtype=float)


def allocation_chart(positions: pd.DataFrame, *, height: int = 260) -> Any:
    """Draw what equity is invested in over time, stacked: longs above 0, shorts below it.

    Parameters
    ----------
    positions : DataFrame, time × symbol
        Signed fractions of equity held after the fill. The six largest on average are drawn, the rest as one;
        each point is the mean of its stretch of time.
    """
    if positions.empty or not bool((positions.fillna(0.0) != 0).any().any()):
        return placeholder("Asset allocation", _NO_POSITIONS if positions.empty else "nothing was ever held")
    layers = allocation_frame(positions)
    figure = factor_figure(
        "Asset allocation: share of equity, longs above 0, shorts below", height, x_axis_type="datetime"
    )
    times = naive_utc(pd.DatetimeIndex(layers.index))
    top, bottom = np.zeros(len(layers)), np.zeros(len(layers))
    drawn = []
    for i, name in enumerate(layers.columns):
        values = layers[name].to_numpy()
        color = NEUTRAL if name == _REST else CYCLE[i % len(CYCLE)]
        longs, shorts = np.clip(values, 0, None), np.clip(values, None, 0)
        for part, base in ((longs, top), (shorts, bottom)):
            if not part.any():
                continue
            figure.varea(times, base, base + part, fill_color=color, fill_alpha=0.6, legend_label=str(name),
                         hatch_pattern=_HATCHES[i % len(_HATCHES)], hatch_color=color, hatch_alpha=0.7)  # fmt: skip
        top, bottom = top + longs, bottom + shorts
        data = source(time=times, edge=np.where(values >= 0, top, bottom), value=values, name=[str(name)] * len(values))
        drawn.append(figure.line("time", "edge", source=data, line_color=color, line_width=0.8))
    time_axis(figure)
    style_axes(figure, y="0%")
    figure.yaxis.axis_label = "share of equity"
    told = {"asset": "@name", "time": "@time{%F}", "share": "@value{+0.0%}"}
    finish_factor(figure, drawn, told, legend=True, formatters={"@time": "datetime"})
    return figure


_REST = "others"


def allocation_frame(positions: pd.DataFrame) -> pd.DataFrame:
    """Return the mean share of the largest assets, and of the others together, in at most 400 stretches of time."""
    held = positions.fillna(0.0)
    order = held.abs().mean().sort_values(ascending=False, kind="stable").index
    leading = held[order[:MOST_LAYERS]].rename(columns=str)
    if len(order) > MOST_LAYERS:
        leading = leading.assign(**{_REST: held[order[MOST_LAYERS:]].sum(axis=1)})
    return stretches(leading)


def allocation_table(positions: pd.DataFrame) -> Table:
    """Return each asset's average share of equity, how long it was held on each side, and its extremes.

    Parameters
    ----------
    positions : DataFrame, time × symbol
        Signed fractions of equity held after the fill.
    """
    if positions.empty:
        return empty_table("Average allocation", _NO_POSITIONS)
    held = positions.fillna(0.0)
    frame = pd.DataFrame({
        "asset": [str(c) for c in held.columns], "gross": held.abs().mean().to_numpy(), "net": held.mean().to_numpy(),
        "long": (held > 0).mean().to_numpy(), "short": (held < 0).mean().to_numpy(),
        "highest": held.max().to_numpy(), "lowest": held.min().to_numpy(),
    }).sort_values("gross", ascending=False, kind="stable").reset_index(drop=True)  # fmt: skip
    idle = max(0.0, 1.0 - float(held.abs().sum(axis=1).mean()))
    columns = [
        Column("asset", "asset", str, True),
        Column("gross", "mean gross", percent),
        Column("net", "mean net", signed_percent),
        Column("long", "time long", percent),
        Column("short", "time short", percent),
        Column("highest", "highest", signed_percent),
        Column("lowest", "lowest", signed_percent),
    ]
    return Table(frame, columns, f"Average allocation, share of equity; in cash {percent(idle)} on average")


def cost_kinds_chart(
    costs: pd.DataFrame, *, equity: pd.DataFrame | pd.Series | float | None = None, height: int = 240
) -> Any:
    """Draw what was paid so far by kind: fees, slippage, funding, borrow and interest, stacked.

    Parameters
    ----------
    costs : DataFrame, time × kind
        Paid per bar (negative where received), in cash; with ``equity`` shown as a share of the starting capital.
    equity : DataFrame, Series or float, optional
        The account (column ``equity``), its equity, or the starting capital itself.
    """
    table = cost_frame(costs, equity)
    if len(table) < 2 or table.shape[1] == 0:
        return placeholder("Costs by kind", "the record has no costs: none were charged, or they were not kept")
    total = table.sum(axis=1)
    share = equity is not None
    words = percent(float(total.iloc[-1])) + " of the starting capital" if share else _cash(float(total.iloc[-1]))
    table = table.rename(columns=label_of)
    if table.shape[1] > 1:
        table["all"] = total
    return time_lines(
        table, "Costs by kind", "", title=f"Costs paid so far by kind: {words} in all",
        ylabel="paid so far", number="0.0%" if share else "0,0.00[00]", height=height, steps=[restyle(*_COST_LOOKS)],
    )  # fmt: skip


def cost_frame(costs: pd.DataFrame, equity: pd.DataFrame | pd.Series | float | None = None) -> pd.DataFrame:
    """Return running sums of the kinds ever charged, over the starting capital where ``equity`` is given."""
    frame = costs.set_index("time") if "time" in costs.columns else costs
    paid = frame[[c for c in COSTS if c in frame]].fillna(0.0)
    paid = paid.loc[:, (paid != 0).any()]
    return paid.cumsum() / _capital(equity)


def _capital(equity: pd.DataFrame | pd.Series | float | None) -> float:
    if isinstance(equity, pd.DataFrame):
        equity = equity.get("equity", pd.Series(dtype=float))
    if isinstance(equity, pd.Series):
        known = equity.dropna()
        equity = float(known.iloc[0]) if len(known) else None
    return float(equity) if equity else 1.0


def _cash(value: float) -> str:
    return number(value, 2 if abs(value) >= 10 else 4)


def cost_kinds_table(costs: pd.DataFrame, *, equity: pd.DataFrame | pd.Series | float | None = None) -> Table:
    """Return what was paid by kind in all, its share of all costs, and a year's worth.

    Parameters
    ----------
    costs : DataFrame, time × kind
        Paid per bar (negative where received), in cash; with ``equity`` shown as a share of the starting capital.
    equity : DataFrame, Series or float, optional
        The account (column ``equity``), its equity, or the starting capital itself.
    """
    table = cost_frame(costs, equity)
    if table.empty:
        return empty_table("Costs by kind", "none were charged")
    paid = table.iloc[-1]
    index = pd.DatetimeIndex(table.index)
    years = max((index[-1] - index[0]) / pd.Timedelta(days=365.25), 1e-9)
    whole_cost = float(paid.abs().sum()) or 1.0
    frame = pd.DataFrame({
        "kind": [label_of(str(k)) for k in paid.index], "paid": paid.to_numpy(),
        "share": paid.abs().to_numpy() / whole_cost, "yearly": paid.to_numpy() / years,
    })  # fmt: skip
    whole_row = {"kind": ["all"], "paid": [paid.sum()], "share": [np.nan], "yearly": [paid.sum() / years]}
    frame = pd.concat([frame, pd.DataFrame(whole_row)], ignore_index=True)
    write: Callable[[float], str] = (lambda v: percent(v, 2)) if equity is not None else _cash
    columns = [
        Column("kind", "kind", str, True),
        Column("paid", "paid in all", lambda v: write(float(v))),
        Column("share", "share of all costs", percent),
        Column("yearly", "paid per year", lambda v: write(float(v))),
    ]
    unit = "share of the starting capital" if equity is not None else "cash"
    marks = {(len(frame) - 1, c): "best" for c in ("kind", "paid", "yearly")}
    return Table(frame, columns, f"Costs by kind, {unit}; below 0 was received", marks)
