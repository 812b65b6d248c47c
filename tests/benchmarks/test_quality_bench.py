"""What the gap table, resampling and information bars cost: `pytest -m benchmark -s` prints the table."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.data import (
    BarStore,
    align_higher,
    bars_of,
    dollar_bars,
    gap_table,
    imbalance_bars,
    resample,
    run_bars,
    universe_at,
    volume_bars,
)

Report = Callable[[str, str, str], None]
RULES = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def best(call: Callable[[], object], repeat: int = 5) -> float:
    """Return the shortest of some runs, in milliseconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def walk(n: int, freq: str, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, n)))
    index = pd.date_range("2018-01-01", periods=n, freq=freq, tz="UTC", name="time", unit="us")
    prices = {"open": close, "high": close * 1.001, "low": close * 0.999, "close": close}
    return pd.DataFrame({**prices, "volume": rng.lognormal(5, 1, n)}, index=index)


@pytest.mark.benchmark
def test_resampling_against_pandas(report: Report) -> None:
    """2.6 million one-minute bars; both give the same hours."""
    flat = walk(2_600_000, "1min")
    bars = bars_of({"A": flat})
    rival = flat.resample("1h").agg(RULES)
    made = resample(bars, "1h")
    np.testing.assert_allclose(made.to_numpy(), rival.to_numpy()[: len(made)], rtol=1e-12)
    ours, theirs = best(lambda: resample(bars, "1h")), best(lambda: flat.resample("1h").agg(RULES))
    report("2.6e6 1m bars to 1h", f"{ours:.0f} ms (pandas {theirs:.0f} ms, ratio {ours / theirs:.2f})", "< 300 ms")
    index = pd.DatetimeIndex(bars.index)
    seen = best(lambda: align_higher(index, made, lower="1m", timeframe="1h"))
    report("its hours brought back to 2.6e6 bars", f"{seen:.0f} ms", "–")


@pytest.mark.benchmark
def test_gap_table_and_universe_of_13_symbols(report: Report, tmp_path: Path) -> None:
    """13 symbols, five years of hours, 30 outages."""
    store, rng = BarStore(tmp_path), np.random.default_rng(1)
    outages = np.sort(rng.choice(43_000, 30, replace=False))
    lost = np.unique(np.concatenate([np.arange(o, o + rng.integers(1, 33)) for o in outages]))
    for k in range(13):
        frame = walk(43_800, "1h", k)
        store.write("venue", f"S{k}/USDT", "1h", bars_of({f"S{k}/USDT": frame.drop(frame.index[lost])}))
    gaps = gap_table(store, "venue", "1h")
    assert set(gaps["cause"]) == {"venue_down"}
    assert gaps.groupby("symbol")["bars_missing"].sum().eq(len(lost)).all()
    report("gap table, 13 × 5 years hourly", f"{best(lambda: gap_table(store, 'venue', '1h')):.0f} ms", "< 1000 ms")
    chosen = best(lambda: universe_at(store, "venue", "1h", "2022-01-01", top=10))
    report("universe at a date, 13 × 5 years hourly", f"{chosen:.0f} ms", "–")


@pytest.mark.benchmark
def test_information_bars_of_a_million_trades(report: Report) -> None:
    """One million trades of both sides."""
    n, rng = 1_000_000, np.random.default_rng(2)
    times = pd.DatetimeIndex(np.sort(rng.integers(0, 30 * 86_400_000, n)) * 1_000_000, tz="UTC", name="time")
    trades = pd.DataFrame(
        {
            "price": np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-4, n))), 2),
            "amount": np.round(rng.exponential(1, n) + 0.001, 3),
            "side": pd.Categorical(rng.choice(["buy", "sell"], n)),
        },
        index=times,
    )
    makers: dict[str, Callable[[], pd.DataFrame]] = {
        "volume bars": lambda: volume_bars(trades, 100.0),
        "dollar bars": lambda: dollar_bars(trades, 10_000.0),
        "tick imbalance bars": lambda: imbalance_bars(trades),
        "volume run bars": lambda: run_bars(trades, "volume"),
    }
    for name, make in makers.items():
        bars = make()
        assert bars["volume"].sum() == pytest.approx(trades["amount"].sum())
        report(f"{name}, 1e6 trades", f"{n / best(make) / 1e3:.1f} M trades/s, {len(bars)} bars", ">= 1 M trades/s")
