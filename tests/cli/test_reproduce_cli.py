"""``workbench reproduce`` and ``workbench compare``: exit codes, one JSON document, one line for a mistake."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from workbench.cli import main
from workbench.config import BacktestParameters, Settings
from workbench.pipeline.run import run_backtest
from workbench.tracking import read_record, write_record

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def test_a_mistake_is_one_line_and_exit_code_2(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert settings.home.is_dir()
    assert main(["reproduce", "nosuch"]) == 2
    assert main(["reproduce", "nosuch", "--json"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 2
    assert "ArtifactError: there is no run 'nosuch'" in said.err
    assert json.loads(said.out)["error"] == "ArtifactError"
    assert main(["compare"]) == 2
    assert "no finished run to compare" in capsys.readouterr().err


@pytest.mark.slow
def test_equal_is_0_and_another_number_is_1(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    parameters = BacktestParameters(
        source="planted(strength=0.7, seed=7, n_bars=1100)", symbols=["P"], features=["ret(1)"], horizon=1,
        train_size=500, test_size=250, replicates=100, null_draws=0,
    )  # fmt: skip
    run = run_backtest(parameters, settings, now=NOW).run_id
    assert main(["reproduce", run[:8]]) == 0
    said = capsys.readouterr().out
    assert f"run {run[:12]} is reproduced bit for bit" in said
    assert "sharpe_ratio" in said

    record = read_record(run, settings)
    wrong = record.metrics | {"sharpe_ratio": 9.0}
    write_record(
        dataclasses.replace(record, run_id="wrong", metrics=wrong, finished="2024-03-02T00:00:00+00:00"), settings
    )
    assert main(["reproduce", "wrong", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["equal"] is False
    assert [c["name"] for c in document["checks"] if not c["equal"]] == ["sharpe_ratio"]

    assert main(["compare", run, "wrong", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(d["section"], d["field"]) for d in document["differences"]] == [("metrics", "sharpe_ratio")]
    assert document["metrics"]["pnl_difference"] == 0.0
    assert main(["compare", "--rerun"]) == 0
    assert "A earned" in capsys.readouterr().out
