"""Each gap has the cause that was planted, and the outages of real files come out as what they were."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from workbench.config import Settings
from workbench.data import (
    BarStore,
    bars_of,
    gap_summary,
    gap_table,
    import_file,
    open_store,
    symbol_frame,
    synthetic_market,
)
from workbench.data.fetching.known_empty import known_answers
from workbench.data.fetching.spans import Span
from workbench.data.sources.sample import read_sample
from workbench.errors import DataError

N = 400
HOUR = pd.Timedelta("1h")
SYMBOLS = ("A/USDT", "B/USDT", "C/USDT", "D/USDT")


def frames(n: int = N) -> dict[str, pd.DataFrame]:
    bars = synthetic_market(f"gbm(seed=5, n_bars={n})", list(SYMBOLS), "1h")[0]
    return {s: symbol_frame(bars, s) for s in SYMBOLS}


def stored(root: Path, series: dict[str, pd.DataFrame], timeframe: str = "1h") -> BarStore:
    store = BarStore(root)
    for symbol, frame in series.items():
        store.write("venue", symbol, timeframe, bars_of({symbol: frame}))
    return store


def without(frame: pd.DataFrame, start: int, count: int) -> pd.DataFrame:
    return frame.drop(frames_index(frame)[start : start + count])


def frames_index(frame: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.date_range(frame.index[0], periods=N, freq="1h")


@limits(max_examples=12)
@given(start=st.integers(1, 300), length=st.integers(1, 40), alone=st.integers(0, 3), own=st.integers(345, 380))
def test_a_hole_of_most_series_is_the_venue_and_one_of_a_single_series_is_not(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, alone: int, own: int
) -> None:
    lone = SYMBOLS[alone]
    series = {s: without(f, start, length) for s, f in frames().items()}
    series[lone] = without(series[lone], own, 3)
    gaps = gap_table(stored(tmp_path_factory.mktemp("bars"), series), "venue", "1h")
    times = frames_index(series["A/USDT"])
    shared = gaps[gaps["start"] == times[start]]
    assert shared["symbol"].tolist() == list(SYMBOLS)
    assert shared["cause"].tolist() == ["venue_down"] * 4
    assert shared["bars_missing"].tolist() == [length] * 4
    assert (shared["end"] == times[start + length]).all()
    assert shared["evidence"].tolist() == ["3 of 3 other series lack the same bars"] * 4
    single = gaps[gaps["start"] == times[own]]
    assert single[["symbol", "cause", "others", "others_missing"]].to_numpy().tolist() == [[lone, "unknown", 3, 0]]
    assert len(gaps) == 5


def test_half_of_the_others_is_not_most(tmp_path: Path) -> None:
    series = {s: f for s, f in frames().items() if s != "D/USDT"}
    for symbol in ("A/USDT", "B/USDT"):
        series[symbol] = without(series[symbol], 100, 5)
    gaps = gap_table(stored(tmp_path, series), "venue", "1h")
    assert gaps[["cause", "others", "others_missing"]].to_numpy().tolist() == [["unknown", 2, 1], ["unknown", 2, 1]]


def test_repaired_bars_and_those_of_other_venues_bear_no_witness(tmp_path: Path) -> None:
    store = stored(tmp_path, {s: without(f, 100, 5) for s, f in frames().items()})
    for symbol, frame in frames().items():
        if symbol != "A/USDT":
            lost = frame.iloc[100:105]
            origin = pd.DataFrame({"source": "other", "repaired": symbol == "B/USDT"}, index=lost.index)
            store.write("venue", symbol, "1h", bars_of({symbol: lost}), provenance=origin)
    assert gap_table(store, "venue", "1h")["cause"].tolist() == ["venue_down"]


def test_bars_of_thin_markets_are_no_trades_and_bear_no_witness(tmp_path: Path) -> None:
    series = frames()
    thin = series["A/USDT"].drop(series["A/USDT"].index[range(3, 390, 5)])
    series = {"A/USDT": thin, "B/USDT": without(series["B/USDT"], 13, 1)}
    gaps = gap_table(stored(tmp_path, series), "venue", "1h")
    mine = gaps[gaps["symbol"] == "A/USDT"]
    assert set(mine.loc[mine["start"] != frames_index(series["B/USDT"])[13], "cause"]) == {"no_trades"}
    other = gaps[gaps["symbol"] == "B/USDT"]  # A lacks that bar too, but A lacks every fifth
    assert other[["cause", "others"]].to_numpy().tolist() == [["unknown", 0]]


def test_the_ends_of_a_series_are_its_listing_and_its_delisting(tmp_path: Path) -> None:
    series = frames()
    series["A/USDT"] = series["A/USDT"].iloc[50:180]
    store = stored(tmp_path, series)
    assert gap_table(store, "venue", "1h").empty
    gaps = gap_table(store, "venue", "1h", ["A/USDT"], edges=True)
    assert gaps[["cause", "bars_missing"]].to_numpy().tolist() == [["not_listed", 50], ["delisted", 220]]
    summary = gap_summary(gaps)
    assert summary.loc["A/USDT", ["gaps", "bars_missing", "delisted", "venue_down"]].tolist() == [2, 270, 220, 0]


def test_a_series_that_alone_goes_on_makes_no_other_delisted(tmp_path: Path) -> None:
    series = {s: f.iloc[:180] for s, f in frames().items()} | {"A/USDT": frames()["A/USDT"]}
    gaps = gap_table(stored(tmp_path, series), "venue", "1h", edges=True)
    assert gaps["cause"].tolist() == ["unknown"] * 3


def test_what_the_venue_said_is_believed(settings: Settings) -> None:
    series = frames()
    series["A/USDT"] = without(without(without(series["A/USDT"], 50, 2), 100, 3), 200, 4)
    stored(settings.data_dir / "bars", series)
    times = frames_index(series["B/USDT"])
    notes = known_answers(settings, "venue", "A/USDT", "1h")

    def span(start: int, count: int) -> list[Span]:
        first = int(times[start].value // 1_000_000)
        return [Span(first, first + count * 3_600_000)]

    notes.add("venue", "unknown", 1.0, span(50, 2))
    notes.add("venue", "delisted", 1.0, span(100, 3))
    notes.add("venue", "refused", 1.0, span(200, 4))
    gaps = gap_table(open_store(settings), "venue", "1h", settings=settings)
    assert gaps["cause"].tolist() == ["no_trades", "delisted", "unknown"]
    assert "was asked and has no bar" in gaps["evidence"].iloc[0]
    assert "break the bars convention" in gaps["evidence"].iloc[2]


def test_a_day_on_which_all_stocks_rest_is_the_market(tmp_path: Path) -> None:
    rest = pd.Timestamp("2005-06-08", tz="UTC")
    series = {s: read_sample(s).loc["2004-01-01":"2006-12-31"].drop(rest) for s in ("SPX", "IBM", "AAPL")}
    store = stored(tmp_path, series, "1d")
    gaps = gap_table(store, "venue", "1d")
    assert gaps[["start", "cause"]].to_numpy().tolist() == [[rest, "market_closed"]] * 3


def test_mistakes_are_told(tmp_path: Path) -> None:
    store = stored(tmp_path, frames())
    with pytest.raises(DataError, match=r"Did you mean 'A/USDT'"):
        gap_table(store, "venue", "1h", ["A/USDC"])
    with pytest.raises(DataError, match="holds no series at 4h"):
        gap_table(store, "venue", "4h")


def test_outages_of_a_real_venue_are_told_from_a_coin_that_died(shared_data: Path, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    for stem in ("BTCUSDT-1h", "ETHUSDT-1h", "BNBUSDT-1h", "LTCUSDT-1h", "ADAUSDT-1h", "LUNAUSDT-1h-delisted"):
        import_file(shared_data / "ohlcv" / "binance" / f"{stem}.parquet", store, "binance")
    gaps = gap_table(store, "binance", "1h")
    bitcoin = gaps[gaps["symbol"] == "BTC/USDT"]
    assert (len(bitcoin), bitcoin["bars_missing"].sum()) == (27, 127)
    assert set(bitcoin["cause"]) == {"venue_down"}
    outage = bitcoin[bitcoin["start"] == pd.Timestamp("2018-02-08 01:00", tz="UTC")].iloc[0]
    assert (outage["bars_missing"], outage["others"], outage["others_missing"]) == (33, 3, 3)
    luna = gaps[gaps["symbol"] == "LUNA/USDT"]
    assert luna[["bars_missing", "cause"]].to_numpy().tolist() == [
        [2, "venue_down"], [3, "venue_down"], [4, "venue_down"], [2, "venue_down"], [437, "delisted"], [1, "unknown"],
    ]  # fmt: skip
    assert "LUNC/USDT before, LUNA2/USDT after" in luna["evidence"].iloc[4]
    assert (gaps["others_missing"] <= gaps["others"]).all()


def test_a_thin_real_market_has_no_trades(shared_data: Path, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    import_file(shared_data / "ohlcv" / "binance" / "XRPETH-1m.parquet", store, "binance")
    gaps = gap_table(store, "binance", "1m")
    assert (len(gaps), gaps["bars_missing"].sum()) == (676, 1091)
    assert set(gaps["cause"]) == {"no_trades"}


@pytest.mark.parametrize(("ticker", "start"), [("FB", "2003-03-31"), ("USO", "1998-12-31"), ("QQQ", "2004-12-01")])
def test_years_in_which_a_ticker_meant_nothing_are_no_outage(
    shared_data: Path, tmp_path: Path, ticker: str, start: str
) -> None:
    store = BarStore(tmp_path / "bars")
    for name in (ticker, "SPY", "IBM"):
        import_file(shared_data / "ohlcv" / "us-equity" / f"{name}-1d.parquet", store, "us")
    gaps = gap_table(store, "us", "1d")
    assert set(gaps["symbol"]) == {ticker}
    years = gaps[gaps["start"] == pd.Timestamp(start, tz="UTC")]
    assert years["cause"].tolist() == ["delisted"]
    assert years["bars_missing"].iloc[0] > 1500
