"""Faults of content and of clocks: impossible bars, wrong types, pages with holes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from workbench.data.replay import FAULTS, ReplayMarket, open_faults
from workbench.data.replay.running import Running

KLINES = "/api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=40"
OHLC = "/api.kraken.com/0/public/OHLC?pair=XBTUSDT&interval=1"
MINUTE = 60_000
Get = Callable[..., Any]
Rows = list[list[Any]]


# contents


@pytest.mark.parametrize("path", [KLINES, OHLC])
@pytest.mark.parametrize(
    ("kind", "share"), [("nan", 0.2), ("negative", 0.2), ("high-low", 0.2), ("overflow", 0.2), ("seconds", 1.0)]
)
def test_impossible_bars(faults_on: Any, get: Get, kind: str, share: float, path: str) -> None:
    before = _rows(get(path))
    faults_on(kind)
    answer = get(path)
    after = _rows(answer)
    assert len(after) == len(before)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == int(len(before) * share)
    assert all(_impossible(kind, old, new) for old, new in changed)
    if kind == "overflow":
        assert b"1e400" in answer.body


def _impossible(kind: str, old: list[Any], new: list[Any]) -> bool:
    low, high, close = float(new[3]), float(new[2]), float(new[4])
    ratio = old[0] / new[0]
    return {
        "nan": math.isnan(close),
        "negative": low < 0 and float(new[5 if len(new) == 12 else 6]) < 0,
        "high-low": high < low,
        "overflow": math.isinf(high),
        "seconds": ratio == pytest.approx(1000, rel=1e-6) or ratio == pytest.approx(0.001),
    }[kind]


@pytest.mark.parametrize("path", [KLINES, OHLC])
def test_wrong_types(faults_on: Any, get: Get, path: str) -> None:
    before = _rows(get(path))
    faults_on("strings")
    swapped = _rows(get(path))
    assert {row[0] for row in swapped} == {"n/a"}
    assert [row[1] for row in swapped] == [float(row[1]) for row in before]
    faults_on("nulls")
    nulled = _rows(get(path))
    empty = sum(value is None for row in nulled for value in row)
    assert 0.3 < empty / sum(map(len, nulled)) < 0.7
    assert all(
        b is None or a == b for old, new in zip(before, nulled, strict=True) for a, b in zip(old, new, strict=True)
    )
    faults_on("nested-error")
    assert isinstance(get(path).json["error"]["code"], dict)


@pytest.mark.parametrize("path", [KLINES, OHLC])
def test_pages_with_holes_twins_and_disorder(faults_on: Any, get: Get, path: str) -> None:
    before = _rows(get(path))
    faults_on("hole", seed=3)
    holed = _rows(get(path))
    assert holed == _rows(get(path))  # the same bars are missing whenever they are asked
    assert 0 < len(holed) < len(before)
    assert [row for row in before if row in holed] == holed
    faults_on("duplicate")
    doubled = _rows(get(path))
    assert len(doubled) == len(before) + int(0.2 * len(before))
    assert [row for row, last in zip(doubled, [None, *doubled], strict=False) if row != last] == before
    faults_on("unordered")
    shuffled = _rows(get(path))
    assert shuffled != before
    assert sorted(shuffled) == before
    faults_on("short-page(7)")
    assert _rows(get(path)) == before[-7:]


def test_a_short_page_begins_where_it_was_asked_to(faults_on: Any, get: Get) -> None:
    path = f"{KLINES}&startTime={_rows(get())[0][0]}"
    before = _rows(get(path))
    faults_on("short-page(7)")
    assert _rows(get(path)) == before[:7]


def test_an_overlapping_page_begins_with_the_end_of_the_one_before(faults_on: Any, get: Get) -> None:
    first = _rows(get())[0][0]
    pages = [f"{KLINES.replace('40', '10')}&startTime={first + i * 10 * MINUTE}" for i in range(2)]
    before = [_rows(get(page)) for page in pages]
    faults_on("overlap(3)")
    after = [_rows(get(page)) for page in pages]
    assert after == [before[0], before[0][-3:] + before[1]]


@pytest.mark.parametrize("path", [KLINES, OHLC])
def test_a_bar_that_is_read_again_has_another_close_within_its_range(faults_on: Any, get: Get, path: str) -> None:
    before = _rows(get(path))
    faults_on("revised")
    assert _rows(get(path)) == before
    again = _rows(get(path))
    assert [a[:4] for a in again] == [b[:4] for b in before]
    moved = [(float(a[4]), float(a[3]), float(a[2])) for a, b in zip(again, before, strict=True) if a[4] != b[4]]
    assert len(moved) > len(before) / 2
    assert all(low <= close <= high for close, low, high in moved)


@pytest.mark.parametrize("path", [KLINES, OHLC])
def test_all_faults_of_content_at_once_still_make_an_answer(faults_on: Any, get: Get, path: str) -> None:
    bodies = [kind.name for kind in FAULTS.values() if kind.side == "body"]
    for first in range(len(bodies)):
        faults_on("; ".join(f"{kind}(p=0.7)" for kind in bodies[first:] + bodies[:first]), seed=first)
        assert [get(path).status for _ in range(3)] == [200, 200, 200]


def test_a_bar_whose_first_answer_was_spoiled_is_not_read_yet(faults_on: Any, get: Get) -> None:
    before = _rows(get())
    faults_on("high-low x1; revised")
    assert _rows(get()) != before
    assert _rows(get()) == before
    assert _rows(get()) != before


# clocks


@pytest.mark.parametrize("seconds", [0.5, -0.5, 1.5, -1.5, 5.0, -5.0, 60.0, -60.0])
def test_a_skewed_clock_is_told_and_bars_stay(faults_on: Any, get: Get, faulty: Running, seconds: float) -> None:
    now, bars = faulty.venue.clock.now(), get().body
    faults_on(f"skew({seconds}) on binance")
    assert get("/api.binance.com/api/v3/time").json["serverTime"] == int((now + seconds) * 1000)
    assert get("/api.kraken.com/0/public/Time").json["result"]["unixtime"] == int(now)
    assert get().body == bars


def test_a_drifting_clock_moves_by_the_day(replay_market: ReplayMarket) -> None:
    plan = open_faults("skew(seconds=1, drift=10)@1d for 2d", start=0.0)
    days = [plan.clock_skew("api.binance.com", day * 86400.0) for day in (0.5, 1, 2, 2.5, 3.5)]
    assert days == [0, 1, 11, 16, 0]


def _rows(answer: Any) -> Rows:
    told = answer.json
    return list(told if isinstance(told, list) else told["result"]["XBTUSDT"])
