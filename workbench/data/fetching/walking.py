"""Walking forward over a span of one series, page by page, until every bar of it is there or known not to be.

Pages overlap by one bar: the last bar of a page is asked again as the first of the next, which proves that they join
and that it is final. A hole inside a page is asked a second time before it is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from workbench.data.fetching.failover import VenueChain, find_market
from workbench.data.fetching.judging import Page, Refused, empty_page, joined, judge
from workbench.data.fetching.spans import (
    DAY_MS,
    GRACE_MS,
    SETTLE_MS,
    Span,
    ceil_grid,
    closed_edge,
    count_final,
    floor_grid,
    group_spans,
    inside,
    n_bars,
    runs,
    subtract,
)
from workbench.data.venues.answers import HistoryError
from workbench.data.venues.vocabulary import Market, Venue
from workbench.errors import VenueError
from workbench.typing import FloatArray

_PROBE = "1d"


class Sink(Protocol):
    """Where a walk puts what it finds."""

    def push(self, venue: str, page: Page) -> None:
        """Take final bars, in order of time within a span."""
        ...

    def hole(self, venue: str, span: Span, cause: str) -> None:
        """Take a span at which the venue has no bar."""
        ...

    def refuse(self, rows: Sequence[Refused]) -> None:
        """Take rows that are no bars."""
        ...

    def revise(self, venue: str, time: int, kept: FloatArray, other: FloatArray, note: str) -> None:
        """Take a closed bar that came with other values on a second read."""
        ...

    def known(self, venue: str, page: Page) -> Page:
        """Return the bars already taken from this venue at times of a page."""
        ...

    @property
    def chunks(self) -> int:
        """How often bars were written."""
        ...

    @property
    def begun(self) -> bool:
        """Whether the series has a bar before the place where the walk is."""
        ...

    def switch(self, left: str, took_over: str, reason: str) -> None:
        """Take note that another venue goes on."""
        ...


class Walk:
    """A walk over spans of one symbol and time frame.

    Parameters
    ----------
    chain : VenueChain
    sink : Sink
    step, phase : int
        Grid of the time frame in milliseconds.
    overlap : bool
        Whether pages overlap by one bar.
    """

    def __init__(
        self, chain: VenueChain, sink: Sink, symbol: str, timeframe: str, step: int, phase: int, *, overlap: bool = True
    ) -> None:
        self.chain, self.sink, self.symbol, self.timeframe = chain, sink, symbol, timeframe
        self.step, self.phase, self.overlap = step, phase, overlap
        self._venue: Venue | None = None
        self._chunk = -1
        self._unproven: tuple[int, FloatArray, float] | None = None
        self._after = 0  # where the bars taken so far end
        self._joins = overlap  # whether the bar before is this venue's, to be asked once more

    def over(self, wanted: Sequence[Span]) -> bool:
        """Fetch the bars of spans that one range covers; False when no venue could be asked to the end."""
        cursor, stop = wanted[0].start, wanted[-1].stop
        self._unproven, self._after, self._joins = None, cursor, self.overlap
        while cursor < stop:
            venue = self._current()
            if venue is None:
                return False
            try:
                cursor = self._page(venue, cursor, stop, wanted)
            except HistoryError as err:
                cursor = self._capped(venue, Span(cursor, stop), err.earliest_ms, wanted)
            except VenueError as err:
                self.chain.mark_down(venue, err)
        return True

    def _current(self) -> Venue | None:
        """Return the venue to ask: kept within a chunk, the first that is up at each new one or when it failed."""
        before = self._venue
        up = before is not None and before.name not in self.chain.down()
        if up and self.sink.chunks == self._chunk:
            return before
        self._chunk = self.sink.chunks
        self._venue = self.chain.pick(self.symbol, self.timeframe)
        if before is not None and self._venue is not before:
            self._unproven, self._joins = None, False  # the bar before is another venue's
            reason = self.chain.down().get(before.name, "")
            if self._venue is not None:
                self.sink.switch(before.name, self._venue.name, reason or f"{self._venue.name} answers again")
        return self._venue

    def _page(self, venue: Venue, cursor: int, stop: int, wanted: Sequence[Span]) -> int:
        """Take one page from ``cursor`` on and return where to go on."""
        since = self._since(cursor)
        limit = venue.page_limit(self.timeframe)
        asked = min(limit, (stop - since) // self.step + 1)
        page, n_rows = self._ask(venue, since, asked)
        last = int(page.times[-1]) if len(page.times) else -1
        if last < stop and n_rows < asked and not self.chain.clock_known(venue):
            self.chain.venue_now(venue)  # a short page: is its last bar the one that still runs?
        final = page.between(-1, self._final_until(venue, page))
        self._compare(venue, page, cursor, stop, wanted)
        if last < cursor:
            return self._nothing(venue, Span(cursor, stop), wanted)
        taken = last + self.step if len(final.times) and final.times[-1] == last else last
        bound = min(stop, taken)
        if self._is_capped(venue, since, page, n_rows, limit):
            first = min(int(page.times[0]), bound)
            self._take(venue, empty_page(), Span(cursor, first), wanted, cause="capped")
            cursor = first
        self._take(venue, page.between(cursor, bound), Span(cursor, bound), wanted)
        self._unproven = (last, page.rows[-1], self.chain.clock.now()) if bound == last < stop else None
        if bound > cursor:
            return stop if self._runs(venue, last, GRACE_MS) else bound
        if since < cursor and n_rows >= asked:
            return bound  # full before anything new could be proven: again without the overlap
        self.chain.venue_now(venue)  # the same bar alone once more: the venue's clock decides
        return stop if self._runs(venue, bound, SETTLE_MS) else bound

    def _since(self, cursor: int) -> int:
        if self._unproven is not None or not self._joins or not self.sink.begun:
            return cursor
        return cursor - self.step

    def _ask(self, venue: Venue, since: int, limit: int) -> tuple[Page, int]:
        """Ask for one page and return its bars from ``since`` on, and the number of rows that came."""
        before = len(getattr(venue, "refused", ()))
        rows = self.chain.ask(lambda: venue.fetch_bars(self.symbol, self.timeframe, since, limit))
        page = judge(rows, self.step, self.phase, self._now())
        self.sink.refuse([*page.refused, *self._left_out(venue, before)])
        return page.between(since, 2**62), len(rows)

    def _left_out(self, venue: Venue, before: int) -> list[Refused]:
        """Return the rows that the venue's own door left out of its answers since a count."""
        return [
            (bar.kind, int(bar.time_ms), bar.field, float(bar.value), "left out of the answer")
            for symbol, timeframe, bar in getattr(venue, "refused", ())[before:]
            if (symbol, timeframe) == (self.symbol, self.timeframe)
        ]

    def _now(self) -> int:
        return int(self.chain.clock.now() * 1000)

    def _venue_now(self, venue: Venue) -> int | None:
        return int(self.chain.venue_now(venue) * 1000) if self.chain.clock_known(venue) else None

    def _final_until(self, venue: Venue, page: Page) -> int:
        count = count_final(page.times, self.step, self._now(), self._venue_now(venue))
        return int(page.times[count - 1]) + self.step if count else -1

    def _runs(self, venue: Venue, time: int, grace: int) -> bool:
        """Tell whether the bar of a time still runs by the venue's own clock, where that is known."""
        now = self._venue_now(venue)
        return now is not None and closed_edge(now, self.step, self.phase, grace) <= time

    def _compare(self, venue: Venue, page: Page, cursor: int, stop: int, wanted: Sequence[Span]) -> None:
        """List the closed bars of a page that came with other values before."""
        if self._unproven is not None:
            time, first, read = self._unproven
            row = page.row(time)
            if row is not None and (first != row).any() and self._was_over(venue, time, read):
                self.sink.revise(venue.name, time, first, row.copy(), "the last bar of a page, read again")
                row[:] = first  # in the page itself: it is not taken yet
        taken = (page.times < cursor) | (~inside(page.times, wanted) & (page.times < stop))
        if not taken.any():
            return
        before = self.sink.known(venue.name, page.only(taken))
        for time, kept in zip(before.times.tolist(), before.rows, strict=True):
            again = page.row(time)
            if again is not None and (again != kept).any():
                self.sink.revise(venue.name, time, kept, again, "the bar that was taken first stays")

    def _was_over(self, venue: Venue, time: int, read: float) -> bool:
        """Tell whether a bar had been over for long, by the venue's clock, when it was first read."""
        ahead = self.chain.venue_now(venue) - self.chain.clock.now()
        return time + self.step + SETTLE_MS <= int((read + ahead) * 1000)

    def _take(self, venue: Venue, page: Page, span: Span, wanted: Sequence[Span], cause: str = "") -> None:
        """Push the wanted bars of a span, after a second look at its holes; ``cause`` says why they are, if known."""
        page = page.only(inside(page.times, wanted))
        outside = subtract([span], wanted)
        holes = subtract([span], [*outside, *runs(page.times, self.step)])
        if holes:
            page = self._second_look(venue, page, holes, cause)
        if len(page.times):
            self.sink.push(venue.name, page)
            self._after, self._joins = int(page.times[-1]) + self.step, self.overlap

    def _second_look(self, venue: Venue, page: Page, holes: Sequence[Span], cause: str) -> Page:
        """Ask for holes once more and return the page with the bars that came."""
        explained = [h for h in holes if self._cause(venue, h) in ("not_listed", "delisted") and self._told(venue)]
        found = [page]
        limit = venue.page_limit(self.timeframe)
        for group in group_spans(subtract(holes, explained), self.step, limit):
            second, _ = self._ask(venue, group.start, min(limit, n_bars([group], self.step) + 1))
            self._compare_pages(venue, page, second)
            new = second.between(*group)
            found.append(new.only(inside(new.times, holes)))
        whole = joined(found)
        for span in subtract(holes, runs(whole.times, self.step)):
            begun = len(whole.times) > 0 and int(whole.times[0]) < span.start
            self.sink.hole(venue.name, span, cause or self._cause(venue, span, begun=begun))
        return whole

    def _compare_pages(self, venue: Venue, first: Page, second: Page) -> None:
        shared, here, there = np.intersect1d(first.times, second.times, assume_unique=True, return_indices=True)
        for at in np.flatnonzero((first.rows[here] != second.rows[there]).any(axis=1)):
            row, other = first.rows[here[at]], second.rows[there[at]]
            self.sink.revise(venue.name, int(shared[at]), row, other, "the bar that was taken first stays")

    def _nothing(self, venue: Venue, span: Span, wanted: Sequence[Span]) -> int:
        """The venue gave no bar from a place on: at the newest end that is all; before it, find where it goes on."""
        self._unproven = None
        limit = venue.page_limit(self.timeframe)
        edge = closed_edge(int(self.chain.venue_now(venue) * 1000), self.step, self.phase)
        stop, window = min(span.stop, edge), limit * self.step
        settled = Span(span.start, min(stop, edge - window))  # later bars may still come
        if stop - span.start <= window:
            if settled.start < settled.stop:
                self._take(venue, empty_page(), settled, wanted)
            elif self._cause(venue, span, trailing=True) == "delisted":
                self._hole(venue, Span(span.start, stop), wanted, "delisted")
            return span.stop
        found = self._next_day(venue, Span(span.start, stop))
        if found is None and self._cause(venue, span, trailing=True) == "delisted":
            self._hole(venue, Span(min(span.start, self._after), stop), wanted, "delisted")
            return span.stop
        if found is None:
            self._hole(venue, settled, wanted, self._cause(venue, settled, trailing=True))
            return span.stop
        if found > span.start:
            self._hole(venue, Span(span.start, found), wanted, self._cause(venue, Span(span.start, found)))
            return found
        ahead = Span(span.start, span.start + window)
        self._take(venue, empty_page(), ahead, wanted)
        return ahead.stop

    def _next_day(self, venue: Venue, span: Span) -> int | None:
        """Return where a span goes on by its days; the span's start where days do not tell."""
        if self.step >= DAY_MS or _PROBE not in venue.timeframes():
            return span.start
        return next_traded_day(self.chain, venue, self.symbol, span)

    def _is_capped(self, venue: Venue, since: int, page: Page, n_rows: int, limit: int) -> bool:
        """Tell an answer that begins late, is full and reaches the newest bar: only the latest bars are kept."""
        if not len(page.times) or page.times[0] <= since + self.step or n_rows < limit:
            return False
        edge = closed_edge(self._now(), self.step, self.phase)
        return int(page.times[-1]) >= edge - self.step or self._runs(venue, int(page.times[-1]), GRACE_MS)

    def _capped(self, venue: Venue, span: Span, earliest: int, wanted: Sequence[Span]) -> int:
        """The venue says that it keeps nothing that old."""
        self._unproven = None
        first = min(span.stop, max(ceil_grid(earliest, self.step, self.phase), span.start + self.step))
        self._hole(venue, Span(span.start, first), wanted, "capped")
        return first

    def _hole(self, venue: Venue, span: Span, wanted: Sequence[Span], cause: str) -> None:
        for part in subtract([span], subtract([span], wanted)):
            self.sink.hole(venue.name, part, cause)

    def _cause(self, venue: Venue, hole: Span, *, begun: bool = False, trailing: bool = False) -> str:
        market = self._market(venue)
        if market.delisted is not None and hole.start >= market.delisted.value // 1_000_000 - self.step:
            return "delisted"
        listed = market.listed.value // 1_000_000 if market.listed is not None else None
        if (listed is not None and hole.stop <= listed + self.step) or not (begun or self.sink.begun or trailing):
            return "not_listed"
        return "delisted" if trailing and not market.active else "unknown"

    def _told(self, venue: Venue) -> bool:
        market = self._market(venue)
        return market.listed is not None or market.delisted is not None

    def _market(self, venue: Venue) -> Market:
        return find_market(venue, self.symbol)


def next_traded_day(chain: VenueChain, venue: Venue, symbol: str, span: Span) -> int | None:
    """Return the first day of a span that has a bar at all (the span's start where it is that day), else None."""
    at, limit = floor_grid(span.start, DAY_MS), venue.page_limit(_PROBE)
    while at < span.stop:
        since = at
        rows = chain.ask(lambda: venue.fetch_bars(symbol, _PROBE, since, limit))  # noqa: B023 - called at once
        days = judge(rows, DAY_MS, 0, int(chain.clock.now() * 1000)).between(at, span.stop)
        if len(days.times):
            return max(span.start, int(days.times[0]))
        at += limit * DAY_MS
    return None
