"""Registering features, and binding specs to them."""

from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import REGISTRY, Feature, Registry, canonical, compute, feature, get, indicator, resolve, warmup
from workbench.features.codehash import code_hash


def momentum(bars: pd.DataFrame, *, window: int = 14, scale: float = 1.0) -> pd.DataFrame:
    """Momentum for the tests."""
    return scale * (bars["close"] / bars["close"].shift(window) - 1)


def from_module(module: str, source: str, registry: Registry, name: str = "mine") -> Feature:
    """Run source that defines `f` as if in another module, and register it."""
    space: dict[str, Any] = {"__name__": module}
    exec(compile(source, f"<{module}>", "exec"), space)  # noqa: S102 - stands for a notebook cell
    return feature(name, registry=registry)(space["f"])


CELL = "def f(bars, *, window: int = 3):\n    return bars['close'].diff(window)\n"


def test_a_registered_function_still_runs_and_tells_itself(bars: pd.DataFrame) -> None:
    registry = Registry()
    made = feature(
        "momentum", version=3, inputs=("close",), family="test", bounds={"window": (1, 50)}, registry=registry
    )(momentum)
    assert registry.get("momentum") is made
    assert (made.version, made.inputs, made.family, made.description) == (
        3,
        ("close",),
        "test",
        "Momentum for the tests.",
    )
    assert [str(p) for p in made.parameters] == ["window: int = 14 [1, 50]", "scale: float = 1.0"]
    pd.testing.assert_frame_equal(made(bars, window=5), momentum(bars, window=5))
    pd.testing.assert_frame_equal(compute(bars, made)["momentum"], momentum(bars), check_names=False)
    pd.testing.assert_frame_equal(made(bars, window=np.int64(5), scale=2), 2 * momentum(bars, window=5))
    with pytest.raises(ConfigError, match="window must be between 1 and 50, got 51; lower it to 50 or less"):
        made(bars, window=51)


def test_the_names_of_the_issue_work_without_more(bars: pd.DataFrame) -> None:
    """`@feature(name, version, inputs)` on (bars, *, window: int = 14), then a spec string."""
    try:

        @feature("tmp_momentum", version=1, inputs=("close",))
        def tmp_momentum(bars: pd.DataFrame, *, window: int = 14) -> pd.DataFrame:
            return bars["close"] / bars["close"].shift(window) - 1

        out = compute(bars, ["tmp_momentum(7)", "rsi(14)"])
        assert list(out.columns.unique(0)) == ["tmp_momentum(7)", "rsi(14)"]
        assert out.columns.names == ["spec", "symbol"]
        assert warmup("tmp_momentum(7)") == 7
    finally:
        REGISTRY.discard("tmp_momentum")
    with pytest.raises(ConfigError, match="no feature 'tmp_momentum'"):
        get("tmp_momentum")


def test_running_a_cell_again_replaces_but_another_module_is_refused() -> None:
    registry = Registry()
    first = from_module("__main__", CELL, registry)
    again = from_module("__main__", CELL.replace("diff(window)", "diff(2 * window)"), registry)
    assert registry.get("mine") is again
    assert first.code_hash != again.code_hash
    served = from_module("bokeh_app_1f2e", CELL, registry)
    assert registry.get("mine") is served
    with pytest.raises(ConfigError, match="'mine' of other.lib is already registered by notebook"):
        from_module("other.lib", CELL, registry)
    library = Registry()
    from_module("some.lib", CELL, library)
    with pytest.raises(ConfigError, match="'mine' of notebook is already registered by some.lib"):
        from_module("__main__", CELL, library)
    reloaded = from_module("some.lib", CELL, library)
    assert library.get("mine") is reloaded
    with pytest.raises(ConfigError, match="already registered by some.lib .function f."):
        from_module("some.lib", "def g(bars):\n    return bars['close']\nf = g\n", library)


