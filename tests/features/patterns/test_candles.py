"""The candlestick features are TA-Lib's, all of them, with the lookback it states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib
from talib import abstract

from workbench.features import REGISTRY, Registry, check_causality, check_warmup, compute, resolve, warmup
from workbench.features.patterns import CANDLES, register_candles
from workbench.features.patterns.candles import BLOCK

NAMES = list(CANDLES)
FIELDS = ("open", "high", "low", "close")


def function_of(name: str):
    return getattr(talib, f"CDL{CANDLES[name].function}")


def ticks(n_bars: int, seed: int) -> dict[str, np.ndarray]:
    """Prices on a grid, as exchanges quote them: many equal bodies and shadows."""
    rng = np.random.default_rng(seed)
    close = 1000 + 0.1 * rng.integers(-6, 7, n_bars).cumsum()
    open_ = np.roll(close, 1) + 0.1 * rng.integers(-4, 5, n_bars)
    high = np.maximum(open_, close) + 0.1 * rng.integers(0, 3, n_bars)
    low = np.minimum(open_, close) - 0.1 * rng.integers(0, 3, n_bars)
    return {k: np.round(v, 1) for k, v in zip(FIELDS, (open_, high, low, close), strict=True)}


def test_every_pattern_of_talib_is_there() -> None:
    theirs = talib.get_function_groups()["Pattern Recognition"]
    assert sorted(f"CDL{c.function}" for c in CANDLES.values()) == sorted(theirs)
    assert len(NAMES) == 61
    assert [f.name for f in REGISTRY if f.family == "candles"] == sorted([*NAMES, "cdl_net"])


@pytest.mark.parametrize("name", NAMES)
def test_lookback_and_penetration_are_talibs(name: str) -> None:
    theirs = abstract.Function(f"CDL{CANDLES[name].function}")
    assert warmup(name) == theirs.lookback
    assert {p.name: p.default for p in REGISTRY.get(name).parameters} == dict(theirs.parameters)
    assert len(REGISTRY.get(name).description) > 20


@pytest.mark.parametrize("name", NAMES)
def test_values_are_talibs(name: str, market) -> None:
    for frame in (market(3000, "A"), market(3000, "A", seed=8)):
        own = frame.xs("A", axis=1, level="symbol")
        theirs = function_of(name)(*(own[f].to_numpy() for f in FIELDS)) / 100
        ours = compute(frame, name).to_numpy()[:, 0]
        assert np.isnan(ours[: warmup(name)]).all()
        np.testing.assert_array_equal(ours[warmup(name) :], theirs[warmup(name) :])


@pytest.mark.parametrize("name", [*NAMES, "cdl_net"])
def test_causal_with_an_exact_warmup(name: str, bars: pd.DataFrame, ragged: pd.DataFrame) -> None:
    for frame in (bars, ragged):
        check_causality(name, frame, cuts=4)
        assert check_warmup(name, frame) == warmup(name)


@pytest.mark.parametrize("n_bars", [0, 1, 2, 14, 15])
def test_short_bars(n_bars: int, bars: pd.DataFrame) -> None:
    values = compute(bars.iloc[:n_bars], [*NAMES, "cdl_net"])
    for name in (*NAMES, "cdl_net"):
        assert np.isnan(values[name].iloc[: warmup(name)]).all(axis=None)
        assert np.isfinite(values[name].iloc[warmup(name) :]).all(axis=None)


def test_penetration_reaches_talib(market) -> None:
    frame = market(5000, "A", seed=4)
    own = [frame[(f, "A")].to_numpy() for f in FIELDS]
    for share in (0.0, 0.9):
        ours = compute(frame, f"cdl_eveningstar({share})").to_numpy()[12:, 0]
        np.testing.assert_array_equal(ours, talib.CDLEVENINGSTAR(*own, penetration=share)[12:] / 100)
    easy, hard = (np.nansum(compute(frame, f"cdl_eveningstar({p})") != 0) for p in (0.0, 0.9))
    assert easy > hard


@pytest.mark.parametrize("name", [n for n in NAMES if not REGISTRY.get(n).recursive])
def test_the_four_without_averages_need_only_their_lookback(name: str) -> None:
    function, back = function_of(name), warmup(name)
    grid = ticks(3000, 1)
    crash = {k: np.concatenate([1e6 * v, 1e-3 * v]) for k, v in ticks(1000, 2).items()}
    for data in (grid, crash):
        columns = [data[f] for f in FIELDS]
        full = function(*columns)
        assert np.count_nonzero(full) > 0
        for t in range(back, full.size):
            assert function(*(c[t - back : t + 1] for c in columns))[-1] == full[t]


def test_running_sums_make_the_others_recursive() -> None:
    """After a crash the rounding left in TA-Lib's sums decides near ties: the history before the lookback shows."""
    data = {k: np.concatenate([1e6 * v, 1e-3 * v]) for k, v in ticks(1000, 2).items()}
    columns = [data[f] for f in FIELDS]
    full = talib.CDLLONGLINE(*columns)
    window = [talib.CDLLONGLINE(*(c[t - 10 : t + 1] for c in columns))[-1] for t in range(10, full.size)]
    assert 0 < np.count_nonzero(full[10:] != window) < 0.2 * full.size
    assert sum(REGISTRY.get(n).recursive for n in NAMES) == 57


