"""Registered models: only the gates make a champion, there is always exactly one, and an altered file is not loaded."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings, load_settings
from workbench.errors import ArtifactError, ConfigError, PromotionError
from workbench.tracking import (
    GatePolicy,
    RunRecord,
    TrialsLedger,
    champion_folder,
    list_models,
    list_promotions,
    log_record,
    promote,
    register_model,
    rollback,
    start_run,
    write_record,
)
from workbench.tracking.promotion_ledger import append_entry
from workbench.tracking.records import record_folder
from workbench.tracking.store import open_store

Make = Callable[..., RunRecord]
NOW = datetime(2024, 3, 1, 2, tzinfo=UTC)
GOOD = {"deflated_sharpe_ratio": 0.99, "max_drawdown": 0.1, "sharpe_ratio": 3.0, "n_bars": 500.0, "n_fills": 200.0}
BASELINES = {
    "zero": {"sharpe_ratio": math.nan},
    "persistence": {"sharpe_ratio": 0.1},
    "buy_and_hold": {"sharpe_ratio": 0.5},
}


@pytest.fixture
def add_model(store: Settings, make_record: Make, tmp_path: Path, rng: np.random.Generator) -> Callable[..., int]:
    """Write a run with this quality, log it and register a model of it."""
    time = pd.date_range("2020-01-01", periods=500, freq="D", tz="UTC", name="time")
    noise = rng.normal(size=500)

    def add(name: str = "momentum", mean: float = 0.003, **metrics: float) -> int:
        idle = dict.fromkeys(BASELINES, 0.0)
        returns = pd.DataFrame({"strategy": mean + 0.01 * (noise - noise.mean()) / noise.std(), **idle}, index=time)
        fills = pd.DataFrame({"time": time[:200], "symbol": "SPX", "units": 1.0})
        with start_run(store, "nightly", name) as tracker:
            record = make_record(
                tracker.run_id, metrics=GOOD | metrics, baselines=BASELINES, verdict={"passed": mean > 0},
                frames={"returns": returns, "fills": fills},
            )  # fmt: skip
            write_record(record, store)
            log_record(record, store)
        folder = tmp_path / "saved" / tracker.run_id
        folder.mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps({"run": tracker.run_id}))
        (folder / "extra.json").write_text(json.dumps({"run_id": tracker.run_id}))
        (folder / "weights.safetensors").write_bytes(rng.bytes(64))
        return register_model(store, name, tracker.run_id, folder)

    return add


def aliases(settings: Settings, name: str = "momentum") -> dict[str, int]:
    """MLflow's own word on the aliases."""
    return {k: int(v) for k, v in open_store(settings).get_registered_model(name).aliases.items()}


def test_a_good_challenger_becomes_champion_and_the_old_one_is_kept(
    store: Settings, add_model: Callable[..., int]
) -> None:
    assert add_model() == 1
    assert aliases(store) == {"challenger": 1}
    with pytest.raises(ArtifactError, match="model 'momentum' has no champion"):
        champion_folder(store, "momentum")
    first = promote(store, "momentum", now=NOW, who="ann", reason="first")
    assert (first.version, first.replaced) == (1, 0)
    assert aliases(store) == {"champion": 1}
    assert add_model() == 2
    second = promote(store, "momentum", "v2", now=NOW + timedelta(days=1), who="bob", reason="better")
    assert aliases(store) == {"champion": 2, "previous": 1}
    assert champion_folder(store, "momentum") == second.folder
    assert json.loads((second.folder / "model.json").read_text())["run"] == second.run_id
    table = list_models(store)
    assert list(table["version"]) == [2, 1]
    assert list(table["aliases"]) == ["champion", "previous"]
    assert list(table["verdict"]) == ["passed", "passed"]
    assert list(table["sharpe_ratio"]) == [3.0, 3.0]
    ledger = list_promotions(store)
    assert list(ledger["outcome"]) == ["intended", "done"] * 2
    assert list(ledger["who"]) == ["ann", "ann", "bob", "bob"]
    assert ledger["gates"][3][0]["name"] == "deflated_sharpe_ratio"
    with pytest.raises(PromotionError, match="momentum v2 is champion already"):
        promote(store, "momentum", 2, now=NOW)


