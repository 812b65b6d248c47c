"""What mutants of the statistics survived: options by name alone, records, and limits on both sides."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import effective_trials
from workbench.backtest import statistics as st
from workbench.errors import ConfigError, DataError
from workbench.risk.inference import (
    expected_max_sharpe_ratio,
    minimum_backtest_length,
    sharpe_standard_error,
)

NOISE = np.random.default_rng(5).normal(0.001, 0.01, (64, 4))
ONE = NOISE[:, 0]
TIMES = pd.date_range("2024-01-01", periods=64, freq="h", tz="UTC")
SURFACE = pd.DataFrame({"a": [1, 2, 3, 4, 5]})
FUNCTIONS = [f for name in st.__all__ if inspect.isfunction(f := getattr(st, name))]
BY_PLACE = {"bootstrap_interval": {"statistic"}, "crisis_table": {"benchmarks"}, "null_test": {"earned"}}
BY_PLACE["superior_ability"] = {"benchmark"}


@pytest.mark.parametrize("function", [*FUNCTIONS, effective_trials], ids=lambda f: f.__name__)
def test_options_are_given_by_name(function):
    parameters = inspect.signature(function).parameters.values()
    options = {p.name for p in parameters if p.default is not p.empty and p.kind is not p.KEYWORD_ONLY}
    assert options == BY_PLACE.get(function.__name__, set())


def records():
    """Return one of every record that holds arrays or tables."""
    traded = np.full(64, 0.1)
    return [
        st.bootstrap_interval(ONE, replicates=2, periods_per_year=1),
        st.capacity_curve(ONE, traded, traded + 1e6, traded, periods_per_year=252),
        st.null_test(ONE, ONE, n_draws=1),
        st.probability_of_backtest_overfitting(NOISE, n_blocks=2),
        st.surface_stability(SURFACE, [1.0, 2.0, 3.0, 2.0, 1.0]),
        st.superior_ability(NOISE, replicates=2),
        effective_trials(NOISE),
    ]


@pytest.mark.parametrize("record", records(), ids=lambda r: type(r).__name__)
def test_records_do_not_change_and_are_told_apart_by_identity(record):
    with pytest.raises(FrozenInstanceError):
        setattr(record, next(iter(record.__dataclass_fields__)), None)
    assert len({record, replace(record)}) == 2


def test_relative_figures_and_crises_do_not_change():
    for record in (st.against_benchmark(ONE, NOISE[:, 1], periods_per_year=1), st.CRISES[0]):
        with pytest.raises(FrozenInstanceError):
            setattr(record, next(iter(record.__dataclass_fields__)), None)


REFUSED = [
    (lambda: st.bootstrap_interval(ONE, replicates=1, periods_per_year=1), "at least 2, got 1"),
    (lambda: st.bootstrap_interval(ONE, confidence=1.0, periods_per_year=1), "got 1.0"),
    (lambda: st.bootstrap_interval(ONE, confidence=0.0, periods_per_year=1), "got 0.0"),
    (lambda: st.bootstrap_interval(ONE, confidence=-0.5, periods_per_year=1), "got -0.5"),
    (lambda: st.bootstrap_interval(ONE, block_length=0.9, periods_per_year=1), "from 1 to the 64 returns, got 0.9"),
    (lambda: st.bootstrap_interval(ONE, block_length=65, periods_per_year=1), "from 1 to the 64 returns, got 65"),
    (lambda: st.optimal_block_length(ONE[:7]), "at least 8"),
    (lambda: st.superior_ability(NOISE, replicates=1), "at least 2, got 1"),
    (lambda: st.superior_ability(NOISE, size=1.0), "got 1.0"),
    (lambda: st.superior_ability(NOISE, size=0.0), "got 0.0"),
    (lambda: st.superior_ability(NOISE, size=-1.0), "got -1.0"),
    (lambda: st.superior_ability(NOISE, block_length=0), "from 1 to the 64 rows, got 0"),
    (lambda: st.superior_ability(NOISE, block_length=65), "from 1 to the 64 rows, got 65"),
    (lambda: st.superior_ability(ONE), r"got \(64,\)"),
    (lambda: st.overfitting_from_moments(np.ones((1, 4, 2)), 5), r"at least 2 trials, got \(1, 4, 2\)"),
    (lambda: st.overfitting_from_moments(np.ones((2, 4, 3)), 5), r"got \(2, 4, 3\)"),
    (lambda: st.overfitting_from_moments(np.ones((2, 4, 2)), 1), "must be 2 or more"),
    (lambda: st.superior_ability(NOISE[:15]), r"at least 16 rows, got \(15, 4\)"),
    (lambda: st.rolling_beta(pd.Series(ONE, TIMES), pd.Series(ONE, TIMES), 2), "at least 3 bars, got 2"),
    (lambda: st.rolling_beta(pd.Series(ONE, TIMES), pd.Series(ONE, TIMES), 65), "at least 65 bars that both"),
    (lambda: st.against_benchmark(ONE[:2], ONE[:2], periods_per_year=1), "share 2 bars"),
    (lambda: st.volatility_regimes(ONE + 9, window=1), "at least 2 bars, got 1"),
    (lambda: st.volatility_regimes(ONE + 9, window=2, least_history=2), "at least 3, got 2"),
    (lambda: st.trend_regimes(ONE - ONE, window=2), "prices above 0"),
    (lambda: st.surface_stability(SURFACE, np.arange(5.0), threshold=0.0), "got 0.0"),
    (lambda: st.surface_stability(SURFACE, np.arange(5.0), threshold=1.1), "got 1.1"),
    (lambda: st.surface_stability(SURFACE, np.arange(5.0), n_neighbours=0), "at least 1, got 0"),
    (lambda: st.surface_stability(SURFACE, np.arange(5.0), winner=5), "from 0 to 4, got 5"),
    (lambda: st.surface_stability(SURFACE, np.arange(5.0), winner=-1), "from 0 to 4, got -1"),
    (lambda: st.surface_stability(SURFACE, [0.0, 1.0, np.inf, 1.0, 0.0]), "infinite in row 2"),
    (lambda: st.null_test(ONE, ONE, n_draws=0), "at least 1, got 0"),
    (lambda: st.null_test(ONE, ONE, cost_bps=-1.0), "0 or more, got -1.0"),
    (lambda: st.null_test(ONE, ONE, cost_bps=np.inf), "0 or more, got inf"),
    (lambda: st.null_test(ONE[:2], ONE[:2]), "at least 3 bars"),
    (lambda: st.p_value_of(1.0, []), "at least one draw"),
    (lambda: st.break_even_bps(ONE, ONE - 1.0), "never below 0"),
    (lambda: st.break_even_bps(ONE[:1], np.ones(1)), r"got \(1,\)"),
    (lambda: st.break_even_bps(ONE, np.ones(64), cost_bps=-0.1), "0 basis points or more, got -0.1"),
    (lambda: st.probability_of_backtest_overfitting(NOISE, n_blocks=0), "from 2 to .* got 0"),
    (lambda: st.probability_of_backtest_overfitting(NOISE, n_blocks=3), "even number"),
    (lambda: st.probability_of_backtest_overfitting(NOISE, n_blocks=-2), "got -2"),
    (lambda: st.probability_of_backtest_overfitting(NOISE[:, :1], n_blocks=2), "at least 2 trials"),
    (lambda: st.probability_of_backtest_overfitting(NOISE[:7], n_blocks=4), "shorter than 2"),
    (lambda: effective_trials(NOISE, min_correlation=0.0), "got 0.0"),
    (lambda: effective_trials(NOISE, min_correlation=1.0), "got 1.0"),
    (lambda: effective_trials(NOISE, max_compared=1), "at least 2, got 1"),
    (lambda: sharpe_standard_error(0.1, 1), "at least 2 returns, got 1"),
    (lambda: expected_max_sharpe_ratio(0, 1.0), "at least 1, got 0"),
    (lambda: expected_max_sharpe_ratio(2, -0.1), "0 or more, got -0.1"),
    (lambda: expected_max_sharpe_ratio(2, np.inf), "0 or more, got inf"),
    (lambda: minimum_backtest_length(2, sharpe=0.0), "above 0, got 0"),
    (lambda: minimum_backtest_length(2, sharpe=np.inf), "above 0, got inf"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_one_beyond_the_limit_is_refused(call, words):
    with pytest.raises((ConfigError, DataError), match=words):
        call()


def test_the_limit_itself_is_taken():
    every = dict.fromkeys(["replicates"], 2)
    assert len(st.bootstrap_interval(ONE, periods_per_year=1, block_length=64, **every).replicates) == 2
    assert st.bootstrap_interval(ONE[:8], periods_per_year=1, block_length=1, **every).value != 0
    st.optimal_block_length(ONE[:8])
    st.superior_ability(NOISE[:16], block_length=16, **every)
    st.superior_ability(NOISE[:16], block_length=1, **every)
    beta = st.rolling_beta(pd.Series(ONE, TIMES), pd.Series(ONE, TIMES), 3)
    np.testing.assert_allclose(beta.dropna(), 1.0)
    assert len(st.rolling_beta(pd.Series(ONE, TIMES), pd.Series(2 * ONE, TIMES), 64).dropna()) == 1
    assert st.against_benchmark(ONE[:3], ONE[:3], periods_per_year=1).beta == pytest.approx(1.0)
    assert (st.volatility_regimes(ONE + 9, window=2, least_history=3)[:6] == "unknown").sum() < 6
    st.surface_stability(SURFACE, np.arange(5.0), threshold=1.0, n_neighbours=1, winner=4)
    assert st.surface_stability(SURFACE, np.arange(5.0), winner=0).winner == 0
    assert len(st.null_test(ONE[:3], ONE[:3], n_draws=1, cost_bps=0.0).draws) == 1
    assert st.p_value_of(1.0, [1.0]) == 1.0
    assert 0 <= st.probability_of_backtest_overfitting(NOISE[:4, :2], n_blocks=2).pbo <= 1
    assert effective_trials(NOISE, max_compared=2).n >= 1
    assert expected_max_sharpe_ratio(1, 1.0) == expected_max_sharpe_ratio(5, 0.0) == 0.0
    assert sharpe_standard_error(0.0, 2) == pytest.approx(1.0)


@pytest.mark.parametrize("n", [12, 16, 30])
def test_block_lengths_of_short_series_are_those_of_arch(n):
    """In a short series each term of the autocorrelations weighs."""
    from arch.bootstrap import optimal_block_length

    for seed in range(12):
        noise = np.random.default_rng(seed).normal(size=n)
        series = noise.cumsum() if seed % 2 else noise
        expected = np.maximum(optimal_block_length(series).to_numpy()[0], 1.0)
        assert st.optimal_block_length(series) == pytest.approx(tuple(expected))
