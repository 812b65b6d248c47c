"""Compile the kernels of this room once, at set-up: ``python -m workbench.features.warm``.

Later processes load them from disk, beside the source or in the folder that ``NUMBA_CACHE_DIR`` names.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time


def kernel_modules() -> list[str]:
    """Return the modules of this room that hold compiled loops, sorted."""
    from workbench import features

    found = [m.name for m in pkgutil.walk_packages(features.__path__, "workbench.features.")]
    return sorted(n for n in found if n.endswith("_kernels") or ".kernels." in n)


def compile_kernels() -> float:
    """Compile or load every kernel and return the seconds it took."""
    start = time.perf_counter()
    for name in kernel_modules():
        importlib.import_module(name).warm()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.stdout.write(f"{len(kernel_modules())} kernel modules of features ready in {compile_kernels():.1f} s\n")
