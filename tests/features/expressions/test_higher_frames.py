"""Higher time frames against the resampler of the data room, which shares no line with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.data.shaping.resampling import align_higher, resample
from workbench.errors import ConfigError, DataError
from workbench.features import check_causality, check_warmup, compute, warmup

Market = Callable[..., pd.DataFrame]
FIELDS = ["open", "high", "low", "close", "volume"]


def independent(bars: pd.DataFrame, spec: str, timeframe: str, lower: str) -> pd.DataFrame:
    """Each symbol's own bars gathered, computed and aligned by the data room."""
    columns = {}
    for symbol in bars.columns.unique(1):
        own = bars.loc[:, (slice(None), symbol)].dropna()
        higher = resample(own, timeframe, lower=lower)
        values = compute(higher, spec)
        columns[symbol] = align_higher(own.index, values, lower=lower, timeframe=timeframe)[(spec, symbol)]
    return pd.DataFrame(columns).reindex(bars.index)


SPECS = ("close", "open", "high - low", "volume", "ema(3)", "rsi(4)", "mean(high, 3) / ref(low, 2)", "atr(3)")


def holed(bars: pd.DataFrame, share: float, seed: int = 0) -> pd.DataFrame:
    made, rng = bars.copy(), np.random.default_rng(seed)
    for symbol in bars.columns.unique(1):
        made.loc[rng.random(len(bars)) < share, (slice(None), symbol)] = np.nan
    return made


@pytest.mark.parametrize("start", ["2024-02-28", "2024-02-28 01:00", "2024-02-28 03:00", "2024-02-29 23:00"])
@pytest.mark.parametrize("timeframe", ["2h", "4h", "1d"])
def test_frames_are_those_of_the_resampler(market: Market, timeframe: str, start: str) -> None:
    for share in (0.0, 0.1, 0.6):
        bars = holed(market(400, "AB", seed=3, start=start), share)
        bars.loc[bars.index[:57], (slice(None), "B")] = np.nan  # listed late, in the middle of a higher bar
        bars.loc[bars.index[300:], (slice(None), "B")] = np.nan
        for spec in SPECS:
            text = f"({spec})@{timeframe}"
            got = compute(bars, text, timeframe="1h")[text]
            want = independent(bars, spec, timeframe, "1h")
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12, err_msg=f"{text} {share}")


@pytest.mark.parametrize(
    ("freq", "lower", "timeframe"), [("D", "1d", "1w"), ("4h", "4h", "1w"), ("h", "1h", "1w"), ("D", "1d", "2w")]
)
def test_weeks_begin_on_monday(market: Market, freq: str, lower: str, timeframe: str) -> None:
    for start in ("2024-02-26", "2024-02-28"):  # a Monday, and a Wednesday whose week is left out
        bars = holed(market(900, "AB", seed=3, start=start, freq=freq), 0.2)
        text = f"close@{timeframe}"
        got = compute(bars, text, timeframe=lower)[text]
        np.testing.assert_array_equal(got, independent(bars, "close", timeframe, lower))
    days = compute(market(30, "A", start="2024-02-26"[:10], freq="D"), "time@1w")["time@1w"]["A"].dropna()
    assert (pd.to_datetime(days.astype("int64")).dt.day_of_week == 0).all()


@pytest.mark.parametrize(
    ("freq", "lower", "frames"),
    [
        ("min", "1m", ("5m", "1h")),
        ("5min", "5m", ("15m", "1d")),
        ("15min", "15m", ("30m", "4h")),
        ("h", "1h", ("4h", "1d", "1w")),
        ("4h", "4h", ("8h", "1d")),
        ("D", "1d", ("1w",)),
        ("W-MON", "1w", ("2w",)),
    ],
)
def test_every_frame_of_every_bar_is_causal(market: Market, freq: str, lower: str, frames: tuple[str, ...]) -> None:
    bars = holed(market(420, "AB", seed=5, start="2024-02-26 00:00", freq=freq), 0.1)
    bars.loc[bars.index[:41], (slice(None), "B")] = np.nan
    for frame in frames:
        for spec in (f"ema(3)@{frame}", f"close / close@{frame} - 1", f"rank(ret@{frame})", f"mean(high@{frame}, 5)"):
            check_causality(spec, bars, cuts=8, timeframe=lower)


def test_a_higher_bar_appears_with_the_bar_that_closes_it(market: Market) -> None:
    bars = market(16, "A", start="2024-02-28")
    made = compute(bars, ["close@4h", "open@4h", "high@4h", "volume@4h"])
    close, at = bars["close"]["A"], made["close@4h"]["A"]
    assert at.iloc[:3].isna().all()
    assert (at.iloc[3:7] == close.iloc[3]).all()
    assert (at.iloc[7:11] == close.iloc[7]).all()
    assert (made["open@4h"]["A"].iloc[3:7] == bars["open"]["A"].iloc[0]).all()
    assert (made["high@4h"]["A"].iloc[7:11] == bars["high"]["A"].iloc[4:8].max()).all()
    np.testing.assert_allclose(made["volume@4h"]["A"].iloc[7:11], bars["volume"]["A"].iloc[4:8].sum(), rtol=1e-15)


