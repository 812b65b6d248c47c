"""Compile the kernels once, at set-up: ``python -m workbench.backtest.warm``. Later processes load them from disk."""

from __future__ import annotations

import hashlib
import importlib
import sys
import time
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.ops import atomic_write

_HERE = Path(__file__).parent


def kernel_modules() -> list[str]:
    """Return the names of all modules of kernels in this room, sorted."""
    files = sorted(_HERE.rglob("*kernel*.py"))
    return [".".join(("workbench.backtest", *f.relative_to(_HERE).with_suffix("").parts)) for f in files]


def discard_stale() -> int:
    """Remove compiled kernels of another state of the sources; return how many files went.

    numba keeps a kernel until its own file changes, and does not see a change in the file of a kernel that it calls.
    """
    sources = [f for f in sorted(_HERE.rglob("*kernel*.py")) if f.is_file()] + [_HERE / "execution" / "terms.py"]
    digest = hashlib.sha256(b"".join(f.read_bytes() for f in sources)).hexdigest()
    stamp = _HERE / "__pycache__" / "kernels.sha256"
    if stamp.is_file() and stamp.read_text() == digest:
        return 0
    stale = [c for f in sources for c in f.parent.glob(f"__pycache__/{f.stem}.*.nb?")]
    try:
        for compiled in stale:
            compiled.unlink(missing_ok=True)
        atomic_write(stamp, digest)
    except (OSError, WorkbenchError):  # a read-only installation keeps its kernels elsewhere
        return 0
    return len(stale)


def compile_kernels() -> float:
    """Compile or load every kernel and return the seconds it took.

    Compiled code is kept beside the source, or in the user's cache folder where that is read-only (``NUMBA_CACHE_DIR``
    names another place). A module whose kernels name their types compiles when it is imported; the others have a
    ``warm``, or are called by one that has.
    """
    start = time.perf_counter()
    discard_stale()
    for name in kernel_modules():
        module = importlib.import_module(name)
        if hasattr(module, "warm"):
            module.warm()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.stdout.write(f"kernels ready in {compile_kernels():.1f} s\n")
