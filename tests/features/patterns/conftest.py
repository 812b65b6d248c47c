"""Hand-made pivots and paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from workbench.features.patterns import Pivots


def make_pivots(prices: Sequence[float], *, gap: int = 5, late: int = 2) -> Pivots:
    """Alternating pivots every ``gap`` bars, each known ``late`` bars after its own."""
    price = np.array(prices, dtype=np.float64)
    side = np.where(np.diff(price, append=price[-2]) < 0, 1, -1)
    assert (side[1:] == -side[:-1]).all()
    origin = gap * np.arange(price.size)
    return Pivots(origin, origin + late, price, side)


def make_path(prices: Sequence[float], *, leg: int = 5) -> np.ndarray:
    """Straight lines through the prices, ``leg`` bars each."""
    n_bars = leg * (len(prices) - 1) + 1
    return np.interp(np.arange(n_bars), leg * np.arange(len(prices)), np.asarray(prices, dtype=np.float64))


def bars_of(close: np.ndarray, symbol: str = "X") -> pd.DataFrame:
    """Bars without ranges: open, high and low are the close."""
    index = pd.date_range("2024-01-01", periods=close.size, freq="h", tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([("open", "high", "low", "close", "volume"), [symbol]])
    values = np.column_stack([close, close, close, close, np.full(close.size, 10.0)])
    return pd.DataFrame(values, index=index, columns=columns.set_names(["field", "symbol"]))


@pytest.fixture(scope="session")
def pivots() -> Callable[..., Pivots]:
    return make_pivots


@pytest.fixture(scope="session")
def path() -> Callable[..., np.ndarray]:
    return make_path


@pytest.fixture(scope="session")
def path_bars() -> Callable[..., pd.DataFrame]:
    return bars_of
