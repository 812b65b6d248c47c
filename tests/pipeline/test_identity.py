"""Trials cannot be evaded by writing, renaming or editing, nor multiplied by it."""

from __future__ import annotations

import pandas as pd
import pytest

from workbench.config import BacktestParameters, TrainParameters
from workbench.data import bars_of, load_bars, load_dataset, symbol_frame
from workbench.data.bars import series_hash
from workbench.features import REGISTRY, feature
from workbench.pipeline.identity import trial_configuration, trial_hash
from workbench.pipeline.plan import plan_backtest


def identity(**changes: object) -> str:
    parameters = BacktestParameters(**changes)  # type: ignore[arg-type]
    return trial_hash(trial_configuration(parameters, plan_backtest(parameters)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"model": "logistic"}, {"model": "logistic()"}),
        ({"model": "logistic"}, {"model": "logistic(C=0.1)"}),
        ({"model": "logistic(0.1)"}, {"model": "logistic(max_iter=1000)"}),
        ({"seed": 1}, {"seed": 2}),
        ({"rule": "sign"}, {"rule": "sign(threshold=0)"}),
        ({"features": ["ret(1)", "rsi(14)"]}, {"features": ["rsi", "ret(window=1)"]}),
        ({"symbols": ["AAPL", "IBM"]}, {"symbols": ["IBM", "AAPL"]}),
        ({"experiment": "here"}, {"experiment": "there", "register_model": True, "confidence": 0.99}),
    ],
)
def test_what_computes_the_same_is_one_trial(one: dict[str, object], other: dict[str, object]) -> None:
    assert identity(**one) == identity(**other)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "logistic(C=0.2)"}, {"model": "ridge"}, {"horizon": 6}, {"neutral_band": 0.1}, {"train_size": 999},
        {"expanding": True}, {"embargo": 1}, {"rule": "sign"}, {"fee_bps": 4.0}, {"start": "2001-01-01"},
        {"features": ["rsi(14)"]}, {"rebalance": "every_bar"}, {"volatility_target": 0.1},
    ],
)  # fmt: skip
def test_what_computes_otherwise_is_another_trial(changes: dict[str, object]) -> None:
    assert identity(**changes) != identity()


def test_a_seed_counts_where_the_model_draws() -> None:
    assert identity(model="lstm(epochs=2)", seed=1) != identity(model="lstm(epochs=2)", seed=2)


def test_an_edited_feature_is_another_trial() -> None:
    def body_one(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"].pct_change(2)

    def body_two(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"].pct_change(3)

    found = []
    for body in (body_one, body_two):
        feature("edited", version=1, inputs=("close",))(body)
        found.append(identity(features=["edited"]))
        REGISTRY.discard("edited")
    assert found[0] != found[1]


def test_a_market_written_otherwise_is_the_same_data_set() -> None:
    names = [load_dataset(source, ["SYN"]).name for source in ("gbm", "gbm(seed=1)", "gbm(1, n_bars=4000)")]
    assert len(set(names)) == 1
    weak = [load_dataset(f"planted(strength={text}, n_bars=50)", ["SYN"]).name for text in ("0", "0.0")]
    assert weak[0] == weak[1]


def test_a_renamed_series_is_recognised_by_its_prices() -> None:
    bars = load_bars("gbm(n_bars=60)", ["A", "B"])
    renamed = bars_of({"Y": symbol_frame(bars, "A"), "X": symbol_frame(bars, "B")})
    assert series_hash(renamed) == series_hash(bars)
    assert series_hash(bars_of({"A": symbol_frame(bars, "A")})) != series_hash(bars)


def test_training_has_an_identity_too() -> None:
    from workbench.features import design_matrix
    from workbench.pipeline.plan import plan_training

    parameters = TrainParameters(source="gbm(n_bars=400)", symbols=["SYN"], features=["ret(1)"])
    design = design_matrix(load_bars(parameters.source, parameters.symbols), parameters.features, 5)
    configuration = trial_configuration(parameters, plan_training(parameters, design))
    assert configuration["model"]["hidden"] == [128, 64, 32]
    assert len(trial_hash(configuration)) == 16
