"""The state machine of one symbol: what readers see, whatever the messages do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.live.finality import BarFinality, Emitted, sound_row
from workbench.data.live.updates import Row

STEP = 60_000
T0 = 1_700_000_040_000  # on the grid


def life(number: int, parts: int = 3) -> list[Row]:
    """The messages of one bar: volume grows, high and low widen; the last one is the bar itself."""
    t, p = T0 + number * STEP, 100.0 + number % 7
    return [Row(t, p, p + i, p - i, p + i * (-1) ** number, 10.0 * (i + 1)) for i in range(parts)]


def whole(number: int) -> Row:
    return life(number)[-1]


class Venue:
    """REST: all bars closed by now, and the one under way."""

    def __init__(self) -> None:
        self.newest = 0
        self.asked = 0

    def rows(self, since: int, count: int = 1000) -> list[Row]:
        self.asked += 1
        rows = [whole(n) for n in range(self.newest)] + [life(self.newest)[0]]
        return [row for row in rows if row.time >= since][:count]


def finals(out: Sequence[Emitted]) -> list[Row]:
    return [row for row, final, _ in out if final]


def test_a_bar_is_final_when_its_fresh_successor_has_begun_and_not_before() -> None:
    machine = BarFinality(STEP)
    machine.begin([whole(0), life(1)[0]])
    assert finals(machine.update([life(1)[2]], 1)) == []  # the first snapshot only primes
    out = machine.update([life(2)[0]], 2)
    assert out == []  # bar 1 was not seen whole: nothing goes out before REST has told it
    assert machine.need == (T0 + STEP, T0 + 2 * STEP)
    out = machine.repair([whole(1), life(2)[0]], 3)
    assert [(r.time, f, rest) for r, f, rest in out] == [(T0 + STEP, True, True), (T0 + 2 * STEP, False, True)]
    assert [f for _, f, _ in machine.update([life(2)[1], life(2)[2]], 4)] == [False, False]
    out = machine.update([life(3)[0]], 5)
    assert [(r, f, rest) for r, f, rest in out] == [(whole(2), True, False), (life(3)[0], False, False)]


def test_a_bar_over_which_the_connection_was_renewed_comes_from_rest() -> None:
    machine = seen_until(3)
    machine.connected()
    assert finals(machine.update([life(3)[2]], 9)) == []
    assert machine.update([life(4)[0]], 10) == []
    assert machine.need == (T0 + 3 * STEP, T0 + 4 * STEP)


def test_a_snapshot_of_past_bars_primes_with_its_newest() -> None:
    machine = seen_until(3)
    machine.connected()
    out = machine.update([whole(2), whole(3), whole(4), life(5)[0]], 9)
    assert out == []
    assert machine.need == (T0 + 3 * STEP, T0 + 5 * STEP)


def seen_until(number: int, **options: float) -> BarFinality:
    """A machine for which bar ``number`` is current, its begin seen, and the one before final."""
    machine = BarFinality(STEP, **options)  # type: ignore[arg-type]
    machine.begin([whole(0), life(1)[0]])
    machine.update([life(1)[2]], 0)
    machine.update([life(2)[0]], 0)
    machine.repair([whole(1), life(2)[0]], 0)
    for n in range(2, number):
        machine.update(life(n)[1:], 0)
        machine.update([life(n + 1)[0]], 0)
        machine.tick(1e9)
    assert machine.current == life(number)[0]
    return machine


def test_a_message_that_was_overtaken_by_its_successor_is_not_lost() -> None:
    machine = seen_until(2, settle=0.3)
    machine.update([life(2)[1]], 1.0)
    assert machine.update([life(3)[0]], 1.1) == []  # held back
    machine.update([life(2)[2]], 1.2)  # the end of bar 2, late
    assert machine.tick(1.5) == []
    assert machine.need == (T0 + 2 * STEP, T0 + 3 * STEP)
    assert finals(machine.repair([whole(2), life(3)[0]], 1.6)) == [whole(2)]
    assert machine.counts["disordered"] == 1


def test_a_held_bar_is_emitted_before_its_successor() -> None:
    machine = seen_until(2, settle=0.3)
    machine.update(life(2)[1:], 1.0)
    assert machine.update([life(3)[0]], 1.1) == []
    assert machine.update([life(3)[1]], 1.2) == []
    assert machine.due == pytest.approx(1.4)
    assert machine.tick(1.3) == []
    assert machine.tick(1.41) == [(whole(2), True, False), (life(3)[1], False, False)]


def test_an_older_state_of_the_same_bar_is_put_aside_and_the_bar_confirmed() -> None:
    machine = seen_until(2)
    machine.update([life(2)[2]], 1)
    assert machine.update([life(2)[1]], 2) == []
    assert machine.counts["disordered"] == 1
    assert machine.update([life(3)[0]], 3) == []
    assert machine.need is not None


def test_a_bar_that_was_silent_before_its_end_is_confirmed() -> None:
    machine = seen_until(2, patience=5.0)
    machine.update([life(2)[2]], 10.0)
    assert machine.update([life(3)[0]], 15.1) == []
    assert machine.need == (T0 + 2 * STEP, T0 + 3 * STEP)


def test_late_words_on_final_bars_are_counted_and_never_emitted() -> None:
    machine = seen_until(4)
    assert machine.update([whole(3)], 1) == []
    assert machine.update([whole(3)._replace(volume=99.0)], 1) == []
    assert machine.update([life(3)[0]], 1) == []
    assert (machine.counts["duplicates"], machine.counts["revisions"], machine.counts["disordered"]) == (1, 1, 1)


def test_a_message_from_the_far_future_is_dropped_when_rest_contradicts_it_for_long() -> None:
    machine = seen_until(3)
    bogus = life(9000)[0]
    assert machine.update([bogus], 1) == []
    answer = [whole(3), life(4)[0]]
    assert finals(machine.repair(answer, 2)) == [whole(3)]
    assert machine.need == (T0 + 4 * STEP, bogus.time)
    out = machine.repair([life(4)[0]], 3, trust=True)
    assert out == [(life(4)[0], False, True)]
    assert machine.counts["dropped"] == 1
    assert machine.need is None


def test_bars_the_venue_never_had_are_counted_absent_not_missing() -> None:
    machine = seen_until(3)
    machine.update([life(6)[0]], 1)
    out = machine.repair([whole(3), whole(5), life(6)[0]], 2)
    assert finals(out) == [whole(3), whole(5)]
    assert machine.counts["absent"] == 1


def test_without_rest_what_was_not_seen_whole_is_left_out_and_counted() -> None:
    machine = BarFinality(STEP, rest=False)
    out = machine.update([life(1)[1]], 0)
    out += machine.update([life(2)[0]], 1)
    out += machine.update([life(2)[2]], 1)
    out += machine.update([life(3)[0]], 2)
    out += machine.update([life(5)[0]], 3)
    out += machine.update([life(5)[2], life(6)[0]], 4)
    assert finals(out) == [whole(2), whole(5)]
    assert machine.counts["missing"] == 3  # 1: begun before; 3 and 4: not seen


def test_confirmed_bars_come_from_rest_alone() -> None:
    machine = seen_until(2)
    machine.confirm = True
    machine.update([life(2)[2]], 1)
    assert machine.update([life(3)[0]], 1) == []
    assert finals(machine.repair([whole(2), life(3)[0]], 2)) == [whole(2)]


@pytest.mark.parametrize(
    ("row", "sound"),
    [
        (Row(T0, 1, 2, 0.5, 1, 0), True),
        (Row(T0 + 1, 1, 2, 0.5, 1, 0), False),
        (Row(T0 // 1000, 1, 2, 0.5, 1, 0), False),
        (Row(T0, 1, 0.9, 0.5, 1, 0), False),
        (Row(T0, 1, 2, 1.5, 1, 0), False),
        (Row(T0, 1, 2, 0.5, 1, -1), False),
        (Row(T0, 1, float("nan"), 0.5, 1, 1), False),
        (Row(T0, 1, 2, 0, 1, 1), False),
        (Row(T0, "1", 2, 0.5, 1, 1), False),  # type: ignore[arg-type]
        (Row(None, 1, 2, 0.5, 1, 1), False),  # type: ignore[arg-type]
    ],
)
def test_only_bars_are_sound(row: Row, sound: bool) -> None:
    assert sound_row(row, STEP) is sound


def test_weekly_bars_begin_on_mondays() -> None:
    week = 7 * 86_400_000
    monday = 1_699_833_600_000  # 2023-11-13
    assert sound_row(Row(monday, 1, 1, 1, 1, 1), week)
    assert not sound_row(Row(monday - 4 * 86_400_000, 1, 1, 1, 1, 1), week)


BARS = 12


@st.composite
def traffic(draw: st.DrawFn) -> list[tuple[str, list[Row]]]:
    """All messages of BARS bars with reconnects, losses that a connection shows, duplicates and local disorder."""
    messages = [row for n in range(1, BARS + 1) for row in life(n)]
    events: list[tuple[str, list[Row]]] = []
    i = 0
    while i < len(messages):
        kind = draw(st.sampled_from(["one", "one", "one", "batch", "twice", "swap", "cut"]))
        if kind == "cut":  # the connection drops and comes back some messages later
            events.append(("connect", []))
            i += draw(st.integers(0, 7))
            continue
        size = {"one": 1, "twice": 1, "swap": 2}.get(kind) or draw(st.integers(1, 5))
        part = messages[i : i + size]
        i += size
        if kind == "twice":
            part = part * 2
        if kind == "swap":
            part = part[::-1]
        events += [("rows", part)] if kind == "batch" else [("rows", [row]) for row in part]
    return events


@given(events=traffic(), eager=st.booleans(), page=st.integers(2, 5), settle=st.sampled_from([0.0, 0.5]))
def test_any_traffic_gives_each_bar_once_in_order_and_right(
    events: list[tuple[str, list[Row]]], eager: bool, page: int, settle: float
) -> None:
    venue, machine, now = Venue(), BarFinality(STEP, settle=settle), 0.0
    venue.newest = 1
    machine.begin(venue.rows(0))
    out: list[Emitted] = []

    def repair() -> None:
        nonlocal out
        for _ in range(BARS + 2):
            need = machine.need
            if need is None:
                return
            out += machine.repair(venue.rows(need[0], page), now)

    for number, (kind, rows) in enumerate(events):
        now += 0.2
        if kind == "connect":
            machine.connected()
        else:
            venue.newest = max(venue.newest, *((row.time - T0) // STEP for row in rows))
            out += machine.update(rows, now)
        out += machine.tick(now)
        if eager or number % 4 == 3:
            repair()
    now += 10
    out += machine.tick(now)
    repair()
    times = [row.time for row in finals(out)]
    assert times == [T0 + n * STEP for n in range(1, 1 + len(times))]  # each once, in order, none missing
    newest = machine.current.time if machine.current else 0
    assert machine.need is None
    assert len(times) == (newest - T0) // STEP - 1  # all that closed
    late = {row.time for row in finals(out) if row != whole((row.time - T0) // STEP)}
    if settle:
        assert not late
    else:  # without a time to settle, an end that was overtaken is a counted revision
        assert len(late) <= machine.counts["revisions"]
    shown = [(row.time, final) for row, final, _ in out]
    assert all(a[0] < b[0] or (a[0] == b[0] and not a[1]) for a, b in itertools.pairwise(shown))


def test_a_market_where_nothing_happens_is_not_a_frozen_stream() -> None:
    machine = seen_until(3)
    current = life(3)[0]
    quiet = Row(current.time + STEP, 1, 1, 1, 1, 0.0)
    assert not machine.behind([whole(2), current])
    assert not machine.behind([current, quiet])
    assert machine.behind([life(3)[1]])
    assert machine.behind([current, quiet._replace(volume=0.1)])
