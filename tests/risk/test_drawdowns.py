"""Drawdown, its spells and its state."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import risk
from workbench.errors import ConfigError, DataError

returns_of = st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60)


def test_drawdown_counts_from_a_starting_wealth_of_one():
    assert risk.drawdown([-0.10, 0.0]).tolist() == pytest.approx([0.10, 0.10])
    assert risk.max_drawdown([-0.10, 0.20]) == pytest.approx(0.10)


def test_pain_index_of_bacon(bacon):
    assert risk.drawdown(bacon).mean() == pytest.approx(0.04, abs=5e-4)


def test_drawdown_by_a_loop(daily):
    wealth = peak = 1.0
    expected = []
    for r in daily:
        wealth *= 1 + r
        peak = max(peak, wealth)
        expected.append(1 - wealth / peak)
    np.testing.assert_allclose(risk.drawdown(daily), expected, atol=1e-12)
    assert risk.max_drawdown(daily) == pytest.approx(max(expected))


@given(returns_of)
def test_drawdown_is_between_zero_and_one_and_zero_at_new_peaks(values):
    below = risk.drawdown(values)
    assert ((below >= 0) & (below <= 1)).all()
    assert risk.max_drawdown(values) == below.max()
    assert risk.max_drawdown_duration(values) <= len(values)


def test_periods_table_of_a_known_path():
    index = pd.date_range("2024-01-01", periods=8, tz="UTC")
    returns = pd.Series([0.1, -0.1, -0.1, 0.5, 0.0, -0.05, 0.02, -0.01], index=index)
    table = risk.drawdown_periods(returns)
    assert table["depth"].tolist() == pytest.approx([0.19, 1 - 0.95 * 1 * 1.0], abs=1e-12)
    assert table["start"].tolist() == [index[1], index[5]]
    assert table["trough"].tolist() == [index[2], index[5]]
    assert table["recovered"].iloc[0] == index[3]
    assert pd.isna(table["recovered"].iloc[1])
    assert table["duration"].tolist() == [2, 3]
    assert len(risk.drawdown_periods(returns, top=1)) == 1
    assert risk.max_drawdown_duration(returns) == 3


def test_periods_table_without_a_loss_is_empty():
    index = pd.date_range("2024-01-01", periods=3, tz="UTC")
    assert risk.drawdown_periods(pd.Series(0.01, index=index)).empty


def test_a_missing_return_leaves_wealth_as_it_was():
    assert risk.drawdown([-0.1, np.nan, 0.0]).tolist() == pytest.approx([0.1, 0.1, 0.1])


@pytest.mark.parametrize(("dd", "state"), [(0.0, "OK"), (0.0999, "OK"), (0.10, "WARN"), (0.20, "HALT"), (1.0, "HALT")])
def test_states(dd, state):
    assert risk.drawdown_state(dd, 0.10, 0.20) == state


def test_states_refuse_bad_bounds():
    with pytest.raises(ConfigError, match=r"warn 0.2 must be above 0 and below halt 0.1"):
        risk.drawdown_state(0.1, 0.2, 0.1)
    with pytest.raises(DataError, match="NaN"):
        risk.drawdown_state(float("nan"))
