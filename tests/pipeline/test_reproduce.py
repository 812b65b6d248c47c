"""A finished run rebuilt: the same bits, nothing counted, and what changed named where the bits differ."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.config import BacktestParameters, Settings, SweepParameters, WalkForwardParameters, load_settings
from workbench.data import load_bars, open_store
from workbench.errors import ArtifactError, ConfigError, DataError
from workbench.features import REGISTRY, feature
from workbench.ops import environment
from workbench.pipeline.choosing import run_walkforward
from workbench.pipeline.replay import recorded_parameters, split_items
from workbench.pipeline.reproduce import compare_frames, reproduce
from workbench.pipeline.rulesweep import run_sweep
from workbench.pipeline.run import run_backtest
from workbench.tracking import RunRecord, TrialsLedger, list_records, list_runs, write_record

NOW = datetime(2024, 3, 1, tzinfo=UTC)
LATER = datetime(2025, 3, 1, tzinfo=UTC)
MARKET = "planted(strength=0.7, seed=7, n_bars=1500)"
SMALL = {
    "features": ["ret(1)", "volume_z(20)"],
    "horizon": 1,
    "train_size": 500,
    "test_size": 250,
    "replicates": 100,
    "null_draws": 20,
}


@pytest.fixture(scope="module")
def finished(
    home_in: Callable[[Path], Settings], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, RunRecord]:
    """One finished run on stored bars, made once for all tests; they work on copies of its home."""
    settings = home_in(tmp_path_factory.mktemp("finished") / "home")
    bars = load_bars(MARKET, ["PLANTED"])
    open_store(settings).write("import", "PLANTED", "1d", bars)
    parameters = BacktestParameters(source="import", symbols=["PLANTED"], **SMALL)  # type: ignore[arg-type]
    return settings, run_backtest(parameters, settings, now=NOW)


@pytest.fixture
def home(finished: tuple[Settings, RunRecord], tmp_path: Path) -> Settings:
    shutil.copytree(finished[0].home, tmp_path / "home")
    return load_settings({"WORKBENCH_HOME": str(tmp_path / "home")})


@pytest.fixture
def run_id(finished: tuple[Settings, RunRecord]) -> str:
    return finished[1].run_id


def altered(home: Settings, finished: RunRecord, **changes: object) -> str:
    """Keep a copy of the run under another id, with some fields altered."""
    record = dataclasses.replace(finished, run_id="altered", **changes)  # type: ignore[arg-type]
    write_record(record, home)
    return "altered"


@pytest.mark.slow
def test_a_run_is_reproduced_bit_for_bit_and_nothing_is_counted_or_kept(home: Settings, run_id: str) -> None:
    ledger = home.ledger_path.read_bytes()
    runs, kept = len(list_runs(home)), len(list_records(home))
    found = reproduce(run_id[:8], home, now=LATER)
    assert found.equal, found.differences
    assert found.tolerance == 0
    assert {"returns", "positions", "fills"} <= set(found.checks.loc[found.checks["kind"] == "frame", "name"])
    assert {"sharpe_ratio", "deflated_sharpe_ratio", "n_trials"} <= set(found.checks["name"])
    assert (found.checks["gap"].fillna(0.0) == 0).all()
    assert "reproduced bit for bit" in found.summary()
    assert home.ledger_path.read_bytes() == ledger
    assert (len(list_runs(home)), len(list_records(home))) == (runs, kept)


@pytest.mark.slow
def test_trials_counted_later_do_not_move_the_rebuilt_numbers(home: Settings, run_id: str) -> None:
    name = reproduce(run_id, home, now=NOW)
    TrialsLedger(home.ledger_path).record("import:1d:PLANTED", "other", {"x": 1}, 0.3, 900, "hash", LATER)
    later = reproduce(run_id, home, now=LATER)
    assert name.equal
    assert later.equal
    row = later.checks.set_index("name").loc["n_trials"]
    assert row["recorded"] == row["rebuilt"] == 1.0


@pytest.mark.slow
def test_bars_that_changed_since_are_read_at_the_recorded_version(home: Settings, run_id: str) -> None:
    store = open_store(home)
    bars = load_bars("import", ["PLANTED"], settings=home)
    revised = bars.iloc[700:701] * 1.01
    store.write("import", "PLANTED", "1d", revised, mode="revise")
    assert store.read_version("import", "PLANTED", "1d")[1] == 2
    found = reproduce(run_id, home, now=NOW)
    assert found.equal
    assert "data" not in set(found.changes["kind"])


def test_a_version_that_is_gone_is_named_with_the_cure(home: Settings, finished: tuple[Settings, RunRecord]) -> None:
    run = altered(home, finished[1], dataset=finished[1].dataset | {"version": "9"})
    with pytest.raises(DataError, match=r"used version 9 of import:1d:PLANTED.*bring that version back"):
        reproduce(run, home, now=NOW)


@pytest.mark.slow
def test_one_altered_number_is_the_only_difference(home: Settings, finished: tuple[Settings, RunRecord]) -> None:
    record = finished[1]
    fills = record.frame("fills")
    fills.loc[3, "price"] = np.nextafter(fills.loc[3, "price"], 2.0 * fills.loc[3, "price"])
    metrics = record.metrics | {"sharpe_ratio": record.metrics["sharpe_ratio"] + 0.25}
    run = altered(home, record, metrics=metrics, frames=record.frames | {"fills": fills})
    found = reproduce(run, home, now=NOW)
    assert not found.equal
    assert list(found.differences["name"]) == ["sharpe_ratio", "fills"]
    assert found.differences["gap"].iloc[0] == pytest.approx(0.25)
    assert "1 cells differ, first in price at 3" in found.differences["rebuilt"].iloc[1]
    assert list(reproduce(run, home, now=NOW, tolerance=1e-12).differences["name"]) == ["sharpe_ratio"]


@pytest.mark.slow
def test_what_changed_is_named(
    home: Settings, finished: tuple[Settings, RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = finished[1]
    was = record.environment
    flat = {k: v for k, v in record.parameters.items() if k != "null_draws"} | {"gone": 3}
    run = altered(
        home,
        record,
        parameters=flat,
        dataset=record.dataset | {"content_hash": "0" * 64},
        environment=was
        | {
            "git": "a" * 40,
            "python": "3.0.0",
            "versions": was["versions"] | {"numpy": "1.0"},
            "features": was["features"] | {"ret(1)": "ret(1) v0 0000"},
        },
        trial=record.trial | {"config_hash": "else"},
    )
    monkeypatch.setattr(environment, "git_revision", lambda _folder: "b" * 40)
    changes = reproduce(run, home, now=NOW).changes.set_index(["kind", "name"])
    assert changes.loc[("code", "revision"), "now"] == "b" * 40
    assert changes.loc[("data", "content_hash"), "recorded"] == "0" * 64
    assert changes.loc[("libraries", "numpy"), "recorded"] == "1.0"
    assert changes.loc[("python", "python"), "recorded"] == "3.0.0"
    assert changes.loc[("features", "ret(1)"), "recorded"] == "ret(1) v0 0000"
    assert changes.loc[("parameters", "gone"), "now"] == "absent"
    assert changes.loc[("parameters", "null_draws"), "recorded"] == "absent"
    assert changes.loc[("configuration", "config_hash"), "recorded"] == "else"


@pytest.mark.slow
def test_an_edited_feature_is_blamed(home: Settings) -> None:
    """The same spec computed by other code: the numbers differ, and the feature is named."""
    own = SMALL | {"features": ["momentum_of_test"]}
    parameters = BacktestParameters(source=MARKET, symbols=["PLANTED"], **own)  # type: ignore[arg-type]

    def simple(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"] / bars["close"].shift(3) - 1

    def logarithmic(bars: pd.DataFrame) -> pd.DataFrame:
        return np.log(bars["close"] / bars["close"].shift(3))

    try:
        feature("momentum_of_test", version=1, inputs=("close",), warmup=3)(simple)
        record = run_backtest(parameters, home, now=NOW)
        assert reproduce(record.run_id, home, now=NOW).equal
        REGISTRY.discard("momentum_of_test")
        feature("momentum_of_test", version=1, inputs=("close",), warmup=3)(logarithmic)
        found = reproduce(record.run_id, home, now=NOW)
    finally:
        REGISTRY.discard("momentum_of_test")
    assert not found.equal
    blamed = found.changes[found.changes["kind"] == "features"]
    assert list(blamed["name"]) == ["momentum_of_test"]


GRID = {"source": "trending(strength=0.3, seed=7, n_bars=700)", "symbols": ["A", "B"], "replicates": 100}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_sweeps_and_walk_forward_choices_are_reproduced_too(home: Settings, share: float) -> None:
    """With a closed lock-box the same bars are read, and the seal is neither moved nor opened."""
    own = GRID | {"grid": ["fast 5, 10", "slow 30, 60"], "lockbox_share": share}
    swept = run_sweep(SweepParameters(**own, keep_cells=2), home, now=NOW)  # type: ignore[arg-type]
    chosen = run_walkforward(
        WalkForwardParameters(**own, train_size=250, test_size=150),  # type: ignore[arg-type]
        home,
        now=NOW,
    )
    seals = home.experiments_dir / "lockbox.db"
    before = (home.ledger_path.read_bytes(), seals.read_bytes() if share else b"")
    for record in (swept, chosen):
        found = reproduce(record.run_id, home, now=LATER)
        assert found.equal, found.differences
    assert (home.ledger_path.read_bytes(), seals.read_bytes() if share else b"") == before


def test_wrong_input_is_told(home: Settings, finished: tuple[Settings, RunRecord]) -> None:
    with pytest.raises(ArtifactError, match="there is no run 'nosuch'"):
        reproduce("nosuch", home, now=NOW)
    with pytest.raises(ArtifactError, match="no finished run in .* to rebuild"):
        reproduce("latest", dataclasses.replace(home, experiments_dir=home.home / "none"), now=NOW)
    with pytest.raises(ConfigError, match="tolerance must be 0 or above, got -1"):
        reproduce("latest", home, now=NOW, tolerance=-1)
    other = dataclasses.replace(finished[1], notebook="truth")
    with pytest.raises(ConfigError, match=r"notebook 'truth' cannot be computed again; name one of backtest"):
        reproduce(other, home, now=NOW)


def test_flat_parameters_come_back_typed(finished: tuple[Settings, RunRecord]) -> None:
    record = finished[1]
    own = BacktestParameters(
        features=["macd_hist_norm(12, 26, 9)", "where(close > open, max(rsi(14), 2), 0)"],
        execution=["half_spread(1)", "stop_loss(0.05)"],
        symbols=["A", "B"],
    )
    back, changed = recorded_parameters(dataclasses.replace(record, parameters=own.flat()))
    assert back == own
    assert changed == {}
    grid = SweepParameters(grid=["fast 5, 10", "kind a, b", "slow 30..60..10"])
    assert recorded_parameters(dataclasses.replace(record, notebook="sweep", parameters=grid.flat()))[0] == grid
    assert split_items("") == []


def test_frames_are_compared_by_their_bits() -> None:
    frame = pd.DataFrame({"a": [0.0, np.nan, 1.0], "b": ["x", "y", None]})
    assert compare_frames(frame, frame.copy())[0]
    signed = frame.assign(a=[-0.0, np.nan, 1.0])
    assert not compare_frames(frame, signed)[0]
    assert compare_frames(frame, signed, 1e-9)[0]
    assert compare_frames(frame, frame.iloc[:2])[:1] == (False,)
    assert "other columns" in compare_frames(frame, frame.rename(columns={"a": "c"}))[2]
    assert "other index" in compare_frames(frame, frame.set_axis([1, 2, 3]))[2]
    assert compare_frames(frame, frame.assign(b=["x", "z", None]))[0] is False
