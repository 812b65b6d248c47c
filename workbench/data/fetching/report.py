"""What a fetch brought: coverage, gaps with their causes, sources, revisions, refused rows, failovers and the rate."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workbench.data.fetching.failover import Failover
from workbench.data.fetching.known_empty import CAUSES
from workbench.data.fetching.spans import Span, intersect, n_bars, subtract

GAP_COLUMNS = ("symbol", "start", "stop", "bars", "cause")
REVISION_COLUMNS = ("symbol", "time", "venue", "field", "kept", "other", "note")
_NOT_EXPECTED = ("not_listed", "delisted")
_MOST_MONTHS = 24
_SHOWN_GAPS = 12


@dataclass(frozen=True)
class SeriesReport:
    """One series after a fetch.

    Attributes
    ----------
    asked : Span
        What was asked for and is over, in milliseconds.
    step : int
        Length of a bar in milliseconds.
    held : tuple of Span
        Bars stored now inside ``asked``.
    gaps : tuple of (Span, str)
        What is not, and why (a key of `CAUSES`).
    shares : dict
        Bars stored now inside ``asked``, by the venue that they came from.
    """

    symbol: str
    timeframe: str
    source: str
    asked: Span
    step: int
    held: tuple[Span, ...]
    gaps: tuple[tuple[Span, str], ...]
    added: int
    requests: int
    seconds: float
    complete: bool
    shares: dict[str, int]
    revisions: tuple[dict[str, Any], ...]
    refused: pd.DataFrame
    failovers: tuple[Failover, ...]
    notes: tuple[str, ...]

    @property
    def n_held(self) -> int:
        """Bars stored inside the asked span."""
        return n_bars(self.held, self.step)

    @property
    def expected(self) -> list[Span]:
        """The asked span without the time before the symbol's listing and after its end."""
        return subtract([self.asked], [s for s, cause in self.gaps if cause in _NOT_EXPECTED])

    @property
    def coverage(self) -> float:
        """Share of the expected bars that are stored."""
        wanted = n_bars(self.expected, self.step)
        return n_bars(intersect(self.held, self.expected), self.step) / wanted if wanted else 1.0

    @property
    def rate(self) -> float:
        """Bars added a second."""
        return self.added / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class FetchReport:
    """What `fetch` did.

    Attributes
    ----------
    series : tuple of SeriesReport
        One a symbol.
    notes : tuple of str
        Lines that a person should read: clamped ends, venues passed over.
    """

    series: tuple[SeriesReport, ...]
    notes: tuple[str, ...] = ()
    checks: tuple[Any, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Whether a venue could be asked for all that was missing."""
        return all(s.complete for s in self.series)

    @property
    def added(self) -> int:
        """Bars added to the store."""
        return sum(s.added for s in self.series)

    @property
    def requests(self) -> int:
        """Requests made, those for lists of markets left out."""
        return sum(s.requests for s in self.series)

    def frame(self) -> pd.DataFrame:
        """Return one row a series: symbol, timeframe, source, bars, added, coverage, requests, seconds, rate, …

        ``coverage`` is the share of the bars from listing to the end of what was asked; ``gaps`` counts bars.
        """
        rows = [
            {
                "symbol": s.symbol, "timeframe": s.timeframe, "source": s.source, "bars": s.n_held, "added": s.added,
                "coverage": s.coverage, "missing": n_bars([g for g, c in s.gaps if c not in _NOT_EXPECTED], s.step),
                "requests": s.requests, "seconds": s.seconds, "rate": s.rate, "venues": _shares(s.shares),
                "revisions": len(s.revisions), "refused": int(s.refused["set_aside"].sum()),
                "failovers": len(s.failovers), "complete": s.complete,
            }
            for s in self.series
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def gaps(self) -> pd.DataFrame:
        """Return the holes: symbol, start, stop (first bar after it), bars, cause (a key of `CAUSES`)."""
        rows = [
            (s.symbol, _time(g.start), _time(g.stop), n_bars([g], s.step), cause)
            for s in self.series
            for g, cause in s.gaps
        ]
        return pd.DataFrame(rows, columns=list(GAP_COLUMNS))

    def revisions(self) -> pd.DataFrame:
        """Return closed bars that came with other values on a second read: one row a field."""
        return pd.DataFrame([r for s in self.series for r in s.revisions], columns=list(REVISION_COLUMNS))

    def refused(self) -> pd.DataFrame:
        """Return the rows that were not taken: kind, symbol, time, field, value, note, set_aside."""
        frames = [s.refused for s in self.series if len(s.refused)] or [s.refused for s in self.series[:1]]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def failovers(self) -> pd.DataFrame:
        """Return the changes of venue: symbol, left, took_over, reason, at, seconds until its first bar."""
        rows = [{**vars(f), "at": pd.Timestamp(f.at, unit="s", tz="UTC")} for s in self.series for f in s.failovers]
        return pd.DataFrame(rows, columns=["symbol", "left", "took_over", "reason", "at", "seconds"])

    def periods(self) -> pd.DataFrame:
        """Return the share of expected bars that are stored: one row a month (a year beyond two), a column a symbol."""
        return pd.DataFrame({s.symbol: _by_period(s) for s in self.series}).sort_index().rename_axis("period")

    def lines(self) -> list[str]:
        """Return the report as lines of plain text, without its tables."""
        lines = []
        for s in self.series:
            lines.append(
                f"{s.symbol} {s.timeframe} ({s.source}): {s.n_held:,} bars, {s.added:,} new, "
                f"coverage {s.coverage:.2%}; {s.requests} request(s) in {s.seconds:.1f} s"
                + (f", {s.rate:,.0f} bars/s" if s.added else "")
                + ("" if s.complete else "; not complete")
            )
            if len(s.shares) > 1:
                lines.append(f"  from {_shares(s.shares)}")
            lines += [f"  {note}" for note in s.notes]
            lines += [
                f"  {f.took_over} went on {f.seconds:.3f} s after {f.left} failed: {f.reason}" for f in s.failovers
            ]
            if s.revisions:
                n = len({r["time"] for r in s.revisions})
                lines.append(f"  {n} closed bar(s) came with other values on a second read; see revisions()")
            if len(s.refused):
                kinds = s.refused["kind"].value_counts().items()
                lines.append("  refused: " + ", ".join(f"{n} {kind}" for kind, n in kinds))
        return [*self.notes, *lines]

    def __str__(self) -> str:
        """Return the lines and the first gaps."""
        return "\n".join([*self.lines(), *gap_lines(self.gaps())])

    def _repr_html_(self) -> str:
        gaps = self.gaps()
        shown = gaps.head(_SHOWN_GAPS).to_html(index=False) if len(gaps) else "<p>no gap</p>"
        more = f"<p>… and {len(gaps) - _SHOWN_GAPS} more: .gaps()</p>" if len(gaps) > _SHOWN_GAPS else ""
        notes = "".join(f"<p>{html.escape(n)}</p>" for n in self.notes)
        return notes + self.frame().to_html(index=False) + shown + more


def gap_lines(gaps: pd.DataFrame, most: int = _SHOWN_GAPS) -> list[str]:
    """Return gaps as lines of text, the first so many."""
    lines = [
        f"  gap {g.symbol} {g.start:%Y-%m-%d %H:%M} to {g.stop:%Y-%m-%d %H:%M}: {g.bars} bar(s), {CAUSES[str(g.cause)]}"
        for g in gaps.head(most).itertuples()
    ]
    return lines + ([f"  … and {len(gaps) - most} more gaps"] if len(gaps) > most else [])


def _by_period(s: SeriesReport) -> pd.Series:
    first, last = _time(s.asked.start), _time(s.asked.stop)
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    unit, form = ("MS", "%Y-%m") if months <= _MOST_MONTHS else ("YS", "%Y")
    begins = pd.date_range(first.normalize().replace(day=1, month=1 if unit == "YS" else first.month), last, freq=unit)
    edges = [*(int(t.value // 1_000_000) for t in begins), s.asked.stop]
    shares: dict[str, float] = {}
    for begin, stop in itertools.pairwise(edges):
        span = [Span(begin, stop)]
        wanted = _count(intersect(s.expected, span), s.step)
        if wanted:
            shares[f"{_time(begin):{form}}"] = _count(intersect(s.held, span), s.step) / wanted
    return pd.Series(shares, dtype=float)


def _count(spans: Iterable[Span], step: int) -> float:
    return sum((s.stop - s.start) / step for s in spans)


def _shares(shares: dict[str, int]) -> str:
    whole = sum(shares.values())
    ordered: Sequence[tuple[str, int]] = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{venue} {n / whole:.1%}" for venue, n in ordered) if whole else ""


def _time(milliseconds: int) -> pd.Timestamp:
    return pd.Timestamp(milliseconds, unit="ms", tz="UTC")
