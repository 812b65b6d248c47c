"""Nested selection and forecasts over paths: what is judged has no say in what is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.backtest import WalkForward, walk_forward_forecasts
from workbench.backtest.cpcv import PathForecasts, cpcv_forecasts
from workbench.backtest.validation import CombinatorialPurged, PurgedKFold, nested_selection, split_lockbox
from workbench.errors import ConfigError, DataError
from workbench.models import build
from workbench.typing import FloatArray, IntArray

HORIZON = 3
BARS = pd.date_range("2024-01-01", periods=240, freq="h", tz="UTC", name="time")
T1 = BARS + pd.Timedelta(hours=HORIZON)
OUTER = WalkForward(120, 40)
INNER = PurgedKFold(4)


def mean_return(returns: FloatArray) -> Callable[[int, IntArray, IntArray], float]:
    """Score a configuration by its mean return on the rows that judge; there is nothing to fit."""
    return lambda configuration, _train, test: float(returns[test, configuration].mean())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([OUTER, PurgedKFold(4, 2), CombinatorialPurged(5, 2, 1)]))
def test_the_outer_test_part_never_has_a_say(seed: int, outer: WalkForward) -> None:
    """Spoil one outer test part: what was chosen inside that fold stays, what is said of it outside moves."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(size=(len(BARS), 6))
    before = nested_selection(mean_return(returns), 6, BARS, T1, outer=outer, inner=INNER)
    number = int(rng.integers(len(before.table)))
    spoiled = returns.copy()
    spoiled[outer.split(BARS, T1)[number].test] += rng.normal(0, 100, 6)
    after = nested_selection(mean_return(spoiled), 6, BARS, T1, outer=outer, inner=INNER)
    np.testing.assert_array_equal(after.inside[number], before.inside[number])
    assert after.chosen[number] == before.chosen[number]
    assert after.table["outside"][number] != before.table["outside"][number]


@pytest.mark.parametrize("outer", [OUTER, WalkForward(80, 40, expanding=True, embargo=4), CombinatorialPurged(5, 2)])
@pytest.mark.parametrize("inner", [INNER, WalkForward(30, 20), CombinatorialPurged(4, 2)])
def test_inner_rows_lie_in_the_outer_training_part_and_no_label_crosses(outer: WalkForward, inner: PurgedKFold) -> None:
    folds = outer.split(BARS, T1)
    calls: list[tuple[int, IntArray, IntArray]] = []

    def score(configuration: int, train: IntArray, test: IntArray) -> float:
        calls.append((configuration, train, test))
        return float(configuration)

    found = nested_selection(score, 2, BARS, T1, outer=outer, inner=inner)
    assert found.chosen.tolist() == [1] * len(folds)
    for number, fold in enumerate(folds):
        n = 2 * found.table["n_inner"][number]
        inside, (chosen, train, test) = calls[:n], calls[n]
        calls = calls[n + 1 :]
        assert (chosen, train.tolist(), test.tolist()) == (1, fold.train.tolist(), fold.test.tolist())
        for _, fit, judge in inside:
            assert set(fit) | set(judge) <= set(fold.train)
            for row in judge:
                assert not ((fit <= row) & (fit + HORIZON >= row)).any()
    assert not calls


def test_the_table_by_hand() -> None:
    """Configuration 0 is best in the first 120 bars, configuration 1 afterwards."""
    returns = np.zeros((240, 3))
    returns[:120, 0], returns[120:, 1] = 1.0, 2.0
    found = nested_selection(mean_return(returns), 3, BARS, BARS, outer=OUTER, inner=PurgedKFold(4))
    table = found.table
    assert table["chosen"].tolist() == [0, 0, 1]
    assert table["outside"].tolist() == [0.0, 0.0, 2.0]
    np.testing.assert_allclose(table["inside"].to_numpy(), [1.0, 80 / 120, 2 * 80 / 120])
    np.testing.assert_allclose(table["degradation"], table["inside"] - table["outside"])
    # the second fold trains on bars 40 to 159: of its four inner parts two are all ones, one has 20 of 30, one none
    spread = float(np.std([1, 1, 2 / 3, 0], ddof=1))
    np.testing.assert_allclose(table["inside_std"], [0.0, spread, 2 * spread])
    np.testing.assert_allclose(found.inside[1], [80 / 120, 2 * 40 / 120, 0.0])
    assert table["test_start"].tolist() == [BARS[120], BARS[160], BARS[200]]
    assert (table["n_train"].tolist(), table["n_test"].tolist()) == ([120] * 3, [40] * 3)


