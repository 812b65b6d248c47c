"""Which bars are still missing: spans of time on the bar grid, and when a bar is final. Pure functions of numbers.

A span is half open, ``start <= open time < stop``, in milliseconds since 1970 UTC; lists of spans are sorted and do
not touch each other. The grid of a time frame is ``phase + k × step``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from workbench.data.timeframes import timeframe_delta
from workbench.typing import BoolArray, IntArray

DAY_MS = 86_400_000
GRACE_MS = 2_000
"""How long after its end a bar is left alone: venues finish their own books and clocks differ a little."""

SETTLE_MS = 120_000
"""How long after its end, by the venue's own clock, a bar without a successor is final: answers may lag that clock."""

_MONDAY = 4 * DAY_MS  # 1970-01-05, the first Monday on the clock


class Span(NamedTuple):
    """Open times from ``start`` up to, not including, ``stop``, in milliseconds since 1970 UTC."""

    start: int
    stop: int


def step_ms(timeframe: str) -> int:
    """Return the length of a bar in milliseconds."""
    return int(timeframe_delta(timeframe).value // 1_000_000)


def grid_phase(step: int) -> int:
    """Return where the grid of a bar length begins: weeks on Monday, all others at 1970."""
    return _MONDAY % step if step % (7 * DAY_MS) == 0 else 0


def ceil_grid(time: int, step: int, phase: int = 0) -> int:
    """Return the first time of the grid at or after a time."""
    return -((phase - time) // step) * step + phase


def floor_grid(time: int, step: int, phase: int = 0) -> int:
    """Return the last time of the grid at or before a time."""
    return (time - phase) // step * step + phase


def closed_edge(now_ms: int, step: int, phase: int = 0, grace: int = GRACE_MS) -> int:
    """Return the open time of the first bar that is not over: every earlier one ended at least ``grace`` ago."""
    return floor_grid(now_ms - grace, step, phase)


def count_final(times: IntArray, step: int, now_ms: int, venue_now_ms: int | None, grace: int = GRACE_MS) -> int:
    """Return how many of the first bars of an answer are final.

    Parameters
    ----------
    times : ndarray, int64, of shape (n_bars,)
        Increasing open times as the venue gave them.
    now_ms, venue_now_ms : int
        This machine's clock, and the venue's where it was asked.

    Notes
    -----
    A bar is final when its end lies ``grace`` behind this machine's clock and either a later bar has begun at the
    venue (it is in the answer) or its end lies two minutes behind the venue's own clock. A machine whose clock runs
    ahead, and a venue whose answers lag, therefore never make an unclosed bar pass for a final one.
    """
    over = int(np.searchsorted(times, now_ms - grace - step, side="right"))
    if over < len(times) or over == 0:
        return over
    proven = venue_now_ms is not None and int(times[-1]) + step <= venue_now_ms - SETTLE_MS
    return over if proven else over - 1


def runs(times: IntArray, step: int) -> list[Span]:
    """Return the spans that increasing times on one grid fill without a hole."""
    if len(times) == 0:
        return []
    breaks = np.flatnonzero(np.diff(times) != step)
    starts = times[np.concatenate([[0], breaks + 1])]
    ends = times[np.concatenate([breaks, [len(times) - 1]])] + step
    return [Span(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def union(spans: Iterable[Span]) -> list[Span]:
    """Return spans joined where they overlap or touch; empty ones vanish."""
    joined: list[Span] = []
    for span in sorted(s for s in spans if s.start < s.stop):
        if joined and span.start <= joined[-1].stop:
            joined[-1] = Span(joined[-1].start, max(joined[-1].stop, span.stop))
        else:
            joined.append(Span(*span))
    return joined


def subtract(whole: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """Return what is left of spans without others."""
    rest, cuts, first = [], union(taken), 0
    for span in union(whole):
        start = span.start
        while first < len(cuts) and cuts[first].stop <= start:
            first += 1
        index = first
        while index < len(cuts) and cuts[index].start < span.stop:
            if cuts[index].start > start:
                rest.append(Span(start, cuts[index].start))
            start = max(start, cuts[index].stop)
            index += 1
        if start < span.stop:
            rest.append(Span(start, span.stop))
    return rest


def intersect(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    """Return what spans share."""
    first = union(one)
    return subtract(first, subtract(first, other))


def missing_spans(asked: Span, held: Iterable[Span], empty: Iterable[Span], edge: int) -> list[Span]:
    """Return what is still to be fetched of an asked span.

    Parameters
    ----------
    held : spans
        Stored bars.
    empty : spans
        What the venue has already said to have no bar at.
    edge : int
        Open time of the first bar that is not over (`closed_edge`); nothing at or after it is missing.
    """
    return subtract([Span(asked.start, min(asked.stop, edge))], [*held, *empty])


def group_spans(spans: Sequence[Span], step: int, limit: int) -> list[Span]:
    """Join spans that one page of ``limit`` bars covers, so that many small holes do not take a request each."""
    groups: list[Span] = []
    for span in spans:
        if groups and span.stop - groups[-1].start <= limit * step:
            groups[-1] = Span(groups[-1].start, span.stop)
        else:
            groups.append(span)
    return groups


def inside(times: IntArray, spans: Sequence[Span]) -> BoolArray:
    """Tell for each time whether it lies in one of the (sorted, separate) spans."""
    if not spans:
        return np.zeros(len(times), bool)
    starts = np.array([s.start for s in spans], np.int64)
    stops = np.array([s.stop for s in spans], np.int64)
    at = np.searchsorted(starts, times, side="right") - 1
    return (at >= 0) & (times < stops[np.maximum(at, 0)])


def n_bars(spans: Iterable[Span], step: int) -> int:
    """Return the number of bars that spans hold."""
    return sum((s.stop - s.start) // step for s in spans)
