"""The whole report on made-up panels: the planted feature is found, noise is not, and all looks are counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError
from workbench.features.worth import FactorReport, adjusted_p_values, factor_report, information


@pytest.mark.parametrize("n_assets", [1, 2, 6])
def test_the_planted_feature_is_found_with_its_coefficient(
    planted_panels: Callable[..., object], n_assets: int
) -> None:
    features, forward, trades = planted_panels(n_assets=n_assets, strength=0.15)
    report = factor_report(features, forward, trades, 1)
    table = report.overview.set_index("feature")
    row = table.loc["planted"]
    assert row["ic"] == pytest.approx(0.15, abs=3 * row["ic_se"])
    assert row["found"]
    assert table["rank_ic_t"].abs().idxmax() == "planted"
    assert row["spread"] > 0
    assert row["half_life"] < 1.5  # all of it comes with the next bar
    assert row["rank_autocorrelation"] == pytest.approx(0, abs=0.1)
    assert row["coverage"] == 1.0
    assert row["psi_worst"] < 0.1
    assert row["mode"] == ("cross-section" if n_assets > 2 else "time series")


def test_noise_is_seldom_found(planted_panels: Callable[..., object]) -> None:
    found = 0
    for seed in range(8):
        features, forward, trades = planted_panels(n_bars=500, strength=0.0, noise=5, seed=seed)
        found += int(factor_report(features, forward, trades, 5).overview["found"].sum())
    assert found <= 3  # of 48 features, each at three horizons


def test_every_look_is_in_the_adjusted_p_values(planted_panels: Callable[..., object]) -> None:
    features, forward, trades = planted_panels(n_bars=400)
    report = factor_report(features, forward, trades, 5)
    assert report.n_tests == len(features) * len(forward)
    expected = adjusted_p_values(report.decay["p_value"].to_numpy())
    np.testing.assert_array_equal(report.decay["q_value"], expected)
    chosen = report.decay[report.decay["horizon"] == 5].set_index("feature")["q_value"]
    np.testing.assert_array_equal(report.overview.set_index("feature")["q_value"], chosen[list(features)])


def test_blocks_add_up_to_the_coefficient(planted_panels: Callable[..., object]) -> None:
    features, forward, trades = planted_panels(n_bars=1200)
    report = factor_report(features, forward, trades, 1)
    assert len(report.ic) == 60
    whole = information(features["planted"].to_numpy(), forward[1].to_numpy(), 1).estimate
    assert report.ic["planted"].mean() == pytest.approx(whole.value, abs=1e-3)


def test_twins_and_clusters_are_named(planted_panels: Callable[..., object]) -> None:
    features, forward, trades = planted_panels(n_bars=400, noise=2)
    features = {**features, "mirror": -features["planted"]}
    report = factor_report(features, forward, trades, 1)
    table = report.overview.set_index("feature")
    assert table.loc["mirror", "twin"] == "planted"
    assert table.loc["mirror", "cluster"] == table.loc["planted", "cluster"]
    assert "like planted" in table.loc["mirror", "flags"]
    assert table["cluster"].nunique() == 3
    place = list(report.correlation.index)
    assert abs(place.index("mirror") - place.index("planted")) == 1
    assert list(report.correlation.columns) == place


def test_drift_and_gaps_are_flagged(planted_panels: Callable[..., object]) -> None:
    features, forward, trades = planted_panels(n_bars=800, noise=1)
    moved = features["noise0"].copy()
    moved.iloc[700:] += 4
    holed = features["noise0"].copy()
    holed.iloc[::2] = np.nan
    report = factor_report({"moved": moved, "holed": holed}, forward, trades, 1)
    table = report.overview.set_index("feature")
    assert "drifts" in table.loc["moved", "flags"]
    assert "sparse" in table.loc["holed", "flags"]
    parts = report.drift[report.drift["feature"] == "moved"].set_index("part")["psi"]
    assert parts[1] < 0.1
    assert parts[4] > 2
    shares = report.histograms[report.histograms["feature"] == "moved"]
    assert shares[["first", "last"]].sum().tolist() == pytest.approx([1, 1])


def test_a_feature_that_never_varies_is_told_apart(planted_panels: Callable[..., object]) -> None:
    features, forward, trades = planted_panels(n_bars=300, noise=0)
    flat = pd.DataFrame(1.0, index=trades.index, columns=trades.columns)
    table = factor_report({**features, "flat": flat}, forward, trades, 1).overview.set_index("feature")
    assert np.isnan(table.loc["flat", "rank_ic"])
    assert not table.loc["flat", "found"]
    assert table.loc["flat", "flags"] == "constant"


def test_a_handful_of_events_is_not_found(planted_panels: Callable[..., object]) -> None:
    """Three events before the three largest returns have a huge t, and no normal distribution."""
    features, forward, trades = planted_panels(n_bars=600, n_assets=1, noise=0)
    best = forward[1].iloc[:, 0].nlargest(3).index
    event = (trades * 0.0).astype(float)
    event.loc[best] = 1.0
    row = factor_report({**features, "event": event}, forward, trades, 1).overview.set_index("feature").loc["event"]
    assert row["n_events"] == 3
    assert not row["found"]
    assert row["flags"] == "rare: 3 events"


def test_what_is_missing_is_said(planted_panels: Callable[..., object]) -> None:
    features, forward, trades = planted_panels(n_bars=300, noise=0)
    with pytest.raises(DataError, match="no forward return over 7 bars is given, only over \\[1, 5, 20\\]"):
        factor_report(features, forward, trades, 7)
    with pytest.raises(DataError, match="no feature"):
        factor_report({}, forward, trades, 1)
    assert isinstance(factor_report(features, forward, trades, 1), FactorReport)
