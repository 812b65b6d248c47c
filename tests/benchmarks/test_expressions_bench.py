"""Expressions against Qlib and polars on the task that Qlib publishes: 14 features of 800 stocks, daily, from disk.

The peers run in interpreters of their own, named by WORKBENCH_QLIB_PYTHON (with pyqlib) and WORKBENCH_PEERS_PYTHON
(with polars); a peer that is not there is left out. All read their own files, warm in the page cache, and compute the
same list; the values are compared.
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

from workbench.data import BAR_FIELDS, BarStore
from workbench.features import FeatureCache, compute

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

N_BARS, N_STOCKS = 3400, 800
EXPRESSIONS = {
    "body": "($close-$open)/$open",
    "range": "($high-$low)/$open",
    "ref": "Ref($close, 5)/$close",
    "mean": "Mean($close, 20)/$close",
    "std": "Std($close, 20)/$close",
    "slope": "Slope($close, 20)/$close",
    "rsquare": "Rsquare($close, 20)",
    "max": "Max($high, 20)/$close",
    "min": "Min($low, 20)/$close",
    "quantile": "Quantile($close, 20, 0.8)/$close",
    "rank": "Rank($close, 20)",
    "rsv": "($close-Min($low, 20))/(Max($high, 20)-Min($low, 20)+1e-12)",
    "corr": "Corr($close, Log($volume+1), 20)",
    "wvma": "Std(Abs($close/Ref($close, 1)-1)*$volume, 20)/(Mean(Abs($close/Ref($close, 1)-1)*$volume, 20)+1e-12)",
}
QLIB = """
import json, sys, time, warnings, logging
warnings.simplefilter("ignore")
import qlib
from qlib.data import D
qlib.init(provider_uri=sys.argv[1], kernels=int(sys.argv[3]), expression_cache=None, dataset_cache=None,
          logging_level=logging.ERROR)
fields = json.loads(sys.argv[2])
names = D.list_instruments(D.instruments("all"), as_list=True)
taken = []
for _ in range(int(sys.argv[4])):
    from qlib.data.cache import H
    H.clear()
    start = time.perf_counter()
    frame = D.features(names, fields, freq="day")
    taken.append(time.perf_counter() - start)
frame.columns = [str(i) for i in range(frame.shape[1])]
last = frame.groupby(level="instrument").last().sort_index()
print("RESULT" + json.dumps({"seconds": min(taken), "last": last.to_numpy().tolist()}))
"""
POLARS = """
import json, sys, time
import polars as pl
c, o, h, l, v, w = (pl.col(n) for n in ("close", "open", "high", "low", "volume", "i"))
def over(e): return e.over("symbol")
r = (c / c.shift(1) - 1).abs() * v
var_i = (20 * 20 - 1) / 12 * 20 / 19
cov = pl.rolling_cov(c, w, window_size=20)
spread = h.rolling_max(20) - l.rolling_min(20) + 1e-12
made = [
    (c - o) / o, (h - l) / o, over(c.shift(5)) / c, over(c.rolling_mean(20)) / c, over(c.rolling_std(20)) / c,
    over(cov) / var_i / c, over(pl.rolling_corr(c, w, window_size=20)) ** 2, over(h.rolling_max(20)) / c,
    over(l.rolling_min(20)) / c, over(c.rolling_quantile(0.8, interpolation="linear", window_size=20)) / c,
    over(c.rolling_rank(20) if hasattr(c, "rolling_rank") else c.rolling_map(lambda s: s.rank()[-1], 20)) / 20,
    over((c - l.rolling_min(20)) / spread), over(pl.rolling_corr(c, (v + 1).log(), window_size=20)),
    over(r.rolling_std(20) / (r.rolling_mean(20) + 1e-12)),
]
taken = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    frame = pl.read_parquet(sys.argv[1])
    out = frame.select([pl.col("symbol"), *(e.alias(str(k)) for k, e in enumerate(made))])
    taken.append(time.perf_counter() - start)
