"""The pipeline's own error rates: noise and planted markets, exact intervals, nothing left behind."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from workbench.config import Settings, SweepParameters, TruthParameters
from workbench.pipeline import run_sweep, run_truth
from workbench.pipeline.truth import clopper_pearson, measured
from workbench.tracking import TrialsLedger, list_records

NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.slow
def test_noise_is_refused_planted_signals_are_found_and_later_reports_say_so(settings: Settings) -> None:
    record = run_truth(TruthParameters(n_noise=2, n_planted=2, n_bars=1800, n_cells=30), settings, now=NOW)
    markets = record.frame("markets")
    assert markets.groupby(["kind", "way"]).size().tolist() == [2, 2, 2, 2]
    assert not markets.loc[markets["kind"] == "noise", "passed"].any()
    assert markets.loc[markets["kind"] == "planted", "passed"].mean() >= 0.75
    assert (record.metrics["false_discovery_rate"], record.metrics["n_noise"]) == (0.0, 4.0)
    assert TrialsLedger(settings.ledger_path).datasets() == {}
    assert list(list_records(settings)["notebook"]) == ["truth"]
    after = run_sweep(
        SweepParameters(source="gbm(n_bars=400)", symbols=["G"], grid=["fast 2", "slow 9"], replicates=100),
        settings,
        now=NOW,
    )
    assert after.environment["truth"].startswith("false discoveries 0% (0% to 60% of 4), power ")


def test_the_interval_is_clopper_and_pearsons() -> None:
    assert clopper_pearson(0, 10) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert clopper_pearson(10, 10) == (pytest.approx(0.025 ** (1 / 10)), 1.0)
    low, high = clopper_pearson(8, 20)  # a usual table: 0.191 to 0.639
    assert (low, high) == (pytest.approx(0.191, abs=5e-4), pytest.approx(0.639, abs=5e-4))


def test_rates_are_of_their_own_kind() -> None:
    markets = pd.DataFrame({"kind": ["noise"] * 4 + ["planted"] * 2, "passed": [True, False, False, False, True, True]})
    found = measured(markets)
    assert found["false_discovery_rate"] == 0.25
    assert found["power"] == 1.0
    assert found["false_discovery_proportion"] == pytest.approx(1 / 3)
