"""Faults of an answer's content: wrong types, impossible bars, pages with holes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

    from workbench.data.replay.calls import Call
    from workbench.data.replay.faults import Hit

WHOLE = frozenset({"strings", "nulls", "nested-error"})
"""Faults of any answer; the others are of bars."""

_BARS = frozenset(
    {"nan", "negative", "high-low", "overflow", "hole", "overlap", "duplicate", "unordered"}
    | {"short-page", "revised", "seconds"}
)
_BAR_PATHS = ("klines", "Klines", "OHLC")
_TOO_LARGE = "@1e400@"
_SHARE = 0.2
_SETTLED_S = 180.0
_LATEST_SECONDS = 100_000_000_000
Row = list[Any]
Series = tuple[str, ...]


def applies(kind: str, call: Call) -> bool:
    """Tell whether a fault of content has something to do with a request: those of bars want a page of bars."""
    return kind in WHOLE or (kind in _BARS and call.path.endswith(_BAR_PATHS))


class BodyFaults:
    """Changes answers, and remembers what was read before: for overlaps and for bars that change."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._newest: dict[Series, list[Row]] = {}
        self._read: dict[Series, set[int]] = {}

    def change(self, hit: Hit, call: Call, answer: web.Response, arrives: bool = True) -> None:
        """Put another content into an answer; what is no JSON stays as it is.

        ``arrives``: nothing else is wrong with the answer, so its reader has read it.
        """
        body = answer.body
        try:
            payload = json.loads(body if isinstance(body, bytes) else "")
        except ValueError:
            return
        if hit.kind in WHOLE:
            payload = _OF_ALL[hit.kind](payload, hit)
        else:
            holder, key = _rows_in(payload)
            if holder is None or not holder[key]:
                return
            series = (call.host, call.path, call.params.get("symbol", call.params.get("pair", "")), _interval(call))
            holder[key] = self._rows(hit, holder[key], series, call, arrives)
            payload = holder[key] if key == "" else payload
        text = json.dumps(payload, separators=(",", ":")).replace(f'"{_TOO_LARGE}"', "1e400")
        answer.body = text.encode()

    def _rows(self, hit: Hit, rows: list[Row], series: Series, call: Call, arrives: bool) -> list[Row]:
        if hit.kind == "hole":
            return self._without_blocks(rows, int(hit.number("rows")))
        if hit.kind == "overlap":
            return self._overlapping(rows, series, int(hit.number("rows")))
        if hit.kind == "revised":
            return self._revised(rows, series, call.time if arrives else 0.0)
        if hit.kind == "short-page":
            keep = max(1, int(hit.number("rows")))
            return rows[:keep] if "startTime" in call.params else rows[-keep:]
        return _PAGES[hit.kind](rows, hit)

    def _without_blocks(self, rows: list[Row], size: int) -> list[Row]:
        """Leave out a quarter of all blocks of bars, the same ones whenever and however they are asked."""
        step = _step_of(rows) * max(1, size)
        return [row for row in rows if zlib.crc32(f"{self._seed}:{int(row[0]) // step}".encode()) % 4]

    def _overlapping(self, rows: list[Row], series: Series, size: int) -> list[Row]:
        before = [row for row in self._newest.get(series, []) if row[0] < rows[0][0]]
        self._newest[series] = rows
        return before[-size:] + rows

    def _revised(self, rows: list[Row], series: Series, now: float) -> list[Row]:
        """Change bars that were read before, some minutes after their end: until then a reader may wait and see."""
        read = self._read.setdefault(series, set())
        changed = [_with_close_moved(row) if int(row[0]) in read else row for row in rows]
        unit, step = (1000 if int(rows[0][0]) > _LATEST_SECONDS else 1), _step_of(rows)
        read.update(int(row[0]) for row in rows if int(row[0]) + step <= (now - _SETTLED_S) * unit)
        return changed


def _interval(call: Call) -> str:
    return call.params.get("interval", "")


def _rows_in(payload: Any) -> tuple[Any, Any]:
    """Return where the bars lie: a holder and its key; ``(None, "")`` where there are none."""
    if isinstance(payload, list):
        return {"": payload}, ""
    result = payload.get("result") if isinstance(payload, dict) else None
    if isinstance(result, dict):
        for key, value in result.items():
            if isinstance(value, list):
                return result, key
    return None, ""


