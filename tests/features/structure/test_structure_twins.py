"""Each kernel against its definition, read off the bars anew at every step, on bars full of ties, holes and trends."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workbench.features.structure.trackers import (
    BlockTracker,
    BreakTracker,
    DealingTracker,
    GapTracker,
    PoolTracker,
    Prices,
    SpanTracker,
    SwingTracker,
    span_of,
)

HOUR = 3_600_000_000_000


@st.composite
def markets(draw: st.DrawFn) -> Prices:
    """Whole-number prices with many equal ones: random walks that turn back, trends, waves and flat stretches."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_bars = draw(st.integers(0, 12) | st.integers(60, 160))
    wide = draw(st.sampled_from([1, 2, 6]))
    gap, body = rng.integers(-wide, wide + 1, (2, n_bars))
    wave = draw(st.sampled_from([0, 1, 3])) * np.sin(np.arange(n_bars) / draw(st.integers(2, 9)))
    level = np.round(np.cumsum(gap * draw(st.sampled_from([0, 1]))) * draw(st.sampled_from([0.3, 1])) + 3 * wave)
    start = 500 + level + draw(st.sampled_from([-1, 0, 0, 0, 1])) * np.arange(n_bars)
    close = start + body
    high = np.maximum(start, close) + rng.integers(0, wide + 1, n_bars)
    low = np.minimum(start, close) - rng.integers(0, wide + 1, n_bars)
    if draw(st.booleans()):
        flat = slice(n_bars // 3, n_bars // 3 + 12)
        start[flat] = close[flat] = high[flat] = low[flat] = 500
    times = np.cumsum(rng.integers(1, draw(st.sampled_from([2, 4, 40])), n_bars), dtype=np.int64) * HOUR
    return Prices(time=times, open=start, high=high, low=low, close=close)


def trend(n: int) -> Prices:
    x = 100.0 + np.arange(n)
    return Prices(open=x, high=x + 1.5, low=x - 0.25, close=x + 1.0, time=np.arange(n, dtype=np.int64) * HOUR)


def run(tracker: Any, bars: Prices) -> Any:
    tracker.advance(bars, 0, bars.close.size)
    return tracker


def slow_swings(bars: Prices, n: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for t in range(2 * n - 1, bars.close.size):
        i, window = t - n, slice(t - 2 * n + 1, t + 1)
        top, bottom = bars.high[window].max(), bars.low[window].min()
        if top == bottom or not (bars.high[i] == top or bars.low[i] == bottom):
            continue
        side, level = (1, top) if bars.high[i] == top else (-1, bottom)
        if found and found[-1]["side"] == side:
            if side * level <= side * found[-1]["level"]:
                continue
            found[-1]["ended"] = t
        found.append({"origin": i, "known": t, "side": side, "level": level, "ended": -1, "number": len(found)})
    return found


def live(swings: list[dict[str, Any]], t: int, side: int) -> list[dict[str, Any]]:
    """Swings of a side that are known at bar t and hold their place."""
    return [s for s in swings if s["side"] == side and s["known"] <= t and not 0 <= s["ended"] <= t]


@given(markets(), st.integers(1, 5))
@example(trend(60), 3)
def test_swings(bars: Prices, n: int) -> None:
    swings = run(SwingTracker(bars.close.size, swing_length=n), bars).swings
    expected = slow_swings(bars, n)
    count = swings.state[0]
    table = np.column_stack([swings.origin, swings.known, swings.direction, swings.level, swings.ended])[:count]
    fields = ("origin", "known", "side", "level", "ended")
    assert table.tolist() == [[s[f] for f in fields] for s in expected]
    for t in range(bars.close.size):
        for side, numbers in ((1, swings.top), (-1, swings.bottom)):
            known = live(expected, t, side)
            assert numbers[t] == (known[-1]["number"] if known else -1)


@given(markets(), st.integers(1, 4), st.booleans())
@example(trend(60), 3, False)
def test_breaks(bars: Prices, n: int, by_swings: bool) -> None:
    breaks = run(BreakTracker(bars.close.size, swing_length=n, by_pivots=by_swings), bars).breaks
    swings, close = slow_swings(bars, n), bars.close
    expected: list[tuple[int, int, int, bool]] = []
    for t in range(close.size):
        for side in (1, -1):
            newest = max((b[0] for b in expected if b[2] == side), default=-1)
            closed = [
                s["number"]
                for s in live(swings, t, side)
                if side * close[t] > side * s["level"]
                and not (side * close[s["known"] : t] > side * s["level"]).any()
                and s["number"] > newest
            ]
            if closed:
                against = bool(expected) and expected[-1][2] == -side
                if by_swings:
                    others = [s for s in live(swings, t, -side)]
                    before = [s["level"] for s in swings[: closed[-1]] if s["side"] == -side][-1:]
                    later = [s for s in others if s["number"] > closed[-1]]
                    until = [s["number"] for s in live(swings, t, side) if s["number"] > closed[-1]]
                    after = [s["level"] for s in later if not until or s["number"] < until[0]][-1:]
                    against = bool(before and after) and side * after[0] < side * before[0]
                expected.append((closed[-1], t, side, against))
    count = breaks.state[0]
    table = np.column_stack([breaks.swing, breaks.known, breaks.direction, breaks.character])[:count]
    assert table.tolist() == [list(e) for e in expected]
    for t in range(close.size):
        sides = [e[2] for e in expected if e[1] <= t]
        assert breaks.trend[t] == (sides[-1] if sides else 0)


def slow_gaps(bars: Prices, side: int, join: bool) -> list[dict[str, Any]]:
    front, back = (bars.low, bars.high) if side > 0 else (bars.high, bars.low)
    found: list[dict[str, Any]] = []
    for t in range(2, bars.close.size):
        rises = side * (bars.close[t - 1] - bars.open[t - 1]) > 0
        if not rises or side * back[t - 2] >= side * front[t]:
            continue
        near, far = front[t], back[t - 2]
        if join and found and found[-1]["known"] == t - 1:
            edges = side * np.array([near, far, found[-1]["near"], found[-1]["far"]])
            near, far = side * edges.max(), side * edges.min()
            found[-1]["joined"] = t
        found.append({"origin": t - 1, "known": t, "near": near, "far": far, "joined": -1})
    for gap in found:
        later = np.flatnonzero(side * front[gap["known"] + 1 :] <= side * gap["near"])
        first = gap["known"] + 1 + int(later[0]) if later.size else -1
        gap["touched"] = -1 if gap["joined"] >= 0 and not 0 <= first <= gap["joined"] else first
        gap["ended"] = gap["joined"] if gap["joined"] >= 0 else first
    return found


@given(markets(), st.sampled_from([1, -1]), st.booleans())
@example(trend(60), 1, False)
@example(trend(60), 1, True)
def test_gaps(bars: Prices, side: int, join: bool) -> None:
    zones = run(GapTracker(bars.close.size, sign=side, join_consecutive=join), bars).zones
    expected = slow_gaps(bars, side, join)
    fields = ("origin", "known", "near", "far", "touched", "ended")
    table = np.column_stack([getattr(zones, f) for f in fields])[: zones.state[0]]
    assert table.tolist() == [[g[f] for f in fields] for g in expected]
    compare_open(zones, expected, "near", side)


def compare_open(zones: Any, expected: list[dict[str, Any]], edge: str, side: int) -> None:
    for t in range(zones.nearest.size):
        levels = [side * z[edge] for z in expected if z["known"] <= t and not 0 <= z["ended"] <= t]
        assert zones.n_open[t] == len(levels)
        assert (zones.nearest[t] >= 0) == bool(levels)
        if levels:
            assert side * getattr(zones, edge)[zones.nearest[t]] == max(levels)


@given(markets(), st.integers(1, 4), st.sampled_from([1, -1]), st.booleans())
def test_order_blocks(bars: Prices, n: int, side: int, by_body: bool) -> None:
    zones = run(BlockTracker(bars.close.size, sign=side, swing_length=n, break_by_body=by_body), bars).zones
    front, back = (bars.low, bars.high) if side > 0 else (bars.high, bars.low)
    swings, expected, crossed = slow_swings(bars, n), [], set()
    for t in range(bars.close.size):
        last = live(swings, t, side)[-1:]
        if last and last[0]["number"] not in crossed and side * bars.close[t] > side * last[0]["level"]:
            crossed.add(last[0]["number"])
            between = side * front[last[0]["origin"] + 1 : t]
            i = last[0]["origin"] + 1 + int(np.flatnonzero(between == between.min())[-1])
            if not expected or expected[-1]["origin"] != i:
                expected.append({"origin": i, "known": t, "near": back[i], "far": front[i]})
    worst = side * front if not by_body else np.minimum(side * bars.open, side * bars.close)
    for block in expected:
        after = block["known"] + 1
        touched = np.flatnonzero(side * front[after:] <= side * block["near"])
        broken = np.flatnonzero(worst[after:] < side * block["far"])
        block["touched"] = after + int(touched[0]) if touched.size else -1
        block["ended"] = after + int(broken[0]) if broken.size else -1
    fields = ("origin", "known", "near", "far", "touched", "ended")
    table = np.column_stack([getattr(zones, f) for f in fields])[: zones.state[0]]
    assert table.tolist() == [[b[f] for f in fields] for b in expected]
    compare_open(zones, expected, "far", side)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60), st.sampled_from([1.0, -1.0]))