def test_choosing_among_noise_looks_good_inside_and_not_outside() -> None:
    """The best of 50 worthless configurations is above zero inside by construction; outside it is not."""
    inside, outside = [], []
    for seed in range(20):
        returns = np.random.default_rng(seed).normal(size=(240, 50))
        table = nested_selection(mean_return(returns), 50, BARS, T1, outer=OUTER, inner=INNER).table
        inside.append(table["inside"].mean())
        outside.append(table["outside"].mean())
    assert np.mean(inside) > 5 * np.std(inside, ddof=1) / np.sqrt(20)
    assert abs(np.mean(outside)) < 3 * np.std(outside, ddof=1) / np.sqrt(20)


def test_scores_that_are_not_defined_say_nothing() -> None:
    returns = np.random.default_rng(1).normal(size=(240, 3))
    returns[:, 2] = 9.0

    def score(configuration: int, train: IntArray, test: IntArray) -> float:
        return float("nan") if configuration == 2 or test[0] == 0 else float(returns[test, configuration].mean())

    found = nested_selection(score, 3, BARS, T1, outer=OUTER, inner=INNER)
    assert np.isnan(found.inside[:, 2]).all()
    assert 2 not in found.chosen
    with pytest.raises(DataError, match="no configuration has a score inside outer fold 0"):
        nested_selection(lambda *_: float("nan"), 3, BARS, T1, outer=OUTER, inner=INNER)


def test_one_inner_fold_has_no_spread() -> None:
    returns = np.random.default_rng(1).normal(size=(240, 3))
    table = nested_selection(
        mean_return(returns), 3, BARS, T1, outer=OUTER, inner=WalkForward(60, 40, min_test=40)
    ).table
    assert table["n_inner"].tolist() == [1, 1, 1]
    assert table["inside_std"].isna().all()
    two = nested_selection(mean_return(returns), 3, BARS, T1, outer=OUTER, inner=PurgedKFold(2)).table
    assert not two["inside_std"].isna().any()


def test_mistakes_in_a_nested_selection_are_one_line() -> None:
    score = mean_return(np.zeros((240, 1)))
    with pytest.raises(ConfigError, match="n_configurations must be at least 1, got 0"):
        nested_selection(score, 0, BARS, T1, outer=OUTER, inner=INNER)
    with pytest.raises(DataError, match="inside outer fold 0: one fold needs train_size 120 .* got 117"):
        nested_selection(score, 1, BARS, T1, outer=OUTER, inner=OUTER)
    with pytest.raises(DataError, match="labels without an end cannot be purged"):
        nested_selection(score, 1, BARS, None, outer=OUTER, inner=INNER)


def test_progress_is_told() -> None:
    told: list[tuple[float, str]] = []
    nested_selection(
        mean_return(np.zeros((240, 1))),
        1,
        BARS,
        T1,
        outer=OUTER,
        inner=INNER,
        progress=lambda s, w: told.append((s, w)),
    )
    assert told == [
        (0.0, "outer fold 1 of 3"),
        (1 / 3, "outer fold 2 of 3"),
        (2 / 3, "outer fold 3 of 3"),
        (1.0, "3 outer folds"),
    ]


@dataclass(frozen=True)
class Rows:
    """The members of a design matrix that forecasting reads."""

    X: pd.DataFrame
    y: pd.Series
    t1: pd.Series
    known: pd.Series


@pytest.fixture
def design(rng: np.random.Generator) -> Rows:
    times = BARS[:160]
    index = pd.MultiIndex.from_product([times, ["A", "B"]], names=["time", "symbol"])
    features = pd.DataFrame(rng.normal(5.0, 3.0, (len(index), 3)), index=index, columns=["a", "b", "c"])
    signal = features["a"] - 5.0 + rng.normal(0, 1.0, len(index))
    t1 = pd.Series(np.repeat(BARS[HORIZON + 1 : HORIZON + 161], 2), index=index)
    t1 = t1.where(t1 <= times[-1])
    return Rows(features, pd.Series(np.sign(signal), index=index).astype(int), t1, t1.notna())


def logistic(seed: int) -> object:
    return build("logistic", seed)


def test_every_path_forecasts_every_row_from_its_splits(design: Rows) -> None:
    splitter = CombinatorialPurged(5, 2, embargo=2)
    told: list[str] = []
    found = cpcv_forecasts(design, logistic, splitter, progress=lambda _, words: told.append(words))
    assert isinstance(found, PathForecasts)
    assert (found.n_paths, found.proba.shape) == (4, (4, 320, 3))
    np.testing.assert_allclose(found.proba.sum(axis=2), 1.0)
    assert found.splits["accuracy"].mean() > 0.7  # the planted column is found
    assert found.splits["groups"].tolist()[:2] == [(0, 1), (0, 2)]
    assert (found.splits["n_forecast"] == found.splits["n_test"]).all()
    assert (told[0], told[-1]) == ("split 1 of 10", "10 splits")
    table = found.forecast(3)
    assert table.shape == (160, 2)
    np.testing.assert_allclose(table.to_numpy().ravel(), found.proba[3, :, 2] - found.proba[3, :, 0])
    assert not table.equals(found.forecast(0))
    with pytest.raises(DataError, match="4 paths, numbered from 0; got 4"):
        found.forecast(4)


