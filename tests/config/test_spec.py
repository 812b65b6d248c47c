"""Spec strings: literal arguments only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config import Spec, parse_spec
from workbench.errors import ConfigError


def test_a_name_alone_and_a_call() -> None:
    assert parse_spec("zero") == Spec("zero")
    spec = parse_spec(" macd( 12, 26, signal = 9 ) ")
    assert (spec.name, spec.args, dict(spec.kwargs)) == ("macd", (12, 26), {"signal": 9})
    assert parse_spec("f(-1.5, 'a', True)").args == (-1.5, "a", True)


@pytest.mark.parametrize(
    "text", ["", "   ", "a.b(1)", "f(x)", "f(1)(2)", "f(*a)", "f(**a)", "f([1])", "f(1", "1+1", "lambda: 0", None, 3]
)
def test_everything_else_is_refused(text: object) -> None:
    with pytest.raises(ConfigError):
        parse_spec(text)  # type: ignore[arg-type]


literals = st.one_of(st.integers(-99, 99), st.floats(-1e3, 1e3), st.booleans(), st.text("abc_ '\"\\", max_size=6))


@given(st.lists(literals, max_size=3), st.dictionaries(st.sampled_from(["window", "span", "k"]), literals))
def test_text_and_spec_are_two_ways_to_say_the_same(args: list[object], kwargs: dict[str, object]) -> None:
    spec = Spec("rsi", tuple(args), kwargs)  # type: ignore[arg-type]
    again = parse_spec(str(spec))
    assert str(again) == str(spec)
    assert again.args == spec.args
    assert dict(again.kwargs) == kwargs
