"""Specs that name a user's own file: a module, a set's file, one feature of either."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import REGISTRY, SETS, compute, feature_versions
from workbench.features.specs import resolve_all

MODULE = """
from workbench.features import indicator


@indicator("user_range", warmup=0)
def user_range(high, low, close, *, scale: float = 1.0):
    return {body}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    REGISTRY.discard("user_range")


def write(path: Path, body: str = "scale * (high - low) / close", later: int = 0) -> Path:
    path.write_text(MODULE.format(body=body))
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + later))
    return path


def test_one_feature_of_a_module(home: Path, bars: pd.DataFrame) -> None:
    write(home / "experiments" / "mine.py")
    got = compute(bars, "mine.py::user_range(2.0)")
    wanted = 2 * (bars["high"] - bars["low"]) / bars["close"]
    pd.testing.assert_frame_equal(got["mine.py::user_range(2.0)"], wanted, check_names=False)
    assert [b.text for b in resolve_all("mine.py")] == ["mine.py::user_range"]
    assert list(feature_versions("mine.py::user_range")) == ["mine.py::user_range"]


def test_an_edited_module_is_run_again(home: Path, bars: pd.DataFrame) -> None:
    path = write(home / "mine.py")
    first = compute(bars, "mine.py").iloc[-1, 0]
    before = feature_versions("mine.py::user_range")
    write(path, "scale * 10 * (high - low) / close", later=1_000_000)
    assert compute(bars, "mine.py").iloc[-1, 0] == pytest.approx(10 * first)
    assert feature_versions("mine.py::user_range") != before


def test_the_set_of_a_file(home: Path, bars: pd.DataFrame) -> None:
    (home / "own.yaml").write_text("name: userset\nfeatures:\n  fast: ema(12)\n  gap: close / fast - 1\n")
    frame = compute(bars, "own.yaml")
    assert list(frame.columns.unique(0)) == ["own.yaml::fast", "own.yaml::gap"]
    pd.testing.assert_frame_equal(frame[["own.yaml::gap"]], compute(bars, ["own.yaml::gap"]))
    scaled = compute(bars, "own.yaml::rank(gap)")
    pd.testing.assert_frame_equal(
        scaled["own.yaml::rank(gap)"], compute(bars, "rank(close / ema(12) - 1)")["rank(close / ema(12) - 1)"]
    )
    (home / "plain.yaml").write_text("name: plainset\nfeatures: [rsi(14), ret(1)]\n")
    assert [b.text for b in resolve_all("plain.yaml")] == ["rsi(14)", "ret(1)"]
    assert SETS.get("userset").named


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nope.py", "there is no file nope.py; give its path from"),
        ("mine.py::", "names nothing after '::'; write mine.py::user_range"),
        ("mine.py::user_rnge", "there is no feature or field 'user_rnge'. Did you mean 'user_range'?"),
        ("own.yaml::gp", "there is no feature or field 'gp'. Did you mean 'gap'?"),
        ("rank(mine.py::user_range)", "write FILE::EXPRESSION, the file first"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(home: Path, spec: str, message: str) -> None:
    write(home / "mine.py")
    (home / "own.yaml").write_text("name: userset2\nfeatures:\n  fast: ema(12)\n  gap: close / fast - 1\n")
    with pytest.raises(ConfigError) as caught:
        resolve_all(spec)
    assert message in str(caught.value)


def test_a_module_that_is_imported_too_is_the_same_place(home: Path, bars: pd.DataFrame, monkeypatch) -> None:
    write(home / "mine_twice.py")
    monkeypatch.syspath_prepend(str(home))
    importlib.import_module("mine_twice")
    assert list(compute(bars, "mine_twice.py").columns.unique(0)) == ["mine_twice.py::user_range"]


def test_files_outside_the_home_are_not_run(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = write(tmp_path_factory.mktemp("elsewhere") / "mine.py")
    with pytest.raises(ConfigError, match="lies outside the workbench's folder"):
        resolve_all(str(outside))
    assert "user_range" not in REGISTRY


def test_a_module_that_fails_names_its_line(home: Path) -> None:
    (home / "broken.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(DataError, match=r"broken.py failed: ZeroDivisionError: division by zero \(line 2\)"):
        resolve_all("broken.py")
