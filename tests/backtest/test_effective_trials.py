"""Planted clusters are found, independent trials stay as many as they are, reruns count once."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from workbench.backtest.clusters import best_cut
from workbench.backtest.trials import EffectiveTrials, effective_trials
from workbench.errors import ConfigError, DataError
from workbench.risk import deflated_sharpe_ratio, expected_max_sharpe_ratio
from workbench.typing import FloatArray, IntArray


def planted(seed: int, sizes: list[int], rho: float, n_obs: int = 300) -> FloatArray:
    """Blocks of trials that share a factor; correlation rho within a block, 0 between."""
    rng = np.random.default_rng(seed)
    blocks = [
        np.sqrt(rho) * rng.normal(size=(n_obs, 1)) + np.sqrt(1 - rho) * rng.normal(size=(n_obs, size)) for size in sizes
    ]
    return 0.0002 + 0.01 * np.concatenate(blocks, axis=1)


def same_partition(labels: IntArray, truth: IntArray) -> bool:
    pairs = {*zip(labels.tolist(), truth.tolist(), strict=True)}
    return len(pairs) == len(set(labels.tolist())) == len(set(truth.tolist()))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 8), min_size=1, max_size=8), st.sampled_from([0.7, 0.8, 0.95]))
def test_planted_blocks_are_found_exactly(seed: int, sizes: list[int], rho: float) -> None:
    returns = planted(seed, sizes, rho)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(seed).permutation(len(truth))
    found = effective_trials(returns[:, order])
    assert found.n == len(sizes)
    assert same_partition(found.labels, truth[order])
    assert found.labels[0] == 0
    assert (np.diff(np.unique(found.labels)) == 1).all()


@pytest.mark.parametrize(("n_trials", "n_obs"), [(2, 50), (20, 100), (300, 60), (300, 500)])
def test_independent_trials_do_not_collapse(n_trials: int, n_obs: int) -> None:
    counts = [effective_trials(np.random.default_rng(s).normal(size=(n_obs, n_trials))).n for s in range(3)]
    assert min(counts) >= 0.99 * n_trials


def test_a_cluster_is_searched_again_by_itself() -> None:
    """Two tight triples share 60 % of their variance beside twenty trials with 0.65: three bets and a stranger.

    The height at which the triples part is below that at which the twenty join, so no single cut shows all three.
    """
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(2_000, 1)) * np.sqrt(0.6)
    triples = [
        shared + rng.normal(size=(2_000, 1)) * np.sqrt(0.38) + rng.normal(size=(2_000, 3)) * np.sqrt(0.02)
        for _ in range(2)
    ]
    returns = np.concatenate([*triples, planted(4, [20, 1], 0.55, 2_000)], axis=1)
    found = effective_trials(returns)
    assert same_partition(found.labels, np.repeat([0, 1, 2, 3], [3, 3, 20, 1]))


def test_one_trial_and_identical_ones_are_one() -> None:
    one = planted(1, [1], 0.5)
    assert (effective_trials(one).n, effective_trials(one).n_independent) == (1, 1)
    many = effective_trials(np.repeat(one, 7, axis=1))
    assert (many.n, many.n_independent) == (1, 1)
    assert many.sharpe_variance == 0.0
    np.testing.assert_allclose(many.silhouettes, 1.0, atol=1e-6)
    np.testing.assert_allclose(many.cluster_sharpes, one.mean() / one.std(ddof=1))


def test_levered_is_the_same_bet_and_mirrored_another() -> None:
    one = planted(2, [1], 0.5)
    assert effective_trials(np.concatenate([one, 3 * one, -one], axis=1)).labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("n_trials", [2, 5, 20, 100])
def test_independent_trials_are_as_many_as_they_are(n_trials: int) -> None:
    returns = np.random.default_rng(n_trials).normal(size=(500, n_trials))
    twice = np.repeat(returns, 2, axis=1)
    for trials in (returns, twice):
        assert abs(effective_trials(trials).n_independent - n_trials) <= 0.12 * n_trials


@pytest.mark.parametrize(("rho", "n_trials"), [(0.6, 30), (0.8, 100), (0.95, 100)])
def test_the_best_of_a_cluster_was_chosen_too(rho: float, n_trials: int) -> None:
    """Closed form: n normals that all correlate with rho have the expected maximum sqrt(1 - rho) times that of n."""
    best_of = {30: 2.0428, 100: 2.5076}[n_trials]  # expected maximum of so many standard normals
    found = effective_trials(planted(1, [n_trials], rho, 1_000))
    assert found.n == 1
    near = {expected_max_sharpe_ratio(found.n_independent + k, 1.0) for k in (-1, 1)}
    assert min(near) < np.sqrt(1 - rho) * best_of < max(near)


@pytest.mark.slow
def test_luck_within_a_cluster_passes_as_often_as_it_should() -> None:
    """The best of 60 worthless trials that correlate with 0.6: deflated by ``n`` alone it passes far too often."""
    passed = {"n": 0, "n_independent": 0}
    for seed in range(200):
        returns = planted(seed, [60], 0.6, 200) - 0.0002
        sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        found = effective_trials(returns)
        for name in passed:
            count = getattr(found, name)
            chance = deflated_sharpe_ratio(returns[:, sharpes.argmax()], n_trials=count, sharpe_variance=1 / 199)
            passed[name] += chance > 0.95
    assert passed["n"] > 0.2 * 200
    assert passed["n_independent"] <= 0.05 * 200


def test_trials_without_variation_are_one_bet_without_a_sharpe_ratio() -> None:
    returns = np.concatenate([planted(1, [3, 2], 0.9), np.zeros((300, 2)), np.full((300, 1), 0.001)], axis=1)
    found = effective_trials(returns)
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert np.isnan(found.cluster_sharpes).tolist() == [False, False, True]
    assert found.sharpe_variance == pytest.approx(np.var(found.cluster_sharpes[:2], ddof=1))
    never = effective_trials(np.zeros((5, 3)))
    assert (never.n, never.n_independent) == (1, 1)


def test_missing_rows_use_the_overlap() -> None:
    returns = planted(5, [4, 4], 0.8, 400)
    returns[:150, 0] = np.nan
    returns[250:, 1] = np.nan
    assert effective_trials(returns).labels.tolist() == [0] * 4 + [1] * 4
    apart = planted(6, [2], 0.99, 400)
    apart[:200, 0] = np.nan
    apart[202:, 1] = np.nan
    assert effective_trials(apart).n == 2  # two common rows say nothing


def test_a_short_overlap_must_beat_chance_over_its_own_rows() -> None:
    """A lucky pair with six common rows stays two, though all others have three hundred."""
    returns = np.random.default_rng(0).normal(size=(300, 40))
    returns[6:, 0] = np.nan
    returns[:6, 1] = returns[:6, 0] + 0.5 * np.random.default_rng(1).normal(size=6)
    assert np.corrcoef(returns[:6, 0], returns[:6, 1])[0, 1] > 0.6
    assert effective_trials(returns).n == 40


@pytest.mark.parametrize("missing", [False, True])
def test_silhouettes_equal_a_loop(missing: bool) -> None:
    """Pandas' correlation over common rows; with rows missing the means over common rows are not zero."""
    returns = planted(9, [3, 5, 1, 2], 0.7, 150)
    if missing:
        returns += np.linspace(0, 0.01, 150)[:, None]
        returns[:40, 1] = returns[100:, 4] = returns[::3, 6] = np.nan
    found = effective_trials(returns)
    assert found.n == 4
    rho = pd.DataFrame(returns).corr().to_numpy().copy()
    common = (~np.isnan(returns)).T.astype(int) @ ~np.isnan(returns)
    usual = np.median(common[np.triu_indices(11, 1)])
    lucky = np.tanh(NormalDist().inv_cdf(1 - 0.05 / 55) / np.sqrt(common - 3))  # of 55 independent pairs
    rho[(common < usual) & (rho < lucky)] = 0.0
    for i, label in enumerate(found.labels):
        mates = [j for j in np.flatnonzero(found.labels == label) if j != i]
        if not mates:
            assert found.silhouettes[i] == 0.0
            continue
        a = np.mean([np.sqrt((1 - rho[i, j]) / 2) for j in mates])
        others = [
            np.mean(np.sqrt((1 - rho[i, found.labels == other]) / 2)) for other in range(found.n) if other != label
        ]
        b = min([*others, np.sqrt(0.5)])
        assert found.silhouettes[i] == pytest.approx((b - a) / max(a, b), rel=1e-9)


