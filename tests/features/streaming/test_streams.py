"""Bar by bar equals the whole: every feature, both sets, expressions; and a bar costs one step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import REGISTRY, FeatureStream, Registry, check_stream, compute, feature, indicator, resolve
from workbench.features.streaming.tails import Tail

EXPRESSIONS = [
    "close / ema(50)@4h - 1",
    "rank(rsi(14))",
    "zscore(atr(14), 20)",
    "neutralize(ret(5), natr(14))",
    "mean(rank(ret), 10)",
    "rank(mean(rank(close), 4) * volume)",
    "ema(rsi(14), 5)",
    "ema(sqrt(close - 100), 5)",
    "sma(log(close - 100), 3)",
    "hurst(sqrt(close - 100), 16)",
    "sqrt(close - 105) > 0",
    "count(log(close - 100) > 0, 5)",
    "since(cross_above(close, ema(10)), 12)",
    "where(rsi(14)@4h > 50, ret(3), -ret(3))",
    "mean(close@1d, 3)@4h",
    "(sqrt(close - 100) > 0)@4h",
    "ema(3)@1d - ema(3)@4h",
    "obv@1d",
    "hour * 2 + weekday",
    "rank(close@4h) - rank(close)",
    "corr(close, ref(volume, 2), 12)",
    "2 + 3",
    "bucket(ret, 3) * market_count(close)",
    "market_mean(ret@4h)",
    "idxmax(high, 9) - idxmin(low, 9)",
    "time - ref(time, 1)",
]


def with_perpetuals(bars: pd.DataFrame, *, partly: bool) -> pd.DataFrame:
    """Funding and basis beside the five; ``partly``: known later than the prices, and not on every bar."""
    rng = np.random.default_rng(12)
    close = bars["close"]
    more = {}
    for name, scale in (("funding_rate", 1e-4), ("basis", 1e-3), ("mark", 1.0), ("open_interest", 9.0)):
        values = (
            rng.normal(0, scale, close.shape)
            if name in ("funding_rate", "basis")
            else rng.lognormal(3, 0.1, close.shape)
        )
        made = pd.DataFrame(values, index=bars.index, columns=close.columns).where(close.notna())
        if partly:
            made = made.mask(rng.random(close.shape) < 0.1)
            made.iloc[:70, 0] = np.nan
        more[name] = made
    return pd.concat([bars, pd.concat(more, axis=1, names=["field", "symbol"])], axis=1)  # fmt: skip


def assert_stream_is_batch(specs: list[str], bars: pd.DataFrame, start: int, n_bars: int, **how: str) -> None:
    batch = compute(bars, specs, **how)
    stream = FeatureStream(specs, bars.iloc[:start], **how)
    if start:
        pd.testing.assert_series_equal(stream.latest, batch.iloc[start - 1], rtol=1e-12, atol=1e-12, check_index=False)
    for t in range(start, min(start + n_bars, len(bars))):
        got = stream.append(bars.iloc[[t]])
        assert list(got.index) == list(batch.columns)
        assert got.name == bars.index[t]
        want = batch.iloc[t].to_numpy()
        apart = np.abs(got.to_numpy() - want) / np.maximum(1, np.abs(want))
        wrong = ~((apart <= 1e-12) | (np.isnan(got.to_numpy()) & np.isnan(want)))
        assert not wrong.any(), (
            f"bar {t}: {[(batch.columns[k], got.iloc[k], want[k]) for k in np.flatnonzero(wrong)[:3]]}"
        )


@pytest.mark.parametrize("start", [0, 1, 130, 395])
def test_every_registered_feature(ragged: pd.DataFrame, bars: pd.DataFrame, start: int) -> None:
    names = REGISTRY.names()
    for market in (bars, ragged):
        assert_stream_is_batch(names, with_perpetuals(market, partly=False), start, 12 if start else 60, timeframe="1h")


@pytest.mark.parametrize("start", [60, 259, 331])
def test_every_registered_feature_through_a_flat_stretch(ragged: pd.DataFrame, start: int) -> None:
    """Into the flat hours, out of them, and past a delisting."""
    assert_stream_is_batch(REGISTRY.names(), with_perpetuals(ragged, partly=False), start, 15)


@pytest.mark.parametrize("name", ["classic31", "alpha158"])
def test_sets(ragged: pd.DataFrame, bars: pd.DataFrame, name: str) -> None:
    for start in (0, 100, 390):
        for market in (bars, ragged):
            assert_stream_is_batch([name], market, start, 12, timeframe="1h")


@pytest.mark.parametrize("spec", EXPRESSIONS)
def test_expressions(ragged: pd.DataFrame, spec: str) -> None:
    for start in (0, 1, 119, 121, 300):
        assert_stream_is_batch([spec], ragged, start, 80, timeframe="1h")


def test_all_expressions_at_once_over_all_bars(ragged: pd.DataFrame) -> None:
    assert_stream_is_batch(EXPRESSIONS, ragged, 0, 400, timeframe="1h")


@pytest.mark.parametrize("start", [0, 33, 200])
@pytest.mark.parametrize(
    "specs",
    [
        ["rank(close) * funding_rate"],
        ["funding_sum(3)", "rsi(14)", "rank(close) + basis", "rank(funding_rate)"],
        ["rank(rank(close) * funding_rate)", "mean(zscore(ret(3)) * basis, 4)"],
        ["funding_rate@4h", "open_interest@1d / mark"],
    ],
)
def test_fields_that_a_symbol_lacks_now_and_then(ragged: pd.DataFrame, specs: list[str], start: int) -> None:
    """A cross-section of closes takes in a symbol without funding on that bar, as the batch does."""
    assert_stream_is_batch(specs, with_perpetuals(ragged, partly=True), start, 150, timeframe="1h")


@pytest.mark.parametrize(("freq", "timeframe"), [("min", "1m"), ("15min", "15m"), ("4h", "4h"), ("D", "1d")])
def test_other_bar_lengths_and_misaligned_starts(market: Callable, freq: str, timeframe: str) -> None:
    higher = {"1m": "5m", "15m": "1h", "4h": "1d", "1d": "1w"}[timeframe]
    bars = market(200, "AB", freq=freq, start="2024-02-28 01:03" if timeframe == "1m" else "2024-02-28")
    bars.loc[bars.index[[30, 31, 50, 77]], (slice(None), "A")] = np.nan
    bars.loc[bars.index[:17], (slice(None), "B")] = np.nan
    specs = [f"ema(3)@{higher}", f"high@{higher} - low", f"rank(ret@{higher})", f"close@{timeframe}"]
    for start in (0, 1, 18, 100):
        assert_stream_is_batch(specs, bars, start, 100, timeframe=timeframe)


def test_the_frame_of_the_bars_off_the_clock(market: Callable) -> None:
    bars = market(60, "A", freq="4h", start="2024-02-28 01:00")
    assert_stream_is_batch(["close@4h", "time@4h"], bars, 0, 60, timeframe="4h")


def test_features_of_all_symbols(ragged: pd.DataFrame) -> None:
    registry = Registry()

    @feature("leader", warmup=2, registry=registry)
    def leader(bars: pd.DataFrame) -> pd.DataFrame:
        moves = bars["close"] - bars["close"].shift(2)
        return moves.rank(axis=1)

    @feature("undeclared", registry=registry)
    def undeclared(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"].ewm(span=9).mean()

    for start in (0, 100):
        for text in ("leader", "undeclared - close", "mean(leader, 3) + rank(undeclared)"):
            bound = resolve(text, registry)
            batch = compute(ragged, [bound])
            stream = FeatureStream([bound], ragged.iloc[:start])
            for t in range(start, start + 60):
                got = stream.append(ragged.iloc[[t]])
                np.testing.assert_allclose(got, batch.iloc[t], rtol=1e-12, atol=1e-12, err_msg=f"{text} {t}")


def test_a_step_is_called_once_a_bar(bars: pd.DataFrame) -> None:
    made, called = [], []

    def count(*, window: int) -> Callable[[float], float]:
        made.append(window)

        def step(close: float) -> float:
            called.append(close)
            return close

        return step

    @indicator("stepped", warmup=0, recursive=True, stream=count, registry=Registry())
    def stepped(close, *, window: int = 3):
        return close

    registry = Registry()
    registry.add(stepped)
    bounds = [resolve(t, registry) for t in ("stepped", "mean(stepped, 3)", "stepped + stepped", "rank(stepped)")]
    stream = FeatureStream(bounds, bars.iloc[:100])
    assert len(made) == 4, "one a symbol, however often it stands"
    assert len(called) == 400
    for t in range(100, 110):
        called.clear()
        stream.append(bars.iloc[[t]])
        assert sorted(called) == sorted(bars["close"].iloc[t])


def test_an_indicator_without_a_step_runs_on_its_lookback_only(bars: pd.DataFrame) -> None:
    sizes = []

    @indicator("tail", warmup=lambda window: window - 1, registry=Registry())
    def tail(close, *, window: int = 7):
        sizes.append(close.size)
        return pd.Series(close).rolling(window).max().to_numpy()

    stream = FeatureStream([tail], bars.iloc[:300])
    sizes.clear()
    for t in range(300, 305):
        stream.append(bars.iloc[[t]])
    assert min(sizes) >= 7
    assert max(sizes) < 7 + 2 * 7, "its look-back, begun where a block of seven rows begins"
    assert len(sizes) == 5 * 4


EXACT = (
    "sum(volume, 50)", "mean(close, 20)", "var(close, 9)", "std(ret(1), 30)", "zscore(atr(14), 100)",
    "slope(close, 15)", "rsquare(close, 15)", "resi(close, 15)", "decay(close, 6)", "Skew(close, 20)",
    "Kurt(close, 20)", "corr(close, volume, 20)", "cov(close, volume, 11)", "beta_on(close, volume, 20)",
    "autocorr_over(close, 20, 3)", "idxmax(mean(close, 7), 4)",
)  # fmt: skip


def test_rolling_operators_give_the_same_bits(ragged: pd.DataFrame) -> None:
    """The stream sums each window in the order of the batch, so what compares two averages decides the same."""
    batch = compute(ragged, list(EXACT)).to_numpy()
    stream = FeatureStream(list(EXACT), ragged.iloc[:170])
    for t in range(170, 300):
        np.testing.assert_array_equal(stream.append(ragged.iloc[[t]]).to_numpy(), batch[t], err_msg=f"row {t}")


def test_bars_out_of_order_or_of_another_shape_are_refused(bars: pd.DataFrame) -> None:
    stream = FeatureStream(["rsi(14)"], bars.iloc[:50])
    with pytest.raises(DataError, match="the bar of 2024-03-01 01:00 is not later than the last one, 2024-03-01 01:00"):
        stream.append(bars.iloc[[49]])
    with pytest.raises(DataError, match="not later than the last one.*append bars in order, once each"):
        stream.append(bars.iloc[[3]])
    with pytest.raises(DataError, match="takes one bar at a time .* got 2 rows and 20 columns"):
        stream.append(bars.iloc[50:52])
    with pytest.raises(DataError, match="got 0 rows"):
        stream.append(bars.iloc[:0])
    with pytest.raises(DataError, match=r"one bar as a frame of one row, got Series; append bars.iloc\[\[i\]\]"):
        stream.append(bars.iloc[50])
    with pytest.raises(DataError, match="got 1 rows and 19 columns without open of A"):
        stream.append(bars.iloc[[50], 1:])
    with pytest.raises(DataError, match="got 1 rows and 16 columns"):
        stream.append(bars[["open", "high", "low", "close"]].iloc[[50]])
    with pytest.raises(DataError, match="with the columns of its history"):
        stream.append(bars[bars.columns[::-1]].iloc[[50]])
    got = stream.append(bars.iloc[[50]])  # a refusal leaves it as it was
    np.testing.assert_allclose(got, compute(bars, "rsi(14)").iloc[50], rtol=1e-12)
    stream.append(bars.iloc[[60]])  # a gap is fine


def test_what_a_stream_needs_is_said_at_its_start(bars: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="needs the field 'funding_rate' of A"):
        FeatureStream(["funding_sum(3)"], bars)
    with pytest.raises(ConfigError, match="needs the length of the bars; name it: timeframe='1h'"):
        FeatureStream(["ema(3)@4h"], bars.iloc[:0])
    with pytest.raises(ConfigError, match="finer than the bars"):
        FeatureStream(["ema(3)@1m"], bars)
    with pytest.raises(ConfigError, match="Did you mean 'rsi'"):
        FeatureStream(["rsj"], bars)


def test_a_step_that_departs_from_its_batch_is_named(bars: pd.DataFrame) -> None:
    @indicator("off", warmup=0, recursive=True, stream=lambda: lambda close: close * (1 + 1e-9), registry=Registry())
    def off(close):
        return close * 1.0

    @indicator("forgets", warmup=2, registry=Registry())
    def forgets(close):
        out = pd.Series(close).ewm(span=5).mean().to_numpy(copy=True)
        out[:2] = np.nan
        return out

    check_stream(["rsi(14)", "rank(close)", "ema(3)@4h"], bars)
    check_stream(off, bars, tolerance=1e-8)
    with pytest.raises(DataError, match="'off' is .* as a stream and .* on all bars: A at 2024-03-14 00:00; declare"):
        check_stream(off, bars)
    with pytest.raises(DataError, match="'forgets' is .* declare it recursive=True, or mend its stream="):
        check_stream(forgets, bars)


@pytest.mark.parametrize("keep", [None, 1, 3, 64])
def test_a_tail_shows_the_newest_values(keep: int | None) -> None:
    rng, tail, known = np.random.default_rng(0), Tail(keep), []
    for _ in range(300):
        if rng.random() < 0.5:
            values = rng.normal(size=int(rng.integers(0, 90)))
            tail.extend(values)
            known.extend(values.tolist())
        else:
            tail.append(rng.normal())
            known.append(float(tail.last))
        assert tail.count == len(known)
        k = min(len(known), keep or len(known))
        if k:
            np.testing.assert_array_equal(tail.newest(k), known[-k:])
    assert tail.newest(0).size == 0
