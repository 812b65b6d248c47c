"""The factor report as a run: planted truth before noise, leaks and failures named, nothing counted as a trial."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.backtest.validation import PurgedKFold
from workbench.config import FeaturesParameters, Settings, validate_parameters
from workbench.errors import ConfigError, DataError, LookAheadError
from workbench.features import REGISTRY, feature
from workbench.features.registry import Feature
from workbench.models import build
from workbench.pipeline import purged_importance, run_factors
from workbench.tracking import RunRecord, TrialsLedger, list_records, read_record

NOW = datetime(2026, 1, 31, tzinfo=UTC)
NOISE = 3


def parameters(**overrides: Any) -> FeaturesParameters:
    base = {
        "source": "planted(strength=0.2, seed=3, n_bars=1200)",
        "symbols": ["ONE", "TWO", "THREE"],
        "timeframe": "1h",
        "features": ["ret(1)", "volume_z(20)", *(f"_noise{i}" for i in range(NOISE))],
        "horizon": 1,
        "horizons": [1, 5],
        "folds": 4,
    }
    found = validate_parameters("features", {**base, **overrides})
    assert isinstance(found, FeaturesParameters)
    return found


def noise(seed: int) -> Feature:
    """Register a feature of random numbers that are the same for a bar whatever follows it."""

    @feature(f"_noise{seed}", inputs=("close",), warmup=0)
    def random_numbers(bars: pd.DataFrame) -> pd.DataFrame:
        close = bars["close"]
        values = np.column_stack(
            [np.random.default_rng([seed, j]).standard_normal(10_000)[: len(close)] for j in range(close.shape[1])]
        )
        places = close.index.asi8 // 3_600_000_000  # by the bar's own time, so that a part has the same numbers
        return pd.DataFrame(np.sin(values[0, 0] + places[:, None] ** 2 * 0.7 + np.arange(close.shape[1]) * (seed + 1)),
                            index=close.index, columns=close.columns)  # fmt: skip

    return random_numbers


@pytest.fixture(autouse=True)
def noise_features() -> Iterator[None]:
    for seed in range(NOISE):
        noise(seed)
    yield
    for name in [n for n in REGISTRY.names() if n.startswith("_")]:
        REGISTRY.discard(name)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, Settings]:
    from workbench.config import load_settings

    settings = load_settings({"WORKBENCH_HOME": str(tmp_path_factory.mktemp("factors"))})
    for seed in range(NOISE):
        noise(seed)
    return run_factors(parameters(), settings, now=NOW), settings


@pytest.mark.slow
def test_the_planted_feature_ranks_above_all_noise(planted: tuple[RunRecord, Settings]) -> None:
    table = planted[0].frame("factors").set_index("feature")
    others = table.drop("volume_z(20)")
    row = table.loc["volume_z(20)"]
    assert table.index[0] == "volume_z(20)"
    assert row["found"]
    assert not others["found"].any()
    for key in ("mda_log_loss", "mda_accuracy", "sfi_log_loss", "sfi_accuracy"):
        assert row[key] > others[key].max(), key
    assert row["mda_log_loss"] > 3 * row["mda_log_loss_se"]
    # across three symbols the mean sample correlation of a true 0.2 is 0.2 π/4, less a little for the z-score
    assert row["ic"] == pytest.approx(0.2 * np.pi / 4, abs=3 * row["ic_se"])


@pytest.mark.slow
def test_the_record_holds_what_pages_draw(planted: tuple[RunRecord, Settings]) -> None:
    record, settings = planted
    again = read_record(record.run_id, settings)
    assert set(again.frames) == {
        "factors", "decay", "ic", "quantiles", "drift", "histograms", "correlation", "importance", "clusters", "folds",
        "refused",
    }  # fmt: skip
    for name, frame in record.frames.items():
        pd.testing.assert_frame_equal(again.frame(name), frame, check_dtype=False, check_index_type=False)
    assert again.notebook == "features"
    assert again.metrics["n_tests"] == 2 * (2 + NOISE)
    assert again.metrics["n_found"] == 1
    assert again.metrics["log_loss"] < again.metrics["prior_log_loss"]
    assert (again.frame("folds")["n_purged"] > 0).all()
    assert again.dataset["n_bars"] == 1200


@pytest.mark.slow
def test_a_report_is_no_trial_and_counts_the_reports_before(planted: tuple[RunRecord, Settings]) -> None:
    record, settings = planted
    assert TrialsLedger(settings.ledger_path).table().empty if settings.ledger_path.exists() else True
    assert record.trial == {}
    assert record.metrics["n_reports_before"] == 0
    second = run_factors(parameters(), settings, now=NOW)
    assert second.metrics["n_reports_before"] == 1
    assert len(list_records(settings)) == 2
    first = record.metrics | {"n_reports_before": 1.0}
    assert second.metrics == first  # the same numbers from the same seed


@pytest.mark.slow
def test_a_leak_and_a_failure_are_named_and_the_rest_is_judged(settings: Settings) -> None:
    @feature("_tomorrow", inputs=("open",), warmup=0)
    def tomorrow(bars: pd.DataFrame) -> pd.DataFrame:
        opens = bars["open"]
        return (opens.shift(-2) / opens.shift(-1) - 1).fillna(0.0)

    @feature("_broken", inputs=("close",), warmup=0)
    def broken(bars: pd.DataFrame) -> pd.DataFrame:
        raise ZeroDivisionError("by me")

    @feature("_late", inputs=("close",), warmup=5000)
    def late(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"] * np.nan

    names = ["volume_z(20)", "_tomorrow", "_broken", "_late"]
    record = run_factors(parameters(features=names), settings, now=NOW)
    assert record.frame("factors")["feature"].tolist() == ["volume_z(20)"]
    refused = record.frame("refused").set_index("feature")["reason"]
    assert "changes at 2020-01-01 00:00 for ONE" in refused["_tomorrow"]
    assert "when later rows are removed" in refused["_tomorrow"]
    assert "ZeroDivisionError: by me" in refused["_broken"]
    assert "has no value on these 1200 bars" in refused["_late"]
    with pytest.raises(LookAheadError, match="_tomorrow"):
        run_factors(parameters(features=["_tomorrow", "_broken"]), settings, now=NOW)


def test_what_cannot_run_is_one_line(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="there is no feature.* 'rsii'"):
        run_factors(parameters(features=["rsii(14)"]), settings, now=NOW)
    with pytest.raises(ConfigError, match="horizons must increase"):
        parameters(horizons=[5, 1])
    with pytest.raises(ConfigError, match="1 to 500 bars, and 0 is not"):
        parameters(horizons=[0, 1])


@pytest.fixture
def rows(rng: np.random.Generator) -> dict[str, Any]:
    """600 bars of two assets: a signal, its near copy, and noise."""
    n = 1200
    bars = pd.date_range("2024-01-01", periods=601, freq="h", tz="UTC")
    signal = rng.standard_normal(n)
    X = np.column_stack([signal, signal + 0.05 * rng.standard_normal(n), rng.standard_normal((n, 2))])
    y = np.sign(0.8 * signal + rng.standard_normal(n)).astype(np.int64)
    return {"X": X, "y": y, "times": bars[:-1].repeat(2), "t1": bars[1:].repeat(2)}


def importance(rows: dict[str, Any], model: str = "logistic", seed: int = 1) -> Any:
    names, clusters = ["signal", "copy", "noise a", "noise b"], [2, 2, 1, 3]
    return purged_importance(
        **rows, names=names, clusters=clusters, model_factory=lambda s: build(model, s),
        splitter=PurgedKFold(4, embargo=5), seed=seed,
    )  # fmt: skip


def test_a_cluster_shows_what_its_members_hide(rows: dict[str, Any]) -> None:
    found = importance(rows)
    table, groups = found.features.set_index("feature"), found.clusters.set_index("cluster")
    assert groups.loc[2, "members"] == "signal, copy"
    both = groups.loc[2, "mda_log_loss"]
    assert both > 1.5 * table.loc[["signal", "copy"], "mda_log_loss"].max()  # each stands in for the other
    assert table.loc["signal", "sfi_log_loss"] == pytest.approx(table.loc["copy", "sfi_log_loss"], rel=0.1)
    assert table.loc["signal", "sfi_log_loss"] > 0.05 > table.loc["noise a", "sfi_log_loss"]
    assert abs(groups.loc[1, "mda_log_loss"]) < 0.1 * both
    assert found.folds["n_train"].add(found.folds["n_test"]).add(found.folds["n_purged"]).eq(1200).all()


def test_the_same_seed_gives_the_same_importance(rows: dict[str, Any]) -> None:
    one, two, other = importance(rows), importance(rows), importance(rows, seed=2)
    pd.testing.assert_frame_equal(one.features, two.features)
    assert not one.features["mda_log_loss"].equals(other.features["mda_log_loss"])
    pd.testing.assert_series_equal(one.features["sfi_log_loss"], other.features["sfi_log_loss"])  # nothing is drawn


def test_importance_says_what_it_cannot_use(rows: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="reads single rows"):
        importance(rows, "lstm(hidden='4', epochs=1)")
    with pytest.raises(DataError, match="50 rows or more, got 40"):
        importance({k: v[:40] for k, v in rows.items()})
    with pytest.raises(DataError, match="one column for each of 4 features"):
        importance({**rows, "X": rows["X"][:, :3]})
