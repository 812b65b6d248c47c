"""Notebooks as jobs: executed by papermill, rendered to self-contained pages, gathered by the nightly."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.reports.html import Banner, render_notebook
    from workbench.reports.nightly import NightlyResult, run_nightly
    from workbench.reports.runner import JobResult, run_job
    from workbench.reports.select import check_job

_HOMES = {
    "Banner": "html",
    "JobResult": "runner",
    "NightlyResult": "nightly",
    "check_job": "select",
    "render_notebook": "html",
    "run_job": "runner",
    "run_nightly": "nightly",
}

__all__ = ["Banner", "JobResult", "NightlyResult", "check_job", "render_notebook", "run_job", "run_nightly"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"workbench.reports.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'workbench.reports' has no attribute {name!r}")
