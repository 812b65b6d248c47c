"""Forecasts → positions → net returns, for the strategy and the baselines that always stand beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.backtest import BacktestResult, Forecasts, position_rule, simulate
from workbench.pipeline.plan import Plan
from workbench.risk import volatility_target
from workbench.typing import Bars, Panel

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution
    from workbench.backtest.market import Rebalance
    from workbench.features import Design

STRATEGY = "strategy"
BASELINES = ("zero", "persistence", "buy_and_hold", "equal_weight")

_BASELINE_REBALANCE: dict[str, Rebalance] = {"buy_and_hold": "on_change", "equal_weight": "every_bar"}


@dataclass(frozen=True)
class Portfolio:
    """The out-of-sample backtest of a strategy and of each baseline, same bars, same costs."""

    results: dict[str, BacktestResult]

    @property
    def strategy(self) -> BacktestResult:
        """The strategy's own result."""
        return self.results[STRATEGY]

    @property
    def returns(self) -> pd.DataFrame:
        """Net simple return per bar, time × (strategy, zero, persistence, buy_and_hold, equal_weight)."""
        return pd.DataFrame({name: result.returns for name, result in self.results.items()})


def trade(forecasts: Forecasts, design: Design, bars: Bars, plan: Plan) -> Portfolio:
    """Turn out-of-sample forecasts into positions and simulate them beside the baselines.

    Every portfolio decides at the closes of the same out-of-sample bars, fills at the following opens and pays the same
    costs; stops and other exits are the strategy's alone. Buy-and-hold buys once and drifts, equal weight buys back its
    shares at every bar, the others follow the plan's rebalancing. A symbol that rests keeps its last decision, which is
    filled at its own next open, as its label promises; a missing forecast at one of its bars is no order.
    """
    forecast = forecasts.forecast
    oos = bars.loc[forecast.index[0] : forecast.index[-1]]
    forecast = forecast.reindex(index=oos.index, columns=list(oos["close"].columns))
    results = {STRATEGY: trade_forecast(forecast, bars, plan)}
    plain = plan.execution.without_exits() if plan.execution else None
    for name in BASELINES:
        scores = _baseline_forecast(name, design, forecast)
        baseline = _kept_over_rest(position_rule("sign", scores, max_leverage=plan.max_leverage), oos)
        results[name] = _simulated(baseline, bars, plan, _BASELINE_REBALANCE.get(name, plan.rebalance), plain)
    return Portfolio(results)


def trade_forecast(forecast: Panel, bars: Bars, plan: Plan) -> BacktestResult:
    """Simulate the plan's rule on forecasts, time × symbol, over the bars from the first to the last of them."""
    oos = bars.loc[forecast.index[0] : forecast.index[-1]]
    forecast = forecast.reindex(index=oos.index, columns=list(oos["close"].columns))
    decided = _kept_over_rest(position_rule(plan.rule, forecast, max_leverage=plan.max_leverage), oos)
    return _simulated(_sized(decided, bars, plan), bars, plan, plan.rebalance, plan.execution, plan.finer.bars)


def _simulated(
    targets: Panel,
    bars: Bars,
    plan: Plan,
    rebalance: Rebalance,
    execution: Execution | None,
    finer: Bars | None = None,
) -> BacktestResult:
    """Simulate over the targets' bars; earlier ones serve the execution's trailing volatility and volume."""
    costs: dict[str, Any] = {"execution": execution, "finer": finer}
    if execution is None:
        costs = {"fee_bps": plan.fee_bps, "slippage_bps": plan.slippage_bps}
    return simulate(
        targets, bars, initial_cash=plan.capital, max_leverage=plan.max_leverage, rebalance=rebalance, **costs
    )


def _kept_over_rest(targets: Panel, bars: Bars) -> Panel:
    """Repeat each symbol's last decision, NaN too, at the times at which it has no bar.

    Before sizing: a cap on the whole row then counts the symbols that rest.
    """
    trades = pd.DataFrame(bars["close"]).notna()
    kept = {c: targets.loc[trades[c], c].reindex(targets.index, method="ffill") for c in targets.columns}
    return pd.DataFrame(kept, columns=targets.columns)


def _sized(positions: Panel, bars: Bars, plan: Plan) -> Panel:
    if plan.volatility_target == 0:
        return positions
    return volatility_target(
        positions, pd.DataFrame(bars["close"]), plan.volatility_target, max_leverage=plan.max_leverage
    )


def _baseline_forecast(name: str, design: Design, like: Panel) -> Panel:
    from workbench.models import build

    model = "buy_and_hold" if name == "equal_weight" else name  # both are always long
    last_return = design.last_return
    column = last_return.to_numpy(dtype=np.float64)[:, None]
    proba = build(model, 0).fit(column, np.zeros(len(column), dtype=np.int64)).predict_proba(column)
    forecast = pd.Series(proba[:, 2] - proba[:, 0], index=last_return.index).unstack("symbol")
    return forecast.reindex(index=like.index, columns=like.columns)
