"""Fetching what is no bar: trades, funding rates, open interest; and bars of the mark and index price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from workbench.config import Settings, did_you_mean, load_settings
from workbench.data.fetching.failover import VenueChain, find_market
from workbench.data.fetching.fetch import asked_span, fetch, named_symbols, named_venues
from workbench.data.fetching.known_empty import KnownEmpty, known_answers
from workbench.data.fetching.progress import Progress, notebook_progress
from workbench.data.fetching.report import FetchReport
from workbench.data.fetching.spans import DAY_MS, Span, subtract
from workbench.data.fetching.walking import next_traded_day
from workbench.data.store.names import check_source
from workbench.data.timeframes import canonical_timeframe
from workbench.data.venues.address import series_name
from workbench.data.venues.answers import HistoryError
from workbench.data.venues.clock import Clock, SystemClock
from workbench.data.venues.vocabulary import Market, Venue
from workbench.errors import DataError, VenueError
from workbench.typing import FloatArray

if TYPE_CHECKING:
    from workbench.data.store.records import RecordStore

RecordKind = Literal["trades", "funding", "open_interest"]
RECORD_KINDS = ("trades", "funding", "open_interest")
_CHUNK_ROWS = 50_000
_CHUNK_SECONDS = 30.0
_COVERED = "covered"
_PAGE = 1000
_HOUR_MS = 3_600_000  # venues that answer by windows of time take an hour of trades at most


@dataclass(frozen=True)
class RecordsReport:
    """What `fetch_records` did for one symbol.

    Attributes
    ----------
    asked : tuple of Timestamp
        Start and end of what was asked for.
    first, last : Timestamp or None
        Of the records that were added.
    complete : bool
        Whether the venue could be asked to the end; what came until then is stored.
    """

    kind: str
    source: str
    symbol: str
    asked: tuple[pd.Timestamp, pd.Timestamp]
    added: int
    first: pd.Timestamp | None
    last: pd.Timestamp | None
    requests: int
    seconds: float
    complete: bool
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line, and the notes."""
        words = self.kind.replace("_", " ")
        text = f"{self.symbol} {words} ({self.source}): {self.added:,} new, {self.requests} request(s)"
        text += "" if self.complete else "; not complete"
        return "\n".join([text, *(f"  {note}" for note in self.notes)])


def fetch_records(
    kind: RecordKind,
    venues: str | Sequence[str | Venue],
    symbols: str | Sequence[str],
    since: object,
    until: object = None,
    *,
    timeframe: str = "1h",
    settings: Settings | None = None,
    records: RecordStore | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
    at: str = "",
    source: str = "",
) -> tuple[RecordsReport, ...]:
    """Bring trades, funding rates or open interest into the store, asking only for what is missing.

    What was covered is remembered in spans of time, written after the records themselves, so a fetch that is stopped
    or killed goes on where it was, and an earlier start asks for the earlier span alone. Only one venue is asked: the
    first of the list that has the symbol and is up.

    Parameters
    ----------
    kind : {"trades", "funding", "open_interest"}
    timeframe : str
        Of open interest.
    source : str
        Name of the stored series; default: the venue's.

    Raises
    ------
    DataError
        For an unknown kind, venue or symbol, a reversed range, a venue without such records.
    """
    if kind not in RECORD_KINDS:
        raise DataError(f"records of the kind {kind!r} are unknown.{did_you_mean(str(kind), RECORD_KINDS)}")
    settings, clock = settings or load_settings(), clock or SystemClock()
    if records is None:
        from workbench.data.store.records import open_records

        records = open_records(settings)
    chain = VenueChain(named_venues(venues, settings, clock, at), clock)
    asked, notes = asked_span(since, until, clock)
    names = named_symbols(symbols)
    for symbol in names:
        chain.pick(symbol)
    job = _Job(kind, canonical_timeframe(timeframe), settings, records, chain, progress or notebook_progress(), source)
    return tuple(job.bring(symbol, asked, notes) for symbol in names)


