"""What a run must state to be reproduced: code revision, lock file, Python and library versions."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from workbench.ops.files import sha256_file

LIBRARIES = ("TA-Lib", "mlflow", "numba", "numpy", "pandas", "pyarrow", "scikit-learn", "torch", "vectorbt")
_CODE = Path(__file__).resolve().parents[2]


def describe_environment(home: Path) -> dict[str, Any]:
    """Describe the environment a run happens in; takes some 20 ms, imports no library.

    Returns
    -------
    dict
        ``git`` (40 hex digits, with ``+dirty`` when tracked files differ, or ``""`` outside a repository),
        ``lock_hash`` (SHA-256 of ``requirements.lock``, or ``""``), ``python``, ``platform``, and ``versions`` of the
        libraries that shape numbers.
    """
    return {
        "git": git_revision(_CODE) or git_revision(home),
        "lock_hash": lock_hash(home) or lock_hash(_CODE),
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "versions": dict(library_versions()),
    }


def git_revision(folder: Path) -> str:
    """Return the revision checked out in ``folder``, ``+dirty`` when tracked files were changed, ``""`` without git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+dirty"]
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # a reader must not take the index lock from a person's commit
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False, env=quiet)
    except (OSError, subprocess.TimeoutExpired):  # no git on this machine, or one that hangs: the revision is unknown
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def lock_hash(folder: Path) -> str:
    """Return the SHA-256 of ``requirements.lock`` in ``folder``, ``""`` where there is none."""
    path = folder / "requirements.lock"
    return sha256_file(path) if path.is_file() else ""


@cache
def library_versions() -> tuple[tuple[str, str], ...]:
    """Return (library, version) of the libraries that shape numbers, and of the workbench."""
    found = []
    for name in ("quant-research-workbench", *LIBRARIES):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, ""))
    return tuple(found)
