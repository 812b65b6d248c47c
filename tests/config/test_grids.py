"""Grids as text: ranges that end where they say, lists as written, one clear line for what cannot be read."""

from __future__ import annotations

import pytest

from workbench.config import BacktestParameters, SweepParameters, parse_grid, validate_parameters
from workbench.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("fast 5..20..5", [5, 10, 15, 20]),
        ("fast 5..22..5", [5, 10, 15, 20]),
        ("fast 3..5", [3, 4, 5]),
        ("width 0.1..0.3..0.1", [0.1, 0.2, 0.3]),
        ("width: 1, 2.5, 10", [1, 2.5, 10]),
        ("kind slow", ["slow"]),
    ],
)
def test_a_line_is_a_name_and_its_values(line: str, values: list[object]) -> None:
    (found,) = parse_grid([line]).values()
    assert found == values
    assert [type(v) for v in found] == [type(v) for v in values]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["fast"], "must be a name and its values"),
        (["fast 5..1"], "holds no value"),
        (["fast 1..5..0"], "holds no value"),
        (["fast 1..a"], "in numbers"),
        (["fast 0..1..0.000001"], "holds 1,000,001 values"),
        (["fast 1,,2"], "empty value"),
        (["fast 1", "fast 2"], "names 'fast' twice"),
    ],
)
def test_what_cannot_be_read_is_named(lines: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_grid(lines)
    with pytest.raises(ConfigError, match="grid"):
        validate_parameters("sweep", {"grid": lines})


def test_bounds_of_the_new_parameters_are_kept() -> None:
    with pytest.raises(ConfigError, match="blocks must be even"):
        validate_parameters("sweep", {"blocks": 7})
    with pytest.raises(ConfigError, match=r"unknown objective 'sharpe'. Did you mean 'sharpe_ratio'"):
        validate_parameters("walkforward", {"objective": "sharpe"})
    with pytest.raises(ConfigError, match="cannot be read"):
        validate_parameters("backtest", {"execution": ["stop_loss 0.05"]})
    with pytest.raises(ConfigError, match="fee_bps"):
        validate_parameters("backtest", {"fee_bps": -1})
    assert BacktestParameters().execution == []
    assert SweepParameters().blocks == 16
