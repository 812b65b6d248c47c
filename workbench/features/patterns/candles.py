"""The 61 candlestick patterns of TA-Lib, one feature each, made from a table, and their balance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from workbench.features.registry import REGISTRY, Feature, Registry, indicator
from workbench.typing import FloatArray


class Candle(NamedTuple):
    """One pattern of TA-Lib.

    Attributes
    ----------
    function
        TA-Lib's name without its CDL.
    lookback
        Bars before its first value, at TA-Lib's candle settings.
    description
        What it looks like.
    direction
        Where the textbook expects the price to go: 1, -1, 0 for either, None for a mere mark of indecision.
    penetration
        TA-Lib's default where it has this parameter: how far the last candle must reach into the first body.
    """

    function: str
    lookback: int
    description: str
    direction: int | None
    penetration: float | None = None


_TABLE = (
    Candle("2CROWS", 12, "Two crows: after a long white body, two black ones from a gap into it", -1),
    Candle("3BLACKCROWS", 13, "Three black crows: three long black bodies, each closing lower near its low", -1),
    Candle("3INSIDE", 12, "Three inside up or down: a harami and a close beyond its first body", 0),
    Candle("3LINESTRIKE", 8, "Three-line strike: three bodies one way and a fourth that takes all back", 0),
    Candle("3OUTSIDE", 3, "Three outside up or down: an engulfing body and a close further on", 0),
    Candle("3STARSINSOUTH", 12, "Three stars in the south: three black bodies, each smaller than the one before", 1),
    Candle("3WHITESOLDIERS", 12, "Three white soldiers: three white bodies, each closing higher near its high", 1),
    Candle("ABANDONEDBABY", 12, "Abandoned baby: a doji cut off by gaps, then the way back", 0, 0.3),
    Candle("ADVANCEBLOCK", 12, "Advance block: three white bodies that grow smaller with longer upper shadows", -1),
    Candle("BELTHOLD", 10, "Belt hold: a long body that opens at its extreme without a shadow there", 0),
    Candle("BREAKAWAY", 14, "Breakaway: a gap and three more candles one way, then a close back into the gap", 0),
    Candle("CLOSINGMARUBOZU", 10, "Closing marubozu: a long body that closes at its extreme, no shadow there", 0),
    Candle("CONCEALBABYSWALL", 13, "Concealing baby swallow: four black candles, the last swallows the third", 1),
    Candle("COUNTERATTACK", 11, "Counterattack: a long body against the last one, with the same close", 0),
    Candle("DARKCLOUDCOVER", 11, "Dark cloud cover: black, opens above a long white body, closes deep in it", -1, 0.5),
    Candle("DOJI", 10, "Doji: open and close nearly equal", None),
    Candle("DOJISTAR", 11, "Doji star: a doji that gaps away from a long body", 0),
    Candle("DRAGONFLYDOJI", 10, "Dragonfly doji: a doji at the top of a long lower shadow", None),
    Candle("ENGULFING", 2, "Engulfing: a body that covers the opposite one before it; 0.8 where ends touch", 0),
    Candle("EVENINGDOJISTAR", 12, "Evening doji star: a long white body, a doji above, a black close in it", -1, 0.3),
    Candle("EVENINGSTAR", 12, "Evening star: a long white body, a small one above, a black close back in", -1, 0.3),
    Candle("GAPSIDESIDEWHITE", 7, "Side-by-side white lines: two like white bodies beyond a gap", 0),
    Candle("GRAVESTONEDOJI", 10, "Gravestone doji: a doji at the foot of a long upper shadow", None),
    Candle("HAMMER", 11, "Hammer: a small body above a long lower shadow, near the low before", 1),
    Candle("HANGINGMAN", 11, "Hanging man: a small body above a long lower shadow, near the high before", -1),
    Candle("HARAMI", 11, "Harami: a small body within the long one before it; 0.8 where ends touch", 0),
    Candle("HARAMICROSS", 11, "Harami cross: a doji within the long body before it; 0.8 where ends touch", 0),
    Candle("HIGHWAVE", 10, "High wave: a short body between very long shadows, signed by its colour", None),
    Candle("HIKKAKE", 5, "Hikkake: an inside bar and a false break of it; 2 or -2 when confirmed", 0),
    Candle("HIKKAKEMOD", 10, "Modified hikkake: two inside bars and a false break; 2 or -2 when confirmed", 0),
    Candle("HOMINGPIGEON", 11, "Homing pigeon: a small black body within a long black one", 1),
    Candle("IDENTICAL3CROWS", 12, "Identical three crows: three black bodies, each opening at the close before", -1),
    Candle("INNECK", 11, "In-neck: white, opens below a long black body, closes just into it", -1),
    Candle("INVERTEDHAMMER", 11, "Inverted hammer: a small body under a long upper shadow, below the last", 1),
    Candle("KICKING", 11, "Kicking: two opposite marubozu with a gap between them, signed by the second", 0),
    Candle("KICKINGBYLENGTH", 11, "Kicking by length: two opposite marubozu with a gap; the longer one signs", 0),
    Candle("LADDERBOTTOM", 14, "Ladder bottom: four falling black candles, then a white one above", 1),
    Candle("LONGLEGGEDDOJI", 10, "Long-legged doji: a doji with a long shadow", None),
    Candle("LONGLINE", 10, "Long line: a long body with short shadows, signed by its colour", 0),
    Candle("MARUBOZU", 10, "Marubozu: a long body with next to no shadows, signed by its colour", 0),
    Candle("MATCHINGLOW", 6, "Matching low: two black candles with the same close", 1),
    Candle("MATHOLD", 14, "Mat hold: a long white body, three small ones holding in it, a new high", 1, 0.5),
    Candle("MORNINGDOJISTAR", 12, "Morning doji star: a long black body, a doji below, a white close back in", 1, 0.3),
    Candle("MORNINGSTAR", 12, "Morning star: a long black body, a small one below, a white close back in", 1, 0.3),
    Candle("ONNECK", 11, "On-neck: white, opens below a long black body, closes at its low", -1),
    Candle("PIERCING", 11, "Piercing: white, opens below a long black body, closes above its middle", 1),
    Candle("RICKSHAWMAN", 10, "Rickshaw man: a doji in the middle of two long shadows", None),
    Candle("RISEFALL3METHODS", 14, "Three methods: a long body, three small ones against it, a new close", 0),
    Candle("SEPARATINGLINES", 11, "Separating lines: opposite bodies with the same open", 0),
    Candle("SHOOTINGSTAR", 11, "Shooting star: a small body under a long upper shadow, above the last", -1),
    Candle("SHORTLINE", 10, "Short line: a short body with short shadows, signed by its colour", 0),
    Candle("SPINNINGTOP", 10, "Spinning top: a short body between longer shadows, signed by its colour", None),
    Candle("STALLEDPATTERN", 12, "Stalled pattern: two long white bodies and a small third one at their top", -1),
    Candle("STICKSANDWICH", 7, "Stick sandwich: two black candles with the same close around a white one", 1),
    Candle("TAKURI", 10, "Takuri: a dragonfly doji with a very long lower shadow", None),
    Candle("TASUKIGAP", 7, "Tasuki gap: a gap and a like body, then an opposite one that closes within the gap", 0),
    Candle("THRUSTING", 11, "Thrusting: white, opens below a long black body, closes below its middle", -1),
    Candle("TRISTAR", 12, "Tristar: three doji, the middle one gapping away", 0),
    Candle("UNIQUE3RIVER", 12, "Unique three river: a long black body, a harami with a new low, a small white", 1),
    Candle("UPSIDEGAP2CROWS", 12, "Upside gap two crows: two black ones above a gap, the second covers the first", -1),
    Candle("XSIDEGAP3METHODS", 2, "Gap three methods: two like bodies with a gap, the third closes it", 0),
)  # fmt: skip

CANDLES = MappingProxyType({f"cdl_{candle.function.lower()}": candle for candle in _TABLE})
"""Every pattern of TA-Lib by the name of its feature: ``cdl_`` and TA-Lib's own name in small letters."""

