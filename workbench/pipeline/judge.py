"""Measures, the counted trial and the verdict of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.backtest import Forecasts, deflated_sharpe_ratio, probabilistic_sharpe_ratio
from workbench.config import Settings
from workbench.pipeline.identity import trial_configuration, trial_hash
from workbench.pipeline.portfolio import BASELINES
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.features import Design
    from workbench.pipeline.record import Evaluation


@dataclass(frozen=True)
class Judgement:
    """Everything said about a run: its measures, those of the baselines, its place among the trials, the gates."""

    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    trial: Json
    verdict: Json
    reliability: pd.DataFrame


def judge(evaluation: Evaluation, settings: Settings, now: datetime) -> Judgement:
    """Measure a run, count its configuration as a trial of its dataset, deflate its Sharpe ratio and ask the gates."""
    from workbench.tracking import TrialsLedger, check_gates

    parameters, dataset, plan = evaluation.parameters, evaluation.dataset, evaluation.plan
    portfolio, forecasts, design = evaluation.portfolio, evaluation.forecasts, evaluation.design
    metrics = portfolio.strategy.summary(plan.confidence) | forecast_metrics(forecasts, design)
    baselines = {name: portfolio.results[name].summary(plan.confidence) for name in BASELINES}
    net = portfolio.strategy.returns
    configuration = trial_configuration(parameters, plan)
    identity = trial_hash(configuration)
    ledger = TrialsLedger(settings.ledger_path)
    trial = ledger.record(
        dataset=dataset.name,
        config_hash=identity,
        config=configuration,
        sharpe=per_bar_sharpe(net),
        n_obs=len(net),
        content_hash=dataset.content_hash,
        now=now,
        series=dataset.series_hash,
    )
    metrics["n_trials"] = float(trial.n_trials)
    metrics["probabilistic_sharpe_ratio"] = probabilistic_sharpe_ratio(net)
    metrics["deflated_sharpe_ratio"] = deflated_sharpe_ratio(
        net, n_trials=trial.n_trials, sharpe_variance=trial.sharpe_variance or 0.0
    )
    verdict = check_gates(metrics, baselines)
    return Judgement(
        metrics=metrics,
        baselines=baselines,
        trial={**asdict(trial), "config_hash": identity},
        verdict=verdict.as_dict(),
        reliability=_reliability(forecasts, design),
    )


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
