"""Compile the kernels once, at set-up: ``python -m workbench.backtest.warm``. Later processes load them from disk."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

_HERE = Path(__file__).parent


def kernel_modules() -> list[str]:
    """Return the names of all modules of kernels in this room, sorted."""
    files = sorted(_HERE.rglob("*kernel*.py"))
    return [".".join(("workbench.backtest", *f.relative_to(_HERE).with_suffix("").parts)) for f in files]


def compile_kernels() -> float:
    """Compile or load every kernel and return the seconds it took.

    Compiled code is kept beside the source, or in the user's cache folder where that is read-only (``NUMBA_CACHE_DIR``
    names another place). A module whose kernels name their types compiles when it is imported; the others have a
    ``warm``, or are called by one that has.
    """
    start = time.perf_counter()
    for name in kernel_modules():
        module = importlib.import_module(name)
        if hasattr(module, "warm"):
            module.warm()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.stdout.write(f"kernels ready in {compile_kernels():.1f} s\n")
