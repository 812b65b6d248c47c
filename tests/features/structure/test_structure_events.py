"""The event tables: hand-made paths, what was known when, long trends, wrong input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import compute
from workbench.features.structure import (
    EVENT_COLUMNS,
    EVENT_KINDS,
    gap_events,
    level_events,
    liquidity_events,
    order_block_events,
    smart_money_events,
    structure_events,
    swing_events,
)
from workbench.features.structure.trackers import BlockTracker, BreakTracker, GapTracker, PoolTracker, Prices


def path(bars: Sequence[tuple[float, float, float, float]], freq: str = "h") -> pd.DataFrame:
    """Bars of one symbol from (open, high, low, close)."""
    index = pd.date_range("2024-01-01", periods=len(bars), freq=freq, tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([["open", "high", "low", "close"], ["X"]], names=["field", "symbol"])
    return pd.DataFrame(np.array(bars, dtype=np.float64).reshape(-1, 4), index=index, columns=columns)


def walk(*closes: float, wick: float = 0.25) -> pd.DataFrame:
    """Bars that open at the close before, with equal wicks."""
    bars = []
    for before, close in zip((closes[0], *closes[:-1]), closes, strict=True):
        bars.append((before, max(before, close) + wick, min(before, close) - wick, close))
    return path(bars)


def rows(events: pd.DataFrame, bars: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of a table, with bar numbers for times and None for NaT."""
    out = events[list(columns)].copy()
    for name in {"origin", "known", "touched", "ended"} & set(columns):
        numbers = bars.index.get_indexer(pd.DatetimeIndex(events[name]))
        out[name] = pd.Series([None if k < 0 else int(k) for k in numbers], index=out.index, dtype=object)
    return list(out.itertuples(index=False, name=None))


def test_a_swing_is_known_its_length_later() -> None:
    bars = walk(10, 11, 12, 13, 12, 11, 10, 9, 10, 11, 12)
    found = rows(swing_events(bars, "X", swing_length=2), bars, "origin", "known", "direction", "level", "ended")
    assert found == [(1, 3, -1, 9.75, None), (3, 5, 1, 13.25, None), (7, 9, -1, 8.75, None)]


def test_a_swing_loses_its_place_to_a_higher_one() -> None:
    """Two highs without a low between: the first was known, and counted until the second was."""
    bars = path([(5, 5, 1, 5), (5, 8, 2, 6), (6, 7, 3, 6), (6, 7, 4, 6), (6, 9, 5, 8), (8, 8, 6, 8), (8, 8, 6.5, 7)])
    found = rows(swing_events(bars, "X", swing_length=2), bars, "origin", "known", "direction", "ended")
    assert found == [(1, 3, 1, 6), (4, 6, 1, None)]
    earlier = swing_events(bars, "X", swing_length=2, as_known=bars.index[5])
    assert rows(earlier, bars, "origin", "known", "ended") == [(1, 3, None)]
    earliest = swing_events(bars, "X", swing_length=2, as_known="2024-01-01 02:00")
    assert earliest.empty


def test_breaks_and_changes_of_character() -> None:
    """Up through a high, up again, then down through the last low: bos, bos, choch; a wick alone breaks nothing."""
    closes = (10, 12, 14, 12, 11, 13, 15, 17, 15, 14, 16, 18, 16, 13)
    bars = walk(*closes)
    found = rows(structure_events(bars, "X", swing_length=1), bars, "kind", "direction", "origin", "known", "level")
    assert found == [
        ("bos", 1, 2, 6, 14.25),
        ("bos", 1, 7, 11, 17.25),
        ("choch", -1, 9, 13, 13.75),
    ]
    wicked = bars.copy()
    wicked.loc[wicked.index[13], ("close", "X")] = 13.75
    assert rows(structure_events(wicked, "X", swing_length=1), wicked, "known") == [(6,), (11,)]
    for name, expected in (("bos", {6: 1.0, 11: 1.0}), ("choch", {13: -1.0})):
        values = compute(bars, f"{name}(1)").to_numpy()[:, 0]
        assert {int(t): values[t] for t in np.flatnonzero(np.nan_to_num(values))} == expected
    assert compute(bars, "trend_state(1)").to_numpy()[[5, 6, 12, 13], 0].tolist() == [0, 1, 1, -1]


