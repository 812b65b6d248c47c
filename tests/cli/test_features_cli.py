"""``workbench features`` as typed: lists, what one is, verdicts on a user's module with exit codes, comparisons."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.config import Settings
from workbench.features import REGISTRY, SETS, FeatureCache, compute
from workbench.features.expressions import OPERATORS


@pytest.fixture(autouse=True)
def forget_them() -> Iterator[None]:
    """Leave the registry as it was."""
    before = set(REGISTRY.names())
    yield
    for name in set(REGISTRY.names()) - before:
        REGISTRY.discard(name)


def said(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(words) == code
    out, err = capsys.readouterr()
    return err if code == 2 else out


@pytest.mark.parametrize("verb", ["list", "show", "check", "compare", "cache"])
def test_each_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"Usage: workbench features {verb}" in said(["features", verb, "--help"], capsys)
    assert verb in said(["features", "--help"], capsys)


def test_list_names_every_feature_with_its_family(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["features", "list"], capsys)
    assert f"{len(REGISTRY)} features in" in shown
    rows = json.loads(said(["features", "list", "--json"], capsys))
    assert sorted(r["name"] for r in rows) == REGISTRY.names()
    assert len(rows) >= 60
    momentum = json.loads(said(["features", "list", "--family", "momentum", "--json"], capsys))
    assert {r["family"] for r in momentum} == {"momentum"}
    assert "rsi" in {r["name"] for r in momentum}
    assert "no family 'momentun'. Did you mean 'momentum'?" in said(
        ["features", "list", "--family", "momentun"], capsys, 2
    )


def test_list_shows_sets_and_operators(capsys: pytest.CaptureFixture[str]) -> None:
    sets = {r["name"]: r for r in json.loads(said(["features", "list", "--sets", "--json"], capsys))}
    assert sets["classic31"]["checksum"] == SETS.get("classic31").checksum
    assert sets["alpha158"]["features"] == 158
    assert "classic31" in said(["features", "list", "--sets"], capsys)
    operators = json.loads(said(["features", "list", "--operators", "--json"], capsys))
    assert len(operators) == len(OPERATORS) >= 50
    looks = {r["write"].partition("(")[0]: r["looks"] for r in operators}
    assert (looks["mean"], looks["neutralize"], looks["log"]) == ("back", "across symbols", "at one bar")
    assert (looks["clip"], looks["bucket"], looks["cross_above"]) == ("at one bar", "across symbols", "back")
    assert "ask for two lists" in said(["features", "list", "--sets", "--operators"], capsys, 2)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("rsi", ["feature rsi", "momentum", "window: int = 14 [2, 100000]", "warm-up", "all earlier bars", "Wilder"]),
        ("bollinger_upper", ["no, a level that wanders"]),
        ("macd", ["fast < slow"]),
        ("corr", ["operator corr", "corr(x, y, window: int"]),
        ("rank", ["operator rank", "across symbols", "rank_over(x, window: int"]),
        ("Mean", ["operator Mean", "mean(x, window: int"]),
        ("classic31", ["feature set classic31", "checksum", "features: [classic31]", "rsi(14)"]),
        ("alpha158", ["alpha158.KMID = (close - open) / open"]),
        ("rank(rsi(14))", ["expression rank(rsi(14))", "across symbols  yes", "look-back", "14"]),
        ("ema(50)@4h", ["ema(50)@4h", "4h", "bars of 1h"]),
        ("Mean($close, 5) / close", ["(mean(close, 5) / close)"]),
    ],
)  # fmt: skip
def test_show_tells_what_a_spec_names(spec: str, parts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["features", "show", spec], capsys)
    for part in parts:
        assert part in shown, shown
    document = json.loads(said(["features", "show", spec, "--json"], capsys))
    assert document["title"] == shown.splitlines()[0]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("rsii", "no feature, operator or feature set 'rsii'. Did you mean 'rsi'?"),
        ("rsi(", "cannot be read"),
        ("rsi(1)", "window must be between 2 and 100000, got 1"),
        ("__import__('os')", "there is no feature or operator '__import__'"),
    ],
)
def test_show_says_what_is_wrong(spec: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["features", "show", spec], capsys, 2)
    assert says in shown
    assert len(shown.strip().splitlines()) == 1


GOOD = """
    @indicator("cli_good", warmup=1)
    def cli_good(close):
        return np.concatenate([np.full(min(1, close.size), np.nan), np.diff(close)])
