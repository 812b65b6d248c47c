"""Dated texts as a point-in-time feature: at each bar what had been published before it closed.

.. note:: Timing. A bar that opens at o and lasts L sees the texts with ``published < o + L`` and no others. The
   decision falls on that close, the fill at the next open. A text at the very time of the close is the next bar's.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.data.timeframes import check_timeframe, infer_timeframe, timeframe_delta
from workbench.errors import ConfigError, DataError
from workbench.features.columns import panel
from workbench.features.registry import REGISTRY, Feature, Registry, feature
from workbench.features.texts.reading import check_texts
from workbench.features.texts.scorers import Scorer, scores_of
from workbench.typing import Bars, FloatArray, IntArray, Panel

FORGOTTEN = 2.0**-20
"""A decayed number of texts below this counts as none: the last text is more than twenty halflives old."""


def sentiment(
    bars: Bars,
    texts: pd.DataFrame,
    *,
    symbol: str | Sequence[str] | None = None,
    halflife: str | pd.Timedelta | float = 24.0,
    scorer: str | Scorer = "vader",
    timeframe: str | None = None,
) -> Panel:
    """Return the decayed mean score of the texts known at each bar's close, and their decayed number.

    Parameters
    ----------
    bars
        Bars of the symbols; only times and symbols are used.
    texts
        As `read` returns them. A text of a symbol counts for that symbol, one without a symbol for all.
    symbol
        One or more of the bars' symbols; None = all.
    halflife
        Age at which a text counts half: hours, or a span such as ``"36h"`` or ``"7D"``.
    scorer
        Name of a registered scorer, or a function of texts.
    timeframe
        Length of the bars such as ``"1h"``; None: told from their times.

    Returns
    -------
    DataFrame
        Rows as the bars; columns (sentiment, symbol) and (text_count, symbol). NaN where the symbol does not trade;
        both 0 where no text is known yet, or the last is forgotten.

    Raises
    ------
    ConfigError
        An unknown scorer or a halflife that is not positive.
    DataError
        Texts or bars that do not fit, a scorer that fails, or a symbol that the bars lack.

    Notes
    -----
    At a close c: ``sentiment = sum(s_i w_i) / sum(w_i)`` and ``text_count = sum(w_i)`` with
    ``w_i = 2^-((c - published_i) / halflife)`` over the texts published before c.
    """
    checked = check_texts(texts)
    like = panel(bars, bars.columns[0][0])
    chosen = [symbol] if isinstance(symbol, str) else list(like.columns if symbol is None else symbol)
    for one in chosen:
        if one not in like.columns:
            raise DataError(f"the bars have no symbol {one!r}.{did_you_mean(str(one), map(str, like.columns))}")
    times = pd.DatetimeIndex(like.index)
    if timeframe is not None:
        check_timeframe(times, timeframe)
    length = timeframe_delta(infer_timeframe(times) if timeframe is None else timeframe)
    scores = scores_of(list(checked["text"]), scorer)
    return _panel(like[chosen], checked, scores, times.as_unit("ns").asi8 + length.value, _rate(halflife))


def register_sentiment(
    name: str,
    texts: pd.DataFrame,
    *,
    timeframe: str,
    scorer: str | Scorer = "vader",
    halflife: float = 24.0,
    registry: Registry = REGISTRY,
) -> tuple[Feature, Feature]:
    """Register the texts as features, so that specs can name them: ``name(halflife)`` and ``name_count(halflife)``.

    Parameters
    ----------
    name
        Name of the score; the decayed number of texts is ``name_count``.
    texts, scorer
        As in `sentiment`; the texts are scored once, here.
    timeframe
        Length of the bars that the features are for: it says when a bar closes.
    halflife
        Default of the features' parameter, in hours.

    Notes
    -----
    The features carry a checksum of times, symbols and scores as their parameter ``texts``, so that runs and caches
    tell one file of texts from the next.
    """
    checked, length = check_texts(texts), timeframe_delta(timeframe).value
    scores = scores_of(list(checked["text"]), scorer)
    digest = hashlib.sha256(
        pd.util.hash_pandas_object(checked[["published", "symbol"]], index=False).to_numpy().tobytes()
    )
    digest.update(scores.tobytes())
    checksum = digest.hexdigest()[:12]

    def of(bars: Bars, kind: str, hours: float, asked: str) -> Panel:
        if asked != checksum:
            raise DataError(f"feature {name!r} was made of texts {checksum}, asked for {asked}; register those again")
        closes = pd.DatetimeIndex(bars.index).as_unit("ns").asi8 + length
        return panel(_panel(panel(bars, "close"), checked, scores, closes, _rate(hours)), kind)

    def score(bars: Bars, *, halflife: float = 24.0, texts: str = "") -> Panel:
        """Decayed mean score of the texts published before the bar's close, 0 where none is known."""
        return of(bars, "sentiment", halflife, texts)

    def count(bars: Bars, *, halflife: float = 24.0, texts: str = "") -> Panel:
        """Decayed number of the texts published before the bar's close."""
        return of(bars, "text_count", halflife, texts)

    made = []
    for title, function in ((name, score), (f"{name}_count", count)):
        function.__kwdefaults__ = {"halflife": float(halflife), "texts": checksum}
        function.__qualname__ = f"register_sentiment.{title}"
        bounds = {"halflife": (1e-3, 1e6)}
        # Not recursive: a value follows from the texts and its own bar's time, so that one row fixes it.
        made.append(feature(title, warmup=0, family="texts", bounds=bounds, registry=registry)(function))
    return made[0], made[1]


def _panel(like: Panel, texts: pd.DataFrame, scores: FloatArray, closes: IntArray, rate: float) -> Panel:
    from workbench.features.texts.decay_kernels import decayed

    published = pd.DatetimeIndex(texts["published"]).as_unit("ns").asi8
    of = texts["symbol"].to_numpy()
    parts: dict[tuple[str, str], FloatArray] = {}
    for symbol in like.columns:
        known = (of == symbol) | (of == "")
        total, weight = np.empty(closes.size), np.empty(closes.size)
        decayed(closes, published[known], scores[known], rate, total, weight)
        fresh = weight >= FORGOTTEN
        absent = like[symbol].isna().to_numpy()
        mean = np.where(fresh, total / np.where(fresh, weight, 1.0), 0.0)
        parts["sentiment", symbol] = np.where(absent, np.nan, mean)
        parts["text_count", symbol] = np.where(absent, np.nan, np.where(fresh, weight, 0.0))
    columns = pd.MultiIndex.from_product([["sentiment", "text_count"], like.columns], names=["field", "symbol"])
    return pd.DataFrame({i: parts[c] for i, c in enumerate(columns)}, index=like.index).set_axis(columns, axis=1)


def _rate(halflife: str | pd.Timedelta | float) -> float:
    try:
        hours = isinstance(halflife, int | float) and not isinstance(halflife, bool)
        span = float(halflife) * 3.6e12 if hours else float(pd.Timedelta(halflife).value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise ConfigError(f"halflife {halflife!r} is no span; write hours, or such as '36h'") from None
    if not span > 0 or not math.isfinite(span):
        raise ConfigError(f"halflife must be a positive span, got {halflife!r}; write hours, or such as '36h'")
    return math.log(2) / span