def test_character_by_swings_needs_a_lower_low() -> None:
    """A break up behind a lower low is a change of character by the swings, and the first break by the trend."""
    bars = walk(26, 18, 16, 18, 20, 22, 20, 18, 16, 17, 19, 21, 23)
    bars.loc[bars.index[8], ("low", "X")] = 14.75  # a wick below the low at bar 2: no close breaks it
    by_trend = structure_events(bars, "X", swing_length=2)
    by_swings = structure_events(bars, "X", swing_length=2, character="swings")
    assert rows(by_trend, bars, "kind", "origin", "known") == [("bos", 5, 12)]
    assert rows(by_swings, bars, "kind", "origin", "known") == [("choch", 5, 12)]


def test_gaps_are_known_on_the_third_bar_and_touched_once() -> None:
    up = [(10, 11, 9, 10), (10, 15, 10, 15), (15, 17, 13, 16), (16, 18, 14, 17)]
    bars = path([*up, (17, 17, 13, 13), (13, 14, 5, 5), (5, 6, 3, 4)])
    found = rows(gap_events(bars, "X"), bars, "direction", "origin", "known", "top", "bottom", "touched", "ended")
    assert found == [(1, 1, 2, 13.0, 11.0, 4, 4), (-1, 5, 6, 13.0, 6.0, None, None)]
    assert compute(bars, "fvg_bull_count").to_numpy()[:, 0].tolist()[2:] == [1, 1, 0, 0, 0]
    assert compute(bars, "fvg_bull").to_numpy()[2:, 0].tolist() == pytest.approx([13 / 16 - 1, 13 / 17 - 1, 0, 0, 0])
    assert compute(bars, "fvg_bear").to_numpy()[2:, 0].tolist() == [0, 0, 0, 0, 6 / 4 - 1]


def test_consecutive_gaps_join() -> None:
    bars = path([(10, 11, 9, 10), (11, 14, 10, 14), (14, 18, 13, 18), (18, 22, 17, 21), (21, 23, 16, 22)])
    apart = gap_events(bars, "X")
    assert rows(apart, bars, "origin", "top", "bottom", "touched") == [(1, 13.0, 11.0, None), (2, 17.0, 14.0, 4)]
    joined = gap_events(bars, "X", join_consecutive=True)
    found = rows(joined, bars, "origin", "known", "top", "bottom", "touched", "ended")
    assert found == [(1, 2, 13.0, 11.0, None, 3), (2, 3, 17.0, 11.0, 4, 4)]


def test_an_order_block_is_the_lowest_bar_before_the_break() -> None:
    bars = walk(10, 12, 14, 12, 11, 13, 15, 16, 12, 11.5, 10.5, wick=0.5)
    blocks = order_block_events(bars, "X", swing_length=1)
    bullish = blocks[blocks["direction"] == 1]
    fields = ("origin", "known", "top", "bottom", "touched", "ended")
    # the bar from 12 to 11 holds the low between the high at bar 2 and the close above it at bar 6
    assert rows(bullish, bars, *fields)[0] == (5, 6, 13.5, 10.5, 8, 10)
    by_body = order_block_events(bars, "X", swing_length=1, break_by_body=True)
    assert rows(by_body[by_body["direction"] == 1], bars, "origin", "ended")[0] == (5, None)
    count = compute(bars, "order_block_bull_count(1)").to_numpy()[:, 0]
    assert count[5:].tolist() == [0, 1, 1, 1, 1, 0]


def test_equal_highs_make_a_pool_that_is_swept() -> None:
    bars = walk(10, 12, 14, 12, 10, 12, 14.01, 12, 10, 12, 13.98, 12, 15)
    pools = liquidity_events(bars, "X", swing_length=1, tolerance=0.01)
    highs = pools[pools["direction"] == 1]
    found = rows(highs, bars, "origin", "known", "touched", "ended")
    assert found == [(2, 7, None, 11), (2, 11, 12, 12)]
    assert highs["level"].tolist() == pytest.approx([14.255, 14.2466666], abs=1e-6)
    assert highs["top"].tolist() == pytest.approx([14.25 * 1.01] * 2)
    swept = compute(bars, "sweep(1, 0.01)").to_numpy()[:, 0]
    assert np.flatnonzero(np.nan_to_num(swept)).tolist() == [12]
    above = compute(bars, "liquidity_above(1, 0.01)").to_numpy()[:, 0]
    assert above[6] == 0
    assert above[7] == pytest.approx(14.255 / 12 - 1)
    assert above[12] == 0