"""
LEAK = """
    @indicator("cli_leak", warmup=0)
    def cli_leak(close, time):
        hour = time // 3_600_000_000_000 % 24
        return np.where(hour == 17, np.append(close[1:], close[-1:]), close)
"""
PANEL = """
    @feature("cli_panel", warmup=0)
    def cli_panel(bars):
        return bars["close"] / bars["close"].iloc[-1]
"""
FAILS = """
    @indicator("cli_fails", warmup=0)
    def cli_fails(close):
        raise ValueError("it is broken")
"""
FUNDED = """
    @indicator("cli_funded", warmup=0)
    def cli_funded(close, funding_rate, basis, mark, open_interest):
        return funding_rate + basis
"""


def written(folder: Path, *parts: str, name: str = "my_module.py") -> str:
    head = "import numpy as np\nfrom workbench.features import feature, indicator\n"
    path = folder / name
    path.write_text(head + "".join(textwrap.dedent(p) for p in parts))
    return str(path)


def test_check_says_ok_or_the_error_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["features", "check", written(tmp_path, GOOD, LEAK, PANEL, FAILS, FUNDED)], capsys, 1)
    lines = dict(line.split(": ", 1) for line in shown.strip().splitlines())
    assert list(lines) == ["cli_fails", "cli_funded", "cli_good", "cli_leak", "cli_panel"], (
        "its own only, one line each"
    )
    assert lines["cli_good"] == lines["cli_funded"] == "ok"
    assert lines["cli_fails"].startswith("DataError: feature 'cli_fails' failed: ValueError: it is broken")
    when = lines["cli_leak"]
    assert when.startswith("LookAheadError: feature 'cli_leak' changes at ")
    assert when.endswith(" 17:00 for A when later rows are removed")
    assert lines["cli_panel"].startswith("LookAheadError: feature 'cli_panel' changes at ")


def test_check_passes_what_is_causal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, GOOD, FUNDED)
    assert said(["features", "check", path], capsys) == "cli_funded: ok\ncli_good: ok\n"
    rows = json.loads(said(["features", "check", path, "--json", "--seed", "3"], capsys))
    assert rows == [
        {"feature": "cli_funded", "ok": True, "message": "causal, warm-up 0"},
        {"feature": "cli_good", "ok": True, "message": "causal, warm-up 1"},
    ]


def test_check_sees_an_edited_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, LEAK)
    assert "LookAheadError" in said(["features", "check", path], capsys, 1)
    mended = LEAK.replace("np.append(close[1:], close[-1:])", "close")
    assert said(["features", "check", written(tmp_path, mended)], capsys) == "cli_leak: ok\n"


def test_check_takes_a_notebook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["import numpy as np\nfrom workbench.features import indicator", textwrap.dedent(LEAK)]
    content = {"cells": [{"cell_type": "code", "source": [c]} for c in cells]}
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps(content))
    assert said(["features", "check", str(path)], capsys, 1).startswith("cli_leak: LookAheadError: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.py"], "there is no file none.py"),
        (["module.txt"], "is neither a Python file nor a notebook"),
        (["--bars", "5"], "--bars must be between 100 and 100000, got 5"),
    ],
)
def test_check_says_what_is_wrong(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["features", "check", *words], capsys, 2)
    assert says in shown
    assert len(shown.strip().splitlines()) == 1


def test_check_names_the_line_of_a_module_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["features", "check", written(tmp_path, "x = 1\ny = x / 0\n")], capsys, 2)
    assert "failed: ZeroDivisionError: division by zero (line 4)" in shown
    assert "registers no feature" in said(["features", "check", written(tmp_path, "x = 1\n")], capsys, 2)


def test_compare_two_sets_and_features(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(said(["features", "compare", "classic31", "alpha158", "--json"], capsys))
    assert {r["only in"] for r in rows} == {"classic31", "alpha158"}
    assert len(rows) == 31 + 158
    shown = said(["features", "compare", "rsi(14)", "ret(5)", "macd_hist_norm"], capsys)
    assert "Rank correlations" in shown
    document = json.loads(said(["features", "compare", "rsi(14)", "ret(5)", "--horizon", "3", "--json"], capsys))
    assert {r["feature"] for r in document["features"]} == {"rsi(14)", "ret(5)"}
    correlations = {r["feature"]: r for r in document["correlations"]}
    assert correlations["rsi(14)"]["rsi(14)"] == pytest.approx(1.0)
    assert 0.2 < correlations["rsi(14)"]["ret(5)"] < 1.0
    assert "name two or more to compare" in said(["features", "compare", "rsi(14)"], capsys, 2)
    assert "Did you mean 'rsi'?" in said(["features", "compare", "rsi(14)", "rsii(14)"], capsys, 2)


def test_the_cache_is_counted_and_cleared(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.data import load_bars

    assert "0 entries" in said(["features", "cache"], capsys)
    bars, kept = load_bars("gbm(seed=1, n_bars=200)", ["A"], "1h"), FeatureCache(settings.features_dir)
    for _ in range(2):
        compute(bars, ["rsi(14)", "ema(5)"], cache=kept)
    shown = said(["features", "cache"], capsys)
    assert "2 entries" in shown
    assert "2 of 4 features asked for were there: hit rate 50%" in shown
    facts = json.loads(said(["features", "cache", "--clear", "--json"], capsys))
    assert (facts["removed"], facts["entries"], facts["hit_rate"]) == (2, 0, 0.0)
    assert "0 entries removed" in said(["features", "cache", "--clear"], capsys)


@pytest.mark.slow
def test_check_in_a_process_of_its_own(tmp_path: Path) -> None:
    """As a shell sees it: nothing but verdicts on the standard output, and the exit code."""
    for parts, code in (((GOOD,), 0), ((GOOD, LEAK), 1)):
        done = subprocess.run(
            [sys.executable, "-m", "workbench", "features", "check", written(tmp_path, *parts)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert done.stderr == ""
        assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["cli_good", "cli_leak"][: len(parts)]


def test_a_leak_at_the_end_of_a_month_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "months.py"
    path.write_text(
        textwrap.dedent(
            """
            import numpy as np
            import pandas as pd

            from workbench.features import indicator


            @indicator("month_end", warmup=0)
            def month_end(close, time):
                out = close.copy()
                ends = np.flatnonzero(np.diff(pd.DatetimeIndex(time).month) != 0)
                out[ends] = close[ends + 1]
                return out
            """
        )
    )
    shown = said(["features", "check", str(path)], capsys, 1)
    assert "month_end: LookAheadError: feature 'month_end' changes at 2019-12-31 23:00 for A" in shown


def test_a_look_back_longer_than_the_bars_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["features", "compare", "rsi(90000)", "roc(10)"], capsys, 2)
    assert "feature 'rsi(90000)' has no value on these" in shown
    assert "load more or shorten its window" in shown
    shown = said(["run", "backtest", "-p", "features=[rsi(14), rsi(90000)]", "-p", "symbols=[SPX]"], capsys, 2)
    assert "the warm-up of 'rsi(90000)' takes 90000 of" in shown


def test_a_feature_of_certain_symbols_is_checked_on_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lead.py").write_text(
        "import pandas as pd\nfrom workbench.features import feature\n\n\n"
        "@feature('lead_of_btc', inputs=('close',), warmup=0)\ndef lead_of_btc(bars):\n"
        "    close = bars['close']\n"
        "    return pd.DataFrame({s: close['BTC'].where(close[s].notna()) for s in close})\n"
    )
    try:
        assert main(["features", "check", str(tmp_path / "lead.py"), "--symbols", "BTC", "ETH"]) == 0
        assert capsys.readouterr().out == "lead_of_btc: ok\n"
        assert main(["features", "check", str(tmp_path / "lead.py"), "--symbols", "BTC"]) == 2
    finally:
        REGISTRY.discard("lead_of_btc")