class _Job:
    """One fetch of records of one kind."""

    def __init__(
        self, kind: RecordKind, timeframe: str, settings: Settings, records: RecordStore, chain: VenueChain,
        progress: Progress, source: str,
    ) -> None:  # fmt: skip
        self.kind, self.timeframe, self.settings, self.records = kind, timeframe, settings, records
        self.chain, self.progress, self.source = chain, progress, source

    def bring(self, symbol: str, asked: Span, notes: Sequence[str]) -> RecordsReport:
        """Fetch the records of one symbol and report them."""
        chain, began, before = self.chain, self.chain.clock.monotonic(), self.chain.requests
        venue = chain.pick(symbol)
        source = check_source(self.source or series_name(venue or chain.venues[0]))
        label = self.kind if self.kind != "open_interest" else f"{self.kind}_{self.timeframe}"
        covered = known_answers(self.settings, source, symbol, label)
        held = covered.empty(_COVERED) if self.records.newest(self.kind, source, symbol) is not None else []
        run = _Run(self, source, symbol, covered)
        complete = venue is not None
        self.progress.begin(f"{symbol} {self.kind.replace('_', ' ')}", 0)
        try:
            for span in subtract([asked], held):
                complete = complete and venue is not None and run.over(venue, span)
        finally:
            run.flush()
            self.progress.end()
        told = [*notes, *chain.notes, *run.notes]
        if not complete:
            told.append(f"not complete: {chain.reason()}; run it again to go on where it stopped")
        start, stop = (pd.Timestamp(t, unit="ms", tz="UTC") for t in asked)
        return RecordsReport(
            self.kind, source, symbol, (start, stop), run.added, run.first, run.last, chain.requests - before,
            chain.clock.monotonic() - began, complete, tuple(told),
        )  # fmt: skip

    def page(self, venue: Venue, symbol: str, since: int) -> pd.DataFrame:
        """Return one page of records from a time on."""
        if self.kind == "trades":
            return self.chain.ask(lambda: venue.fetch_trades(symbol, since, _PAGE))
        if self.kind == "funding":
            return self.chain.ask(lambda: venue.fetch_funding(symbol, since, _PAGE))
        return self.chain.ask(lambda: venue.fetch_open_interest(symbol, self.timeframe, since, _PAGE))


class _Run:
    """The walk over the records of one symbol, written in chunks."""

    def __init__(self, job: _Job, source: str, symbol: str, covered: KnownEmpty) -> None:
        self.job, self.source, self.symbol, self.covered = job, source, symbol, covered
        self.added = 0
        self.first: pd.Timestamp | None = None
        self.last: pd.Timestamp | None = None
        self.notes: list[str] = []
        self._frames: list[pd.DataFrame] = []
        self._rows = 0
        self._done: Span | None = None
        self._written = job.chain.clock.monotonic()

    def over(self, venue: Venue, span: Span) -> bool:
        """Fetch a span; False when the venue failed on the way."""
        cursor, seen = span.start, self._stored_ids(span.start)
        while cursor < span.stop:
            try:
                page = self.job.page(venue, self.symbol, cursor)
                if len(page) == 0:
                    cursor = self._nothing(venue, Span(cursor, span.stop), span.start)
                    continue
            except HistoryError as err:
                cursor = max(err.earliest_ms, cursor + 1)
                self.notes.append(f"{venue.name} keeps nothing before {_say(cursor)}")
                continue
            except VenueError as err:
                self.job.chain.mark_down(venue, err)
                return False
            times = pd.DatetimeIndex(page.index).as_unit("ms").asi8
            inside = page[(times >= cursor) & (times < span.stop)]
            fresh = inside[~inside["id"].isin(seen)] if "id" in inside else inside
            if cursor == span.start:
                self._told_late(venue, cursor, int(times[0]))
            last = int(times[-1])
            if last >= span.stop:
                self._take(fresh, span)
                return True
            # Trades of one millisecond may go on in the next page, told apart by their ids; a page without any other
            # time is passed.
            again = "id" in page and last > cursor
            seen = set(page["id"][times == last]) if again else set()
            self._take(fresh, Span(span.start, last if again else last + 1))
            cursor = last if again else last + 1
        return True

    def _nothing(self, venue: Venue, span: Span, start: int) -> int:
        """The venue has no record from a place on: an hour without a trade is no end, and newer ones may still come."""
        chain = self.job.chain
        if self.job.kind == "trades" and span.stop - span.start > _HOUR_MS:
            day = next_traded_day(chain, venue, self.symbol, span)
            if day is not None:
                return max(day, span.start + _HOUR_MS) if day <= span.start else day
        window = self._window(venue)
        if window and span.start + window < span.stop:  # nothing in this window says nothing of the next
            cursor = min(max(span.start + window, self._listed(venue)), span.stop)
            self._take(None, Span(start, cursor))
            return cursor
        settled = int(chain.clock.now() * 1000) - DAY_MS
        self._take(None, Span(start, max(span.start, min(span.stop, settled))))
        return span.stop

    def _window(self, venue: Venue) -> int:
        tell = getattr(venue, "window_ms", None)
        return 0 if tell is None else int(tell(self.job.kind, self.symbol, self.job.timeframe))

    def _listed(self, venue: Venue) -> int:
        listed = find_market(venue, self.symbol).listed
        return 0 if listed is None else int(listed.timestamp() * 1000)

    def flush(self) -> None:
        """Write what has gathered, then remember what is covered."""
        frames, self._frames, self._rows = self._frames, [], 0
        self._written = self.job.chain.clock.monotonic()
        if frames:
            whole = pd.concat(frames)
            self.job.records.write(self.job.kind, self.source, self.symbol, whole)
            self.added += len(whole)
            self.first = whole.index[0] if self.first is None else min(self.first, whole.index[0])
            self.last = whole.index[-1] if self.last is None else max(self.last, whole.index[-1])
        if self._done is not None and self._done.start < self._done.stop:
            self.covered.add(_COVERED, _COVERED, self.job.chain.clock.now(), [self._done])
            self._done = None

    def _take(self, page: pd.DataFrame | None, done: Span) -> None:
        if self._done is not None and self._done.start != done.start:
            self.flush()  # another span begins
        if page is not None and len(page):
            self._frames.append(page)
            self._rows += len(page)
            self.job.progress.advance(len(page))
        self._done = done
        waited = self.job.chain.clock.monotonic() - self._written
        if self._rows >= _CHUNK_ROWS or waited >= _CHUNK_SECONDS:
            self.flush()

    def _stored_ids(self, start: int) -> set[Any]:
        """Return the ids stored at the very start of a span, which the venue gives again."""
        if self.job.kind != "trades" or self.job.records.newest("trades", self.source, self.symbol) is None:
            return set()
        time = pd.Timestamp(start, unit="ms", tz="UTC")
        try:
            stored = self.job.records.read("trades", self.source, self.symbol, time, time + pd.Timedelta(1, unit="ms"))
        except DataError:  # nothing is stored at that time
            return set()
        return set(stored["id"])

    def _told_late(self, venue: Venue, asked: int, first: int) -> None:
        if getattr(getattr(venue, "info", None), "trades_history", True) or self.job.kind != "trades":
            return
        self.notes.append(f"{venue.name} tells its latest trades only: from {_say(first)}, not from {_say(asked)}")


