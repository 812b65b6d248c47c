"""Quantile regimes and the hidden Markov model: planted truth, slow twins, filtering only, specs."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from workbench.data.sources.synthetic import synthetic_market
from workbench.errors import ConfigError, DataError, NotFittedError
from workbench.features import compute
from workbench.features.regimes import HiddenMarkov, QuantileRegimes

STAY = np.array([[0.98, 0.015, 0.005], [0.02, 0.97, 0.01], [0.01, 0.03, 0.96]])
MEANS, SIGMAS = np.array([0.0005, 0.0, -0.001]), np.array([0.004, 0.012, 0.035])


def drawn(seed: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the model itself, and their states."""
    rng = np.random.default_rng(seed)
    states = np.empty(n_rows, dtype=int)
    states[0] = 0
    for i in range(1, n_rows):
        states[i] = rng.choice(3, p=STAY[states[i - 1]])
    return rng.normal(MEANS[states], SIGMAS[states])[:, np.newaxis], states


def market_rows(seed: int = 3) -> tuple[pd.DataFrame, pd.Series]:
    """Log return and log range of the planted market, and whether a bar is a storm."""
    bars, truth = synthetic_market(f"regimes(seed={seed}, n_bars=8000)", ["A"])
    close, span = bars["close"]["A"], np.log(bars["high"]["A"] / bars["low"]["A"])
    X = pd.DataFrame({"ret": np.log(close).diff(), "range": np.log(span)}).iloc[1:]
    return X, truth["regime"]["A"].iloc[1:].astype(int)


def test_planted_parameters_are_recovered() -> None:
    X, states = drawn(1, 12_000)
    model = HiddenMarkov(3).fit(X)
    np.testing.assert_allclose(np.sqrt(model.variances_[:, 0]), SIGMAS, rtol=0.06)
    np.testing.assert_allclose(model.transition_, STAY, atol=0.012)
    np.testing.assert_allclose(model.means_[:, 0], MEANS, atol=0.002)
    fresh, truth = drawn(2, 6000)
    assert (model.predict(fresh) == truth).mean() > 0.9
    assert states.max() == 2


@pytest.mark.parametrize("seed", [3, 5, 7])
def test_storms_of_the_planted_market_are_told_out_of_sample(seed: int) -> None:
    """Fitted on the first half; on the second about nine in ten bars of either kind are told, guessing tells five."""
    X, truth = market_rows(seed)
    model = HiddenMarkov(2).fit(X.iloc[:4000])
    states, later = model.predict(X).iloc[4000:], truth.iloc[4000:]
    hits = states == later
    assert hits.mean() > 0.88
    assert np.mean([hits[later == k].mean() for k in (0, 1)]) > 0.88
    assert model.variances_[0, 0] < model.variances_[1, 0]


def test_filtered_probabilities_do_not_know_the_future() -> None:
    X, _ = market_rows()
    model = HiddenMarkov(3).fit(X.iloc[:3000])
    full = model.predict_proba(X)
    for cut in (1, 2, 100, 3001, 7998):
        pd.testing.assert_frame_equal(model.predict_proba(X.iloc[:cut]), full.iloc[:cut], check_exact=True)
    np.testing.assert_allclose(full.sum(axis=1), 1, rtol=1e-12)
    assert (full >= 0).all(axis=None)


def slow_filter(model: HiddenMarkov, X: np.ndarray) -> np.ndarray:
    """Bayes' rule row by row."""
    belief, out = model.start_, []
    for i, row in enumerate(X):
        before = belief if i == 0 else belief @ model.transition_
        after = before * norm.pdf(row, model.means_, np.sqrt(model.variances_)).prod(axis=1)
        belief = after / after.sum()
        out.append(belief)
    return np.array(out)


def test_filtering_is_its_slow_twin() -> None:
    X, _ = market_rows()
    model = HiddenMarkov(2).fit(X.iloc[:2000])
    np.testing.assert_allclose(
        model.predict_proba(X.iloc[2000:2300]), slow_filter(model, X.iloc[2000:2300].to_numpy()), rtol=1e-9, atol=1e-12
    )


