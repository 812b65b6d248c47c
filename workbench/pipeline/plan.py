"""What one run does, whichever notebook asked for it: a backtest of many folds, or the training of one net on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from workbench.backtest import WalkForward, position_rule
from workbench.config import BacktestParameters, Spec, TrainParameters
from workbench.errors import ConfigError, DataError
from workbench.pipeline.finer import Finer

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution
    from workbench.backtest.market import Rebalance
    from workbench.features import Design

ModelFactory = Callable[[int], Any]
_DEFAULTS = BacktestParameters()


@dataclass(frozen=True)
class Plan:
    """Model, folds, rule and costs of one run.

    ``execution`` is None where orders meet fee and slippage alone; ``finer`` holds the bars that decide what a bar
    touched first.
    """

    model: str
    factory: ModelFactory
    splitter: WalkForward
    rule: str
    rebalance: Rebalance
    volatility_target: float
    max_leverage: float
    fee_bps: float
    slippage_bps: float
    confidence: float
    execution: Execution | None = None
    capital: float = 1.0
    finer: Finer = field(default_factory=Finer)


def plan_backtest(parameters: BacktestParameters) -> Plan:
    """Plan a walk-forward backtest; model and rule specs are checked here, before any data is read."""
    from workbench.models import check_model_spec

    check_model_spec(parameters.model)
    position_rule(parameters.rule, pd.DataFrame([[0.0]]))
    return Plan(
        model=parameters.model,
        factory=_factory(parameters.model),
        splitter=WalkForward(parameters.train_size, parameters.test_size, parameters.expanding, parameters.embargo),
        rule=parameters.rule,
        rebalance=cast("Rebalance", parameters.rebalance),
        volatility_target=parameters.volatility_target,
        max_leverage=parameters.max_leverage,
        fee_bps=parameters.fee_bps,
        slippage_bps=parameters.slippage_bps,
        confidence=parameters.confidence,
        execution=execution_of(parameters),
        capital=parameters.capital,
    )


def execution_of(parameters: Any) -> Execution | None:
    """Return how orders meet the market, from parameters with costs and ``execution`` specs; None for costs alone.

    Raises
    ------
    ConfigError
        When a spec is unknown or out of bounds, or ``max_leverage`` is above 1 without a margin.
    """
    if not parameters.execution:
        if parameters.max_leverage > 1:
            raise ConfigError(
                f"max_leverage {parameters.max_leverage:g} borrows; add a spec such as "
                f"margin(leverage={parameters.max_leverage:g}, maintenance=0.05) to execution, or lower it to 1"
            )
        return None
    from workbench.backtest.execution import Execution

    found = Execution.from_specs(parameters.execution, fee_bps=parameters.fee_bps, slippage_bps=parameters.slippage_bps)
    if parameters.max_leverage > found.leverage:
        raise ConfigError(
            f"max_leverage {parameters.max_leverage:g} is above execution's leverage {found.leverage:g}; add a spec as "
            f"margin(leverage={parameters.max_leverage:g}, maintenance=0.05), or lower it"
        )
    return found


def plan_training(parameters: TrainParameters, design: Design) -> Plan:
    """Plan one training: a single fold, the latest ``test_share`` of the bars its test, rule and costs the defaults."""
    n_bars = design.times.nunique()
    test_size = int(n_bars * parameters.test_share)
    train_size = n_bars - test_size
    if test_size < 1 or train_size < 2 * parameters.lookback:
        raise DataError(
            f"{n_bars} usable bars leave {train_size} to train on and {test_size} to test on; an LSTM with lookback "
            f"{parameters.lookback} needs more: give more bars, a shorter lookback or another test_share"
        )
    names = ("lookback", "dropout", "epochs", "batch_size", "learning_rate", "patience", "device")
    options = {name: getattr(parameters, name) for name in names}
    model = str(Spec("lstm", kwargs={**options, "hidden": "-".join(map(str, parameters.hidden))}))
    return Plan(
        model=model,
        factory=_factory(model),
        splitter=WalkForward(train_size, test_size),
        rule=_DEFAULTS.rule,
        rebalance=cast("Rebalance", _DEFAULTS.rebalance),
        volatility_target=_DEFAULTS.volatility_target,
        max_leverage=_DEFAULTS.max_leverage,
        fee_bps=_DEFAULTS.fee_bps,
        slippage_bps=_DEFAULTS.slippage_bps,
        confidence=_DEFAULTS.confidence,
    )


def _factory(spec: str) -> ModelFactory:
    def build_one(seed: int) -> Any:
        from workbench.models import build

        return build(spec, seed)

    return build_one
