"""The ZigZag: a slow twin, no repainting, pieces equal the whole, paths by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from workbench.features import compute
from workbench.features.patterns import Pivots, zigzag_pivots
from workbench.features.patterns.zigzag_kernels import STATE_SIZE, line_breaks, segment_ranges, warm, zigzag


def twin(high, low, close, threshold: float, atr_window: int) -> list[tuple[int, int, float, int]]:
    """Leg by leg, each bar judged anew from the whole leg: running extremes by numpy, nothing carried."""
    n_bars = high.size
    width = talib.ATR(high, low, close, atr_window) if atr_window else None
    found, start, leg = [], atr_window, 0
    for t in range(atr_window + 1, n_bars):
        top, foot = start + int(high[start : t + 1].argmax()), start + int(low[start : t + 1].argmin())
        top_level = high[top] - threshold * (width[top] if atr_window else high[top])
        foot_level = low[foot] + threshold * (width[foot] if atr_window else low[foot])
        down = leg >= 0 and top < t and low[t] < high[top] and low[t] <= top_level
        up = leg <= 0 and foot < t and high[t] > low[foot] and high[t] >= foot_level
        if down and up:
            down = close[t] < (high[t] + low[t]) / 2
        if down:
            found.append((top, t, high[top], 1))
            start, leg = t, -1
        elif up:
            found.append((foot, t, low[foot], -1))
            start, leg = t, 1
    return found


def as_rows(pivots: Pivots) -> list[tuple[int, int, float, int]]:
    return list(zip(*(column.tolist() for column in pivots), strict=True))


def walk(seed: int, n_bars: int, *, tick: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    close = (
        100 + np.cumsum(rng.integers(-3, 4, n_bars)) / 8 if tick else 100 * np.exp(rng.normal(0, 0.01, n_bars).cumsum())
    )
    high = close + rng.integers(0, 3, n_bars) / 8 if tick else close * (1 + rng.uniform(0, 0.01, n_bars))
    low = close - rng.integers(0, 3, n_bars) / 8 if tick else close * (1 - rng.uniform(0, 0.01, n_bars))
    return high, low, close


@given(
    seed=st.integers(0, 10_000),
    n_bars=st.integers(0, 250),
    settings=st.sampled_from([(0.01, 0), (0.03, 0), (1.0, 1), (1.5, 3), (3.0, 14), (0.25, 5)]),
    tick=st.booleans(),
)
def test_kernel_equals_its_slow_twin(seed: int, n_bars: int, settings: tuple[float, int], tick: bool) -> None:
    high, low, close = walk(seed, n_bars, tick=tick)
    threshold, atr_window = settings
    got = zigzag_pivots(high, low, close, threshold=threshold, atr_window=atr_window)
    assert as_rows(got) == twin(high, low, close, threshold, atr_window)


@given(seed=st.integers(0, 10_000), cut=st.integers(0, 300), tick=st.booleans())
def test_confirmed_pivots_are_never_revised(seed: int, cut: int, tick: bool) -> None:
    high, low, close = walk(seed, 300, tick=tick)
    whole = as_rows(zigzag_pivots(high, low, close, threshold=1.5, atr_window=5))
    part = as_rows(zigzag_pivots(high[:cut], low[:cut], close[:cut], threshold=1.5, atr_window=5))
    assert part == [row for row in whole if row[1] < cut]


@given(seed=st.integers(0, 10_000), tick=st.booleans())
def test_pivots_alternate_and_are_the_extremes_between_their_neighbours(seed: int, tick: bool) -> None:
    high, low, close = walk(seed, 300, tick=tick)
    p = zigzag_pivots(high, low, close, threshold=1.5, atr_window=5)
    assert (p.side[1:] == -p.side[:-1]).all()
    assert (p.origin < p.known).all()
    assert (p.known[:-1] <= p.origin[1:]).all()
    for i in range(1, p.side.size):
        between = slice(p.origin[i - 1] + 1, p.known[i])
        extreme = high[between].max() if p.side[i] > 0 else low[between].min()
        assert p.price[i] == extreme


@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_pieces_on_one_state_equal_the_whole(seed: int, cuts: list[int]) -> None:
    high, low, close = walk(seed, 200)
    whole = as_rows(zigzag_pivots(high, low, close, threshold=2.0, atr_window=5))
    state, rows = np.zeros(STATE_SIZE), []
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 200], strict=True):
        out = [np.empty(b - a, dtype=np.int64) for _ in range(3)]
        price = np.empty(b - a)
        count = zigzag(state, high[a:b], low[a:b], close[a:b], 2.0, 5, out[0], out[1], price, out[2])
        rows += list(zip(out[0][:count].tolist(), out[1].tolist(), price.tolist(), out[2].tolist(), strict=False))
    assert rows == whole


def test_a_path_by_hand(path) -> None:
    """100 → 110 → 104 → 120 → 100 in straight lines; a reversal of 3 %."""
    close = path([100, 110, 104, 120, 100])
    p = zigzag_pivots(close, close, close, threshold=0.03, atr_window=0)
    assert p.price.tolist() == [100, 110, 104, 120]
    assert p.origin.tolist() == [0, 5, 10, 15]
    assert p.side.tolist() == [-1, 1, -1, 1]
    # 102, 104: +3 % first at bar 2; 108.8, 107.6, 106.4: -3 % of 110 is 106.7, bar 8; 107.2: bar 11; 116: bar 16
    assert p.known.tolist() == [2, 8, 11, 16]


def test_a_bar_that_extends_its_leg_cannot_reverse_it() -> None:
    high = np.array([100.0, 105, 112, 111])
    low = np.array([100.0, 104, 90, 110])  # the third bar sets the high and falls by 20 %
    p = zigzag_pivots(high, low, (high + low) / 2, threshold=0.05, atr_window=0)
    assert as_rows(p) == [(0, 1, 100.0, -1)]


def test_a_flat_market_has_no_pivots() -> None:
    flat = np.full(500, 100.1)
    assert zigzag_pivots(flat, flat, flat, threshold=0.5, atr_window=14).price.size == 0


def test_features_on_the_path_by_hand(path, path_bars) -> None:
    bars = path_bars(path([100, 110, 104, 120, 100]))
    setting = "(0.03, 0)"
    names = [f"zigzag_{n}{setting}" for n in ("direction", "age", "leg", "swing", "retracement")]
    table = compute(bars, names).droplevel("symbol", axis=1)
    direction, age, leg, swing, back = (table[n].to_numpy() for n in names)
    assert direction.tolist() == [0] * 2 + [1] * 6 + [-1] * 3 + [1] * 5 + [-1] * 5
    assert age[:4].tolist() == [0, 0, 2, 3]
    assert age[8] == 3
    assert leg[8] == pytest.approx(106.4 / 110 - 1)
    assert swing[7] == 0  # one pivot only
    assert swing[8] == pytest.approx(110 / 100 - 1)
    assert swing[20] == pytest.approx(120 / 104 - 1)
    assert back[10] == pytest.approx(6 / 10)
    assert back[20] == pytest.approx(20 / 16)


@given(seed=st.integers(0, 10_000))
def test_line_breaks_equal_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    close = 100 + rng.normal(0, 1, 60).cumsum()
    known = np.sort(rng.choice(60, 8, replace=False))
    until = known + rng.integers(0, 30, 8)
    upper, lower = close[known] + rng.uniform(-1, 4, 8), close[known] - rng.uniform(-1, 4, 8)
    up, down = rng.normal(0, 0.1, 8), rng.normal(0, 0.1, 8)
    bar, side = np.empty(8, dtype=np.int64), np.empty(8, dtype=np.int64)
    line_breaks(close, known, until, upper, up, lower, down, bar, side)
    for i in range(8):
        t = np.arange(known[i], min(until[i], 59) + 1)
        above, below = close[t] > upper[i] + up[i] * (t - known[i]), close[t] < lower[i] + down[i] * (t - known[i])
        hit = np.flatnonzero(above | below)
        expected = (t[hit[0]], 1 if above[hit[0]] else -1) if hit.size else (-1, 0)
        assert (bar[i], side[i]) == expected


def test_segment_ranges_equal_numpy(rng: np.random.Generator) -> None:
    x = rng.normal(size=50)
    first = rng.integers(0, 40, 20)
    last = first + rng.integers(0, 10, 20)
    span = np.empty(20)
    segment_ranges(x, first, last, span)
    assert span.tolist() == [np.ptp(x[a : b + 1]) for a, b in zip(first, last, strict=True)]


def test_warming_up_compiles_every_kernel() -> None:
    warm()
    assert all(kernel.signatures for kernel in (zigzag, line_breaks, segment_ranges))


def test_ten_times_the_bars_take_about_ten_times_as_long() -> None:
    """A trend, a walk and a saw, where a scan back would show: all far below a quadratic pass."""
    high, low, close = walk(1, 1_000_000)
    saw = 100.0 + np.tile([0.0, 5.0, 10.0, 5.0], 250_000)
    trend = np.linspace(100, 1000, 1_000_000)
    for columns in ((high, low, close), (saw, saw, saw), (trend, trend, trend)):
        small = tuple(c[:100_000] for c in columns)
        took = [min(timed(c) for _ in range(5)) for c in (small, columns)]
        assert took[1] < 40 * took[0] + 0.01


def timed(columns: tuple[np.ndarray, ...]) -> float:
    begun = time.perf_counter()
    zigzag_pivots(*columns, threshold=2.0, atr_window=14)
    return time.perf_counter() - begun
