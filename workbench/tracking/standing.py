"""Where a data set stands: how many configurations were tried on it, how many bets they come down to, and the odds that
the best of them is luck.

Everything here is read from the append-only ledger, so it follows a run by itself: nobody is asked how often he tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from workbench.tracking.sketches import aligned
from workbench.typing import FloatArray

if TYPE_CHECKING:
    from workbench.tracking.ledger import Evaluated, TrialsLedger

LEAST_TRIALS = 10
"""Fewer trials than this leave no rank to speak of, so no probability of overfitting is given."""
_BUCKETS_PER_BLOCK = 6
_BLOCKS = (16, 14, 12, 10, 8)


@dataclass(frozen=True)
class Standing:
    """The trials of one series, all read at the same moment.

    Parameters
    ----------
    n_trials
        Distinct configurations ever evaluated.
    sharpe_variance
        Variance of their per-bar Sharpe ratios, see `TrialsLedger.sharpe_variance`; 0 for a single trial.
    n_effective
        Independent bets among them: clusters of trials whose returns move together, or the number of independent trials
        the best of which looks as good by luck, whichever is more. Trials that left no returns count one each.
    effective_variance
        Variance of the clusters' per-bar Sharpe ratios, at least that of all trials and at least 1 / (n_obs − 1).
    probability_of_overfitting
        Of choosing the best of the trials by its past (CSCV over the trials' returns in short); NaN with fewer than
        ten trials over a common stretch.
    clusters
        Cluster of each trial by its hash; trials without returns have none.
    """

    n_trials: int
    sharpe_variance: float
    n_effective: int
    effective_variance: float
    probability_of_overfitting: float
    clusters: dict[str, int] = field(default_factory=dict)


def standing_of(ledger: TrialsLedger, dataset: str) -> Standing:
    """Count, cluster and rank the trials of a data set, under any name of its series."""
    n_trials, variance = ledger.standing(dataset)
    trials = ledger.evaluated(dataset)
    drawn = {key: trial for key, trial in trials.items() if trial.sketch is not None and _moves(trial)}
    if n_trials < 2 or len(drawn) < 2:
        return Standing(n_trials, variance or 0.0, n_trials, variance or 0.0, math.nan)
    from workbench.backtest.trials import effective_trials

    returns = aligned([t.sketch for t in drawn.values() if t.sketch is not None])
    found = effective_trials(returns)
    bars = _bars_per_bucket(list(drawn.values()))
    floor = 1.0 / (max(median(t.n_obs for t in trials.values()), 2) - 1)
    return Standing(
        n_trials=n_trials,
        sharpe_variance=variance or 0.0,
        n_effective=max(found.n, found.n_independent) + n_trials - len(drawn),
        effective_variance=max(float(np.nan_to_num(found.sharpe_variance)) / bars, variance or 0.0, floor),
        probability_of_overfitting=overfitting_of(returns),
        clusters={key: int(label) for key, label in zip(drawn, found.labels, strict=True)},
    )


def overfitting_of(returns: FloatArray) -> float:
    """Return the probability of backtest overfitting of trials' returns in short, (n_buckets, n_trials), or NaN.

    Trials that cover less than half of what the longest covers are left out, then buckets that any lacks.
    """
    covered = (~np.isnan(returns)).sum(axis=0)
    kept = returns[:, covered >= covered.max() / 2]
    kept = kept[~np.isnan(kept).any(axis=1)]
    blocks = next((b for b in _BLOCKS if len(kept) >= b * _BUCKETS_PER_BLOCK), 0)
    if kept.shape[1] < LEAST_TRIALS or not blocks:
        return math.nan
    from workbench.backtest.statistics import probability_of_backtest_overfitting

    return float(probability_of_backtest_overfitting(kept, n_blocks=blocks).pbo)


def _moves(trial: Evaluated) -> bool:
    return trial.sketch is not None and float(np.nanstd(trial.sketch.sums)) > 0


def _bars_per_bucket(trials: list[Evaluated]) -> float:
    ratios = [t.n_obs / max(int((~np.isnan(t.sketch.sums)).sum()), 1) for t in trials if t.sketch is not None]
    return max(median(ratios), 1.0)
