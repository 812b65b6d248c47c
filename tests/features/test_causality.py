"""Leaks planted on purpose are refused by name, symbol and bar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ConfigError, DataError, LookAheadError
from workbench.features import Registry, check_all, check_causality, check_warmup, feature

Function = Callable[[pd.DataFrame], pd.DataFrame]


def made(name: str, function: Function, **declared: object) -> object:
    return feature(name, registry=Registry(), **{"inputs": ("close", "volume"), **declared})(function)


def tomorrow(bars: pd.DataFrame) -> pd.DataFrame:
    return bars["close"].shift(-1)


def zscore_of_all(bars: pd.DataFrame) -> pd.DataFrame:
    close = bars["close"]
    return (close - close.mean()) / close.std()


def at_thirteen(bars: pd.DataFrame) -> pd.DataFrame:
    close = bars["close"]
    return close.where((close.index.hour != 13)[:, None] & close.notna(), close.shift(-1))


def on_fridays(bars: pd.DataFrame) -> pd.DataFrame:
    close = bars["close"]
    return close.where((close.index.day_of_week != 4)[:, None] & close.notna(), close.shift(-1))


def last_row(bars: pd.DataFrame) -> pd.DataFrame:
    return bars["close"] / bars["close"].iloc[-1]


def centred(bars: pd.DataFrame) -> pd.DataFrame:
    return bars["close"].rolling(5, center=True).mean()


def backfilled(bars: pd.DataFrame) -> pd.DataFrame:
    return bars["close"].shift(5).bfill()


def only_volume_of_c(bars: pd.DataFrame) -> pd.DataFrame:
    out = bars["close"].copy()
    out["C"] = out["C"] + bars["volume"]["C"].rank(pct=True)
    return out


def length_of_bars(bars: pd.DataFrame) -> pd.DataFrame:
    return bars["close"] * 0 + len(bars)


@pytest.mark.parametrize(
    ("function", "symbol"),
    [
        (tomorrow, "A"),
        (zscore_of_all, "A"),
        (at_thirteen, "A"),
        (on_fridays, "A"),
        (last_row, "A"),
        (centred, "A"),
        (backfilled, "A"),
        (only_volume_of_c, "C"),
        (length_of_bars, "A"),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_leak_is_refused_by_name(market, function: Function, symbol: str, seed: int) -> None:
    bars = market(3000, seed=seed)
    bar = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    pattern = rf"^feature '{function.__name__}' changes at {bar} for {symbol} when later rows are removed$"
    with pytest.raises(LookAheadError, match=pattern):
        check_causality(made(function.__name__, function), bars, seed=seed)


def test_the_message_names_the_first_changed_bar(market) -> None:
    bars = market(200, start="2024-03-01")
    message = "feature 'tomorrow' changes at 2024-03-02 11:00 for A when later rows are removed"
    with pytest.raises(LookAheadError) as caught:
        check_causality(made("tomorrow", tomorrow), bars, cuts=[36, 100])
    assert str(caught.value) == message
    with pytest.raises(LookAheadError, match="'zscore_of_all' changes at 2024-03-01 00:00 for A"):
        check_causality(made("zscore_of_all", zscore_of_all), bars)


def test_a_leak_at_one_hour_changes_only_there(market) -> None:
    bars = market(3000)
    with pytest.raises(LookAheadError, match=r"'at_thirteen' changes at \d{4}-\d\d-\d\d 13:00 for A"):
        check_causality(made("at_thirteen", at_thirteen), bars)
    check_causality(made("at_thirteen", at_thirteen), bars, cuts=[50, 75])  # cuts that miss it see nothing


def test_a_leak_of_a_symbol_that_lists_late_names_it(market) -> None:
    bars = market(300)
    bars.loc[bars.index[:200], (slice(None), "B")] = np.nan

    def late(bars: pd.DataFrame) -> pd.DataFrame:
        out = bars["close"].copy()
        out["B"] = out["B"].bfill()
        return out

    with pytest.raises(LookAheadError, match="'late' changes at 2024-02-28 00:00 for B"):
        check_causality(made("late", late), bars)


def test_causal_user_features_pass(market) -> None:
    bars = market(500)

    def rank_across(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"].pct_change(5, fill_method=None).rank(axis=1)

    check_causality(made("rank_across", rank_across), bars)
    check_causality(made("ewm", lambda b: b["close"].ewm(span=10).mean()), bars)
    assert check_warmup(made("rank_across", rank_across), bars) == 5


def test_rounding_that_depends_on_the_whole_sample_is_seen_and_can_be_tolerated(market) -> None:
    """A causal filter by Fourier transform: its last bits depend on every row."""
    bars = market(600)

    def filtered(bars: pd.DataFrame) -> pd.DataFrame:
        close = bars["close"]
        n = 2 * len(close)
        kernel = np.exp(-np.arange(len(close)))[:, None]
        out = np.fft.irfft(np.fft.rfft(close, n, axis=0) * np.fft.rfft(kernel, n, axis=0), n, axis=0)
        return pd.DataFrame(out[: len(close)], index=close.index, columns=close.columns)

    with pytest.raises(LookAheadError, match="filtered"):
        check_causality(made("filtered", filtered), bars)
    check_causality(made("filtered", filtered), bars, tolerance=1e-9)
    with pytest.raises(LookAheadError, match="tomorrow"):
        check_causality(made("tomorrow", tomorrow), bars, tolerance=1e-6)


@given(lead=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_any_shift_back_is_found(market, lead: int, seed: int) -> None:
    with pytest.raises(LookAheadError):
        check_causality(made("lead", lambda b: b["close"].shift(-lead)), market(120, "AB"), seed=seed, cuts=1)


def test_daily_and_minute_bars_are_checked_too(market) -> None:
    for freq in ("D", "15min", "s"):
        with pytest.raises(LookAheadError, match="tomorrow"):
            check_causality(made("tomorrow", tomorrow), market(200, freq=freq))
        check_causality("rsi(14)", market(200, freq=freq))


def test_a_feature_that_cannot_take_short_bars_is_told_so(market) -> None:
    def strict(bars: pd.DataFrame) -> pd.DataFrame:
        close = bars["close"]
        return close - close.iloc[4]

    with pytest.raises(DataError, match="'strict' failed: IndexError.*on the first 1 bars only: .* must be NaN"):
        check_causality(made("strict", strict), market(100))


def test_too_few_bars_and_wrong_cuts_are_one_line(market) -> None:
    with pytest.raises(DataError, match=r"'rsi\(14\)' needs 16 bars for this check, got 15"):
        check_causality("rsi(14)", market(15))
    with pytest.raises(ConfigError, match="cuts must be between 1 and 99 rows, got 100"):
        check_causality("rsi(14)", market(100), cuts=[5, 100])
    with pytest.raises(ConfigError, match="cuts must be at least 1, got 0"):
        check_causality("rsi(14)", market(100), cuts=0)


def test_check_all_reports_each_fault_by_name(market) -> None:
    registry = Registry()
    draws = np.random.default_rng(0)

    def declare(name: str, function: Function, warmup: int | None = 0) -> None:
        feature(name, registry=registry, warmup=warmup)(function)

    declare("good", lambda b: b["close"].diff(2), 2)
    declare("leaks", tomorrow_close, None)
    declare("late", lambda b: b["close"].diff(3), 2)
    declare("early", lambda b: b["close"].diff(1), 2)
    declare("infinite", lambda b: b["close"] / 0)
    declare("random", lambda b: b["close"] + draws.normal())
    declare("fails", lambda b: b["nothing"])
    got = {c.name: (c.ok, c.message) for c in check_all(market(300), registry=registry)}
    assert got["good"] == (True, "causal, warm-up 2")
    assert [n for n, (ok, _) in got.items() if ok] == ["good"]
    assert "leaks" in got["leaks"][1]
    assert "'late' is NaN after its warm-up of 2 bars: A at 2024-02-28 02:00" in got["late"][1]
    assert "'early' has a value within its warm-up of 2 bars: A at 2024-02-28 01:00" in got["early"][1]
    assert "'infinite' is infinite: A at 2024-02-28 00:00" in got["infinite"][1]
    assert "gives other values when it is run again" in got["random"][1]
    assert "'fails' failed: KeyError" in got["fails"][1]


def tomorrow_close(bars: pd.DataFrame) -> pd.DataFrame:
    return bars["close"].shift(-1).ffill()
