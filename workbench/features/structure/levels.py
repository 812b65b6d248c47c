"""Features of time: highs and lows of past days and weeks, trading sessions and their ranges. All in UTC."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.config import did_you_mean
from workbench.errors import ConfigError
from workbench.features.registry import Step, StepMaker, indicator
from workbench.features.structure.readings import Reading, read, step
from workbench.features.structure.trackers import PERIODS, SESSIONS, Prices, SpanTracker, span_of
from workbench.typing import FloatArray, IntArray

_NAMES = ("time", "high", "low", "close")
_SPAN: Any = dict(warmup=0, family="structure", recursive=True)


def _known_period(period: str, **_: Any) -> bool:
    if period not in PERIODS:
        raise ConfigError(f"there is no period {period!r}.{did_you_mean(period, PERIODS)}")
    return True


def _known_session(name: str, **_: Any) -> bool:
    if name not in SESSIONS:
        raise ConfigError(f"there is no session {name!r}.{did_you_mean(name, SESSIONS)}")
    return True


def _high_gap(tracker: SpanTracker, bars: Prices, rows: slice) -> FloatArray:
    spans, done = tracker.spans, tracker.spans.done[rows]
    return np.where(done >= 0, bars.high[spans.high_bar[done]] / bars.close[rows] - 1, 0.0)


def _low_gap(tracker: SpanTracker, bars: Prices, rows: slice) -> FloatArray:
    spans, done = tracker.spans, tracker.spans.done[rows]
    return np.where(done >= 0, bars.low[spans.low_bar[done]] / bars.close[rows] - 1, 0.0)


def _place(tracker: SpanTracker, bars: Prices, rows: slice) -> FloatArray:
    spans = tracker.spans
    high, low = spans.high[rows], spans.low[rows]
    wide = (spans.span[rows] >= 0) & (high > low)
    return np.where(wide, (bars.close[rows] - low) / np.where(wide, high - low, 1.0), 0.5)


def _period_stream(reading: Reading) -> StepMaker:
    def make(*, period: str) -> Step:
        return step(lambda n: SpanTracker(n, name=period), reading, 0, *_NAMES)

    return make


def _session_stream(*, name: str) -> Step:
    return step(lambda n: SpanTracker(n, name=name), _place, 0, *_NAMES)


_PERIOD_RULES = {f"period one of {', '.join(PERIODS)}": _known_period}
_SESSION_RULES = {f"name one of {', '.join(SESSIONS)}": _known_session}


@indicator("previous_high_gap", rules=_PERIOD_RULES, stream=_period_stream(_high_gap), **_SPAN)
def previous_high_gap(
    time: IntArray, high: FloatArray, low: FloatArray, close: FloatArray, *, period: str = "1d"
) -> FloatArray:
    """Distance from the close to the high of the last complete day (``"1d"``), week (``"1w"``) or 4 hours (``"4h"``).

    Level / close - 1; 0 until a period is complete. Periods without bars are skipped; weeks begin on Monday.
    """
    columns: Any = dict(time=time, high=high, low=low, close=close)
    return read(lambda n: SpanTracker(n, name=period), _high_gap, 0, **columns)


@indicator("previous_low_gap", rules=_PERIOD_RULES, stream=_period_stream(_low_gap), **_SPAN)
def previous_low_gap(
    time: IntArray, high: FloatArray, low: FloatArray, close: FloatArray, *, period: str = "1d"
) -> FloatArray:
    """Distance from the close to the low of the last complete day, week or 4 hours; see `previous_high_gap`."""
    columns: Any = dict(time=time, high=high, low=low, close=close)
    return read(lambda n: SpanTracker(n, name=period), _low_gap, 0, **columns)


@indicator("in_session", warmup=0, family="structure", rules=_SESSION_RULES)
def in_session(time: IntArray, *, name: str = "london") -> FloatArray:
    """1 when the bar opens within the trading session, 0 otherwise."""
    return span_of(name, time)[1].astype(np.float64)


@indicator("session_range_position", rules=_SESSION_RULES, stream=_session_stream, **_SPAN)
def session_range_position(
    time: IntArray, high: FloatArray, low: FloatArray, close: FloatArray, *, name: str = "london"
) -> FloatArray:
    """Place of the close in the session's range so far, or in the last one's when it is over: 0 low, 1 high.

    Outside 0 to 1 when price has left the range after the session; 0.5 before the first session and without a range.
    """
    columns: Any = dict(time=time, high=high, low=low, close=close)
    return read(lambda n: SpanTracker(n, name=name), _place, 0, **columns)
