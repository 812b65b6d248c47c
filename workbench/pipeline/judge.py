"""Measures, the counted trial and the verdict of one run."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.backtest import (
    Forecasts,
    deflated_sharpe_ratio,
    expected_max_sharpe_ratio,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)
from workbench.config import Settings
from workbench.data import Dataset
from workbench.pipeline.identity import trial_configuration, trial_hash
from workbench.pipeline.portfolio import BASELINES
from workbench.risk import periods_per_year
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.features import Design
    from workbench.pipeline.evidence import Evidence
    from workbench.pipeline.record import Evaluation
    from workbench.tracking import TrialsLedger

_LONGEST = 300
"""Letters of a configuration that the table of trials keeps."""


@dataclass(frozen=True)
class Judgement:
    """Everything said about a run: its measures, those of the baselines, its place among the trials, the gates."""

    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    trial: Json
    verdict: Json
    reliability: pd.DataFrame
    trials: pd.DataFrame


def judge(
    evaluation: Evaluation,
    evidence: Evidence,
    settings: Settings,
    now: datetime,
    run_id: str,
    trial: Json | None = None,
) -> Judgement:
    """Measure a run, count its configuration as a trial of its dataset, deflate its Sharpe ratio and ask the gates.

    A recorded ``trial`` is taken as it is: nothing is counted or opened then.
    """
    from workbench.tracking import check_gates

    plan, portfolio, opened = evaluation.plan, evaluation.portfolio, evaluation.opened
    forecasts, design = evaluation.forecasts, evaluation.design
    metrics = portfolio.strategy.summary(plan.confidence) | forecast_metrics(forecasts, design)
    baselines = {name: portfolio.results[name].summary(plan.confidence) for name in BASELINES}
    net, trials = portfolio.strategy.returns, pd.DataFrame()
    if trial is None:
        configuration = trial_configuration(evaluation.parameters, plan, opened.end)
        trial, trials = count_trial(configuration, net, evaluation.dataset, settings, now)
        trial = trial | opened.opening(run_id, settings, now)
    metrics |= believed(net, trial) | evidence.metrics | opened.metrics(net, trial)
    verdict = check_gates(metrics, baselines)
    return Judgement(
        metrics=metrics,
        baselines=baselines,
        trial=trial,
        verdict=verdict.as_dict(),
        reliability=_reliability(forecasts, design),
        trials=trials,
    )


def count_trial(
    configuration: Json, net: pd.Series, dataset: Dataset, settings: Settings, now: datetime
) -> tuple[Json, pd.DataFrame]:
    """Count one evaluated configuration in the ledger; return its place, and all trials of its data set."""
    from workbench.tracking import TrialsLedger, sketch_of

    identity, ledger = trial_hash(configuration), TrialsLedger(settings.ledger_path)
    trial = ledger.record(
        dataset=dataset.name,
        config_hash=identity,
        config=configuration,
        sharpe=per_bar_sharpe(net),
        n_obs=len(net),
        content_hash=dataset.content_hash,
        now=now,
        series=dataset.series_hash,
        sketch=sketch_of(net),
    )
    return standing_among(ledger, dataset, asdict(trial) | {"config_hash": identity})


def standing_among(ledger: TrialsLedger, dataset: Dataset, trial: Json) -> tuple[Json, pd.DataFrame]:
    """Add to a counted trial what its data set's trials come down to: independent bets, their spread, overfitting.

    Returns
    -------
    trial
        With ``n_effective``, ``effective_variance``, ``probability_of_overfitting`` and ``cluster``.
    trials
        One row per trial under the data set's name: ``number``, ``first_seen``, annual ``sharpe_ratio``, ``cluster``,
        ``config`` as text.
    """
    from workbench.tracking import standing_of

    standing, table = standing_of(ledger, dataset.name), ledger.trials(dataset.name)
    year = math.sqrt(periods_per_year(pd.DatetimeIndex(dataset.bars.index)))
    trials = pd.DataFrame(
        {
            "number": table["number"],
            "first_seen": table["first_seen"],
            "sharpe_ratio": table["sharpe"] * year,
            "cluster": table["config_hash"].map(standing.clusters).astype("float64"),
            "config": table["config"].astype(str).str.slice(0, _LONGEST),
        }
    )
    return trial | {
        "n_effective": standing.n_effective,
        "effective_variance": standing.effective_variance,
        "probability_of_overfitting": standing.probability_of_overfitting,
        "cluster": standing.clusters.get(str(trial["config_hash"])),
    }, trials


def believed(net: pd.Series, trial: Json) -> dict[str, float]:
    """Return how far a Sharpe ratio can be believed after all trials, from the place `count_trial` gave it.

    ``deflated_sharpe_ratio`` counts independent bets, ``deflated_sharpe_ratio_all_trials`` every configuration.
    """
    n_effective, n_trials = int(trial["n_effective"]), int(trial["n_trials"])
    periods = periods_per_year(pd.DatetimeIndex(net.index))
    luck = expected_max_sharpe_ratio(n_effective, float(trial["effective_variance"]))
    return {
        "n_trials": float(n_trials),
        "n_effective_trials": float(n_effective),
        "probabilistic_sharpe_ratio": probabilistic_sharpe_ratio(net),
        "expected_max_sharpe_ratio": luck * math.sqrt(periods),
        "deflated_sharpe_ratio": deflated_sharpe_ratio(
            net, n_trials=n_effective, sharpe_variance=float(trial["effective_variance"])
        ),
        "deflated_sharpe_ratio_all_trials": deflated_sharpe_ratio(
            net, n_trials=n_trials, sharpe_variance=float(trial["sharpe_variance"] or 0.0)
        ),
        "minimum_track_record_length": minimum_track_record_length(net),
        "minimum_backtest_length": minimum_backtest_length(n_effective),
        "probability_of_backtest_overfitting": float(trial["probability_of_overfitting"]),
    }


def per_bar_sharpe(returns: pd.Series) -> float:
    """Mean over standard deviation (ddof 1) of per-bar returns, not annualised; 0 when nothing moved."""
    spread = float(returns.std(ddof=1))
    return float(returns.mean()) / spread if spread > 0 else 0.0


def forecast_metrics(forecasts: Forecasts, design: Design) -> dict[str, float]:
    """Return how good the out-of-sample probabilities were, over the rows whose outcome is known."""
    from workbench.models import classification_metrics

    proba, y, forward = _known(forecasts, design)
    return {**classification_metrics(y, proba, forward), "n_forecasts": float(len(y))}


def _known(forecasts: Forecasts, design: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    index = forecasts.proba.index[design.known.loc[forecasts.proba.index].to_numpy()]
    proba = forecasts.proba.loc[index, ["p_bear", "p_neutral", "p_bull"]].to_numpy()
    return proba, design.y.loc[index].to_numpy(), design.forward.loc[index].to_numpy()


def _reliability(forecasts: Forecasts, design: Design) -> pd.DataFrame:
    from workbench.models import reliability_table

    proba, y, _ = _known(forecasts, design)
    return pd.DataFrame(reliability_table(y, proba))
