"""What keeping and going on cost beside the sweep itself, and what a worker's memory grows by."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import grid, sma_crossover, sweep

Report = Callable[[str, str, str], None]
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]
CELLS = grid(fast=range(2, 42), slow=range(60, 85))


def market(n_bars: int) -> pd.DataFrame:
    """Bars of five random walks."""
    rng = np.random.default_rng(3)
    times = pd.date_range("2022-01-01", periods=n_bars, freq="h", tz="UTC", name="time")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, (n_bars, 5)), axis=0))
    symbols = pd.Index([f"S{j}" for j in range(5)], name="symbol")
    frame = pd.DataFrame(close, index=times, columns=symbols)
    return pd.concat({"open": frame, "close": frame}, axis=1, names=["field", "symbol"])


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def test_keeping_and_going_on(report: Report, tmp_path: Path) -> None:
    """1,000 crossovers × 5 symbols × 17,520 bars: kept nowhere, kept as they finish, and asked for again."""
    bars = market(17_520)
    sweep(bars, sma_crossover, CELLS[:2])
    rounds = []
    for number in range(3):
        bare = _timed(lambda: sweep(bars, sma_crossover, CELLS))
        kept = _timed(lambda n=number: sweep(bars, sma_crossover, CELLS, folder=tmp_path / str(n)))
        again = _timed(lambda n=number: sweep(bars, sma_crossover, CELLS, folder=tmp_path / str(n)))
        rounds.append((bare, kept / bare, again / bare))
    plain, gone_on = (sweep(bars, sma_crossover, CELLS, folder=f) for f in (None, tmp_path / "0"))
    pd.testing.assert_frame_equal(plain.table, gone_on.table)
    bare, kept, again = np.median(rounds, axis=0)
    report("1,000 configurations, kept nowhere", f"{bare:.2f} s", "-")
    report("kept as they finish, times as long", f"{kept:.2f}", "<= 1.1")
    report("asked for again, share of the time", f"{again:.3f}", "<= 0.1")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_memory_does_not_grow_with_configurations(report: Report) -> None:
    """Peak above idle for 25 and 1,000 configurations, each in a process of its own."""
    few, many = (_peak_of(n) for n in (25, 1000))
    assert many < few + 30  # MB: the tables of 1,000 cells are 1 MB, their returns would be 700
    report("peak above idle, 25 and 1,000 configurations", f"{few:.0f} and {many:.0f} MB", "<= 60 MB")


def _peak_of(n_cells: int) -> float:
    done = subprocess.run([sys.executable, __file__, str(n_cells)], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(x for x in lines if x.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    walked = market(17_520)
    sweep(walked.iloc[:500], sma_crossover, CELLS[:2])
    Path("/proc/self/clear_refs").write_text("5")
    idle = _peak()
    sweep(walked, sma_crossover, CELLS[: int(sys.argv[1])])
    print(json.dumps(_peak() - idle))
