"""Seeded bad prints are all found; a second venue tells them from moves that happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import (
    bars_of,
    find_outliers,
    quality_report,
    read_bar_file,
    symbol_frame,
    symbols_of,
    synthetic_market,
)
from workbench.errors import DataError

N = 500


def pair(seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One market at two venues: the second a little apart, with noise of its own."""
    ours = synthetic_market(f"gbm(seed={seed}, n_bars={N})", ["A"], "1h")[0]
    rng = np.random.default_rng(seed)
    noise = np.exp(rng.normal(0.001, 0.0003, N))
    theirs = ours.mul(noise, axis=0)
    theirs["volume"] = ours["volume"] * 0.4
    return ours.copy(), theirs


def put(bars: pd.DataFrame, row: int, factor: float, field: str = "close") -> None:
    at = {f: bars.columns.get_loc((f, "A")) for f in ("open", "high", "low", "close")}
    bars.iloc[row, at[field]] *= factor
    prices = bars.iloc[row, [at["open"], at["close"], at["high"], at["low"]]]
    if field != "low":
        bars.iloc[row, at["high"]] = prices.max()
    if field != "high":
        bars.iloc[row, at["low"]] = prices.min()


@settings(max_examples=40)
@given(
    seed=st.integers(0, 300),
    rows=st.lists(st.integers(2, N // 10 - 2).map(lambda i: i * 10), min_size=4, max_size=4, unique=True),
    size=st.floats(0.3, 2.0),
    up=st.booleans(),
)
def test_seeded_prints_are_found_and_judged_by_the_second_venue(
    seed: int, rows: list[int], size: float, up: bool
) -> None:
    ours, theirs = pair(seed)
    factor = np.exp(size if up else -size)
    close, opened, wick, move = rows
    put(ours, close, factor)
    put(ours, opened, factor, "open")
    put(ours, wick, factor, "high" if up else "low")
    put(ours, move, factor)
    put(theirs, move, factor)
    told = find_outliers(ours, theirs)
    found = {(t, f): v for t, f, v in zip(told["time"], told["field"], told["verdict"], strict=True)}
    times = ours.index
    assert found == {
        (times[close], "close"): "bad_print",
        (times[opened], "open"): "bad_print",
        (times[wick], "high" if up else "low"): "bad_print",
        (times[move], "close"): "real_move",
    }


@given(seed=st.integers(0, 300), row=st.integers(5, N - 6), factor=st.sampled_from([0.5, 1.6, 10.0]))
def test_without_a_second_venue_a_print_is_found_and_left_open(seed: int, row: int, factor: float) -> None:
    ours, _ = pair(seed)
    put(ours, row, factor)
    told = find_outliers(ours)
    assert told[["time", "field", "verdict"]].to_numpy().tolist() == [[ours.index[row], "close", "unconfirmed"]]
    assert told["score"].iloc[0] >= 10


@given(seed=st.integers(0, 2000))
def test_nothing_is_invented_on_clean_bars(seed: int) -> None:
    ours, theirs = pair(seed)
    assert find_outliers(ours).empty
    assert find_outliers(ours, theirs).empty


def test_a_move_of_most_symbols_is_real() -> None:
    frames = {s: symbol_frame(pair(k)[0].rename(columns={"A": s}, level=1), s) for k, s in enumerate("ABCD")}
    bars = bars_of(frames)
    for symbol in "ABC":
        bars.loc[bars.index[200], [("low", symbol), ("close", symbol)]] *= 0.6
    told = find_outliers(bars)
    assert told[["symbol", "verdict"]].to_numpy().tolist() == [[s, "real_move"] for s in "ABC"]
    alone = find_outliers(bars[[c for c in bars.columns if c[1] in "AD"]])
    assert alone[["symbol", "verdict"]].to_numpy().tolist() == [["A", "unconfirmed"]]


def test_the_quality_report_takes_the_verdicts_of_a_second_venue() -> None:
    ours, theirs = pair()
    put(ours, 100, 1.5)
    report = quality_report(ours, "1h", second=theirs)
    assert (report.count("outlier"), report.count("bad_print"), report.count("real_move")) == (1, 1, 0)
    assert report.summary.loc["A", "bad_print"] == 1


def test_mistakes_are_told() -> None:
    with pytest.raises(DataError, match="window at least 11"):
        find_outliers(pair()[0], window=3)


def test_no_bad_print_is_invented_on_real_venues(shared_data: Path) -> None:
    folder = shared_data / "ohlcv"
    binance = read_bar_file(folder / "binance" / "BTCUSDT-1h.parquet").bars
    coinbase = read_bar_file(folder / "coinbase" / "BTCUSD-1h.parquet").bars
    told = find_outliers(binance, coinbase)  # the day on which Tether lost its peg, seen by both
    assert told[["time", "verdict"]].to_numpy().tolist() == [
        [pd.Timestamp("2018-10-15 06:00", tz="UTC"), "real_move"],
        [pd.Timestamp("2020-06-11 16:00", tz="UTC"), "unconfirmed"],  # Coinbase's file has ended by then
    ]
    assert set(find_outliers(coinbase, binance)["verdict"]) == {"real_move"}
    damaged = binance.copy()
    row = damaged.index.get_loc(pd.Timestamp("2019-03-03 12:00", tz="UTC"))
    symbol = symbols_of(binance)[0]
    damaged.iloc[row, damaged.columns.get_loc(("close", symbol))] = float(damaged.iloc[row][("high", symbol)]) * 1.1
    damaged.iloc[row, damaged.columns.get_loc(("high", symbol))] *= 1.1
    assert find_outliers(damaged, coinbase)["verdict"].value_counts()["bad_print"] == 1
