"""Made-up panels with a known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

Panels = tuple[dict[str, pd.DataFrame], dict[int, pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="session")
def planted_panels() -> Callable[..., Panels]:
    """Make features, forward returns by horizon and a mask of bars, with one planted feature of a known IC."""

    def make(n_bars: int = 1500, n_assets: int = 6, strength: float = 0.1, noise: int = 4, seed: int = 1) -> Panels:
        rng = np.random.default_rng(seed)
        times = pd.date_range("2020-01-01", periods=n_bars, freq="h", tz="UTC", name="time")
        columns = pd.Index([f"S{i}" for i in range(n_assets)], name="symbol")

        def frame(values: np.ndarray) -> pd.DataFrame:
            return pd.DataFrame(values, index=times, columns=columns)

        signal = rng.standard_normal((n_bars, n_assets))
        returns = 0.01 * (strength * signal + np.sqrt(1 - strength**2) * rng.standard_normal((n_bars, n_assets)))
        total = np.vstack([np.zeros((1, n_assets)), np.cumsum(returns, axis=0)])
        forward = {}
        for h in (1, 5, 20):
            values = np.full((n_bars, n_assets), np.nan)
            values[: n_bars - h + 1] = total[h:] - total[:-h]
            forward[h] = frame(values)
        features = {"planted": frame(signal)}
        features |= {f"noise{i}": frame(rng.standard_normal((n_bars, n_assets))) for i in range(noise)}
        return features, forward, frame(np.ones((n_bars, n_assets))) == 1

    return make
