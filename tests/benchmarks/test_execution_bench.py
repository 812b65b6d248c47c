"""A full backtest with every fill beside vectorbt's ``from_orders`` alone, and per bar beside two event engines.

backtesting.py and backtrader run in an interpreter of their own, named by WORKBENCH_PEERS_PYTHON; their part is skipped
where it is not set or lacks them.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import simulate
from workbench.backtest.warm import compile_kernels

Report = Callable[[str, str, str], None]
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

N_BARS, N_SYMBOLS, ROUNDS = 1_000_000, 5, 3
FEE_BPS, SLIPPAGE_BPS = 5.0, 2.0

BACKTESTING = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import pandas as pd
from backtesting import Backtest, Strategy
bars = pd.read_csv(sys.argv[1], index_col=0, parse_dates=True)
class Given(Strategy):
    def init(self):
        self.wanted = self.I(lambda: bars["target"].to_numpy())
    def next(self):
        if self.wanted[-1] > 0.5 and not self.position:
            self.buy(size=0.5)
        elif self.wanted[-1] < 0.5 and self.position:
            self.position.close()
run = Backtest(bars.rename(columns=str.capitalize), Given, cash=1e9, commission=0.0005, finalize_trades=True)
start = time.perf_counter()
stats = run.run()
print(json.dumps({"seconds": time.perf_counter() - start, "trades": int(stats["# Trades"])}))
"""

BACKTRADER = """
import json, sys, time
import backtrader as bt
import pandas as pd
bars = pd.read_csv(sys.argv[1], index_col=0, parse_dates=True)
class Feed(bt.feeds.PandasData):
    lines = ("target",)
    params = (("target", -1),)
class Given(bt.Strategy):
    def __init__(self):
        self.filled = 0
    def notify_order(self, order):
        self.filled += order.status == order.Completed
    def next(self):
        if self.data.target[0] > 0.5 and not self.position:
            self.order_target_percent(target=0.5)
        elif self.data.target[0] < 0.5 and self.position:
            self.close()
engine = bt.Cerebro(stdstats=False)
engine.adddata(Feed(dataname=bars.tz_localize(None)))
engine.addstrategy(Given)
engine.broker.setcash(1e9)
engine.broker.setcommission(0.0005)
start = time.perf_counter()
(done,) = engine.run()
print(json.dumps({"seconds": time.perf_counter() - start, "trades": done.filled // 2}))
"""