def silhouettes_one_by_one(distance: FloatArray, labels: IntArray) -> list[float]:
    """The definition, trial by trial: a to one's own cluster, b to the nearest other or to an unrelated trial."""
    found = []
    for i, label in enumerate(labels):
        mates = [distance[i, j] for j in np.flatnonzero(labels == label) if j != i]
        others = [distance[i, labels == other].mean() for other in set(labels) - {label}]
        b = min([*others, np.sqrt(0.5)])
        found.append((b - np.mean(mates)) / max(b, np.mean(mates)) if mates else 0.0)
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 14), st.floats(0.3, 0.8))
def test_the_best_cut_is_the_best_of_all_cuts(seed: int, n_trials: int, highest: float) -> None:
    rng = np.random.default_rng(seed)
    loads = rng.normal(size=(n_trials, 3)) * [1, 0.7, 0.4]
    distance = np.sqrt((1 - np.corrcoef(loads @ rng.normal(size=(3, 40)) + 0.4 * rng.normal(size=(n_trials, 40)))) / 2)
    distance = np.nan_to_num((distance + distance.T) / 2)
    tree = linkage(squareform(distance, checks=False), "average")
    heights = [0.0, *(h for h in tree[:, 2] if h <= highest)]
    cuts = [fcluster(tree, height, "distance") for height in heights]
    qualities = [np.mean(silhouettes_one_by_one(distance, cut)) for cut in cuts]
    found = best_cut(distance, tree, highest)
    assert np.mean(silhouettes_one_by_one(distance, found)) == pytest.approx(max(qualities), abs=1e-12)
    assert same_partition(found, cuts[int(np.argmax(qualities))])


