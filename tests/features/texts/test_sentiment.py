"""Texts at the bars: seen by publish time only, decayed, scored by whatever scorer is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError, DataError
from workbench.features import Registry, check_causality, check_warmup, texts

START = pd.Timestamp("2024-02-28", tz="UTC")
WORDS = {"good": 1.0, "bad": -1.0}


def news(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Rows of (offset from the first bar, text, symbol)."""
    published = [START + pd.Timedelta(offset) for offset, _, _ in rows]
    return pd.DataFrame({"published": published, "text": [t for _, t, _ in rows], "symbol": [s for _, _, s in rows]})


def made_news(n: int, seed: int, hours: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    offsets = np.sort(rng.uniform(0, hours * 3600, n))
    return pd.DataFrame(
        {
            "published": START + pd.to_timedelta(offsets, unit="s"),
            "text": rng.choice(["good", "bad", "good good bad", "none"], n),
            "symbol": rng.choice(["A", "B", ""], n),
        }
    )


SCORER = texts.word_scorer(WORDS)


def test_a_bar_sees_what_was_published_before_its_close(market) -> None:
    """Hourly bars: a text at 00:59:59 is known at the close of bar 0, one at 01:00:00 sharp at that of bar 1."""
    bars = market(4, "A")
    seen = texts.sentiment(bars, news(("59m59s", "good", "A")), scorer=SCORER)["text_count"]["A"]
    assert (seen.to_numpy() > 0).tolist() == [True, True, True, True]
    sharp = texts.sentiment(bars, news(("1h", "good", "A")), scorer=SCORER)
    assert sharp["text_count"]["A"].tolist()[0] == 0
    assert sharp["sentiment"]["A"].tolist() == [0, 1, 1, 1]


def test_decay_by_hand(market) -> None:
    """A good text 2 h before the close of bar 3 and a bad one 1 h before it; halflife 1 h: weights 1/4 and 1/2."""
    bars = market(4, "A")
    out = texts.sentiment(bars, news(("2h", "good", ""), ("3h", "bad", "")), halflife=1, scorer=SCORER)
    np.testing.assert_allclose(out["text_count"]["A"], [0, 0, 0.5, 0.75], rtol=1e-12)
    np.testing.assert_allclose(out["sentiment"]["A"], [0, 0, 1, (0.25 - 0.5) / 0.75], rtol=1e-12)
    same = texts.sentiment(bars, news(("2h", "good", ""), ("3h", "bad", "")), halflife="60min", scorer=SCORER)
    pd.testing.assert_frame_equal(out, same)


@given(st.integers(0, 60), st.integers(0, 2**31), st.floats(0.1, 500))
def test_it_is_its_slow_twin(market, n: int, seed: int, halflife: float) -> None:
    bars, found = market(40, "AB", seed=1), made_news(n, seed, hours=45)
    if not n:
        found = found.astype({"published": "datetime64[ns, UTC]"})
    out = texts.sentiment(bars, found, halflife=halflife, scorer=SCORER)
    scores = SCORER(list(found["text"]))
    for symbol in "AB":
        for when in bars.index[::7]:
            close = when + pd.Timedelta("1h")
            known = (found["published"] < close) & found["symbol"].isin([symbol, ""])
            age = (close - found["published"][known]).dt.total_seconds().to_numpy(dtype=float) / 3600
            weight = 0.5 ** (age / halflife)
            if weight.sum() < 2**-19:
                continue
            np.testing.assert_allclose(out["text_count"].loc[when, symbol], weight.sum(), rtol=1e-9)
            expected = (scores[known.to_numpy()] * weight).sum() / weight.sum()
            np.testing.assert_allclose(out["sentiment"].loc[when, symbol], expected, rtol=1e-7, atol=1e-9)


def test_later_texts_and_later_bars_change_nothing(ragged: pd.DataFrame) -> None:
    found = made_news(300, 4)
    full = texts.sentiment(ragged, found, scorer=SCORER)
    for cut in (30, 150, 399):
        close = ragged.index[cut - 1] + pd.Timedelta("1h")
        part = texts.sentiment(ragged.iloc[:cut], found[found["published"] < close], scorer=SCORER)
        pd.testing.assert_frame_equal(part, full.iloc[:cut], check_exact=True)
    late = found.assign(published=found["published"] + pd.Timedelta("300D"))
    assert (texts.sentiment(ragged, late, scorer=SCORER).fillna(0) == 0).all(axis=None)


def test_symbols_and_rows_without_trade(ragged: pd.DataFrame) -> None:
    found = made_news(200, 5)
    out = texts.sentiment(ragged, found, scorer=SCORER)
    for field in ("sentiment", "text_count"):
        assert out[field].notna().equals(ragged["close"].notna())
    only = texts.sentiment(ragged, found, symbol="B", scorer=SCORER)
    assert list(only.columns) == [("sentiment", "B"), ("text_count", "B")]
    pd.testing.assert_frame_equal(only, out[[("sentiment", "B"), ("text_count", "B")]])
    general = texts.sentiment(ragged, found[found["symbol"] == ""], symbol=["A", "D"], scorer=SCORER)
    pd.testing.assert_series_equal(
        general["sentiment"]["D"], out["sentiment"]["D"], check_exact=True
    )  # D has no texts of its own


def test_old_texts_are_forgotten(market) -> None:
    out = texts.sentiment(market(30, "A"), news(("10m", "bad", "")), halflife=1, scorer=SCORER)
    assert out["sentiment"]["A"].iloc[:20].tolist() == [-1.0] * 20
    assert (out.iloc[21:] == 0).all(axis=None)


def test_as_registered_features(ragged: pd.DataFrame) -> None:
    """Named in specs, causal, without warm-up; other texts make another canonical spec."""
    from workbench.features import resolve
    from workbench.features.compute import run_feature

    registry, found = Registry(), made_news(200, 6)
    score, count = texts.register_sentiment("news", found, timeframe="1h", scorer=SCORER, registry=registry)
    assert registry.names() == ["news", "news_count"]
    direct = texts.sentiment(ragged, found, scorer=SCORER)
    pd.testing.assert_frame_equal(score(ragged), direct["sentiment"], check_exact=True)
    pd.testing.assert_frame_equal(count(ragged), direct["text_count"], check_exact=True)
    six = texts.sentiment(ragged, found, halflife=6, scorer=SCORER)["sentiment"]
    pd.testing.assert_frame_equal(run_feature(ragged, resolve("news(6)", registry)), six, check_exact=True)
    for one in (score, count):
        check_causality(one, ragged, cuts=8)
        assert check_warmup(one, ragged) == 0
    first = resolve("news", registry).canonical
    texts.register_sentiment("news", found.iloc[:-1], timeframe="1h", scorer=SCORER, registry=registry)
    assert resolve("news", registry).canonical != first
    with pytest.raises(DataError, match="was made of texts .*, asked for beef; register those again"):
        run_feature(ragged, resolve("news(24, 'beef')", registry))


def test_vader_scores_the_examples_of_its_paper() -> None:
    """Published with the package: 'VADER is smart, handsome, and funny.' has 0.8316."""
    pytest.importorskip("vaderSentiment")
    from workbench.features.texts.scorers import scores_of

    said = ["VADER is smart, handsome, and funny.", "VADER is not smart, handsome, nor funny.", "At the desk."]
    np.testing.assert_allclose(scores_of(said, "vader"), [0.8316, -0.7424, 0.0], atol=1e-4)


def test_without_vader_the_error_names_the_cure(market, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.features.texts import scorers

    scorers._vader.cache_clear()
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(ConfigError, match="needs the package vaderSentiment; install it with 'pip install vaderSent"):
        texts.sentiment(market(5, "A"), news(("1h", "good", "")))
    scorers._vader.cache_clear()


def test_scorers_of_ones_own(market) -> None:
    def shout(found: Sequence[str]) -> list[float]:
        """Share of capitals."""
        return [sum(c.isupper() for c in text) / len(text) for text in found]

    texts.register_scorer("shout", shout)
    try:
        out = texts.sentiment(market(5, "A"), news(("1h", "AAaa", "")), scorer="shout")
        assert out["sentiment"]["A"].iloc[-1] == 0.5
        with pytest.raises(ConfigError, match="there is no scorer 'shoutt'. Did you mean 'shout'"):
            texts.sentiment(market(5, "A"), news(("1h", "x", "")), scorer="shoutt")
    finally:
        del texts.SCORERS["shout"]
    with pytest.raises(ConfigError, match="scorer 'vader' is the library's own"):
        texts.register_scorer("vader", shout)
    with pytest.raises(ConfigError, match="must be a plain name"):
        texts.register_scorer("my scorer", shout)


def fails(found: Sequence[str]) -> list[float]:
    raise RuntimeError("no model")


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (fails, "scorer 'fails' failed: RuntimeError: no model"),
        (lambda _: [1.0], r"returned the shape \(1,\) for 2 texts"),
        (lambda _: [1.0, np.nan], r"returned nan for text 1 \('y'\); it must be finite"),
    ],
)
def test_scorers_that_misbehave_are_named(market, scorer: texts.Scorer, message: str) -> None:
    with pytest.raises(DataError, match=message):
        texts.sentiment(market(5, "A"), news(("1h", "x", ""), ("2h", "y", "")), scorer=scorer)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"halflife": 0}, ConfigError, "halflife must be a positive span, got 0"),
        ({"halflife": "soon"}, ConfigError, "halflife 'soon' is no span"),
        ({"halflife": True}, ConfigError, "halflife True is no span"),
        ({"symbol": "Z"}, DataError, "the bars have no symbol 'Z'"),
        ({"timeframe": "4h"}, DataError, "the time frame '4h' does not fit"),
    ],
)
def test_wrong_options(market, options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        texts.sentiment(market(5, "A"), news(("1h", "good", "")), scorer=SCORER, **options)


def test_empty_word_lists_are_refused() -> None:
    with pytest.raises(ConfigError, match="a word list needs words"):
        texts.word_scorer({})
