"""What the gates are asked about: a run's own returns and fills, measured again, not what its record says of itself."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config import Settings
from workbench.errors import ArtifactError
from workbench.tracking.gates import GatePolicy, Verdict, check_gates
from workbench.tracking.ledger import TrialsLedger
from workbench.tracking.record import RunRecord
from workbench.tracking.records import record_folder
from workbench.tracking.standing import Standing, standing_of

if TYPE_CHECKING:
    import pandas as pd


def judge(settings: Settings, record: RunRecord, policy: GatePolicy | None = None) -> Verdict:
    """Check the gates on a record, with the trials of its data set counted by today.

    Sharpe ratio, drawdown, deflated Sharpe ratio, bars, fills and the baselines' Sharpe ratios are measured again from
    the record's frames; of the stated and the measured figure the worse one counts.

    Raises
    ------
    ArtifactError
        When the record has no frame of fills, or none of returns with the strategy and every baseline of the policy.
    """
    from workbench import risk

    policy = policy or GatePolicy()
    returns, fills = record.frame("returns"), record.frame("fills")
    lacking = [name for name in ("strategy", *policy.baselines) if name not in returns]
    if lacking or returns.empty:
        raise ArtifactError(
            f"the returns of run {record.run_id} lack {', '.join(lacking) or 'every bar'}, so it cannot be judged; "
            "run the experiment again"
        )
    net = returns["strategy"]
    standing = standing_of(TrialsLedger(settings.ledger_path), str(record.dataset.get("name", "")))
    deflated = _deflated(standing, record, net)
    stated = record.metrics
    metrics = {
        **stated,
        **_overfitting(stated.get("probability_of_backtest_overfitting"), standing.probability_of_overfitting),
        "sharpe_ratio": _lower(stated.get("sharpe_ratio"), risk.sharpe_ratio(net)),
        "max_drawdown": _higher(stated.get("max_drawdown"), risk.max_drawdown(net)),
        "deflated_sharpe_ratio": _lower(stated.get("deflated_sharpe_ratio"), deflated),
        "n_bars": _lower(stated.get("n_bars"), float(net.notna().sum())),
        "n_fills": _lower(stated.get("n_fills"), float(len(fills))),
    }
    baselines = {
        name: {**measures, "sharpe_ratio": _hurdle(measures.get("sharpe_ratio"), returns[name])}
        for name, measures in record.baselines.items()
        if name in returns
    }
    return check_gates(metrics, baselines, policy)


def record_sha256(settings: Settings, run_id: str) -> str:
    """Return the SHA-256 of a run's ``run.json``, which names those of all its frames; ArtifactError where absent."""
    path = record_folder(run_id, settings) / "run.json"
    if not path.is_file():
        raise ArtifactError(f"run {run_id} has no record in {settings.records_dir}; register a model of a finished run")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_origin(folder: Path, run_id: str) -> None:
    """Raise ArtifactError unless the side data of a saved model says that this run made it; no weights are loaded."""
    path = folder / "extra.json"
    try:
        found = json.loads(path.read_bytes())["run_id"] if path.is_file() else None
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if found is None:
        raise ArtifactError(
            f"model folder {folder} does not say which run made it (run_id in extra.json); "
            "save it with a run that has register_model set"
        )
    if found != run_id:
        raise ArtifactError(
            f"model folder {folder} was made by run {found!r}, not by run {run_id!r}; "
            "a run vouches for its own model only"
        )


def _deflated(standing: Standing, record: RunRecord, returns: pd.Series) -> float:
    from workbench.risk import deflated_sharpe_ratio

    known, trial = returns.dropna(), record.trial
    counted = int(trial.get("n_effective") or trial.get("n_trials") or 1)
    floor = 1.0 / (max(len(known), 2) - 1)  # the ledger's, where it is gone and only the record knows of other trials
    stated = float(trial.get("effective_variance") or trial.get("sharpe_variance") or 0.0)
    spread = max(standing.effective_variance or floor, stated)
    return float(deflated_sharpe_ratio(known, n_trials=max(standing.n_effective, counted), sharpe_variance=spread))


def _overfitting(stated: float | None, measured: float) -> dict[str, float]:
    """Return the higher of the stated and today's probability of overfitting, where either is known."""
    known = [v for v in (stated, measured) if v is not None and not math.isnan(v)]
    return {"probability_of_backtest_overfitting": max(known)} if known else {}


def _lower(stated: float | None, measured: float) -> float:
    """Return the lower figure; NaN, which fails its gate, where either is unknown."""
    values = [float("nan") if stated is None else float(stated), measured]
    return float("nan") if any(map(math.isnan, values)) else min(values)


def _higher(stated: float | None, measured: float) -> float:
    return -_lower(None if stated is None else -stated, -measured)


def _hurdle(stated: float | None, returns: pd.Series) -> float:
    """Return the higher of a baseline's stated and measured Sharpe ratio; one that never moves has 0."""
    from workbench.risk import sharpe_ratio

    measured = sharpe_ratio(returns)
    measured = 0.0 if math.isnan(measured) else measured
    return measured if stated is None or math.isnan(stated) else max(float(stated), measured)
