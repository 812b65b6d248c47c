"""Published return series that several tests of measures work through."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def bacon() -> npt.NDArray[np.float64]:
    """The 24 monthly portfolio returns of Bacon (2008), Practical Portfolio Performance Measurement, p. 65."""
    percent = [
        0.3, 2.6, 1.1, -1.0, 1.5, 2.5, 1.6, 6.7, -1.4, 4.0, -0.5, 8.1,
        4.0, -3.7, -6.1, 1.7, -4.9, -2.2, 7.0, 5.8, -6.5, 2.4, -0.5, -0.9,
    ]  # fmt: skip
    return np.array(percent) / 100


@pytest.fixture
def daily(rng: np.random.Generator) -> pd.Series:
    """Two years of fat-tailed business-day returns."""
    index = pd.bdate_range("2020-01-01", periods=504, tz="UTC", name="time")
    return pd.Series(rng.standard_t(4, 504) * 0.01 + 0.0004, index=index)
