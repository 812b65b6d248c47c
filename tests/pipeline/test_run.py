"""One run from bars to record: honest timing, same inputs same numbers, a registered model that predicts."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from workbench.config import BacktestParameters, Settings, TrainParameters
from workbench.data import bars_of, load_bars, symbol_frame
from workbench.errors import ConfigError, DataError, LookAheadError, PromotionError
from workbench.features import REGISTRY, feature
from workbench.pipeline import champion, run_backtest, run_training
from workbench.tracking import list_models, promote, read_record

NOW = datetime(2024, 3, 1, tzinfo=UTC)
SMALL = {
    "source": "planted(strength=0.7, seed=5, n_bars=1400)",
    "symbols": ["PLANTED"],
    "features": ["ret(1)", "volume_z(20)"],
    "horizon": 1,
    "train_size": 500,
    "test_size": 250,
}


def small(**changes: object) -> BacktestParameters:
    return BacktestParameters(**{**SMALL, **changes})  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_record_holds_what_pages_draw(settings: Settings) -> None:
    record = run_backtest(small(), settings, now=NOW)
    kept = read_record(record.run_id, settings)
    for name in ("returns", "positions", "fills", "trades", "costs", "folds", "forecasts", "reliability"):
        assert kept.has(name), name
    returns = kept.frame("returns")
    assert list(returns.columns) == ["strategy", "zero", "persistence", "buy_and_hold", "equal_weight"]
    assert (returns["zero"] == 0).all()
    assert not returns.isna().any().any()
    assert kept.metrics == pytest.approx(record.metrics, nan_ok=True)
    assert {
        "deflated_sharpe_ratio",
        "n_trials",
        "directional_accuracy",
        "total_fee",
        "value_at_risk",
    } <= kept.metrics.keys()
    assert kept.dataset["content_hash"]
    assert kept.environment["seed"] == 7


@pytest.mark.slow
def test_out_of_sample_returns_equal_a_hand_made_ledger(settings: Settings) -> None:
    """Decide on close t, fill at open t+1, no costs: a ledger kept by hand gives the same equity."""
    record = run_backtest(small(fee_bps=0.0, slippage_bps=0.0, rule="sign", rebalance="every_bar"), settings, now=NOW)
    bars = load_bars(SMALL["source"], SMALL["symbols"])
    forecasts = (
        record.frame("forecasts").set_index("time")["p_bull"] - record.frame("forecasts").set_index("time")["p_bear"]
    )
    target = np.sign(forecasts)
    opens, closes = bars["open"]["PLANTED"], bars["close"]["PLANTED"]
    held, cash, equity = 0.0, 1.0, []
    for time, previous in zip(target.index[1:], target.index[:-1], strict=True):
        worth = cash + held * opens[time]
        wanted = target[previous] * worth / opens[time]
        cash -= (wanted - held) * opens[time]
        held = wanted
        equity.append(cash + held * closes[time])
    by_hand = pd.Series(equity, index=target.index[1:])
    ours = (1 + record.frame("returns")["strategy"]).cumprod().loc[by_hand.index]
    np.testing.assert_allclose(ours.to_numpy(), by_hand.to_numpy(), rtol=1e-9)


@pytest.mark.slow
def test_same_inputs_give_the_same_numbers_and_the_same_trial(settings: Settings) -> None:
    first, second = (run_backtest(small(model="hist_gradient_boosting"), settings, now=NOW) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.trial["number"] == second.trial["number"]
    assert (first.trial["is_new"], second.trial["is_new"]) == (True, False)
    pd.testing.assert_frame_equal(first.frame("returns"), second.frame("returns"))


@pytest.mark.slow
def test_later_bars_do_not_change_earlier_forecasts(settings: Settings) -> None:
    long = run_backtest(small(), settings, now=NOW).frame("forecasts").set_index("time")
    cut = str(load_bars(SMALL["source"], SMALL["symbols"]).index[1200].date())
    short = run_backtest(small(end=cut), settings, now=NOW).frame("forecasts").set_index("time")
    common = short.index.intersection(long.index)
    assert len(common) > 500
    np.testing.assert_array_equal(short.loc[common, "p_bull"], long.loc[common, "p_bull"])


@pytest.mark.slow
def test_training_leaves_losses_and_is_judged_on_later_bars(settings: Settings) -> None:
    market = {k: SMALL[k] for k in ("source", "symbols", "features", "horizon")}
    record = run_training(TrainParameters(**market, hidden=[16, 8], lookback=8, epochs=4), settings, now=NOW)  # type: ignore[arg-type]
    training, folds = record.frame("training"), record.frame("folds")
    assert len(folds) == 1
    assert {"epoch", "train_loss", "valid_loss", "learning_rate", "grad_norm"} <= set(training.columns)
    assert training["epoch"].is_monotonic_increasing
    assert record.frame("forecasts")["time"].min() > pd.Timestamp(folds["train_end"].iloc[0])


@pytest.mark.slow
def test_a_registered_model_is_promoted_and_predicts(settings: Settings) -> None:
    record = run_backtest(
        small(register_model=True, experiment="planted", rule="sign", train_size=400), settings, now=NOW
    )
    assert record.verdict["passed"], record.verdict
    promote(settings, "planted", None, now=NOW, who="tester", reason="planted truth")
    models = list_models(settings)
    assert "champion" in str(models["aliases"].iloc[0])
    bars = load_bars(SMALL["source"], SMALL["symbols"])
    forecast = champion(settings, "planted").predict(bars, last=3)
    assert len(forecast) == 3
    np.testing.assert_allclose(forecast[["p_bear", "p_neutral", "p_bull"]].sum(axis=1), 1)
    with pytest.raises(DataError, match="at least 20 are needed"):
        champion(settings, "planted").predict(bars.iloc[:5])


@pytest.mark.slow
def test_an_overfit_model_is_refused_by_name_of_the_gate(settings: Settings) -> None:
    run_backtest(
        small(source="planted(strength=0.0, seed=5, n_bars=1400)", register_model=True, experiment="noise"),
        settings,
        now=NOW,
    )
    with pytest.raises(PromotionError, match="deflated_sharpe_ratio .* < 0.95"):
        promote(settings, "noise", None, now=NOW, who="tester", reason="hope")


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"model": "logistc"}, ConfigError, "logistc"),
        ({"rule": "sing"}, ConfigError, "sing"),
        ({"features": ["rsi(0)"]}, ConfigError, "rsi"),
        ({"features": ["rsii(14)"]}, ConfigError, "Did you mean 'rsi'"),
        ({"train_size": 5000}, DataError, "5000|5,000|5250|5,250"),
        ({"symbols": ["NOBODY"], "source": "sample"}, (ConfigError, DataError), "NOBODY"),
        ({"start": "2190-01-01"}, DataError, "2190"),
    ],
)
def test_bad_input_is_named_and_leaves_no_record(
    settings: Settings, changes: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        run_backtest(small(**changes), settings, now=NOW)
    assert not settings.records_dir.exists()


@pytest.mark.slow
def test_a_feature_that_peeks_fails_by_name_before_it_is_judged(settings: Settings) -> None:
    @feature("peek", version=1, inputs=("open",), warmup=0)
    def peek(bars: pd.DataFrame) -> pd.DataFrame:
        return (bars["open"].shift(-2) / bars["open"].shift(-1) - 1).ffill()

    try:
        with pytest.raises(LookAheadError, match=r"feature 'peek' changes at \d{4}-\d\d-\d\d \d\d:\d\d for PLANTED"):
            run_backtest(small(features=["ret(1)", "peek"]), settings, now=NOW)
    finally:
        REGISTRY.discard("peek")
    assert not settings.records_dir.exists()
    assert not settings.ledger_path.exists()


@pytest.mark.slow
def test_the_champion_is_the_recipe_that_was_judged(settings: Settings) -> None:
    run_backtest(small(register_model=True, experiment="grown", rule="sign", expanding=True), settings, now=NOW)
    promote(settings, "grown", None, now=NOW, who="tester", reason="expanding folds")
    predictor = champion(settings, "grown")
    assert predictor.extra["trained_on"]["rows"] > 1300
    bars = load_bars(SMALL["source"], SMALL["symbols"])
    for wrong, says in (
        (bars_of({"OTHER": symbol_frame(bars, "PLANTED")}), "not on OTHER"),
        (load_bars(SMALL["source"], SMALL["symbols"], "1h"), "these are 1h bars"),
    ):
        with pytest.raises(DataError, match=says):
            predictor.predict(wrong)


@pytest.mark.slow
def test_a_recursive_feature_needs_its_run_in(settings: Settings) -> None:
    run_backtest(
        small(features=["volume_z(20)", "rsi(14)"], register_model=True, experiment="rsi", rule="sign"),
        settings,
        now=NOW,
    )
    promote(settings, "rsi", None, now=NOW, who="tester", reason="recursive")
    predictor, bars = champion(settings, "rsi"), load_bars(SMALL["source"], SMALL["symbols"])
    with pytest.raises(DataError, match="give at least 112 bars"):
        predictor.predict(bars.iloc[-100:])
    some, every = (predictor.predict(b)["p_bull"].iloc[0] for b in (bars.iloc[-250:], bars))
    assert some == pytest.approx(every, abs=1e-5)
