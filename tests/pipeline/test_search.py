"""A search: scored on validation folds only, every trial counted, resumed after a kill, fifty trials in parallel."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.config import BacktestParameters, Settings
from workbench.data import Dataset, load_dataset, open_store
from workbench.errors import ConfigError, DataError
from workbench.pipeline.innerfolds import Report, Validated, inner_part, validate
from workbench.pipeline.search import Search, search
from workbench.pipeline.searchstudy import KeptTrials, Outcome, Study
from workbench.pipeline.space import configured, parse_space
from workbench.tracking import TrialsLedger, list_runs
from workbench.tracking.family import list_children

NOW = datetime(2024, 3, 1, tzinfo=UTC)
MARKET = "planted(strength=0.7, seed=7, n_bars=1500)"
BASE = BacktestParameters(
    source=MARKET, symbols=["PLANTED"], features=["ret(1)", "volume_z(20)"], horizon=1, train_size=400, test_size=200,
    replicates=100, null_draws=0,
)  # fmt: skip
SPACE = {"horizon": "int(1, 8)", "model.C": "float(1e-3, 10, log=true)", "rule": "choice(sign, proportional)"}


@pytest.fixture
def new_home(home_in: Callable[[Path], Settings], tmp_path: Path) -> Callable[[str], Settings]:
    return lambda name: home_in(tmp_path / name)


def quick(parameters: BacktestParameters, inner: Dataset, _settings: Settings, report: Report) -> Validated:
    """A trial without a model: the best horizon is 5."""
    score = -abs(parameters.horizon - 5) + parameters.neutral_band
    stop = report(1, score) or report(2, score)
    returns = pd.Series(np.linspace(-0.01, 0.011, 60), index=inner.bars.index[:60])
    return Validated(score, returns, 2, stop)


QUICK = {"horizon": "int(1, 10)", "neutral_band": "float(0, 0.4)"}


def run(home: Settings, n_trials: int = 6, **changes: Any) -> Search:
    return search(BASE, changes.pop("space", SPACE), home, n_trials=n_trials, now=NOW, **changes)


@pytest.mark.slow
def test_every_trial_is_counted_and_the_winner_is_run_once(new_home: Callable[[str], Settings]) -> None:
    home = new_home("a")
    found = run(home, space=SPACE | {"train_size": "int(300, 1400, step=1100)"}, n_trials=6)
    assert len(found.trials) == 6
    assert set(found.trials["state"]) == {"complete", "failed"} or "pruned" in set(found.trials["state"])
    failed = found.trials[found.trials["state"] == "failed"]
    assert (failed["train_size"] == 1400).all()
    assert failed["reason"].str.startswith("DataError").all()
    ledger = TrialsLedger(home.ledger_path)
    counted = ledger.trials(found.record.dataset["name"])
    assert set(found.trials["config_hash"]) <= set(counted["config_hash"])
    assert len(counted) == found.trials["config_hash"].nunique() + 1
    assert found.record.metrics["n_trials"] == len(counted)
    assert found.record.parameters["horizon"] == found.best["horizon"]
    complete = found.trials[found.trials["state"] == "complete"]
    assert found.score == complete["score"].max()
    assert found.score > 1.0
    net = found.record.frame("returns")["strategy"]
    assert found.test["n_bars"] == len(net.loc[found.test_start :])
    json.loads(counted["config"].iloc[0])


@pytest.mark.slow
def test_a_killed_search_goes_on_and_gives_the_same_trials(
    new_home: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.pipeline.search.validate", quick)
    whole = run(new_home("whole"), n_trials=12, space=QUICK)
    home = new_home("killed")
    add, seen = KeptTrials.add, []

    def killed(self: KeptTrials, outcome: Outcome) -> None:
        add(self, outcome)
        seen.append(outcome.number)
        if len(seen) == 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(KeptTrials, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            run(home, n_trials=12, space=QUICK)
    path = next((home.experiments_dir / "searches").glob("*.jsonl"))
    with path.open("ab") as stream:
        stream.write(b'{"number": 10, "state": "comp')
    again = run(home, n_trials=12, space=QUICK)
    assert again.n_resumed == 10
    pd.testing.assert_frame_equal(again.trials, whole.trials)
    assert again.best == whole.best
    assert len(list_children(home, again.parent)) == 12
    more = run(home, n_trials=13, space=QUICK)
    assert more.n_resumed == 12
    assert more.parent == again.parent
    pd.testing.assert_frame_equal(more.trials.head(12), whole.trials)


@pytest.mark.slow
def test_fifty_parallel_trials_are_children_of_one_parent(
    new_home: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.pipeline.search.validate", quick)
    home = new_home("parallel")
    found = run(home, n_trials=50, n_jobs=4, space=QUICK)
    assert sorted(found.trials["number"]) == list(range(50))
    children = list_children(home, found.parent)
    assert len(children) == 50
    assert (children["status"] == "FINISHED").all()
    assert len(list_runs(home)) == 52  # parent, children, winner
    assert found.best["horizon"] == 5
    assert (found.trials["state"] == "pruned").any()
    counted = TrialsLedger(home.ledger_path).trials(found.record.dataset["name"])
    assert len(counted) == found.trials["config_hash"].nunique() + 1


@pytest.mark.slow
def test_bars_of_the_test_part_move_no_trial(new_home: Callable[[str], Settings]) -> None:
    """The same market with another end: a trial sees none of it."""
    home = new_home("sealed")
    dataset = load_dataset(MARKET, ["PLANTED"], settings=home)
    inner, test_start = inner_part(dataset, 0.25)
    assert inner.bars.index[-1] < test_start
    assert len(inner.bars) == 1125
    bars = dataset.bars.copy()
    bars.loc[test_start:, ["open", "high", "low", "close"]] *= 3.0
    store = open_store(home)
    scores: list[list[float]] = []
    for source, frame in (("plain", dataset.bars), ("other", bars)):
        store.write(source, "PLANTED", "1d", frame)
        cut, _ = inner_part(load_dataset(source, ["PLANTED"], settings=home), 0.25)
        told: list[float] = []
        found = validate(BASE, cut, home, lambda _n, score, told=told: bool(told.append(score)))
        assert found.returns.index[-1] < test_start
        scores.append(told)
    assert scores[0] == scores[1]
    assert len(scores[0]) >= 3
    stopped = validate(BASE, inner, home, lambda n, _score: n == 2)
    assert (stopped.pruned, stopped.n_folds) == (True, 2)
    assert stopped.score == scores[0][1]


def test_a_grid_is_walked_in_order_and_pruning_reads_finished_trials() -> None:
    space = parse_space({"horizon": "int(1, 5, step=2)", "rule": "choice(sign, proportional)"}, BASE)
    study = Study(space, "grid", "median", 0)
    assert study.n_cells == 6
    assert [study.ask(n)[1]["horizon"] for n in range(6)] == [1, 1, 3, 3, 5, 5]
    study = Study(space, "random", "median", 0)
    for number in range(6):
        outcome = Outcome(number, "complete", study.ask(number)[1], 1.0, [1.0, 1.0])
        study.remember(outcome)
    trial, _ = study.ask(6)
    assert not study.should_stop(trial, 1, 0.5)
    assert study.should_stop(trial, 2, 0.5)
    assert not Study(space, "random", "none", 0).should_stop(Study(space, "random", "none", 0).ask(0)[0], 1, -9.0)


def test_a_space_is_read_and_put_in_place() -> None:
    space = {
        "model.C": "float(0.001, 1, log=true)",
        "features": "choice([ret(1), macd_hist_norm(12, 26, 9)], [rsi(14)])",
        "expanding": "choice(true, false)",
        "volatility_target": "float(0, 0.4, step=0.2)",
    }
    read = parse_space(space, BASE)
    assert read["model.C"].log
    assert read["volatility_target"].cells() == [0.0, 0.2, 0.4]
    values = {name: (d.choices or (0.5,))[0] for name, d in read.items()} | {"volatility_target": 0.2}
    found = configured(BASE, values)
    assert found.features == ["ret(1)", "macd_hist_norm(12, 26, 9)"]
    assert found.model == "logistic(C=0.5)"
    assert found.expanding is True
    assert found.volatility_target == 0.2


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "search space is empty"),
        ({"horizn": "int(1, 5)"}, r"no parameter 'horizn'. Did you mean 'horizon'"),
        ({"fee_bps": "float(0, 5)"}, "fee_bps cannot be searched, the cheapest market would always win"),
        ({"source": "choice(a, b)"}, "judged on the same bars"),
        ({"horizon": "int 1 5"}, "is not of the form"),
        ({"horizon": "itn(1, 5)"}, "unknown kind 'itn'. Did you mean 'int'"),
        ({"horizon": "float(1, 5)"}, "does not fit this parameter; write int"),
        ({"horizon": "int(5, 1)"}, "low must be below high"),
        ({"horizon": "int(1, x)"}, "needs two whole numbers"),
        ({"horizon": "int(0, 5)"}, "horizon"),
        ({"neutral_band": "float(0, 1, log=true)"}, "log needs a low above 0"),
        ({"neutral_band": "float(0, 1, lgo=true)"}, "unknown option 'lgo'"),
        ({"neutral_band": "float(0, 1, log=maybe)"}, "log must be true or false"),
        ({"rule": "choice(sign)"}, "two or more different choices"),
        ({"features": "choice(ret(1), ret(2))"}, "must be a list"),
        ({"horizon.x": "int(1, 2)"}, "only model and rule have any"),
    ],
)
def test_a_wrong_space_is_told(space: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_space(space, BASE)


def test_wrong_arguments_are_told(settings: Settings) -> None:
    for changes, message in (
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
        ({"n_trials": 0}, "n_trials must be at least 1"),
        ({"holdout": 0.99}, "holdout must be 0.05 to 0.9"),
        ({"sampler": "tp"}, "unknown sampler 'tp'. Did you mean 'tpe'"),
        ({"pruner": "medan"}, "unknown pruner 'medan'. Did you mean 'median'"),
        ({"sampler": "grid"}, "a grid needs choice"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(settings, **changes)  # type: ignore[arg-type]
    opened = BASE.model_copy(update={"open_lockbox": True, "lockbox_share": 0.2})
    with pytest.raises(ConfigError, match="must not see the lock-box"):
        search(opened, SPACE, settings, now=NOW)
    assert not settings.ledger_path.exists()


@pytest.mark.slow
def test_trials_that_all_fail_are_counted_and_told(new_home: Callable[[str], Settings]) -> None:
    home = new_home("failing")
    with pytest.raises(DataError, match=r"none of 2 trials finished, the first says: DataError"):
        run(home, n_trials=2, space={"train_size": "int(2000, 3000)"})
    (n_counted,) = TrialsLedger(home.ledger_path).datasets().values()
    assert n_counted == 2
