"""A universe at a past date holds what traded then, the dead included, and nothing that was learned later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import BarStore, bars_of, import_file, membership, universe_at
from workbench.errors import DataError

DAYS = 120
START = pd.Timestamp("2022-01-01", tz="UTC")


def series(level: float, first: int = 0, last: int = DAYS, seed: int = 0) -> pd.DataFrame:
    """Daily bars from one day to another whose traded value is about ``level``."""
    rng = np.random.default_rng(seed)
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, DAYS)))
    frame = pd.DataFrame(
        {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": level / close},
        index=pd.date_range(START, periods=DAYS, freq="1D", name="time", unit="us"),
    )
    return frame.iloc[first:last]


def stored(root: Path, frames: dict[str, pd.DataFrame]) -> BarStore:
    store = BarStore(root)
    for symbol, frame in frames.items():
        store.write("venue", symbol, "1d", bars_of({symbol: frame}))
    return store


def market() -> dict[str, pd.DataFrame]:
    return {
        "BIG": series(100.0, seed=1),
        "DIES": series(80.0, last=60, seed=2),
        "LATE": series(60.0, first=50, seed=3),
        "SMALL": series(10.0, seed=4),
    }


def day(number: int) -> pd.Timestamp:
    return START + pd.Timedelta(days=number)


def test_the_dead_are_in_until_their_last_bar_and_the_unborn_are_not(tmp_path: Path) -> None:
    store = stored(tmp_path, market())

    def symbols(date: pd.Timestamp, top: int = 3) -> list[str]:
        return universe_at(store, "venue", "1d", date, top=top, window="10d")["symbol"].tolist()

    assert symbols(day(40)) == ["BIG", "DIES", "SMALL"]
    assert symbols(day(60)) == ["BIG", "DIES", "LATE"]
    assert symbols(day(61)) == ["BIG", "DIES", "LATE"]  # a day late is no death
    assert symbols(day(62)) == ["BIG", "LATE", "SMALL"]
    assert symbols(day(50)) == ["BIG", "DIES", "SMALL"]  # the first bar of LATE has not closed yet
    assert symbols(day(51), top=4)[-1] == "LATE"  # one day of volume in the window


def test_values_are_sums_of_closed_bars_in_the_window(tmp_path: Path) -> None:
    frames = market()
    found = universe_at(stored(tmp_path, frames), "venue", "1d", day(40), window="10d").set_index("symbol")
    for symbol, row in found.iterrows():
        part = frames[str(symbol)].iloc[30:40]
        assert row["value"] == pytest.approx((part["close"] * part["volume"]).sum())
        assert (row["bars"], row["first"], row["last"]) == (10, START, day(39))
    assert found["share"].sum() == pytest.approx(1.0)
    by_volume = universe_at(stored(tmp_path, frames), "venue", "1d", day(40), by="volume", window="10d")
    assert by_volume["value"].iloc[0] == pytest.approx(max(f["volume"].iloc[30:40].sum() for f in frames.values()))


def test_an_outage_of_the_venue_takes_nobody_out(tmp_path: Path) -> None:
    lost = [day(k) for k in range(30, 36)]
    frames = {s: f.drop([t for t in lost if t in f.index]) for s, f in market().items()}
    found = universe_at(stored(tmp_path, frames), "venue", "1d", day(36), window="10d")
    assert found["symbol"].tolist() == ["BIG", "DIES", "SMALL"]


@settings(max_examples=12)
@given(date=st.integers(5, DAYS - 1), hours=st.integers(0, 23), seed=st.integers(0, 1000))
def test_later_bars_change_nothing(tmp_path_factory: pytest.TempPathFactory, date: int, hours: int, seed: int) -> None:
    moment = day(date) + pd.Timedelta(hours=hours)
    rng = np.random.default_rng(seed)
    other = {}
    for symbol, frame in market().items():
        changed = frame.copy()
        later = np.asarray(frame.index + pd.Timedelta("1D") > moment)
        changed.loc[later] *= rng.uniform(0.1, 10)
        keep = ~later | (rng.random(len(frame)) > 0.3)
        if changed[keep].shape[0]:
            other[symbol] = changed[keep]
    first = stored(tmp_path_factory.mktemp("a"), market())
    second = stored(tmp_path_factory.mktemp("b"), other)
    one, two = (universe_at(s, "venue", "1d", moment, top=2, window="7d") for s in (first, second))
    pd.testing.assert_frame_equal(one, two)
    start, end = START, day(DAYS)
    ours, theirs = (membership(s, "venue", "1d", start, end, "1w", 2, window="7d") for s in (first, second))
    known = ours.index[ours.index <= moment].intersection(theirs.index)
    columns = sorted({*ours.columns, *theirs.columns})
    ours, theirs = (m.reindex(index=known, columns=columns, fill_value=False) for m in (ours, theirs))
    pd.testing.assert_frame_equal(ours, theirs)


def test_membership_chooses_at_each_rebalance_as_the_universe_does(tmp_path: Path) -> None:
    store = stored(tmp_path, market())
    mask = membership(store, "venue", "1d", day(20), day(110), "1M", 2, window="10d")
    assert mask.index.equals(pd.date_range(day(20), day(109), freq="1D", name="time", unit="us"))
    for date in pd.date_range("2022-02-01", "2022-04-01", freq="MS", tz="UTC"):
        chosen = set(universe_at(store, "venue", "1d", date, top=2, window="10d")["symbol"])
        assert set(mask.columns[mask.loc[date]]) == chosen
    dying = mask["DIES"]
    assert not mask.loc[:"2022-01-31"].any(axis=None)  # on the first of January nothing had traded yet
    assert dying.loc[day(31) : day(61)].all()
    assert not dying.loc[day(62) :].any()


def test_another_asset_under_the_symbol_starts_from_nothing(shared_data: Path, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    for stem in ("BTCUSDT-1h", "BNBUSDT-1h", "LUNAUSDT-1h-delisted", "USTUSDT-1h-delisted"):
        import_file(shared_data / "ohlcv" / "binance" / f"{stem}.parquet", store, "binance")

    def at(date: str) -> dict[str, str]:
        found = universe_at(store, "binance", "1h", date)
        return dict(zip(found["symbol"], found["asset"], strict=True))

    assert at("2022-05-13 01:00") == {"BTC/USDT": "BTC", "LUNA/USDT": "LUNC", "UST/USDT": "USTC", "BNB/USDT": "BNB"}
    assert set(at("2022-05-20")) == {"BTC/USDT", "BNB/USDT"}
    later = universe_at(store, "binance", "1h", "2022-06-01").set_index("symbol")
    assert later.loc["LUNA/USDT", "asset"] == "LUNA2"
    assert later.loc["LUNA/USDT", "bars"] == 18  # none of the dead coin's, though its last weeks are in the window
    assert later.loc["LUNA/USDT", "first"] == pd.Timestamp("2022-05-31 06:00", tz="UTC")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"date": ""}, "needs a date"),
        ({"date": "soon"}, "is not a date"),
        ({"date": "2022-02-01", "top": 0}, "at least 1"),
        ({"date": "2022-02-01", "by": "volme"}, "Did you mean 'volume'"),
        ({"date": "2021-02-01"}, "had closed by 2021-02-01"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, options: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        universe_at(stored(tmp_path, market()), "venue", "1d", **options)


def test_membership_needs_a_range_with_bars(tmp_path: Path) -> None:
    store = stored(tmp_path, market())
    with pytest.raises(DataError, match="needs a start and an end"):
        membership(store, "venue", "1d", "", "2022-02-01")
    with pytest.raises(DataError, match="no 1d bar from"):
        membership(store, "venue", "1d", "2030-01-01", "2031-01-01")
