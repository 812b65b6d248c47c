"""Typed parameters: every mistake is one line that names the parameter, the value and the cure."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config import NOTEBOOKS, BacktestParameters, validate_parameters
from workbench.errors import ConfigError


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_defaults_are_valid_and_described(notebook: str) -> None:
    model = NOTEBOOKS[notebook]
    assert validate_parameters(notebook, {}) == model()
    for name, info in model.model_fields.items():
        assert info.description, name


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"train_sze": 10}, "BacktestParameters has no parameter 'train_sze'. Did you mean 'train_size'? (x.yaml)"),
        ({"fee_bps": "1e-4"}, "YAML reads '1e-4' as text"),
        ({"train_size": "1000"}, "remove the quotes"),
        ({"expanding": "on"}, "BacktestParameters.expanding: input should be a valid boolean, got 'on'"),
        ({"expanding": 1}, "got 1"),
        ({"horizon": 0}, "BacktestParameters.horizon: input should be greater than or equal to 1, got 0"),
        ({"horizon": 2.5}, "got 2.5"),
        ({"fee_bps": -1.0}, "greater than or equal to 0, got -1.0"),
        ({"fee_bps": float("nan")}, "finite number, got nan"),
        ({"max_leverage": True}, "got True"),
        (
            {"start": "2020-02-01", "end": "2019-01-01"},
            "start '2020-02-01' is not before end '2019-01-01'; exchange them",
        ),
        ({"start": "yesterday"}, "'yesterday' is not a date in UTC"),
        ({"symbols": []}, "at least 1 item"),
        ({"symbols": "SPX"}, "valid list, got 'SPX'"),
        ({"timeframe": "1hour"}, "unknown time frame '1hour'"),
        ({"model": "lstm(epochs=open('x'))"}, "is not a number, a text or true/false"),
        ({"rule": "sign(; import os"}, "cannot be read"),
        ({"source": "__import__('os').system('true')"}, "is not of the form name(arguments)"),
    ],
)
def test_a_mistake_is_one_clear_line(overrides: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_parameters("backtest", overrides, where="x.yaml")
    assert says in str(caught.value)
    assert str(caught.value).endswith("(x.yaml)")
    assert "\n" not in str(caught.value)


def test_unknown_notebook_guesses() -> None:
    with pytest.raises(ConfigError, match="unknown notebook 'backtset'. Did you mean 'backtest'"):
        validate_parameters("backtset", {})


def test_whole_numbers_serve_as_floats() -> None:
    parameters = validate_parameters("backtest", {"fee_bps": 3})
    assert isinstance(parameters, BacktestParameters)
    assert isinstance(parameters.fee_bps, float)


def test_parameters_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        BacktestParameters().horizon = 3


@given(st.text(max_size=40))
def test_no_text_crashes_the_parser(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert validate_parameters("backtest", {"model": text}).flat()["model"] == text
