"""What luck earns: the same trading at chance times, and the same recipe over other splits of the bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from workbench import risk
from workbench.backtest.validation import CombinatorialPurged

if TYPE_CHECKING:
    from workbench.pipeline.record import Evaluation

Progress = Callable[[float, str], None]


def nulls_of(evaluation: Evaluation, n_draws: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return each null's verdict and its draws of the Sharpe ratio.

    Returns
    -------
    nulls
        One row per null: ``null``, ``observed``, ``mean``, ``p_value``, ``n_draws``.
    draws
        ``null`` and ``value``, one row per draw.

    Notes
    -----
    Positions are moved and the bars stay, with the run's own costs on what is traded: shifted around the calendar
    (the signal's own rhythm kept), shuffled in time, and entered at random for as long as the strategy held.
    """
    from workbench.backtest.statistics import position_nulls

    strategy, plan = evaluation.portfolio.strategy, evaluation.plan
    close = pd.DataFrame(evaluation.dataset.bars["close"]).reindex(strategy.positions.index).ffill()
    moves = close.pct_change(fill_method=None).fillna(0.0)[list(strategy.positions.columns)]
    found = position_nulls(
        strategy.positions.to_numpy(),
        moves.to_numpy(),
        cost_bps=plan.fee_bps + plan.slippage_bps,
        periods_per_year=risk.periods_per_year(pd.DatetimeIndex(close.index)),
        n_draws=n_draws,
        seed=seed,
    )
    rows = [(n.name, n.observed, float(n.draws.mean()), n.p_value, len(n.draws)) for n in found]
    nulls = pd.DataFrame(rows, columns=["null", "observed", "mean", "p_value", "n_draws"])
    draws = pd.concat([pd.DataFrame({"null": n.name, "value": n.draws}) for n in found], ignore_index=True)
    return nulls, draws


def paths_of(evaluation: Evaluation, n_groups: int, progress: Progress) -> pd.DataFrame:
    """Return the net returns of every path of a combinatorial purged cross-validation, time × path.

    The recipe is fitted on every split of ``n_groups`` groups, two of them tested, and traded by the run's own rule and
    costs. Models also learn from bars after those they forecast: a spread of what the recipe might have earned, no
    record of what it would have.
    """
    from workbench.backtest.cpcv import cpcv_forecasts
    from workbench.pipeline.portfolio import trade_forecast

    plan, design = evaluation.plan, evaluation.design
    splitter = CombinatorialPurged(n_groups, 2, embargo=plan.splitter.embargo)
    found = cpcv_forecasts(
        design,
        plan.factory,
        splitter,
        seed=evaluation.parameters.seed,
        progress=lambda share, words: progress(0.83 + 0.02 * share, words),
    )
    bars = evaluation.dataset.bars
    paths = {path: trade_forecast(found.forecast(path), bars, plan).returns for path in range(found.n_paths)}
    return pd.DataFrame(paths)