def test_premium_discount_and_retracement() -> None:
    bars = walk(10, 12, 14, 12, 10, 12, 13, wick=0.0)
    place = compute(bars, "premium_discount(1)").to_numpy()[:, 0]
    assert place[1:].tolist() == pytest.approx([0.5, 0.5, 0.5, 0.0, 0.5, 0.75])
    back = compute(bars, "retracement(1)").to_numpy()[:, 0]
    assert back[-1] == pytest.approx(0.75)


def test_past_days_weeks_and_sessions() -> None:
    index = pd.date_range("2024-01-05", periods=24 * 5, freq="h", tz="UTC", name="time")  # a Friday
    close = 100 + np.arange(len(index)) * 0.5
    columns = pd.MultiIndex.from_product([["open", "high", "low", "close"], ["X"]], names=["field", "symbol"])
    bars = pd.DataFrame(np.column_stack([close, close + 1, close - 1, close]), index=index, columns=columns)
    table = level_events(bars, "X", periods=("1d", "1w"), sessions=("london",))
    days = table[(table["kind"] == "previous_1d") & (table["direction"] == 1)]
    found = rows(days, bars, "origin", "known", "level", "touched", "ended")
    assert found[0] == (23, 24, 112.5, 24, 48)
    assert len(days) == 4  # the fifth day is not over
    weeks = table[table["kind"] == "previous_1w"]
    assert rows(weeks, bars, "direction", "origin", "known", "level") == [(-1, 0, 72, 99.0), (1, 71, 72, 136.5)]
    session = table[table["kind"] == "session_london"].head(1)
    assert rows(session, bars, "origin", "known", "top", "bottom") == [(7, 16, 108.5, 102.5)]
    gap = compute(bars, "previous_high_gap('1d')").to_numpy()[:, 0]
    assert gap[:24].tolist() == [0.0] * 24
    assert gap[24] == pytest.approx(112.5 / 112 - 1)
    assert compute(bars, "previous_low_gap('1w')").to_numpy()[72, 0] == pytest.approx(99 / 136 - 1)
    inside = compute(bars, "in_session('sydney')").to_numpy()[:24, 0]
    assert np.flatnonzero(inside).tolist() == [0, 1, 2, 3, 4, 5, 21, 22, 23]
    place = compute(bars, "session_range_position('london')").to_numpy()[:, 0]
    assert place[6] == 0.5
    assert place[16] == pytest.approx((108 - 102.5) / 6)


SETTINGS: tuple[dict[str, Any], ...] = (
    {"swing_length": 1, "tolerance": 0.01},
    {"swing_length": 3, "join_consecutive": True, "character": "swings", "tolerance": 0.005},
    {"swing_length": 10, "break_by_body": True, "sessions": ("sydney", "london_close_kill_zone")},
)


@pytest.mark.parametrize("settings", SETTINGS)
def test_what_was_known_then_is_in_the_table_of_now(
    settings: dict[str, Any], bars: pd.DataFrame, ragged: pd.DataFrame
) -> None:
    """Prefix equality: rows known by a bar are the same whatever follows, but for later touches and ends."""
    for market, symbol in ((bars, "A"), (ragged, "C"), (ragged, "D")):
        whole = smart_money_events(market, symbol, **settings)
        for cut in (3, 40, 137, 201, 262, 399):
            moment = market.index[cut]
            then = smart_money_events(market.iloc[: cut + 1], symbol, **settings)
            now = whole[whole["known"] <= moment].reset_index(drop=True)
            for name in ("touched", "ended"):
                now[name] = now[name].where(now[name] <= moment)
            now["kind"], then["kind"] = now["kind"].astype(str), then["kind"].astype(str)
            pd.testing.assert_frame_equal(now, then, check_exact=True)
            cutting = smart_money_events(market, symbol, as_known=moment, **settings)
            pd.testing.assert_frame_equal(cutting.assign(kind=cutting["kind"].astype(str)), then, check_exact=True)


