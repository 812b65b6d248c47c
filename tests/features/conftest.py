"""Made-up bars for the features' tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

FIELDS = ("open", "high", "low", "close", "volume")


def make_bars(
    n_bars: int, symbols: str = "ABCD", seed: int = 1, freq: str = "h", start: str = "2024-02-28"
) -> pd.DataFrame:
    """Random walks with ranges and log-normal volume, (field, symbol) columns."""
    rng = np.random.default_rng(seed)
    index = pd.date_range(start, periods=n_bars, freq=freq, tz="UTC", name="time")
    parts = {}
    for symbol in symbols:
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n_bars)))
        open_ = close * np.exp(rng.normal(0, 0.003, n_bars))
        high = np.maximum(open_, close) * (1 + rng.uniform(0, 0.01, n_bars))
        low = np.minimum(open_, close) * (1 - rng.uniform(0, 0.01, n_bars))
        values = (open_, high, low, close, rng.lognormal(5, 1, n_bars))
        parts.update({(field, symbol): column for field, column in zip(FIELDS, values, strict=True)})
    columns = pd.MultiIndex.from_product([FIELDS, list(symbols)], names=["field", "symbol"])
    return pd.DataFrame({c: parts[c] for c in columns}, index=index).set_axis(columns, axis=1)


@pytest.fixture(scope="session")
def market() -> Callable[..., pd.DataFrame]:
    """The maker of bars."""
    return make_bars


@pytest.fixture(scope="session")
def bars() -> pd.DataFrame:
    """Four symbols, 400 hours, nothing missing."""
    return make_bars(400)


@pytest.fixture(scope="session")
def ragged() -> pd.DataFrame:
    """The awkward market: a late listing, holes, a delisting, a flat stretch and hours without volume."""
    made = make_bars(400, seed=2)
    made.loc[made.index[:120], (slice(None), "B")] = np.nan
    made.loc[made.index[np.random.default_rng(3).integers(0, 400, 60)], (slice(None), "C")] = np.nan
    made.loc[made.index[330:], (slice(None), "C")] = np.nan
    flat = made.index[150:260]
    for field in ("open", "high", "low", "close"):
        made.loc[flat, (field, "D")] = 100.1
    made.loc[flat, ("volume", "D")] = 0.0
    return made