class PricedVenue:
    """A venue whose bars are those of its mark or index price.

    Parameters
    ----------
    venue : Venue
    price : {"mark", "index"}
    """

    def __init__(self, venue: Any, price: Literal["mark", "index"]) -> None:
        self._venue, self.price, self.name = venue, price, venue.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def markets(self) -> dict[str, Market]:
        """Return the venue's markets."""
        return self._venue.markets()

    def page_limit(self, timeframe: str) -> int:
        """Return the most bars of one request, which differs for reference prices."""
        info = getattr(self._venue, "info", None)
        return getattr(info, "mark_per_page", 0) or self._venue.page_limit(timeframe)

    def fetch_bars(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> FloatArray:
        """Return one page of bars of the reference price; their volume is 0."""
        return self._venue.fetch_bars(symbol, timeframe, since_ms, limit, price=self.price)


def fetch_reference_bars(
    price: Literal["mark", "index"],
    venues: str | Sequence[str | Venue],
    symbols: str | Sequence[str],
    timeframe: str,
    since: object,
    until: object = None,
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    at: str = "",
    source: str = "",
    **options: Any,
) -> FetchReport:
    """Bring bars of the mark or index price of perpetuals into the source ``<venue>-mark`` or ``<venue>-index``.

    Parameters and rules are those of `fetch`; ``source`` is the name before the dash. Only the first venue is asked.
    """
    settings, clock = settings or load_settings(), clock or SystemClock()
    first = named_venues(venues, settings, clock, at)[0]
    name = f"{source or series_name(first)}-{price}"
    priced: Any = PricedVenue(first, price)
    return fetch(
        [priced], symbols, timeframe, since, until, settings=settings, clock=clock, at=at, source=name, **options
    )


def _say(milliseconds: int) -> str:
    return f"{pd.Timestamp(milliseconds, unit='ms', tz='UTC'):%Y-%m-%d %H:%M}"
