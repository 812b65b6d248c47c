"""How data are split so that no label of the training part touches what is judged."""

from workbench.backtest.validation.combinatorial import CombinatorialFold, CombinatorialPurged
from workbench.backtest.validation.kfold import PurgedFold, PurgedKFold
from workbench.backtest.validation.lockbox import LockboxSplit, split_lockbox
from workbench.backtest.validation.nested import NestedSelection, nested_selection
from workbench.backtest.validation.purging import purge
from workbench.backtest.validation.walk_forward import Fold, WalkForward, rows_of

__all__ = [
    "CombinatorialFold",
    "CombinatorialPurged",
    "Fold",
    "LockboxSplit",
    "NestedSelection",
    "PurgedFold",
    "PurgedKFold",
    "WalkForward",
    "nested_selection",
    "purge",
    "rows_of",
    "split_lockbox",
]
