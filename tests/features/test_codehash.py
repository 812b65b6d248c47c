"""What a function's code is: told by its text for people, by all that it reaches for the cache."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.features import REGISTRY, FeatureCache, Registry, compute, feature, indicator, resolve
from workbench.features.codehash import code_hash, deep_hash, forget, source_of


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "kept")


def is_hit(cache: FeatureCache, bars: pd.DataFrame, spec: Any) -> bool:
    before = cache.stats().hits
    compute(bars, spec, cache=cache)
    return cache.stats().hits > before


USER = """
import numpy as np
{imports}
SCALE = {scale}
WEIGHTS = {weights}

class Weigher:
    power = 1

    @staticmethod
    def weigh(close):
        return close {body}

def helper(close, extra={default}):
    return Weigher.weigh(close) * SCALE * WEIGHTS[0] + extra {more}
"""


def user_feature(text: str, warmup: int = 0) -> Callable[..., Any]:
    """A feature of a module of that text, as one that was loaded anew."""
    space: dict[str, Any] = {"__name__": "user_module"}
    exec(compile(text, "user_module.py", "exec"), space)  # noqa: S102 - a module of a few lines

    def reach(close):
        return helper(close)  # noqa: F821 - stands in the module

    function = types.FunctionType(reach.__code__, space, "reach")
    function.__module__ = "user_module"
    return indicator("reach", warmup=warmup, registry=Registry())(function)


def user_text(**changes: object) -> str:
    plain = {"imports": "", "scale": 2, "weights": "[1.0, 2.0]", "body": "+ 1", "default": 0, "more": ""}
    return USER.format(**(plain | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": 3},
        {"weights": "[2.0, 2.0]"},
        {"weights": "(2.0, 2.0)"},
        {"weights": "np.array([2.0, 2.0])"},
        {"weights": "{0: 2.0}"},
        {"body": "+ 2"},
        {"default": 5},
        {"more": "- 1"},
    ],
)
def test_code_that_a_user_feature_reaches_is_a_part_of_it(
    cache: FeatureCache, bars: pd.DataFrame, changes: dict[str, object]
) -> None:
    """A constant, a list, an array, a class, a default and a helper: each changes the numbers."""
    old, new = user_feature(user_text()), user_feature(user_text(**changes))
    compute(bars, old, cache=cache)
    assert is_hit(cache, bars, user_feature(user_text()))
    made = compute(bars, new, cache=cache)
    pd.testing.assert_frame_equal(made, compute(bars, new), check_exact=True)
    assert not np.array_equal(made.to_numpy(), compute(bars, old).to_numpy())


def test_a_helper_cell_that_runs_again_is_a_miss(cache: FeatureCache, bars: pd.DataFrame) -> None:
    """In a notebook the helper changes under the registered feature, which stays as it is."""
    made = user_feature(user_text())
    compute(bars, made, cache=cache)
    space = made.function.__globals__
    exec("def helper(close):\n    return close * 7", space)  # noqa: S102 - as a cell does it
    again = compute(bars, made, cache=cache)
    pd.testing.assert_frame_equal(again, compute(bars, made), check_exact=True)
    assert (again["reach"] == bars["close"] * 7).all(axis=None)


def test_a_helper_of_another_loose_module_is_a_part_of_it(
    cache: FeatureCache, bars: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    helpers = tmp_path / "cached_helpers.py"
    helpers.write_text("def helper(close):\n    return close * 2\n")
    module = importlib.import_module("cached_helpers")
    try:
        made = indicator("through", warmup=0, registry=Registry())(lambda close: module.helper(close) + 0)
        compute(bars, made, cache=cache)
        helpers.write_text("def helper(close):\n    return close * 33\n")
        importlib.invalidate_caches()
        importlib.reload(module)
        assert (compute(bars, made, cache=cache)["through"] == bars["close"] * 33).all(axis=None)
    finally:
        sys.modules.pop("cached_helpers")


def test_a_declared_warm_up_is_a_part_of_what_builds_on_it(cache: FeatureCache, bars: pd.DataFrame) -> None:
    def bound(rows: int) -> Any:
        registry = Registry()
        registry.add(user_feature(user_text(), warmup=rows))
        return resolve("mean(reach, 3)", registry)

    for rows in (0, 5):
        made = compute(bars, [bound(rows)], cache=cache)
        assert made.iloc[:, 0].isna().sum() == rows + 2


def functions(text: str) -> dict[str, Any]:
    """What a text defines, with its own source at hand."""
    import linecache

    name = f"<cell {abs(hash(text))}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space: dict[str, Any] = {"__name__": "user_module"}
    exec(compile(text, name, "exec"), space)  # noqa: S102 - a module of a few lines
    return space


PLAIN = "def f(close, window=3):\n    return close * window\n"


@pytest.mark.parametrize(
    "same",
    [
        "def f(close, window=3):\n    # a comment\n    return close * window  # another\n",
        'def f(close, window=3):\n    """A docstring."""\n    return close * window\n',
        "def f(close,\n      window = 3):\n\n    return (close *\n            window)\n",
        "import functools\n\n\n@functools.lru_cache(maxsize=3)\ndef f(close, window=3):\n    return close * window\n",
        "x = 1\ny = 2\ndef other(): ...\ndef f(close, window=3):\n    return close * window\n",
    ],
)
def test_layout_comments_docstring_and_decorators_do_not_count(same: str) -> None:
    assert code_hash(functions(same)["f"]) == code_hash(functions(PLAIN)["f"])


@pytest.mark.parametrize(
    "other",
    [
        "def f(close, window=4):\n    return close * window\n",
        "def f(close, window=3):\n    return close * window * 1\n",
        "def f(close, span=3):\n    return close * span\n",
        "def f(close, window=3):\n    return close / window\n",
        "def f(close, window=3): return close * window if window else close\n",
        'def f(close, window=3):\n    return "close * window"\n',
    ],
)
def test_any_change_of_the_body_counts(other: str) -> None:
    assert code_hash(functions(other)["f"]) != code_hash(functions(PLAIN)["f"])
    assert deep_hash(functions(other)["f"]) != deep_hash(functions(PLAIN)["f"])


def test_a_lambda_a_builtin_and_a_function_without_source_have_a_hash() -> None:
    doubled, tripled = (functions(f"f = lambda close: close * {k}")["f"] for k in (2, 3))
    assert code_hash(doubled) != code_hash(tripled)
    assert len({code_hash(f) for f in (doubled, len, max)}) == 3
    space: dict[str, Any] = {}
    exec("def bare(x): return x + 1\ndef other(x): return x + 2", space)  # noqa: S102 - without a file
    assert code_hash(space["bare"]) != code_hash(space["other"])
    assert deep_hash(space["bare"]) != deep_hash(space["other"])
    assert code_hash(space["bare"]) == code_hash(space["bare"])


def test_functions_that_call_each_other_end() -> None:
    text = "def f(x): return g(x) + 1\ndef g(x): return f(x) * {k}\n"
    one, other = (functions(text.format(k=k))["f"] for k in (2, 3))
    assert code_hash(one) == code_hash(other)
    assert deep_hash(one) != deep_hash(other)


def test_installed_packages_are_not_followed() -> None:
    text = "import numpy as np\ndef f(x): return np.median(x) + np.pi\n"
    assert deep_hash(functions(text)["f"]) == deep_hash(functions(text)["f"])


def test_an_edited_file_does_not_change_the_hash_of_what_runs(tmp_path: Path) -> None:
    """The text is taken when the function is registered."""
    path = tmp_path / "edited_later.py"
    path.write_text(PLAIN)
    space: dict[str, Any] = {"__name__": "edited_later"}
    exec(compile(path.read_text(), str(path), "exec"), space)  # noqa: S102 - as an import does it
    taken = source_of(space["f"])
    before = code_hash(space["f"], taken), deep_hash(space["f"], taken)
    path.write_text(PLAIN.replace("*", "/"))
    forget(str(path))
    assert (code_hash(space["f"], taken), deep_hash(space["f"], taken)) == before


def test_kernels_and_helpers_of_the_library_are_reached() -> None:
    made = REGISTRY.get("obv_ratio")
    assert made.deep_hash != made.code_hash
    assert made.deep_hash == made.deep_hash
    assert len({f.deep_hash for f in REGISTRY}) > 0.9 * len(REGISTRY)


def test_a_feature_of_all_symbols_reaches_its_helpers(cache: FeatureCache, bars: pd.DataFrame) -> None:
    for k in (2, 3):
        space = functions(f"def scaled(close): return close * {k}\ndef f(bars): return scaled(bars['close'])\n")
        made = feature("scaled_panel", registry=Registry())(space["f"])
        assert (compute(bars, made, cache=cache)["scaled_panel"] == bars["close"] * k).all(axis=None)


CALLED = """
from dataclasses import dataclass
from enum import Enum
from functools import partial, wraps
from types import SimpleNamespace

