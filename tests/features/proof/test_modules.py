"""A user's own module or notebook: loaded, edited and loaded again, and told what is wrong with it."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError, LookAheadError
from workbench.features import REGISTRY, Registry, check_all, check_causality, compute, feature, load_features

TEXT = '''
from workbench.features import indicator

SCALE = {scale}

def helper(close):
    return close * SCALE

@indicator("{name}", warmup=0)
def {name}(close, *, window: int = 3):
    """The close, scaled."""
    return helper(close){more}
'''


def source(name: str = "mine", scale: object = 2.0, more: str = "") -> str:
    return TEXT.format(name=name, scale=scale, more=more)


@pytest.fixture(autouse=True)
def forget_them() -> Iterator[None]:
    """Leave the registry as it was."""
    before = {f.name: f for f in REGISTRY}
    modules = set(sys.modules)
    yield
    for name in [n for n in REGISTRY.names() if n not in before]:
        REGISTRY.discard(name)
    for name in set(sys.modules) - modules:
        if name.startswith(("workbench_user_", "reloaded_")):
            sys.modules.pop(name)


def notebook(*cells: str) -> str:
    code = [{"cell_type": "code", "source": c.splitlines(keepends=True), "outputs": []} for c in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# import this @indicator"]}, *code]})


def test_a_module_registers_its_features(tmp_path: Path, bars: pd.DataFrame) -> None:
    path = tmp_path / "my_features.py"
    path.write_text(source("mine_b") + source("mine_a"))
    assert load_features(path) == ["mine_a", "mine_b"]
    assert REGISTRY.get("mine_a").origin == "workbench_user_my_features"
    pd.testing.assert_frame_equal(compute(bars, "mine_a")["mine_a"], bars["close"] * 2, check_names=False)


def test_an_edited_module_gives_the_new_code(tmp_path: Path, bars: pd.DataFrame) -> None:
    """Also when size and time of the file are those of the old one."""
    path = tmp_path / "my_features.py"
    path.write_text(source(scale=2.0))
    os.utime(path, ns=(10**18, 10**18))
    load_features(path)
    first, code = compute(bars, "mine"), REGISTRY.get("mine").code_hash
    path.write_text(source(scale=3.0, more=""))
    os.utime(path, ns=(10**18, 10**18))
    load_features(path)
    pd.testing.assert_frame_equal(compute(bars, "mine"), first * 1.5)
    path.write_text(source(scale=3.0, more=" + 1"))
    load_features(path)
    assert REGISTRY.get("mine").code_hash != code
    pd.testing.assert_frame_equal(compute(bars, "mine"), first * 1.5 + 1)
    assert not list(tmp_path.rglob("*.pyc"))


def test_a_reloaded_module_gives_the_new_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a notebook reloads it: through the import system, not through `load_features`."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "reloaded_features.py"
    path.write_text(source("reloaded_one"))
    module = importlib.import_module("reloaded_features")
    before = REGISTRY.get("reloaded_one").code_hash
    path.write_text(source("reloaded_one", more=" + 12345"))
    importlib.invalidate_caches()
    importlib.reload(module)
    assert REGISTRY.get("reloaded_one").code_hash != before


def test_a_notebook_registers_its_features(tmp_path: Path, bars: pd.DataFrame) -> None:
    path = tmp_path / "my notes.ipynb"
    path.write_text(
        notebook(
            "%load_ext autoreload\nfrom workbench.features import indicator",
            "raise RuntimeError('a cell that is not needed')",
            "@indicator('noted', warmup=0)\ndef noted(close):\n    return close * 2\n",
            "display(noted)",
        )
    )
    assert load_features(path) == ["noted"]
    code = REGISTRY.get("noted").code_hash
    path.write_text(
        notebook(
            "from workbench.features import indicator\n!ls",
            "@indicator('noted', warmup=0)\ndef noted(close):\n    return close * 3\n",
        )
    )
    assert load_features(path) == ["noted"]
    assert REGISTRY.get("noted").code_hash != code
    assert (compute(bars, "noted")["noted"] == bars["close"] * 3).all(axis=None)


@pytest.mark.parametrize(
    ("name", "text", "error", "says"),
    [
        ("none.txt", "", ConfigError, "is neither a Python file nor a notebook; give a file that ends in .py or"),
        ("absent.py", None, ConfigError, "there is no file .*absent.py"),
        ("empty.py", "", ConfigError, r"registers no feature; decorate a function with @indicator\(\"name\"\)"),
        ("plain.py", "def rsi(close):\n    return close\n", ConfigError, "registers no feature"),
        ("torn.py", "def f(:\n", DataError, r"failed: SyntaxError: .* \(line 1\); mend it and check again"),
        ("raises.py", "x = 1\n\ny = x / 0\n", DataError, r"failed: ZeroDivisionError: division by zero \(line 3\)"),
        ("exits.py", "import sys\nsys.exit(3)\n", DataError, r"failed: SystemExit: 3 \(line 2\)"),
        ("lacks.py", "import not_installed_anywhere\n", DataError, r"failed: ModuleNotFoundError: .* \(line 1\)"),
        ("typo.py", "from workbench.features import indicator\n@indicator('x', boundz={})\ndef x(close): ...\n",
         DataError, "TypeError: .*boundz"),
        ("field.py", "from workbench.features import indicator\n@indicator('x')\ndef x(closing): ...\n", ConfigError,
         "bars have no field 'closing'. Did you mean 'close'?"),
        ("taken.py", "from workbench.features import indicator\n@indicator('rsi')\ndef rsi(close): ...\n", ConfigError,
         "feature 'rsi' of workbench_user_taken is already registered by workbench.features"),
        ("latin.py", "x = 'caf\xe9'\n", DataError, "failed: (SyntaxError|UnicodeDecodeError)"),
        ("torn.ipynb", "{", ConfigError, "is not a notebook that can be read"),
        ("odd.ipynb", "[]", ConfigError, "is not a notebook that can be read"),
        ("odder.ipynb", '{"cells": [{}]}', ConfigError, "is not a notebook that can be read"),
        ("empty.ipynb", '{"cells": []}', ConfigError, "registers no feature"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_told(tmp_path: Path, name: str, text: str | None, error: type, says: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    names = REGISTRY.names()
    with pytest.raises(error, match=says) as caught:
        load_features(path)
    assert "\n" not in str(caught.value)
    assert REGISTRY.names() == names
    with pytest.raises(ConfigError, match="there is no file"):
        load_features(tmp_path / "no_such_folder" / "x.py")


def test_a_module_that_fails_half_way_leaves_the_registry_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "half.py"
    path.write_text(source("half_made") + "\nraise ValueError('later')\n")
    with pytest.raises(DataError, match="ValueError: later"):
        load_features(path)
    assert "half_made" not in REGISTRY
    path.write_text(source("half_made"))
    load_features(path)
    kept = REGISTRY.get("half_made")
    path.write_text(
        source("half_made", scale=9.0) + "\nfrom workbench.features import indicator\nindicator('no good')\n"
    )
    with pytest.raises(ConfigError, match="'no good' must be a plain name"):
        load_features(path)
    assert REGISTRY.get("half_made") is kept


def test_its_features_are_checked_like_any_other(tmp_path: Path, bars: pd.DataFrame) -> None:
    path = tmp_path / "leaky.py"
    path.write_text(
        "import numpy as np\nfrom workbench.features import feature, indicator\n"
        "@indicator('user_good', warmup=1)\ndef user_good(close):\n"
        "    return np.concatenate([np.full(min(1, close.size), np.nan), np.diff(close)])\n"
        "@indicator('user_leak', warmup=0)\ndef user_leak(close):\n    return close / close[-1]\n"
        "@feature('user_panel', warmup=0)\ndef user_panel(bars):\n    return bars['close'].shift(-1).ffill()\n"
    )
    names = load_features(path)
    verdicts = {v.name: v for v in check_all(bars, names=names, cuts="all")}
    assert verdicts["user_good"].ok
    assert verdicts["user_leak"].message.startswith("LookAheadError: feature 'user_leak' changes at 2024-02-28 00:00")
    assert verdicts["user_panel"].message.startswith("LookAheadError: feature 'user_panel' changes at")
    with pytest.raises(LookAheadError):
        check_causality("user_leak", bars)


def test_a_registry_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "apart.py"
    path.write_text(source("apart_one"))
    with pytest.raises(ConfigError, match="registers no feature"):
        load_features(path, Registry())  # it registered with the common one


REMEMBERING = '''
"""Features that keep what they have seen; and one that writes to its bars behind pandas' back."""

