"""The sweep beside vectorbt: time as a ratio within each round, memory in processes of their own, equal numbers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba as nb
import numpy as np
import pandas as pd
import pytest

from workbench.backtest import WalkForward, grid, sma_crossover, sweep
from workbench.backtest.sweeping.choosing import WalkForwardSweep, walk_forward_sweep
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


def ours(bars: pd.DataFrame, configurations: list[dict[str, int]], n_jobs: int | None = None) -> pd.DataFrame:
    """The public call, labelled result, portfolio, blocks and sketches included."""
    found = sweep(bars, sma_crossover, configurations, fee_bps=FEE_BPS, slippage_bps=SLIPPAGE_BPS, n_jobs=n_jobs)
    return found.table


@nb.njit(nogil=True, error_model="numpy")
def hand_written(opens, closes, fasts, slows, fee, slippage, year, out):  # noqa: C901 -- the point is that it is one loop
    """The honest floor: crossover, account and four statistics in one pass over the bars, long or flat only."""
    n_assets, n_bars = closes.shape
    for c in range(len(fasts)):
        fast, slow = fasts[c], slows[c]
        for j in range(n_assets):
            cash = before = peak = 1.0
            units = fast_sum = slow_sum = total = squares = deepest = n_trades = 0.0
            wanted = asked = -1.0
            for t in range(n_bars):
                if wanted >= 0.0 and wanted != asked:
                    asked = wanted
                    if wanted > 0.0:
                        price = opens[j, t] * (1.0 + slippage)
                        units = cash / (price * (1.0 + fee))
                        cash = 0.0
                        n_trades += 1.0
                    elif units > 0.0:
                        cash = units * opens[j, t] * (1.0 - slippage) * (1.0 - fee)
                        units = 0.0
                value = cash + units * closes[j, t]
                change = value / before - 1.0
                total += change
                squares += change * change
                if value > peak:
                    peak = value
                elif value < peak * (1.0 - deepest):
                    deepest = 1.0 - value / peak
                before = value
                fast_sum += closes[j, t]
                slow_sum += closes[j, t]
                if t >= fast:
                    fast_sum -= closes[j, t - fast]
                if t >= slow:
                    slow_sum -= closes[j, t - slow]
                if t >= slow - 1:
                    wanted = 1.0 if fast_sum * slow > slow_sum * fast * (1.0 + 1e-12) else 0.0
            mean = total / n_bars
            variance = (squares - n_bars * mean * mean) / (n_bars - 1)
            out[c, j, 0] = before - 1.0
            out[c, j, 1] = mean / np.sqrt(variance) * np.sqrt(year)
            out[c, j, 2] = deepest
            out[c, j, 3] = n_trades


def floor_of(bars: pd.DataFrame, configurations: list[dict[str, int]]) -> np.ndarray:
    """Run the hand-written kernel on one core, arrays laid out included."""
    opens, closes = (np.ascontiguousarray(bars[field].to_numpy().T) for field in ("open", "close"))
    fasts, slows = (np.array([c[name] for c in configurations]) for name in ("fast", "slow"))
    out = np.empty((len(configurations), N_SYMBOLS, 4))
    hand_written(opens, closes, fasts, slows, FEE_BPS / 1e4, SLIPPAGE_BPS / 1e4, 8760.0, out)
    return out


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
    floor_of(market(500), CONFIGURATIONS[:2])
    ours(market(500), CONFIGURATIONS[:2])
    seconds: dict[str, list[float]] = {"all cores": [], "one core": [], "floor": [], "vectorbt": []}
    for _ in range(ROUNDS):
        for name, run in (
            ("all cores", lambda: ours(bars, CONFIGURATIONS)),
            ("one core", lambda: ours(bars, CONFIGURATIONS, n_jobs=1)),
            ("floor", lambda: floor_of(bars, CONFIGURATIONS)),
        ):
            seconds[name].append(min(_timed(run) for _ in range(3)))
        seconds["vectorbt"].append(_timed(lambda: theirs(bars, CONFIGURATIONS)))
    table, floor, other = ours(bars, CONFIGURATIONS), floor_of(bars, CONFIGURATIONS), theirs(bars, CONFIGURATIONS)
    for place, name in enumerate(other):
        np.testing.assert_allclose(table[name], other[name], rtol=1e-7, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(table[name], floor[:, :, place].ravel(), rtol=1e-7, atol=1e-9, err_msg=name)
    middle = {name: float(np.median(values)) for name, values in seconds.items()}
    report("sweep, 8.76e6 bars", ", ".join(f"{name} {value:.3f} s" for name, value in middle.items()), "-")
    for name in ("all cores", "one core"):
        own = np.array(seconds[name])
        report(f"sweep, {name}: times faster than vectorbt", _rounds(seconds["vectorbt"] / own), ">= 50")
        report(f"sweep, {name}: times the floor's time", _rounds(own / seconds["floor"], 2), "<= 1.5")


def test_ten_thousand_configurations(report: Report) -> None:
    """10,000 crossovers × 5 symbols × 17,520 bars: 8.76e8 bars."""
    bars = market()
    cells = grid(fast=range(2, 102), slow=range(110, 210))
    ours(market(500), CONFIGURATIONS[:2])
    tables: list[pd.DataFrame] = []
    took = _timed(lambda: tables.append(ours(bars, cells)))
    assert len(tables[0]) == 50_000
    for cell in (cells[0], cells[-1]):  # one by one they are what they are among ten thousand
        alone = ours(bars, [cell])
        pd.testing.assert_frame_equal(tables[0].loc[alone.index], alone)
    report("sweep, 10,000 configurations", f"{took:.2f} s", "<= 6 s on 2 cores")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_walk_forward_beside_vectorbt(report: Report) -> None:
    """20 folds of 2,920 training and 730 test bars: ours against every slice run again, in and out of sample."""
    bars, splitter = market(), WalkForward(2920, 730)
    theirs(market(500), CONFIGURATIONS[:2])
    ours(market(500), CONFIGURATIONS[:2])
    folds = splitter.split(bars.index, bars.index)
    seconds: dict[str, list[float]] = {"stateless": [], "flat start": [], "vectorbt": []}
    for _ in range(ROUNDS):
        for name, stateless in (("stateless", True), ("flat start", False)):
            seconds[name].append(min(_timed(lambda s=stateless: chosen(bars, splitter, s)) for _ in range(3)))
        seconds["vectorbt"].append(
            _timed(lambda: [theirs(bars.iloc[rows], CONFIGURATIONS) for f in folds for rows in (f.train, f.test)])
        )
    assert len(chosen(bars, splitter, True).selection) == len(folds) == 20
    report("walk-forward, 20 folds", ", ".join(f"{n} {np.median(v):.3f} s" for n, v in seconds.items()), "-")
    for name, target in (("stateless", ">= 50"), ("flat start", ">= 10")):
        report(f"walk-forward, {name}: times faster", _rounds(np.divide(seconds["vectorbt"], seconds[name])), target)


def test_folds_cost_nothing_when_stateless(report: Report) -> None:
    """5 and 50 folds over the same 14,600 test bars."""
    bars = market()
    few, many = (WalkForward(2920, 14_600 // n) for n in (5, 50))
    assert [len(chosen(bars, s, True).selection) for s in (few, many)] == [5, 50]
    ratios = []
    for _ in range(2 * ROUNDS):
        times = [min(_timed(lambda s=s: chosen(bars, s, True)) for _ in range(3)) for s in (few, many)]
        ratios.append(times[1] / times[0])
    report("walk-forward, stateless: 50 folds over 5", _rounds(np.array(ratios), 2), "<= 1.2")


def chosen(bars: pd.DataFrame, splitter: WalkForward, stateless: bool) -> WalkForwardSweep:
    """Choose in every fold."""
    arguments = {"fee_bps": FEE_BPS, "slippage_bps": SLIPPAGE_BPS, "stateless": stateless}
    return walk_forward_sweep(bars, sma_crossover, CONFIGURATIONS, splitter, **arguments)


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _rounds(ratios: np.ndarray, digits: int = 0) -> str:
    return f"{np.median(ratios):.{digits}f} (rounds {', '.join(f'{r:.{digits}f}' for r in ratios)})"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_memory_of_the_sweep(report: Report) -> None:
    """Peak resident memory above a process that has loaded bars, libraries and compiled kernels."""
    mine, peer = peak_above_idle("ours"), peak_above_idle("theirs")
    assert mine["rows"] == peer["rows"] == len(CONFIGURATIONS) * N_SYMBOLS
    report("sweep, peak above idle", f"{mine['above']:.0f} MB, vectorbt {peer['above']:.0f} MB", "<= 60 MB")
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
