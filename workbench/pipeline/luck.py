"""What luck earns: the same trading at chance times, and the same recipe over other splits of the bars."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import pandas as pd

from workbench import risk
from workbench.backtest import CombinatorialPurged

if TYPE_CHECKING:
    from workbench.pipeline.record import Evaluation

Progress = Callable[[float, str], None]


_NULLS: tuple[Literal["circular_shift", "random_entry", "permuted_signal"], ...] = (
    "circular_shift",
    "random_entry",
    "permuted_signal",
)


def nulls_of(evaluation: Evaluation, cost_bps: float, n_draws: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return each null's verdict and its draws of the annual Sharpe ratio.

    Returns
    -------
    nulls
        One row per null: ``null``, ``observed``, ``mean``, ``p_value``, ``n_draws``.
    draws
        ``null`` and ``value``, one row per draw.

    Notes
    -----
    Positions are moved and the bars stay: shifted along time (the signal's own rhythm kept), the same trades entered at
    random bars, and bars shuffled. What is traded pays the run's own cost per traded value. Positions earn from open to
    open, so the observed figure is close to the backtest's own but not the same.
    """
    from workbench.backtest.statistics import null_test

    held = evaluation.portfolio.strategy.positions
    opens = pd.DataFrame(evaluation.dataset.bars["open"])[list(held.columns)].reindex(held.index).ffill().bfill()
    earned = opens.pct_change(fill_method=None).shift(-1).fillna(0.0).to_numpy()
    year = math.sqrt(risk.periods_per_year(pd.DatetimeIndex(held.index)))
    rows, draws = [], []
    for null in _NULLS:
        found = null_test(
            held.to_numpy(), earned, null=null, n_draws=n_draws, cost_bps=cost_bps, seed=evaluation.parameters.seed
        )
        values = found.draws * year
        rows.append((null, found.value * year, float(values.mean()), found.p_value, len(values)))
        draws.append(pd.DataFrame({"null": null, "value": values}))
    nulls = pd.DataFrame(rows, columns=["null", "observed", "mean", "p_value", "n_draws"])
    return nulls, pd.concat(draws, ignore_index=True)


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
