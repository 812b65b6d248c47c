"""Values that others published: TA-Lib's regression tables, Wilder's own example of the parabolic stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.features import compute

FIELDS = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def reference_bars(shared_data: Path) -> pd.DataFrame:
    """The 252 daily bars on which TA-Lib's own tests run."""
    path = shared_data / "raw" / "talib-ref" / "ref252.csv"
    if not path.is_file():
        pytest.skip("TA-Lib's reference bars are not in the folder of real market files")
    frame = pd.read_csv(path)[list(FIELDS)].astype(float)
    frame.index = pd.date_range("2000-01-03", periods=252, freq="B", tz="UTC", name="time")
    frame.columns = pd.MultiIndex.from_product([FIELDS, ["REF"]], names=["field", "symbol"])
    return frame


# From the tables in src/tools/ta_regtest/ta_test_func of TA-Lib (BSD-3-Clause): value at a row, to its printed digits.
PUBLISHED = (
    ("rsi(14)", 14, 49.14, 0.01), ("rsi(14)", 15, 52.32, 0.01), ("rsi(14)", 16, 46.07, 0.01),
    ("rsi(14)", 251, 49.63, 0.01),
    ("adx(14)", 27, 23.0, 0.5), ("adx(14)", 28, 22.0, 0.5), ("adx(14)", 251, 16.0, 0.5),
    ("plus_di(14)", 14, 20.0, 0.5), ("plus_di(14)", 27, 22.0, 0.5), ("plus_di(14)", 251, 21.0, 0.5),
    ("minus_di(14)", 14, 30.0, 0.5), ("minus_di(14)", 28, 25.0, 0.5), ("minus_di(14)", 251, 21.0, 0.5),
    ("natr(14)", 14, 3.9321, 1e-4), ("natr(14)", 15, 3.7576, 1e-4), ("natr(14)", 251, 3.0229, 1e-4),
    ("williams_r(14)", 13, -90.1943, 1e-4), ("williams_r(14)", 14, -66.9903, 1e-4), ("williams_r(14)", 125, 0.0, 1e-9),
    ("williams_r(14)", 251, -59.1515, 1e-4),
    ("cci(2)", 1, 66.666, 1e-3), ("cci(2)", 187, 0.0, 1e-9), ("cci(5)", 4, 18.857, 1e-3), ("cci(11)", 10, 87.927, 1e-3),
    ("cci(11)", 11, 180.005, 1e-3), ("cci(11)", 12, 143.5190963, 1e-6), ("cci(11)", 30, -0.005587727, 1e-6),
    ("cci(11)", 251, -169.65514, 1e-4),
    ("macd(12, 26, 9)", 33, -1.9738, 1e-4), ("macd_signal(12, 26, 9)", 33, -2.7071, 1e-4),
    ("macd_hist(12, 26, 9)", 33, -1.9738 + 2.7071, 2e-4),
    ("stoch_k(5, 3)", 8, 24.0128, 1e-3), ("stoch_k(5, 3)", 9, 38.139, 1e-3), ("stoch_k(5, 3)", 251, 30.194, 1e-3),
    ("stoch_d(5, 3, 3)", 8, 36.254, 1e-3), ("stoch_d(5, 3, 4)", 9, 36.725, 1e-3),
    ("stoch_d(5, 3, 3)", 251, 43.69, 1e-2), ("stoch_d(5, 3, 4)", 251, 46.641, 1e-3),
    ("stoch_rsi(14, 14)", 27, 94.156709, 1e-5), ("stoch_rsi(14, 14)", 251, 0.0, 1e-9),
    ("stoch_rsi(14, 45)", 58, 79.729186, 1e-5), ("stoch_rsi(14, 45)", 251, 48.1550743, 1e-5),
    ("stoch_rsi_d(11, 13, 16)", 38, 57.1711, 1e-4), ("stoch_rsi_d(11, 13, 16)", 251, 15.7303, 1e-4),
    ("ultimate_osc(7, 14, 28)", 28, 47.1713, 1e-4), ("ultimate_osc(7, 14, 28)", 29, 46.2802, 1e-4),
    ("ultimate_osc(7, 14, 28)", 251, 40.0854, 1e-4),
    ("trix(5)", 13, 0.2589, 1e-4), ("trix(5)", 14, 0.010495, 1e-6), ("trix(5)", 250, -0.058, 5e-4),
    ("trix(5)", 251, -0.095, 0.001),
    ("sma(2)", 1, 93.15, 0.01), ("sma(30)", 29, 90.42, 0.01), ("sma(30)", 251, 108.42, 0.01),
    ("wma(2)", 1, 93.71, 0.01), ("wma(30)", 29, 88.567, 1e-3), ("wma(30)", 58, 87.191, 1e-3),
    ("wma(30)", 251, 109.3466, 0.01),
    ("ema(2)", 2, 93.96, 0.01), ("ema(10)", 9, 93.22, 0.01), ("ema(10)", 29, 86.46, 0.01),
    ("ema(10)", 251, 108.97, 0.01),
    ("bollinger_upper(20, 2)", 19, 98.0734, 1e-4), ("bollinger_middle(20)", 19, 92.8910, 1e-4),
    ("bollinger_lower(20, 2)", 19, 87.7086, 1e-4),
    ("aroon_up(14)", 14, 78.571, 1e-3), ("aroon_up(14)", 25, 0.0, 1e-9), ("aroon_up(14)", 43, 100.0, 1e-9),
    ("aroon_up(14)", 251, 7.1429, 1e-4), ("aroon_down(14)", 14, 100.0, 1e-9), ("aroon_down(14)", 40, 0.0, 1e-9),
    ("aroon_down(14)", 251, 21.429, 1e-3), ("aroon_osc(14)", 14, -21.4285, 1e-4), ("aroon_osc(14)", 21, -71.4285, 1e-4),
    ("aroon_osc(14)", 251, -14.28571, 1e-5),
    ("ad", 0, -1631000.0, 1e-2), ("ad", 1, 2974412.02, 1e-2), ("ad", 251, 8328944.54, 1e-2),
    ("chaikin_osc(3, 10)", 9, 841238.32, 1e-2), ("chaikin_osc(3, 10)", 10, 2255663.07, 1e-2),
    ("chaikin_osc(3, 10)", 251, -1139932.729, 1e-3),
    ("mfi(14)", 14, 42.8923, 1e-4), ("mfi(14)", 15, 45.6072, 1e-4), ("mfi(14)", 251, 53.1997, 1e-4),
    ("mfi(100)", 100, 50.0166, 1e-4),
    ("supertrend(7, 2)", 200, 114.35194013755326, 1e-9), ("supertrend(7, 2)", 225, 100.16118753507284, 1e-9),
    ("supertrend(7, 2)", 251, 113.53995615951584, 1e-9), ("supertrend(5, 1.5)", 251, 111.78141670443482, 1e-9),
    ("supertrend_direction(7, 2)", 200, -1.0, 0.0), ("supertrend_direction(7, 2)", 225, 1.0, 0.0),
)  # fmt: skip


