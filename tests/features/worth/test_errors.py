"""Newey-West errors against a slow loop, against statsmodels, and against what overlapping labels really do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.errors import ConfigError
from workbench.features.worth import (
    adjusted_p_values,
    long_run_variance,
    newey_west_lags,
    newey_west_mean,
    two_sided,
)


def slow_long_run_variance(x: list[float], lags: int) -> float:
    """The formula of Newey and West, term by term."""
    n = len(x)
    mean = sum(x) / n
    total = sum((v - mean) ** 2 for v in x) / n
    for j in range(1, lags + 1):
        covariance = sum((x[t] - mean) * (x[t - j] - mean) for t in range(j, n)) / n
        total += 2 * (1 - j / (lags + 1)) * covariance
    return total


@pytest.mark.parametrize("lags", [0, 1, 3, 12, 40, 80])
def test_the_long_run_variance_is_the_formula(rng: np.random.Generator, lags: int) -> None:
    x = np.convolve(rng.standard_normal(90), np.ones(4), mode="valid")
    assert long_run_variance(x, lags) == pytest.approx(max(slow_long_run_variance(list(x), lags), 0.0), rel=1e-10)


@pytest.mark.parametrize("lags", [0, 2, 7])
def test_the_error_is_that_of_statsmodels(rng: np.random.Generator, lags: int) -> None:
    api = pytest.importorskip("statsmodels.api")
    x = np.convolve(rng.standard_normal(300), np.ones(5), mode="valid") + 0.3
    fit = api.OLS(x, np.ones(len(x))).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    found = newey_west_mean(x, lags)
    assert found.value == pytest.approx(fit.params[0], rel=1e-12)
    assert found.standard_error == pytest.approx(fit.bse[0], rel=1e-10)
    assert found.t == pytest.approx(fit.tvalues[0], rel=1e-10)


def test_without_lags_it_is_the_plain_error(rng: np.random.Generator) -> None:
    x = rng.standard_normal(50)
    assert newey_west_mean(x, 0).standard_error == pytest.approx(x.std() / math.sqrt(50))


def test_missing_terms_are_left_out(rng: np.random.Generator) -> None:
    x = rng.standard_normal(40)
    holed = np.insert(x, [3, 9, 9, 40], np.nan)
    assert newey_west_mean(holed, 2) == newey_west_mean(x, 2)


def test_too_few_terms_have_no_error() -> None:
    assert math.isnan(newey_west_mean(np.array([0.1, 0.2]), 0).standard_error)
    assert math.isnan(newey_west_mean(np.array([]), 0).value)
    assert math.isnan(newey_west_mean(np.array([np.nan]), 0).p_value)


@pytest.mark.parametrize(
    ("n", "horizon", "lags"), [(100, 1, 4), (1000, 1, 6), (1000, 5, 12), (1000, 20, 57), (40, 20, 10), (3, 5, 0)]
)
def test_the_lags_follow_the_stated_rule(n: int, horizon: int, lags: int) -> None:
    assert newey_west_lags(n, horizon) == lags


@given(st.integers(400, 5000), st.integers(1, 100))
def test_the_lags_cover_the_overlap_where_there_is_room(n: int, horizon: int) -> None:
    assert newey_west_lags(n, horizon) >= min(horizon - 1, n // 4)


def test_overlapping_labels_do_not_pass_for_findings() -> None:
    """Of 300 noise features on labels that overlap by 9 of 10 bars, about 5 % are significant; plainly, most are."""
    rng = np.random.default_rng(5)
    n, horizon, plain, honest = 600, 10, 0, 0
    for _ in range(300):
        total = np.concatenate([[0.0], np.cumsum(rng.standard_normal(n + horizon))])
        terms = total[horizon : n + horizon] - total[:n]  # a constant position's overlapping returns
        plain += newey_west_mean(terms, 0).p_value < 0.05
        honest += newey_west_mean(terms, newey_west_lags(n, horizon)).p_value < 0.05
    assert plain > 120
    assert 3 <= honest <= 33


def test_p_values_are_normal_without_lags_and_higher_with() -> None:
    assert two_sided(1.959964) == pytest.approx(0.05, abs=1e-6)
    assert two_sided(-1.959964) == two_sided(1.959964)
    assert two_sided(1.959964, 0.1) == pytest.approx(math.erfc(1.959964 / math.sqrt(2) / (1 + 0.3005676 / 1.96)))
    assert math.isnan(two_sided(float("nan")))


def test_benjamini_and_hochbergs_own_example() -> None:
    """Their fifteen p-values of 1995: at 5 % the first four are found, where Bonferroni finds three."""
    small = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p = np.array([*small, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0])
    q = adjusted_p_values(p)
    assert (q <= 0.05).sum() == 4
    assert (p <= 0.05 / 15).sum() == 3
    assert q[3] == pytest.approx(0.0095 * 15 / 4)


def test_adjusted_p_values_are_those_of_statsmodels(rng: np.random.Generator) -> None:
    tests = pytest.importorskip("statsmodels.stats.multitest")
    p = rng.random(40) ** 2
    assert adjusted_p_values(p) == pytest.approx(tests.multipletests(p, method="fdr_bh")[1])
    assert adjusted_p_values(p, "any") == pytest.approx(tests.multipletests(p, method="fdr_by")[1])


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_adjusting_keeps_the_order_and_never_lowers(p: np.ndarray) -> None:
    q = adjusted_p_values(p)
    assert (q >= p - 1e-15).all()
    assert (q <= 1).all()
    assert (np.diff(q[np.argsort(p)]) >= -1e-15).all()


def test_a_missing_p_value_is_no_test() -> None:
    q = adjusted_p_values(np.array([0.01, np.nan, 0.02]))
    assert q[[0, 2]] == pytest.approx([0.02, 0.02])
    assert np.isnan(q[1])
    with pytest.raises(ConfigError, match="positive or any"):
        adjusted_p_values(np.array([0.1]), "none")
