"""Why bars are missing: one gap, what is known around it, and the rule that decides."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from workbench.data.quality.calendars import Calendar
from workbench.data.universe.breaks import Break
from workbench.data.universe.identities import Identity

CAUSES = {
    "venue_down": "the venue was down: most of its other series lack the same bars",
    "not_listed": "the symbol did not trade yet",
    "delisted": "the symbol stopped trading, or another asset took it over",
    "market_closed": "the market rested: most other series with its sessions lack the same bars",
    "no_trades": "the venue has no bar there: nobody traded",
    "unknown": "nothing tells",
}
"""Causes of a gap: machine key and words."""

_SAID = {
    "venue_down": "bars were never brought: no venue could be asked",
    "capped": "the venue keeps only its latest bars",
    "refused": "the venue's rows break the bars convention",
    "pending": "the venue did not have them yet when it was asked",
}
_THIN_HOLES = 10


@dataclass(frozen=True)
class Gap:
    """Missing bars: first missing open time, open time of the next bar, and how many are missing."""

    start: pd.Timestamp
    end: pd.Timestamp
    missing: int


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known around a gap.

    Attributes
    ----------
    asked, lacking : int
        Other series that traded around it, and how many of them lack the same bars.
    thin : int
        Other short holes of this series alone within 500 bars to either side.
    has_idle_bars : bool
        The series has bars without volume, so its venue writes a bar also when nobody trades.
    notes : DataFrame, optional
        What the venue said when bars were fetched: start, stop, venue, cause.
    """

    calendar: Calendar
    asked: int = 0
    lacking: int = 0
    thin: int = 0
    has_idle_bars: bool = False
    breaks: list[Break] = field(default_factory=list)
    identities: tuple[Identity, ...] = ()
    notes: pd.DataFrame | None = None


def cause_of(gap: Gap, evidence: Evidence) -> tuple[str, str]:
    """Return the cause of a gap (a key of `CAUSES`) and one sentence of evidence; first rule that fits wins."""
    rules = (_another_asset, _others_lack_it, _venue_said, _trades_thinly)
    for rule in rules:
        told = rule(gap, evidence)
        if told is not None:
            return told
    if not evidence.asked:
        return "unknown", "no other series of the source traded around it, and the venue was not asked"
    return "unknown", f"{evidence.lacking} of {evidence.asked} other series lack the same bars; the venue was not asked"


def _another_asset(gap: Gap, evidence: Evidence) -> tuple[str, str] | None:
    for b in evidence.breaks:
        if b.before < gap.start < b.after:
            who = f"{b.asset_before} before, {b.asset_after} after" if b.known else "likely another asset after it"
            return "delisted", f"{who}; {b.note}"
    lines = evidence.identities
    inside = [i for i in lines if (i.since is None or i.since < gap.end) and (i.until is None or i.until > gap.start)]
    ended = [i for i in inside if i.until is not None and gap.start <= i.until < gap.end]
    if ended:
        return "delisted", f"{ended[0].asset} stopped trading under this symbol: {ended[0].note}"
    if lines and not inside:
        return "delisted", f"no asset had this symbol then: {lines[0].note}"
    return None


def _others_lack_it(_: Gap, evidence: Evidence) -> tuple[str, str] | None:
    if not evidence.asked or 2 * evidence.lacking <= evidence.asked:
        return None
    cause = "venue_down" if evidence.calendar == "24/7" else "market_closed"
    count = f"{evidence.lacking} of {evidence.asked} other series lack the same bars"
    return cause, count


def _venue_said(gap: Gap, evidence: Evidence) -> tuple[str, str] | None:
    notes = evidence.notes
    if notes is None or notes.empty:
        return None
    last = gap.end - pd.Timedelta(1, unit="us")
    told = notes[(notes["start"] <= last) & (notes["stop"] > gap.start)]
    if told.empty:
        return None
    spans = zip(told["cause"], told["start"], told["stop"], strict=True)
    covered: dict[str, pd.Timedelta] = {}
    for cause, start, stop in spans:
        shared = min(stop, gap.end) - max(start, gap.start)
        covered[str(cause)] = covered.get(str(cause), pd.Timedelta(0)) + shared
    said = max(covered, key=lambda cause: covered[cause])
    venues = ", ".join(sorted({str(v) for v in told.loc[told["cause"] == said, "venue"]}))
    if said in ("not_listed", "delisted"):
        return said, f"{venues} says: {CAUSES[said]}"
    if said in _SAID:
        return "unknown", f"{venues}: {_SAID[said]}"
    others = f"; {evidence.lacking} of {evidence.asked} other series lack them too" if evidence.asked else ""
    return "no_trades", f"{venues} was asked and has no bar there{others}"


def _trades_thinly(gap: Gap, evidence: Evidence) -> tuple[str, str] | None:
    if evidence.thin < _THIN_HOLES or gap.missing > 48 or evidence.has_idle_bars:
        return None
    return "no_trades", f"thin trading: {evidence.thin} other short holes of this series alone within 1,000 bars"
