"""Start-up and prediction: whole processes and the champion's latency."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

import numpy as np
import pytest

from workbench.config import BacktestParameters, Settings
from workbench.data import load_bars
from workbench.pipeline import champion, run_backtest
from workbench.tracking import promote

Report = Callable[[str, str, str], None]
pytestmark = pytest.mark.benchmark


def seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


@pytest.mark.parametrize(
    ("what", "command", "target"),
    [
        ("import workbench", ("-c", "import workbench"), "0.5 s"),
        ("workbench --help", ("-m", "workbench", "--help"), "1 s"),
        ("workbench runs list (nothing there)", ("-m", "workbench", "runs", "list"), "-"),
    ],
)
def test_start(what: str, command: tuple[str, ...], target: str, report: Report, settings: Settings) -> None:
    bare = [seconds(sys.executable, "-c", "pass") for _ in range(5)]
    ours = [seconds(sys.executable, *command) for _ in range(5)]
    assert len(ours) == 5
    report(what, f"{median(ours):.2f} s ({median(ours) / median(bare):.0f}x bare Python)", f"<= {target}")


def test_prediction_latency_of_the_champion(settings: Settings, report: Report) -> None:
    source, now = "planted(strength=0.8, seed=3, n_bars=2000)", datetime(2024, 3, 1, tzinfo=UTC)
    for model in ("logistic", "hist_gradient_boosting", "lstm(epochs=12)"):
        parameters = BacktestParameters(
            source=source,
            symbols=["PLANTED"],
            features=["ret(1)", "volume_z(20)"],
            model=model,
            horizon=1,
            train_size=700,
            test_size=600,
            rule="sign",
            register_model=True,
            experiment=model.split("(")[0],
        )
        record = run_backtest(parameters, settings, now=now)
        if not record.verdict["passed"]:
            report(f"one prediction, {model}", "not promoted: " + record.verdict["gates"][0]["text"], "p95 <= 100 ms")
            continue
        promote(settings, parameters.experiment, None, now=now, who="bench", reason="bench")
        predictor, bars = champion(settings, parameters.experiment), load_bars(source, ["PLANTED"])
        times = []
        for i in range(60):
            began = time.perf_counter()
            frame = predictor.predict(bars.iloc[: len(bars) - i])
            times.append(1e3 * (time.perf_counter() - began))
        assert frame[["p_bear", "p_neutral", "p_bull"]].sum(axis=1).iloc[0] == pytest.approx(1)
        report(
            f"one prediction, {model}",
            f"p50 {median(times):.1f} ms, p95 {np.quantile(times, 0.95):.1f} ms",
            "p95 <= 100 ms",
        )