def test_the_expectation_step_is_all_paths_summed() -> None:
    """Seven rows, two states: P(state_t | all rows) and expected moves from the 128 paths."""
    from workbench.features.regimes.markov_kernels import expectations

    rng = np.random.default_rng(4)
    b, start = rng.uniform(0.1, 1, (7, 2)), np.array([0.3, 0.7])
    moves_to = np.array([[0.8, 0.2], [0.4, 0.6]])
    weights = np.zeros((7, 2))
    moves, total = np.zeros((2, 2)), 0.0
    for code in range(128):
        path = [(code >> i) & 1 for i in range(7)]
        p = start[path[0]] * b[0, path[0]]
        for i in range(1, 7):
            p *= moves_to[path[i - 1], path[i]] * b[i, path[i]]
        total += p
        for i in range(7):
            weights[i, path[i]] += p
        for i in range(1, 7):
            moves[path[i - 1], path[i]] += p
    gamma, counted = np.empty((7, 2)), np.zeros((2, 2))
    likelihood = expectations(b, start, moves_to, gamma, counted)
    np.testing.assert_allclose(gamma, weights / total, rtol=1e-10)
    np.testing.assert_allclose(counted, moves / total, rtol=1e-10)
    np.testing.assert_allclose(likelihood, np.log(total), rtol=1e-10)


def test_more_rounds_never_make_the_rows_less_likely() -> None:
    X, _ = drawn(5, 3000)
    reached = [HiddenMarkov(3, n_iter=n, tol=0.0).fit(X).log_likelihood_ for n in (1, 2, 3, 5, 10, 30, 60)]
    assert (np.diff(reached) > -1e-7).all()
    assert reached[-1] > reached[0] + 0.01


def test_fitting_repeats_itself_and_the_test_rows_do_not_matter() -> None:
    X, _ = market_rows()
    changed = X.copy()
    changed.iloc[4000:] *= 9
    one, two = HiddenMarkov(2).fit(X.iloc[:4000]), HiddenMarkov(2).fit(changed.iloc[:4000])
    assert one.to_spec() == two.to_spec()
    pd.testing.assert_frame_equal(one.predict_proba(X.iloc[:4000]), two.predict_proba(changed).iloc[:4000])


def test_symbols_are_sequences_of_their_own() -> None:
    X, _ = market_rows()
    both = pd.concat({"A": X.iloc[:900], "B": X.iloc[3000:3900].set_axis(X.index[:900])}, names=["symbol"])
    both = both.swaplevel().sort_index()
    model = HiddenMarkov(2).fit(both)
    out = model.predict_proba(both)
    for symbol, rows in (("A", X.iloc[:900]), ("B", X.iloc[3000:3900])):
        np.testing.assert_array_equal(out.xs(symbol, level="symbol"), model.predict_proba(rows))


def test_a_missing_row_says_nothing() -> None:
    X, _ = market_rows()
    model = HiddenMarkov(2).fit(X)
    holed = X.iloc[:50].copy()
    holed.iloc[20, 1] = np.nan
    out = model.predict_proba(holed).to_numpy()
    np.testing.assert_allclose(out[20], out[19] @ model.transition_, rtol=1e-12)
    assert np.isfinite(out).all()


def test_outliers_far_out_of_the_training_rows_are_the_wild_state() -> None:
    X, _ = market_rows()
    model = HiddenMarkov(2).fit(X[["ret"]])
    out = model.predict_proba(pd.DataFrame({"ret": [0.0, 5.0, -1e6]}))
    assert np.isfinite(out).all(axis=None)
    np.testing.assert_allclose(out.iloc[1:, 1], 1.0)


