"""Scaled returns, trend scanning, meta-labels and the registry of labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import compute, forward_return, labels

SPECS = ("fixed(5)", "vol_scaled(10)", "triple_barrier(up=2.0, down=1.0, horizon=20)", "trend_scan(5, 20)")


@pytest.mark.parametrize("spec", SPECS)
def test_every_label_knows_its_end_and_never_changes_it(ragged: pd.DataFrame, spec: str) -> None:
    """No look into bars after t1: what is known on a beginning of the bars stays as it is on all of them."""
    full = labels.compute(ragged, spec)
    bound = labels.resolve(spec)
    assert full.y.notna().equals(full.t1.notna())
    assert full.y.notna().equals(full.returns.notna())
    assert full.y.notna().equals(full.held.notna())
    for symbol in "ABCD":
        ends = full.t1[symbol].dropna()
        own = ragged["close"][symbol].dropna().index
        assert (ends > ends.index).all()
        assert (own.searchsorted(ends) - own.searchsorted(ends.index) <= bound.ahead).all()
        assert full.y[symbol].reindex(own).iloc[: bound.warmup].isna().all()
    for cut in (1, 2, 25, 137, 290):
        part = labels.compute(ragged.iloc[:cut], spec)
        seen = (full.t1.iloc[:cut] <= ragged.index[cut - 1]) & full.t1.iloc[:cut].notna()
        assert part.known.equals(seen)
        pd.testing.assert_frame_equal(part.y, full.y.iloc[:cut].where(seen), check_exact=True)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("n_bars", [0, 1, 2, 3, 22])
def test_short_bars(bars: pd.DataFrame, spec: str, n_bars: int) -> None:
    label = labels.compute(bars.iloc[:n_bars], spec)
    assert label.y.shape == label.t1.shape == label.returns.shape == (n_bars, 4)


def test_fixed_is_the_forward_return(ragged: pd.DataFrame) -> None:
    label = labels.compute(ragged, "fixed(5)")
    returns, t1 = forward_return(ragged, 5)
    pd.testing.assert_frame_equal(label.y, returns)
    pd.testing.assert_frame_equal(label.t1, t1)
    assert (label.held.to_numpy()[label.known.to_numpy()] == 5).all()


def test_scaled_returns_are_returns_over_what_was_to_be_expected(ragged: pd.DataFrame) -> None:
    label = labels.compute(ragged, "vol_scaled(10, 15)")
    sigma = compute(ragged, "realized_vol(15)")["realized_vol(15)"]
    back = label.y * sigma * np.sqrt(10)
    returns = forward_return(ragged, 10)[0]
    known = label.known
    np.testing.assert_allclose(back.to_numpy()[known], returns.to_numpy()[known], rtol=1e-12)
    assert known.equals(returns.notna() & (sigma > 0))
    assert np.isfinite(label.y.to_numpy()[known]).all()
    assert 0.7 < label.y["A"].std() < 1.4


def test_classes_of_scaled_returns_are_those_with_a_volatility_band(ragged: pd.DataFrame) -> None:
    """vol_scaled is NaN where the volatility is 0; elsewhere a band of 0.7 volatilities says the same on both ways."""
    scaled = labels.compute(ragged, "vol_scaled(4, 20)")
    classes = labels.label_classes(forward_return(ragged, 4)[0], ragged, 0.7, horizon=4)
    pd.testing.assert_frame_equal(scaled.to_classes(0.7), classes.where(scaled.known))
    barrier = labels.compute(ragged, "triple_barrier")
    pd.testing.assert_frame_equal(barrier.to_classes(), barrier.y)
    with pytest.raises(ConfigError, match="neutral_band must be 0 or more, got -1"):
        barrier.to_classes(-1)


def slow_trend(y: np.ndarray, shortest: int, longest: int) -> tuple[float, int]:
    """Ordinary least squares by numpy on each line."""
    best, chosen = 0.0, 0
    for h in range(shortest, longest + 1):
        x = np.column_stack([np.ones(h + 1), np.arange(h + 1.0)])
        b, *_ = np.linalg.lstsq(x, y[: h + 1], rcond=None)
        residual = y[: h + 1] - x @ b
        t = b[1] / np.sqrt(residual @ residual / (h - 1) * np.linalg.inv(x.T @ x)[1, 1])
        if abs(t) > abs(best):
            best, chosen = t, h
    return best, chosen


def test_trend_scanning_is_its_slow_twin(ragged: pd.DataFrame) -> None:
    label = labels.compute(ragged, "trend_scan(3, 12)")
    open_ = ragged["open"]["C"].dropna()
    y = np.log(open_.to_numpy())
    for t in range(0, len(y) - 13, 3):
        when = open_.index[t]
        expected, horizon = slow_trend(y[t + 1 :], 3, 12)
        np.testing.assert_allclose(label.details["t_value"].loc[when, "C"], expected, rtol=1e-6)
        assert label.details["horizon"].loc[when, "C"] == horizon
        assert label.y.loc[when, "C"] == np.sign(expected)
        assert label.t1.loc[when, "C"] == open_.index[t + 13]
        earned = open_.iloc[t + 1 + horizon] / open_.iloc[t + 1] - 1
        np.testing.assert_allclose(label.returns.loc[when, "C"], earned, rtol=1e-12)


def test_perfect_and_flat_lines_are_finite(market) -> None:
    bars = market(60, "AB", seed=3)
    bars[("open", "A")] = 100.0
    bars[("open", "B")] = np.exp(0.01 * np.arange(60))
    label = labels.compute(bars, "trend_scan(3, 8)")
    assert (label.y["A"].dropna() == 0).all()
    assert (label.y["B"].dropna() == 1).all()
    np.testing.assert_allclose(label.details["t_value"]["B"].dropna(), 1e6)


def test_a_planted_turn_is_found(market) -> None:
    """Up to bar 100, down from there: labels well before and after it see one direction only."""
    bars = market(200, "A", seed=4)
    rng = np.random.default_rng(5)
    path = np.where(np.arange(200) < 100, np.arange(200), 200 - np.arange(200)) * 0.01
    bars[("open", "A")] = np.exp(path + rng.normal(0, 0.002, 200))
    values = labels.compute(bars, "trend_scan(5, 20)").y["A"]
    assert (values.iloc[:85] == 1).all()
    assert (values.iloc[100:178] == -1).all()


def test_meta_labels_pay_after_costs_or_not(bars: pd.DataFrame) -> None:
    rng = np.random.default_rng(6)
    side = pd.DataFrame(rng.integers(-1, 2, bars["close"].shape).astype(float), bars.index, bars["close"].columns)
    side.iloc[5, 0] = np.nan
    label = labels.meta_labels(bars, side, "fixed(3)", fee_bps=10, slippage_bps=5)
    returns = forward_return(bars, 3)[0]
    f, s = 0.001, 0.0005
    for t in range(0, 390, 7):
        for symbol in "ABCD":
            at, r = side[symbol].iloc[t], returns[symbol].iloc[t]
            bought, sold = 1 + s, 1 - s
            if at == 1:
                net = (1 + r) * sold * (1 - f) / (bought * (1 + f)) - 1
            elif at == -1:
                net = sold * (1 - f) - (1 + r) * bought * (1 + f)
            else:
                assert np.isnan(label.y[symbol].iloc[t])
                continue
            np.testing.assert_allclose(label.returns[symbol].iloc[t], net, rtol=1e-9)
            assert label.y[symbol].iloc[t] == float(net > 0)
    assert np.isnan(label.y.iloc[5, 0])
    assert label.y.notna().equals(label.t1.notna())


def test_costs_never_make_a_bet_worth_more(bars: pd.DataFrame) -> None:
    side = pd.DataFrame(1.0, bars.index, bars["close"].columns)
    spec = "fixed(3)"
    free, dear = (labels.meta_labels(bars, side, spec, fee_bps=fee) for fee in (0.0, 30.0))
    known = free.known
    assert (dear.returns.to_numpy()[known] < free.returns.to_numpy()[known]).all()
    assert (dear.y.to_numpy()[known] <= free.y.to_numpy()[known]).all()
    assert dear.y.sum().sum() < free.y.sum().sum()
    np.testing.assert_allclose(free.returns, labels.compute(bars, spec).returns, rtol=1e-12)


def test_wrong_sides_are_named(bars: pd.DataFrame) -> None:
    side = pd.DataFrame(1.0, bars.index, bars["close"].columns)
    side.iloc[7, 2] = 0.5
    with pytest.raises(DataError, match=r"side is 0\.5 at 2024-02-28 07:00:00\+00:00 for C; it must be -1, 0, 1"):
        labels.meta_labels(bars, side)
    with pytest.raises(DataError, match="side must have the symbols"):
        labels.meta_labels(bars, side[["A"]])
    with pytest.raises(DataError, match="rows of the bars"):
        labels.meta_labels(bars, side.iloc[1:])
    with pytest.raises(ConfigError, match="'trend_scan' has no exit .* use one of fixed, triple_barrier, vol_scaled"):
        labels.meta_labels(bars, side.clip(0, 1).round(), "trend_scan")
    with pytest.raises(ConfigError, match="fee_bps must be from 0"):
        labels.meta_labels(bars, side, fee_bps=-1)


def test_the_list_tells_each_kind() -> None:
    table = labels.list_labels().set_index("name")
    assert set(table.index) >= {"fixed", "vol_scaled", "triple_barrier", "trend_scan"}
    assert table.loc["triple_barrier", "ahead"] == 21
    assert table.loc["triple_barrier", "warmup"] == 20
    assert table.loc["trend_scan", "ahead"] == 21
    assert (table["description"].str.len() > 20).all()
    assert labels.resolve("fixed").canonical == "fixed(1)"
    assert labels.resolve(labels.fixed).canonical == "fixed(1)"
    assert labels.resolve("triple_barrier(unit='fraction')").warmup == 0


def test_a_label_of_ones_own(bars: pd.DataFrame) -> None:
    @labels.label("doubled", ahead=lambda horizon: horizon + 1)
    def doubled(bars: pd.DataFrame, *, horizon: int = 2) -> labels.Label:
        """Twice the fixed label."""
        one = labels.fixed(bars, horizon=horizon)
        return labels.Label(one.y * 2, one.t1, one.returns, one.held)

    try:
        made = labels.compute(bars, "doubled(4)")
        assert made.spec == "doubled(4)"
        pd.testing.assert_frame_equal(made.y, 2 * forward_return(bars, 4)[0])
        with pytest.raises(ConfigError, match="label 'doubled' is already registered by"):
            labels.label("doubled", ahead=lambda: 1)(other)
    finally:
        del labels.LABELS["doubled"]


def other(bars: pd.DataFrame) -> labels.Label:
    """Another function of the same name."""
    return labels.fixed(bars)
