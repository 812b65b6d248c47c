"""Dated texts as point-in-time features: read a file, score it, see at each bar what had been published."""

from __future__ import annotations

from workbench.features.texts.reading import check_texts, read
from workbench.features.texts.scorers import SCORERS, Scorer, register_scorer, word_scorer
from workbench.features.texts.sentiment import register_sentiment, sentiment

__all__ = [
    "SCORERS",
    "Scorer",
    "check_texts",
    "read",
    "register_scorer",
    "register_sentiment",
    "sentiment",
    "word_scorer",
]