def _step_of(rows: list[Row]) -> int:
    steps = [int(b[0]) - int(a[0]) for a, b in pairwise(rows)]
    return max(1, min((s for s in steps if s > 0), default=1))


def _like(value: Any, number: float) -> Any:
    """Return a number as the venue writes that field: text stays text."""
    return f"{number:.8f}" if isinstance(value, str) else number


def _with_close_moved(row: Row) -> Row:
    """Move the close within the bar's own range, so that nothing else gives it away."""
    high, low, close = float(row[2]), float(row[3]), float(row[4])
    moved = low + 0.25 * (high - low) if close > (high + low) / 2 else low + 0.75 * (high - low)
    places = max(len(f"{float(price):.8f}".rstrip("0").partition(".")[2]) for price in row[1:5])
    return [*row[:4], _like(row[4], round(moved, places)), *row[5:]]


def _some(rows: list[Row], hit: Hit) -> list[int]:
    """Return a fifth of the rows, one at least."""
    return sorted(hit.draw.sample(range(len(rows)), max(1, int(len(rows) * _SHARE))))


def _spoiled(spoil: Callable[[Row], Row]) -> Callable[[list[Row], Hit], list[Row]]:
    def change(rows: list[Row], hit: Hit) -> list[Row]:
        chosen = set(_some(rows, hit))
        return [spoil(row) if i in chosen else row for i, row in enumerate(rows)]

    return change


def _nan(row: Row) -> Row:
    return [*row[:4], "NaN" if isinstance(row[4], str) else float("nan"), *row[5:]]


def _negative(row: Row) -> Row:
    volume = 6 if len(row) == 8 else 5
    changed = list(row)
    changed[3] = _like(row[3], -float(row[3]))
    changed[volume] = _like(row[volume], -float(row[volume]) - 1.0)
    return changed


def _high_low(row: Row) -> Row:
    high, low = float(row[2]), float(row[3])
    return [*row[:2], _like(row[2], low * 0.999), _like(row[3], high * 1.001), *row[4:]]


def _overflow(row: Row) -> Row:
    return [*row[:2], "1e400" if isinstance(row[2], str) else _TOO_LARGE, *row[3:]]


def _duplicate(rows: list[Row], hit: Hit) -> list[Row]:
    chosen = set(_some(rows, hit))
    return [row for i, row in enumerate(rows) for _ in range(2 if i in chosen else 1)]


def _unordered(rows: list[Row], hit: Hit) -> list[Row]:
    shuffled = list(rows)
    hit.draw.shuffle(shuffled)
    return shuffled[::-1] if shuffled == rows else shuffled


def _seconds(rows: list[Row], _hit: Hit) -> list[Row]:
    milliseconds = int(rows[0][0]) > _LATEST_SECONDS
    return [[int(row[0]) // 1000 if milliseconds else int(row[0]) * 1000, *row[1:]] for row in rows]


def _leaves(payload: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(payload, dict):
        return {key: _leaves(value, change) for key, value in payload.items()}
    if isinstance(payload, list):
        return [_leaves(value, change) for value in payload]
    return change(payload)


def _number_of(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None


def _swapped(value: Any) -> Any:
    """Return a text for a number, and a number for a text that is one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "n/a"
    number = _number_of(value)
    return value if number is None else number


def _strings(payload: Any, _hit: Hit) -> Any:
    return _leaves(payload, _swapped)


def _nulls(payload: Any, hit: Hit) -> Any:
    def change(value: Any) -> Any:
        valued = _number_of(value) is not None or (isinstance(value, (int, float)) and not isinstance(value, bool))
        return None if valued and hit.draw.random() < 0.5 else value

    return _leaves(payload, change)


def _nested_error(_payload: Any, _hit: Hit) -> Any:
    return {"error": {"code": {"inner": "EService:Busy"}, "errors": [{"error": None}]}, "result": None}


_OF_ALL: dict[str, Callable[[Any, Hit], Any]] = {
    "strings": _strings,
    "nulls": _nulls,
    "nested-error": _nested_error,
}
_PAGES: dict[str, Callable[[list[Row], Hit], list[Row]]] = {
    "nan": _spoiled(_nan),
    "negative": _spoiled(_negative),
    "high-low": _spoiled(_high_low),
    "overflow": _spoiled(_overflow),
    "duplicate": _duplicate,
    "unordered": _unordered,
    "seconds": _seconds,
}