@pytest.mark.parametrize(("common", "n"), [(4, 2), (5, 1)])
def test_five_common_rows_are_the_least(common: int, n: int) -> None:
    returns = np.repeat(planted(3, [1], 0.5, 40), 2, axis=1)
    returns[20 + common :, 0] = returns[:20, 1] = np.nan
    assert effective_trials(returns).n == n


def test_clusters_are_weighted_by_inverse_variance_of_who_is_present() -> None:
    returns = planted(11, [3, 1], 0.9, 200) * [1.0, 2.0, 5.0, 1.0]
    returns[:20, 1] = np.nan
    found = effective_trials(returns)
    assert found.labels.tolist() == [0, 0, 0, 1]
    weights = 1 / np.nanvar(returns[:, :3], axis=0, ddof=1)
    series = []
    for row in returns[:, :3]:
        here = [(w, r) for w, r in zip(weights, row, strict=True) if not np.isnan(r)]
        series.append(sum(w * r for w, r in here) / sum(w for w, _ in here))
    expected = [np.mean(series) / np.std(series, ddof=1), returns[:, 3].mean() / returns[:, 3].std(ddof=1)]
    np.testing.assert_allclose(found.cluster_sharpes, expected, rtol=1e-10)
    assert found.sharpe_variance == pytest.approx(np.var(expected, ddof=1))


def test_a_sample_is_clustered_and_the_rest_assigned() -> None:
    """Forty blocks of twenty by a sample of 300: the same partition as by all pairs; strangers count on their own."""
    returns = np.concatenate([planted(13, [1] * 25, 0.5, 400), planted(12, [20] * 40, 0.8, 400)], axis=1)
    returns[:40, ::7] = np.nan
    truth = np.concatenate([40 + np.arange(25), np.repeat(np.arange(40), 20)])
    sampled, full = effective_trials(returns, max_compared=300, seed=1), effective_trials(returns)
    assert full.n == sampled.n == 65
    assert same_partition(full.labels, truth)
    assert same_partition(sampled.labels, truth)
    assert np.isnan(sampled.silhouettes).sum() == 825 - 300
    assert not np.isnan(effective_trials(returns, max_compared=825).silhouettes).any()
    np.testing.assert_allclose(np.sort(sampled.cluster_sharpes), np.sort(full.cluster_sharpes), rtol=1e-10)


