"""Forward returns, their end times and classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ConfigError, DataError
from workbench.features import compute, forward_return, label_classes


def opens(*values: float, symbol: str = "A") -> pd.DataFrame:
    """Daily bars whose opens are given; closes equal opens."""
    index = pd.date_range("2024-01-01", periods=len(values), freq="D", tz="UTC", name="time")
    columns = pd.MultiIndex.from_product(
        [["open", "high", "low", "close", "volume"], [symbol]], names=["field", "symbol"]
    )
    return pd.DataFrame({c: values for c in columns}, index=index, dtype=float).set_axis(columns, axis=1)


def test_by_hand_on_six_bars() -> None:
    """Decide on bar 0, fill at the open of bar 1 (110), out at the open of bar 3 (121) for a horizon of 2."""
    bars = opens(100, 110, 99, 121, 110, 132)
    returns, t1 = forward_return(bars, 2)
    np.testing.assert_allclose(returns["A"], [121 / 110 - 1, 110 / 99 - 1, 132 / 121 - 1, np.nan, np.nan, np.nan])
    expected = pd.DatetimeIndex(["2024-01-04", "2024-01-05", "2024-01-06", pd.NaT, pd.NaT, pd.NaT], tz="UTC")
    assert list(t1["A"].dropna()) == list(expected[:3])
    assert t1["A"].isna().tolist() == [False] * 3 + [True] * 3
    assert str(t1["A"].dtype).endswith("UTC]")
    assert t1.columns.equals(returns.columns)


def test_holes_are_not_counted_and_t1_is_the_true_time() -> None:
    """Bars 2 and 3 are missing: the horizon of 1 from bar 0 enters at bar 1 and ends at bar 4."""
    bars = opens(100, 110, 1, 1, 121, 133.1)
    bars.iloc[2:4] = np.nan
    returns, t1 = forward_return(bars, 1)
    np.testing.assert_allclose(returns["A"], [0.1, 0.1, np.nan, np.nan, np.nan, np.nan])
    assert t1["A"].iloc[0] == bars.index[4]
    assert t1["A"].iloc[1] == bars.index[5]
    assert t1["A"].iloc[2:].isna().all()


@given(st.integers(1, 12), st.integers(0, 15), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_matches_a_loop_for_any_horizon_and_length(market, horizon: int, n_bars: int, seed: int) -> None:
    bars = market(n_bars, "AB", seed=seed)
    returns, t1 = forward_return(bars, horizon)
    open_ = bars["open"].to_numpy()
    for t in range(n_bars):
        if t + 1 + horizon < n_bars:
            np.testing.assert_allclose(returns.iloc[t], open_[t + 1 + horizon] / open_[t + 1] - 1, rtol=1e-15)
            assert (t1.iloc[t] == bars.index[t + 1 + horizon]).all()
        else:
            assert returns.iloc[t].isna().all()
            assert t1.iloc[t].isna().all()


def test_t1_is_after_its_row_and_never_falls(ragged: pd.DataFrame) -> None:
    returns, t1 = forward_return(ragged, 4)
    assert returns.notna().equals(t1.notna())
    for symbol in "ABCD":
        ends = t1[symbol].dropna()
        assert (ends > ends.index).all()
        assert ends.is_monotonic_increasing
        assert ends.isin(ragged["close"][symbol].dropna().index).all()


def test_later_bars_do_not_change_a_known_label(ragged: pd.DataFrame) -> None:
    full = label_classes(forward_return(ragged, 3)[0], ragged, 0.5, horizon=3)
    part_bars = ragged.iloc[:300]
    part = label_classes(forward_return(part_bars, 3)[0], part_bars, 0.5, horizon=3)
    known = part.notna()
    assert known.to_numpy().sum() > 500
    assert (full.iloc[:300].where(known).fillna(9) == part.fillna(9)).all(axis=None)


def test_classes_without_a_band_are_signs(bars: pd.DataFrame) -> None:
    returns, _ = forward_return(bars, 1)
    returns.iloc[5, 0] = 0.0
    classes = label_classes(returns, bars)
    assert classes.iloc[5, 0] == 0
    assert set(np.unique(classes.iloc[:-2])) == {-1.0, 0.0, 1.0}
    assert ((returns.iloc[:-2] > 0) == (classes.iloc[:-2] == 1)).all(axis=None)
    assert ((returns.iloc[:-2] < 0) == (classes.iloc[:-2] == -1)).all(axis=None)
    assert classes.isna().equals(returns.isna())


def test_the_band_is_trailing_volatility_times_the_root_of_the_horizon(bars: pd.DataFrame) -> None:
    horizon, band = 4, 0.7
    returns, _ = forward_return(bars, horizon)
    classes = label_classes(returns, bars, band, horizon=horizon)
    width = band * np.sqrt(horizon) * compute(bars, "realized_vol(20)")["realized_vol(20)"]
    neutral = (returns.abs() <= width) & width.notna() & returns.notna()
    assert (classes.where(neutral) == 0).where(neutral, True).all(axis=None)
    outside = ~neutral & width.notna() & returns.notna()
    assert np.array_equal(classes.where(outside).fillna(0), np.sign(returns.where(outside)).fillna(0))
    assert classes.iloc[:20].isna().all(axis=None)
    assert 0.2 < neutral.to_numpy().mean() < 0.7


def test_a_wider_band_only_adds_neutrals(bars: pd.DataFrame) -> None:
    returns, _ = forward_return(bars, 2)
    narrow, wide = (label_classes(returns, bars, b, horizon=2) for b in (0.2, 0.9))
    was_neutral = narrow == 0
    assert (wide.where(was_neutral, 0.0) == 0).all(axis=None)
    assert (wide == 0).to_numpy().sum() > was_neutral.to_numpy().sum()


@pytest.mark.parametrize("horizon", [0, -1, 1.5, True, "3"])
def test_a_wrong_horizon_is_one_line(bars: pd.DataFrame, horizon: object) -> None:
    with pytest.raises(ConfigError, match="horizon must be a whole number of bars from 1 on, got"):
        forward_return(bars, horizon)


def test_a_wrong_band_or_missing_field_is_one_line(bars: pd.DataFrame) -> None:
    returns, _ = forward_return(bars, 1)
    with pytest.raises(ConfigError, match="neutral_band must be 0 or more, got -0.1"):
        label_classes(returns, bars, -0.1)
    with pytest.raises(ConfigError, match="neutral_band must be 0 or more, got nan"):
        label_classes(returns, bars, float("nan"))
    with pytest.raises(DataError, match="forward_return needs the field 'open'"):
        forward_return(bars[["close"]], 1)