import numpy as np
import pandas as pd
from workbench.features import REGISTRY

LEVEL = {n}


def times(close, by):
    return close * by


@dataclass(frozen=True)
class Scale:
    by: float = 1.0

    def __call__(self, close):
        return close * self.by


class Kind(Enum):
    ONE = {n}


class Slotted:
    __slots__ = ("by",)

    def __init__(self, by):
        self.by = by


def scaled(by):
    def around(function):
        @wraps(function)
        def inner(close):
            return function(close) * by

        return inner

    return around


@scaled({n})
def decorated(close):
    return close


SCALE, TABLE, SPACE, HELD = Scale({n}), pd.Series([{n}.0]), SimpleNamespace(by={n}), Slotted({n})
FIRST = {{"by": lambda close: close * {n}}}
called_partial = partial(times, by={n})
called_method = Scale({n}).__call__


def called_instance(close):
    return SCALE(close)


def called_table(close):
    return close * TABLE[0]


def called_space(close):
    return close * SPACE.by


def called_slots(close):
    return close * HELD.by


def called_enum(close):
    return close * Kind.ONE.value


def called_in_dict(close):
    return FIRST["by"](close)


def called_default(close, scale=Scale({n})):
    return scale(close)


def called_by_name(close):
    return close * globals()["LEVEL"]


