"""The design matrix and the standardiser."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.config.parameters import DEFAULT_FEATURES
from workbench.errors import DataError, NotFittedError
from workbench.features import (
    Registry,
    Standardizer,
    compute,
    design_matrix,
    feature,
    feature_matrix,
    forward_return,
    label_classes,
)

SPECS = ["ret(1)", "rsi(14)", "volume_z(20)"]


def test_rows_hold_what_the_parts_say(ragged: pd.DataFrame) -> None:
    design = design_matrix(ragged, SPECS, horizon=3, neutral_band=0.5)
    features = compute(ragged, SPECS)
    forward, t1 = forward_return(ragged, 3)
    classes = label_classes(forward, ragged, 0.5, horizon=3)
    assert len(design) > 1000
    for row in np.random.default_rng(0).integers(0, len(design), 150):
        time, symbol = design.X.index[row]
        assert design.X.iloc[row].tolist() == [features.loc[time, (s, symbol)] for s in SPECS]
        assert design.known.iloc[row] == pd.notna(forward.loc[time, symbol])
        assert design.last_return.iloc[row] == features.loc[time, ("ret(1)", symbol)]
        if design.known.iloc[row]:
            assert design.forward.iloc[row] == forward.loc[time, symbol]
            assert design.t1.iloc[row] == t1.loc[time, symbol]
            assert design.y.iloc[row] == classes.loc[time, symbol]
        else:
            assert pd.isna(design.t1.iloc[row])
            assert np.isnan(design.forward.iloc[row])
            assert design.y.iloc[row] == 0


def test_index_order_types_and_warmup(ragged: pd.DataFrame) -> None:
    design = design_matrix(ragged, SPECS, horizon=3)
    X = design.X
    assert X.index.names == ["time", "symbol"]
    assert X.index.is_monotonic_increasing
    assert X.index.is_unique
    assert list(X.columns) == SPECS
    assert np.isfinite(X.to_numpy()).all()
    assert design.warmup == 19
    for part in (design.y, design.known, design.forward, design.t1, design.last_return):
        assert part.index.equals(X.index)
    assert str(design.y.dtype) == "int64"
    assert str(design.known.dtype) == "bool"
    assert str(design.t1.dtype).endswith("UTC]")
    assert design.times[0] == ragged.index[19]
    for symbol in "ABCD":
        own = ragged["close"][symbol].dropna().index
        mine = X.xs(symbol, level="symbol").index
        assert mine.equals(own[19:])
        assert design.known.xs(symbol, level="symbol").tolist() == [True] * (len(mine) - 4) + [False] * 4


def test_symbols_are_sorted_whatever_the_columns_say(bars: pd.DataFrame) -> None:
    turned = bars[[(f, s) for f in ("volume", "close", "open", "low", "high") for s in "DACB"]]
    expected, got = design_matrix(bars, SPECS, 2, 0.3), design_matrix(turned, SPECS, 2, 0.3)
    pd.testing.assert_frame_equal(got.X, expected.X, check_exact=True)
    for name in ("y", "known", "forward", "t1", "last_return"):
        pd.testing.assert_series_equal(getattr(got, name), getattr(expected, name), check_exact=True)


def test_warmup_covers_the_last_return_and_the_band(bars: pd.DataFrame) -> None:
    assert design_matrix(bars, "obv").warmup == 1
    assert design_matrix(bars, "obv", neutral_band=0.5).warmup == 20
    assert design_matrix(bars, ["obv", "ema(100)"], neutral_band=0.5).warmup == 99
    assert design_matrix(bars, "obv", neutral_band=0.5).y.loc[bars.index[20]].notna().all()


def test_the_future_does_not_change_rows_that_were_known(ragged: pd.DataFrame) -> None:
    full, part = design_matrix(ragged, SPECS, 3, 0.5), design_matrix(ragged.iloc[:300], SPECS, 3, 0.5)
    assert part.X.equals(full.X.loc[part.X.index])
    known = part.known
    assert part.y[known].equals(full.y.loc[part.X.index][known])
    assert part.t1[known].equals(full.t1.loc[part.X.index][known])


def test_feature_matrix_is_the_same_rows_down_to_the_newest_bar(ragged: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(feature_matrix(ragged, SPECS), design_matrix(ragged, SPECS).X, check_exact=True)
    only = feature_matrix(ragged.iloc[100:120][[(f, "A") for f in ("close", "volume")]], SPECS)
    assert list(only.index) == [(ragged.index[119], "A")]


def test_too_few_bars_is_one_line_with_numbers(market) -> None:
    message = r"A has 103 bars, at least 106 are needed: the warm-up of 'ema_gap\(100\)' takes 99 and the label 6 more"
    with pytest.raises(DataError, match=message):
        design_matrix(market(103), list(DEFAULT_FEATURES), horizon=5)
    assert design_matrix(market(106, "A"), list(DEFAULT_FEATURES), horizon=5).known.tolist() == [True] + [False] * 6
    late = market(300)
    late.loc[late.index[:280], (slice(None), "B")] = np.nan
    with pytest.raises(DataError, match="B has 20 bars, at least 102 are needed"):
        design_matrix(late, "ema_gap(100)")
    with pytest.raises(DataError, match="A has 0 bars"):
        feature_matrix(late.iloc[:0], "ret(1)")


def test_a_feature_with_holes_or_infinities_is_named(market) -> None:
    registry = Registry()

    @feature("holed", registry=registry, warmup=2)
    def holed(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"].diff(2).where((bars.index.hour != 7)[:, None] & bars["close"].notna())

    with pytest.raises(DataError, match="'holed' is nan at 2024-02-28 07:00 for A, after its warm-up of 2 bars"):
        design_matrix(market(100), holed)

    @feature("infinite", registry=registry, warmup=0)
    def infinite(bars: pd.DataFrame) -> pd.DataFrame:
        return 1 / (bars["close"] - bars["close"].iloc[3])

    with pytest.raises(DataError, match="'infinite' is inf at 2024-02-28 03:00 for A"):
        design_matrix(market(100), infinite)


def test_an_undeclared_warmup_is_taken_from_the_values(ragged: pd.DataFrame) -> None:
    @feature("late", registry=Registry())
    def late(bars: pd.DataFrame, *, window: int = 31) -> pd.DataFrame:
        return bars["close"].apply(lambda c: c.dropna().rolling(window).mean().reindex(c.index))

    assert design_matrix(ragged, late).warmup == 30


def test_standardizer_learns_from_the_training_rows_only(bars: pd.DataFrame) -> None:
    X = design_matrix(bars, SPECS).X
    train, test = X.iloc[:800], X.iloc[800:]
    scaler = Standardizer().fit(train)
    out = scaler.transform(train)
    np.testing.assert_allclose(out.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(out.std(ddof=0), 1, rtol=1e-12)
    np.testing.assert_allclose(scaler.transform(test), (test - train.mean()) / train.std(ddof=0), rtol=1e-12)
    changed = Standardizer().fit(pd.concat([train, test * 50]).iloc[:800])
    assert np.array_equal(changed.mean_, scaler.mean_)
    assert scaler.n_rows_ == 800
    pd.testing.assert_frame_equal(Standardizer().fit_transform(train), out)


def test_standardizer_centres_constant_columns(rng: np.random.Generator) -> None:
    X = np.column_stack([np.full(50, 0.1), np.full(50, 1e9) + 1e-7 * rng.normal(size=50), rng.normal(size=50)])
    scaler = Standardizer().fit(X)
    assert scaler.scale_[:2].tolist() == [1.0, 1.0]
    assert np.abs(scaler.transform(X)[:, :2]).max() < 1e-6


@given(arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=st.floats(-1e9, 1e9)))
@settings(max_examples=50, deadline=None)
def test_standardizer_survives_json_bit_for_bit(X: np.ndarray) -> None:
    scaler = Standardizer().fit(X)
    copy = Standardizer.from_spec(json.loads(json.dumps(scaler.to_spec())))
    assert np.array_equal(copy.transform(X), scaler.transform(X))
    assert np.isfinite(scaler.transform(X)).all()
    windows = X[np.newaxis, :, :]
    assert np.array_equal(copy.transform(windows)[0], scaler.transform(X))


def test_standardizer_names_survive_and_are_checked(bars: pd.DataFrame) -> None:
    X = design_matrix(bars, SPECS).X
    copy = Standardizer.from_spec(json.loads(json.dumps(Standardizer().fit(X).to_spec())))
    assert copy.names_ == tuple(SPECS)
    with pytest.raises(DataError, match="was fitted on .*'ret.1.', 'rsi.14.'.*; use the same order"):
        copy.transform(X[SPECS[::-1]])
    with pytest.raises(DataError, match="fitted on 3 features, got 2"):
        copy.transform(X[SPECS[:2]])


def test_standardizer_refuses_bad_input() -> None:
    with pytest.raises(NotFittedError, match="not fitted; call fit"):
        Standardizer().transform(np.zeros((2, 2)))
    with pytest.raises(NotFittedError, match="not fitted"):
        Standardizer().to_spec()
    with pytest.raises(DataError, match=r"needs rows × features, got shape \(0, 3\)"):
        Standardizer().fit(np.zeros((0, 3)))
    with pytest.raises(DataError, match="NaN or infinity in column 'b'"):
        Standardizer().fit(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, np.nan]}))


GOOD = {"kind": "standardizer", "mean": [0.0, 1.0], "scale": [1.0, 2.0], "names": ["a", "b"], "n_rows": 5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "scaler"}, "spec of 'scaler', not of a standardizer"),
        ({"mean": [0.0]}, "differing lengths"),
        ({"names": ["a"]}, "differing lengths"),
        ({"mean": 0.0}, "differing lengths"),
        ({"scale": [1.0, 0.0]}, "not positive and finite"),
        ({"scale": [1.0, float("nan")]}, "not positive and finite"),
        ({"mean": ["x", "y"]}, "lacks or garbles"),
        ({"n_rows": None}, "lacks or garbles"),
    ],
)
def test_a_garbled_spec_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Standardizer.from_spec({**GOOD, **change})
    with pytest.raises(DataError, match="lacks or garbles 'mean'"):
        Standardizer.from_spec({k: v for k, v in GOOD.items() if k != "mean"})