def test_the_heap_gives_the_extreme(steps: list[tuple[bool, int]], sign: float) -> None:
    from workbench.features.structure.zone_kernels import _pop, _push

    key = np.array([float(k) for _, k in steps])
    heap, size, inside = np.zeros(len(steps), dtype=np.int64), 0, []
    for item, (drop, _) in enumerate(steps):
        if drop and inside:
            assert key[heap[0]] == (max(inside) if sign > 0 else min(inside))
            inside.remove(key[heap[0]])
            size = _pop(heap, size, key, sign)
        else:
            inside.append(key[item])
            size = _push(heap, size, key, sign, item)
        assert sorted(key[heap[:size]]) == sorted(inside)


@settings(max_examples=400)
@given(markets(), st.integers(1, 3), st.sampled_from([1, -1]), st.sampled_from([0.5, 1.0, 2.0, 6.0]))
def test_liquidity(  # noqa: C901 -- the definition, in one piece
    bars: Prices, n: int, side: int, width: float
) -> None:
    pools = run(PoolTracker(bars.close.size, sign=side, swing_length=n, tolerance=0.0, width=width), bars).pools
    price = bars.high if side > 0 else bars.low
    swings = {s["known"]: s for s in slow_swings(bars, n)}
    groups: list[dict[str, Any]] = []
    expected: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    for t in range(bars.close.size):
        swing = swings.get(t)
        if swing and swing["side"] == side:
            replaces = before and before["number"] == swing["number"] - 1
            if replaces:
                groups = [g for g in groups if [s["number"] for s in g["swings"]] != [before["number"]]]
            fits = [g for g in groups if not g["swept"] and abs(swing["level"] - g["swings"][0]["level"]) <= width]
            if fits:
                group = fits[0]
                if replaces and group["swings"][-1] is before:
                    group["swings"].pop()
                group["swings"].append(swing)
                for row in expected:
                    if row["group"] is group and row["ended"] < 0:
                        row["ended"] = t
                levels = [s["level"] for s in group["swings"]]
                row = {"group": group, "known": t, "level": np.mean(levels), "swept": -1, "ended": -1}
                expected.append(row | {"leader": group["swings"][0]["number"], "last": swing["number"]})
            else:
                groups.append({"swings": [swing], "swept": False})
            before = swing
        n_swept = 0
        for group in groups:
            if not group["swept"] and side * price[t] >= side * group["swings"][0]["level"] + width:
                group["swept"] = True
                for row in expected:
                    if row["group"] is group and row["ended"] < 0:
                        row["swept"] = row["ended"] = t
                        n_swept += 1
        assert pools.sweeps[t] == n_swept
        open_ = [row for row in expected if row["ended"] < 0]
        edges = [side * row["group"]["swings"][0]["level"] for row in open_]
        nearest = open_[int(np.argmin(edges))]["leader"] if open_ else None
        assert (pools.pool[pools.nearest[t]] if pools.nearest[t] >= 0 else None) == nearest
    count = pools.state[0]
    table = np.column_stack([pools.pool, pools.last, pools.known, pools.swept, pools.ended])[:count]
    assert table.tolist() == [[r[f] for f in ("leader", "last", "known", "swept", "ended")] for r in expected]
    np.testing.assert_allclose(pools.level[:count], [r["level"] for r in expected], rtol=1e-12)


