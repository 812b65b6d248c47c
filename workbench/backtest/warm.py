"""Compile the kernels once, at set-up: ``python -m workbench.backtest.warm``. Later processes load them from disk."""

from __future__ import annotations

import sys
import time


def compile_kernels() -> float:
    """Compile or load every kernel and return the seconds it took.

    Compiled code is kept beside the source, or in the user's cache folder where that is read-only (``NUMBA_CACHE_DIR``
    names another place).
    """
    start = time.perf_counter()
    from workbench.backtest import kernel  # noqa: F401 -- signatures are given, so importing compiles

    return time.perf_counter() - start


if __name__ == "__main__":
    sys.stdout.write(f"kernels ready in {compile_kernels():.1f} s\n")
