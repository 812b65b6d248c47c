"""Combinatorial purged splits: counts and tables by hand, no label touches a test group, paths have every row."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.backtest.validation import CombinatorialPurged, PurgedKFold, WalkForward, purge
from workbench.errors import ConfigError, DataError

HOURS = pd.date_range("2024-01-01", periods=500, freq="h", tz="UTC")


@pytest.mark.parametrize(
    ("n", "k", "splits", "paths"), [(6, 2, 15, 5), (10, 2, 45, 9), (4, 2, 6, 3), (5, 1, 5, 1), (8, 3, 56, 21)]
)
def test_counts_of_the_book(n: int, k: int, splits: int, paths: int) -> None:
    """Chapter 12: N = 6, k = 2 gives 15 splits and 5 paths; N = 10, k = 2 gives 45 and 9."""
    splitter = CombinatorialPurged(n, k)
    folds = splitter.split(HOURS, HOURS)
    assert (splitter.n_splits, splitter.n_paths, len(folds)) == (splits, paths, splits)
    assert paths * n == splits * k  # phi = k / N * C(N, k)
    assert splitter.paths().shape == (paths, n)


def test_the_splits_of_four_groups_by_hand() -> None:
    """Ten bars in groups of 2, 3, 2, 3; labels known at their own bar, so nothing is purged."""
    times = HOURS[:10]
    folds = CombinatorialPurged(4, 2).split(times, times)
    assert [(f.train.tolist(), f.test.tolist()) for f in folds] == [
        ([5, 6, 7, 8, 9], [0, 1, 2, 3, 4]),
        ([2, 3, 4, 7, 8, 9], [0, 1, 5, 6]),
        ([2, 3, 4, 5, 6], [0, 1, 7, 8, 9]),
        ([0, 1, 7, 8, 9], [2, 3, 4, 5, 6]),
        ([0, 1, 5, 6], [2, 3, 4, 7, 8, 9]),
        ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9]),
    ]
    assert [f.test_groups for f in folds] == list(combinations(range(4), 2))
    assert folds[1].group_of.tolist() == [0, 0, 2, 2]
    assert (folds[1].test_start, folds[1].test_end) == (times[0], times[6])
    assert all(f.n_purged == 0 for f in folds)


def test_purge_and_embargo_by_hand() -> None:
    """Twelve bars in groups of three, labels two bars long, embargo of one bar; groups 0 and 2 are tested.

    Group 0 ends at bar 2, its last label at bar 4, the embargo at bar 5: 3 to 5 go. Group 2 is bars 6 to 8: its last
    label ends at bar 10, the embargo at bar 11: 9 to 11 go, and 4 and 5 by their labels, which end at 6 and 7.
    """
    bars = HOURS[:14]
    splitter = CombinatorialPurged(4, 2, embargo=1)
    with pytest.raises(DataError, match=r"split 1, groups \(0, 2\), has no training row left after purging"):
        splitter.split(bars[:12], bars[2:])
    first = CombinatorialPurged(4, 1, embargo=1).split(bars[:12], bars[2:])
    assert [f.train.tolist() for f in first] == [
        [6, 7, 8, 9, 10, 11],
        [0, 9, 10, 11],
        [0, 1, 2, 3],
        [0, 1, 2, 3, 4, 5, 6],
    ]
    assert [f.n_purged for f in first] == [3, 5, 5, 2]
    by_time = CombinatorialPurged(4, 1, embargo="1h").split(bars[:12], bars[2:])
    assert [f.train.tolist() for f in by_time] == [f.train.tolist() for f in first]


@st.composite
def labelled(draw: st.DrawFn) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex, CombinatorialPurged]:
    """Rows of several assets with labels of their own lengths, some unknown, on a calendar with holes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_bars, assets = draw(st.integers(30, 90)), draw(st.integers(1, 3))
    bars = HOURS[np.sort(rng.choice(len(HOURS) // 2, n_bars, replace=False))]
    times = bars.repeat(assets)
    lengths = rng.integers(0, draw(st.integers(1, 8)) + 1, len(times))
    t1 = times + pd.to_timedelta(lengths, unit="h")
    t1 = pd.DatetimeIndex(t1.where(rng.random(len(times)) > 0.1))
    groups = draw(st.integers(3, 6))
    embargo: int | str = draw(st.one_of(st.sampled_from([0, 1, 4]), st.just("3h")))
    return times, t1, CombinatorialPurged(groups, draw(st.integers(1, min(2, groups - 2))), embargo)


def trained_one_by_one(times: pd.DatetimeIndex, t1: pd.DatetimeIndex, splitter: CombinatorialPurged) -> list[list[int]]:
    """Compare every row's label with every test group's interval, as the definition says it."""
    bars = times.unique()
    edges = np.linspace(0, len(bars), splitter.n_groups + 1).astype(int)
    parts = [np.flatnonzero(times.isin(bars[a:b])) for a, b in pairwise(edges)]
    trained = []
    for tested in combinations(range(splitter.n_groups), splitter.n_test_groups):
        keep = np.asarray(t1.notna())
        for rows in [parts[g] for g in tested]:
            keep[rows] = False
            end = max([times[rows[-1]], *t1[rows].dropna()])
            if splitter.embargo == "3h":
                free = end + pd.Timedelta("3h")
            else:
                ahead = [*bars[bars > end], *[pd.Timestamp("2200-01-01", tz="UTC")] * 5]
                free = [end, *ahead][int(splitter.embargo)]
            keep &= purge(times, t1, before=times[rows[0]], after=free)
        trained.append(np.flatnonzero(keep).tolist())
    return trained


@settings(max_examples=60, deadline=None)
@given(labelled())
def test_equals_intervals_compared_one_by_one(
    case: tuple[pd.DatetimeIndex, pd.DatetimeIndex, CombinatorialPurged],
) -> None:
    times, t1, splitter = case
    expected = trained_one_by_one(times, t1, splitter)
    if not all(expected):
        with pytest.raises(DataError, match="no training row left after purging"):
            splitter.split(times, t1)
        return
    folds = splitter.split(times, t1)
    assert [f.train.tolist() for f in folds] == expected
    assert [f.n_purged for f in folds] == [len(times) - len(f.train) - len(f.test) for f in folds]


def test_one_test_group_is_purged_k_fold() -> None:
    times, t1 = HOURS[:60], HOURS[3:63]
    for one, other in zip(
        CombinatorialPurged(5, 1, 2).split(times, t1), PurgedKFold(5, 2).split(times, t1), strict=True
    ):
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.test, other.test)


@pytest.mark.parametrize(("n", "k"), [(6, 2), (5, 3), (4, 1)])
def test_each_path_takes_every_group_once_and_every_forecast_is_used_once(n: int, k: int) -> None:
    splitter = CombinatorialPurged(n, k)
    tested = list(combinations(range(n), k))
    used = [(split, group) for path in splitter.paths() for group, split in enumerate(path)]
    assert all(group in tested[split] for split, group in used)
    assert len(set(used)) == len(used) == comb(n, k) * k


def test_assembled_paths_hold_the_forecasts_of_their_splits() -> None:
    splitter = CombinatorialPurged(6, 2)
    times = HOURS[:31].repeat(2)
    folds = splitter.split(times, times)
    forecasts = [np.stack([np.full(len(f.test), float(f.number)), f.test.astype(float)], axis=1) for f in folds]
    joined = splitter.assemble(folds, forecasts)
    assert joined.shape == (5, 62, 2)
    np.testing.assert_array_equal(joined[:, :, 1], np.tile(np.arange(62.0), (5, 1)))
    groups = np.empty(62, dtype=int)
    for fold in folds:
        groups[fold.test] = fold.group_of
    np.testing.assert_array_equal(joined[:, :, 0], splitter.paths()[:, groups])


def test_a_row_without_a_forecast_stays_without_one() -> None:
    splitter = CombinatorialPurged(3, 1)
    folds = splitter.split(HOURS[:6], HOURS[:6])
    joined = splitter.assemble(folds, [[np.nan, 1.0], [2.0, 3.0], [4.0, 5.0]])
    np.testing.assert_array_equal(joined, [[np.nan, 1, 2, 3, 4, 5]])


def test_mistakes_are_one_line() -> None:
    with pytest.raises(ConfigError, match="n_test_groups must be below n_groups 4, got 4"):
        CombinatorialPurged(4, 4)
    with pytest.raises(ConfigError, match="n_groups must be at least 2, got 1"):
        CombinatorialPurged(1)
    with pytest.raises(ConfigError, match="embargo must be at least 0, got -1"):
        CombinatorialPurged(embargo=-1)
    splitter = CombinatorialPurged(4, 2)
    with pytest.raises(DataError, match="4 folds need as many bars, got 3"):
        splitter.split(HOURS[:3], HOURS[:3])
    with pytest.raises(DataError, match="labels without an end cannot be purged"):
        splitter.split(HOURS, None)
    folds = splitter.split(HOURS[:8], HOURS[:8])
    forecasts = [np.zeros(4)] * 6
    with pytest.raises(DataError, match="6 splits, got 6 folds, 5 forecasts"):
        splitter.assemble(folds, forecasts[:5])
    with pytest.raises(DataError, match=r"forecasts of split 2 are \(3,\), its test part has 4 rows"):
        splitter.assemble(folds, [*forecasts[:2], np.zeros(3), *forecasts[3:]])


@pytest.mark.parametrize("embargo", [0, 48, "2D"])
def test_real_hours_with_outages_keep_labels_apart(shared_data: Path, embargo: int | str) -> None:
    """Years of hourly Bitcoin with the venue's outages inside: a label of 24 bars is longer than a day there."""
    bars = pd.read_parquet(shared_data / "ohlcv" / "binance" / "BTCUSDT-1h.parquet", columns=["close"]).index
    bars = pd.DatetimeIndex(bars)
    times, t1 = bars[:-25], bars[25:]
    assert ((t1 - times) > pd.Timedelta("25h")).any()
    for fold in CombinatorialPurged(10, 2, embargo).split(times, t1):
        for group in fold.test_groups:
            rows = fold.test[fold.group_of == group]
            first, free = times[rows[0]], t1[rows[-1]]
            behind = fold.train[fold.train > rows[-1]]
            assert (t1[fold.train[fold.train < rows[0]]] < first).all()
            if embargo == "2D":
                free += pd.Timedelta("2D")
            elif len(behind):
                assert behind[0] > rows[-1] + 25 + embargo
            assert (times[behind] > free).all()
    walk = WalkForward("1Y", "3M", embargo=embargo).split(times, t1)
    assert all((t1[fold.train] < fold.labels_before).all() for fold in walk)
    assert [f"{fold.test_start:%m-%d %H}" for fold in walk[:5]] == [
        f"{times[0] + pd.DateOffset(months=3 * k):%m-%d %H}" for k in range(4, 9)
    ]
