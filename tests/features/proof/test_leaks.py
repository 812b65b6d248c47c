"""Leaks of many shapes are found in both forms of features; what is causal passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError, LookAheadError
from workbench.features import (
    REGISTRY,
    Registry,
    check_all,
    check_causality,
    check_warmup,
    feature,
    find_leaks,
    indicator,
    resolve,
)
from workbench.features.proof.cuts import cut_lengths
from workbench.features.registry import Feature

DAY = 86_400_000_000_000


def hour_of(time: np.ndarray) -> np.ndarray:
    return time // (DAY // 24) % 24


def next_of(x: np.ndarray, k: int = 1) -> np.ndarray:
    return np.concatenate([x[k:], np.full(min(k, x.size), x[-1])])


def one_hour(close, time):
    return np.where(hour_of(time) == 17, next_of(close), close)


def one_weekday(close, time):
    return np.where((time // DAY + 3) % 7 == 5, next_of(close), close)


def one_minute_of_the_day(close, time):
    return np.where(time % DAY == 7 * DAY // 24, next_of(close), close)


def after_a_shock(close):
    moves = np.abs(np.diff(close, prepend=close[0]))
    return np.where(moves >= moves.max(), next_of(close), close)


def the_last_row(close):
    return np.where(np.arange(close.size) == close.size - 1, 0.0, close)


def ten_from_the_end(close):
    return np.where(np.arange(close.size) == close.size - 10, 0.0, close)


def scaled_by_all(close):
    return (close - close.min()) / (np.ptp(close) or 1.0)


def ranked_in_all(close):
    return close.argsort().argsort() / close.size


def centred(close):
    return pd.Series(close).rolling(7, center=True, min_periods=1).mean().to_numpy()


def filled_from_behind(close):
    return pd.Series(close).rolling(5).mean().bfill().to_numpy()


def interpolated(close):
    sparse = np.where(np.arange(close.size) % 6 == 0, close, np.nan)
    return pd.Series(sparse).interpolate(limit_direction="both").to_numpy()


def fourth_hours_close_at_once(close, time):
    """The close of the higher bar, carried to all bars in it: known only at its end."""
    return pd.Series(close).groupby(time // (DAY // 6)).transform("last").to_numpy()


def detrended(close):
    steps = np.arange(close.size)
    return close - np.polyval(np.polyfit(steps, close, 1), steps) if close.size > 2 else close * 0.0


def both_ways(close):
    forward = pd.Series(close).ewm(span=5).mean()
    return forward[::-1].ewm(span=5).mean()[::-1].to_numpy()


def swings(high):
    """A swing marked at its peak, two bars before it is one."""
    before = pd.Series(high).rolling(5, center=True).max()
    return (before == high).to_numpy(dtype=np.float64)


def bars_left(close):
    return close * 0 + np.arange(close.size)[::-1] % 3


def quantile_of_all(close):
    return (close > np.quantile(close, 0.9)).astype(np.float64)


INDICATORS = [
    one_hour, one_weekday, one_minute_of_the_day, after_a_shock, the_last_row, ten_from_the_end, scaled_by_all,
    ranked_in_all, centred, filled_from_behind, interpolated, fourth_hours_close_at_once, detrended, both_ways, swings,
    bars_left, quantile_of_all,
]  # fmt: skip


def resampled(bars):
    """The daily high on each of its bars."""
    return bars["high"].resample("D").transform("max")


def resampled_forward_filled(bars):
    """Labelled by the day's begin, and so a day early."""
    return bars["close"].resample("D").last().reindex(bars.index, method="ffill")


def shifted_index(bars):
    return bars["close"].shift(-2, freq="h").reindex(bars.index) * 0 + bars["close"].shift(-1).ffill()


def another_symbols_future(bars):
    made = bars["close"].copy()
    made["B"] = made["A"].shift(-1).ffill().fillna(0) + made["B"]
    return made


def market_in_all(bars):
    return bars["close"].sub(bars["close"].mean(axis=1).mean())


def listed_symbols(bars):
    """Those that will trade at the end."""
    return bars["close"] * 0 + bars["close"].iloc[-1].notna().sum()


def rank_over_time(bars):
    return bars["close"].rank(pct=True)


PANELS = [
    resampled, resampled_forward_filled, shifted_index, another_symbols_future, market_in_all, listed_symbols,
    rank_over_time,
]  # fmt: skip


