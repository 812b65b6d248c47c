"""Work fanned out over threads, processes or a Dask cluster by one setting: same numbers, kept as it is done."""

from workbench.backtest.scale.backends import BACKENDS, Backend, choose_backend
from workbench.backtest.scale.fan_out import SweepCancelledError, fan_out
from workbench.backtest.scale.kept import KeptParts

__all__ = ["BACKENDS", "Backend", "KeptParts", "SweepCancelledError", "choose_backend", "fan_out"]