@pytest.mark.parametrize("kind", ["hmm", "quantiles"])
def test_specs_survive_json_bit_for_bit(kind: str) -> None:
    X, _ = market_rows()
    fitted = HiddenMarkov(3).fit(X) if kind == "hmm" else QuantileRegimes(4).fit(X[["range"]])
    rows = X if kind == "hmm" else X[["range"]]
    copy = type(fitted).from_spec(json.loads(json.dumps(fitted.to_spec())))
    pd.testing.assert_series_equal(copy.predict(rows), fitted.predict(rows))
    assert copy.to_spec() == fitted.to_spec()
    if kind == "hmm":
        pd.testing.assert_frame_equal(copy.predict_proba(rows), fitted.predict_proba(rows), check_exact=True)
    with pytest.raises(DataError, match="this is the spec of 'x'"):
        type(fitted).from_spec({**fitted.to_spec(), "kind": "x"})
    for key in set(fitted.to_spec()) - {"kind"}:
        with pytest.raises(DataError, match=f"lacks or garbles '{key}'"):
            type(fitted).from_spec({k: v for k, v in fitted.to_spec().items() if k != key})


def test_garbled_specs_are_refused() -> None:
    X, _ = market_rows()
    good = HiddenMarkov(2).fit(X).to_spec()
    for change, message in (
        ({"means": [[0.0, 0.0]]}, "n_states must be a whole number from 2 to 8, got 1"),
        ({"transition": [[1.0], [1.0]]}, "differing lengths"),
        ({"transition": [[0.5, 0.6], [0.5, 0.5]]}, "transitions that are no chances"),
        ({"variances": [[1.0, 0.0], [1.0, 1.0]]}, "not positive and finite"),
        ({"names": ["a"]}, "differing lengths"),
    ):
        with pytest.raises((DataError, ConfigError), match=message):
            HiddenMarkov.from_spec({**good, **change})
    with pytest.raises(DataError, match="cuts that do not increase"):
        QuantileRegimes.from_spec({"kind": "quantile_regimes", "edges": [2.0, 1.0], "names": None, "n_rows": 3})


def test_quantile_regimes_by_hand_and_planted() -> None:
    model = QuantileRegimes(3).fit(np.array([[1.0], [2.0], [3.0], [4.0]]))
    np.testing.assert_allclose(model.edges_, [2, 3])
    assert model.predict(np.array([[-9.0], [2.0], [2.9], [3.0], [9.0], [np.nan]])).tolist() == [0, 1, 1, 2, 2, -1]
    bars, truth = synthetic_market("regimes(seed=3, n_bars=8000)", ["A"])
    vol = compute(bars, "realized_vol(20)")["realized_vol(20)"].iloc[20:]
    states = QuantileRegimes(3).fit(vol.iloc[:4000]).predict(vol.iloc[4000:])
    storm = truth["regime"]["A"].loc[states.index]
    assert storm[states == 0].mean() < 0.05
    assert storm[states == 2].mean() > 2 * storm.mean()


def test_errors_are_one_line() -> None:
    X, _ = market_rows()
    with pytest.raises(NotFittedError, match="HiddenMarkov is not fitted"):
        HiddenMarkov().predict(X)
    with pytest.raises(NotFittedError, match="QuantileRegimes is not fitted"):
        QuantileRegimes().to_spec()
    with pytest.raises(ConfigError, match="n_states must be a whole number from 2 to 8, got 1"):
        HiddenMarkov(1).fit(X)
    with pytest.raises(ConfigError, match="tol must be 0 or more, got -1"):
        HiddenMarkov(tol=-1).fit(X)
    with pytest.raises(ConfigError, match="n_states must be a whole number from 2 to 20, got 1"):
        QuantileRegimes(1).fit(X[["ret"]])
    with pytest.raises(DataError, match="QuantileRegimes.fit takes one feature, got 2"):
        QuantileRegimes().fit(X)
    with pytest.raises(DataError, match="needs at least 20 rows, got 5"):
        HiddenMarkov().fit(X.iloc[:5])
    with pytest.raises(DataError, match="column 'ret' is constant"):
        HiddenMarkov().fit(X.assign(ret=1.0))
    with pytest.raises(DataError, match="NaN or infinity in column 'range'"):
        HiddenMarkov().fit(X.assign(range=np.nan))
    with pytest.raises(DataError, match="use the same order"):
        HiddenMarkov().fit(X).predict(X[["range", "ret"]])
