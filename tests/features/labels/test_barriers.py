"""The triple barrier: a path by hand, a slow twin, and what must hold on any market."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError, DataError
from workbench.features import compute, forward_return, labels

PATH = (  # open, high, low, close
    (100, 101, 99, 100),
    (100, 104, 98, 103),
    (103, 111, 102, 108),
    (108, 109, 97, 98),
    (90, 92, 89, 91),
    (91, 100, 85, 86),
    (84, 86, 83, 85),
    (95, 96, 94, 95),
    (90, 91, 88, 90),
    (92, 93, 91, 92),
    (93, 94, 92, 93),
    (94, 95, 93, 94),
)
NAN = np.nan


def hand_made() -> pd.DataFrame:
    index = pd.date_range("2024-01-01", periods=len(PATH), freq="D", tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([["open", "high", "low", "close"], ["A"]], names=["field", "symbol"])
    return pd.DataFrame(np.array(PATH, dtype=float), index=index, columns=columns)


def test_twelve_bars_by_hand() -> None:
    """Targets 10 % above the entry, stops 5 % below, three bars."""
    bars = hand_made()
    label = labels.compute(bars, "triple_barrier(0.1, 0.05, 3, unit='fraction')")
    # 0 target in its 2nd bar; 1 stop in its 2nd; 2 stop in the entry bar; 3 both in one bar: the stop; 4 stop;
    # 5 gap beyond the target; 6 gap beyond the stop; 7 time is up; 8 on: the bars end before the position does
    expected = [1, -1, -1, -1, -1, 1, -1, 0, NAN, NAN, NAN, NAN]
    np.testing.assert_array_equal(label.y["A"], expected)
    np.testing.assert_array_equal(label.details["barrier"]["A"], expected)
    returns = [0.1, -0.05, -0.05, -0.05, -0.05, 95 / 84 - 1, 90 / 95 - 1, 94 / 90 - 1, NAN, NAN, NAN, NAN]
    np.testing.assert_allclose(label.returns["A"], returns, rtol=1e-12)
    ends = [2, 3, 3, 5, 5, 7, 8, 11]
    assert list(label.t1["A"].iloc[:8]) == list(bars.index[ends])
    assert label.t1["A"].iloc[8:].isna().all()
    np.testing.assert_array_equal(label.held["A"], [2, 2, 1, 2, 1, 1, 1, 3, NAN, NAN, NAN, NAN])
    assert label.spec == "triple_barrier(0.1, 0.05, 3, 20, 'fraction', 'zero')"


def test_the_vertical_barrier_can_give_the_sign() -> None:
    label = labels.compute(hand_made(), "triple_barrier(0.1, 0.05, 3, unit='fraction', vertical='sign')")
    assert label.y["A"].iloc[7] == 1
    assert label.details["barrier"]["A"].iloc[7] == 0


def test_a_short_has_its_barriers_mirrored() -> None:
    """Entry 103 at bar 2, target 5 % below (97.85) in bar 3; the long of bar 6 that was stopped is a won short."""
    bars = hand_made()
    short = pd.DataFrame(-1.0, index=bars.index, columns=bars["close"].columns)
    label = labels.meta_labels(bars, short, "triple_barrier(0.05, 0.10, 3, unit='fraction')")
    assert label.y["A"].tolist()[:3] == [0, 1, 1]
    np.testing.assert_allclose(label.returns["A"].iloc[:3], [-0.1, 0.05, 0.05], rtol=1e-12)
    assert label.details["barrier"]["A"].tolist()[:3] == [-1, 1, 1]
    # bar 5 touches 99 and 85.5: for the short of bar 3 the stop above wins
    assert label.details["barrier"]["A"].iloc[3] == -1
    np.testing.assert_allclose(label.returns["A"].iloc[3], -0.1, rtol=1e-12)
    np.testing.assert_allclose(label.returns["A"].iloc[6], 1 - 90 / 95, rtol=1e-12)


def slow(bars: pd.DataFrame, symbol: str, up: float, down: float, horizon: int, window: int) -> list[tuple]:
    """A plain walk over one symbol's own bars: (side, return, exit time), or Nones."""
    own = bars.xs(symbol, axis=1, level=1).dropna()
    returns = own["close"].pct_change()
    out: list[tuple] = []
    for t in range(len(own)):
        sigma = returns.iloc[t - window + 1 : t + 1].std() if t >= window else np.nan
        result: tuple = (None, None, None)
        if t + 1 < len(own) and sigma > 0:
            price = own["open"].iloc[t + 1]
            target, stop = price * (1 + up * sigma), price * (1 - down * sigma)
            for b in range(t + 1, len(own)):
                bar, when = own.iloc[b], own.index[b]
                fill = None
                if b > t + 1 and bar["open"] <= stop:
                    side, fill = -1, bar["open"]
                elif b > t + 1 and bar["open"] >= target:
                    side, fill = 1, bar["open"]
                elif b == t + 1 + horizon:
                    side, fill = 0, bar["open"]
                elif bar["low"] <= stop:
                    side, fill = -1, stop
                elif bar["high"] >= target:
                    side, fill = 1, target
                if fill is not None:
                    result = (side, fill / price - 1, when)
                    break
        out.append(result)
    return out


