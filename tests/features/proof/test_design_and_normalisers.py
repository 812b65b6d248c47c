"""The stages after the features look ahead as little as they do: design matrix, normalisers, labels apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.features import design_matrix, feature_matrix, resolve_all
from workbench.features.normalize import (
    Chain,
    FractionalDifference,
    Normaliser,
    RankGauss,
    RobustStandardizer,
    Standardizer,
)

SPECS = {
    "classic31": ["classic31"],
    "frames": ["ema_gap(5)@4h", "rank(rsi(14))", "close / ema(12) - 1", "ret(1)"],
    "own names": ["zscore(ret(3))", "mean(rank(close), 5)", "hour", "natr(3)@1d"],
}
NORMALISERS: dict[str, Callable[[], Normaliser]] = {
    "zscore": Standardizer,
    "robust": lambda: RobustStandardizer(clip=4.0),
    "rank_gauss": lambda: RankGauss(50),
    "frac_diff": lambda: FractionalDifference(0.5, threshold=0.02),
    "chain": lambda: Chain(["frac_diff(0.4, 0.05)", "robust", RankGauss(20)]),
}


@pytest.mark.parametrize("name", SPECS)
def test_rows_of_a_design_do_not_move_when_later_bars_are_removed(ragged: pd.DataFrame, name: str) -> None:
    """Features to the last bit; a label where the beginning knows it already, and it knows none beyond its end."""
    horizon = 3
    whole = design_matrix(ragged, SPECS[name], horizon, 0.5)
    for cut in (397, 350, 333, 301, 290):
        part = design_matrix(ragged.iloc[:cut], SPECS[name], horizon, 0.5)
        assert part.warmup == whole.warmup
        rows = part.X.index
        pd.testing.assert_frame_equal(part.X, whole.X.loc[rows], check_exact=True)
        pd.testing.assert_series_equal(part.last_return, whole.last_return.loc[rows], check_exact=True)
        known = part.known
        assert whole.known.loc[rows][known].all()
        for field in ("y", "forward", "t1"):
            mine, all_of_it = getattr(part, field)[known], getattr(whole, field).loc[rows][known]
            pd.testing.assert_series_equal(mine, all_of_it, check_exact=True)
        assert (part.t1[known] <= ragged.index[cut - 1]).all()
        assert (part.y[~known] == 0).all()
        assert part.forward[~known].isna().all()
        newest = part.known.groupby(level="symbol").tail(horizon + 1)
        assert not newest.any()


@pytest.mark.parametrize("name", SPECS)
def test_the_matrix_of_a_prediction_is_the_designs(ragged: pd.DataFrame, name: str) -> None:
    for cut in (400, 366, 310):
        made = feature_matrix(ragged.iloc[:cut], SPECS[name])
        whole = feature_matrix(ragged, SPECS[name])
        pd.testing.assert_frame_equal(made, whole.loc[made.index], check_exact=True)
        assert list(made.columns) == [b.text for b in resolve_all(SPECS[name])]


@pytest.mark.parametrize("name", NORMALISERS)
def test_a_normaliser_is_causal_and_learns_from_its_training_rows_only(bars: pd.DataFrame, name: str) -> None:
    X = feature_matrix(bars, ["classic31"])
    times = X.index.get_level_values("time")
    train = X[times < times.unique()[150]]
    fitted = NORMALISERS[name]().fit(train)
    whole = fitted.transform(X)
    spoilt = X.copy()
    later = times >= times.unique()[250]
    spoilt[later] = spoilt[later] * -3.0 + 7.0
    moved = NORMALISERS[name]().fit(spoilt[times < times.unique()[150]]).transform(spoilt)
    pd.testing.assert_frame_equal(moved[~later], whole[~later], check_exact=True)
    assert not np.array_equal(moved[later].to_numpy(), whole[later].to_numpy(), equal_nan=True)
    for n_times in (5, 151, 240, 299):
        part = X[times < times.unique()[n_times]]
        pd.testing.assert_frame_equal(fitted.transform(part), whole.loc[part.index], check_exact=True)


@pytest.mark.parametrize("name", ["zscore", "robust", "rank_gauss"])
def test_each_row_is_normalised_by_itself(bars: pd.DataFrame, name: str) -> None:
    """A stream normalises one row at a time and gets what the whole gets."""
    X = feature_matrix(bars, ["classic31"])
    fitted = NORMALISERS[name]().fit(X.iloc[:500])
    whole = fitted.transform(X)
    for row in (0, 499, 777, len(X) - 1):
        pd.testing.assert_frame_equal(fitted.transform(X.iloc[[row]]), whole.iloc[[row]], check_exact=True)
