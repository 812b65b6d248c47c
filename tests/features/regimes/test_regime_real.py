"""Regimes of real hourly prices: a model of the first years tells calm from storm in the later ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.features.regimes import HiddenMarkov, QuantileRegimes, return_shock, vol_regime


@pytest.fixture(scope="module")
def hourly(shared_data: Path) -> pd.DataFrame:
    path = shared_data / "ohlcv" / "binance" / "BTCUSDT-1h.parquet"
    if not path.is_file():
        pytest.skip("the hourly BTCUSDT bars are not in the folder of real market files")
    return pd.read_parquet(path, columns=["high", "low", "close"]).astype(np.float64)


def test_states_of_earlier_years_order_the_volatility_of_later_ones(hourly: pd.DataFrame) -> None:
    span = np.log(hourly["high"] / hourly["low"]).clip(lower=1e-5)
    X = pd.DataFrame({"ret": np.log(hourly["close"]).diff(), "range": np.log(span)}).iloc[1:]
    model = HiddenMarkov(3).fit(X.iloc[:30_000])
    later = X.iloc[30_000:]
    following = later["ret"].abs().shift(-1)  # the next bar's move, which the filter has not seen
    means = [following[model.predict(later) == k].mean() for k in range(3)]
    assert means[0] * 1.25 < means[1]
    assert means[1] * 1.25 < means[2]
    plain = QuantileRegimes(3).fit(X[["range"]].iloc[:30_000]).predict(later[["range"]])
    means = [following[plain == k].mean() for k in range(3)]
    assert means == sorted(means)


def test_regimes_and_shocks_of_trailing_windows(hourly: pd.DataFrame) -> None:
    close = np.ascontiguousarray(hourly["close"].to_numpy())
    state, following = vol_regime.function(close)[:-1], np.abs(np.diff(np.log(close)))
    means = [following[state == k].mean() for k in range(3)]
    assert means[0] * 1.5 < means[2]
    shocks = np.abs(return_shock.function(close))
    assert 0.001 < np.nanmean(shocks > 5) < 0.05
