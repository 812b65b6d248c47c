"""What validation costs beside the models it validates: index work of the splitters, clustering of the trials."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.backtest.trials import effective_trials
from workbench.backtest.validation import CombinatorialPurged, WalkForward, nested_selection

Report = Callable[[str, str, str], None]
pytestmark = pytest.mark.benchmark
BARS = pd.date_range("2022-01-01", periods=17_520 + 24, freq="h", tz="UTC")
TIMES, T1 = BARS[:-24], BARS[24:]


def least_ms(call: Callable[[], object], repeats: int = 20) -> tuple[float, float]:
    """Least and median milliseconds of a call."""
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        spent.append(1e3 * (time.perf_counter() - began))
    return min(spent), float(np.median(spent))


def masked(splitter: CombinatorialPurged) -> list[np.ndarray]:
    """Training rows by comparing all labels with every test group, as a reader of the book would write it."""
    edges = np.linspace(0, len(TIMES), splitter.n_groups + 1).astype(int)
    trained = []
    for fold in splitter.split(TIMES, T1):
        keep = np.ones(len(TIMES), dtype=bool)
        for group in fold.test_groups:
            first, last = edges[group], edges[group + 1] - 1
            keep &= np.asarray((TIMES[first] > T1) | (T1[last] < TIMES))
            keep[first : last + 1] = False
        trained.append(np.flatnonzero(keep))
    return trained


def test_combinatorial_index_work(report: Report) -> None:
    """CPCV(10, 2): 45 splits and 9 paths on two years of hours, labels of a day."""
    splitter = CombinatorialPurged(10, 2)
    best, median = least_ms(lambda: (splitter.split(TIMES, T1), splitter.paths()))
    slow, _ = least_ms(lambda: masked(splitter), 5)
    folds = splitter.split(TIMES, T1)
    for fold, expected in zip(folds, masked(splitter), strict=True):
        np.testing.assert_array_equal(fold.train, expected)
    report("CPCV(10,2), 17,520 bars: 45 splits, 9 paths", f"{best:.2f} ms (median {median:.2f})", "5 ms")
    report("the same by masks over all rows", f"{slow - best:.1f} ms, {(slow - best) / best:.1f} x", "-")
    assembled, _ = least_ms(lambda: splitter.assemble(folds, [np.zeros((len(f.test), 3)) for f in folds]), 5)
    report("joining three columns of forecasts to 9 paths", f"{assembled:.1f} ms", "-")


def test_combinatorial_index_work_of_many_assets(report: Report) -> None:
    """Five assets: 87,600 rows, each purged by its own label."""
    times, t1 = TIMES.repeat(5), T1.repeat(5)
    folds = CombinatorialPurged(10, 2).split(times, t1)
    assert len(folds) == 45
    assert all(len(np.intersect1d(f.train, f.test)) == 0 and len(f.test) % 5 == 0 for f in folds)
    best, median = least_ms(lambda: CombinatorialPurged(10, 2).split(times, t1), 10)
    report("CPCV(10,2), 5 x 17,520 rows", f"{best:.1f} ms (median {median:.1f})", "-")


def test_walk_forward_and_nested_index_work(report: Report) -> None:
    """Twenty folds, and a selection of 100 configurations whose score costs nothing."""
    splitter = WalkForward(2_920, 730)
    best, _ = least_ms(lambda: splitter.split(TIMES, T1))
    assert len(splitter.split(TIMES, T1)) == 20
    nested, _ = least_ms(
        lambda: nested_selection(
            lambda c, _train, _test: c, 100, TIMES, T1, outer=splitter, inner=CombinatorialPurged(5, 1)
        ),
        3,
    )
    report("walk-forward, 20 folds; nested, 5 inner folds, 100 cells", f"{best:.1f} ms; {nested:.0f} ms", "-")


@pytest.mark.parametrize(("n_trials", "n_obs"), [(1_000, 512), (10_000, 512), (10_000, 17_520)])
@pytest.mark.parametrize("kind", ["independent", "hundred blocks"])
def test_effective_number_of_trials(n_trials: int, n_obs: int, kind: str, report: Report) -> None:
    """Independent trials are the slowest case: each is a cluster of its own."""
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(n_obs, n_trials))
    if kind == "hundred blocks":
        returns *= np.sqrt(0.3)
        returns += np.sqrt(0.7) * np.repeat(rng.normal(size=(n_obs, 100)), n_trials // 100, axis=1)
    tracemalloc.start()
    began = time.perf_counter()
    found = effective_trials(returns)
    spent = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert found.n == (n_trials if kind == "independent" else 100)
    report(f"effective number, {n_trials:,} x {n_obs:,}, {kind}", f"{spent:.2f} s, {peak:.0f} MB", "5 s, 1000 MB")
