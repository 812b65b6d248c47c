"""Fetching bars: what is asked, less what is stored and what venues have said to be empty, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import Settings, load_settings
from workbench.data.fetching.collecting import CHUNK_BARS, Collector, Series, finding_frame, time_index
from workbench.data.fetching.failover import VenueChain
from workbench.data.fetching.known_empty import known_answers
from workbench.data.fetching.progress import Progress, notebook_progress
from workbench.data.fetching.report import FetchReport, SeriesReport
from workbench.data.fetching.spans import (
    Span,
    ceil_grid,
    closed_edge,
    grid_phase,
    group_spans,
    intersect,
    missing_spans,
    n_bars,
    runs,
    step_ms,
    subtract,
)
from workbench.data.fetching.walking import Walk
from workbench.data.store.barstore import BarStore, open_store
from workbench.data.store.names import check_source, check_symbol
from workbench.data.timeframes import canonical_timeframe, utc_time
from workbench.data.venues.address import series_name, stand_ins
from workbench.data.venues.clock import Clock, SystemClock
from workbench.data.venues.rows import EARLIEST_MS
from workbench.data.venues.vocabulary import Venue
from workbench.errors import DataError

_FIRST_COIN = pd.Timestamp(EARLIEST_MS, unit="ms", tz="UTC")


def fetch(
    venues: str | Sequence[str | Venue],
    symbols: str | Sequence[str],
    timeframe: str,
    since: object,
    until: object = None,
    *,
    settings: Settings | None = None,
    store: BarStore | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
    at: str = "",
    source: str = "",
    overlap: bool = True,
    again: bool = False,
    chunk_bars: int = CHUNK_BARS,
) -> FetchReport:
    """Bring bars from market venues into the store, asking only for what is missing.

    Pages are walked forward and written in chunks, so a fetch that is stopped or killed goes on where it was. A bar
    that is not over yet is never stored. When a venue fails, the next of the list goes on with whole bars, and each
    bar keeps the venue that it came from (`BarStore.provenance`).

    Parameters
    ----------
    venues : str or sequence
        Names in the order of preference, such as ``"binance"`` or ``"binance,kraken"``.
    symbols : str or sequence of str
        Such as ``"BTC/USDT"``; perpetuals as ``"BTC/USDT:USDT"``.
    timeframe : str
        Bar length, such as ``"1h"``.
    since, until : date, text or None
        Open times from ``since`` up to, not including, ``until``; default: up to now.
    source : str
        Name of the stored series; default: the first venue's, such as ``binance``, or ``replay-binance`` where a replay
        venue stands in for it.
    overlap : bool
        Ask each page from the last bar of the page before, which proves that they join.
    again : bool
        Ask once more where venues have said before that they have no bar.

    Returns
    -------
    FetchReport
        ``complete`` is False when no venue could be asked to the end; what came until then is stored.

    Raises
    ------
    DataError
        For an unknown venue, symbol or time frame, a reversed range, and when the store cannot be written.
    """
    settings = settings or load_settings()
    clock = clock or SystemClock()
    length = canonical_timeframe(timeframe)
    chain = VenueChain(named_venues(venues, settings, clock, at), clock)
    asked, notes = asked_span(since, until, clock)
    names = named_symbols(symbols)
    name = check_source(source or series_name(chain.venues[0]))
    for symbol in names:  # all mistakes first, before the first bar
        chain.pick(symbol, length)
    job = _Job(settings, store or open_store(settings), chain, progress or notebook_progress(), overlap, again)
    reports = []
    for symbol in names:
        series = Series(name, symbol, length, step_ms(length), grid_phase(step_ms(length)))
        reports.append(job.bring(series, asked, chunk_bars))
    return FetchReport(tuple(reports), (*stand_ins(chain.venues), *notes, *chain.notes))


def named_venues(venues: str | Sequence[str | Venue], settings: Settings, clock: Clock, at: str) -> list[Venue]:
    """Return venues by name; those given as objects stay.

    Raises
    ------
    DataError
        When a name is unknown, named twice, or none is named.
    """
    wanted = [v.strip() for v in venues.split(",")] if isinstance(venues, str) else list(venues)
    if not wanted or any(v == "" for v in wanted):
        raise DataError(f"no venue named in {venues!r}; write one such as 'binance', or several as 'binance,kraken'")
    labels = [v if isinstance(v, str) else v.name for v in wanted]
    twice = [v for v in labels if labels.count(v) > 1]
    if twice:
        raise DataError(f"venue {twice[0]!r} is named twice; name each once, in the order of preference")
    from workbench.data.venues.open import open_venue

    return [open_venue(v, settings, at=at, clock=clock) if isinstance(v, str) else v for v in wanted]


def named_symbols(symbols: str | Sequence[str]) -> list[str]:
    """Return symbols, each once.

    Raises
    ------
    DataError
        When there is none, or one that cannot be a symbol.
    """
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    if not names:
        raise DataError("no symbol named; write one such as 'BTC/USDT'")
    return [check_symbol(s) for s in dict.fromkeys(names)]


def asked_span(since: object, until: object, clock: Clock) -> tuple[Span, list[str]]:
    """Return what is asked in milliseconds, and a note where its end was in the future.

    Raises
    ------
    DataError
        When the start is missing, in the future, or not before the end.
    """
    now = pd.Timestamp(clock.now(), unit="s", tz="UTC")
    first, last = utc_time(since, "since"), utc_time(until, "until")
    if first is None:
        raise DataError("since is missing; write the first day, such as '2020-01-01'")
    if last is not None and first >= last:
        raise DataError(f"since {since!s} is not before until {until!s}; exchange them")
    if first >= now:
        raise DataError(f"since {since!s} lies in the future; it is {now:%Y-%m-%d %H:%M} UTC")
    notes = []
    if last is not None and last > now:
        notes.append(f"until {until!s} lies in the future; fetched to {now:%Y-%m-%d %H:%M} UTC")
    stop = now if last is None or last > now else last
    if stop <= _FIRST_COIN:
        raise DataError(
            f"until {until!s} lies before {_FIRST_COIN:%Y-%m-%d}, when nothing traded yet; choose a later end"
        )
    if first < _FIRST_COIN:
        notes.append(f"since {since!s} lies before the first coin; fetched from {_FIRST_COIN:%Y-%m-%d}")
        first = _FIRST_COIN
    return Span(first.value // 1_000_000, stop.value // 1_000_000), notes


class _Job:
    """One fetch: the store, the venues and how to ask them."""

    def __init__(
        self, settings: Settings, store: BarStore, chain: VenueChain, progress: Progress, overlap: bool, again: bool
    ) -> None:
        self.settings, self.store, self.chain, self.progress = settings, store, chain, progress
        self.overlap, self.again = overlap, again

    def bring(self, series: Series, asked: Span, chunk_bars: int) -> SeriesReport:
        """Fetch one series and report it."""
        chain, began, before = self.chain, self.chain.clock.monotonic(), self.chain.requests
        held = held_spans(self.store, series)
        venue = chain.pick(series.symbol, series.timeframe)
        asked = self._on_grid(asked, series)
        known = known_answers(self.settings, series.source, series.symbol, series.timeframe)
        collector = Collector(self.store, series, known, chain.clock, self.progress, held, chunk_bars=chunk_bars)
        empty = [] if self.again else known.empty((venue or chain.venues[0]).name, chain.clock.now())
        missing = missing_spans(asked, held, empty, asked.stop)
        complete = self._walk(series, collector, missing, venue)
        seconds = chain.clock.monotonic() - began
        return self._report(collector, asked, complete, chain.requests - before, seconds)

    def _walk(self, series: Series, collector: Collector, missing: list[Span], venue: Venue | None) -> bool:
        if not missing:
            return True
        if venue is None:
            return False
        self.progress.begin(f"{series.symbol} {series.timeframe}", n_bars(missing, series.step))
        walk = Walk(
            self.chain, collector, series.symbol, series.timeframe, series.step, series.phase, overlap=self.overlap
        )
        limit = venue.page_limit(series.timeframe)
        try:
            for group in group_spans(missing, series.step, limit - 2):
                collector.start = group.start
                if not walk.over(intersect(missing, [group])):
                    return False
        finally:  # stopped by hand or by an error: what came is kept
            collector.flush()
            self.progress.end()
        return True

    def _on_grid(self, asked: Span, series: Series) -> Span:
        edge = closed_edge(int(self.chain.clock.now() * 1000), series.step, series.phase)
        start = ceil_grid(asked.start, series.step, series.phase)
        return Span(start, max(start, min(ceil_grid(asked.stop, series.step, series.phase), edge)))

    def _report(self, collector: Collector, asked: Span, complete: bool, requests: int, seconds: float) -> SeriesReport:
        series = collector.series
        gaps = collector.known_empty.causes(subtract([asked], collector.held), "pending" if complete else "venue_down")
        notes = _notes(series, gaps, asked, self.chain.reason() if not complete else "")
        return SeriesReport(
            symbol=series.symbol,
            timeframe=series.timeframe,
            source=series.source,
            asked=asked,
            step=series.step,
            held=tuple(intersect(collector.held, [asked])),
            gaps=tuple(gaps),
            added=collector.added,
            requests=requests,
            seconds=seconds,
            complete=complete,
            shares=source_shares(self.store, series, asked),
            revisions=tuple(collector.revisions),
            refused=finding_frame(series.symbol, collector.refused),
            failovers=tuple(collector.failovers),
            notes=tuple(notes),
        )


def _notes(series: Series, gaps: Sequence[tuple[Span, str]], asked: Span, down: str) -> list[str]:
    notes = []
    first = next((s for s, cause in gaps if cause == "not_listed" and s.start == asked.start), None)
    if first is not None and first.stop >= asked.stop:
        notes.append(f"{series.symbol} did not trade in this time")
    elif first is not None:
        notes.append(f"{series.symbol} trades from {_say(first.stop)}; fetched from there")
    capped = [s for s, cause in gaps if cause == "capped"]
    if capped:
        notes.append(
            f"the venue keeps only its latest bars, none before {_say(capped[-1].stop)}; name another venue first"
        )
    if down:
        notes.append(f"not complete: {down}; run it again to go on where it stopped")
    return notes


def _say(milliseconds: int) -> str:
    return f"{pd.Timestamp(milliseconds, unit='ms', tz='UTC'):%Y-%m-%d %H:%M}"


def held_spans(store: BarStore, series: Series) -> list[Span]:
    """Return what the store holds of a series."""
    if not store.has(series.source, series.symbol, series.timeframe):
        return []
    bars = store.read(series.source, series.symbol, series.timeframe)
    return runs(pd.DatetimeIndex(bars.index).as_unit("ms").asi8, series.step)


def source_shares(store: BarStore, series: Series, asked: Span) -> dict[str, int]:
    """Return the number of stored bars inside a span by the venue that they came from."""
    if asked.start >= asked.stop or not store.has(series.source, series.symbol, series.timeframe):
        return {}
    start, stop = time_index(np.array(asked, np.int64))
    origin: Any = store.provenance(series.source, series.symbol, series.timeframe, start, stop)
    counts = origin["source"].astype(str).value_counts()
    return {str(venue): int(n) for venue, n in counts.items() if n}
