"""Smart-money events as shapes on a candle chart: what of them is known at a bar, drawn at its origin."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.charts.events import NOT_YET, Arrays
from workbench.charts.overlaylayers import COLUMNS
from workbench.charts.theme import DOWN, UP
from workbench.charts.view import Shapes, View
from workbench.typing import BoolArray, IntArray

OPEN_ZONES = {"order_block": 5, "fvg": 5}
PAST_ZONES = {"order_block": 4, "fvg": 5}
MOST_BREAKS, MOST_SWINGS, MOST_POOLS = 10, 40, 6
"""Newest of a kind that are drawn."""

LEAST_HEIGHT = 0.01
"""Thinner zones, as a part of the prices in view, are left out."""

_WORD = 30.0  # pixels of a word's width
_LINE_SHARE = 0.035  # of the window's height: what a word takes
_ZONE_TEXT = {"order_block": "OB", "fvg": "FVG"}
_LEVEL_TEXT = {"previous_1d": ("PDH", "PDL"), "previous_1w": ("PWH", "PWL")}
_BREAK_TEXT = {"bos": "BOS", "choch": "CHoCH"}


def structure_shapes(events: dict[str, Arrays], view: View) -> Shapes:
    """Return the shapes of all layers of smart-money events, as columns of their data sources.

    Parameters
    ----------
    events
        ``structure`` of `workbench.charts.events.ChartEvents`.
    view
        The newest bar whose close is known, and what is on screen.
    """
    shapes: Shapes = {}
    for kind in ("order_block", "fvg"):
        shapes[kind], shapes[f"{kind}_text"] = _zones(kind, events[kind], view)
    _apart(view, shapes["order_block_text"], shapes["fvg_text"])
    shapes["swing"] = _swings(events["swing"], view)
    shapes["bos"], bos_text = _breaks("bos", events["bos"], view)
    shapes["choch"], choch_text = _breaks("choch", events["choch"], view)
    shapes["break_text"] = {name: bos_text[name] + choch_text[name] for name in bos_text}
    shapes["liquidity"], shapes["sweep"] = _pools(events["liquidity"], view)
    shapes["level"] = _levels([(_LEVEL_TEXT[kind], events[kind]) for kind in _LEVEL_TEXT if kind in events], view)
    return shapes


def _zones(kind: str, e: Arrays, view: View) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    ended = np.where(e["ended"] <= view.now, e["ended"], NOT_YET)
    is_open = ended == NOT_YET
    right = np.where(is_open, view.now + 1.5, ended.astype(np.float64))
    seen = view.sees(e["known"], e["origin"], right) & view.reaches(e["bottom"], e["top"])
    seen &= e["top"] - e["bottom"] >= LEAST_HEIGHT * (view.high - view.low)
    at = np.sort(np.r_[_newest(seen & is_open, OPEN_ZONES[kind]), _newest(seen & ~is_open, PAST_ZONES[kind])])
    color = np.where(e["direction"][at] > 0, UP, DOWN)
    boxes = {
        "left": (e["origin"][at] - 0.5).tolist(),
        "right": right[at].tolist(),
        "top": e["top"][at].tolist(),
        "bottom": e["bottom"][at].tolist(),
        "color": color.tolist(),
        "alpha": np.where(is_open[at], 0.18, 0.07).tolist(),
        "edge": np.where(is_open[at], 0.65, 0.3).tolist(),
    }
    named = at[is_open[at]]
    fits = view.now + 1.5 - _WORD * view.bars_per_pixel
    past = e["origin"][named] + 1.5  # right of the bars that made the zone, where price has left it
    text = {
        "x": np.maximum(np.minimum(past, fits), view.start).tolist(),
        "y": ((e["top"][named] + e["bottom"][named]) / 2).tolist(),
        "text": [_ZONE_TEXT[kind]] * named.size,
        "color": color[is_open[at]].tolist(),
    }
    return boxes, text


def _apart(view: View, *tables: dict[str, list[Any]]) -> None:
    """Blank the words that would be written over newer ones."""
    placed: list[tuple[float, float]] = []
    width, height = _WORD * view.bars_per_pixel, _LINE_SHARE * (view.high - view.low)
    for table in tables:
        for k in range(len(table["text"]) - 1, -1, -1):
            x, y = table["x"][k], table["y"][k]
            if any(abs(x - other) < width and abs(y - level) < height for other, level in placed):
                table["text"][k] = ""
            else:
                placed.append((x, y))


def _swings(e: Arrays, view: View) -> dict[str, list[Any]]:
    """Name each swing by the one of its side before it; one that has lost its place to a later swing is left out."""
    standing = np.flatnonzero((e["known"] <= view.now) & (e["ended"] > view.now))
    words = np.empty(standing.size, dtype=object)
    for side, higher, lower, alone in ((1, "HH", "LH", "H"), (-1, "HL", "LL", "L")):
        of_side = np.flatnonzero(e["direction"][standing] == side)
        level = e["level"][standing[of_side]]
        words[of_side] = alone
        words[of_side[1:]] = np.where(np.diff(level) > 0, higher, lower)
    seen = view.sees(e["known"][standing], e["origin"][standing], e["origin"][standing])
    kept = _newest(seen, MOST_SWINGS)
    at, is_high = standing[kept], e["direction"][standing[kept]] > 0
    return {
        "x": e["origin"][at].tolist(),
        "y": e["level"][at].tolist(),
        "text": words[kept].tolist(),
        "baseline": np.where(is_high, "bottom", "top").tolist(),
        "shift": np.where(is_high, -5, 5).tolist(),
    }


def _breaks(kind: str, e: Arrays, view: View) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    at = _newest(view.sees(e["known"], e["origin"], e["known"]), MOST_BREAKS)
    up = e["direction"][at] > 0
    color = np.where(up, UP, DOWN).tolist()
    lines = {
        "x0": e["origin"][at].tolist(),
        "x1": e["known"][at].tolist(),
        "y": e["level"][at].tolist(),
        "color": color,
    }
    text = {
        "x": ((np.maximum(e["origin"][at], view.start) + np.minimum(e["known"][at], view.end)) / 2).tolist(),
        "y": e["level"][at].tolist(),
        "text": [_BREAK_TEXT[kind]] * at.size,
        "color": color,
        "baseline": np.where(up, "bottom", "top").tolist(),
        "shift": np.where(up, -2, 2).tolist(),
    }
    return lines, text


def _pools(e: Arrays, view: View) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Draw each pool in its newest state: to the right edge, or to the bar that swept it."""
    swept = e["touched"] <= view.now
    replaced = (e["ended"] <= view.now) & ~swept
    right = np.where(swept, np.minimum(e["touched"], view.now), view.now + 1.5).astype(np.float64)
    seen = view.sees(e["known"], e["origin"], right) & view.reaches(e["level"], e["level"]) & ~replaced
    at = _newest(seen, MOST_POOLS)
    lines = {
        "x0": e["origin"][at].tolist(),
        "x1": right[at].tolist(),
        "y": e["level"][at].tolist(),
        "label_x": np.maximum(e["origin"][at], view.start).tolist(),
        "text": np.where(e["direction"][at] > 0, "EQH", "EQL").tolist(),
        "baseline": np.where(e["direction"][at] > 0, "bottom", "top").tolist(),
    }
    gone = at[swept[at]]
    return lines, {"x": e["touched"][gone].tolist(), "y": e["level"][gone].tolist()}


def _levels(periods: list[tuple[tuple[str, str], Arrays]], view: View) -> dict[str, list[Any]]:
    """Draw the high and the low of each last full period only, as far as the newest bar."""
    lines: dict[str, list[Any]] = {name: [] for name in COLUMNS["smart_money"]["level"]}
    for (high, low), e in periods:
        now = (e["known"] <= view.now) & (e["ended"] > view.now)
        for k in np.flatnonzero(now & view.reaches(e["level"], e["level"])):
            level, text = float(e["level"][k]), high if e["direction"][k] > 0 else low
            near = [n for n, y in enumerate(lines["y"]) if abs(y - level) < _LINE_SHARE * (view.high - view.low)]
            if near and lines["text"][near[0]]:
                lines["text"][near[0]], text = f"{lines['text'][near[0]]} {text}", ""
            for name, value in (("x0", int(e["origin"][k])), ("x1", view.now + 1.5), ("y", level), ("text", text)):
                lines[name].append(value)
    return lines


def _newest(seen: BoolArray, n: int) -> IntArray:
    return np.flatnonzero(seen)[-n:]
