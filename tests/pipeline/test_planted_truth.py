"""The pipeline measured on markets whose truth is known: it finds what was planted and finds nothing in noise."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from workbench.config import BacktestParameters, Settings
from workbench.pipeline import run_backtest
from workbench.tracking import RunRecord

NOW = datetime(2024, 3, 1, tzinfo=UTC)
STRENGTH = 0.75
SEEDS = (1, 2, 3, 4)


def run(settings: Settings, strength: float, seed: int) -> RunRecord:
    parameters = BacktestParameters(
        source=f"planted(strength={strength}, seed={seed}, n_bars=2500)",
        symbols=["PLANTED"],
        timeframe="1d",
        features=["ret(1)", "rsi(14)", "volume_z(20)"],
        horizon=1,
        train_size=800,
        test_size=400,
        rule="sign",
        seed=seed,
    )
    return run_backtest(parameters, settings, now=NOW)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_planted_signal_is_found_and_passes_the_gate(settings: Settings, seed: int) -> None:
    record = run(settings, STRENGTH, seed)
    closed_form = 0.5 + math.asin(STRENGTH) / math.pi
    assert record.metrics["directional_accuracy"] >= 0.70
    assert record.metrics["directional_accuracy"] == pytest.approx(closed_form, abs=0.04)
    assert record.verdict["passed"], record.verdict
    assert record.metrics["sharpe_ratio"] > max(
        b["sharpe_ratio"] for b in record.baselines.values() if not math.isnan(b["sharpe_ratio"])
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_noise_is_refused(settings: Settings, seed: int) -> None:
    record = run(settings, 0.0, seed)
    assert record.metrics["directional_accuracy"] == pytest.approx(0.5, abs=0.05)
    assert not record.verdict["passed"]
    assert any(not gate["passed"] and gate["name"] == "deflated_sharpe_ratio" for gate in record.verdict["gates"])


@pytest.mark.slow
def test_more_trials_on_the_same_noise_lower_the_deflated_sharpe_ratio(settings: Settings) -> None:
    """The same strategy looks worse once the ledger knows how many others were tried."""
    base = {
        "source": "planted(strength=0.0, seed=9, n_bars=1500)",
        "symbols": ["PLANTED"],
        "features": ["ret(1)", "rsi(14)"],
        "horizon": 1,
        "train_size": 500,
        "test_size": 250,
    }
    first = run_backtest(BacktestParameters(**base), settings, now=NOW)
    for horizon in (2, 3, 5, 8):
        run_backtest(BacktestParameters(**{**base, "horizon": horizon}), settings, now=NOW)
    again = run_backtest(BacktestParameters(**base), settings, now=NOW)
    assert first.trial["n_trials"] == 1
    assert again.trial["n_trials"] == 5
    assert not again.trial["is_new"]
    assert again.metrics["sharpe_ratio"] == first.metrics["sharpe_ratio"]
    assert again.metrics["deflated_sharpe_ratio"] < first.metrics["deflated_sharpe_ratio"]