BLOCK = 1024
"""Rows that TA-Lib is given at once, besides the lookback before them."""
_LONGEST = max(candle.lookback for candle in CANDLES.values())
_NO_AVERAGE = ("3OUTSIDE", "ENGULFING", "HIKKAKE", "XSIDEGAP3METHODS")
_REFERENCES = ("Nison (1991), Japanese Candlestick Charting Techniques", "TA-Lib")
_Pattern = Callable[..., FloatArray]


def candle_values(
    candle: Candle, open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, penetration: float | None
) -> FloatArray:
    """Return TA-Lib's pattern over 100, shape (n,): -2 to 2, 0 where it does not show, NaN on its lookback.

    TA-Lib is called on blocks of `BLOCK` rows, each with the lookback before it. Its running sums of bodies and shadows
    then never carry the rounding of more than a block, and a stream needs no more than a block of rows.
    """
    function = _talib(candle, penetration)
    values = np.empty(close.size)
    for begin in range(0, close.size, BLOCK):
        first, end = max(begin - candle.lookback, 0), begin + BLOCK
        values[begin:end] = function(open_[first:end], high[first:end], low[first:end], close[first:end])[
            begin - first :
        ]
    values /= 100.0
    values[: candle.lookback] = np.nan
    return values


def _talib(candle: Candle, penetration: float | None) -> _Pattern:
    import talib

    function = getattr(talib, f"CDL{candle.function}")
    return function if penetration is None else partial(function, penetration=penetration)


