"""What one run does, whichever notebook asked for it: a backtest of many folds, or the training of one net on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.backtest import WalkForward
from workbench.config import BacktestParameters, TrainParameters
from workbench.errors import DataError

if TYPE_CHECKING:
    from workbench.features import Design

ModelFactory = Callable[[int], Any]
_DEFAULTS = BacktestParameters()


@dataclass(frozen=True)
class Plan:
    """Model, folds, rule and costs of one run."""

    model: str
    factory: ModelFactory
    splitter: WalkForward
    rule: str
    volatility_target: float
    max_leverage: float
    fee_bps: float
    slippage_bps: float
    confidence: float


def plan_backtest(parameters: BacktestParameters) -> Plan:
    """Plan a walk-forward backtest; the model spec is checked here, before any data is read."""
    from workbench.models import build

    build(parameters.model, parameters.seed)
    return Plan(
        model=parameters.model,
        factory=lambda seed: build(parameters.model, seed),
        splitter=WalkForward(parameters.train_size, parameters.test_size, parameters.expanding, parameters.embargo),
        rule=parameters.rule,
        volatility_target=parameters.volatility_target,
        max_leverage=parameters.max_leverage,
        fee_bps=parameters.fee_bps,
        slippage_bps=parameters.slippage_bps,
        confidence=parameters.confidence,
    )


def plan_training(parameters: TrainParameters, design: Design) -> Plan:
    """Plan one training: a single fold, the latest ``test_share`` of the bars its test, rule and costs the defaults."""
    n_bars = design.X.index.get_level_values("time").nunique()
    test_size = int(n_bars * parameters.test_share)
    train_size = n_bars - test_size
    if test_size < 1 or train_size < 2 * parameters.lookback:
        raise DataError(
            f"{n_bars} usable bars leave {train_size} to train on and {test_size} to test on; an LSTM with lookback "
            f"{parameters.lookback} needs more: give more bars, a shorter lookback or another test_share"
        )

    def factory(seed: int) -> Any:
        from workbench.models import LSTMClassifier

        return LSTMClassifier(
            hidden=tuple(parameters.hidden),
            dropout=parameters.dropout,
            lookback=parameters.lookback,
            epochs=parameters.epochs,
            patience=parameters.patience,
            batch_size=parameters.batch_size,
            learning_rate=parameters.learning_rate,
            device=parameters.device,
            seed=seed,
        )

    return Plan(
        model="lstm",
        factory=factory,
        splitter=WalkForward(train_size, test_size),
        rule=_DEFAULTS.rule,
        volatility_target=_DEFAULTS.volatility_target,
        max_leverage=_DEFAULTS.max_leverage,
        fee_bps=_DEFAULTS.fee_bps,
        slippage_bps=_DEFAULTS.slippage_bps,
        confidence=_DEFAULTS.confidence,
    )