def called_decorated(close):
    return decorated(close)


def called_lazily(close):
    import lazily_imported

    return lazily_imported.helper(close)
"""

WAYS = [w.partition("(")[0].split()[-1] for w in CALLED.splitlines() if w.startswith("def called")]


@pytest.mark.parametrize("way", [*WAYS, "called_partial", "called_method"])
def test_objects_that_hold_numbers_or_functions_are_a_part_of_it(
    cache: FeatureCache, bars: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Changed by three from one loading of the module to the next, in each of the ways that a user may write it."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(n: int) -> Any:
        (tmp_path / "lazily_imported.py").write_text(f"def helper(close):\n    return close * {n}  # {'-' * n}\n")
        sys.modules.pop("lazily_imported", None)
        importlib.invalidate_caches()
        space: dict[str, Any] = {"__name__": "user_module"}
        module = types.ModuleType("user_module")
        module.__dict__.update(space)
        monkeypatch.setitem(sys.modules, "user_module", module)
        exec(compile(CALLED.format(n=n), "user_module.py", "exec"), module.__dict__)  # noqa: S102 - a small module
        exec(f"def reach(close):\n    return {way}(close)", module.__dict__)  # noqa: S102
        return indicator("reach", warmup=0, registry=Registry())(module.__dict__["reach"])

    try:
        compute(bars, made(1), cache=cache)
        assert is_hit(cache, bars, made(1))
        again = compute(bars, made(4), cache=cache)
    finally:
        sys.modules.pop("lazily_imported", None)
    assert (again["reach"] == bars["close"] * 4).all(axis=None)


def test_a_feature_taken_from_the_registry_is_a_part_of_it(cache: FeatureCache, bars: pd.DataFrame) -> None:
    def made(n: int) -> Any:
        registry = Registry()
        indicator("inner", warmup=0, registry=registry)(lambda close: close * n)
        return indicator("outer", warmup=0, registry=Registry())(lambda close: registry.get("inner").function(close))

    compute(bars, made(1), cache=cache)
    assert (compute(bars, made(3), cache=cache)["outer"] == bars["close"] * 3).all(axis=None)
