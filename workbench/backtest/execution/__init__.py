"""The full bar: how orders meet the market. docs/execution.md is its contract; kernels load when one is simulated."""

from workbench.backtest.execution.model import Execution
from workbench.backtest.execution.preparing import Prepared, execution_returns, liquidation_price, prepare_execution
from workbench.backtest.execution.specs import SPECS
from workbench.backtest.execution.terms import REASONS

__all__ = [
    "REASONS",
    "SPECS",
    "Execution",
    "Prepared",
    "execution_returns",
    "liquidation_price",
    "prepare_execution",
]
