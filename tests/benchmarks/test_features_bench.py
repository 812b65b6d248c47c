"""What the wrapper around TA-Lib costs: `pytest -m benchmark -s` prints the table."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.config.parameters import DEFAULT_FEATURES
from workbench.features import compute, design_matrix

FIELDS = ("open", "high", "low", "close", "volume")


def walk(n_bars: int, symbols: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    index = pd.date_range("2000-01-01", periods=n_bars, freq="min", tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([FIELDS, list(symbols)], names=["field", "symbol"])
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, (n_bars, len(symbols))), axis=0))
    spread = 1 + rng.uniform(1e-4, 1e-3, close.shape)
    volume = rng.lognormal(5, 1, close.shape)
    parts = np.concatenate(
        [close * rng.uniform(0.9999, 1.0001, close.shape), close * spread, close / spread, close, volume], axis=1
    )
    return pd.DataFrame(np.asfortranarray(parts), index=index, columns=columns, copy=False)


def best(call: Callable[[], object], repeat: int = 5) -> float:
    """Return the shortest of some runs, in milliseconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


@pytest.mark.benchmark
def test_compute_against_bare_talib() -> None:
    """One symbol, 1e6 bars; both give the same numbers."""
    import talib

    bars = walk(1_000_000, "A")
    h, low, c, v = (np.ascontiguousarray(bars[f]["A"]) for f in ("high", "low", "close", "volume"))
    rivals: dict[str, Callable[[], np.ndarray]] = {
        "sma(20)": lambda: talib.SMA(c, 20),
        "rsi(14)": lambda: talib.RSI(c, 14),
        "atr(14)": lambda: talib.ATR(h, low, c, 14),
        "adx(14)": lambda: talib.ADX(h, low, c, 14),
        "mfi(14)": lambda: talib.MFI(h, low, c, v, 14),
    }
    print("\n1e6 bars     TA-Lib ms   compute ms   ratio")
    for spec, rival in rivals.items():
        np.testing.assert_array_equal(compute(bars, spec).iloc[:, 0], rival())
        bare, ours = best(rival), best(lambda spec=spec: compute(bars, spec))
        print(f"{spec:12} {bare:9.2f} {ours:12.2f} {ours / bare:7.2f}")
    bare, ours = sum(best(r) for r in rivals.values()), best(lambda: compute(bars, list(rivals)))
    print(f"{'all five':12} {bare:9.2f} {ours:12.2f} {ours / bare:7.2f}")


@pytest.mark.benchmark
def test_design_matrix_of_the_defaults() -> None:
    """Four symbols, 5e4 bars, the default features: the rows of a nightly experiment."""
    bars = walk(50_000, "ABCD")
    design = design_matrix(bars, list(DEFAULT_FEATURES), horizon=5, neutral_band=0.5)
    assert len(design) == 4 * (50_000 - design.warmup)
    whole = best(lambda: design_matrix(bars, list(DEFAULT_FEATURES), horizon=5, neutral_band=0.5), 3)
    newest = best(lambda: compute(bars.iloc[-300:], list(DEFAULT_FEATURES)), 20)
    print(f"\ndesign matrix, 4 symbols × 5e4 bars × {len(DEFAULT_FEATURES)} features: {whole:.0f} ms")
    print(f"features of the newest 300 bars, for one prediction: {newest:.1f} ms")
