"""Experiment files and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config import load_experiment, load_settings
from workbench.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_matrix_makes_one_job_per_cell(tmp_path: Path) -> None:
    text = "notebook: backtest\nparameters: {fee_bps: 1}\nmatrix:\n  symbols: [[SPX], [AAPL, IBM]]\n  horizon: [1, 5]\n"
    experiment = load_experiment(written(tmp_path, text))
    assert [j.name for j in experiment.jobs] == ["mine-SPX-1", "mine-SPX-5", "mine-AAPL_IBM-1", "mine-AAPL_IBM-5"]
    assert {j.parameters.fee_bps for j in experiment.jobs} == {1.0}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("notebook: backtest\nparameters: {trian_size: 1}\n", "Did you mean 'train_size'? ("),
        ("notebok: backtest\n", "unknown key 'notebok'. Did you mean 'notebook'"),
        ("parameters: {}\n", "names no notebook"),
        ("- a\n- b\n", "got list"),
        ("a: [1\n", "is not YAML"),
        ("!!python/object/apply:os.system ['true']\n", "is not YAML"),
        ("notebook: backtest\nmatrix: {symbols: SPX}\n", "'matrix' maps names to lists"),
        ("notebook: backtest\ntimeout_s: 0\n", "timeout_s must be a whole number"),
        ("notebook: backtest\nnightly: 'no'\n", "nightly must be true or false"),
        ("notebook: backtest\nmatrix: {seed: [1, 1]}\n", "the same name"),
        ("", "got NoneType"),
        ("notebook: backtest\nparameters: {start: 2015-02-30}\n", "is not YAML"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(written(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_experiment(tmp_path / "nothing.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_experiments_are_valid(path: Path) -> None:
    experiment = load_experiment(path)
    assert experiment.jobs
    assert experiment.title != path.stem, "a shipped experiment has a title"


def test_home_is_found_upwards_and_named_by_the_environment(tmp_path: Path) -> None:
    for name in ("notebooks", "experiments"):
        (tmp_path / name).mkdir()
    deep = tmp_path / "notebooks" / "mine"
    deep.mkdir()
    assert load_settings({}, deep).home == tmp_path.resolve()
    settings = load_settings({"WORKBENCH_HOME": str(deep), "WORKBENCH_DATA": str(tmp_path / "d")}, tmp_path)
    assert settings.home == deep.resolve()
    assert settings.data_dir == (tmp_path / "d").resolve()
    assert settings.mlflow_uri == f"sqlite:///{deep.resolve()}/experiments/mlflow.db?timeout=30"
