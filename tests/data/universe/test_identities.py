"""Two assets behind one symbol are never one series; renames are one asset under two symbols."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data import (
    BarStore,
    asset_bars,
    bars_of,
    identity_breaks,
    import_file,
    inspect_bars,
    listing_spans,
    load_identities,
    open_store,
    quality_report,
    read_bar_file,
    split_identities,
    symbols_of,
    synthetic_market,
)
from workbench.data.universe.breaks import apply_identities
from workbench.data.universe.identities import IDENTITIES, identity_at
from workbench.data.venues.vocabulary import Market
from workbench.errors import ConfigError, DataError

N = 600


def market(symbol: str = "X/USDT", hole: int = 0, factor: float = 1.0) -> pd.DataFrame:
    """Hourly bars whose second half is ``factor`` times the price, after a hole of so many bars."""
    bars = synthetic_market(f"gbm(seed=2, n_bars={N})", [symbol], "1h")[0]
    half = N // 2
    bars.iloc[half:, :4] *= factor
    return bars.drop(bars.index[half : half + hole]) if hole else bars


@pytest.mark.parametrize(
    ("hole", "factor", "proposed"),
    [(200, 50.0, True), (200, 0.01, True), (200, 1.0, False), (24, 50.0, False), (0, 50.0, False)],
)
def test_a_long_hole_with_a_jump_of_the_level_is_proposed(hole: int, factor: float, proposed: bool) -> None:
    bars = market(hole=hole, factor=factor)
    told = identity_breaks(bars)
    assert len(told) == proposed
    if proposed:
        after = bars.index[N // 2]
        assert told[["after", "known"]].to_numpy().tolist() == [[after, False]]
        assert told["log_return"].iloc[0] == pytest.approx(np.log(factor), abs=0.5)
        report = quality_report(bars, "1h")
        assert report.findings.loc[report.findings["kind"] == "identity_break", "time"].tolist() == [after]
        assert apply_identities(bars, "venue") is bars  # a proposal refuses nothing


def test_proposals_split_only_when_asked() -> None:
    bars = market(hole=200, factor=50.0)
    assert symbols_of(split_identities(bars)) == ("X/USDT",)
    parts = split_identities(bars, proposals=True)
    assert symbols_of(parts) == ("X.1/USDT", "X.2/USDT")
    assert parts["close"].notna().sum().tolist() == [300, 100]
    assert not parts["close"].notna().all(axis=1).any()


def test_a_hole_of_a_year_is_proposed_whatever_the_price() -> None:
    days = synthetic_market("gbm(seed=2, n_bars=900)", ["X"], "1d")[0]
    assert len(identity_breaks(days.drop(days.index[100:480]))) == 1
    assert len(identity_breaks(days.drop(days.index[100:440]))) == 0


def test_a_loader_refuses_two_coins_in_one_series_or_splits_them(shared_data: Path) -> None:
    bars = read_bar_file(shared_data / "ohlcv" / "binance" / "LUNAUSDT-1h-delisted.parquet").bars
    with pytest.raises(DataError, match="LUNA/USDT of 'binance' is two assets: LUNC/USDT to 2022-05-13 00:00") as told:
        apply_identities(bars, "binance")
    assert "identities='split'" in str(told.value)
    assert "\n" not in str(told.value)
    assert apply_identities(bars, "binance", identities="join") is bars
    parts = apply_identities(bars, "binance", identities="split")
    assert symbols_of(parts) == ("LUNA2/USDT", "LUNC/USDT")
    closes = parts["close"]
    assert not closes.notna().all(axis=1).any()
    assert closes.notna().sum().sum() == len(bars)
    assert closes["LUNC/USDT"].dropna().index[-1] == pd.Timestamp("2022-05-13 00:00", tz="UTC")
    assert closes["LUNA2/USDT"].dropna().index[0] == pd.Timestamp("2022-05-31 06:00", tz="UTC")
    moves = np.log(closes).diff().abs().max()
    assert moves["LUNA2/USDT"] < 1.5  # joined they would move by 12
    for side in (bars.loc[:"2022-05-13 00:00"], bars.loc["2022-05-31":]):
        assert apply_identities(side, "binance") is side


def test_real_breaks_are_proposed_without_the_table(shared_data: Path) -> None:
    folder = shared_data / "ohlcv"
    luna = read_bar_file(folder / "binance" / "LUNAUSDT-1h-delisted.parquet").bars
    told = identity_breaks(luna, table=())
    assert told["after"].tolist() == [pd.Timestamp("2022-05-31 06:00", tz="UTC")]
    for ticker, day in (("FB", "2012-05-18"), ("USO", "2006-04-10"), ("QQQ", "2011-03-23")):
        bars = read_bar_file(folder / "us-equity" / f"{ticker}-1d.parquet").bars
        assert identity_breaks(bars, table=())["after"].tolist() == [pd.Timestamp(day, tz="UTC")]
        known = identity_breaks(bars)  # the table knows that QQQ is one fund throughout
        assert known["known"].tolist() == ([] if ticker == "QQQ" else [True])
    for stem in ("binance/BTCUSDT-1h", "binance/DOGEUSDT-1h", "us-equity/AAPL-1d", "us-equity/GOOG-1d"):
        assert identity_breaks(read_bar_file(folder / f"{stem}.parquet").bars, table=()).empty


def test_a_home_has_the_last_word(settings: Settings) -> None:
    path = settings.data_dir / "identities.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert load_identities(settings) == IDENTITIES
    path.write_text(
        "- {symbol: X/USDT, source: venue, to: 2020-01-13, asset: OLD, note: a swap}\n"
        "- {symbol: X/USDT, source: venue, from: 2020-01-13, asset: NEW}\n"
        "- {symbol: LUNA/*, asset: LUNA}\n"
    )
    table = load_identities(settings)
    bars = market()
    cut = pd.Timestamp("2020-01-13", tz="UTC")
    assert bars.index[0] < cut < bars.index[-1]
    parts = split_identities(bars, "venue", table)
    assert symbols_of(parts) == ("NEW/USDT", "OLD/USDT")
    assert parts["close"]["NEW/USDT"].dropna().index[0] == cut
    assert symbols_of(split_identities(bars, "elsewhere", table)) == ("X/USDT",)
    assert identity_at("any", "LUNA/USDT", cut, table) == "LUNA"
    open_store(settings).write("venue", "X/USDT", "1h", bars)
    _, report = inspect_bars("venue", ["X/USDT"], "1h", settings)
    assert report.findings.loc[report.findings["kind"] == "identity_break", "time"].tolist() == [cut]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("symbol: X", "must be a list"),
        ("- {symbol: X, aset: Y}", "Did you mean 'asset'"),
        ("- {symbol: X}", "'asset' must be a name"),
        ("- {symbol: X, asset: Y, from: 2020-01-01, to: 2019-01-01}", "exchange them"),
        ("- {symbol: X, asset: Y, from: soon}", "is not a date"),
        ("- [", "is not YAML"),
        ("- 7", "is not a mapping"),
    ],
)
def test_mistakes_in_the_file_are_told_in_one_line(settings: Settings, text: str, says: str) -> None:
    path = settings.data_dir / "identities.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as told:
        load_identities(settings)
    assert "identities.yaml" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_renamed_coin_is_one_asset_over_its_symbols(tmp_path: Path) -> None:
    store, whole = BarStore(tmp_path), synthetic_market("gbm(seed=4, n_bars=400)", ["A"], "1h")[0]
    times = pd.date_range("2024-09-05", periods=400, freq="1h", tz="UTC", name="time")
    frame = whole.xs("A", axis=1, level=1).set_axis(times.as_unit("us"), axis=0)
    old, new = frame.loc[:"2024-09-10 02:59"], frame.loc["2024-09-13 10:00":]
    store.write("binance", "MATIC/USDT", "1h", bars_of({"MATIC/USDT": old}))
    store.write("binance", "POL/USDT", "1h", bars_of({"POL/USDT": new}))
    joined = asset_bars(store, "binance", "POL", "1h")
    assert symbols_of(joined) == ("POL/USDT",)
    pd.testing.assert_index_equal(joined.index, old.index.append(new.index), check_names=False)
    with pytest.raises(DataError, match="has an identity 'POLL'"):
        asset_bars(store, "binance", "POLL", "1h")


def test_spans_tell_who_was_listed_when_and_who_is_gone(shared_data: Path, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    for stem in ("BTCUSDT-1h", "SOLUSDT-1h", "LUNAUSDT-1h-delisted", "USTUSDT-1h-delisted"):
        import_file(shared_data / "ohlcv" / "binance" / f"{stem}.parquet", store, "binance")
    spans = listing_spans(store, "binance", "1h").set_index(["symbol", "asset"])
    assert spans["delisted"].to_dict() == {
        ("BTC/USDT", "BTC"): False,
        ("LUNA/USDT", "LUNC"): True,
        ("LUNA/USDT", "LUNA2"): False,
        ("SOL/USDT", "SOL"): False,
        ("UST/USDT", "USTC"): True,
    }
    old = spans.loc[("LUNA/USDT", "LUNC")]
    assert (old["last"], old["told_by"]) == (pd.Timestamp("2022-05-13 00:00", tz="UTC"), "identity")
    gone = Market("SOL/USDT", "SOL", "USDT", "spot", False, 0.01, 0.01, 10.0)
    told = listing_spans(store, "binance", "1h", ["SOL/USDT"], markets={"SOL/USDT": gone}).iloc[0]
    assert (told["delisted"], told["told_by"]) == (True, "market")
