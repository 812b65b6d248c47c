"""One verb, its names and its errors; the sample is real and adjusted."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data import (
    SAMPLE_SYMBOLS,
    available_symbols,
    check_bars,
    content_hash,
    coverage,
    load_bars,
    load_dataset,
    open_store,
)  # fmt: skip
from workbench.data.sources.sample import read_sample
from workbench.errors import DataError, WorkbenchError


@pytest.mark.parametrize("symbol", SAMPLE_SYMBOLS)
def test_every_sample_series_passes_the_door(settings: Settings, symbol: str) -> None:
    data = load_dataset("sample", [symbol], settings=settings)
    check_bars(data.bars)
    assert data.name == f"sample:1d:{symbol}"
    assert data.version == "1"
    assert data.content_hash == content_hash(data.bars)


def test_the_sample_covers_what_its_table_says(settings: Settings) -> None:
    spans = {
        s: (f"{b.index[0]:%Y-%m-%d}", f"{b.index[-1]:%Y-%m-%d}", len(b))
        for s in SAMPLE_SYMBOLS
        if (b := load_bars("sample", s, settings=settings)) is not None
    }
    stocks = ("2000-03-01", "2013-03-01", 3270)
    assert spans == {
        "AAPL": stocks, "IBM": stocks, "MSFT": stocks, "GOOG": ("2004-08-19", "2013-03-01", 2148),
        "SPX": ("1999-01-04", "2018-12-31", 5031), "NASDAQ": ("1999-01-04", "2018-12-31", 5031),
    }  # fmt: skip


def test_index_bars_are_those_of_the_package() -> None:
    from arch.data import sp500

    package = sp500.load()
    ours = read_sample("SPX")
    np.testing.assert_array_equal(ours["close"], package["Close"])
    np.testing.assert_array_equal(ours["volume"], package["Volume"])


def test_splits_are_gone_from_the_stocks() -> None:
    from bokeh_sampledata import stocks

    ours = read_sample("AAPL")
    raw = pd.DataFrame(stocks.AAPL)
    np.testing.assert_allclose(ours["close"], raw["adj_close"], rtol=1e-12)
    np.testing.assert_array_equal(ours["volume"], raw["volume"])
    np.testing.assert_allclose(
        ours["high"] / ours["close"], raw["high"].to_numpy() / raw["close"].to_numpy(), rtol=1e-12
    )
    split = pd.Timestamp("2005-02-28", tz="UTC")  # two for one
    before = ours.index[ours.index.get_loc(split) - 1]
    assert abs(np.log(ours.loc[split, "close"] / ours.loc[before, "close"])) < 0.1
    at = {d: i for i, d in enumerate(raw["date"])}
    raw_move = np.log(raw["close"][at["2005-02-28"]] / raw["close"][at[f"{before:%Y-%m-%d}"]])
    assert raw_move < -0.6


def test_several_symbols_are_joined_and_read_again_by_version(settings: Settings) -> None:
    data = load_dataset("sample", ["MSFT", "GOOG", "SPX"], start="2004-08-01", end="2004-09-01", settings=settings)
    assert data.symbols == ("GOOG", "MSFT", "SPX")
    assert data.name == "sample:1d:GOOG+MSFT+SPX"
    assert data.version == "GOOG@1+MSFT@1+SPX@1"
    assert data.bars[("close", "GOOG")].first_valid_index() == pd.Timestamp("2004-08-19", tz="UTC")
    again = load_dataset("sample", data.symbols, "1d", "2004-08-01", "2004-09-01", data.version, settings)
    assert again.content_hash == data.content_hash
    with pytest.raises(FrozenInstanceError):
        data.name = "x"  # type: ignore[misc]  # that it is frozen is the point


def test_an_older_version_gives_the_older_bars(settings: Settings) -> None:
    bars = load_bars("gbm(seed=1, n_bars=100)", ["A"], "1h")
    store = open_store(settings)
    store.write("import", "A", "1h", bars.iloc[:50])
    first = load_dataset("import", "A", "1h", settings=settings)
    store.write("import", "A", "1h", bars)
    assert load_dataset("import", "A", "1h", settings=settings).version == "2"
    assert (
        load_dataset("import", "A", "1h", version=first.version, settings=settings).content_hash == first.content_hash
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("smaple", ["SPX"]), "Did you mean 'sample'"),
        (("import", ["SPX"]), "unknown source 'import'"),
        (("a b", ["SPX"]), "not a name"),
        (("sample", ["SPY"]), "Did you mean 'SPX'"),
        (("sample", ["SPX", "SPX"]), "named twice"),
        (("sample", []), "no symbol"),
        (("sample", ["SPX"], "1h"), r"daily bars \('1d'\)"),
        (("sample", ["SPX"], "1day"), "m, h, d or w"),
        (("sample", ["SPX"], "1d", "2010-01-01", "2009-01-01"), "exchange them"),
        (("sample", ["SPX"], "1d", "2030-01-01"), "it holds 1999-01-04"),
        (("sample", ["GOOG", "SPX"], "1d", "2001-01-01", "2002-01-01"), "GOOG 1d"),
        (("sample", ["SPX"], "1d", "", "", "9"), "versions are 1 to 1"),
        (("sample", ["SPX"], "1d", "", "", "SPX@x"), "does not fit"),
        (("sample", ["SPX", "IBM"], "1d", "", "", "SPX@1"), "IBM@1"),
        (("gbm(seed=1)", ["A"], "1h", "2030-01-01"), "no bar from 2030-01-01"),
        (("gbm(seed=1)", ["A"], "1h", "", "", "synthetic-0"), "bars differ"),
    ],
)
def test_bad_input_is_one_line(settings: Settings, arguments: tuple[object, ...], says: str) -> None:
    with pytest.raises(WorkbenchError, match=says) as told:
        load_dataset(*arguments, settings=settings)  # type: ignore[arg-type]  # wrong ones are the point
    assert "\n" not in str(told.value)


def test_symbols_on_offer(settings: Settings) -> None:
    assert available_symbols("sample", "1d", settings) == SAMPLE_SYMBOLS
    assert available_symbols("sample", "1h", settings) == ()
    assert available_symbols("gbm(seed=1)", "1h", settings) == ("SYN",)
    load_bars("sample", ["IBM"], settings=settings)
    assert open_store(settings).symbols("sample", "1d") == ("IBM",)


def test_coverage_is_a_share_for_each_month(settings: Settings) -> None:
    bars = load_bars("gbm(seed=1, n_bars=2160)", ["A"], "1h")
    store = open_store(settings)
    half_of_february = (bars.index >= "2020-02-01") & (bars.index < "2020-02-15 12:00")
    store.write("import", "A", "1h", bars[~half_of_february])
    store.write("import", "B", "1h", load_bars("gbm(seed=1, n_bars=100)", ["B"], "1h"))
    frame = coverage(store, "import", "1h")
    assert frame.index.tolist() == ["A", "B"]
    assert frame.loc["A"].to_dict() == pytest.approx({"2020-01": 1.0, "2020-02": 0.5, "2020-03": 1.0})
    assert frame.loc["B"].isna().tolist() == [False, True, True]
    with pytest.raises(DataError, match="no series at 4h"):
        coverage(store, "import", "4h")


def test_the_room_opens_without_heavy_libraries() -> None:
    told = "print([m for m in ('deltalake', 'arch', 'pyarrow.parquet', 'ccxt', 'scipy') if m in sys.modules])"
    rooms = "import sys, workbench.data.dataset, workbench.data.files.importing, workbench.data.quality.report; "
    assert printed(rooms + told) == "[]"
    assert printed("import sys, workbench.data; print('pandas' in sys.modules)") == "False"


def printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_symbol_that_is_two_coins_is_not_loaded_as_one(settings: Settings) -> None:
    before = load_bars("gbm(seed=1, n_bars=100)", ["LUNA/USDT"], "1h")
    before.index += pd.Timestamp("2022-05-09", tz="UTC") - before.index[0]
    after = before.set_axis(before.index + (pd.Timestamp("2022-05-31 06:00", tz="UTC") - before.index[0]))
    store = open_store(settings)
    store.write("binance", "LUNA/USDT", "1h", before)
    store.write("binance", "LUNA/USDT", "1h", after)
    with pytest.raises(DataError, match="is two assets: LUNC/USDT to .* LUNA2/USDT from 2022-05-31 06:00"):
        load_bars("binance", ["LUNA/USDT"], "1h", settings=settings)
    assert len(load_bars("binance", ["LUNA/USDT"], "1h", start="2022-05-31", settings=settings)) == 100
    apart = load_dataset("binance", ["LUNA/USDT"], "1h", settings=settings, identities="split")
    assert set(apart.symbols) == {"LUNC/USDT", "LUNA2/USDT"}
    assert apart.bars["close"].notna().sum().tolist() == [100, 100]
    assert len(load_bars("binance", ["LUNA/USDT"], "1h", settings=settings, identities="join")) == 200
