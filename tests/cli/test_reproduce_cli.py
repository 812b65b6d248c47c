"""``workbench reproduce``, ``compare`` and ``search``: exit codes, one JSON document, one line for a mistake."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.config import BacktestParameters, Settings, load_settings
from workbench.pipeline.run import run_backtest
from workbench.tracking import prepare_store, read_record, write_record

NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow store, made once: its migrations take seconds."""
    made = load_settings({"WORKBENCH_HOME": str(tmp_path_factory.mktemp("store"))})
    prepare_store(made)
    return made.experiments_dir / "mlflow.db"


@pytest.fixture
def home(settings: Settings, empty_store: Path) -> Settings:
    settings.experiments_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_store, settings.experiments_dir / "mlflow.db")
    return settings


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


def test_a_search_that_cannot_be_is_one_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert settings.home.is_dir()
    for words, said in (
        (["-s", "horizon"], "--space 'horizon' is not a name and its values"),
        (["-s", "horizn=int(1, 5)"], "no parameter 'horizn'. Did you mean 'horizon'"),
        (["-s", "horizon=int(1, 5)", "-p", "modle=x"], "no parameter 'modle'. Did you mean 'model'"),
        ([], "--space"),
    ):
        assert main(["search", *words]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_search_tells_the_best_and_what_it_is_worth(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    fixed = ("source=planted(strength=0.7, seed=7, n_bars=1100)", "symbols=[P]", "features=[ret(1), volume_z(20)]",
             "train_size=400", "test_size=200", "replicates=100", "null_draws=0")  # fmt: skip
    words = ["search", "-s", "horizon=choice(1, 5)", "--sampler", "grid"]
    words += [word for text in fixed for word in ("-p", text)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "2 trials (2 complete)" in said
    assert "best: horizon=1" in said
    assert "deflated" in said
    assert home.ledger_path.is_file()
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["n_resumed"] == 2
    assert document["best"] == {"horizon": "1"}


@pytest.mark.slow
def test_equal_is_0_and_another_number_is_1(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    parameters = BacktestParameters(
        source="planted(strength=0.7, seed=7, n_bars=1100)", symbols=["P"], features=["ret(1)"], horizon=1,
        train_size=500, test_size=250, replicates=100, null_draws=0,
    )  # fmt: skip
    run = run_backtest(parameters, home, now=NOW).run_id
    assert main(["reproduce", run[:8]]) == 0
    said = capsys.readouterr().out
    assert f"run {run[:12]} is reproduced bit for bit" in said
    assert "sharpe_ratio" in said

    record = read_record(run, home)
    wrong = record.metrics | {"sharpe_ratio": 9.0}
    write_record(dataclasses.replace(record, run_id="wrong", metrics=wrong, finished="2024-03-02T00:00:00+00:00"), home)
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