def test_times_are_in_order(bars: pd.DataFrame) -> None:
    events = smart_money_events(bars, "A", swing_length=3, tolerance=0.01)
    assert list(events.columns) == list(EVENT_COLUMNS)
    assert {"swing", "bos", "choch", "fvg", "order_block", "liquidity", "session_asia"} <= set(events["kind"])
    assert (events["origin"] < events["known"]).all()
    assert events["known"].is_monotonic_increasing
    for later in ("touched", "ended"):
        known = events[events[later].notna()]
        assert (known[later] >= known["known"]).all()
    assert (events["bottom"] <= events["top"]).all()


def test_no_bars_give_an_empty_table(bars: pd.DataFrame) -> None:
    for n_bars in (0, 1, 2):
        events = smart_money_events(bars.iloc[:n_bars], "A")
        assert list(events.columns) == list(EVENT_COLUMNS)
        assert len(events) == 0
    assert len(smart_money_events(bars, "A", kinds=())) == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda b: swing_events(b, "Z"), DataError, "bars have no open of 'Z'"),
        (lambda b: swing_events(b, "A", swing_length=0), ConfigError, "swing_length must be between 1 and 100000"),
        (lambda b: liquidity_events(b, "A", tolerance=1.0), ConfigError, "tolerance must be a fraction"),
        (lambda b: structure_events(b, "A", character="trnd"), ConfigError, "Did you mean 'trend'?"),
        (lambda b: smart_money_events(b, "A", kinds=("fgv",)), ConfigError, "no kind 'fgv'. Did you mean 'fvg'?"),
        (lambda b: level_events(b, "A", sessions=("londn",)), ConfigError, "Did you mean 'london'?"),
        (lambda b: level_events(b, "A", periods=("2d",)), ConfigError, "there is no period '2d'"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(
    call: Callable[[pd.DataFrame], Any], error: type[Exception], message: str, bars: pd.DataFrame
) -> None:
    assert set(EVENT_KINDS) >= {"fvg"}
    with pytest.raises(error) as caught:
        call(bars)
    assert message in str(caught.value)


def test_a_long_trend_is_no_harder_than_a_walk() -> None:
    """300,000 bars that never turn back: every gap, block and pool stays open, so a search through them would not end.

    The counts are in closed form.
    """
    n = 300_000
    x = np.arange(n, dtype=np.float64) + 1000
    steep: Any = Prices(open=x - 0.25, high=x + 0.5, low=x - 0.5, close=x + 0.25)
    gaps = GapTracker(n, sign=1, join_consecutive=False)
    gaps.advance(steep, 0, n)
    assert gaps.zones.state[0] == n - 2
    assert gaps.zones.n_open[-1] == n - 2
    assert (gaps.zones.ended[: n - 2] == -1).all()
    stairs = 1000 + np.arange(n) // 6 + np.array([0, 1, 2, 1.4, 0.8, 1.6])[np.arange(n) % 6]
    zigzag: Any = Prices(open=stairs - 0.1, high=stairs + 0.2, low=stairs - 0.2, close=stairs + 0.1)
    blocks = BlockTracker(n, sign=1, swing_length=1, break_by_body=False)
    blocks.advance(zigzag, 0, n)
    breaks = BreakTracker(n, swing_length=1)
    breaks.advance(zigzag, 0, n)
    falling: Any = Prices(high=-zigzag.low + 6e4, low=-zigzag.high + 6e4, close=-zigzag.close + 6e4)
    pools = PoolTracker(n, sign=1, swing_length=1, tolerance=1e-6)
    pools.advance(falling, 0, n)
    assert breaks.breaks.state[0] == n // 6 - 1
    assert (breaks.breaks.direction[: n // 6 - 1] == 1).all()
    assert blocks.zones.n_open[-1] == blocks.zones.state[0] == n // 6 - 1
    assert pools.pools.state[0] == 0
    assert pools.pools.state[1] > n // 7
