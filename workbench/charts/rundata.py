"""Tables of one finished run, and of the quality of its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.costcurves import short_money
from workbench.charts.tables import Column, Table, frame_table, moment, number, percent, signed_percent, whole


def trades_table(trades: pd.DataFrame, *, limit: int = 100, capital: float | None = None) -> Table:
    """Return the round trips, latest first, with what each earned net of costs.

    Parameters
    ----------
    trades : DataFrame
        One row per round trip; the latest ``limit`` are shown.
    capital : float, optional
        Starting capital in the unit of ``pnl``: profit is then in percent of it; without it in the account's currency.
    """
    latest = trades.sort_values("exit_time", ascending=False)
    keep = [
        c
        for c in ("symbol", "side", "entry_time", "exit_time", "bars", "entry_price", "exit_price", "pnl", "return")
        if c in latest
    ]
    caption = f"{len(trades):,} round trips, latest first, net of costs"
    table = frame_table(latest[keep], caption=caption, percents=("return",), limit=limit)
    profit = Column("pnl", "profit", short_money)
    if capital:
        profit = Column("pnl", "profit, of the capital", lambda v: signed_percent(float(v) / capital))
    columns = [profit if c.key == "pnl" else c for c in table.columns]
    return Table(table.frame, columns, table.caption)


def folds_table(folds: pd.DataFrame) -> Table:
    """Return the walk-forward folds with their sizes, purged rows and test accuracy."""
    percents = [c for c in folds.columns if c.endswith("accuracy")]
    table = frame_table(folds.reset_index(drop=True), caption="Walk-forward folds, times in UTC", limit=400)
    columns = [Column(c.key, c.heading, percent) if c.key in percents else c for c in table.columns]
    return Table(table.frame, columns, table.caption)


def exposure_table(positions: pd.DataFrame) -> Table:
    """Return long, short, gross and net exposure per asset and in total at the last bar, as shares of equity.

    Parameters
    ----------
    positions : DataFrame, time × symbol
        Signed fractions of equity held after the fill.
    """
    last = positions.fillna(0.0).iloc[-1]
    rows = [{"asset": str(s), "side": _side(v), "net": v, "gross": abs(v)} for s, v in last.items()]
    rows.append({"asset": "total", "side": _side(last.sum()), "net": last.sum(), "gross": last.abs().sum()})
    mean = positions.fillna(0.0).abs().mean()
    for row, value in zip(rows, [*mean, mean.sum()], strict=True):
        row["mean"] = value
    frame = pd.DataFrame(rows)
    columns = [
        Column("asset", "asset", str, True),
        Column("side", "side", str, True),
        Column("net", "net", signed_percent),
        Column("gross", "gross", percent),
        Column("mean", "mean gross", percent),
    ]
    marks = {(len(frame) - 1, c): "best" for c in ("asset", "net", "gross", "mean")}
    return Table(frame, columns, f"Exposure at {moment(positions.index[-1])} UTC, share of equity", marks)


def positions_table(positions: pd.DataFrame, fills: pd.DataFrame | None = None) -> Table:
    """Return the open positions: side, share of equity, since when, bars held and the last fill.

    Parameters
    ----------
    positions : DataFrame, time × symbol
        Signed fractions of equity held after the fill.
    fills : DataFrame, optional
        Columns time, symbol and price.
    """
    held = positions.fillna(0.0)
    rows = []
    for symbol in held.columns:
        weights = held[symbol]
        if weights.iloc[-1] == 0:
            continue
        side = np.sign(weights.to_numpy())
        other = np.flatnonzero(side != side[-1])
        start = int(other[-1]) + 1 if len(other) else 0
        own = fills[fills["symbol"] == symbol] if fills is not None else None
        price = float(own.sort_values("time")["price"].iloc[-1]) if own is not None and len(own) else float("nan")
        row = {
            "asset": str(symbol),
            "side": _side(weights.iloc[-1]),
            "weight": weights.iloc[-1],
            "since": held.index[start],
        }
        rows.append({**row, "bars": len(held) - start, "price": price})
    frame = pd.DataFrame(rows, columns=["asset", "side", "weight", "since", "bars", "price"])
    columns = [
        Column("asset", "asset", str, True),
        Column("side", "side", str, True),
        Column("weight", "share of equity", signed_percent),
        Column("since", "since, UTC", moment),
        Column("bars", "bars held", whole),
        Column("price", "last fill", number),
    ]
    return Table(frame, columns, f"{len(frame)} open positions" if len(frame) != 1 else "1 open position")


def _side(value: float) -> str:
    return "▲ long" if value > 0 else "▼ short" if value < 0 else "flat"


def risk_table(measures: Mapping[str, Mapping[str, float]], *, caption: str = "") -> Table:
    """Return loss measures by method.

    Parameters
    ----------
    measures : mapping of mapping
        Measure in words -> method -> value as a positive fraction of equity.
    """
    frame = pd.DataFrame(measures).T.rename_axis("measure").reset_index()
    columns = [
        Column("measure", "measure", str, True),
        *(Column(c, c, lambda v: percent(v, 2)) for c in frame.columns[1:]),
    ]
    return Table(frame, columns, caption)


def quality_table(findings: pd.DataFrame, *, limit: int = 200) -> Table:
    """Return the findings of a quality report: kind, symbol, time, field, value and note."""
    return frame_table(findings.reset_index(drop=True), caption=f"{len(findings):,} findings", decimals=4, limit=limit)


def facts_table(facts: Mapping[str, Any], *, caption: str = "") -> Table:
    """Return names and values below each other: parameters, data set, environment."""
    rows = [{"name": str(k).replace("_", " "), "value": _fact(v)} for k, v in facts.items()]
    columns = [Column("name", "name", str, True), Column("value", "value", str, True, True)]
    return Table(
        pd.DataFrame(rows, columns=["name", "value"]), columns, caption, {(i, "name"): "soft" for i in range(len(rows))}
    )


def _fact(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return whole(value) if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 10_000 else number(value, 2)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
