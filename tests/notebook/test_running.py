"""One call between a notebook and its run: computed in lab and job, loaded in the app."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.config import RiskCenterParameters, Settings
from workbench.errors import ArtifactError, ConfigError
from workbench.notebook import Config, feature_overview, overview, risk_overview
from workbench.tracking import RunRecord, write_record

APP = {"__name__": "bokeh_app_0"}


def make_record(
    run_id: str, rng: np.random.Generator, notebook: str = "backtest", finished: str = "2026-01-02"
) -> RunRecord:
    index = pd.date_range("2025-01-01", periods=200, freq="D", tz="UTC", name="time")
    returns = pd.DataFrame({"strategy": rng.normal(0, 0.01, 200), "zero": 0.0}, index=index)
    gates = [
        {"name": "deflated_sharpe_ratio", "passed": False, "text": "deflated 0.61 < 0.95"},
        {"name": "max_drawdown", "passed": True, "text": "max_drawdown 0.10 <= 0.30"},
    ]
    known = {"name": "sample:1d:SPX", "version": "1", "content_hash": "ab" * 32, "n_bars": 5031}
    return RunRecord(
        run_id=run_id,
        notebook=notebook,
        name="test <run>",
        started=f"{finished}T00:00:00+00:00",
        finished=f"{finished}T00:01:00+00:00",
        parameters={"model": "logistic", "seed": 7, "fee_bps": 5.0, "slippage_bps": 2.0},
        dataset={**known, "first": "1999-01-04", "last": "2018-12-31"},
        metrics={"sharpe_ratio": 0.5, "annual_return": 0.1, "total_fee": 0.01, "total_slippage": 0.004},
        baselines={"zero": {"sharpe_ratio": float("nan"), "annual_return": 0.0}},
        trial={"number": 3, "n_trials": 12, "is_new": False, "first_seen": "2026-01-01T00:00:00"},
        verdict={"passed": False, "gates": gates},
        frames={"returns": returns},
    )


@pytest.fixture
def app(settings: Settings) -> Config:
    return wb.load_config("backtest", APP)


def test_the_app_shows_nothing_yet(app: Config) -> None:
    assert wb.notebook.run(app) is None


def test_the_app_loads_the_latest_run_of_its_notebook(
    settings: Settings, app: Config, rng: np.random.Generator
) -> None:
    write_record(make_record("old", rng), settings)
    write_record(make_record("new", rng, finished="2026-01-03"), settings)
    write_record(make_record("net", rng, notebook="train", finished="2026-01-04"), settings)
    record = wb.notebook.run(app)
    assert record is not None
    assert record.run_id == "new"
    trained = wb.notebook.run(wb.load_config("train", APP))
    assert trained is not None
    assert trained.run_id == "net"


def test_the_address_names_the_run(settings: Settings, app: Config, rng: np.random.Generator) -> None:
    write_record(make_record("old1", rng), settings)
    write_record(make_record("new1", rng, finished="2026-01-03"), settings)

    def with_run(run: str) -> Config:
        return Config(app.name, app.parameters, app.settings, "app", app.now, {"run": run})

    record = wb.notebook.run(with_run("old"))
    assert record is not None
    assert record.run_id == "old1"
    with pytest.raises(ArtifactError, match="there is no run 'gone'"):
        wb.notebook.run(with_run("gone"))


def test_the_risk_center_loads_and_publishes(
    settings: Settings, rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_MODE", "job")
    monkeypatch.setenv("WORKBENCH_RESULT_PATH", str(tmp_path / "run.json"))
    cfg = wb.load_config("risk_center", {})
    with pytest.raises(ArtifactError, match="there is no finished backtest run"):
        wb.notebook.run(cfg)
    write_record(make_record("only", rng), settings)
    record = wb.notebook.run(cfg)
    assert record is not None
    assert record.run_id == "only"
    assert json.loads((tmp_path / "run.json").read_text()) == {"run_id": "only", "computed": False}


def test_notebooks_without_a_run_say_so(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="notebook 'live_chart' has no run"):
        wb.notebook.run(wb.load_config("live_chart", {}))


def test_the_first_screen_holds_what_a_reader_needs(rng: np.random.Generator) -> None:
    page = overview(make_record("3f9a1c00deadbeef", rng))._repr_html_()
    for words in (
        "Refused by 1 of 2 gates",
        "✗ deflated 0.61 &lt; 0.95",
        "✓ max drawdown 0.10 ≤ 0.30",
        "trial 3 of 12 on this data set",
        "the same trial as first seen 2026-01-01",
        "5 bps fee and 2 bps slippage",
        "paid: 1.40% of the starting equity",
        "filled at the open of bar t+1",
        "sample:1d:SPX, version 1",
        "SHA-256 abababababab",
        "10.0 %",
        "3f9a1c00dead",
    ):
        assert words in page, words


def test_a_passed_verdict_says_so(rng: np.random.Generator) -> None:
    record = make_record("x", rng)
    record.verdict.update(passed=True, gates=[record.verdict["gates"][1]])
    assert "Passed all 1 gates: may be promoted" in overview(record)._repr_html_()
    record.verdict.clear()
    assert "Not judged" in overview(record)._repr_html_()


@pytest.mark.parametrize(("loss", "state"), [(0.0, "OK"), (0.15, "WARN"), (0.5, "HALT")])
def test_the_risk_screen_names_the_state(rng: np.random.Generator, loss: float, state: str) -> None:
    record = make_record("x", rng)
    returns = record.frames["returns"]
    returns["strategy"] = np.where(np.arange(len(returns)) == len(returns) - 1, -loss, 0.0001)
    page = risk_overview(record, RiskCenterParameters())._repr_html_()
    assert f"State: {state}" in page
    assert "value at risk over one bar, confidence 95.0%" in page


def test_a_small_backtest_runs_with_its_progress(settings: Settings) -> None:
    seen: list[tuple[float, str]] = []
    market = {
        "source": "planted(strength=0.7, seed=3, n_bars=420)",
        "symbols": ["SYN"],
        "features": ["ret(1)", "rsi(14)"],
    }
    values = {**market, "horizon": 1, "train_size": 120, "test_size": 60}
    cfg = wb.load_config("backtest", values)
    record = wb.notebook.run(cfg, progress=lambda share, text: seen.append((share, text)))
    assert record is not None
    assert record.started == cfg.now.isoformat()
    assert [s for s, _ in seen] == sorted(s for s, _ in seen)
    assert seen[-1][0] == 1.0
    loaded = wb.notebook.run(wb.load_config("backtest", APP))
    assert loaded is not None
    assert loaded.run_id == record.run_id


def test_the_first_screen_of_a_factor_report(settings: Settings) -> None:
    values = {
        "source": "planted(strength=0.5, seed=9, n_bars=500)",
        "symbols": ["SYN"],
        "timeframe": "1h",
        "features": ["volume_z(20)", "rsi(14)"],
        "horizon": 1,
        "horizons": [1, 5],
        "end": "2020-01-20",
    }
    record = wb.notebook.run(wb.load_config("features", values))
    assert record is not None
    page = feature_overview(record)._repr_html_()
    for words in (
        "1 of 2 features say something about the next bar",
        "Bars from 2020-01-20 on were not looked at",
        "2 features × 2 horizons = 4 tests",
        "not trials in the ledger",
        "2 along time, each symbol by itself",
        "quantile edges from the symbol&#x27;s own past",
        "about 1 in 8 passes for 5 %",
        "Newey-West, 5 lags at this horizon",
        "logistic, 5 purged folds, embargo 20 bars",
        "beats the classes&#x27; shares",
        "to the open of bar t+2",
        "✓ found",
        record.run_id[:12],
    ):
        assert words in page, words
    loaded = wb.notebook.run(wb.load_config("features", APP))
    assert loaded is not None
    assert loaded.run_id == record.run_id
    assert "features were refused" not in page
    record.frames["refused"] = pd.DataFrame({"feature": ["peek"], "reason": ["it looks <ahead>"]})
    record.metrics.update({"n_found": 0.0, "log_loss": 0.7, "prior_log_loss": 0.69, "n_reports_before": 1.0})
    page = feature_overview(record)._repr_html_()
    for words in (
        "None of 2 features says more",
        "1 of 3 features were refused",
        "it looks &lt;ahead&gt;",
        "does worse than the classes",
        "1 kept report on this series came before",
    ):
        assert words in page, words
