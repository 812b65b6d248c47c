"""Arrays of one symbol that indicators are tried on: quiet, dear, cheap and flat markets."""

from __future__ import annotations

import numpy as np
import pytest

START = 1_709_251_200_000_000_000  # 2024-03-01 00:00 UTC
HOUR = 3_600_000_000_000


def arrays(n: int, *, price: float, volume: float, flat: bool, seed: int = 7) -> dict[str, np.ndarray]:
    """Inputs of indicators by name; a flat stretch from the middle on, its last bars without volume, then movement."""
    rng = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    open_ = close * np.exp(rng.normal(0, 0.003, n))
    if flat:
        still = slice(n // 2, n // 2 + n // 4)
        close[still] = open_[still] = close[n // 2]
    high = np.maximum(open_, close) * (1 + rng.uniform(0, 0.01, n))
    low = np.minimum(open_, close) * (1 - rng.uniform(0, 0.01, n))
    traded = rng.lognormal(5, 1, n) * volume
    if flat:
        still = slice(n // 2 + 20, n // 2 + n // 4)
        high[still] = low[still] = close[still]
        traded[n // 2 + 20 : n // 2 + n // 4 - 10] = 0.0
    return {
        "open": open_,
        "high": high,
        "low": low,
        "close": close,
        "volume": traded,
        "time": START + HOUR * np.arange(n, dtype=np.int64),
        "funding_rate": np.where(np.arange(n) % 8 == 0, rng.normal(1e-4, 1e-4, n), 0.0),
        "basis": rng.normal(0, 1e-3, n),
    }


@pytest.fixture(scope="session")
def markets() -> dict[str, dict[str, np.ndarray]]:
    """A plain market, one at 50,000 with volumes around 1e9, one that stands still for a while, and one of dust."""
    return {
        "plain": arrays(500, price=100.0, volume=1.0, flat=False),
        "dear": arrays(500, price=50_000.0, volume=1e7, flat=False),
        "still": arrays(500, price=50_000.0, volume=1e7, flat=True),
        "cheap": arrays(500, price=1e-7, volume=1e12, flat=True),
    }