def test_a_split_is_fitted_like_a_fold_of_a_walk_forward(design: Rows) -> None:
    """The last of two groups, trained on the first, is the fold that a walk-forward of that size has."""
    paths = cpcv_forecasts(design, logistic, CombinatorialPurged(2, 1))
    fold = walk_forward_forecasts(design, logistic, WalkForward(80, 80))
    pd.testing.assert_frame_equal(paths.forecast(0).loc[BARS[80] :], fold.forecast, check_freq=False)
    assert paths.splits["n_train"][1] == fold.folds["n_train"][0]
    assert paths.splits["accuracy"][1] == fold.folds["accuracy"][0]


class Windowed:
    """A classifier that wants windows of six bars and forecasts their mean of the first feature."""

    lookback = 6

    def fit(self, X: FloatArray, y: IntArray) -> Windowed:
        assert X.shape[1:] == (6, 3)
        assert len(X) == len(y)
        return self

    def predict_proba(self, X: FloatArray) -> FloatArray:
        bull = 0.5 + X[:, :, 0].mean(axis=1) / 100
        return np.stack([1 - bull, np.zeros(len(X)), bull], axis=1)


def test_windows_reach_over_the_edges_and_the_first_rows_have_none(design: Rows) -> None:
    found = cpcv_forecasts(design, lambda _: Windowed(), CombinatorialPurged(4, 1, embargo=6))
    missing = np.isnan(found.proba[0]).any(axis=1)
    assert np.flatnonzero(missing).tolist() == list(range(2 * 5))
    assert found.splits["n_forecast"].tolist() == [70, 80, 80, 80]
    train = CombinatorialPurged(4, 1, embargo=6).split(design.X.index.get_level_values("time"), design.t1)[1].train
    a = design.X["a"].unstack("symbol")["B"]
    learnt = design.X["a"].iloc[train]
    expected = 2 * ((a.iloc[35:41] - learnt.mean()) / learnt.std(ddof=0)).mean() / 100
    assert found.forecast(0)["B"].iloc[40] == pytest.approx(expected)  # the group's first bar sees five before it


def test_what_a_group_says_cannot_reach_its_own_forecasts(design: Rows) -> None:
    """Scramble the labels of the rows whose label touches group 2: its forecasts stay what they were."""
    splitter = CombinatorialPurged(4, 1)
    fold = splitter.split(design.X.index.get_level_values("time"), design.t1)[2]
    outside = ~np.isin(np.arange(320), fold.train)
    spoiled = Rows(design.X, design.y.where(~outside, -design.y), design.t1, design.known)
    before, after = (cpcv_forecasts(rows, logistic, splitter).proba[0] for rows in (design, spoiled))
    np.testing.assert_array_equal(before[fold.test], after[fold.test])
    assert not np.array_equal(before[:80], after[:80])


def test_a_walk_forward_whose_test_parts_overlap_has_no_single_forecast(design: Rows) -> None:
    with pytest.raises(DataError, match="test parts 0 and 1 overlap at .*choose a step of at least test_size"):
        walk_forward_forecasts(design, logistic, WalkForward(60, 40, step=20))
    apart = walk_forward_forecasts(design, logistic, WalkForward(60, 20, step=40))
    assert apart.folds["n_test"].tolist() == [40, 40, 40]


def test_the_lock_box_is_the_last_stretch_and_labels_stay_out_of_it() -> None:
    times, t1 = BARS[:10].repeat(2), T1[:10].repeat(2)
    split = split_lockbox(times, t1, start=BARS[6])
    assert split.development.tolist() == [0, 1, 2, 3, 4, 5]
    assert split.locked.tolist() == list(range(12, 20))
    assert (split.start, split.n_purged) == (BARS[6], 6)
    assert split_lockbox(times, share=0.35).locked.tolist() == list(range(12, 20))  # four of ten bars
    assert split_lockbox(times, start="2024-01-01 05:30").start == pd.Timestamp("2024-01-01 05:30", tz="UTC")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either share or start"),
        ({"share": 0.2, "start": "2024-01-02"}, "give either share or start"),
        ({"share": 0.0}, r"share must lie in \(0, 1\), got 0.0"),
        ({"share": 1.0}, r"share must lie in \(0, 1\), got 1.0"),
        ({"share": 0.999}, "a share of 0.999 locks all of 240 bars"),
        ({"start": "2023-01-01"}, "leaves 0 rows to search on and 240 locked"),
        ({"start": "2025-01-01"}, "leaves 240 rows to search on and 0 locked"),
    ],
)
def test_a_lock_box_that_is_none(arguments: dict, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        split_lockbox(BARS, **arguments)