def test_a_refusal_names_the_gate_and_leaves_the_champion(store: Settings, add_model: Callable[..., int]) -> None:
    add_model()
    promote(store, "momentum", now=NOW)
    add_model(max_drawdown=0.41)
    run = list_models(store)["run_id"][0]
    with pytest.raises(PromotionError) as caught:
        promote(store, "momentum", now=NOW, who="ann")
    assert (
        str(caught.value) == f"run {run[:6]} not promoted: max_drawdown 0.41 > 0.35 (gate 2 of 7). Champion stays v1."
    )
    assert aliases(store) == {"champion": 1, "challenger": 2}
    assert list(list_promotions(store)["outcome"]) == ["intended", "done", "refused"]
    policy = GatePolicy(max_drawdown=0.5)
    assert promote(store, "momentum", now=NOW, policy=policy).version == 2


def test_the_callers_word_and_a_flattering_record_do_not_count(store: Settings, add_model: Callable[..., int]) -> None:
    add_model(mean=0.0)
    says = (
        r"deflated_sharpe_ratio 0\.15 < 0\.95 \(gate 1 of 7\); sharpe_ratio 0\.00 <= 0\.10 of persistence .*"
        r"sharpe_ratio 0\.00 <= 0\.50 of buy_and_hold \(gate 5 of 7\)\. There is no champion yet\."
    )
    with pytest.raises(PromotionError, match=says):
        promote(store, "momentum", now=NOW)


def edit(settings: Settings, run_id: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Alter a record's text and make its own hash fit again."""
    path = record_folder(run_id, settings) / "run.json"
    body = json.loads(path.read_text())
    del body["sha256"]
    change(body)
    whole = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({**body, "sha256": whole}))


def test_a_record_edited_since_the_registration_is_not_judged(
    store: Settings, add_model: Callable[..., int], tmp_path: Path
) -> None:
    add_model(mean=0.0)
    run = list_models(store)["run_id"][0]
    folder = tmp_path / "copy"

    def flatter(body: dict[str, Any]) -> None:
        del body["files"]["returns.parquet"]

    edit(store, run, flatter)
    with pytest.raises(ArtifactError, match=rf"record of run {run} is not the one that momentum v1 was registered"):
        promote(store, "momentum", now=NOW)
    folder.mkdir()
    (folder / "extra.json").write_text(json.dumps({"run_id": run}))
    for name in ("momentum", "another"):
        with pytest.raises(ArtifactError, match=rf"record of run {run} was altered since momentum v1 was registered"):
            register_model(store, name, run, folder)
    assert aliases(store) == {"challenger": 1}


