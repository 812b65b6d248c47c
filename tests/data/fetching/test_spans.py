"""Missing spans and the last-bar rule against plain sets of times."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.fetching.spans import (
    Span,
    ceil_grid,
    closed_edge,
    count_final,
    grid_phase,
    group_spans,
    inside,
    intersect,
    missing_spans,
    n_bars,
    runs,
    step_ms,
    subtract,
    union,
)

MINUTE = 60_000
few_spans = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda p: Span(p[0], p[0] + p[1])), max_size=8
)


def slots(spans: list[Span]) -> set[int]:
    return {t for s in spans for t in range(s.start, s.stop)}


@given(few_spans, few_spans)
def test_union_and_subtraction_are_those_of_sets(one: list[Span], other: list[Span]) -> None:
    assert slots(union(one)) == slots(one)
    assert slots(subtract(one, other)) == slots(one) - slots(other)
    assert slots(intersect(one, other)) == slots(one) & slots(other)
    for result in (union(one), subtract(one, other), intersect(one, other)):
        assert all(a.stop < b.start for a, b in itertools.pairwise(result))
        assert all(s.start < s.stop for s in result)


@given(few_spans, few_spans, st.integers(0, 40), st.integers(0, 80), st.integers(0, 80))
def test_missing_is_asked_less_held_less_empty_up_to_the_edge(
    held: list[Span], empty: list[Span], start: int, stop: int, edge: int
) -> None:
    missing = missing_spans(Span(start, stop), held, empty, edge)
    assert slots(missing) == set(range(start, min(stop, edge))) - slots(held) - slots(empty)


@given(st.sets(st.integers(0, 50), max_size=40), few_spans)
def test_runs_and_inside_agree_with_sets(times: set[int], spans: list[Span]) -> None:
    ordered = np.array(sorted(times), np.int64)
    assert slots(runs(ordered, 1)) == times
    assert set(ordered[inside(ordered, union(spans))].tolist()) == times & slots(spans)


@given(few_spans, st.integers(1, 30))
def test_groups_cover_all_and_fit_a_page(spans: list[Span], limit: int) -> None:
    separate = union(spans)
    groups = group_spans(separate, 1, limit)
    assert slots(separate) <= slots(groups)
    assert all(n_bars([g], 1) <= limit or g in separate for g in groups)
    assert all(a.stop < b.start for a, b in itertools.pairwise(groups))


@pytest.mark.parametrize(("timeframe", "monday"), [("1m", False), ("8h", False), ("1d", False), ("1w", True)])
def test_the_grid_of_weeks_begins_on_monday(timeframe: str, monday: bool) -> None:
    step = step_ms(timeframe)
    first = ceil_grid(1_600_000_000_000, step, grid_phase(step))  # a Sunday in September 2020
    assert (first // 86_400_000 + 3) % 7 == 0 or not monday
    assert first % step == grid_phase(step)
    assert first >= 1_600_000_000_000


@given(
    st.integers(0, 20 * MINUTE),  # our clock
    st.integers(-90_000, 90_000),  # what the venue's is ahead
    st.integers(0, 5_000),  # how late the venue's bars come
    st.booleans(),  # whether the venue's clock was asked
    st.sets(st.integers(0, 20), max_size=6),  # minutes without a trade
)
def test_no_bar_is_final_before_it_is_over_at_the_venue(
    now: int, ahead: int, lag: int, told: bool, silent: set[int]
) -> None:
    venue_now = now + ahead
    begun = [t for t in range(0, max(0, venue_now - lag) + 1, MINUTE) if t // MINUTE not in silent]
    times = np.array(begun, np.int64)
    final = times[: count_final(times, MINUTE, now, venue_now if told else None, grace=2_000)]
    assert all(t + MINUTE <= venue_now for t in final)
    assert all(t + MINUTE <= now - 2_000 for t in final)
    # What is over by our clock and has a successor is never withheld.
    assert {t for t in begun[:-1] if t + MINUTE <= now - 2_000} <= set(final.tolist())


@given(st.integers(0, 10**13), st.sampled_from(["1m", "15m", "1h", "4h", "1d", "1w"]))
def test_the_edge_is_the_first_bar_that_is_not_over(now: int, timeframe: str) -> None:
    step = step_ms(timeframe)
    edge = closed_edge(now, step, grid_phase(step), grace=2_000)
    assert edge <= now - 2_000 < edge + step
    assert (edge - grid_phase(step)) % step == 0
