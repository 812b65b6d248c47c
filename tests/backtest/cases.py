"""Seeded markets and target positions that try every rule of the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st

STYLES = ("dense", "sparse", "long_only", "binary", "fully_invested")


@dataclass(frozen=True)
class Case:
    """Bars, positions and the keyword arguments of `simulate`."""

    bars: pd.DataFrame
    positions: pd.DataFrame
    arguments: dict


def market(seed: int, n_bars: int, n_assets: int, *, gaps: float = 0.0, volatility: float = 0.02) -> pd.DataFrame:
    """Bars of independent random walks; each asset rests at a share ``gaps`` of the bars."""
    rng = np.random.default_rng(seed)
    index = pd.date_range("2024-01-01", periods=n_bars, freq="h", tz="UTC", name="time")
    start = 10.0 ** rng.uniform(-3, 4, n_assets)
    close = start * np.exp(np.cumsum(rng.normal(0, volatility, (n_bars, n_assets)), axis=0))
    opened = np.vstack([start, close[:-1]]) * np.exp(rng.normal(0, volatility / 4, (n_bars, n_assets)))
    resting = rng.random((n_bars, n_assets)) < gaps
    fields = {
        "open": opened,
        "high": np.maximum(opened, close) * 1.001,
        "low": np.minimum(opened, close) * 0.999,
        "close": close,
        "volume": rng.lognormal(5, 1, (n_bars, n_assets)),
    }
    symbols = [f"S{j}" for j in range(n_assets)]
    frames = {f: pd.DataFrame(np.where(resting, np.nan, v), index=index, columns=symbols) for f, v in fields.items()}
    return pd.concat(frames, axis=1, names=["field", "symbol"])


def targets(seed: int, bars: pd.DataFrame, style: str, leverage: float = 1.0) -> pd.DataFrame:
    """Target fractions whose absolute sum is at most ``leverage``."""
    rng = np.random.default_rng(seed + 1)
    shape = bars["close"].shape
    raw = rng.uniform(-1, 1, shape)
    if style == "long_only":
        raw = np.abs(raw)
    if style == "binary":
        raw = np.where(rng.random(shape) < 0.1, np.sign(raw), np.nan)
        raw = pd.DataFrame(raw).ffill().fillna(0.0).to_numpy()
    raw = np.abs(raw) / np.abs(raw).sum(axis=1, keepdims=True) if style == "fully_invested" else raw / shape[1]
    if style == "sparse":
        raw = np.where(rng.random(shape) < 0.7, np.nan, raw)
    return pd.DataFrame(raw * leverage, index=bars.index, columns=bars["close"].columns)


@st.composite
def drawn(
    draw: st.DrawFn, *, gaps: tuple[float, ...] = (0.0, 0.2), volatility: tuple[float, ...] = (0.001, 0.02)
) -> Case:
    """Return a case of up to 4 assets and 60 bars, its costs, leverage and way of rebalancing drawn too."""
    seed = draw(st.integers(0, 2**20))
    n_bars, n_assets = draw(st.integers(2, 60)), draw(st.integers(1, 4))
    bars = market(
        seed, n_bars, n_assets, gaps=draw(st.sampled_from(gaps)), volatility=draw(st.sampled_from(volatility))
    )
    leverage = draw(st.sampled_from([1.0, 1.0, 0.3, 2.5]))
    arguments = {
        "fee_bps": draw(st.sampled_from([0.0, 5.0, 100.0])),
        "slippage_bps": draw(st.sampled_from([0.0, 2.0, 80.0])),
        "initial_cash": draw(st.sampled_from([1.0, 1e6])),
        "max_leverage": leverage,
        "rebalance": draw(st.sampled_from(["every_bar", "on_change"])),
    }
    return Case(bars, targets(seed, bars, draw(st.sampled_from(STYLES)), leverage), arguments)
