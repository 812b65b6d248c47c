"""Run the tests of the modules that differ from the last commit: what cosmic-ray calls for each mutant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ("kernel", "trade_kernels", "bar_kernels", "exit_kernels", "fill_kernels", "order_kernels")
COMPILED = (*KERNELS, "bootstrap_kernels")
FULL_BAR = ("mutants_kernel", "execution_edge", "twin_fuzz", "execution_model", "sweep")
SPLITS = ("splits", "purged", "cpcv", "nested", "mutants_splitters")
TESTS = {
    "kernel": ("mutants_kernel", "sweep_rules", "engine"),
    "trade_kernels": ("mutants_kernel", "execution_edge", "engine"),
    "bar_kernels": FULL_BAR,
    "exit_kernels": FULL_BAR,
    "fill_kernels": FULL_BAR,
    "order_kernels": FULL_BAR,
    "walk_forward": SPLITS,
    "purging": SPLITS,
    "combinatorial": ("cpcv", "mutants_splitters"),
    "kfold": ("purged", "nested", "mutants_splitters"),
    "nested": ("nested", "mutants_splitters"),
    "lockbox": ("nested", "mutants_splitters"),
    "spans": SPLITS,
    "bootstrap_kernels": ("statistics_bootstrap", "statistics_superiority", "mutants_statistics"),
    "intervals": ("statistics_bootstrap", "statistics_capacity", "mutants_statistics"),
    "figures": ("statistics_bootstrap", "statistics_regimes", "statistics_benchmarks", "mutants_statistics"),
    "clusters": ("effective_trials", "mutants_statistics"),
    "trials": ("effective_trials", "mutants_statistics"),
}


def tests_of(module: str) -> list[str]:
    """Return the test files of a module, those that exist."""
    names = TESTS.get(module, (f"statistics_{module}", "mutants_statistics"))
    files = [f"tests/backtest/test_{name}.py" for name in names]
    if module == "inference":
        files = ["tests/risk/test_inference.py", "tests/backtest/test_statistics_overfitting.py", files[-1]]
    return [f for f in files if (ROOT / f).exists()]


def main() -> int:
    """Run them until the first failure; kernels as plain Python, since a compiled one takes seconds to build."""
    changed = subprocess.run(
        ["git", "diff", "--name-only", "HEAD", "--", "workbench"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    modules = [Path(name).stem for name in changed] or sorted(TESTS)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "CI": "1",
    }
    if any(module in COMPILED for module in modules):
        environment["NUMBA_DISABLE_JIT"] = "1"
    files = list(dict.fromkeys(f for module in modules for f in tests_of(module)))
    marks = "not soak" if any(m in KERNELS for m in modules) else "not soak and not slow"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", "-m", marks]
    command += ["-k", "not warming"]  # of what numba compiles
    return subprocess.run([*command, *files], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