class CandleStep:
    """Patterns bar by bar: runs TA-Lib on the rows of the block at hand, as the batch does.

    Parameters
    ----------
    candles
        Patterns with their penetration.
    lookback
        Bars before the first value.
    join
        Turns their values at the newest bar, TA-Lib's over 100, into one.
    """

    def __init__(
        self, candles: Sequence[tuple[Candle, float | None]], lookback: int, join: Callable[[list[float]], float] = sum
    ) -> None:
        self._candles = [(c.lookback, _talib(c, penetration)) for c, penetration in candles]
        self._lookback = lookback
        self._rows = np.empty((4, BLOCK + self._lookback))
        self._join = join
        self._end = self._count = 0

    def __call__(self, open: float, high: float, low: float, close: float) -> float:
        """Take a bar and return the value at it."""
        place = self._count % BLOCK
        if place == 0 and self._count:
            kept = self._rows[:, self._end - self._lookback : self._end].copy()
            self._rows[:, : self._lookback] = kept
            self._end = self._lookback
        self._rows[:, self._end] = open, high, low, close
        self._end += 1
        self._count += 1
        if self._count <= self._lookback:
            return float("nan")
        values = []
        for lookback, function in self._candles:
            first = self._end - min(place + 1 + lookback, self._end)
            values.append(float(function(*self._rows[:, first : self._end])[-1]) / 100.0)
        return self._join(values)


def _plain(candle: Candle) -> _Pattern:
    def pattern(
        open: FloatArray,
        high: FloatArray,
        low: FloatArray,
        close: FloatArray,
    ) -> FloatArray:
        return candle_values(candle, open, high, low, close, None)

    return pattern


def _penetrating(candle: Candle, default: float) -> _Pattern:
    def pattern(
        open: FloatArray,
        high: FloatArray,
        low: FloatArray,
        close: FloatArray,
        *,
        penetration: float = default,
    ) -> FloatArray:
        return candle_values(candle, open, high, low, close, penetration)

    return pattern


def register_candles(registry: Registry = REGISTRY) -> dict[str, Feature]:
    """Register every pattern of the table.

    Notes
    -----
    TA-Lib keeps running sums of body and shadow lengths, so a comparison that is a near tie may fall otherwise when
    its rows begin elsewhere: patterns that read such averages are declared recursive, the four that do not are not. For
    the same reason a bar in thousands differs from TA-Lib on all rows at once; see `candle_values`.
    """
    made = {}
    for name, candle in CANDLES.items():
        has = candle.penetration is not None
        function = _penetrating(candle, candle.penetration) if candle.penetration is not None else _plain(candle)
        function.__name__, function.__qualname__ = name, f"register_candles.{name}"
        function.__doc__ = f"{candle.description} (TA-Lib's CDL{candle.function} over 100)."
        made[name] = indicator(
            name,
            warmup=candle.lookback,
            family="candles",
            bounds={"penetration": (0.0, 1.0)} if has else None,
            recursive=candle.function not in _NO_AVERAGE,
            stream=partial(_step_of, candle),
            references=_REFERENCES,
            registry=registry,
        )(function)
    return made


def _step_of(candle: Candle, penetration: float | None = None) -> CandleStep:
    return CandleStep([(candle, penetration)], candle.lookback)


def _step_of_net() -> CandleStep:
    telling = [(c, c.penetration) for c in CANDLES.values() if c.direction is not None]
    return CandleStep(telling, _LONGEST, lambda values: float(sum((v > 0) - (v < 0) for v in values)))


register_candles()


@indicator(
    "cdl_net",
    warmup=_LONGEST,
    family="candles",
    recursive=True,
    stream=_step_of_net,
    references=_REFERENCES,
)
def cdl_net(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
) -> FloatArray:
    """Bullish less bearish candlestick patterns at the bar; marks of mere indecision do not count.

    All of `CANDLES` whose ``direction`` is not None, at TA-Lib's penetrations.
    """
    net = np.zeros(close.size)
    for candle in CANDLES.values():
        if candle.direction is not None:
            net += np.nan_to_num(np.sign(candle_values(candle, open, high, low, close, candle.penetration)))
    net[:_LONGEST] = np.nan
    return net
