"""Repairs happen only when asked for, are flagged on every bar, and leave the old version readable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.data import BarStore, apply_repair, bars_of, import_file, plan_repair, symbol_frame, synthetic_market
from workbench.errors import DataError

N = 300


def market(symbol: str = "A/USDT") -> pd.DataFrame:
    return synthetic_market(f"gbm(seed=9, n_bars={N})", [symbol], "1h")[0]


def two_venues(root: Path) -> BarStore:
    """A series with a hole (100 to 105), a hole that nobody can fill (150, 151) and a bad print (200), and a second."""
    store, whole = BarStore(root), market()
    ours = whole.drop(whole.index[[*range(100, 106), 150, 151]])
    ours.loc[whole.index[200], [("high", "A/USDT"), ("close", "A/USDT")]] *= 3
    store.write("one", "A/USDT", "1h", ours)
    theirs = (whole * 1.001).drop(whole.index[[150, 151]])
    store.write("two", "A/USDT", "1h", theirs)
    return store


def test_a_plan_writes_nothing_and_says_what_it_would_do(tmp_path: Path) -> None:
    store = two_venues(tmp_path)
    plan = plan_repair(store, "one", "A/USDT", "1h", from_source="two")
    times = market().index
    assert store.newest_version("one", "A/USDT", "1h") == plan.version == 1
    assert plan.changes["time"].tolist() == [*times[100:106], times[200]]
    assert plan.changes["action"].tolist() == ["add"] * 6 + ["replace"]
    assert plan.changes["cause"].tolist() == ["unknown"] * 6 + ["bad_print"]
    assert plan.left[["start", "bars"]].to_numpy().tolist() == [[times[150], 2]]
    assert "the second source has no bar there" in plan.left["note"].iloc[0]


def test_mended_bars_are_flagged_and_no_other_bar_is_touched(tmp_path: Path) -> None:
    store = two_venues(tmp_path)
    before = store.read("one", "A/USDT", "1h")
    plan = plan_repair(store, "one", "A/USDT", "1h", from_source="two")
    assert apply_repair(plan) == 2
    after, told = store.read("one", "A/USDT", "1h"), store.provenance("one", "A/USDT", "1h")
    changed = pd.DatetimeIndex(plan.changes["time"])
    assert told.index[told["repaired"]].tolist() == changed.tolist()
    assert set(told.loc[changed, "source"]) == {"two"}
    assert set(told.loc[~told["repaired"], "source"]) == {"one"}
    untouched = before.index.difference(changed)
    pd.testing.assert_frame_equal(after.loc[untouched], before.loc[untouched])
    np.testing.assert_array_equal(after.loc[changed], store.read("two", "A/USDT", "1h").loc[changed])
    pd.testing.assert_frame_equal(store.read("one", "A/USDT", "1h", version=1), before)
    again = plan_repair(store, "one", "A/USDT", "1h", from_source="two")
    assert again.empty
    assert apply_repair(again) == 2


def test_a_flat_fill_is_made_only_when_named(tmp_path: Path) -> None:
    store = two_venues(tmp_path)
    plan = plan_repair(store, "one", "A/USDT", "1h", method="flat")
    assert apply_repair(plan) == 2
    times, told = market().index, store.provenance("one", "A/USDT", "1h")
    filled = symbol_frame(store.read("one", "A/USDT", "1h"), "A/USDT").loc[times[100:106]]
    close = store.read("one", "A/USDT", "1h", version=1).loc[times[99], ("close", "A/USDT")]
    assert (filled[["open", "high", "low", "close"]] == close).all(axis=None)
    assert (filled["volume"] == 0).all()
    assert set(told.loc[told["repaired"], "source"].astype(str)) == {"flat"}
    assert told["repaired"].sum() == 8
    assert not told.loc[times[200], "repaired"]  # a bad print is not flattened


def test_a_range_bounds_what_is_mended(tmp_path: Path) -> None:
    store, times = two_venues(tmp_path), market().index
    plan = plan_repair(store, "one", "A/USDT", "1h", from_source="two", start=times[140])
    assert plan.changes["time"].tolist() == [times[200]]
    plan = plan_repair(store, "one", "A/USDT", "1h", from_source="two", end=times[140], bad_prints=False)
    assert plan.changes["action"].tolist() == ["add"] * 6


def test_a_second_source_at_another_level_does_not_fill(tmp_path: Path) -> None:
    store, whole = two_venues(tmp_path), market()
    store.write("far", "A/USDT", "1h", whole * 1.05)
    plan = plan_repair(store, "one", "A/USDT", "1h", from_source="far", bad_prints=False)
    assert plan.empty
    assert "-4.76% apart" in plan.left["note"].iloc[0]
    assert len(plan_repair(store, "one", "A/USDT", "1h", from_source="far", tolerance=0.1).changes) >= 8


def test_bars_that_were_themselves_repaired_mend_nothing(tmp_path: Path) -> None:
    store = two_venues(tmp_path)
    whole = market() * 1.001
    flags = pd.DataFrame({"source": "three", "repaired": np.arange(N) < 103}, index=whole.index)
    store.write("chain", "A/USDT", "1h", whole, provenance=flags)
    plan = plan_repair(store, "one", "A/USDT", "1h", from_source="chain", bad_prints=False)
    assert plan.changes["time"].tolist() == [*whole.index[103:106], *whole.index[150:152]]
    assert plan.provenance is not None
    assert set(plan.provenance["source"]) == {"three"}  # the venue that the bars came from, not the series' name


def test_a_plan_is_refused_once_the_series_has_changed(tmp_path: Path) -> None:
    store = two_venues(tmp_path)
    plan = plan_repair(store, "one", "A/USDT", "1h", from_source="two")
    store.write("one", "A/USDT", "1h", market().iloc[[150]])
    with pytest.raises(DataError, match="make the plan anew"):
        apply_repair(plan)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "name one with from_source"),
        ({"method": "flat", "from_source": "two"}, "leave from_source out"),
        ({"method": "falt"}, "Did you mean 'flat'"),
        ({"from_source": "one"}, "cannot mend itself"),
        ({"from_source": "tow"}, "Did you mean 'two'"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, options: dict[str, str], says: str) -> None:
    with pytest.raises(DataError, match=says):
        plan_repair(two_venues(tmp_path), "one", "A/USDT", "1h", **options)


def test_the_hole_between_two_coins_is_never_filled(shared_data: Path, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    import_file(shared_data / "ohlcv" / "binance" / "LUNAUSDT-1h-delisted.parquet", store, "binance")
    plan = plan_repair(store, "binance", "LUNA/USDT", "1h", method="flat")
    assert plan.left[["bars", "cause"]].to_numpy().tolist() == [[437, "delisted"]]
    assert len(plan.changes) == 12


def test_a_real_outage_is_filled_from_another_venue(shared_data: Path, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    import_file(shared_data / "ohlcv" / "binance" / "BTCUSDT-1h.parquet", store, "binance")
    import_file(shared_data / "ohlcv" / "coinbase" / "BTCUSD-1h.parquet", store, "coinbase")
    plan = plan_repair(store, "binance", "BTC/USDT", "1h", from_source="coinbase", from_symbol="BTC/USD")
    assert apply_repair(plan) == 2
    told = store.provenance("binance", "BTC/USDT", "1h", "2018-02-08 01:00", "2018-02-09 10:00")
    assert len(told) == 33
    assert told["repaired"].all()
    assert set(told["source"]) == {"coinbase"}
    ours = symbol_frame(store.read("binance", "BTC/USDT", "1h"), "BTC/USDT")
    moves = np.log(ours["close"]).diff().loc["2018-02-08":"2018-02-10"]
    assert moves.abs().max() < 0.06  # no step where the other venue begins and ends
    assert bars_of({"BTC/USDT": ours}).index.is_unique
