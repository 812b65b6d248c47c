"""The market behind the replay venue: bars, trades, books and clock, each against an independent truth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config import Settings
from workbench.data import check_bars, open_store, synthetic_market
from workbench.data.bars import bars_of
from workbench.data.replay import (
    ReplayClock,
    ReplayMarket,
    default_start,
    replay_of_bars,
    replay_of_store,
    synthetic_replay,
)
from workbench.data.replay.book import changed
from workbench.data.replay.encoding import rows_as_json
from workbench.data.replay.feeds import HISTORY_BARS, ArrayFeed, SyntheticFeed
from workbench.data.replay.grid import DAY, HOUR, MINUTE, end_of, open_of
from workbench.data.replay.market import FUNDING_MS
from workbench.data.replay.trades import Trades, bar_of_trades, trades_of_bar
from workbench.errors import ConfigError, DataError
from workbench.typing import FloatArray

BTC, PERP = "BTC/USDT", "BTC/USDT:USDT"


def frame_of(rows: FloatArray) -> pd.DataFrame:
    index = pd.DatetimeIndex(pd.to_datetime(rows[:, 0].astype("int64"), unit="ms", utc=True), name="time")
    return pd.DataFrame(rows[:, 1:], index=index, columns=["open", "high", "low", "close", "volume"])


ticks = st.integers(1, 10**7)


@given(
    corners=st.tuples(ticks, ticks, ticks, ticks),
    lots=st.integers(0, 10**9),
    minutes=st.sampled_from([1, 5, 60, 1440]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=150)
def test_trades_make_up_their_bar_exactly(
    corners: tuple[int, int, int, int], lots: int, minutes: int, seed: int
) -> None:
    low, open_, close, high = (t / 100 for t in sorted(corners))
    opened, step = 1_700_000_040_000 // (minutes * MINUTE) * minutes * MINUTE, minutes * MINUTE
    row = np.array([opened, open_, high, low, close, lots / 1000])
    trades = trades_of_bar(row, step, 2, 3, (seed, 1))
    if not len(trades):
        assert lots == 0
        assert high == low
        return
    assert bar_of_trades(trades, opened, 3).tolist() == row.tolist()
    assert sum(round(a * 1000) for a in trades.amounts) == lots
    assert trades.times[0] == opened
    assert (np.diff(trades.times) >= 0).all()
    assert trades.times[-1] < opened + step
    assert (np.diff(trades.ids) > 0).all()


def test_the_bar_under_way_is_made_of_the_trades_so_far(replay_market: ReplayMarket, replay_now_ms: int) -> None:
    opened = open_of(replay_now_ms, "1m")
    whole = replay_market.bars(PERP, "1m", opened, opened + 1)[0]
    before: FloatArray | None = None
    for time in range(opened, opened + MINUTE, 4999):
        done = replay_market.trades(PERP, opened, time + 1)
        part = replay_market.partial(PERP, "1m", time)
        assert part is not None
        assert part[4] == done.prices[-1]
        assert part[5] == pytest.approx(done.amounts.sum())
        if before is not None:
            assert part[2] >= before[2]
            assert part[3] <= before[3]
            assert part[5] >= before[5]
        before = part
    last = replay_market.partial(PERP, "1m", opened + MINUTE - 1)
    assert last is not None
    assert last.tolist() == whole.tolist()


@pytest.mark.parametrize(("timeframe", "rule"), [("5m", "5min"), ("1h", "1h"), ("4h", "4h"), ("1d", "1D")])
def test_higher_bars_are_those_of_pandas(replay_market: ReplayMarket, timeframe: str, rule: str) -> None:
    start, end = (int(pd.Timestamp(t).timestamp() * 1000) for t in ("2024-02-27", "2024-03-03"))
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    expected = frame_of(replay_market.bars(BTC, "1m", start, end)).resample(rule).agg(how)
    found = frame_of(replay_market.bars(BTC, timeframe, start, end))
    pd.testing.assert_frame_equal(found, expected, check_freq=False, check_index_type=False, rtol=1e-12)


def test_weeks_open_on_monday_and_months_on_their_first_day(replay_market: ReplayMarket) -> None:
    start, end = (int(pd.Timestamp(t).timestamp() * 1000) for t in ("2024-01-01", "2024-06-01"))
    weeks = frame_of(replay_market.bars(BTC, "1w", start, end))
    months = frame_of(replay_market.bars(BTC, "1M", start, end))
    assert set(weeks.index.day_of_week) == {0}
    assert [str(t.date()) for t in months.index] == [f"2024-0{m}-01" for m in range(1, 6)]
    days = frame_of(replay_market.bars(BTC, "1d", start, end))
    assert months["volume"].iloc[1] == pytest.approx(days.loc["2024-02"]["volume"].sum())
    assert months["high"].iloc[1] == days.loc["2024-02"]["high"].max()


@pytest.mark.parametrize("timeframe", ["1m", "15m", "1h", "1d", "1w", "1M"])
@pytest.mark.parametrize("price", ["last", "mark", "index"])
def test_what_is_seen_ends_in_the_bar_under_way(
    replay_market: ReplayMarket, replay_now_ms: int, timeframe: str, price: str
) -> None:
    opened = open_of(replay_now_ms, timeframe)
    seen = replay_market.seen(PERP, timeframe, opened - 3 * DAY, opened + 400 * DAY, replay_now_ms, price)  # type: ignore[arg-type]
    assert seen[-1, 0] == opened
    made = replay_market.trades(PERP, max(opened, replay_now_ms - HOUR), replay_now_ms + 1)
    if price == "last":
        assert seen[-1, 4] == made.prices[-1]
        assert seen[-1, 2] >= made.prices.max()
    later = replay_market.seen(PERP, timeframe, opened, opened + 1, end_of(opened, timeframe), price)  # type: ignore[arg-type]
    whole = replay_market.bars(PERP, timeframe, opened, opened + 1, price)  # type: ignore[arg-type]
    assert later.tolist() == whole.tolist()


def test_synthetic_bars_keep_the_convention_and_follow_without_a_gap(replay_market: ReplayMarket) -> None:
    start = int(pd.Timestamp("2023-06-29").timestamp() * 1000)
    for symbol in replay_market.symbols:
        rows = replay_market.bars(symbol, "1m", start, start + 4 * DAY)
        check_bars(bars_of({symbol: frame_of(rows)}))
        assert (np.diff(rows[:, 0]) == MINUTE).all()
        assert rows[1:, 1].tolist() == rows[:-1, 4].tolist()


def test_synthetic_bars_do_not_depend_on_what_was_asked_before() -> None:
    start = int(pd.Timestamp("2025-02-11 07:13").timestamp() * 1000)
    one, other = SyntheticFeed("regimes(seed=7)", BTC), SyntheticFeed("regimes(seed=7)", BTC)
    whole = one.bars(start, start + 3 * DAY)
    backwards = [other.bars(t, t + HOUR) for t in range(start + 3 * DAY - HOUR, start - HOUR, -HOUR)][::-1]
    assert np.array_equal(whole, np.concatenate(backwards))
    assert not np.array_equal(SyntheticFeed("regimes(seed=8)", BTC).bars(start, start + HOUR), whole[:60])
    assert not np.array_equal(SyntheticFeed("regimes(seed=7)", "ETH/USDT").bars(start, start + HOUR), whole[:60])


def test_synthetic_minutes_lie_within_the_market_they_are_drawn_from() -> None:
    bars, _ = synthetic_market(f"gbm(seed=3, n_bars={HISTORY_BARS})", ["XYZ/USDT"], "4h")
    start = int(bars.index[5].timestamp() * 1000)
    minutes = SyntheticFeed("gbm(seed=3)", "XYZ/USDT").bars(start, start + 240 * MINUTE)
    truth = {f: float(bars[(f, "XYZ/USDT")].iloc[5]) for f in ("open", "close", "volume")}
    assert minutes[0, 1] == pytest.approx(truth["open"], abs=1e-4)
    assert minutes[-1, 4] == pytest.approx(truth["close"], abs=1e-4)
    assert minutes[:, 5].sum() == pytest.approx(truth["volume"], abs=240 * 5e-4)


def test_bars_of_eight_decimals_stay_as_they_are_to_the_bit(rng: np.random.Generator) -> None:
    n = 500
    prices = np.sort(rng.integers(1, 10**11, (n, 4)), axis=1) / 1e8
    rows = np.column_stack([np.arange(n) * HOUR, prices[:, [1, 3, 0, 2]], rng.integers(0, 10**12, n) / 1e8])
    feed = ArrayFeed(rows, "60m")
    assert np.array_equal(feed.bars(0, n * HOUR), rows)
    assert (feed.timeframe, feed.price_decimals, feed.amount_decimals) == ("1h", 8, 8)
    assert np.array_equal(feed.bars(10 * HOUR, 12 * HOUR + 1)[:, 0], np.array([10, 11, 12]) * HOUR)


def test_wrong_rows_and_specs_are_refused() -> None:
    with pytest.raises(DataError, match="increasing times"):
        ArrayFeed(np.ones((2, 6)), "1h")
    with pytest.raises(ConfigError, match="leave n_bars out"):
        synthetic_replay("regimes(seed=7, n_bars=100)")
    with pytest.raises(ConfigError, match="Did you mean 'seed'"):
        synthetic_replay("regimes(sed=7)")
    with pytest.raises(ConfigError, match="BASE/QUOTE"):
        synthetic_replay(symbols=["BTCUSDT"])
    with pytest.raises(DataError, match="Did you mean 'BTC/USDT'"):
        synthetic_replay().instrument("BTC/USTD")


def test_one_slot_has_one_book_and_changes_lead_from_one_to_the_next(
    replay_market: ReplayMarket, replay_now_ms: int
) -> None:
    now = replay_now_ms // 100 * 100
    first, same = replay_market.book(BTC, now, 200), replay_market.book(BTC, now + 99, 200)
    assert first.update_id == same.update_id
    assert np.array_equal(first.bids, same.bids)
    later = replay_market.book(BTC, now + 7300, 200)
    for side, one, two in (("b", first.bids, later.bids), ("a", first.asks, later.asks)):
        levels = dict(one.tolist())
        moves = changed(one, two).tolist()
        assert len(moves) > 0
        for price, amount in moves:
            levels.pop(price, None) if amount == 0 else levels.update({price: amount})
        assert sorted(levels.items(), reverse=side == "b") == [tuple(level) for level in two.tolist()]
    quiet = replay_market.book(BTC, now + 100, 200)
    if quiet.bids[0, 0] == first.bids[0, 0]:
        assert len(changed(first.bids, quiet.bids)) < 60
    assert (np.diff(first.bids[:, 0]) < 0).all()
    assert (np.diff(first.asks[:, 0]) > 0).all()
    last = replay_market.last_price(BTC, now)
    assert first.bids[0, 0] < last < first.asks[0, 0]
    assert (first.bids[:, 1] > 0).all()


def test_trades_by_id_are_each_met_once(replay_market: ReplayMarket, replay_now_ms: int) -> None:
    start = replay_now_ms - 2 * HOUR
    truth = replay_market.trades(BTC, start, replay_now_ms + 1)
    parts: list[Trades] = []
    number = int(truth.ids[0])
    while True:
        page = replay_market.trades_from(BTC, number, 333, replay_now_ms)
        if not len(page):
            break
        parts.append(page)
        number = int(page.ids[-1]) + 1
    assert np.concatenate([p.ids for p in parts]).tolist() == truth.ids.tolist()
    assert {len(p) for p in parts[:-1]} == {333}
    assert replay_market.last_trades(BTC, replay_now_ms, 50).ids.tolist() == truth.ids[-50:].tolist()


def test_the_ticker_tells_the_last_day(replay_market: ReplayMarket, replay_now_ms: int) -> None:
    quote = replay_market.ticker(BTC, replay_now_ms)
    rows = replay_market.seen(BTC, "1m", replay_now_ms - DAY, replay_now_ms + 1, replay_now_ms)
    assert (quote.high, quote.low, quote.last) == (rows[:, 2].max(), rows[:, 3].min(), rows[-1, 4])
    assert quote.volume == pytest.approx(rows[:, 5].sum())
    assert quote.low * quote.volume < quote.quote_volume < quote.high * quote.volume


def test_funding_comes_every_eight_hours_at_the_mark(replay_market: ReplayMarket, replay_now_ms: int) -> None:
    rows = replay_market.funding(PERP, replay_now_ms - 10 * DAY, replay_now_ms)
    assert len(rows) == 30
    assert set(rows[:, 0] % FUNDING_MS) == {0.0}
    assert np.abs(rows[:, 1]).max() <= 3e-4
    assert len(set(rows[:, 1])) > 20
    time = int(rows[7, 0])
    assert rows[7, 2] == replay_market.bars(PERP, "1m", time, time + 1, "mark")[0, 1]
    index = replay_market.bars(PERP, "1m", time, time + 1, "index")[0, 1]
    last = replay_market.bars(PERP, "1m", time, time + 1)[0, 1]
    assert min(index, last) <= rows[7, 2] <= max(index, last)
    assert index == replay_market.bars(BTC, "1m", time, time + 1)[0, 1]
    assert last == pytest.approx(index, rel=6e-4)


def test_a_market_of_stored_bars_serves_their_lowest_length_and_gaps(settings: Settings) -> None:
    index = pd.date_range("2024-01-01", periods=500, freq="1h", tz="UTC", name="time").delete(range(100, 130))
    closes = np.round(100 + np.arange(len(index)) / 7, 2)
    frame = pd.DataFrame(
        {"open": closes, "high": closes + 1, "low": closes - 1, "close": closes + 0.5, "volume": 2.5}, index=index
    )
    store = open_store(settings)
    store.write("mine", "BTC/USDT", "1h", bars_of({"BTC/USDT": frame}))
    store.write("mine", "BTC/USDT", "1d", bars_of({"BTC/USDT": frame.iloc[::24]}))
    market = replay_of_store(store, "mine")
    assert market.symbols == (BTC, PERP)
    assert market.timeframe(BTC) == "1h"
    first = int(index[0].timestamp() * 1000)
    rows = market.bars(BTC, "1h", first, first + 500 * HOUR)
    assert np.array_equal(rows[:, 1:], np.round(frame.to_numpy(), 2))
    assert market.instrument(BTC).price_decimals == 2
    assert len(market.bars(BTC, "1h", first + 105 * HOUR, first + 110 * HOUR)) == 0
    assert market.partial(BTC, "1h", first + 105 * HOUR) is None
    assert market.bars(BTC, "1d", first, first + 3 * DAY)[:, 5].tolist() == [60.0, 60.0, 60.0]
    with pytest.raises(DataError, match="no 1m bars"):
        market.bars(BTC, "1m", first, first + HOUR)
    with pytest.raises(DataError, match="Did you mean 'BTC/USDT'"):
        replay_of_store(store, "mine", ["BTC/USD"])
    with pytest.raises(DataError, match="Did you mean 'mine'"):
        replay_of_store(store, "mime")
    ended = int(index[-1].timestamp() * 1000) + HOUR
    assert market.last_price(BTC, ended + 30 * DAY) == closes[-1] + 0.5
    assert default_start(market, ended / 1000 + 1e6) == (first + ended) / 2000
    assert default_start(market, ended / 1000 - 5) == ended / 1000 - 5


def test_bars_in_memory_keep_their_own_perpetual() -> None:
    bars, _ = synthetic_market("gbm(seed=1, n_bars=48)", ["BTC/USDT", "BTC/USDT:USDT"], "1h")
    market = replay_of_bars(bars, "1h")
    assert market.symbols == (BTC, PERP)
    start = int(bars.index[0].timestamp() * 1000)
    own = market.bars(PERP, "1h", start, start + 2 * DAY)
    assert own[:, 4].tolist() == np.round(bars[("close", PERP)].to_numpy(), 8).tolist()


def test_marks_are_told_where_spot_and_perpetual_both_traded() -> None:
    times = np.arange(6) * HOUR
    spot = np.column_stack([times, *[np.arange(6) + 100.0] * 4, np.ones(6)])
    perpetual = spot + np.array([0, 2, 2, 2, 2, 0])
    feeds = {BTC: ArrayFeed(np.delete(spot, 3, axis=0), "1h"), PERP: ArrayFeed(np.delete(perpetual, 1, axis=0), "1h")}
    market = ReplayMarket(feeds)
    mark = market.bars(PERP, "1h", 0, 6 * HOUR, "mark")
    assert mark[:, :2].tolist() == [[i * HOUR, 101.0 + i] for i in (0, 2, 4, 5)]
    assert market.bars(PERP, "1h", 0, 6 * HOUR, "index")[:, 0].tolist() == [i * HOUR for i in (0, 1, 2, 4, 5)]
    assert market.partial(PERP, "1h", 3 * HOUR + 5, "mark") is None


@given(
    st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 10**14), st.booleans()), min_size=1, max_size=40),
    st.integers(0, 8),
)
@settings(max_examples=100)
def test_rows_of_numbers_are_the_json_they_should_be(rows: list[tuple[int, int, bool]], decimals: int) -> None:
    times = np.array([r[0] for r in rows], dtype=np.int64)
    values = np.array([r[1] for r in rows]) / 10**decimals
    flags = np.array([r[2] for r in rows])
    body = rows_as_json(['{"t":', (times, 0), ',"v":"', (values, decimals), '","m":', flags, "}"], len(rows))
    said = json.loads(body)
    assert [(r["t"], float(r["v"]), r["m"]) for r in said] == [
        (t, v, f) for t, v, f in zip(times.tolist(), values.tolist(), flags.tolist(), strict=True)
    ]
    assert all(len(r["v"].partition(".")[2]) == decimals for r in said)
    assert b" " not in body


def test_numbers_too_large_for_their_decimals_lose_only_those() -> None:
    body = rows_as_json(["[", (np.array([123456789012.5, 1.0]), 8), "]"], 2)
    assert body == b"[[123456789012.50000000],[1.00000000]]"
    assert rows_as_json(["[", (np.empty(0), 8), "]"], 0) == b"[]"


class Machine:
    """A machine's clock in the hands of a test."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_the_clock_runs_stops_and_steps() -> None:
    machine = Machine()
    clock = ReplayClock(5_000.0, speed=100, machine=machine)
    machine.time += 2
    assert clock.now() == 5_200
    clock.sleep(50)
    assert machine.slept == [0.5]
    clock.freeze()
    machine.time += 100
    assert (clock.now(), clock.monotonic(), clock.speed) == (5_200, 200, 0)
    clock.sleep(10)
    assert clock.step(5) == 5_215
    clock.set(6_000)
    assert clock.now() == 6_000
    clock.run(2)
    machine.time += 3
    assert clock.now() == 6_006
    for wrong in (lambda: clock.set(10.0), lambda: clock.step(-1), lambda: clock.run(0), lambda: clock.run(20_000)):
        with pytest.raises(ConfigError):
            wrong()