def test_a_model_of_another_run_is_neither_registered_nor_promoted(
    store: Settings, add_model: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_model(mean=0.0)
    refused = list_models(store)["run_id"][0]
    add_model()
    good = list_models(store)["run_id"][0]
    says = rf"made by run '{refused}', not by run '{good}'; a run vouches for its own model only"
    with pytest.raises(ArtifactError, match=says):
        register_model(store, "momentum", good, tmp_path / "saved" / refused)
    with monkeypatch.context() as patch:  # as older code registered it
        patch.setattr("workbench.tracking.registry.check_origin", lambda *_: None)
        assert register_model(store, "momentum", good, tmp_path / "saved" / refused) == 3
    with pytest.raises(ArtifactError, match=says):
        promote(store, "momentum", 3, now=NOW)
    for text in ("{}", "[]", "not JSON"):
        (tmp_path / "saved" / good / "extra.json").write_text(text)
        with pytest.raises(ArtifactError, match="does not say which run made it"):
            register_model(store, "momentum", good, tmp_path / "saved" / good)


def test_trials_made_since_the_run_deflate_it_at_the_gate(store: Settings, add_model: Callable[..., int]) -> None:
    add_model(mean=0.0012)
    ledger = TrialsLedger(store.ledger_path)
    for k in range(60):
        ledger.record("sample:1d:SPX", f"h{k}", {"k": k}, 0.1 * math.sin(k), 500, "c", NOW)
    with pytest.raises(PromotionError, match=r"deflated_sharpe_ratio 0\.\d+ < 0\.95"):
        promote(store, "momentum", now=NOW)


def test_rollback_goes_back_once(store: Settings, add_model: Callable[..., int]) -> None:
    add_model()
    promote(store, "momentum", now=NOW)
    with pytest.raises(PromotionError, match="no earlier champion"):
        rollback(store, "momentum", now=NOW)
    add_model()
    promote(store, "momentum", now=NOW)
    back = rollback(store, "momentum", now=NOW, who="ann", reason="slippage")
    assert (back.version, back.replaced) == (1, 2)
    assert aliases(store) == {"champion": 1}
    assert champion_folder(store, "momentum") == back.folder
    assert list(list_promotions(store)["action"]) == ["promote"] * 4 + ["rollback"] * 2


@pytest.mark.parametrize("fault", ["altered", "missing", "added"])
def test_a_tampered_model_is_neither_promoted_nor_loaded(
    store: Settings, add_model: Callable[..., int], fault: str
) -> None:
    add_model()
    folder = promote(store, "momentum", now=NOW).folder
    weights = folder / "weights.safetensors"
    if fault == "altered":
        weights.write_bytes(b"x" + weights.read_bytes()[1:])
    elif fault == "missing":
        weights.unlink()
    else:
        weights = folder / "more.json"
        weights.write_text("{}")
    with pytest.raises(ArtifactError, match=rf"model 'momentum' v1 was altered: {weights.name} in .* SHA-256"):
        champion_folder(store, "momentum")
    add_model()
    assert promote(store, "momentum", now=NOW).version == 2
    with pytest.raises(ArtifactError, match="v1 was altered"):
        rollback(store, "momentum", now=NOW)
    assert aliases(store)["champion"] == 2


def test_an_alias_moved_by_hand_is_not_a_champion(store: Settings, add_model: Callable[..., int]) -> None:
    add_model()
    promote(store, "momentum", now=NOW)
    add_model(max_drawdown=0.9)
    open_store(store).set_registered_model_alias("momentum", "champion", "2")
    with pytest.raises(ArtifactError, match="champion v2 of 'momentum' is not in the promotion ledger"):
        champion_folder(store, "momentum")
    with pytest.raises(PromotionError, match="max_drawdown"):
        promote(store, "momentum", 2, now=NOW)
    promote(store, "momentum", 1, now=NOW)
    assert aliases(store) == {"champion": 1, "previous": 2, "challenger": 2}
    with pytest.raises(PromotionError, match="v2 never passed the gates"):
        rollback(store, "momentum", now=NOW)


def test_an_altered_ledger_stops_everything(store: Settings, add_model: Callable[..., int]) -> None:
    add_model()
    promote(store, "momentum", now=NOW, who="ann")
    path = store.experiments_dir / "promotions.jsonl"
    good = path.read_text()
    for bad in (good.replace("ann", "bob"), good.split("\n", 1)[1], "x\n" + good):
        path.write_text(bad)
        with pytest.raises(ArtifactError, match=r"promotion ledger .* was altered at line 1"):
            champion_folder(store, "momentum")
    path.write_text(good + '{"number": 3, "na')
    assert len(list_promotions(store)) == 2
    add_model()
    promote(store, "momentum", now=NOW)
    assert len(list_promotions(store)) == 4


class Crash(BaseException):
    """A process that dies: nothing of ours catches it."""


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_leaves_one_champion_and_the_next_promotion_works(
    store: Settings, add_model: Callable[..., int], monkeypatch: pytest.MonkeyPatch, step: int, after: bool
) -> None:
    add_model()
    promote(store, "momentum", now=NOW)
    add_model()
    count = 0

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count - 1 == step and not after:
                raise Crash
            result = real(*args, **kwargs)
            if count - 1 == step:
                raise Crash
            return result

        return call

    client = open_store(store)
    with monkeypatch.context() as patch:
        patch.setattr("workbench.tracking.promotion.append_entry", dying(append_entry))
        for method in ("set_registered_model_alias", "delete_registered_model_alias"):
            patch.setattr(client, method, dying(getattr(client, method)))
        crashed = False
        try:
            promote(store, "momentum", now=NOW)
        except Crash:
            crashed = True
    assert crashed
    assert aliases(store)["champion"] in (1, 2)
    assert champion_folder(store, "momentum").is_dir()
    moved = aliases(store)["champion"] == 2
    assert moved == ((step, after) >= (1, True))
    add_model()
    assert promote(store, "momentum", now=NOW).replaced == (2 if moved else 1)
    assert aliases(store) == {"champion": 3, "previous": 2 if moved else 1}
    assert champion_folder(store, "momentum").is_dir()
    assert list_promotions(store)["outcome"].iloc[-1] == "done"


PROMOTER = """
import sys
from datetime import UTC, datetime
from workbench.config import load_settings
from workbench.errors import PromotionError
from workbench.tracking import promote
try:
    promote(load_settings(), "momentum", int(sys.argv[1]), now=datetime(2024, 3, 1, tzinfo=UTC), who=sys.argv[1])
except PromotionError as err:
    print(err)
"""


@pytest.mark.slow
def test_promotions_at_once_go_one_after_the_other(store: Settings, add_model: Callable[..., int]) -> None:
    for _ in range(3):
        add_model()
    workers = [subprocess.Popen([sys.executable, "-c", PROMOTER, str(v)]) for v in (1, 2, 3)]
    assert [w.wait(timeout=120) for w in workers] == [0] * 3
    ledger = list_promotions(store)
    assert list(ledger["outcome"]) == ["intended", "done"] * 3
    order = list(ledger["version"][::2])
    assert list(ledger["champion"][::2]) == [0, *order[:2]]
    assert aliases(store)["champion"] == order[-1]


def test_bad_requests_are_one_line_each(store: Settings, add_model: Callable[..., int], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no registered model 'momentum'\. None is registered yet"):
        promote(store, "momentum", now=NOW)
    add_model()
    run = list_models(store)["run_id"][0]
    with pytest.raises(ConfigError, match=r"no registered model 'momentom'\. Did you mean 'momentum'\?"):
        champion_folder(store, "momentom")
    with pytest.raises(ConfigError, match="momentum has no version 'v9'"):
        promote(store, "momentum", "v9", now=NOW)
    with pytest.raises(ConfigError, match="version 'latest' is not a number"):
        promote(store, "momentum", "latest", now=NOW)
    with pytest.raises(ConfigError, match="model name '../x' is not usable"):
        register_model(store, "../x", run, tmp_path)
    with pytest.raises(ArtifactError, match="does not exist"):
        register_model(store, "momentum", run, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="is empty"):
        register_model(store, "momentum", run, tmp_path / "empty")
    (tmp_path / "empty" / "model.pkl").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="pickles and links are refused"):
        register_model(store, "momentum", run, tmp_path / "empty")
    (tmp_path / "empty" / "model.pkl").rename(tmp_path / "empty" / "model.json")
    with pytest.raises(ArtifactError, match="run nobody is not in MLflow"):
        register_model(store, "momentum", "nobody", tmp_path / "empty")
    promote(store, "momentum", now=NOW)
    with pytest.raises(PromotionError, match="momentum has no challenger"):
        promote(store, "momentum", now=NOW)


def test_registering_again_is_the_same_version(store: Settings, add_model: Callable[..., int], tmp_path: Path) -> None:
    assert add_model() == 1
    run = list_models(store)["run_id"][0]
    assert register_model(store, "momentum", run, tmp_path / "saved" / run) == 1


def test_a_moved_home_still_finds_its_champion(store: Settings, add_model: Callable[..., int], tmp_path: Path) -> None:
    add_model()
    promote(store, "momentum", now=NOW)
    shutil.copytree(store.experiments_dir, tmp_path / "moved" / "experiments")
    moved = load_settings({"WORKBENCH_HOME": str(tmp_path / "moved")})
    assert champion_folder(moved, "momentum").is_relative_to(tmp_path / "moved")


def test_artifacts_kept_elsewhere_are_fetched_and_checked(store: Settings, add_model: Callable[..., int]) -> None:
    add_model()
    folder = promote(store, "momentum", now=NOW).folder
    open_store(store).set_model_version_tag("momentum", "1", "workbench.folder", "")
    fetched = champion_folder(store, "momentum")
    assert fetched != folder
    assert {p.name: p.read_bytes() for p in fetched.iterdir()} == {p.name: p.read_bytes() for p in folder.iterdir()}
    (fetched / "model.json").write_text("{}")
    assert (
        champion_folder(store, "momentum").joinpath("model.json").read_bytes() == (folder / "model.json").read_bytes()
    )
    (folder / "model.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"altered: model.json"):
        champion_folder(store, "momentum")
