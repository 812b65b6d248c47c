"""Patterns as shapes on a candle chart: lines through their points, a label at the bar at which each was known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from workbench.charts.events import Pattern
from workbench.charts.overlaylayers import COLUMNS, PATTERN_DOWN, PATTERN_UP
from workbench.charts.view import Shapes, View

NEWEST = {
    "harmonic": 2, "elliott_impulse": 1, "elliott_correction": 1, "head_shoulders": 2, "double_top": 2, "triangle": 2,
    "divergence": 2,
}  # fmt: skip
"""Newest of a kind that are drawn."""
LEAST_SCORE = {"divergence": 0.2}
"""Weaker ones are left out: there are many of them."""

_POINTS = {
    "harmonic": ("X", "A", "B", "C", "D"),
    "elliott_impulse": ("0", "1", "2", "3", "4", "5"),
    "elliott_correction": ("0", "A", "B", "C"),
    "head_shoulders": ("LS", "", "H", "", "RS"),
    "double_top": ("1", "", "2"),
}
_N_PIVOTS = {"head_shoulders": 5, "double_top": 3, "triangle": 5}
_OSCILLATORS = {"rsi": "RSI", "macd": "MACD", "obv": "OBV"}
_WORDS = {
    "impulse_up": "Elliott impulse up",
    "impulse_down": "Elliott impulse down",
    "correction_up": "Elliott correction up",
    "correction_down": "Elliott correction down",
    "head_shoulders_top": "Head and shoulders",
    "head_shoulders_bottom": "Inverse head and shoulders",
}
_HEIGHT = 370.0  # pixels of the frame
_LETTER, _ROW, _AWAY, _TRIES = 5.9, 20.0, 26.0, 6
_Box = tuple[float, float, float]
_Line = tuple[Sequence[float], Sequence[float]]


def pattern_shapes(patterns: Sequence[Pattern], view: View, *, beyond_swings: bool = False) -> Shapes:
    """Return the shapes of all layers of patterns, as columns of their data sources.

    Parameters
    ----------
    patterns
        Those of `workbench.charts.events.ChartEvents`.
    view
        The newest closed bar and the window.
    beyond_swings
        Leave room for the names of the swings, which stand at the same turning points.
    """
    shapes: Shapes = {layer: {name: [] for name in names} for layer, names in COLUMNS["patterns"].items()}
    taken: list[_Box] = []
    for pattern, words in known_patterns(patterns, view):
        color = PATTERN_UP if pattern.direction > 0 else PATTERN_DOWN
        for xs, ys in _solid(pattern):
            _add(shapes["pattern"], xs=list(xs), ys=list(ys), color=color, told=words, score=pattern.score)
        for xs, ys in _dashed(pattern):
            _add(shapes["pattern_dashed"], xs=list(xs), ys=list(ys), color=color)
        if pattern.kind == "harmonic":
            for k in (0, 2):
                corners = slice(k, k + 3)
                _add(
                    shapes["pattern_fill"],
                    xs=list(pattern.bars[corners]),
                    ys=list(pattern.prices[corners]),
                    color=color,
                )
        _name_points(shapes["pattern_point"], pattern, color, 15 if beyond_swings else 3)
        _label(shapes["pattern_label"], pattern, words, color, view, taken)
    return shapes


def known_patterns(patterns: Sequence[Pattern], view: View) -> Iterator[tuple[Pattern, str]]:
    """Yield the newest known patterns of each kind in the window with their words, oldest last.

    Of two harmonic patterns on the same points the better score counts; divergences of several oscillators between the
    same points are one.
    """
    left = dict(NEWEST)
    groups: dict[tuple[str, tuple[int, ...], int], list[Pattern]] = {}
    for k in range(bisect_right(patterns, view.now, key=lambda p: p.known) - 1, -1, -1):
        pattern = patterns[k]
        key = (pattern.kind, pattern.bars, pattern.direction)
        if key in groups:
            groups[key].append(pattern)
        elif left[pattern.kind] and _in_window(pattern, view):
            left[pattern.kind] -= 1
            groups[key] = [pattern]
        elif not any(left.values()) and pattern.known < view.start:
            break
    for same in groups.values():
        best = max(same, key=lambda p: p.score)
        yield best, words_of(best, same)


def _in_window(p: Pattern, view: View) -> bool:
    """Say whether a pattern is worth its place: most of it on screen."""
    is_strong = p.score >= LEAST_SCORE.get(p.kind, 0.0)
    return is_strong and p.bars[0] <= view.end and (p.bars[0] + p.known) / 2 >= view.start


def words_of(pattern: Pattern, same: Sequence[Pattern]) -> str:
    """Return a pattern's name as a person says it."""
    if pattern.kind != "divergence":
        return _WORDS.get(pattern.name, pattern.name.replace("_", " ").capitalize())
    kind = " ".join(reversed(pattern.name.split("_")[1:])).capitalize().removesuffix(" regular")
    seen = {p.name.split("_", 1)[0] for p in same}
    return f"{kind} div. {'+'.join(word for key, word in _OSCILLATORS.items() if key in seen)}"


