"""A search over a backtest's parameters: scored on validation folds, every trial counted, the winner run once."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import pandas as pd

from workbench import risk
from workbench.config import BacktestParameters, Settings
from workbench.data import Dataset
from workbench.errors import ConfigError, DataError, WorkbenchError
from workbench.ops import file_lock
from workbench.pipeline.innerfolds import Validated, configuration_of, inner_part, prove_causal, validate
from workbench.pipeline.judge import per_bar_sharpe
from workbench.pipeline.lockbox import open_data
from workbench.pipeline.searchstudy import COMPLETE, FAILED, PRUNED, KeptTrials, Outcome, Study
from workbench.pipeline.space import Dimension, Value, configured, parse_space
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.tracking import RunRecord, Tracker

Progress = Callable[[float, str], None]
_FAILURES = (WorkbenchError, ValueError, ArithmeticError)  # a configuration's fault, as numpy and scikit-learn raise it
_SCORE = "validation_sharpe_ratio"


@dataclass(frozen=True, eq=False)
class Search:
    """A finished search.

    Parameters
    ----------
    best : dict
        The winner's values.
    score : float
        Its annual Sharpe ratio on the validation folds: the best of many, hence too good.
    trials : DataFrame
        One row per trial: ``number``, ``state`` (complete, pruned, failed), ``score``, ``n_folds``, ``config_hash``,
        ``reason``, then what was varied.
    record : RunRecord
        The winner's backtest over all bars, a counted trial of its own, deflated by all trials of its data set.
    test_start : Timestamp
        First bar that no trial has seen.
    test : dict[str, float]
        The winner from there on: ``n_bars``, ``total_return``, ``sharpe_ratio``, ``probabilistic_sharpe_ratio``.
    parent : str
        MLflow's id of the search, whose children are the trials.
    n_resumed : int
        Trials that an earlier, interrupted process had finished.
    """

    best: dict[str, Value]
    score: float
    trials: pd.DataFrame
    record: RunRecord
    test_start: pd.Timestamp
    test: dict[str, float]
    parent: str
    n_resumed: int = 0


def search(
    parameters: BacktestParameters,
    space: Mapping[str, str],
    settings: Settings,
    *,
    n_trials: int | None = None,
    sampler: Literal["tpe", "random", "grid"] = "tpe",
    n_jobs: int = 1,
    pruner: Literal["median", "none"] = "median",
    holdout: float = 0.25,
    seed: int = 7,
    now: datetime,
    progress: Progress | None = None,
) -> Search:
    """Try configurations on validation folds, count every one as a trial, and backtest the best once on all bars.

    Prefer a sweep for a rule whose parameters are few: it sees every cell. A search is for models, whose trials are
    dear.

    Parameters
    ----------
    parameters : BacktestParameters
        What is not varied.
    space : mapping of str to str
        What is: ``{"horizon": "int(1, 10)", "model.C": "float(1e-3, 1, log=true)"}``, see `parse_space`.
    n_trials : int, optional
        Trials in all, those of an interrupted earlier call with the same arguments included. 50 where left out; for a
        grid all of its cells.
    sampler : {"tpe", "random", "grid"}
    n_jobs : int
        Threads. With 1 the same seed gives the same trials, also after an interruption.
    pruner : {"median", "none"}
        ``median`` stops a trial whose score after two folds or more is below the median of finished ones after as many.
    holdout : float
        Share of the latest usable bars that no trial sees.
    seed : int
        Of the sampler; models draw with ``parameters.seed``.
    now : datetime
        Start, UTC.

    Returns
    -------
    Search

    Raises
    ------
    ConfigError, DataError
        For a space or bars that cannot be searched, or when no trial finished; trials so far are counted.
    WorkbenchError
        When the same search runs in another process.

    Notes
    -----
    Every trial, also a pruned or failed one, is a row of the trials ledger before the next is drawn, so the winner's
    deflated Sharpe ratio knows of all of them. Trials see only bars before the test part: features, labels, folds and
    pruning too. Finished trials lie in ``experiments/searches`` under a name made of everything that shapes them.

    References
    ----------
    Akiba, T. et al. (2019). Optuna: A Next-generation Hyperparameter Optimization Framework. KDD.
    Bergstra, J. et al. (2011). Algorithms for Hyper-Parameter Optimization. NeurIPS.
    """
    from workbench.pipeline.run import run_backtest
    from workbench.tracking.family import start_parent

    dimensions = _checked(parameters, space, n_jobs, holdout)
    tell = progress or (lambda _share, _words: None)
    study = Study(dimensions, sampler, pruner, seed)
    wanted = _wanted(n_trials, study.n_cells)
    opened = open_data(parameters, settings, now)
    inner, test_start = inner_part(opened.dataset, holdout)
    name = _key(parameters, dimensions, inner, sampler, pruner, seed)
    path = settings.experiments_dir / "searches" / f"{name}.jsonl"
    experiment = parameters.experiment or "search"
    with file_lock(path.with_suffix(".lock"), "searching", timeout=1.0):
        kept = KeptTrials(path)
        resumed = [kept.outcomes[n] for n in sorted(kept.outcomes) if n < wanted]
        for outcome in resumed:
            study.remember(outcome)
        with start_parent(settings, experiment, f"search {name[:8]}", now, again=kept.parent) as parent:
            kept.name_parent(parent.run_id)
            bench = _Bench(parameters, inner, test_start, settings, study, kept, experiment, now)
            todo = [n for n in range(wanted) if n not in kept.outcomes]
            bench.run_all(
                todo, n_jobs, lambda done: tell(0.8 * done / max(len(todo), 1), f"trial {done} of {len(todo)}")
            )
            best = _best([kept.outcomes[n] for n in range(wanted)])
            tell(0.8, "backtesting the winner on all bars")
            winner = configured(parameters, best.chosen)
            record = run_backtest(winner, settings, now=now, progress=lambda s, words: tell(0.8 + 0.2 * s, words))
            test = _tested(record, test_start)
            _describe(parent, space, wanted, best, test, record)
    trials = _table([kept.outcomes[n] for n in range(wanted)], list(dimensions))
    return Search(best.chosen, best.score, trials, record, test_start, test, kept.parent, len(resumed))


@dataclass(frozen=True)
class _Bench:
    """Everything that each trial needs."""

    base: BacktestParameters
    inner: Dataset
    test_start: pd.Timestamp
    settings: Settings
    study: Study
    kept: KeptTrials
    experiment: str
    now: datetime
    proved: set[tuple[str, ...]] = field(default_factory=set)

    def run_all(self, numbers: list[int], n_jobs: int, told: Callable[[int], None]) -> None:
        """Run trials one after the other or in threads; those that finished are kept whatever happens then."""
        if n_jobs == 1:
            for done, number in enumerate(numbers, 1):
                self.run(number)
                told(done)
            return
        with ThreadPoolExecutor(n_jobs) as pool:
            futures = [pool.submit(self.run, number) for number in numbers]
            try:
                for done, future in enumerate(as_completed(futures), 1):
                    future.result()
                    told(done)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def run(self, number: int) -> None:
        """Draw, judge, count and keep one trial."""
        trial, values = self.study.ask(number)
        scores: list[float] = []
        found, reason = self._judge(number, values, lambda n, score: self._note(trial, scores, n, score))
        identity = self._count(values, found)
        state = FAILED if found is None else PRUNED if found.pruned else COMPLETE
        score = math.nan if found is None else found.score
        outcome = Outcome(number, state, values, score, scores, identity, reason)
        self.kept.add(outcome)
        self.study.tell(trial, outcome)

    def _note(self, trial: object, scores: list[float], n_folds: int, score: float) -> bool:
        scores.append(score)
        return self.study.should_stop(trial, n_folds, score)

    def _judge(
        self, number: int, values: dict[str, Value], report: Callable[[int, float], bool]
    ) -> tuple[Validated | None, str]:
        from workbench.tracking.family import start_child

        try:
            with start_child(self.settings, self.experiment, self.kept.parent, f"trial {number}", self.now) as child:
                child.log_params(values)

                def logged(n_folds: int, score: float) -> bool:
                    child.log_metric(_SCORE, score, n_folds)
                    return report(n_folds, score)

                parameters = configured(self.base, values)
                self._prove(parameters)
                found = validate(parameters, self.inner, self.settings, logged)
                child.set_tags({"workbench.state": PRUNED if found.pruned else COMPLETE})
        except _FAILURES as err:
            return None, f"{type(err).__name__}: {' '.join(str(err).split())}"
        return found, ""

    def _prove(self, parameters: BacktestParameters) -> None:
        """Prove each set of features once: trials that differ in other things compute the same ones."""
        features = tuple(parameters.features)
        if features not in self.proved:
            prove_causal(parameters, self.inner)
            self.proved.add(features)

    def _count(self, values: dict[str, Value], found: Validated | None) -> str:
        """Count the trial in the ledger: what it earned where it was judged, nothing known where it failed."""
        from workbench.pipeline.identity import trial_hash
        from workbench.tracking import TrialsLedger, sketch_of

        configuration: Json
        try:
            configuration = configuration_of(configured(self.base, values), self.test_start)
        except _FAILURES:
            configuration = {"base": dict(self.base.flat()), "values": values, "judged_on": "validation folds"}
        identity = trial_hash(configuration)
        TrialsLedger(self.settings.ledger_path).record(
            dataset=self.inner.name,
            config_hash=identity,
            config=configuration,
            sharpe=math.nan if found is None else per_bar_sharpe(found.returns),
            n_obs=0 if found is None else len(found.returns),
            content_hash=self.inner.content_hash,
            now=self.now,
            series=self.inner.series_hash,
            sketch=None if found is None else sketch_of(found.returns),
        )
        return identity


def _checked(
    parameters: BacktestParameters, space: Mapping[str, str], n_jobs: int, holdout: float
) -> dict[str, Dimension]:
    if n_jobs < 1:
        raise ConfigError(f"n_jobs must be at least 1, got {n_jobs}")
    if not 0.05 <= holdout <= 0.9:
        raise ConfigError(f"holdout must be 0.05 to 0.9 of the bars, got {holdout:g}; 0.25 is usual")
    if parameters.open_lockbox:
        raise ConfigError("a search must not see the lock-box; set open_lockbox for one backtest of the winner only")
    return parse_space(space, parameters)


def _wanted(n_trials: int | None, n_cells: int | None) -> int:
    if n_trials is not None and n_trials < 1:
        raise ConfigError(f"n_trials must be at least 1, got {n_trials}")
    if n_cells is None:
        return 50 if n_trials is None else n_trials
    return n_cells if n_trials is None else min(n_trials, n_cells)


def _key(
    parameters: BacktestParameters, space: Mapping[str, Dimension], inner: Dataset, sampler: str, pruner: str, seed: int
) -> str:
    """Name a search by all that shapes its trials: the same search goes on, another begins anew."""
    from workbench.features import feature_versions

    lists = [list(parameters.features)]
    if "features" in space:
        lists += [list(configured(parameters, {"features": c}).features) for c in space["features"].choices]
    versions = sorted({v for specs in lists for v in feature_versions(specs).values()})
    bars = [inner.name, inner.content_hash]
    whole = [parameters.flat(), {n: str(d) for n, d in space.items()}, bars, versions, sampler, pruner, seed]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:24]


def _best(outcomes: Iterable[Outcome]) -> Outcome:
    done = list(outcomes)
    finished = [o for o in done if o.state == COMPLETE]
    if not finished:
        raise DataError(
            f"none of {len(done)} trials finished, the first says: {done[0].reason or 'pruned'}; "
            "give more bars, shorter folds or another space (all are counted)"
        )
    return max(finished, key=lambda o: (o.score, -o.number))


def _tested(record: RunRecord, test_start: pd.Timestamp) -> dict[str, float]:
    net = record.frame("returns")["strategy"].loc[test_start:]
    if len(net) < 2:
        return {"n_bars": float(len(net))}
    return {
        "n_bars": float(len(net)),
        "total_return": risk.total_return(net),
        "sharpe_ratio": risk.sharpe_ratio(net),
        "probabilistic_sharpe_ratio": risk.probabilistic_sharpe_ratio(net),
    }


def _describe(
    parent: Tracker, space: Mapping[str, str], n_trials: int, best: Outcome, test: dict[str, float], record: RunRecord
) -> None:
    parent.set_tags(
        {"workbench.winner": record.run_id, "workbench.best_trial": best.number, "workbench.trials": n_trials}
    )
    parent.set_tags({f"workbench.space.{name}": text for name, text in space.items()})
    parent.log_metrics({_SCORE: best.score, **{f"test_{name}": value for name, value in test.items()}})


def _table(outcomes: list[Outcome], names: list[str]) -> pd.DataFrame:
    rows = [
        {"number": o.number, "state": o.state, "score": o.score, "n_folds": len(o.scores), "config_hash": o.config_hash,
         "reason": o.reason, **o.chosen}
        for o in outcomes
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["number", "state", "score", "n_folds", "config_hash", "reason", *names])
