"""What makes two evaluations the same trial: the configuration as it is computed, not as it is written."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from typing import Any

from workbench.backtest import RULES, WalkForward
from workbench.config import BacktestParameters, TrainParameters, parse_spec
from workbench.features import feature_versions
from workbench.pipeline.plan import Plan
from workbench.typing import Json

_NO_INFLUENCE = ("device", "threads")


def trial_configuration(parameters: BacktestParameters | TrainParameters, plan: Plan, sealed_from: str = "") -> Json:
    """Return the configuration of a run with every default filled in, as plain JSON values.

    Ways of writing that compute the same are one trial: ``logistic`` and ``logistic(C=0.1)``, symbols or features in
    another order, another seed where the model draws nothing. A feature whose code or version changed is another trial.
    Where a lock-box seals the latest bars, ``sealed_from`` is where the range ends.
    """
    return {
        "range": [parameters.start, sealed_from or parameters.end],
        "features": sorted(feature_versions(parameters.features).values()),
        "label": {"horizon": parameters.horizon, "neutral_band": parameters.neutral_band},
        "model": _model(plan, parameters.seed),
        "folds": _folds(plan.splitter),
        "rule": _rule(plan.rule),
        "rebalance": plan.rebalance,
        "volatility_target": plan.volatility_target,
        "max_leverage": plan.max_leverage,
        "costs_bps": [plan.fee_bps, plan.slippage_bps],
        **({"execution": plan.execution.describe(), "capital": plan.capital} if plan.execution else {}),
    }


def trial_hash(configuration: Json) -> str:
    """Return the identity of a trial as 16 hex digits."""
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:16]


def _folds(splitter: WalkForward) -> Json:
    """Return the splitter's settings; those that came later only where they are not at their default."""
    always = ("train_size", "test_size", "expanding", "embargo")
    folds: dict[str, Any] = {}
    for field in dataclasses.fields(splitter):
        value = getattr(splitter, field.name)
        if field.name in always or value != field.default:
            folds[field.name] = value if isinstance(value, int | float | str | bool) else str(value)
    return folds


def _model(plan: Plan, seed: int) -> Json:
    model = plan.factory(seed)
    learned: dict[str, Any] = {k: v for k, v in model.get_params().items() if k not in _NO_INFLUENCE}
    return {"name": model.name, **{k: _sizes(v) if k == "hidden" else v for k, v in learned.items()}}


def _sizes(hidden: Any) -> list[int]:
    """Return layer sizes, which a spec writes as ``'128-64-32'``."""
    return [int(n) for n in (hidden.split("-") if isinstance(hidden, str) else hidden)]


def _rule(text: str) -> Json:
    spec = parse_spec(text)
    bound = inspect.signature(RULES[spec.name]).bind(None, *spec.args, **spec.kwargs)
    bound.apply_defaults()
    return {"name": spec.name, **{k: float(v) for k, v in list(bound.arguments.items())[1:]}}
