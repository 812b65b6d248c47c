"""Bars by ticks, volume, value, imbalance and runs equal slow loops, conserve volume and never look ahead."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config import Settings
from workbench.data import bars_of, check_bars, dollar_bars, imbalance_bars, run_bars, tick_bars, volume_bars
from workbench.data.shaping.information_bars import trade_signs
from workbench.data.store.records import open_records
from workbench.errors import DataError

MAKERS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "tick": lambda t: tick_bars(t, 37),
    "volume": lambda t: volume_bars(t, 25.0),
    "dollar": lambda t: dollar_bars(t, 2500.0),
    "tick_imbalance": lambda t: imbalance_bars(t, expected_trades=50),
    "volume_imbalance": lambda t: imbalance_bars(t, "volume", expected_trades=50),
    "dollar_imbalance": lambda t: imbalance_bars(t, "dollar", expected_trades=50),
    "tick_run": lambda t: run_bars(t, expected_trades=50),
    "volume_run": lambda t: run_bars(t, "volume", expected_trades=50),
    "dollar_run": lambda t: run_bars(t, "dollar", expected_trades=50),
}


def trades(n: int = 3000, seed: int = 1, drift: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01", tz="UTC")
    times = start + pd.to_timedelta(np.cumsum(rng.integers(0, 2000, n)), unit="ms")
    return pd.DataFrame(
        {
            "price": np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-4, n))), 2),
            "amount": np.round(rng.exponential(1.0, n) + 0.001, 3),
            "side": np.where(rng.random(n) < drift, "buy", "sell"),
        },
        index=pd.DatetimeIndex(times, name="time"),
    )


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_volume_is_conserved_and_every_trade_is_in_one_bar(name: str) -> None:
    source = trades()
    bars = MAKERS[name](source)
    assert len(bars) > 10
    assert bars["trades"].sum() == len(source)
    assert bars["volume"].sum() == pytest.approx(source["amount"].sum(), rel=1e-12)
    assert bars["quote_volume"].sum() == pytest.approx((source["price"] * source["amount"]).sum(), rel=1e-12)
    assert bars["buy_volume"].sum() == pytest.approx(source.loc[source["side"] == "buy", "amount"].sum(), rel=1e-12)
    assert bars["complete"].iloc[:-1].all()
    stop = 0
    for row in bars.itertuples():
        part = source.iloc[stop : stop + row.trades]
        stop += row.trades
        prices = part["price"]
        assert (row.time, row.end) == (part.index[0], part.index[-1])
        assert (row.open, row.high, row.low, row.close) == (
            prices.iloc[0], prices.max(), prices.min(), prices.iloc[-1],
        )  # fmt: skip
        assert row.volume == pytest.approx(part["amount"].sum(), rel=1e-9)


@pytest.mark.parametrize("name", sorted(MAKERS))
@given(cut=st.integers(1, 1499), seed=st.integers(0, 50))
def test_cutting_later_trades_changes_no_finished_bar(name: str, cut: int, seed: int) -> None:
    source = trades(1500, seed)
    whole, part = MAKERS[name](source), MAKERS[name](source.iloc[:cut])
    done = part[part["complete"]]
    pd.testing.assert_frame_equal(whole.iloc[: len(done)], done, check_exact=True)
    later = whole.iloc[len(done)]
    rest = cut - int(done["trades"].sum())
    assert not later["complete"] or later["trades"] > rest or rest == 0  # what could be finished was


@given(seed=st.integers(0, 200), size=st.sampled_from([0.5, 3.0, 10.0]))
def test_volume_bars_equal_a_loop(seed: int, size: float) -> None:
    source = trades(300, seed)
    counts, total, count = [], 0.0, 0
    for amount in source["amount"]:
        total, count = round(total + amount, 9), count + 1
        if total >= size:
            counts.append(count)
            total, count = 0.0, 0
    bars = volume_bars(source, size)
    assert bars.loc[bars["complete"], "trades"].tolist() == counts


def slow_imbalance(source: pd.DataFrame, expected: float, span: float, runs: bool) -> list[int]:
    """The rule of the docstring, trade by trade."""
    weights, signs = source["amount"].to_numpy(), trade_signs(source)
    alpha, length, count = 2 / (span + 1), expected, expected
    first = int(np.ceil(expected))
    mean, squares = weights[:first].mean() * expected, (weights[:first] ** 2).mean() * expected
    bought = sold = mean / 2
    stops, start = [], 0
    b = s = q = 0.0
    for i, (w, sign) in enumerate(zip(weights, signs, strict=True), start=1):
        b, s, q = b + w * (sign > 0), s + w * (sign < 0), q + w * w
        if i < first:
            continue
        if runs:
            chance = 0.5 * (bought + sold) / count + np.sqrt(squares / count / (2 * np.pi * length))
            closes = max(b, s) >= length * max(bought / count, sold / count, chance) * (1 - 1e-9)
        else:
            expected_imbalance = max(abs(bought - sold) / count, np.sqrt(squares / count / length))
            closes = abs(b - s) >= length * expected_imbalance * (1 - 1e-9)
        if closes:
            size = i - start
            length = min(max((1 - alpha) * length + alpha * size, 0.1 * expected), 10 * expected)
            bought, sold, squares, count = (
                (1 - alpha) * old + alpha * new for old, new in ((bought, b), (sold, s), (squares, q), (count, size))
            )
            stops.append(size)
            start, b, s, q = i, 0.0, 0.0, 0.0
    return stops


@pytest.mark.parametrize("runs", [False, True])
@given(seed=st.integers(0, 100), drift=st.sampled_from([0.2, 0.5, 0.9]), expected=st.sampled_from([10.0, 33.5]))
def test_imbalance_and_run_bars_equal_a_loop(runs: bool, seed: int, drift: float, expected: float) -> None:
    source = trades(800, seed, drift)
    maker = run_bars if runs else imbalance_bars
    bars = maker(source, "volume", expected_trades=expected, span=5)
    assert bars.loc[bars["complete"], "trades"].tolist() == slow_imbalance(source, expected, 5, runs)


def test_one_sided_trading_closes_bars_sooner() -> None:
    calm, busy = trades(4000, seed=3), trades(4000, seed=4, drift=0.95)
    both = pd.concat([calm, busy.set_axis(busy.index + (calm.index[-1] - busy.index[0]), axis=0)])
    bars = imbalance_bars(both, expected_trades=200)
    turn = calm.index[-1]
    size = bars[bars["complete"]].groupby(bars["time"] > turn)["trades"].first()
    assert size[True] < size[False]


def test_the_bars_of_a_balanced_market_are_about_as_long_as_expected() -> None:
    source = trades(60_000, seed=5)
    for maker in (imbalance_bars, run_bars):
        for by in ("tick", "volume"):
            sizes = maker(source, by, expected_trades=200)["trades"]
            assert 100 < sizes.mean() < 800


def test_the_tick_rule_takes_the_place_of_missing_sides() -> None:
    source = trades(6).drop(columns="side").assign(price=[10.0, 10.0, 11.0, 11.0, 10.5, 10.5])
    assert trade_signs(source).tolist() == [1, 1, 1, 1, -1, -1]


def test_bars_become_bars_of_the_house() -> None:
    bars = volume_bars(trades(), 25.0)
    check_bars(bars_of({"X": bars.set_index("time")[["open", "high", "low", "close", "volume"]]}))


def test_a_short_file_is_one_bar_that_is_not_complete() -> None:
    for maker in MAKERS.values():
        bars = maker(trades(5))
        assert bars["complete"].tolist() == [False]
        assert bars["trades"].tolist() == [5]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="amount"), "no column 'amount'"),
        (lambda t: t.iloc[::-1], "in order of time"),
        (lambda t: t.iloc[:0], "no trades"),
        (lambda t: t.assign(price=0.0), "must be above 0"),
        (lambda t: t.assign(side="maybe"), "neither 'buy' nor 'sell'"),
        (lambda t: t.reset_index(drop=True), "UTC times"),
    ],
)
def test_bad_trades_are_told(change: Callable[[pd.DataFrame], pd.DataFrame], says: str) -> None:
    with pytest.raises(DataError, match=says):
        volume_bars(change(trades(20)), 5.0)


def test_bad_sizes_are_told() -> None:
    with pytest.raises(DataError, match="at least 1"):
        tick_bars(trades(20), 0)
    with pytest.raises(DataError, match="above 0"):
        dollar_bars(trades(20), float("nan"))
    with pytest.raises(DataError, match="Did you mean 'volume'"):
        run_bars(trades(20), "volme")
    with pytest.raises(DataError, match="expected_trades >= 2"):
        imbalance_bars(trades(20), expected_trades=1)


def test_real_trades_make_bars(shared_data: Path) -> None:
    with gzip.open(shared_data / "raw" / "freqtrade" / "XRP_ETH-trades.json.gz") as file:
        rows = pd.DataFrame(json.load(file), columns=["time", "id", "kind", "side", "price", "amount", "cost"])
    times = pd.DatetimeIndex(pd.to_datetime(rows["time"], unit="ms", utc=True), name="time")
    source = rows.set_axis(times, axis=0).sort_index(kind="stable")
    bars = volume_bars(source, 5000.0)
    assert bars["volume"].sum() == pytest.approx(source["amount"].sum())
    assert (bars.loc[bars["complete"], "volume"] >= 5000.0 - 1e-6).all()
    assert bars["quote_volume"].sum() == pytest.approx(rows["cost"].sum(), rel=1e-6)


def test_stored_trades_make_the_same_bars(settings: Settings) -> None:
    source, records = trades(), open_records(settings)
    rows = source.assign(id=[str(i) for i in range(len(source))])
    records.write("trades", "venue", "A/USDT", rows[["id", "price", "amount", "side"]])
    stored = records.read("trades", "venue", "A/USDT")
    for maker in (MAKERS["volume"], MAKERS["tick_imbalance"]):
        pd.testing.assert_frame_equal(maker(stored), maker(source), check_dtype=False)