def _solid(p: Pattern) -> list[_Line]:
    if p.kind == "triangle":
        return [_through(p, 0, 4), _through(p, 1, 3)]
    if p.kind == "divergence":
        return []
    return [(p.bars, p.prices)]


def _dashed(p: Pattern) -> list[_Line]:
    """Return necklines and divergences, and the way from the last pivot to the bar at which it was known."""
    end = _N_PIVOTS.get(p.kind, len(p.bars)) - 1
    wait = ((p.bars[end], p.known), (p.prices[end], p.prices[end]))
    if p.kind == "divergence":
        return [(p.bars, p.prices), wait]
    if p.kind == "head_shoulders":
        return [_through(p, 1, 3)]
    if p.kind == "double_top":
        return [((p.bars[1], p.known), (p.prices[1], p.prices[1]))]
    return [] if p.kind == "triangle" else [wait]


def _through(p: Pattern, first: int, second: int) -> _Line:
    """Return the line through two points, carried on to the bar at which the pattern was known."""
    slope = (p.prices[second] - p.prices[first]) / (p.bars[second] - p.bars[first])
    return (p.bars[first], p.known), (p.prices[first], p.prices[first] + slope * (p.known - p.bars[first]))


def _name_points(points: dict[str, list[Any]], p: Pattern, color: str, away: int) -> None:
    places = list(zip(points["x"], points["y"], strict=True))
    for bar, price, k, text in zip(p.bars, p.prices, range(len(p.bars)), _POINTS.get(p.kind, ()), strict=False):
        if text and (bar, price) in places:
            points["text"][places.index((bar, price))] += f" {text}"
        elif text:
            baseline, shift = ("bottom", -away) if _is_high(p, k) else ("top", away)
            _add(points, x=bar, y=price, text=text, color=color, baseline=baseline, shift=shift)


def _label(labels: dict[str, list[Any]], p: Pattern, words: str, color: str, view: View, taken: list[_Box]) -> None:
    """Add name, score and expected direction at the bar at which the pattern was known, off the labels before."""
    end = _N_PIVOTS.get(p.kind, len(p.bars)) - 1
    text = f"{words} {p.score:.2f} {'▲' if p.direction > 0 else '▼'}"
    width = _LETTER * len(text)
    x = (p.known - view.start) / view.bars_per_pixel
    y = _HEIGHT * (view.high - p.prices[end]) / max(view.high - view.low, 1e-12)
    align = "right" if x + width > view.width else "left"
    left = x - width if align == "right" else x
    outward = -1.0 if _is_high(p, end) else 1.0
    rows = [outward * (_AWAY + _ROW * k) for k in range(_TRIES)]
    free = (
        shift
        for shift in [*rows, *(-shift for shift in rows)]
        if 0 < y + shift < _HEIGHT
        and not any(left < other[1] and left + width > other[0] and abs(y + shift - other[2]) < _ROW for other in taken)
    )
    shift = next(free, rows[0])
    taken.append((left, left + width, y + shift))
    _add(labels, x=p.known, y=p.prices[end], text=text, color=color, align=align, shift=shift)


def _is_high(p: Pattern, k: int) -> bool:
    """Say whether a point lies above its neighbour; of a divergence, by the pivots it is made of."""
    if p.kind == "divergence":
        return "bearish" in p.name
    other = k - 1 if k else 1
    return p.prices[k] > p.prices[other]


def _add(table: dict[str, list[Any]], **row: Any) -> None:
    for name, value in row.items():
        table[name].append(value)
