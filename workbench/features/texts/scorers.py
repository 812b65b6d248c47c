"""Scorers of texts by name: VADER, word lists, and whatever the user registers."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from workbench.config import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.typing import FloatArray

Scorer: TypeAlias = Callable[[Sequence[str]], npt.ArrayLike]
"""Texts in, one number each out: below 0 bad, above 0 good news, usually within -1 and 1."""
SCORERS: dict[str, Scorer] = {}
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def register_scorer(name: str, function: Scorer) -> Scorer:
    """Register a scorer under a name that `sentiment` takes; a name of one's own may be registered again.

    Raises
    ------
    ConfigError
        A name that is no plain name, or one of ours.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"scorer name {name!r} must be a plain name such as 'mine'")
    held = SCORERS.get(name)
    if held is not None and str(held.__module__) == __name__ and str(function.__module__) != __name__:
        raise ConfigError(f"scorer {name!r} is the library's own; choose another name")
    SCORERS[name] = function
    return function


def word_scorer(weights: Mapping[str, float]) -> Scorer:
    """Return a scorer that takes the mean weight of the listed words in a text, 0 where none occurs.

    Examples
    --------
    >>> from workbench.features.texts import word_scorer
    >>> word_scorer({"beats": 1.0, "fraud": -1.0})(["ACME beats forecasts", "Fraud at ACME", "No news"]).tolist()
    [1.0, -1.0, 0.0]
    """
    known = {word.casefold(): float(weight) for word, weight in weights.items()}
    if not known or not all(math.isfinite(w) for w in known.values()):
        raise ConfigError(f"a word list needs words with finite weights, got {len(known)} words")

    def score(texts: Sequence[str]) -> FloatArray:
        found = [[known[w] for w in _WORD.findall(text.casefold()) if w in known] for text in texts]
        return np.array([sum(f) / len(f) if f else 0.0 for f in found])

    return score


def vader(texts: Sequence[str]) -> FloatArray:
    """Compound score of VADER, -1 to 1: a lexicon and rules for English headlines and posts.

    References
    ----------
    Hutto & Gilbert (2014), VADER: a parsimonious rule-based model for sentiment analysis of social media text, ICWSM.
    """
    analyzer = _vader()
    return np.array([analyzer.polarity_scores(text)["compound"] for text in texts], dtype=np.float64)


register_scorer("vader", vader)


def scores_of(texts: Sequence[str], scorer: str | Scorer) -> FloatArray:
    """Return one finite score for each text.

    Raises
    ------
    ConfigError
        An unknown scorer.
    DataError
        A scorer that fails, or returns another number of scores or one that is not finite, with the text's row.
    """
    name = scorer if isinstance(scorer, str) else getattr(scorer, "__name__", "scorer")
    if isinstance(scorer, str) and scorer not in SCORERS:
        raise ConfigError(f"there is no scorer {scorer!r}.{did_you_mean(scorer, SCORERS)}")
    function = SCORERS[scorer] if isinstance(scorer, str) else scorer
    try:
        scores = np.asarray(function(list(texts)), dtype=np.float64)
    except (ConfigError, DataError):
        raise
    except Exception as err:
        raise DataError(f"scorer {name!r} failed: {type(err).__name__}: {err}; run it alone on one text") from err
    if scores.shape != (len(texts),):
        raise DataError(
            f"scorer {name!r} returned the shape {scores.shape} for {len(texts)} texts; it must return one each"
        )
    wrong = ~np.isfinite(scores)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"scorer {name!r} returned {scores[row]} for text {row} ({texts[row][:40]!r}); it must be finite"
        )
    return scores


@cache
def _vader() -> Any:
    try:
        module = importlib.import_module("vaderSentiment.vaderSentiment")
    except ImportError:
        others = ", ".join(sorted(set(SCORERS) - {"vader"}))
        raise ConfigError(
            "the scorer 'vader' needs the package vaderSentiment; install it with 'pip install vaderSentiment'"
            f" or name another scorer{f': {others}' if others else ' (texts.register_scorer)'}"
        ) from None
    return module.SentimentIntensityAnalyzer()
