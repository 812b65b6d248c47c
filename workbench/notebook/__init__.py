"""What a notebook calls: its typed parameters, its run, its report cells and its form."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.notebook.cells import Cell, check_notebook, parameters_source, sync_parameters, write_notebook
    from workbench.notebook.config import Config, load_config
    from workbench.notebook.factors import feature_overview
    from workbench.notebook.forms import Form, form
    from workbench.notebook.market import chart_bars
    from workbench.notebook.running import run
    from workbench.notebook.screens import overview, risk_overview
    from workbench.notebook.sections import comparison, nulls, paths, periods, truthfulness
    from workbench.notebook.stored import inspect_market

_HOMES = {
    "Cell": "cells",
    "Config": "config",
    "Form": "forms",
    "chart_bars": "market",
    "comparison": "sections",
    "check_notebook": "cells",
    "feature_overview": "factors",
    "form": "forms",
    "inspect_market": "stored",
    "load_config": "config",
    "nulls": "sections",
    "overview": "screens",
    "parameters_source": "cells",
    "paths": "sections",
    "periods": "sections",
    "risk_overview": "screens",
    "run": "running",
    "sync_parameters": "cells",
    "truthfulness": "sections",
    "write_notebook": "cells",
}

__all__ = [
    "Cell",
    "Config",
    "Form",
    "chart_bars",
    "check_notebook",
    "comparison",
    "feature_overview",
    "form",
    "inspect_market",
    "load_config",
    "nulls",
    "overview",
    "parameters_source",
    "paths",
    "periods",
    "risk_overview",
    "run",
    "sync_parameters",
    "truthfulness",
    "write_notebook",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"workbench.notebook.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'workbench.notebook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
