"""Tables of the store: its series and their freshness, gaps with causes, shares of venues, states of venues."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from workbench.charts.tables import Column, Table, moment, number, percent, whole

_STATES = {"fresh": "● fresh", "late": "▲ late", "stale": "■ stale", "damaged": "✗ damaged"}
_STATE_MARKS = {"fresh": "pass", "late": "fail", "stale": "soft", "damaged": "fail"}
_LAMPS = {"closed": "● asked as usual", "half-open": "◐ on probation", "open": "▲ not asked", "banned": "✗ banned"}
_LAMP_MARKS = {"closed": "pass", "half-open": "fail", "open": "fail", "banned": "fail"}


def size_text(n_bytes: float) -> str:
    """Write a size on disk: 1,234,567 -> ``1.2 MB``."""
    size, units = float(n_bytes), ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:,.0f} {units[0]}" if units[0] == "B" else f"{size:,.1f} {units[0]}"


def age_text(age: pd.Timedelta) -> str:
    """Write a time span by its two largest units: ``3 d 4 h``, ``12 min``."""
    minutes = int(age / pd.Timedelta(minutes=1))
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days >= 10:
        return f"{days:,} d"
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def catalogue_table(series: pd.DataFrame, *, now: datetime | None = None, limit: int = 500) -> Table:
    """Return what the store holds, one row per series.

    Parameters
    ----------
    series : DataFrame
        As `BarStore.list` returns, or with the columns age, behind and state of `workbench.data.freshness`.
    now : datetime, optional
        When the freshness was measured; it stands in the caption.
    """
    shown = series.head(limit).reset_index(drop=True)
    columns = [
        Column("source", "source", str, True),
        Column("symbol", "symbol", str, True),
        Column("timeframe", "time frame", str, True),
        Column("bars", "bars", whole),
        Column("first", "first bar", moment),
        Column("last", "newest bar", moment),
        Column("version", "version", whole),
        Column("bytes", "size", size_text),
        Column("updated", "written", lambda v: moment(pd.Timestamp(v).floor("min"))),
    ]
    marks: dict[tuple[int, str], str] = {}
    if "state" in shown:
        columns[6:6] = [
            Column("state", "state", lambda v: _STATES[str(v)], True),
            Column("age", "age", lambda v: age_text(pd.Timedelta(v))),
            Column("behind", "bars behind", whole),
        ]
        marks = {(i, "state"): _STATE_MARKS[str(s)] for i, s in enumerate(shown["state"])}
    if (shown["status"] != "ok").any():
        columns.append(Column("status", "status", str, True, True))
        marks |= {(i, "status"): "fail" for i, s in enumerate(shown["status"]) if s != "ok"}
    total = size_text(float(series["bytes"].sum()))
    when = f", freshness at {now:%Y-%m-%d %H:%M}" if now is not None else ""
    caption = f"{len(series):,} series in the store, {total} on disk in their newest versions{when}, times in UTC"
    return Table(shown, columns, caption + _more(series, limit), marks)


def gaps_table(gaps: pd.DataFrame, *, limit: int = 200) -> Table:
    """Return the gaps with their causes, the longest first.

    Parameters
    ----------
    gaps : DataFrame
        As `workbench.data.gap_table` returns.
    """
    longest = gaps.sort_values("bars_missing", ascending=False, kind="stable").reset_index(drop=True)
    shown = longest.head(limit)
    columns = [
        Column("symbol", "symbol", str, True),
        Column("start", "first missing bar", moment),
        Column("end", "next bar", moment),
        Column("bars_missing", "bars missing", whole),
        Column("cause", "cause", _words, True),
        Column("evidence", "why", str, True, True),
    ]
    marks = {(i, "cause"): "fail" for i, c in enumerate(shown["cause"]) if c == "unknown"}
    caption = f"{len(gaps):,} gaps, {int(gaps['bars_missing'].sum()):,} bars missing, longest first, times in UTC"
    return Table(shown, columns, caption + _more(gaps, limit), marks)


def gap_causes_table(gaps: pd.DataFrame) -> Table:
    """Return how many gaps and missing bars each cause explains."""
    counts = pd.DataFrame(gaps.groupby("cause")["bars_missing"].agg(gaps="size", bars="sum"))
    counts = counts.sort_values("bars", ascending=False)
    counts = counts.assign(share=counts["bars"] / max(1, int(counts["bars"].sum()))).reset_index()
    columns = [
        Column("cause", "cause", _words, True),
        Column("gaps", "gaps", whole),
        Column("bars", "bars missing", whole),
        Column("share", "share of missing bars", percent),
    ]
    return Table(counts, columns, "Gaps by cause")


def shares_table(shares: pd.DataFrame, *, limit: int = 500) -> Table:
    """Return the share of each venue and of repaired bars, as `workbench.data.source_shares` counts them."""
    columns = [
        Column("symbol", "symbol", str, True),
        Column("venue", "venue", str, True),
        Column("bars", "bars", whole),
        Column("share", "share", lambda v: percent(float(v), 2)),
        Column("repaired", "repaired bars", whole),
        Column("repaired_share", "repaired share", lambda v: percent(float(v), 2)),
    ]
    return Table(shares.head(limit).reset_index(drop=True), columns, "Bars by venue" + _more(shares, limit))


def venues_table(states: pd.DataFrame) -> Table:
    """Return the state of each venue: breaker or ban, until when, budget used and clock skew.

    Parameters
    ----------
    states : DataFrame
        As `workbench.data.venues.open.venue_states` returns.
    """
    shown = states.reset_index(drop=True)
    columns = [
        Column("venue", "venue", str, True),
        Column("state", "state", lambda v: _LAMPS.get(str(v), str(v)), True),
        Column("failures", "failures, last minute", whole),
        Column("until", "asked again from", _second),
        Column("budget_used", "budget used", percent),
        Column("clock_skew", "clock ahead by", lambda v: f"{number(float(v), 2)} s"),
        Column("last_error", "last error", lambda v: str(v) or "–", True, True),
    ]
    marks = {(i, "state"): _LAMP_MARKS.get(str(s), "fail") for i, s in enumerate(shown["state"])}
    return Table(shown, columns, "Venues, as all processes of this machine see them; times in UTC", marks)


def _words(key: Any) -> str:
    return str(key).replace("_", " ")


def _second(time: Any) -> str:
    return pd.Timestamp(time).strftime("%Y-%m-%d %H:%M:%S")


def _more(frame: pd.DataFrame, limit: int) -> str:
    return f" (first {limit:,} of {len(frame):,} rows)" if len(frame) > limit else ""
