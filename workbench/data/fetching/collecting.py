"""Where fetched bars of one series gather until they are written: in chunks, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS, VIOLATIONS, bars_of
from workbench.data.fetching.failover import Failover
from workbench.data.fetching.judging import Page, Refused, empty_page, joined
from workbench.data.fetching.known_empty import KnownEmpty
from workbench.data.fetching.progress import Progress
from workbench.data.fetching.spans import Span, inside, runs, subtract, union
from workbench.data.store.barstore import BarStore
from workbench.data.store.kept import FINDING_COLUMNS
from workbench.data.venues.clock import Clock
from workbench.typing import FloatArray, IntArray

CHUNK_BARS = 50_000
CHUNK_SECONDS = 30.0


@dataclass
class Series:
    """Names of one stored series and of its grid in milliseconds."""

    source: str
    symbol: str
    timeframe: str
    step: int
    phase: int = 0


@dataclass
class Collector:
    """Bars, holes, revisions and refused rows of one series on their way into the store.

    Parameters
    ----------
    held : list of Span
        What the store holds; grows with each write.
    start : int
        Where the walk began, in milliseconds: bars held before it tell that the symbol trades already.
    """

    store: BarStore
    series: Series
    known_empty: KnownEmpty
    clock: Clock
    progress: Progress
    held: list[Span]
    start: int = 0
    chunk_bars: int = CHUNK_BARS
    added: int = 0
    chunks: int = 0
    shares: dict[str, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    revisions: list[dict[str, Any]] = field(default_factory=list)
    failovers: list[Failover] = field(default_factory=list)
    _pages: list[tuple[str, Page]] = field(default_factory=list)
    _rows: int = 0
    _recent: tuple[str, Page] = ("", empty_page())
    _holes: list[tuple[str, Span, str]] = field(default_factory=list)
    _findings: list[Refused] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _bad: set[int] = field(default_factory=set)
    _written: float = 0.0
    _failed: tuple[str, str, float, float] | None = None

    def __post_init__(self) -> None:
        self._written = self.clock.monotonic()

    @property
    def begun(self) -> bool:
        """Whether the series has a bar before the place where the walk is."""
        return self.added > 0 or self._rows > 0 or (len(self.held) > 0 and self.held[0].start < self.start)

    def push(self, venue: str, page: Page) -> None:
        """Take final bars; write when a chunk is full or half a minute has passed."""
        self._pages.append((venue, page))
        self._recent = (venue, page)
        self._rows += len(page.times)
        self._took_over(venue)
        self.progress.advance(len(page.times))
        if self._rows >= self.chunk_bars or self.clock.monotonic() - self._written >= CHUNK_SECONDS:
            self.flush()

    def hole(self, venue: str, span: Span, cause: str) -> None:
        """Take a span without a bar; times of refused rows get that cause."""
        bad = np.array(sorted(t for t in self._bad if span.start <= t < span.stop), np.int64)
        refused = runs(bad, self.series.step)
        self._holes += [(venue, s, cause) for s in subtract([span], refused)]
        self._holes += [(venue, s, "refused") for s in refused]
        self.progress.advance((span.stop - span.start) // self.series.step)

    def refuse(self, rows: Sequence[Refused]) -> None:
        """Take rows that are no bars; each is listed once."""
        fresh = [r for r in rows if repr(r) not in self._seen]  # repr: NaN equals NaN
        self._seen.update(map(repr, fresh))
        self.refused += fresh
        self._findings += fresh
        self._bad.update(r[1] for r in rows if r[0] in VIOLATIONS or r[0] == "conflicting_duplicate")

    def revise(self, venue: str, time: int, kept: FloatArray, other: FloatArray, note: str) -> None:
        """List a closed bar that came with other values on a second read, and log it."""
        from workbench.ops import get_logger

        stamp = pd.Timestamp(time, unit="ms", tz="UTC")
        rows = [
            {"symbol": self.series.symbol, "time": stamp, "venue": venue, "field": f,
             "kept": float(a), "other": float(b), "note": note}
            for f, a, b in zip(BAR_FIELDS, kept, other, strict=True) if a != b
        ]  # fmt: skip
        fresh = [r for r in rows if r not in self.revisions]
        self.revisions += fresh
        for row in fresh:
            get_logger("data").warning("a closed bar changed at its venue", **{**row, "time": str(stamp)})

    def known(self, venue: str, page: Page) -> Page:
        """Return the bars already taken from this venue at times of a page: of the last page, or of the store."""
        recent = self._recent[1] if self._recent[0] == venue else empty_page()
        _, at, _ = np.intersect1d(recent.times, page.times, assume_unique=True, return_indices=True)
        rest = np.setdiff1d(page.times, recent.times)
        rest = rest[inside(rest, self.held)]
        if not len(rest):
            return Page(recent.times[at], recent.rows[at])
        return joined([Page(recent.times[at], recent.rows[at]), self._stored(venue, rest)])

    def switch(self, left: str, took_over: str, reason: str) -> None:
        """Take note that another venue goes on; its first bar ends the time without any."""
        self._failed = (left, reason, self.clock.now(), self.clock.monotonic())
        self.progress.note(f"{took_over} goes on in place of {left}: {reason}")

    def flush(self) -> None:
        """Write what has gathered; holes are remembered only after the bars around them are stored."""
        pages, self._pages, self._rows = self._pages, [], 0
        self._written = self.clock.monotonic()
        if pages:
            self._write(pages)
            self.chunks += 1
        holes, self._holes = self._holes, []
        for venue, cause in dict.fromkeys((v, c) for v, _, c in holes):  # in order: the last word counts
            spans = union(s for v, s, c in holes if (v, c) == (venue, cause))
            self.known_empty.add(venue, cause, self.clock.now(), spans)

    def _write(self, pages: Sequence[tuple[str, Page]]) -> None:
        times = np.concatenate([p.times for _, p in pages])
        values = np.concatenate([p.rows for _, p in pages])
        venues = np.repeat([v for v, _ in pages], [len(p.times) for _, p in pages])
        order = np.argsort(times, kind="stable")
        index = time_index(times[order])
        bars = bars_of({self.series.symbol: pd.DataFrame(values[order], index=index, columns=list(BAR_FIELDS))})
        provenance = pd.DataFrame({"source": venues[order], "repaired": False}, index=index)
        s = self.series
        self.store.write(s.source, s.symbol, s.timeframe, bars, findings=self._finding_frame(), provenance=provenance)
        self._findings = []
        self.held = union([*self.held, *runs(times[order], s.step)])
        self.added += len(times)
        for venue, page in pages:
            self.shares[venue] = self.shares.get(venue, 0) + len(page.times)

    def _stored(self, venue: str, times: IntArray) -> Page:
        s = self.series
        start, stop = time_index(times[[0, -1]] + np.array([0, s.step]))
        bars = self.store.read(s.source, s.symbol, s.timeframe, start, stop)
        origin = self.store.provenance(s.source, s.symbol, s.timeframe, start, stop)["source"].astype(str).to_numpy()
        stamps = pd.DatetimeIndex(bars.index).as_unit("ms").asi8
        chosen = (origin == venue) & np.isin(stamps, times)
        return Page(stamps[chosen], bars.to_numpy(np.float64)[chosen])

    def _took_over(self, venue: str) -> None:
        if self._failed is None:
            return
        left, reason, at, since = self._failed
        self._failed = None
        done = Failover(self.series.symbol, left, venue, reason, at, self.clock.monotonic() - since)
        self.failovers.append(done)
        from workbench.ops import get_logger

        get_logger("data").warning(
            "another venue goes on", symbol=done.symbol, left=left, took_over=venue, reason=reason, seconds=done.seconds
        )

    def _finding_frame(self) -> pd.DataFrame | None:
        return finding_frame(self.series.symbol, self._findings) if self._findings else None


def finding_frame(symbol: str, refused: Sequence[Refused]) -> pd.DataFrame:
    """Return refused rows as findings: kind, symbol, time, field, value, note, set_aside."""
    rows = [
        (kind, symbol, pd.NaT if time < 0 else pd.Timestamp(time, unit="ms", tz="UTC"), name, value, note,
         kind not in ("duplicate", "unsorted"))
        for kind, time, name, value, note in refused
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(FINDING_COLUMNS))
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    return frame.astype({"value": float, "set_aside": bool})


def time_index(milliseconds: IntArray) -> pd.DatetimeIndex:
    """Return times in milliseconds as the index of bars."""
    return pd.DatetimeIndex(milliseconds.astype("datetime64[ms]"), tz="UTC", name="time").as_unit("us")