def test_a_hole_at_the_close_shows_the_bar_with_the_next_one(market: Market) -> None:
    bars = market(12, "A", start="2024-02-28")
    bars.iloc[3] = np.nan  # 03:00, whose close ends the first higher bar
    at = compute(bars, "close@4h", timeframe="1h")["close@4h"]["A"]
    assert at.iloc[:4].isna().all()
    assert at.iloc[4] == bars["close"]["A"].iloc[2]


def test_nested_frames_are_gathered_from_the_outer_bars(market: Market) -> None:
    """`mean(close@1d, 3)@4h` is what bars of 4h give to `mean(close@1d, 3)`."""
    bars = holed(market(400, "AB", seed=8, start="2024-02-28 05:00"), 0.1)
    for inner in ("mean(close@1d, 3)", "close - ema(3)@1d", "mean(high@1d, 2) / low@8h"):
        text = f"({inner})@4h"
        got = compute(bars, text, timeframe="1h")[text]
        np.testing.assert_allclose(got, independent_nested(bars, inner), rtol=1e-12, atol=1e-12, err_msg=text)
        check_causality(text, bars, cuts=8, timeframe="1h")
    with pytest.raises(ConfigError, match="time frame 4h is finer than the bars, which are of 1d"):
        compute(bars, "mean(close@4h, 3)@1d", timeframe="1h")


def independent_nested(bars: pd.DataFrame, inner: str) -> pd.DataFrame:
    columns = {}
    for symbol in bars.columns.unique(1):
        own = bars.loc[:, (slice(None), symbol)].dropna()
        values = compute(resample(own, "4h", lower="1h"), inner, timeframe="4h")
        columns[symbol] = align_higher(own.index, values, lower="1h", timeframe="4h").iloc[:, 0]
    return pd.DataFrame(columns).reindex(bars.index)


def test_the_frame_of_the_bars_is_the_bars_themselves(market: Market) -> None:
    for start in ("2024-02-28", "2024-02-28 01:00"):  # also where they do not begin on the clock
        bars = market(60, "A", freq="4h", start=start)
        np.testing.assert_array_equal(compute(bars, "ema(3)@4h").to_numpy(), compute(bars, "ema(3)").to_numpy())


def test_frames_that_do_not_fit_are_refused(market: Market) -> None:
    bars = market(100, "A", freq="4h")
    for text, says in {
        "ema(3)@1h": "time frame 1h is finer than the bars, which are of 4h; load finer bars",
        "ema(3)@6h": "time frame 6h is not a multiple of the bars' 4h; choose one that is",
    }.items():
        with pytest.raises(ConfigError, match=says):
            compute(bars, text)
        made = compute(bars, [text, "ema(3)"], errors="collect")
        assert made.attrs["errors"] == {text: f"feature {text!r}: {says}"}
        assert made[text].isna().all(axis=None)
        assert made["ema(3)"].notna().sum(axis=None) == 98
    with pytest.raises(DataError, match="cannot be told from 1 bars; name it: timeframe='1h'"):
        compute(bars.iloc[:1], "ema(3)@1d")
    assert compute(bars.iloc[:1], "ema(3)@1d", timeframe="4h").isna().all(axis=None)
    assert compute(bars.iloc[:0], "ema(3)@1d", timeframe="4h").shape == (0, 1)


def test_warm_ups_depend_on_where_the_bars_begin(market: Market) -> None:
    for start, rows in {"2024-02-28 00:00": 11, "2024-02-28 01:00": 14, "2024-02-28 03:00": 12}.items():
        assert check_warmup("ema(3)@4h", market(200, "AB", start=start)) == rows
    assert warmup("ema(3)@4h") == 11
    assert warmup("ema(3)@1d", timeframe="4h") == 17
    late = market(200, "AB")
    late.loc[late.index[:50], (slice(None), "B")] = np.nan
    assert check_warmup("ema(3)@4h", late) == 13  # B's second hour of a higher bar: two rows more than A


def test_real_prices_give_the_same_frames(shared_data) -> None:
    paths = sorted((shared_data / "ohlcv" / "binance").glob("BTCUSDT-1h.parquet"))
    if not paths:
        pytest.skip("no hourly BTCUSDT among the shared files")
    raw = pd.read_parquet(paths[0])
    raw = raw.set_index("time") if "time" in raw else raw
    raw.index = pd.DatetimeIndex(raw.index).tz_convert("UTC") if raw.index.tz else raw.index.tz_localize("UTC")
    frame = raw[FIELDS].iloc[-5000:].rename_axis("time")
    bars = pd.concat({f: frame[[f]].rename(columns={f: "BTC"}) for f in FIELDS}, axis=1, names=["field", "symbol"])
    for timeframe in ("4h", "1d", "1w"):
        text = f"ema(5)@{timeframe}"
        want = independent(bars, "ema(5)", timeframe, "1h")
        np.testing.assert_allclose(compute(bars, text, timeframe="1h")[text], want, rtol=1e-12)
