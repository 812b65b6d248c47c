"""From text to tree: what binds to what, what a name means, and what is refused with a cure."""

from __future__ import annotations

import sys
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError
from workbench.features import (
    REGISTRY,
    SETS,
    Registry,
    canonical,
    compute,
    feature_set,
    indicator,
    resolve,
    resolve_all,
)
from workbench.features.expressions import OPERATORS, parse
from workbench.features.sets import FeatureSets


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("rsi", "rsi(14)"),
        (" rsi( 14 ) ", "rsi(14)"),
        ("rsi(window=14)", "rsi(14)"),
        ("bollinger_upper(k=2)", "bollinger_upper(20, 2.0)"),
        ("close + high * low", "(close + (high * low))"),
        ("close - high - low", "((close - high) - low)"),
        ("-close ** 2", "(-(close ** 2.0))"),
        ("2 ** -close", "(2.0 ** (-close))"),
        ("(-2) ** close", "((-2.0) ** close)"),
        ("2 ** 3 ** close", "(2.0 ** (3.0 ** close))"),
        ("+close", "close"),
        ("--close", "(-(-close))"),
        ("close % 3 / 2", "((close % 3.0) / 2.0)"),
        ("ema(50)@4h - 1", "(ema(50)@4h - 1.0)"),
        ("close / ema(50)@4h - 1", "((close / ema(50)@4h) - 1.0)"),
        ("-close@4h", "(-close@4h)"),
        ("close@4h ** 2", "(close@4h ** 2.0)"),
        ("close @ 4h", "close@4h"),
        ("close@240m", "close@4h"),
        ("(close - open)@1d", "(close - open)@1d"),
        ("mean(close, 3)@1d", "mean(close, 3)@1d"),
        ("mean(close@1d, 3)@4h", "mean(close@1d, 3)@4h"),
        ("(close@4h)@1d", "(close@4h)@1d"),
        ("rank(rsi(14))@4h", "rank(rsi(14)@4h)"),
        ("neutralize(ret, atr(14))@1d", "neutralize(ret(1)@1d, atr(14)@1d)"),
        ("zscore(atr(14), 100)", "zscore_over(atr(14), 100)"),
        ("zscore(atr(14))", "zscore(atr(14))"),
        ("rank(close, 20)", "rank_over(close, 20)"),
        ("rank(close, window=20)", "rank_over(close, 20)"),
        ("open < close", "(open < close)"),
        ("1 < close <= 2", "((1.0 < close) & (close <= 2.0))"),
        ("low < open < close < high", "(((low < open) & (open < close)) & (close < high))"),
        ("open == close or not high != low", "((open == close) | (~(high != low)))"),
        ("close > 1 and open > 1 and low > 1", "(((close > 1.0) & (open > 1.0)) & (low > 1.0))"),
        ("(close > 1) & ~(open > 1) | (low > 1)", "(((close > 1.0) & (~(open > 1.0))) | (low > 1.0))"),
        ("close if close > open else open", "where((close > open), close, open)"),
        ("1 if close > 2 else -1 if low < 1 else 0", "where((close > 2.0), 1.0, where((low < 1.0), (-1.0), 0.0))"),
        ("$close / $open", "(close / open)"),
        ("Mean($close, 5)", "mean(close, 5)"),
        ("Ref($close, 1) / $close", "(ref(close, 1) / close)"),
        ("Rank($close, 5)", "rank_over(close, 5)"),
        ("If(Gt($close, $open), Abs($close), 0)", "where((close > open), abs(close), 0.0)"),
        ("And(Not($close), Or($open, 1))", "((~close) & (open | 1.0))"),
        ("WMA($close, 5)", "decay(close, 5)"),
        ("EMA($close, 5)", "ema(5)"),
        ("EMA($close - 1, 5)", "ema((close - 1.0), 5)"),
        ("Skew($close, 5)", "skewness(close, 5)"),
        ("skew(close, 5)", "skew(5)"),
        ("CLOSE", "close"),
        ("RSI", "rsi(14)"),
        ("Neg(5) + close", "((-5.0) + close)"),
        ("ema(volume, 10)", "ema(volume, 10)"),
        ("ema(rsi(14), 5)", "ema(rsi(14), 5)"),
        ("ema(-close, window=5)", "ema((-close), 5)"),
        ("quantile(close, 20, q=0.25)", "quantile(close, 20, 0.25)"),
        ("safe_div(1, volume)", "safe_div(1.0, volume, 0.0)"),
        ("cross_above(rsi(14), 30)", "cross_above(rsi(14), 30.0)"),
        ("vwap(session)", "session_vwap"),
        ("VWAP(48)", "vwap(48)"),
        ("alpha158.KMID", "((close - open) / open)"),
        ("alpha158.ROC5@1d", "(ref(close, 5) / close)@1d"),
        ("1e3 * close", "(1000.0 * close)"),
        ("1_000 * close", "(1000.0 * close)"),
        ("close # a note", "close"),
    ],
)  # fmt: skip
def test_what_a_text_means(text: str, means: str) -> None:
    assert canonical(text) == means
    assert canonical(means) == means


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must be text such as"),
        ("   ", "must be text such as"),
        ("rsii(14)", "no feature or operator 'rsii'. Did you mean 'rsi'?"),
        ("rsii", "no feature or field 'rsii'. Did you mean 'rsi'?"),
        ("meann(close, 5)", "Did you mean 'mean'?"),
        ("clse / open", "Did you mean 'close'?"),
        ("rsi(14.5)", "window must be a whole number, got 14.5"),
        ("rsi('a')", "window must be a whole number, got 'a'"),
        ("rsi(fast)", "window must be a whole number, got 'fast'"),
        ("rsi(True)", "window must be a whole number, got True"),
        ("rsi(1)", "window must be between 2 and 100000, got 1"),
        ("rsi(14, 15)", "takes 1 parameter (window), got 2"),
        ("rsi(14, window=14)", "window is given twice"),
        ("rsi(windw=14)", "no parameter 'windw'. Did you mean 'window'?"),
        ("macd(26, 12, 9)", "needs fast < slow"),
        ("ref(close, -1)", "operator 'ref': periods must be between 0 and 1000000, got -1"),
        ("Ref($close, -5)", "periods must be between 0 and 1000000, got -5"),
        ("ref(close, 1.0)", "periods must be a whole number, got 1.0"),
        ("mean(close, 0)", "window must be between 1 and 1000000, got 0"),
        ("std(close, 1)", "window must be between 2 and 1000000, got 1"),
        ("mean(close)", "operator 'mean' needs window; write mean(window=...)"),
        ("mean(close, open)", "window must be a whole number, got 'open'"),
        ("mean(close, 2 + 3)", "argument '2 + 3' is not a number"),
        ("mean(5, 5)", "operator 'mean' needs a series, got 5.0"),
        ("mean(-5, 5)", "operator 'mean' needs a series, got (-5.0)"),
        ("ema(Neg(5), 5)", "feature 'ema' needs a series, got (-5.0)"),
        ("rank(5)", "operator 'rank' needs a series, got only numbers"),
        ("cross_above(1, 2)", "operator 'cross_above' needs a series, got 1.0"),
        ("(2)@4h", "@4h needs a series, got 2.0"),
        ("corr(close, 20)", "operator 'corr' needs window; write corr(window=...)"),
        ("rank()", "takes 1 series first"),
        ("quantile(close, 20, 1.5)", "q must be between 0.0 and 1.0, got 1.5"),
        ("atr(close, 14)", "feature 'atr' reads high, low, close and cannot run on 'close'"),
        ("hour(close)", "feature 'hour' reads time and cannot run on 'close'"),
        ("'close' + 1", "'close' stands where a series or a number is needed"),
        ("close + None", "None stands where a series"),
        ("close + True", "True stands where a series"),
        ("close + 1j", "1j stands where a series"),
        ("close + ...", "Ellipsis stands where a series"),
        ("close + 1e999", "a number in it is too large"),
        ("close + 1" + "0" * 400, "a number in it is too large"),
        ("close.shift", "'close.shift' has a dot that leads nowhere"),
        ("close.__class__", "has a dot that leads nowhere"),
        ("alpha158.KMIT", "feature set 'alpha158' has no feature 'KMIT'. Did you mean 'KMID'?"),
        ("alpha158.__class__", "feature set 'alpha158' has no feature '__class__'"),
        ("close@5x", "time frame '5x' is not a number followed by m, h, d or w"),
        ("close@0h", "time frame '0h' is not"),
        ("mean(rank(close), 5)@4h", "looks across symbols within @4h"),
        ("close ^ open", "uses a sign that is not an operator"),
        ("close // open", "uses a sign that is not an operator"),
        ("close << 2", "uses a sign that is not an operator"),
        ("close in open", "uses a sign that is not an operator"),
        ("close is open", "uses a sign that is not an operator"),
        ("close[0]", "'close[0]' is not something an expression can hold"),
        ("[close]", "is not something an expression can hold"),
        ("{close: 1}", "is not something an expression can hold"),
        ("(close, open)", "is not something an expression can hold"),
        ("lambda: close", "is not something an expression can hold"),
        ("[c for c in (1, 2)]", "is not something an expression can hold"),
        ("(c for c in close)", "is not something an expression can hold"),
        ("(x := close)", "is not something an expression can hold"),
        ("f'{close}'", "is not something an expression can hold"),
        ("await close", "is not something an expression can hold"),
        ("mean(*close, 5)", "is not something an expression can hold"),
        ("mean(close, **{'window': 5})", "'**' cannot be used"),
        ("close()", "no feature or operator 'close'"),
        ("(close)(5)", "no feature or operator 'close'"),
        ("close.mean(5)", "'close.mean' cannot be called"),
        ("rsi(14)(3)", "'rsi(14)' cannot be called"),
        ("close = 5", "cannot be read"),
        ("import os", "cannot be read"),
        ("close; open", "cannot be read"),
        ("close +", "cannot be read"),
        ("2@4h", "cannot be read"),
        ("ema(50)@", "cannot be read"),
        ("close\x00", "cannot be read"),
        ("close\nopen", "cannot be read"),
        ("+".join(["close"] * 700), "characters, 4000 are read"),
        ("-" * 700 + "close", "nested too deeply"),
        ("+".join(["close"] * 160), "nested more than 150 deep"),
        ("(" * 300 + "close" + ")" * 300, "cannot be read|nested"),
        ("mean(" * 250 + "close" + ", 2)" * 250, "nested"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(text)
    message = str(caught.value)
    assert any(part in message for part in says.split("|")), message
    assert "\n" not in message.replace(text, "")
    assert len(message) < 600 + 4 * 40


def test_nothing_is_evaluated(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = [
        "__import__('os').mkdir('gone')",
        "__import__('os')",
        "open('gone', 'w')",
        "exec('import os')",
        "eval('1')",
        "(lambda: open('gone', 'w'))()",
        "[open('gone', 'w') for _ in (1,)]",
        "close.__class__.__mro__",
        "getattr(close, '__class__')",
        "print(close)",
        "breakpoint()",
        "mean(__import__('os'), 5)",
        "rsi(__import__('os'))",
        "rsi(open('gone', 'w'))",
        "mean(close, window=open('gone', 'w'))",
    ]
    modules = set(sys.modules)
    for text in written:
        with pytest.raises(ConfigError):
            resolve(text)
    assert list(tmp_path.iterdir()) == []
    assert set(sys.modules) == modules


def test_other_kinds_of_values_are_refused() -> None:
    for value in (None, 5, 2.5, b"close", ["close"], object()):
        with pytest.raises(ConfigError, match="must be text such as"):
            resolve(value)
    with pytest.raises(ConfigError, match="'<lambda>' is a plain function; register it"):
        resolve(lambda bars: bars)


def test_names_stand_for_expressions_and_use_each_other(bars: pd.DataFrame) -> None:
    named = {"fast": "ema(12)", "gap": "close / fast - 1", "wide": "gap > mean(gap, 20)"}
    made = compute(bars, named)
    assert list(made.columns.unique(0)) == ["fast", "gap", "wide"]
    plain = compute(bars, ["ema(12)", "close / ema(12) - 1", "(close / ema(12) - 1) > mean(close / ema(12) - 1, 20)"])
    np.testing.assert_array_equal(made.to_numpy(), plain.to_numpy())


@pytest.mark.parametrize(
    ("named", "circle"),
    [
        ({"a": "a + 1"}, "a → a"),
        ({"a": "b", "b": "a"}, "b → a → b"),
        ({"a": "close + b", "b": "mean(c, 5)", "c": "a"}, "b → c → a → b"),
    ],
)
def test_circles_are_shown(named: dict[str, str], circle: str) -> None:
    with pytest.raises(ConfigError, match=f"it runs in a circle: {circle}; take one of them out"):
        resolve_all(named)


def test_names_that_double_each_other_are_stopped() -> None:
    named = {"a0": "close + open", **{f"a{i}": f"a{i - 1} + a{i - 1}" for i in range(1, 60)}}
    with pytest.raises(ConfigError, match="has more than 100000 characters"):
        resolve_all(MappingProxyType(named))
    chain = {"a0": "close + 1", **{f"a{i}": f"a{i - 1} + 1" for i in range(1, 400)}}
    with pytest.raises(ConfigError, match="nested"):
        resolve_all(dict(reversed(chain.items())))


def test_two_specs_of_one_meaning_are_refused() -> None:
    with pytest.raises(ConfigError, match="'mean\\(close, 5\\)' is named twice, as 'Mean\\(\\$close, 5\\)' and"):
        resolve_all(["Mean($close, 5)", "mean(close, window=5)"])
    with pytest.raises(ConfigError, match="no feature is named"):
        resolve_all([])


def test_members_of_sets_use_each_other() -> None:
    sets = FeatureSets()
    with pytest.raises(ConfigError, match="no feature or field 'mine'"):
        parse("mine", REGISTRY)
    assert "mine" not in sets
    made = feature_set("parsed_set", {"fast": "ema(12)", "gap": "close / fast - 1"}, version=1)
    try:
        assert made.specs == ["parsed_set.fast", "parsed_set.gap"]
        assert canonical("parsed_set.gap * 2") == "(((close / ema(12)) - 1.0) * 2.0)"
        feature_set("parsed_set", {"fast": "ema(12)", "gap": "fast / close"}, version=2)
        assert canonical("parsed_set.gap * 2") == "((ema(12) / close) * 2.0)", "what was parsed before is forgotten"
        feature_set("parsed_set", {"gap": "gap + 1"}, version=3)
        with pytest.raises(ConfigError, match="circle: gap → gap"):
            resolve("parsed_set.gap")
    finally:
        SETS._sets.pop("parsed_set")


def test_bare_words_are_texts_and_a_registry_of_its_own_is_asked() -> None:
    registry = Registry()

    @indicator("mood", warmup=0, registry=registry)
    def mood(close, *, kind: str = "plain", strong: bool = False):
        return close

    assert parse("mood(gartley)", registry).text == "mood('gartley', False)"
    assert parse("mood('two words', strong=True)", registry).text == "mood('two words', True)"
    assert parse(parse('mood("it\'s")', registry).text, registry).text == 'mood("it\'s", False)'
    with pytest.raises(ConfigError, match="no feature or field 'rsi'"):
        parse("rsi", registry)


def test_no_operator_is_hidden_by_a_feature() -> None:
    """A canonical text is read back: a feature of the same name would take it."""
    assert {o.name for o in OPERATORS} & set(REGISTRY.names()) == set()
    for one in OPERATORS:
        assert one.usage
        assert one.description
        assert OPERATORS.get(one.name) is one
    with pytest.raises(ConfigError, match="no operator 'meann'. Did you mean 'mean'?"):
        OPERATORS.get("meann")


def test_lookback_is_inferred() -> None:
    assert resolve("ref(mean(close, 5), 3)").declared_warmup == 7
    assert resolve("close / ema(50) - mean(rsi(14), 60)").declared_warmup == 73
    assert resolve("2 + 3 * time").declared_warmup == 0
    assert resolve("rank(rsi(14)) + 1").declared_warmup == 14
    assert resolve("ema(4)@4h").declared_warmup is None
    assert resolve("corr(close, ref(volume, 10), 20)").declared_warmup == 29
    assert resolve("autocorr_over(close, 20, 5)").declared_warmup == 24


def test_a_comparison_around_an_ampersand_is_refused() -> None:
    """Python reads it as 1 < (2 & close) < 3, which nobody means."""
    with pytest.raises(ConfigError, match=r"'1 & volume' is taken first.* write \(close > 1\) & \(volume > 2\)"):
        resolve("close > 1 & volume > 2")
    assert resolve("(close > 1) & (volume > 2)").canonical == resolve("close > 1 and volume > 2").canonical
