"""What every normaliser must hold, and what each of them does."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from workbench.errors import ConfigError, DataError, NotFittedError
from workbench.features.normalize import (
    Chain,
    FractionalDifference,
    Normaliser,
    RankGauss,
    RobustStandardizer,
    Standardizer,
    from_spec,
    normaliser,
)

MAKERS: dict[str, Callable[[], Normaliser]] = {
    "zscore": Standardizer,
    "robust": RobustStandardizer,
    "robust_iqr": lambda: RobustStandardizer(scale="iqr", clip=3.0),
    "rank_gauss": lambda: RankGauss(50),
    "frac_diff": lambda: FractionalDifference(0.6, threshold=0.02),
    "chain": lambda: Chain(["frac_diff(0.5, 0.05)", "robust", RankGauss(20)]),
}
NAMES = tuple(MAKERS)


def frame(seed: int = 1, n_rows: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {
        "walk": np.cumsum(rng.normal(size=n_rows)),
        "heavy": rng.standard_t(2, n_rows),
        "sparse": (rng.random(n_rows) < 0.1) * 1.0,
        "constant": np.full(n_rows, 0.1),
    }
    return pd.DataFrame(columns, index=pd.date_range("2024-01-01", periods=n_rows, tz="UTC", name="time"))


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**31), factor=st.floats(-1e6, 1e6))
def test_test_rows_change_nothing_that_was_learned(name: str, seed: int, factor: float) -> None:
    """Whatever the rows after the training part hold, what was learned and the training output stay, bit for bit."""
    X = frame(seed)
    other = X.copy()
    other.iloc[80:] = other.iloc[80:] * factor + 1
    one, two = MAKERS[name]().fit(X.iloc[:80]), MAKERS[name]().fit(other.iloc[:80])
    assert one.to_spec() == two.to_spec()
    before = one.transform(X.iloc[:80])
    one.transform(other.iloc[80:])
    pd.testing.assert_frame_equal(one.transform(other).iloc[:80], before, check_exact=True)
    pd.testing.assert_frame_equal(one.transform(X).iloc[:80], before, check_exact=True)


@pytest.mark.parametrize("name", NAMES)
def test_specs_survive_json_bit_for_bit(name: str) -> None:
    X = frame()
    fitted = MAKERS[name]().fit(X.iloc[:80])
    copy = from_spec(json.loads(json.dumps(fitted.to_spec())))
    assert type(copy) is type(fitted)
    assert copy.to_spec() == fitted.to_spec()
    pd.testing.assert_frame_equal(copy.transform(X), fitted.transform(X), check_exact=True)


@pytest.mark.parametrize("name", NAMES)
def test_frame_in_frame_out_and_nothing_is_written_to(name: str) -> None:
    X = frame()
    before = X.copy(deep=True)
    fitted = MAKERS[name]().fit(X)
    out = fitted.transform(X)
    assert out.index.equals(X.index)
    assert out.columns.equals(X.columns)
    pd.testing.assert_frame_equal(X, before, check_exact=True)
    array = MAKERS[name]().fit(X.to_numpy()).transform(X.to_numpy())
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, out.to_numpy())
    again = MAKERS[name]().fit_transform(X)
    pd.testing.assert_frame_equal(again, out, check_exact=True)


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_one_line_and_name_the_column(name: str) -> None:
    make, X = MAKERS[name], frame()
    with pytest.raises(NotFittedError, match="is not fitted; call fit"):
        make().transform(X)
    with pytest.raises(NotFittedError, match="is not fitted"):
        make().to_spec()
    bad = X.copy()
    bad.iloc[3, 1] = np.inf
    with pytest.raises(DataError, match="NaN or infinity in column 'heavy'"):
        make().fit(bad)
    with pytest.raises(DataError, match=r"needs rows × features, got shape \(0, 4\)"):
        make().fit(X.iloc[:0])
    fitted = make().fit(X)
    with pytest.raises(DataError, match=r"was fitted on \['walk', .*; use the same order"):
        fitted.transform(X[X.columns[::-1]])
    with pytest.raises(DataError, match="fitted on 4 features, got 2"):
        fitted.transform(X.iloc[:, :2])
    with pytest.raises(DataError, match="this is the spec of 'else'|there is no normaliser of kind 'else'"):
        from_spec({**fitted.to_spec(), "kind": "else"})
    for key in set(fitted.to_spec()) - {"kind"}:
        spec = fitted.to_spec()
        del spec[key]
        with pytest.raises(DataError, match=f"lacks or garbles '{key}'"):
            from_spec(spec)


@pytest.mark.parametrize("name", ["zscore", "robust", "rank_gauss"])
def test_nan_passes_and_windows_too(name: str) -> None:
    X = frame()
    fitted = MAKERS[name]().fit(X)
    holed = X.copy()
    holed.iloc[5, 0] = np.nan
    out = fitted.transform(holed)
    assert np.isnan(out.iloc[5, 0])
    assert out.isna().to_numpy().sum() == 1
    plain = MAKERS[name]().fit(X.to_numpy())
    windows = X.to_numpy()[:100].reshape(4, 25, 4)
    np.testing.assert_array_equal(plain.transform(windows).reshape(100, 4), plain.transform(X.to_numpy()[:100]))


def test_robust_scale_by_hand() -> None:
    """Median 3, absolute deviations 2 1 0 1 97: MAD 1; quartiles 2 and 4: IQR 2."""
    X = np.array([[1.0], [2.0], [3.0], [4.0], [100.0]])
    mad = RobustStandardizer().fit(X)
    np.testing.assert_allclose(mad.transform(np.array([[4.0]])), 1 / norm.ppf(0.75) ** -1, rtol=1e-12)
    iqr = RobustStandardizer(scale="iqr").fit(X)
    np.testing.assert_allclose(iqr.transform(np.array([[4.0]])), 2 * norm.ppf(0.75) / 2, rtol=1e-12)
    clipped = RobustStandardizer(clip=3).fit(X)
    assert clipped.transform(X)[-1, 0] == 3


def test_robust_scale_equals_sigma_on_normal_rows_and_ignores_outliers(rng: np.random.Generator) -> None:
    X = rng.normal(5, 2, (20_000, 1))
    for scale in ("mad", "iqr"):
        clean = RobustStandardizer(scale=scale).fit(X)
        np.testing.assert_allclose(clean.scale_, 2, rtol=0.03)
        spoiled = X.copy()
        spoiled[::50] = 1e9
        np.testing.assert_allclose(RobustStandardizer(scale=scale).fit(spoiled).scale_, 2, rtol=0.08)
    assert Standardizer().fit(spoiled).scale_[0] > 1e8


def test_mostly_equal_and_constant_columns() -> None:
    X = frame()[["sparse", "constant"]]
    scaler = RobustStandardizer().fit(X)
    np.testing.assert_allclose(scaler.scale_, [X["sparse"].std(ddof=0), 1.0])
    assert (RankGauss().fit(X).transform(X)["constant"] == 0).all()


def test_rank_gauss_is_normal_and_keeps_the_order(rng: np.random.Generator) -> None:
    X = rng.pareto(1.5, (5000, 1)) * 1e3
    out = RankGauss().fit(X).transform(X)[:, 0]
    assert (np.diff(out[np.argsort(X[:, 0])]) >= 0).all()
    assert abs(out.mean()) < 0.01
    np.testing.assert_allclose(out.std(), 1, atol=0.01)
    shares = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(np.quantile(out, shares), norm.ppf(shares), atol=0.02)


def test_rank_gauss_by_hand() -> None:
    """Four rows: quantiles at 1/8, 3/8, 5/8, 7/8 are the rows themselves; beyond them the outermost score."""
    fitted = RankGauss().fit(np.array([[3.0], [10.0], [1.0], [2.0]]))
    out = fitted.transform(np.array([[1.0], [2.0], [3.0], [10.0], [2.5], [-9.0], [1e300], [np.inf], [-np.inf]]))[:, 0]
    z = norm.ppf([1 / 8, 3 / 8, 5 / 8, 7 / 8])
    np.testing.assert_allclose(out, [*z, 0.0, z[0], z[-1], z[-1], z[0]], rtol=1e-12, atol=1e-12)


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.floats(-1e12, 1e12)))
def test_rank_gauss_is_finite_monotonic_and_equal_on_ties(X: np.ndarray) -> None:
    fitted = RankGauss(12).fit(X)
    out = fitted.transform(X)
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= -norm.ppf(0.5 / 12) + 1e-9
    for j in range(X.shape[1]):
        order = np.argsort(X[:, j], kind="stable")
        assert (np.diff(out[order, j]) >= -1e-12).all()
        for value in np.unique(X[:, j]):
            assert np.unique(out[X[:, j] == value, j]).size == 1


def test_a_chain_learns_from_what_its_first_steps_leave() -> None:
    X = frame()[["walk", "heavy"]]
    chain = Chain(["frac_diff(1)", "zscore"]).fit(X.iloc[:80])
    steps = X.diff()
    train = steps.iloc[1:80]
    np.testing.assert_allclose(chain.transform(X).iloc[1:], ((steps - train.mean()) / train.std(ddof=0)).iloc[1:])
    assert chain.transform(X).iloc[0].isna().all()
    with pytest.raises(DataError, match=r"step 0 \(FractionalDifference\) leaves none of 5 training rows"):
        Chain(["frac_diff(0.4)", "zscore"]).fit(X.iloc[:5])
    with pytest.raises(ConfigError, match="a chain needs at least one normaliser"):
        Chain([]).fit(X)


def test_symbols_are_differenced_apart() -> None:
    X = frame()[["walk"]]
    both = pd.concat({"A": X, "B": X * 7 + 3}, names=["symbol"]).swaplevel().sort_index()
    out = FractionalDifference(0.6, threshold=0.02).fit(both).transform(both)
    for symbol, own in (("A", X), ("B", X * 7 + 3)):
        alone = FractionalDifference(0.6, threshold=0.02).fit(own).transform(own)
        pd.testing.assert_frame_equal(out.xs(symbol, level="symbol"), alone, check_exact=True)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("zscor", "no normaliser 'zscor'. Did you mean 'zscore'"),
        ("robust(skale='mad')", "unexpected keyword argument 'skale'"),
        ("rank_gauss(1, 2)", "takes from 1 to 2 positional arguments"),
    ],
)
def test_wrong_specs(spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        normaliser(spec)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (RobustStandardizer(scale="madd"), "scale is 'madd'. Did you mean 'mad'"),
        (RobustStandardizer(clip=-1), "clip must be 0 or more, got -1"),
        (RankGauss(1), "n_quantiles must be a whole number from 2 on, got 1"),
        (FractionalDifference(3), "d must be from 0 to 2, got 3"),
        (FractionalDifference(0.4, threshold=0), "threshold must be from 1e-8"),
    ],
)
def test_wrong_settings_are_refused_by_fit(made: Normaliser, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made.fit(frame())
    assert message in str(caught.value)


def test_garbled_specs() -> None:
    good = RankGauss().fit(frame()).to_spec()
    with pytest.raises(DataError, match="quantiles that do not increase"):
        from_spec({**good, "quantiles": [q[::-1] for q in good["quantiles"]]})
    with pytest.raises(DataError, match="differing lengths"):
        from_spec({**good, "scores": good["scores"][:2]})
    with pytest.raises(DataError, match="no normaliser of kind None"):
        from_spec({})
    robust = RobustStandardizer().fit(frame()).to_spec()
    with pytest.raises(DataError, match="not positive and finite"):
        from_spec({**robust, "scale": [0.0] * 4})
    with pytest.raises(DataError, match="lacks or garbles"):
        from_spec({**robust, "method": "else"})
