"""The sweep beside vectorbt: time as a ratio within each round, memory in processes of their own, equal numbers."""

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
from workbench.backtest.warm import compile_kernels

Report = Callable[[str, str, str], None]
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

N_BARS, N_SYMBOLS, ROUNDS = 17_520, 5, 3
FEE_BPS, SLIPPAGE_BPS = 10.0, 5.0
CONFIGURATIONS = grid(fast=range(5, 55, 5), slow=range(60, 260, 20))


def market(n_bars: int = N_BARS) -> pd.DataFrame:
    """Two years of hourly bars of five symbols."""
    rng = np.random.default_rng(11)
    times = pd.date_range("2022-01-01", periods=n_bars, freq="h", tz="UTC", name="time")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, (n_bars, N_SYMBOLS)), axis=0))
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.001, (n_bars, N_SYMBOLS)))
    symbols = pd.Index([f"S{j}" for j in range(N_SYMBOLS)], name="symbol")
    return pd.concat(
        {field: pd.DataFrame(v, index=times, columns=symbols) for field, v in (("open", opened), ("close", close))},
        axis=1,
        names=["field", "symbol"],
    )


def ours(bars: pd.DataFrame, configurations: list[dict[str, int]]) -> pd.DataFrame:
    """The public call, labelled result included."""
    return sweep(bars, sma_crossover, configurations, fee_bps=FEE_BPS, slippage_bps=SLIPPAGE_BPS)


def theirs(bars: pd.DataFrame, configurations: list[dict[str, int]]) -> pd.DataFrame:
    """vectorbt's widest way: all columns at once, signals moved to the next open, the same four statistics."""
    import vectorbt as vbt

    close, opened = bars["close"], bars["open"]
    fast = vbt.MA.run(close, window=[c["fast"] for c in configurations]).ma.to_numpy()
    slow = vbt.MA.run(close, window=[c["slow"] for c in configurations]).ma.to_numpy()
    above, below = fast > slow, fast < slow
    entries, exits = np.zeros_like(above), np.zeros_like(below)
    entries[1:], exits[1:] = above[:-1], below[:-1]
    n = len(configurations)
    portfolio = vbt.Portfolio.from_signals(
        pd.DataFrame(np.tile(close.to_numpy(), n), index=close.index),
        entries,
        exits,
        price=np.tile(opened.to_numpy(), n),
        fees=FEE_BPS / 1e4,
        slippage=SLIPPAGE_BPS / 1e4,
        freq="1h",
        engine="numba",
    )
    return pd.DataFrame(
        {
            "total_return": portfolio.total_return(),
            "sharpe_ratio": portfolio.sharpe_ratio(),
            "max_drawdown": -portfolio.max_drawdown(),
            "n_trades": portfolio.trades.count(),
        }
    )


def peak_above_idle(which: str) -> dict[str, float]:
    """Run one sweep in a fresh process; return what its memory peaked at, in MB above idle."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), which], capture_output=True, text=True, check=True, timeout=600
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_sweep_beside_vectorbt(report: Report) -> None:
    """100 crossovers × 5 symbols × 17,520 hourly bars with fees and slippage."""
    bars = market()
    compile_kernels()
    theirs(market(500), CONFIGURATIONS[:2])  # compiled before the clock starts
    ratios, mine, peer = [], [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        table = ours(bars, CONFIGURATIONS)
        middle = time.perf_counter()
        other = theirs(bars, CONFIGURATIONS)
        end = time.perf_counter()
        mine.append(middle - start)
        peer.append(end - middle)
        ratios.append(peer[-1] / mine[-1])
    for name in other:
        np.testing.assert_allclose(table[name], other[name], rtol=1e-7, atol=1e-9, err_msg=name)
    rounds = ", ".join(f"{r:.0f}" for r in ratios)
    report("sweep, 8.76e6 bars", f"{np.median(mine):.3f} s, vectorbt {np.median(peer):.2f} s", "-")
    report("sweep, times faster than vectorbt", f"{np.median(ratios):.0f} (rounds {rounds})", ">= 20")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_memory_of_the_sweep(report: Report) -> None:
    """Peak resident memory above a process that has loaded bars, libraries and compiled kernels."""
    mine, peer = peak_above_idle("ours"), peak_above_idle("theirs")
    assert mine["rows"] == peer["rows"] == len(CONFIGURATIONS) * N_SYMBOLS
    report("sweep, peak above idle", f"{mine['above']:.0f} MB, vectorbt {peer['above']:.0f} MB", "<= 100 MB")
    report("loading numba and the kernels", f"{mine['loading']:.0f} MB, vectorbt {peer['loading']:.0f} MB", "-")


FIRST = """
import time
start = time.perf_counter()
import numpy as np, pandas as pd
from workbench.backtest import simulate
times = pd.date_range("2020", periods=2000, freq="h", tz="UTC", name="time")
price = 100 + np.sin(np.arange(2000.0))
bars = pd.DataFrame({(f, "A"): price for f in ("open", "high", "low", "close", "volume")}, index=times)
bars.columns.names = ["field", "symbol"]
positions = pd.DataFrame({"A": np.sign(np.sin(np.arange(2000.0) / 9))}, index=times)
ready = time.perf_counter()
simulate(positions, bars).summary()
print(ready - start, time.perf_counter() - ready)
"""


def test_first_backtest_in_a_fresh_process(report: Report) -> None:
    """Imports and the first simulation with its summary, kernels compiled at set-up."""
    compile_kernels()
    runs = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
        runs.append([float(x) for x in done.stdout.split()])
    assert np.shape(runs) == (5, 2)
    imports, first = np.median(runs, axis=0)
    report("first backtest, fresh process", f"{first:.2f} s after {imports:.2f} s of imports", "<= 1 s")


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(x for x in lines if x.startswith("VmHWM")).split()[1]) / 1024


def _reset_peak() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _measure(which: str) -> None:
    bars = market()
    bare = _reset_peak()
    run = {"ours": ours, "theirs": theirs}[which]
    run(market(500), CONFIGURATIONS[:2])
    idle = _reset_peak()
    rows = len(run(bars, CONFIGURATIONS))
    print(json.dumps({"loading": idle - bare, "above": _peak() - idle, "rows": rows}))


if __name__ == "__main__":
    _measure(sys.argv[1])