last = out.group_by("symbol", maintain_order=True).last().sort("symbol").drop("symbol").to_numpy()
print("RESULT" + json.dumps({"seconds": min(taken), "last": last.tolist()}))
"""


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = [f"S{i:03d}" for i in range(N_STOCKS)]
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (N_BARS, N_STOCKS)), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.003, close.shape))
    high = np.maximum(open_, close) * (1 + rng.uniform(0, 0.01, close.shape))
    low = np.minimum(open_, close) * (1 - rng.uniform(0, 0.01, close.shape))
    values = np.concatenate([open_, high, low, close, np.round(rng.lognormal(8, 1, close.shape))], axis=1)
    index = pd.bdate_range("2007-01-01", periods=N_BARS, tz="UTC", name="time").as_unit("us")
    columns = pd.MultiIndex.from_product([BAR_FIELDS, names], names=["field", "symbol"])
    return pd.DataFrame(np.asfortranarray(values), index=index, columns=columns, copy=False)


def best(call: Callable[[], object], repeat: int = 5) -> float:
    """Return the shortest of some runs, in seconds."""
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def peer(variable: str, script: str, *arguments: str) -> dict | None:
    python = os.environ.get(variable, "")
    if not python:
        print(f"\n{variable} is not set: that peer is left out")
        return None
    done = subprocess.run([python, "-c", script, *arguments], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stderr[-2000:]
    return json.loads(lines[-1].removeprefix("RESULT"))


def write_qlib(bars: pd.DataFrame, folder: Path) -> None:
    """Qlib's own layout: a calendar, the instruments, and float32 files that begin with their first day's number."""
    days = [f"{t:%Y-%m-%d}" for t in bars.index]
    (folder / "calendars").mkdir(parents=True)
    (folder / "instruments").mkdir()
    (folder / "calendars" / "day.txt").write_text("\n".join(days))
    names = list(bars["close"].columns)
    (folder / "instruments" / "all.txt").write_text("\n".join(f"{n}\t{days[0]}\t{days[-1]}" for n in names))
    for name in names:
        place = folder / "features" / name.lower()
        place.mkdir(parents=True)
        for field in BAR_FIELDS:
            np.hstack([[0], bars[field, name].to_numpy()]).astype("<f").tofile(place / f"{field}.day.bin")


def test_the_published_task(bars: pd.DataFrame, tmp_path: Path, report: Callable[[str, str, str], None]) -> None:
    names = list(bars["close"].columns)
    store = BarStore(tmp_path / "bars")
    for name in names:
        store.write("bench", name, "1d", bars.loc[:, (slice(None), [name])], "append")
    specs = list(EXPRESSIONS.values())

    def ours() -> pd.DataFrame:
        return compute(store.read_many("bench", names, "1d"), specs)

    frame = ours()
    last = np.column_stack([frame[s].iloc[-1].to_numpy() for s in specs])
    seconds = best(ours)
    reading = best(lambda: store.read_many("bench", names, "1d"))
    report("14 expressions, 800 stocks, from disk", f"{seconds:.2f} s, of it {reading:.2f} s reading", "")

    cache = FeatureCache(tmp_path / "cache")
    compute(bars, specs, cache=cache)
    warm = best(lambda: compute(bars, specs, cache=cache))
    report("the same from a warm feature cache", f"{warm:.3f} s", "≤ 0.2 s")

    write_qlib(bars, tmp_path / "qlib")
    qlib = peer("WORKBENCH_QLIB_PYTHON", QLIB, str(tmp_path / "qlib"), json.dumps(specs), "1", "2")
    if qlib is not None:
        apart = np.nanmax(np.abs(np.array(qlib["last"]) - last) / np.maximum(1e-3, np.abs(last)))
        assert apart < 1e-2, apart  # Qlib computes in float32
        report("Qlib, one process, no caches", f"{qlib['seconds']:.2f} s = {qlib['seconds'] / seconds:.1f}×", "≥ 12×")
    long = bars.stack(level="symbol", future_stack=True).reset_index().sort_values(["symbol", "time"])
    long["i"] = long.groupby("symbol").cumcount().astype(float)
    long.to_parquet(tmp_path / "long.parquet")
    polars = peer("WORKBENCH_PEERS_PYTHON", POLARS, str(tmp_path / "long.parquet"), "5")
    if polars is not None:
        apart = np.nanmax(np.abs(np.array(polars["last"], dtype=float) - last) / np.maximum(1e-3, np.abs(last)))
        assert apart < 1e-4, apart
        report("polars, all cores", f"{polars['seconds']:.2f} s = {polars['seconds'] / seconds:.1f}×", "≥ 2×")
    assert np.isfinite(last).all()
