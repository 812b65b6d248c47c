"""Rank correlations and average linkage against pandas and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError
from workbench.features.worth import average_linkage, cluster_features, rank_correlations


def test_correlations_are_spearmans(rng: np.random.Generator) -> None:
    values = rng.standard_normal((300, 4))
    values[:, 1] += values[:, 0]
    expected = pd.DataFrame(values).rank().corr().to_numpy()
    np.testing.assert_allclose(rank_correlations(values), expected, atol=1e-12)


def test_correlations_where_both_are_known(rng: np.random.Generator) -> None:
    values = rng.standard_normal((400, 3))
    values[:, 1] = values[:, 0] ** 3
    values[:150, 0] = np.nan
    values[:, 2] = 1.0
    found = rank_correlations(values)
    assert found[0, 1] > 0.97  # ranked over all 400 bars and over 250
    assert np.isnan(found[0, 2])
    assert found[2, 2] == 1.0
    np.testing.assert_array_equal(found, found.T)


@given(st.integers(2, 20), st.integers(0, 1000))
def test_the_joins_are_those_of_scipy(n: int, seed: int) -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    distance = pytest.importorskip("scipy.spatial.distance")
    points = np.random.default_rng(seed).standard_normal((n, 5))
    square = distance.squareform(distance.pdist(points))
    expected = hierarchy.linkage(distance.pdist(points), method="average")
    np.testing.assert_allclose(average_linkage(square), expected[:, :3], atol=1e-9)


@given(st.integers(1, 14), st.integers(0, 1000), st.floats(0.05, 0.95))
def test_the_clusters_are_those_of_scipy(n: int, seed: int, threshold: float) -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    distance = pytest.importorskip("scipy.spatial.distance")
    rng = np.random.default_rng(seed)
    correlation = rank_correlations(rng.standard_normal((60, n)) + rng.standard_normal((60, 1)))
    found = cluster_features(correlation, threshold)
    assert sorted(found.order) == list(range(n))
    if n == 1:
        assert found.labels.tolist() == [0]
        return
    gaps = distance.squareform(1 - np.abs(correlation), checks=False)
    expected = hierarchy.fcluster(hierarchy.linkage(gaps, "average"), 1 - threshold, criterion="distance")
    same = found.labels[:, np.newaxis] == found.labels
    np.testing.assert_array_equal(same, expected[:, np.newaxis] == expected)
    assert (np.diff(found.labels[found.order]) >= 0).all()  # clusters stand together, numbered in their order


def test_a_feature_and_its_negative_are_one_cluster(rng: np.random.Generator) -> None:
    x = rng.standard_normal((200, 1))
    found = cluster_features(rank_correlations(np.hstack([x, rng.standard_normal((200, 1)), -x])))
    assert found.labels[0] == found.labels[2] != found.labels[1]
    with pytest.raises(ConfigError, match="between 0 and 1"):
        cluster_features(np.eye(2), 1.5)
    assert cluster_features(np.zeros((0, 0))).labels.size == 0
