"""The registry, the contract every registered measure keeps, the summary and the table of months."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from workbench import risk
from workbench.errors import ConfigError, DataError

ON_RETURNS = [m for m in risk.MEASURES.values() if m.summarised]


@pytest.mark.parametrize("entry", risk.MEASURES.values(), ids=lambda m: m.name)
def test_every_measure_says_what_it_is(entry):
    assert entry.description.endswith((".", "Gaussian."))
    assert entry.reference
    assert entry.direction in {"higher", "lower"}
    assert getattr(risk, entry.name) is entry.function


@pytest.mark.parametrize("entry", ON_RETURNS, ids=lambda m: m.name)
def test_every_measure_ignores_missing_returns_and_repeats_itself(entry, daily):
    gappy = pd.concat([daily.iloc[:1] * np.nan, daily.iloc[1:]])
    once = risk.summary(gappy, periods_per_year=252)[entry.name]
    assert once == risk.summary(gappy.dropna(), periods_per_year=252)[entry.name]
    assert isinstance(once, float)


@pytest.mark.parametrize("entry", ON_RETURNS, ids=lambda m: m.name)
def test_no_measure_is_infinite_on_flat_or_ever_rising_returns(entry):
    for constant in (0.0, 0.01):
        value = risk.summary(np.full(30, constant), periods_per_year=252)[entry.name]
        assert not math.isinf(value)


def test_summary_adds_exposure_and_turnover(daily):
    positions = pd.DataFrame({"A": 0.5, "B": -0.25}, index=daily.index)
    summary = risk.summary(daily, positions)
    assert summary["exposure"] == pytest.approx(0.75)
    assert summary["turnover"] == pytest.approx(0.75 * 252 / len(daily))  # bought once, held to the end
    traded = pd.Series(0.1, index=daily.index)
    assert risk.summary(daily, positions, traded=traded)["turnover"] == pytest.approx(25.2)
    assert "exposure" not in risk.summary(daily)


def test_turnover_counts_buys_and_sells():
    assert risk.turnover([1.0, 0.0, 1.0, 0.0], periods_per_year=4) == pytest.approx(4.0)
    with pytest.raises(DataError, match="one of the two"):
        risk.turnover()


def test_confidence_reaches_the_tail_measures(daily):
    assert risk.summary(daily, confidence=0.99)["value_at_risk"] == risk.value_at_risk(daily, confidence=0.99)


def test_monthly_returns_compound_to_the_year():
    index = pd.date_range("2023-11-29", "2024-02-03", tz="UTC")
    returns = pd.Series(0.01, index=index)
    table = risk.monthly_returns(returns)
    assert table.index.tolist() == [2023, 2024]
    assert table.loc[2023, 12] == pytest.approx(1.01**31 - 1)
    assert table.loc[2024, "year"] == pytest.approx(1.01**34 - 1)
    assert np.isnan(table.loc[2023, 1])
    assert list(table.columns) == [*range(1, 13), "year"]


def test_a_name_is_registered_once():
    with pytest.raises(ConfigError, match="registered twice"):
        risk.measure("sharpe_ratio", unit="ratio", direction="higher", reference="-")(len)
    with pytest.raises(ConfigError, match="Did you mean 'sharpe_ratio'"):
        risk.get_measure("sharp_ratio")


def test_the_room_opens_without_heavy_libraries():
    heavy = "{'scipy', 'sklearn', 'numba', 'torch'}"
    code = f"import workbench.risk, sys; print({{m.split('.')[0] for m in sys.modules}} & {heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_public_names_are_sorted():
    assert risk.__all__ == sorted(risk.__all__)