def held_close(close, time):
    """The last close of each four hours, from the bar that ends them on."""
    ends = (time + DAY // 24) % (DAY // 6) == 0
    return pd.Series(np.where(ends, close, np.nan)).ffill().to_numpy()


def causal_hour(close, time):
    return np.where(hour_of(time) == 17, close, np.concatenate([close[:1], close[:-1]]))


def expanding_rank(close):
    return pd.Series(close).expanding().rank(pct=True).to_numpy()


CAUSAL = [held_close, causal_hour, expanding_rank]


@pytest.fixture(scope="module")
def awkward(ragged: pd.DataFrame) -> pd.DataFrame:
    return ragged


def registered(functions: list[Callable], form: Callable, registry: Registry) -> list[Feature]:
    extra = {"inputs": ("high", "close")} if form is feature else {"recursive": True}
    return [form(f.__name__, registry=registry, **extra)(f) for f in functions]


def leaks() -> Iterator[Feature]:
    yield from registered(INDICATORS, indicator, Registry())
    yield from registered(PANELS, feature, Registry())


@pytest.mark.parametrize("leak", list(leaks()), ids=lambda f: f.name)
def test_a_leak_is_found_and_named(leak: Feature, bars: pd.DataFrame, awkward: pd.DataFrame) -> None:
    """With sampled cuts, whatever the seed, and with all of them; on the awkward market too."""
    says = rf"^feature '{leak.name}' changes at \d{{4}}-\d\d-\d\d \d\d:\d\d for [A-D] when later rows are removed$"
    for seed in (0, 1):
        with pytest.raises(LookAheadError, match=says):
            check_causality(leak, awkward if leak.name == "listed_symbols" else bars, seed=seed)
    with pytest.raises(LookAheadError, match=says):
        check_causality(leak, awkward, cuts="all")


def test_the_first_changed_bar_is_named(bars: pd.DataFrame) -> None:
    leak = indicator("late_peek", registry=Registry())(one_hour)
    with pytest.raises(LookAheadError) as caught:
        check_causality(leak, bars, cuts="all")
    assert str(caught.value) == "feature 'late_peek' changes at 2024-02-28 17:00 for A when later rows are removed"


@pytest.mark.parametrize("function", CAUSAL, ids=lambda f: f.__name__)
def test_what_is_causal_passes(function: Callable, bars: pd.DataFrame, awkward: pd.DataFrame) -> None:
    made = indicator(function.__name__, registry=Registry(), recursive=True)(function)
    for market in (bars, awkward):
        check_causality(made, market, cuts="all" if function is held_close else 16)
    assert find_leaks(bars, made, cuts=5) == {}


def test_an_expression_around_a_leak_leaks(bars: pd.DataFrame) -> None:
    registry = Registry()
    registered([one_hour], indicator, registry)
    for text in ("mean(one_hour, 3)", "zscore(one_hour)", "close - one_hour", "one_hour * 2 + 1"):
        with pytest.raises(LookAheadError, match=re.escape(f"feature {text!r} changes at")):
            check_causality(resolve(text, registry), bars)
    check_causality(resolve("ref(one_hour, 1)", registry), bars)  # a peek of one bar, seen one bar later, is none


def test_find_leaks_says_what_check_causality_says(bars: pd.DataFrame) -> None:
    registry = Registry()
    made = registered([*INDICATORS, *CAUSAL], indicator, registry) + registered(PANELS, feature, registry)
    shares: list[float] = []
    found = find_leaks(bars, made, cuts=4, seed=3, progress=shares.append)
    assert set(found) == {f.__name__ for f in [*INDICATORS, *PANELS]} - {"listed_symbols"}, "all are listed to the end"
    for one in made:
        if one.name in found:
            with pytest.raises(LookAheadError) as caught:
                check_causality(one, bars, cuts=4, seed=3)
            assert str(found[one.name]) == str(caught.value)
        else:
            check_causality(one, bars, cuts=4, seed=3)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_feature_that_fails_hides_no_leak_of_another(bars: pd.DataFrame) -> None:
    registry = Registry()

    @indicator("fails_when_short", registry=registry)
    def fails_when_short(close):
        return close + close[100]

    @indicator("fails_always", registry=registry)
    def fails_always(close):
        raise RuntimeError("no")

    leak = registered([one_hour], indicator, registry)[0]
    found = find_leaks(bars, [fails_when_short, fails_always, leak, "rsi(14)"], cuts=4)
    assert set(found) == {"fails_when_short", "fails_always", "one_hour"}
    assert "failed: IndexError" in str(found["fails_when_short"])
    assert "on the first 1 bars only" in str(found["fails_when_short"])
    assert str(found["fails_always"]) == "feature 'fails_always' failed: RuntimeError: no; run it alone to see the line"
    assert isinstance(found["one_hour"], LookAheadError)


def test_sampled_cuts_follow_each_hour_weekday_and_loud_bar(bars: pd.DataFrame) -> None:
    lengths = cut_lengths(bars, 1, seed=5)
    assert (np.diff(lengths) > 0).all()
    last = pd.DatetimeIndex(bars.index)[lengths - 1]
    assert set(last.hour) == set(range(24))
    assert set(last.day_of_week) == set(range(7))
    assert {1, 2, 4, 8, 16, 32, 64, 128, 256} <= set(lengths)
    assert set(range(400 - 24, 400)) <= set(lengths)
    loudest = bars["volume"]["C"].to_numpy().argmax() + 1
    assert loudest in lengths
    assert lengths.max() == 399
    np.testing.assert_array_equal(cut_lengths(bars, "all", 0), np.arange(1, 400))
    np.testing.assert_array_equal(cut_lengths(bars, [7, 3, 7], 0), [3, 7])
    with pytest.raises(ConfigError, match="cuts must be a number, lengths or 'all', got 'some'"):
        cut_lengths(bars, "some", 0)


def test_check_all_gives_one_verdict_each_and_looks_at_each_promise(bars: pd.DataFrame) -> None:
    registry = Registry()
    registered([one_hour, centred], indicator, registry)
    indicator("good", warmup=2, registry=registry)(lambda close: np.r_[np.full(min(2, close.size), np.nan), close[:-2]])
    indicator("unstable", warmup=0, registry=registry)(lambda close: close + np.random.default_rng().normal())
    indicator("forgets", warmup=0, registry=registry)(lambda close: pd.Series(close).ewm(span=5).mean().to_numpy())
    indicator("paid", warmup=0, registry=registry)(lambda funding_rate: funding_rate)
    indicator("must", registry=registry)(needs)
    verdicts = {v.name: v for v in check_all(bars, registry=registry)}
    assert list(verdicts) == sorted(registry.names())
    assert [n for n, v in verdicts.items() if v.ok] == ["good"]
    assert verdicts["good"].message == "causal, warm-up 2"
    for name, says in {
        "one_hour": "LookAheadError: feature 'one_hour' changes at",
        "centred": "LookAheadError: feature 'centred' changes at 2024-02-2",
        "unstable": "DataError: feature 'unstable' gives other values when it is run again",
        "forgets": "DataError: feature 'forgets' is .* declare it recursive=True",
        "paid": "DataError: feature 'paid' needs the field 'funding_rate', which these bars lack",
        "must": "ConfigError: feature 'must' needs window; write must",
    }.items():
        assert re.match(says, verdicts[name].message), verdicts[name].message
    assert [v.name for v in check_all(bars, registry=registry, names=["good"])] == ["good"]


def needs(close, *, window: int):
    return close * window


def test_warm_ups_are_held_to_the_bar(bars: pd.DataFrame, awkward: pd.DataFrame) -> None:
    def shifted(close, rows: int):
        return np.concatenate([np.full(min(rows, close.size), np.nan), close[: max(close.size - rows, 0)]])

    registry = Registry()
    exact = indicator("exact", warmup=3, registry=registry)(lambda close: shifted(close, 3))
    early = indicator("early", warmup=4, registry=registry)(lambda close: shifted(close, 3))
    late = indicator("late", warmup=2, registry=registry)(lambda close: shifted(close, 3))
    wild = indicator("wild", warmup=0, registry=registry)(lambda close: close / (close != close[3]))
    silent = indicator("silent", registry=registry)(lambda close: shifted(close, 9))
    assert check_warmup(exact, awkward) == 3
    assert check_warmup(silent, awkward) == 9
    with pytest.raises(DataError, match="'early' has a value within its warm-up of 4 bars: A at 2024-02-28 03:00"):
        check_warmup(early, bars)
    with pytest.raises(DataError, match="'late' is NaN after its warm-up of 2 bars: A at 2024-02-28 02:00"):
        check_warmup(late, bars)
    with pytest.raises(DataError, match="'wild' is infinite: A at 2024-02-28 03:00"):
        check_warmup(wild, bars)

    @feature("elsewhere", inputs=("close",), warmup=0, registry=registry)
    def elsewhere(bars):
        return bars["close"].ffill().bfill()

    with pytest.raises(DataError, match="'elsewhere' has a value where the symbol does not trade: B at 2024-02-28"):
        check_warmup(elsewhere, awkward)


@pytest.mark.slow
@pytest.mark.parametrize("frame", ["2h", "4h", "1d"])
def test_every_registered_feature_is_causal_on_higher_bars(market: Callable, frame: str) -> None:
    bars = market(400, "AB", seed=6, start="2024-02-28 05:00")
    bars.loc[bars.index[:61], (slice(None), "B")] = np.nan
    bars.loc[np.random.default_rng(0).random(400) < 0.05, (slice(None), "A")] = np.nan
    five = {"open", "high", "low", "close", "volume", "time"}
    specs = [f"{f.name}@{frame}" for f in REGISTRY if f.form == "indicator" and set(f.inputs) <= five]
    assert len(specs) > 150
    assert find_leaks(bars, specs, cuts=[30, 66, 67, 68, 150, 202, 203, 301, 370, 399], timeframe="1h") == {}