@pytest.mark.parametrize(("spec", "row", "value", "tolerance"), PUBLISHED)
def test_published_values(reference_bars: pd.DataFrame, spec: str, row: int, value: float, tolerance: float) -> None:
    assert compute(reference_bars, spec).iloc[row, 0] == pytest.approx(value, abs=tolerance)


def test_wilders_parabolic_stop() -> None:
    """Wilder (1978), p. 15: 38 bars of his worksheet and the stops that TA-Lib's table prints for them."""
    high = [
        51.12, 52.35, 52.1, 51.8, 52.1, 52.5, 52.8, 52.5, 53.5, 53.5, 53.8, 54.2, 53.4, 53.5, 54.4, 55.2, 55.7, 57,
        57.5, 58, 57.7, 58, 57.5, 57, 56.7, 57.5, 56.7, 56, 56.2, 54.8, 55.5, 54.7, 54, 52.5, 51, 51.5, 51.7, 53,
    ]  # fmt: skip
    low = [
        50.0, 51.5, 51, 50.5, 51.25, 51.7, 51.85, 51.5, 52.3, 52.5, 53, 53.5, 52.5, 52.1, 53, 54, 55, 56, 56.5, 57,
        56.5, 57.3, 56.7, 56.3, 56.2, 56, 55.5, 55, 54.9, 54, 54.5, 53.8, 53, 51.5, 50, 50.5, 50.2, 51.5,
    ]  # fmt: skip
    index = pd.date_range("2000-01-03", periods=len(high), freq="B", tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([["high", "low"], ["W"]], names=["field", "symbol"])
    bars = pd.DataFrame(np.column_stack([high, low]), index=index, columns=columns)
    stop = compute(bars, "sar(0.02, 0.2)").iloc[:, 0]
    assert np.isnan(stop.iloc[0])
    expected = {1: 50.0, 2: 50.047, 5: 50.182, 36: 52.93, 37: 50.0}
    assert stop.iloc[list(expected)].tolist() == pytest.approx(list(expected.values()), abs=6e-3)