def test_a_cell_must_not_take_the_name_of_a_built_in() -> None:
    with pytest.raises(
        ConfigError, match="'rsi' of notebook is already registered by workbench.features.indicators.momentum"
    ):
        from_module("__main__", CELL, REGISTRY, name="rsi")
    assert get("rsi").origin == "workbench.features.indicators.momentum"


def test_code_hash_sees_code_and_not_layout(tmp_path) -> None:
    def hashed(text: str, number: int) -> str:
        path = tmp_path / f"m{number}.py"
        path.write_text(text)
        module = types.ModuleType(f"m{number}")
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - a module written by the test
        return code_hash(module.f)

    base = hashed("def f(bars, *, n: int = 3):\n    return bars['close'].diff(n)\n", 1)
    assert (
        hashed('def f(bars, *, n: int = 3):\n    """Doc."""\n    # note\n    return bars["close"].diff( n )\n', 2)
        == base
    )
    assert hashed("def f(bars, *, n: int = 3):\n    return bars['close'].diff(n + 1)\n", 3) != base
    assert hashed("def f(bars, *, n: int = 4):\n    return bars['close'].diff(n)\n", 4) != base
    bare: dict[str, Any] = {}
    exec("def f(bars):\n    return bars['close'] + 1\ndef g(bars):\n    return bars['close'] + 2\n", bare)  # noqa: S102
    assert code_hash(bare["f"]) != code_hash(bare["g"])


def bad(text: str) -> Any:
    space: dict[str, Any] = {}
    exec(text, space)  # noqa: S102 - signatures that linters refuse
    return space["f"]