@given(markets(), st.integers(1, 4))
@example(trend(60), 2)
def test_dealing_range_and_retracement(bars: Prices, n: int) -> None:
    dealing = run(DealingTracker(bars.close.size, swing_length=n), bars).dealing
    swings, high, low = slow_swings(bars, n), bars.high, bars.low
    for t in range(high.size):
        tops, bottoms = live(swings, t, 1), live(swings, t, -1)
        if not tops or not bottoms:
            assert np.isnan(dealing.top[t])
            assert dealing.current[t] == dealing.deepest[t] == 0
            continue
        top, bottom = tops[-1], bottoms[-1]
        assert dealing.top[t] == high[top["origin"] : t + 1].max()
        assert dealing.bottom[t] == low[bottom["origin"] : t + 1].min()
        span = top["level"] - bottom["level"]
        after_top = top["number"] > bottom["number"]
        assert dealing.direction[t] == (1 if after_top else -1)
        since = slice(max(top["origin"], bottom["origin"]) + 1, t + 1)
        back = top["level"] - low[since] if after_top else high[since] - bottom["level"]
        assert dealing.current[t] == (back[-1] / span if span > 0 else 0.0)
        assert dealing.deepest[t] == (back.max() / span if span > 0 else 0.0)


@given(markets(), st.sampled_from(["4h", "1d", "1w", "london", "sydney", "asian_kill_zone"]))
def test_spans(bars: Prices, name: str) -> None:
    spans = run(SpanTracker(bars.close.size, name=name), bars).spans
    number, active = span_of(name, bars.time)
    groups: list[list[int]] = []
    for t in range(number.size):
        if active[t]:
            follows = t > 0 and active[t - 1] and number[t] == number[t - 1]
            groups[-1].append(t) if follows else groups.append([t])
        over = [g for g in groups if g[-1] < t]
        assert spans.done[t] == len(over) - 1
        assert spans.span[t] == len(groups) - 1
        if groups:
            assert spans.high[t] == bars.high[groups[-1]].max()
            assert spans.low[t] == bars.low[groups[-1]].min()
    for k, rows in enumerate(groups):
        assert spans.first[k] == rows[0]
        assert spans.known[k] == (rows[-1] + 1 if rows[-1] + 1 < number.size else -1)
        assert spans.high_bar[k] == rows[0] + int(np.argmax(bars.high[rows]))
        assert spans.low_bar[k] == rows[0] + int(np.argmin(bars.low[rows]))
        stop = groups[k + 1][-1] + 1 if k + 1 < len(groups) else number.size
        beyond = np.flatnonzero(bars.high[rows[-1] + 1 : stop] > bars.high[rows].max())
        assert spans.high_broken[k] == (rows[-1] + 1 + int(beyond[0]) if beyond.size else -1)
        beyond = np.flatnonzero(bars.low[rows[-1] + 1 : stop] < bars.low[rows].min())
        assert spans.low_broken[k] == (rows[-1] + 1 + int(beyond[0]) if beyond.size else -1)


@given(markets(), st.data())
def test_going_on_bar_by_bar_records_the_same(bars: Prices, data: st.DataObject) -> None:
    n_bars = bars.close.size
    makers: list[Any] = [
        lambda n: BreakTracker(n, swing_length=2),
        lambda n: GapTracker(n, sign=1, join_consecutive=True),
        lambda n: BlockTracker(n, sign=-1, swing_length=1, break_by_body=False),
        lambda n: PoolTracker(n, sign=1, swing_length=1, tolerance=0.01),
        lambda n: DealingTracker(n, swing_length=2),
        lambda n: SpanTracker(n, name="1d"),
    ]
    cuts = sorted(data.draw(st.sets(st.integers(0, n_bars), max_size=8)) | {0, n_bars})
    for make in makers:
        whole, parts = run(make(n_bars), bars), make(n_bars)
        for start, stop in itertools.pairwise(cuts):
            parts.advance(bars, start, stop)
        for name in ("swings", "breaks", "zones", "pools", "dealing", "spans"):
            for one, other in zip(getattr(whole, name, ()), getattr(parts, name, ()), strict=True):
                np.testing.assert_array_equal(one, other)