def test_real_prices_show_it_too(shared_data: Path) -> None:
    path = shared_data / "ohlcv" / "binance" / "DOGEUSDT-1h.parquet"
    if not path.is_file():
        pytest.skip("the hourly DOGEUSDT bars are not in the folder of real market files")
    frame = pd.read_parquet(path)
    columns = [np.ascontiguousarray(frame[f].to_numpy(dtype=np.float64)) for f in FIELDS]
    full = talib.CDLLONGLINE(*columns)
    window = [talib.CDLLONGLINE(*(c[t - 10 : t + 1] for c in columns))[-1] for t in range(10, full.size)]
    assert np.count_nonzero(full[10:] != window) == 2


def test_net_is_the_sum_of_signs_of_those_with_a_direction(market) -> None:
    frame = market(2000, "A", seed=6)
    directed = [n for n in NAMES if CANDLES[n].direction is not None]
    assert len(directed) == 53
    expected = np.sign(compute(frame, directed)).fillna(0).sum(axis=1).to_numpy()
    net = compute(frame, "cdl_net").to_numpy()[:, 0]
    np.testing.assert_array_equal(net[14:], expected[14:])
    assert {-2.0, 2.0} <= set(net[14:])


@pytest.mark.parametrize("name", [n for n in NAMES if CANDLES[n].direction in (1, -1)])
def test_directions_of_the_table_are_talibs_signs(name: str) -> None:
    values = np.concatenate([function_of(name)(*(ticks(60_000, s)[f] for f in FIELDS)) for s in (1, 2)])
    assert set(np.sign(values)) <= {0, CANDLES[name].direction}


def test_a_hand_made_engulfing_pattern(path_bars) -> None:
    bars = path_bars(np.full(4, 100.0))
    for i, row in enumerate([(100, 101, 99, 100), (102, 103, 99, 100), (99, 104, 98, 103), (103, 104, 102, 103)]):
        bars.iloc[i, :4] = row
    assert compute(bars, "cdl_engulfing").to_numpy()[:, 0].tolist()[2:] == [1.0, 0.0]


def test_scale_does_not_matter(bars: pd.DataFrame) -> None:
    scaled = bars.copy()
    for field in FIELDS:
        scaled[field] = bars[field] * 2.0**-30
    pd.testing.assert_frame_equal(compute(scaled, NAMES), compute(bars, NAMES))


def test_a_registry_of_ones_own_gets_them_too() -> None:
    registry = Registry()
    made = register_candles(registry)
    assert registry.names() == sorted(NAMES)
    assert resolve("cdl_mathold(0.4)", registry).feature is made["cdl_mathold"]


@pytest.mark.parametrize("name", [n for n in (*NAMES, "cdl_net") if REGISTRY.get(n).stream is not None])
def test_steps_equal_the_batch_across_blocks(name: str) -> None:
    """Blocks of TA-Lib's rows begin and end at the same bars in the stream, also where near ties decide."""
    columns = [ticks(2 * BLOCK + 150, 5)[f] for f in FIELDS]
    feature = REGISTRY.get(name)
    assert feature.stream is not None
    step = feature.stream(**resolve(feature).parameters)
    got = [step(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
    np.testing.assert_array_equal(got, feature.function(*columns))


def test_a_block_knows_nothing_of_the_rounding_before_it() -> None:
    """After a crash TA-Lib's sums keep the rounding of the large prices for ever; ours lose it with the next block."""
    data = {k: np.concatenate([1e6 * v, 1e-3 * v]) for k, v in ticks(2 * BLOCK, 2).items()}
    columns = [data[f] for f in FIELDS]
    ours, alone = (
        REGISTRY.get("cdl_longline").function(*columns),
        talib.CDLLONGLINE(*(c[3 * BLOCK - 10 :] for c in columns)),
    )
    np.testing.assert_array_equal(ours[3 * BLOCK :], alone[10:] / 100)
    assert np.count_nonzero(ours[3 * BLOCK :] != talib.CDLLONGLINE(*columns)[3 * BLOCK :] / 100) > 0