@pytest.mark.parametrize(
    ("declaration", "source", "message"),
    [
        ({"name": "a b"}, "def f(bars): ...", "name 'a b' must be a plain name"),
        ({"name": "class"}, "def f(bars): ...", "name 'class' must be a plain name"),
        ({"version": 0}, "def f(bars): ...", "version must be a whole number from 1 on, got 0"),
        ({"version": True}, "def f(bars): ...", "version must be a whole number"),
        ({"inputs": ("clsoe",)}, "def f(bars): ...", "no field 'clsoe'. Did you mean 'close'?"),
        ({"inputs": ()}, "def f(bars): ...", "inputs must name one or more different fields"),
        ({"inputs": ("close", "close")}, "def f(bars): ...", "inputs must name one or more different fields"),
        ({}, "def f(): ...", "bars and keyword parameters only"),
        ({}, "def f(bars, window=3): ...", "bars and keyword parameters only"),
        ({}, "def f(bars, **more): ...", "bars and keyword parameters only"),
        ({}, "def f(bars, *, window: list = 3): ...", "window must be typed int, float, bool or str"),
        ({}, "def f(bars, *, window=None): ...", "window must be typed int, float, bool or str"),
        (
            {"bounds": {"windw": (1, 2)}},
            "def f(bars, *, window: int = 3): ...",
            "'windw', which is no parameter.* 'window'?",
        ),
        (
            {"bounds": {"window": (5, 9)}},
            "def f(bars, *, window: int = 3): ...",
            "window must be between 5 and 9, got 3",
        ),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(declaration: dict[str, Any], source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        feature(**{"name": "x", "registry": Registry(), **declaration})(bad(source))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rsii(14)", r"there is no feature or operator 'rsii'\. Did you mean 'rsi'\?"),
        ("rsi(14, 3)", r"'rsi' takes 1 parameter \(window\), got 2 values \(14, 3\)"),
        ("obv(1)", r"'obv' takes 0 parameters \(none\), got 1 values"),
        ("rsi(windw=14)", r"'rsi' has no parameter 'windw'\. Did you mean 'window'\?"),
        ("obv(window=14)", r"'obv' has no parameter 'window'\. It takes none\."),
        ("rsi(14, window=14)", "window is given twice, 14 and 14; keep one"),
        ("rsi(14.5)", r"window must be a whole number, got 14.5; write rsi\(window=14\)"),
        ("rsi('14')", r"window must be a whole number, got '14'; write rsi\(window=14\)"),
        ("rsi(True)", "window must be a whole number, got True"),
        ("rsi(None)", "argument None is not a number"),
        ("rsi(1)", "window must be between 2 and 100000, got 1; raise it to 2 or more"),
        ("rsi(-5)", "got -5; raise it to 2 or more"),
        ("rsi(1000000)", "got 1000000; lower it to 100000 or less"),
        ("bollinger_upper(20, 1e999)", "k must be finite, got inf"),
        ("macd_hist(26, 12, 9)", "'macd_hist' needs fast < slow, got fast=26, slow=12, signal=9"),
        ("rsi(", "cannot be read"),
        ("", "a feature must be text"),
        (14, "a feature must be text"),
        (momentum, "'momentum' is a plain function; register it with @feature.'momentum'. first"),
    ],
)
def test_a_spec_that_does_not_fit_is_one_clear_line(spec: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        resolve(spec)
    assert "\n" not in str(caught.value)


def test_specs_bind_by_position_and_name() -> None:
    bound = resolve("macd_hist(6, signal=4, slow=13)")
    assert dict(bound.parameters) == {"fast": 6, "slow": 13, "signal": 4}
    assert bound.canonical == "macd_hist(6, 13, 4)"
    assert canonical(" bollinger_upper( k = 2 ) ") == "bollinger_upper(20, 2.0)"
    assert canonical("obv") == canonical("obv()") == "obv"
    assert canonical(canonical("stoch_k(5)")) == canonical("stoch_k(5)")


def test_columns_keep_the_spec_as_written_and_doubles_are_refused(bars: pd.DataFrame) -> None:
    out = compute(bars, ["rsi", "ema(window=9)"])
    assert list(out.columns.unique("spec")) == ["rsi", "ema(window=9)"]
    with pytest.raises(ConfigError, match=r"'rsi\(14\)' is named twice, as 'rsi' and 'rsi\(window=14\)'; keep one"):
        compute(bars, ["rsi", "ret(1)", "rsi(window=14)"])
    with pytest.raises(ConfigError, match="no feature is named"):
        compute(bars, [])


def test_a_required_parameter_must_be_given() -> None:
    registry = Registry()

    @feature("needs", registry=registry, warmup=0)
    def needs(bars: pd.DataFrame, *, span: float) -> pd.DataFrame:
        return bars["close"] * span

    with pytest.raises(ConfigError, match="'needs' needs span; write needs"):
        resolve("needs", registry)
    assert resolve("needs(2)", registry).canonical == "needs(2.0)"


def test_undeclared_warmup_is_measured() -> None:
    registry = Registry()
    made = feature("momentum", registry=registry)(momentum)
    assert warmup(resolve("momentum(23)", registry)) == 23
    assert warmup(made) == 14

    @feature("never", registry=registry)
    def never(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"] * np.nan

    with pytest.raises(DataError, match="'never' is NaN on all"):
        warmup(never)


def test_importing_the_room_does_not_load_talib_or_other_heavy_libraries() -> None:
    code = (
        "import sys, workbench.features as f; assert len(f.REGISTRY) >= 20; f.resolve('rsi(14)'); f.warmup('rsi(14)');"
        "print([m for m in ('talib', 'numba', 'sklearn', 'torch', 'pyarrow.dataset', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "whose"), [("mean", "an operator"), ("Mean", "an operator"), ("classic31", "a feature set")]
)
def test_a_feature_cannot_change_what_expressions_and_sets_mean(name: str, whose: str) -> None:
    with pytest.raises(ConfigError, match=f"feature name '{name}' is that of {whose}; choose another"):
        indicator(name, warmup=0, registry=Registry())(lambda close: close)


@pytest.mark.parametrize("warmup", [-1, 2.5, True, "14"])
def test_a_warm_up_is_a_count_or_a_function(warmup: Any) -> None:
    with pytest.raises(ConfigError, match="feature 'late': warmup must be a count of bars or a function, got"):
        indicator("late", warmup=warmup, registry=Registry())(lambda close: close)
