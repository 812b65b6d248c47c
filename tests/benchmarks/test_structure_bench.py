"""The smart-money chain against the public package, one after the other on one machine: `pytest -m benchmark -s`.

The package runs in an interpreter of its own, named by WORKBENCH_PEERS_PYTHON (this one where that is not set).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.features import REGISTRY, compute, resolve
from workbench.features.structure import smart_money_events

N_BARS = 100_000
LENGTH = 10
CHAIN = ("swing", "bos", "choch", "fvg", "order_block", "liquidity")

PEER = """
import sys, time, json, os, warnings
os.environ["SMC_CREDIT"] = "0"
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from smartmoneyconcepts.smc import smc
values = np.load(sys.argv[1])
bars = pd.DataFrame(values, columns=["open", "high", "low", "close", "volume"],
                    index=pd.date_range("2020-01-01", periods=len(values), freq="15min"))
times = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    swings = smc.swing_highs_lows(bars, swing_length=10)
    gaps = smc.fvg(bars)
    breaks = smc.bos_choch(bars, swings)
    blocks = smc.ob(bars, swings)
    pools = smc.liquidity(bars, swings)
    times.append(time.perf_counter() - start)
print(json.dumps({"seconds": min(times), "gaps": int(gaps["FVG"].notna().sum()),
                  "swings": int(swings["HighLow"].notna().sum()), "blocks": int(blocks["OB"].notna().sum())}))
"""


def market(drift: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(drift, 1e-3, N_BARS)))
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) * (1 + rng.uniform(0, 5e-4, N_BARS))
    low = np.minimum(open_, close) * (1 - rng.uniform(0, 5e-4, N_BARS))
    values = np.column_stack([open_, high, low, close, rng.lognormal(5, 1, N_BARS)])
    index = pd.date_range("2020-01-01", periods=N_BARS, freq="15min", tz="UTC", name="time")
    fields = ["open", "high", "low", "close", "volume"]
    columns = pd.MultiIndex.from_product([fields, ["X"]], names=["field", "symbol"])
    return pd.DataFrame(values, index=index, columns=columns)


def best(call: Callable[[], object], repeat: int = 7) -> float:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def peer(bars: pd.DataFrame, folder: Path, repeat: int) -> dict[str, Any]:
    """Run the package in its own interpreter; skip where it is not installed."""
    python = os.environ.get("WORKBENCH_PEERS_PYTHON", sys.executable)
    quiet = os.environ | {"SMC_CREDIT": "0"}
    found = subprocess.run([python, "-c", "import smartmoneyconcepts"], capture_output=True, env=quiet, check=False)
    if found.returncode:
        pytest.skip("smartmoneyconcepts is not installed; name an interpreter that has it in WORKBENCH_PEERS_PYTHON")
    np.save(folder / "bars.npy", bars.to_numpy())
    command = [python, "-c", PEER, str(folder / "bars.npy"), str(repeat)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.benchmark
@pytest.mark.parametrize(("name", "drift"), [("random walk", 0.0), ("trend", 1e-4), ("steep trend", 1e-3)])
def test_chain_against_the_package(name: str, drift: float, tmp_path: Path, report: Callable[..., None]) -> None:
    """Swings, structure, order blocks, gaps and liquidity on 1e5 bars; ours as a table with origin and known bar."""
    bars = market(drift)
    theirs = peer(bars, tmp_path, 2)
    events = smart_money_events(bars, "X", kinds=CHAIN, swing_length=LENGTH)
    assert (events["known"] > events["origin"]).all()
    assert (events["kind"] == "fvg").sum() == theirs["gaps"]
    ours = best(lambda: smart_money_events(bars, "X", kinds=CHAIN, swing_length=LENGTH))
    measured = f"{1e3 * ours:.1f} ms, theirs {theirs['seconds']:.2f} s: {theirs['seconds'] / ours:.0f}x"
    report(f"smart-money chain, 1e5 bars, {name}", measured, "< 35 ms, >= 100x")


@pytest.mark.benchmark
def test_time_is_linear_in_a_trend(report: Callable[..., None]) -> None:
    """The whole chain on a steep trend, where gaps and blocks stay open, per bar at two lengths."""
    bars = market(1e-3)
    short, long = bars.iloc[: N_BARS // 8], bars
    once = best(lambda: smart_money_events(short, "X", kinds=CHAIN)) / len(short)
    again = best(lambda: smart_money_events(long, "X", kinds=CHAIN)) / len(long)
    assert len(smart_money_events(long, "X", kinds=CHAIN)) > 7 * len(smart_money_events(short, "X", kinds=CHAIN))
    report("chain in a trend, ns a bar at 12,500 and 1e5 bars", f"{1e9 * once:.0f} and {1e9 * again:.0f}", "no more")


@pytest.mark.benchmark
def test_features_and_streams(report: Callable[..., None]) -> None:
    """All features of the family over 1e5 bars, and one more bar through all their streams."""
    bars = market(0.0)
    names = [f.name for f in REGISTRY if f.family == "structure"]
    assert compute(bars, names).notna().iloc[-1].all()
    whole = best(lambda: compute(bars, names), 3)
    inputs = {f: bars[(f, "X")].to_numpy() for f in ("open", "high", "low", "close")}
    inputs["time"] = pd.DatetimeIndex(bars.index).as_unit("ns").asi8
    steps = []
    for bound in map(resolve, names):
        if bound.feature.stream is not None:
            steps.append((bound.feature.stream(**bound.parameters), [inputs[i] for i in bound.feature.inputs]))
    times = []
    for t in range(2000):
        start = time.perf_counter()
        for step, columns in steps:
            step(*[c[t] for c in columns])
        times.append(time.perf_counter() - start)
    report(f"{len(names)} structure features, 1e5 bars", f"{1e3 * whole:.0f} ms", "-")
    report(
        f"one bar through {len(steps)} streams", f"{1e3 * float(np.median(times)):.2f} ms", "<= 5 ms for all features"
    )