@pytest.mark.parametrize("symbol", ["A", "C"])
@pytest.mark.parametrize(("up", "down", "horizon"), [(2.0, 1.0, 20), (1.0, 3.0, 4), (0.3, 0.3, 1)])
def test_the_kernel_is_its_slow_twin(ragged: pd.DataFrame, symbol: str, up: float, down: float, horizon: int) -> None:
    label = labels.triple_barrier(ragged, up=up, down=down, horizon=horizon, window=10)
    rows = ragged["close"][symbol].dropna().index
    expected = slow(ragged, symbol, up, down, horizon, 10)
    for when, (side, earned, end) in zip(rows, expected, strict=True):
        if side is None:
            assert np.isnan(label.y.loc[when, symbol])
            assert pd.isna(label.t1.loc[when, symbol])
        else:
            assert label.y.loc[when, symbol] == side
            np.testing.assert_allclose(label.returns.loc[when, symbol], earned, rtol=1e-9, atol=1e-14)
            assert label.t1.loc[when, symbol] == end
    off = ragged.index.difference(rows)
    assert label.y.loc[off, symbol].isna().all()


@given(st.integers(1, 12), st.integers(0, 40), st.integers(0, 2**31))
def test_without_barriers_it_is_the_fixed_horizon(market, horizon: int, n_bars: int, seed: int) -> None:
    bars = market(n_bars, "AB", seed=seed)
    label = labels.triple_barrier(bars, up=0.0, down=0.0, horizon=horizon, unit="fraction")
    returns, t1 = forward_return(bars, horizon)
    pd.testing.assert_frame_equal(label.returns, returns)
    pd.testing.assert_frame_equal(label.t1, t1)
    assert (label.y.fillna(0) == 0).all(axis=None)


def test_later_bars_do_not_change_a_known_label(ragged: pd.DataFrame) -> None:
    spec = "triple_barrier(1.5, 1.0, 12)"
    full, part = labels.compute(ragged, spec), labels.compute(ragged.iloc[:300], spec)
    known = part.known
    assert known.to_numpy().sum() > 400
    for a, b in ((full.y, part.y), (full.returns, part.returns), (full.held, part.held)):
        assert (a.iloc[:300].where(known).fillna(9) == b.fillna(9)).all(axis=None)
    assert (full.t1.iloc[:300].where(known) == part.t1).where(known, True).all(axis=None)
    assert (part.t1.max() <= ragged.index[299]).all()


def test_flat_prices_and_the_warmup_have_no_label(ragged: pd.DataFrame) -> None:
    label = labels.compute(ragged, "triple_barrier")
    assert label.y.iloc[:20].isna().all(axis=None)
    assert label.y["A"].iloc[20:-21].notna().all()
    sigma = compute(ragged, "realized_vol(20)")["realized_vol(20)"]["D"]
    assert label.y["D"][sigma == 0].isna().all()
    assert (sigma == 0).sum() > 50


def test_a_touched_barrier_earns_at_least_its_distance_and_a_gap_more(bars: pd.DataFrame) -> None:
    label = labels.triple_barrier(bars, up=2.0, down=1.5, horizon=15)
    sigma = compute(bars, "realized_vol(20)")["realized_vol(20)"]
    won, lost, over = (label.details["barrier"] == side for side in (1, -1, 0))
    assert (label.returns >= 2.0 * sigma - 1e-12).where(won, True).all(axis=None)
    assert (label.returns <= -1.5 * sigma + 1e-12).where(lost, True).all(axis=None)
    assert (label.held == 15).where(over, True).all(axis=None)
    beyond = (label.returns > 2.0 * sigma + 1e-9) & won
    assert 0 < beyond.to_numpy().sum() < won.to_numpy().sum()


def test_wider_targets_are_hit_less_often(bars: pd.DataFrame) -> None:
    shares = [(labels.triple_barrier(bars, up=up).y == 1).to_numpy().mean() for up in (0.5, 2.0, 5.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 2 * shares[2]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("triple_barier", "no label 'triple_barier'. Did you mean 'triple_barrier'"),
        ("triple_barrier(horizn=3)", "label 'triple_barrier' has no parameter 'horizn'. Did you mean 'horizon'"),
        ("triple_barrier(up=-1.0)", "label 'triple_barrier': up must be between 0 and"),
        ("triple_barrier(horizon=0)", "horizon must be between 1 and 100000, got 0"),
        ("triple_barrier(unit='vol')", "unit is 'vol'. Known: fraction, volatility"),
        ("trend_scan(9, 5)", "label 'trend_scan' needs shortest <= longest, got shortest=9, longest=5"),
    ],
)
def test_a_wrong_spec_is_one_line(bars: pd.DataFrame, spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        labels.compute(bars, spec)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(DataError, match="triple_barrier needs the field 'high'"):
        labels.compute(hand_made()[["open", "close"]], "triple_barrier")