def test_a_trial_joins_a_cluster_by_its_mean_correlation() -> None:
    """Beside a cluster of trials with 0.8, one that has 0.45 with each is a stranger though 0.5 with their mean."""
    rng = np.random.default_rng(5)
    factor = rng.normal(size=(4_000, 1))
    block = np.sqrt(0.8) * factor + np.sqrt(0.2) * rng.normal(size=(4_000, 40))
    for load, joins in ((0.45, False), (0.55, True)):  # mean correlation with the members
        own = load / np.sqrt(0.8) * factor + np.sqrt(1 - load**2 / 0.8) * rng.normal(size=(4_000, 40))
        found = effective_trials(np.concatenate([block, own[:, :1]], axis=1), max_compared=40, seed=2)
        assert np.isnan(found.silhouettes).sum() == 1
        assert (found.n == 1) == joins


def test_trials_on_other_rows_than_the_sample_are_strangers() -> None:
    """The sample's clusters have no row in common with the trial left over."""
    returns = np.repeat(planted(6, [1], 0.5, 200), 6, axis=1)
    returns[:100, 5] = returns[100:, :5] = np.nan
    sampled = [effective_trials(returns, max_compared=5, seed=seed) for seed in range(8)]
    assert {found.n for found in sampled} == {2}
    assert {found.labels[5] for found in sampled} == {1}


def test_the_seed_decides_and_the_input_stays() -> None:
    returns = planted(14, [10] * 6, 0.6, 100)
    before = returns.copy()
    first, second = (effective_trials(returns, max_compared=20, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(returns, before)


def test_long_series_are_summed_first() -> None:
    returns = planted(15, [5, 5, 1], 0.8, 20_000)
    returns[:9_000, 0] = np.nan
    found = effective_trials(returns)
    assert found.labels.tolist() == [0] * 5 + [1] * 5 + [2]
    np.testing.assert_allclose(found.cluster_sharpes[2], returns[:, 10].mean() / returns[:, 10].std(ddof=1))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(3, 40))
def test_between_one_and_all_whatever_the_input(seed: int, n_trials: int, n_obs: int) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.normal(size=(n_obs, n_trials)) @ rng.normal(size=(n_trials, n_trials))
    returns[rng.random(returns.shape) < 0.3] = np.nan
    returns[0] = 0.01
    found = effective_trials(returns)
    assert isinstance(found, EffectiveTrials)
    assert 1 <= found.n <= n_trials
    assert 1 <= found.n_independent <= n_trials
    assert found.labels.max() == found.n - 1
    assert len(found.cluster_sharpes) == found.n
    assert found.sharpe_variance >= 0.0
    assert (np.abs(found.silhouettes) <= 1.0).all()


def test_bad_input_is_named() -> None:
    good = planted(1, [3], 0.5)
    with pytest.raises(DataError, match=r"must be \(n_obs, n_trials\), got \(300,\)"):
        effective_trials(good[:, 0])
    infinite, empty = good.copy(), good.copy()
    infinite[4, 1], empty[:, 2] = np.inf, np.nan
    with pytest.raises(DataError, match="trial 1 has an infinite return"):
        effective_trials(infinite)
    with pytest.raises(DataError, match="trial 2 has no returns"):
        effective_trials(empty)
    with pytest.raises(ConfigError, match=r"min_correlation must lie in \(0, 1\), got 1.0"):
        effective_trials(good, min_correlation=1.0)
    with pytest.raises(ConfigError, match="max_compared must be at least 2, got 1"):
        effective_trials(good, max_compared=1)
    assert effective_trials(planted(1, [3], 0.9), max_compared=2).n == 1