def market(n_bars: int, n_symbols: int, changes: float = 0.01) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one-minute bars and targets that are drawn anew at a share ``changes`` of the bars."""
    rng = np.random.default_rng(5)
    times = pd.date_range("2022-01-01", periods=n_bars, freq="min", tz="UTC", name="time")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.0005, (n_bars, n_symbols)), axis=0))
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.00005, (n_bars, n_symbols)))
    symbols = pd.Index([f"S{j}" for j in range(n_symbols)], name="symbol")
    fields = {
        "open": opened,
        "high": np.maximum(opened, close) * 1.0003,
        "low": np.minimum(opened, close) * 0.9997,
        "close": close,
        "volume": rng.lognormal(5, 1, (n_bars, n_symbols)),
    }
    bars = pd.concat(
        {field: pd.DataFrame(v, index=times, columns=symbols) for field, v in fields.items()},
        axis=1,
        names=["field", "symbol"],
    )
    sides = np.where(rng.random((n_bars, n_symbols)) < changes, rng.choice([0.0, 1.0], (n_bars, n_symbols)), np.nan)
    positions = pd.DataFrame(sides / n_symbols, index=times, columns=symbols).ffill().fillna(0.0)
    return bars, positions


def test_every_fill_beside_from_orders(report: Report) -> None:
    """Five million asset-bars; rounds in turn, so that both meet the same noise."""
    import vectorbt as vbt

    compile_kernels()
    bars, positions = market(N_BARS, N_SYMBOLS)
    size = positions.where(positions.ne(positions.shift())).shift()

    def theirs() -> object:
        return vbt.Portfolio.from_orders(
            bars["close"],
            size=size,
            size_type="targetpercent",
            price=bars["open"],
            val_price=bars["open"],
            fees=FEE_BPS / 1e4,
            slippage=SLIPPAGE_BPS / 1e4,
            init_cash=1e9,
            cash_sharing=True,
            group_by=True,
            call_seq="auto",
            engine="numba",
        )

    def ours() -> object:
        return simulate(
            positions,
            bars,
            fee_bps=FEE_BPS,
            slippage_bps=SLIPPAGE_BPS,
            initial_cash=1e9,
            rebalance="on_change",
        )

    theirs()
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(ROUNDS):
        for name, run in (("theirs", theirs), ("ours", ours)):
            start = time.perf_counter()
            done = run()
            seconds[name].append(time.perf_counter() - start)
            if name == "theirs":
                n_orders, final = len(done.order_records), done
    assert len(done.fills) == n_orders
    assert done.equity.iloc[-1] == pytest.approx(final.value().iloc[-1], rel=1e-9)
    ratio = float(np.median(np.array(seconds["ours"]) / np.array(seconds["theirs"])))
    best = min(seconds["ours"])
    report(
        f"full backtest, {N_SYMBOLS} × {N_BARS:,} one-minute bars, {n_orders:,} fills",
        f"{best:.2f} s, {ratio:.2f}× from_orders ({min(seconds['theirs']):.2f} s)",
        "≤ 2×",
    )


def test_the_full_bar(report: Report) -> None:
    """The same with a spread, a stop, a target and a volume cap: what the full bar costs an asset-bar."""
    from workbench.backtest.execution import Execution

    compile_kernels()
    bars, positions = market(N_BARS // 5, N_SYMBOLS)
    ways = {
        "costs": Execution(half_spread_bps=1.0, fee_fixed=1.0, maker_fee_bps=2.0),
        "exits": Execution(half_spread_bps=1.0, stop_loss=0.01, take_profit=0.02),
        "limits, cap, exits": Execution(order="limit", offset_bps=2.0, volume_cap=0.1, stop_loss=0.01),
    }
    expected = {"costs": {"order"}, "exits": {"order", "stop", "take_profit"}, "limits, cap, exits": {"order", "stop"}}
    for name, execution in ways.items():
        took = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            done = simulate(positions, bars, initial_cash=1e6, rebalance="on_change", execution=execution)
            took.append(time.perf_counter() - start)
        assert np.isfinite(done.equity).all()
        assert set(done.fills["reason"]) == expected[name]
        each = min(took) / bars["close"].size * 1e9
        report(f"full bar, {name}: {len(done.fills):,} fills", f"{each:.0f} ns an asset-bar", "≤ 150 ns in the kernel")


@pytest.mark.parametrize("changes", [0.01, 0.5])
@pytest.mark.parametrize(
    ("peer", "code", "n_bars"), [("backtesting", BACKTESTING, 200_000), ("backtrader", BACKTRADER, 50_000)]
)
def test_per_bar_beside_event_engines(
    report: Report, tmp_path: Path, peer: str, code: str, n_bars: int, changes: float
) -> None:
    """One symbol, long half the equity or flat, orders at the next open, all three with the same fee."""
    python = os.environ.get("WORKBENCH_PEERS_PYTHON")
    if python is None or subprocess.run([python, "-c", f"import {peer}"], capture_output=True, check=False).returncode:
        pytest.skip(f"name an interpreter that has {peer} in WORKBENCH_PEERS_PYTHON")
    compile_kernels()
    bars, positions = market(n_bars, 1, changes)
    positions = positions * 0.5
    flat = bars.xs("S0", axis=1, level="symbol").assign(target=positions["S0"] * 2)
    flat.to_csv(tmp_path / "bars.csv")
    done = subprocess.run(
        [python, "-c", code, str(tmp_path / "bars.csv")], capture_output=True, text=True, check=True, timeout=600
    )
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ours = simulate(positions, bars, fee_bps=5.0, slippage_bps=0.0, initial_cash=1e9, rebalance="on_change")
        took.append(time.perf_counter() - start)
    assert abs(len(ours.trades) - theirs["trades"]) <= 1
    each, mine = theirs["seconds"] / len(bars) * 1e6, min(took) / len(bars) * 1e6
    report(
        f"per bar beside {peer}, {len(bars):,} bars, {theirs['trades']} trades",
        f"{mine:.2f} µs against {each:.1f} µs: {each / mine:.0f}×",
        "≥ 100×",
    )
