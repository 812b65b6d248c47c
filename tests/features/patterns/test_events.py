"""The table of events: what a chart draws, and what was known when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import compute
from workbench.features.patterns import CANDLES, CHART_KINDS, PATTERN_KINDS, pattern_events
from workbench.features.patterns.events import COLUMNS


@pytest.fixture(scope="module")
def long_market(market) -> pd.DataFrame:
    return market(3000, "AB", seed=3)


def test_a_bat_is_told_with_its_points_and_zone(path, path_bars) -> None:
    bars = path_bars(path([130, 100, 150, 125, 137.5, 105.7, 140], leg=10))
    table = pattern_events(bars, "X", kinds=["harmonic"], threshold=0.04, atr_window=0)
    row = table.loc[table["name"] == "bat"].iloc[0]
    assert (row["kind"], row["direction"]) == ("harmonic", 1)
    assert row["score"] == pytest.approx(1.0)
    times = bars.index
    assert row["points"] == tuple(zip(times[10:51:10], [100, 150, 125, 137.5, 105.7], strict=True))
    assert row["zone_low"] <= 105.7 <= row["zone_high"]
    assert row["known"] > times[50]
    assert bars.loc[row["known"], ("high", "X")] >= 105.7 * 1.04
    assert bars["high"]["X"][times[51] : row["known"]].iloc[:-1].max() < 105.7 * 1.04


def test_a_shape_ends_with_the_close_that_completes_it(path, path_bars) -> None:
    bars = path_bars(path([95, 90, 110, 100, 110, 80]))
    table = pattern_events(bars, "X", kinds="double_top", threshold=0.04, atr_window=0)
    assert table["name"].tolist() == ["double_top"]
    row = table.iloc[0]
    assert [price for _, price in row["points"]] == [110, 100, 110, 98]
    assert row["points"][-1][0] == row["known"]
    assert np.isnan(row["zone_low"])


def test_columns_order_and_kinds(long_market: pd.DataFrame) -> None:
    table = pattern_events(long_market, "A", threshold=1.5)
    assert tuple(table.columns) == COLUMNS
    assert table["known"].is_monotonic_increasing
    assert table["known"].dt.tz is not None
    assert set(table["kind"]) == set(CHART_KINDS)
    assert table["score"].between(0, 1).all()
    assert set(table["direction"]) == {-1, 1}
    for row in table.itertuples():
        times = [when for when, _ in row.points]
        assert times == sorted(set(times))
        assert times[-1] <= row.known
    assert set(pattern_events(long_market, "A", kinds=PATTERN_KINDS)["kind"]) == set(PATTERN_KINDS)
    zone = table["kind"] == "harmonic"
    assert table.loc[zone, ["zone_low", "zone_high"]].notna().all(axis=None)
    assert table.loc[~zone, ["zone_low", "zone_high"]].isna().all(axis=None)


@pytest.mark.parametrize("kind", [*PATTERN_KINDS])
def test_events_as_known_are_those_of_the_bars_until_then(kind: str, long_market: pd.DataFrame) -> None:
    whole = pattern_events(long_market, "A", kinds=[kind], threshold=1.5)
    for bar in (0, 5, 700, 1501, 2999):
        when = long_market.index[bar]
        cut = pattern_events(long_market, "A", kinds=[kind], threshold=1.5, as_known=when)
        before = pattern_events(long_market.iloc[: bar + 1], "A", kinds=[kind], threshold=1.5)
        pd.testing.assert_frame_equal(cut, before)
        pd.testing.assert_frame_equal(cut, whole[whole["known"] <= when])


@pytest.mark.parametrize(
    ("kind", "feature"),
    [(k, k) for k in ("harmonic", "elliott_impulse", "elliott_correction", "head_shoulders", "double_top", "triangle")],
)
def test_features_show_the_events_of_the_table(kind: str, feature: str, long_market: pd.DataFrame) -> None:
    table = pattern_events(long_market, "A", kinds=[kind], threshold=1.5)
    signal = compute(long_market, f"{feature}(hold=1, threshold=1.5)")[(f"{feature}(hold=1, threshold=1.5)", "A")]
    best = table.loc[table.groupby("known")["score"].idxmax()].set_index("known")
    expected = (best["direction"] * best["score"]).loc[lambda s: s != 0]
    pd.testing.assert_series_equal(signal[signal.fillna(0) != 0], expected, check_names=False, check_freq=False)


def test_candle_events_equal_the_features(long_market: pd.DataFrame) -> None:
    table = pattern_events(long_market, "B", kinds=["candle"])
    values = compute(long_market, list(CANDLES)).xs("B", axis=1, level="symbol").fillna(0)
    assert table["name"].value_counts().to_dict() == {k: n for k, n in (values != 0).sum().items() if n}
    assert (table.loc[table["name"] == "cdl_doji", "direction"] == 0).all()


def test_bars_that_are_missing_are_left_out(ragged: pd.DataFrame) -> None:
    own = ragged.loc[:, (slice(None), "C")].dropna()
    pd.testing.assert_frame_equal(
        pattern_events(ragged, "C", kinds=PATTERN_KINDS, threshold=1.0),
        pattern_events(own, "C", kinds=PATTERN_KINDS, threshold=1.0),
    )


def test_short_and_empty_bars(long_market: pd.DataFrame) -> None:
    for n_bars in (0, 1, 2, 14, 15, 40):
        table = pattern_events(long_market.iloc[:n_bars], "A", kinds=PATTERN_KINDS)
        assert tuple(table.columns) == COLUMNS
        assert str(table["known"].dtype) == str(long_market.index.dtype)
    assert pattern_events(long_market, "A", as_known="2000-01-01").empty


def test_errors_name_the_cure(long_market: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="no symbol 'C'"):
        pattern_events(long_market, "C")
    with pytest.raises(ConfigError, match="'harmonics'. Did you mean 'harmonic'"):
        pattern_events(long_market, "A", kinds=["harmonics"])
    with pytest.raises(ConfigError, match="as_known 'soon' is no time"):
        pattern_events(long_market, "A", as_known="soon")
    with pytest.raises(DataError, match="need the field 'volume' of A"):
        pattern_events(long_market.drop(columns="volume", level="field"), "A")
