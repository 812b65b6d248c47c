"""A quant research workbench: one notebook, three lives; honest by construction.

``import workbench as wb`` loads nothing heavy: each room opens when its name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench import (
        apps,
        backtest,
        charts,
        config,
        data,
        features,
        models,
        notebook,
        pipeline,
        reports,
        risk,
        tracking,
    )
    from workbench.data import load_bars, sql
    from workbench.notebook import form, load_config
    from workbench.tracking import load_record

__version__ = "0.1.0"

_ROOMS = (
    "apps", "backtest", "charts", "config", "data", "features", "models",
    "notebook", "ops", "pipeline", "reports", "risk", "tracking",
)  # fmt: skip
_NAMES = {
    "form": "notebook",
    "load_bars": "data",
    "load_config": "notebook",
    "load_record": "tracking",
    "sql": "data",
}

__all__ = [
    "__version__", "apps", "backtest", "charts", "config", "data", "features", "form", "load_bars", "load_config",
    "load_record", "models", "notebook", "pipeline", "reports", "risk", "sql",
    "tracking",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"workbench.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"workbench.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
