"""Outliers and what they are: a bad print that stands alone, or a move that other venues and symbols made too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.data.bars import PRICE_FIELDS, symbol_frame, symbols_of
from workbench.errors import DataError
from workbench.typing import Bars, FloatArray

OUTLIER_COLUMNS = ("symbol", "time", "field", "value", "score", "verdict", "level", "other", "note")
VERDICTS = {
    "bad_print": "the second venue saw nothing unusual",
    "real_move": "the second venue, or most other symbols, moved too",
    "unconfirmed": "nothing to compare with",
}
"""What an outlier is: machine key and words."""

_WINDOW = 101
_NEAR = 2  # neighbours to either side that tell the level
_WICK = float(np.log(1.5))
_WICK_APART = 0.1
_UNUSUAL, _SHARED = 3.0, 0.2
_PEERS = 3


@dataclass(frozen=True, eq=False)
class _Prices:
    """Log prices of one symbol on the times of its bars, with the level its neighbours tell and the usual noise."""

    times: pd.DatetimeIndex
    logs: dict[str, FloatArray]
    level: FloatArray
    scale: FloatArray


def find_outliers(
    bars: Bars, second: Bars | None = None, *, score: float = 10.0, window: int = _WINDOW, peers: Bars | None = None
) -> pd.DataFrame:
    """Return prices that stand off their neighbours, with a verdict on each.

    Parameters
    ----------
    bars : DataFrame
        Bars that pass the door.
    second : DataFrame, optional
        Bars of the same symbols at another venue (of one symbol each, the names need not agree). They confirm or refute
        outliers.
    score : float
        Robust deviations that make an outlier (usual 10).
    window : int
        Bars around each one that tell the usual noise.
    peers : DataFrame, optional
        Bars of other symbols of the same venue; default the other symbols of ``bars``. A move that at least half of at
        least three peers make at the same bar in the same direction is real.

    Returns
    -------
    DataFrame
        One row an outlier, by symbol and time: symbol, time, field, value, score, verdict (a key of `VERDICTS`), level
        (what the neighbours say), other (the second venue's price, NaN without), note.

    Notes
    -----
    Noise is 1.4826 × the median absolute log return in a centred window, never under a tenth of the series' own. A
    close or open is an outlier when it stands off the price before and the price after it in the same direction by
    ``score`` times the noise; a high or low when it stands beyond its own bar's and its neighbours' prices by that
    much and by at least a factor of 1.5 (10 % where a second venue is there to tell). The level is the median of the
    closes of the two bars to either side. The second venue's price, corrected by the usual ratio of the two, decides:
    when it stands off that level in the same direction by 3 times the noise and by a fifth of what ours does, the move
    is real, if a smaller one there, as in fast markets; otherwise the outlier is a bad print.
    """
    if score <= 0 or window < 11:
        raise DataError(f"score must be above 0 and window at least 11, got {score} and {window}")
    series = {s: _prices(symbol_frame(bars, s), window) for s in symbols_of(bars)}
    around = series if peers is None else {s: _prices(symbol_frame(peers, s), window) for s in symbols_of(peers)}
    rows: list[tuple[object, ...]] = []
    for symbol, mine in series.items():
        other = _second_of(symbol, bars, second, mine)
        others = [p for s, p in around.items() if s != symbol]
        for field in PRICE_FIELDS:
            rows += _field_rows(symbol, field, mine, other, others, score, window)
    found = pd.DataFrame(rows, columns=list(OUTLIER_COLUMNS))
    found["time"] = pd.to_datetime(found["time"], utc=True)
    return found.sort_values(["symbol", "time"], kind="stable", ignore_index=True)


def _prices(frame: pd.DataFrame, window: int) -> _Prices:
    logs = {f: np.log(frame[f].to_numpy(np.float64)) for f in PRICE_FIELDS}
    close = pd.Series(logs["close"])
    near = [close.shift(k) for k in range(-_NEAR, _NEAR + 1) if k]
    level = np.nanmedian(np.vstack([s.to_numpy() for s in near]), axis=0) if len(close) > 1 else logs["close"]
    return _Prices(pd.DatetimeIndex(frame.index), logs, level, _noise(np.diff(logs["close"], prepend=np.nan), window))


def _noise(values: FloatArray, window: int) -> FloatArray:
    """Return 1.4826 × the median absolute value in a centred window, never under a tenth of that of all."""
    size = pd.Series(np.abs(values))
    local = size.rolling(window, center=True, min_periods=min(10, len(size))).median().bfill().ffill()
    moved = size[size > 0]
    floor = 0.1 * float(moved.median()) if len(moved) else 1.0
    return 1.4826 * np.maximum(local.fillna(floor).to_numpy(), floor)


def _second_of(symbol: str, bars: Bars, second: Bars | None, mine: _Prices) -> pd.DataFrame | None:
    """Return the second venue's bars at the times of ours, NaN where it has none."""
    if second is None:
        return None
    names = symbols_of(second)
    name = symbol if symbol in names else names[0] if len(names) == len(symbols_of(bars)) == 1 else None
    return None if name is None else symbol_frame(second, name).reindex(mine.times)


def _field_rows(
    symbol: str, field: str, mine: _Prices, other: pd.DataFrame | None, peers: list[_Prices], score: float, window: int
) -> list[tuple[object, ...]]:
    if len(mine.times) < 20:
        return []
    beyond = _beyond(mine, field)
    off = mine.logs[field] - mine.level
    theirs = np.full(len(off), np.nan) if other is None else off - _departure(field, mine, other, window)
    least = np.where(np.isfinite(theirs), _WICK_APART, _WICK) if field in ("high", "low") else np.zeros(len(off))
    rows: list[tuple[object, ...]] = []
    for i in map(int, np.flatnonzero(np.abs(beyond) >= np.maximum(score * mine.scale, least))):
        verdict, note = _verdict(i, off, theirs, mine, peers, score)
        if verdict != "bad_print" and field in ("high", "low") and abs(beyond[i]) < _WICK:
            continue
        value, level = (float(np.exp(v)) for v in (mine.logs[field][i], mine.level[i]))
        told = float(other[field].iloc[i]) if other is not None else float("nan")
        size = abs(float(beyond[i])) / float(mine.scale[i])
        rows.append((symbol, mine.times[i], field, value, size, verdict, level, told, note))
    return rows


def _beyond(mine: _Prices, field: str) -> FloatArray:
    """Return by how much (log) a price stands off both the price before and the price after it, 0 where it does not."""
    logs = mine.logs
    before = np.roll(logs["close"], 1)
    after = logs["close"] if field == "open" else np.roll(logs["close"], -1)
    up = np.minimum(logs[field] - before, logs[field] - after)
    down = np.maximum(logs[field] - before, logs[field] - after)
    if field in ("high", "low"):
        body = np.vstack([before, after, logs["open"], logs["close"]])
        up, down = logs[field] - body.max(axis=0), logs[field] - body.min(axis=0)
        up, down = (up, np.zeros_like(up)) if field == "high" else (np.zeros_like(up), down)
    beyond = np.where(up > 0, up, np.where(down < 0, down, 0.0))
    beyond[0] = 0.0
    if field != "open":
        beyond[-1] = 0.0
    return beyond


def _departure(field: str, mine: _Prices, other: pd.DataFrame, window: int) -> FloatArray:
    """Return by how much (log) our price departs from the second venue's, beyond the usual ratio of the two."""
    ratio = pd.Series(mine.logs["close"] - np.log(other["close"].to_numpy(np.float64)))
    usual = ratio.rolling(window, center=True, min_periods=5).median().bfill().ffill().to_numpy()
    return mine.logs[field] - np.log(other[field].to_numpy(np.float64)) - usual


def _verdict(
    i: int, off: FloatArray, theirs: FloatArray, mine: _Prices, peers: list[_Prices], score: float
) -> tuple[str, str]:
    if np.isfinite(theirs[i]):
        moved = np.sign(off[i]) * theirs[i] >= max(_UNUSUAL * mine.scale[i], _SHARED * abs(off[i]))
        note = f"off the neighbours by {np.expm1(off[i]):+.2%}, the second venue by {np.expm1(theirs[i]):+.2%}"
        return ("real_move" if moved else "bad_print"), note
    asked = alike = 0
    for peer in peers:
        at = int(peer.times.searchsorted(mine.times[i]))
        if at < len(peer.times) and peer.times[at] == mine.times[i]:
            moves = [peer.logs[f][at] - peer.level[at] for f in PRICE_FIELDS]
            asked += 1
            alike += any(np.sign(m) == np.sign(off[i]) and abs(m) >= 0.3 * score * peer.scale[at] for m in moves)
    if asked >= _PEERS and 2 * alike >= asked:
        return "real_move", f"{alike} of {asked} other symbols moved alike"
    return "unconfirmed", f"{alike} of {asked} other symbols moved alike" if asked else "nothing to compare with"
