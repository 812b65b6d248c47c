"""Specs to models, and what a bad one is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

import workbench.models as room
from workbench.errors import ConfigError
from workbench.models import build, check_model_spec
from workbench.models.arguments import Argument, parse_units


def test_arguments_reach_the_model() -> None:
    model = build("lstm(hidden='16-8', epochs=3, lookback=5)", seed=11, device="cpu")
    assert model.get_params()["hidden"] == "16-8"
    assert (model.epochs, model.lookback, model.seed, model.device) == (3, 5, 11, "cpu")
    assert build("ridge(2.5)").alpha == 2.5


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("lstn", r"unknown model 'lstn'\. Did you mean 'lstm'\?"),
        ("forest", r"unknown model 'forest'\. Known: buy_and_hold, hist_gradient_boosting, .*zero"),
        ("lstm(epoch=3)", r"model 'lstm' has no argument 'epoch'\. Did you mean 'epochs'\?"),
        ("lstm(epochs=0)", r"model 'lstm': epochs must be a whole number at least 1 and at most 1000, got 0"),
        ("lstm(epochs=2.5)", r"epochs must be a whole number .*, got 2\.5"),
        ("lstm(epochs=True)", r"epochs must be a whole number .*, got True"),
        ("lstm(dropout=1.0)", r"dropout must be a number at least 0 and below 1, got 1\.0"),
        ("lstm(norm='layers')", r"norm must be one of 'layer', 'batch', 'none', got 'layers'"),
        ("lstm(hidden='128-x')", r"hidden must be 1 to 8 layer sizes .*, got '128-x'"),
        ("lstm(hidden='')", r"hidden must be"),
        ("lstm(hidden='0')", r"hidden must be"),
        ("lstm(hidden=128)", r"hidden must be .* got 128"),
        ("logistic(C='1')", r"C must be a number above 0 and at most 1e\+06, got '1'"),
        ("logistic(C=1e999)", r"C must be a number .*, got inf"),
        ("logistic(0.1, C=0.2)", r"C is given twice in 'logistic\(0\.1, C=0\.2\)'; keep one"),
        ("zero(1)", r"model 'zero' takes 0 arguments, got 1"),
        ("lstm(seed=3)", r"model 'lstm': the seed is the run's"),
        ("logistic(C=)", r"spec 'logistic\(C=\)' cannot be read"),
    ],
)
def test_bad_specs_are_one_clear_line(spec: str, line: str) -> None:
    with pytest.raises(ConfigError, match=line) as caught:
        build(spec)
    assert "\n" not in str(caught.value)


def test_a_seed_that_is_none() -> None:
    with pytest.raises(ConfigError, match="seed must be a whole number at least 0"):
        build("zero", seed=-1)


def test_a_spec_is_checked_without_loading_a_library() -> None:
    code = """
import sys
from workbench.models import MODELS, check_model_spec, list_models
check_model_spec("lstm(epochs=3)")
list_models()
heavy = {"torch", "sklearn", "skops", "safetensors", "pandas", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert str(check_model_spec("logistic(C=0.1)")) == "logistic(C=0.1)"


def test_public_names_are_sorted_and_there() -> None:
    assert room.__all__ == sorted(room.__all__)
    assert all(hasattr(room, name) for name in room.__all__)


def test_units() -> None:
    assert parse_units("64") == (64,)
    assert parse_units([8, 4]) == (8, 4)
    assert not Argument("units", (8,), "")._fits((8, True))
    assert not Argument("units", (8,), "")._fits([4097])
    assert not Argument("units", (8,), "")._fits((1,) * 9)
