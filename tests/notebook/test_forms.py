"""The form of a notebook's parameters, driven through its widgets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ipywidgets
import pytest

import workbench as wb
from workbench.config import NOTEBOOKS, BacktestParameters, Settings, parameters_of
from workbench.errors import DataError
from workbench.notebook import Config, Form


def _recorder(seen: list[Config]) -> Any:
    def runner(cfg: Config, progress: Any) -> Any:
        progress(0.5, "half way")
        seen.append(cfg)
        return SimpleNamespace(run_id="3f9a1c")

    return runner


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_untouched_forms_give_the_defaults(settings: Settings, name: str) -> None:
    form = wb.form(name)
    assert form.config.parameters == parameters_of(name)()
    for key, info in parameters_of(name).model_fields.items():
        assert form.widgets[key].tooltip == info.description, key


def test_widgets_are_typed_and_bounded(settings: Settings) -> None:
    form = wb.form("backtest")
    assert isinstance(form.widgets["expanding"], ipywidgets.Checkbox)
    horizon = form.widgets["horizon"]
    assert isinstance(horizon, ipywidgets.BoundedIntText)
    assert (horizon.min, horizon.max) == (1, 500)
    horizon.value = 9_999
    assert horizon.value == 500
    assert isinstance(form.widgets["fee_bps"], ipywidgets.BoundedFloatText)


def test_the_button_runs_what_the_widgets_say(settings: Settings) -> None:
    seen: list[Config] = []
    form = wb.form("backtest", runner=_recorder(seen))
    form.widgets["symbols"].value = "AAPL, MSFT"
    form.widgets["features"].value = "ret(1), macd_hist(12, 26, 9)"
    form.widgets["horizon"].value = 3
    form.widgets["expanding"].value = True
    form.button.click()
    parameters = seen[0].parameters
    assert isinstance(parameters, BacktestParameters)
    assert parameters.symbols == ["AAPL", "MSFT"]
    assert parameters.features == ["ret(1)", "macd_hist(12, 26, 9)"]
    assert (parameters.horizon, parameters.expanding) == (3, True)
    assert form.record is not None
    assert form.message == "done: run 3f9a1c"
    assert form.progress.value == 0.5
    assert form.button.disabled is False


def test_a_bad_value_is_shown_at_once_and_not_run(settings: Settings) -> None:
    seen: list[Config] = []
    form = wb.form("backtest", runner=_recorder(seen))
    form.widgets["timeframe"].value = "1 day"
    assert form.message.startswith("ConfigError: BacktestParameters.timeframe: unknown time frame '1 day'")
    form.button.click()
    assert seen == []
    assert "unknown time frame" in form.message
    form.widgets["timeframe"].value = "1d"
    assert form.message == ""


def test_numbers_in_a_list_are_checked(settings: Settings) -> None:
    form = wb.form("train")
    form.widgets["hidden"].value = "16, many"
    assert "TrainParameters.hidden" in form.message
    form.widgets["hidden"].value = "16, 8"
    assert form.config.parameters.hidden == [16, 8]  # type: ignore[attr-defined]  # the train notebook's model


def test_an_error_of_the_run_is_one_line(settings: Settings) -> None:
    def runner(_cfg: Config, _progress: Any) -> Any:
        raise DataError("source 'import' has no symbol 'BTC/USDT'")

    form = wb.form("backtest", runner=runner)
    form.button.click()
    assert form.message == "DataError: source 'import' has no symbol 'BTC/USDT'"
    assert form.record is None
    assert form.button.disabled is False


def test_a_form_starts_from_a_configuration(settings: Settings) -> None:
    cfg = wb.load_config("risk_center", {"window": 21, "confidence": 0.99})
    form = wb.form(cfg)
    assert isinstance(form, Form)
    assert form.config.parameters == cfg.parameters


def test_a_form_shows_itself(settings: Settings) -> None:
    bundle = wb.form("data")._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