import pandas as pd

from workbench.features import feature, indicator

FITTED, NEXT = [], {}


@indicator("fitted_once", warmup=0, recursive=True)
def fitted_once(close):
    if not FITTED:
        FITTED.append((close.mean(), close.std()))
    return (close - FITTED[0][0]) / FITTED[0][1]


@indicator("looked_up", warmup=0, recursive=True)
def looked_up(close, time):
    for i in range(close.size - 1):
        NEXT[close[0], time[i]] = close[i + 1]
    return pd.Series([NEXT.get((close[0], t), c) for t, c in zip(time, close)]).to_numpy(float)


@feature("overwritten", inputs=("close",))
def overwritten(bars):
    values = bars["close"].to_numpy()
    values.flags.writeable = True
    values[0] = 1.0
    return bars["close"]
'''


def test_what_a_feature_remembers_of_the_whole_is_found(tmp_path: Path, bars: pd.DataFrame) -> None:
    path = tmp_path / "remembering.py"
    path.write_text(REMEMBERING)
    names, before = load_features(path), bars.copy()
    verdicts = {v.name: v.message for v in check_all(bars, names=names, cuts="all", reload=lambda: load_features(path))}
    for name in ("fitted_once", "looked_up"):
        assert f"LookAheadError: feature {name!r} changes at" in verdicts[name], verdicts
    assert verdicts["overwritten"] == "DataError: feature 'overwritten' changes the bars it is given; work on a copy"
    pd.testing.assert_frame_equal(bars, before)


def test_panel_features_in_plain_pandas_pass_on_bars_with_holes(ragged: pd.DataFrame) -> None:
    registry = Registry()
    feature("moved", inputs=("close",), registry=registry)(lambda bars: bars["close"].pct_change(5, fill_method=None))
    feature("faded", inputs=("close",), registry=registry)(lambda bars: bars["close"].ewm(span=9).mean())
    feature("early", inputs=("close",), warmup=9, registry=registry)(lambda bars: bars["close"] * 1.0)
    verdicts = {v.name: v.message for v in check_all(ragged, registry=registry)}
    assert verdicts["moved"] == "causal, warm-up 5"
    assert "where the symbol does not trade" in verdicts["faded"]
    assert verdicts["faded"].endswith("leave those rows NaN: result.where(bars['close'].notna())")
    assert "has a value within its warm-up of 9 bars" in verdicts["early"]


def test_helpers_and_constants_of_other_cells_come_along(tmp_path: Path, bars: pd.DataFrame) -> None:
    path = tmp_path / "cells.ipynb"
    path.write_text(
        notebook(
            "import functools\nfrom workbench.features import indicator",
            "%matplotlib inline\nFACTOR = 2.0\nraise RuntimeError('a cell that only looks at something')",
            "@functools.lru_cache\ndef factor():\n    return FACTOR",
            "def doubled(close):\n    return close * factor()",
            "@indicator('from_cells', warmup=0)\ndef from_cells(close):\n    return doubled(close)",
            "from_cells(bars)",
        )
    )
    assert load_features(path) == ["from_cells"]
    assert (compute(bars, "from_cells")["from_cells"] == 2 * bars["close"]).all(axis=None)
