"""Pages of bars: read without a loop over bars, then each bar judged; no impossible bar goes further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from workbench.data.bars import BAR_FIELDS, violations
from workbench.data.venues.answers import BadAnswerError
from workbench.typing import BoolArray, FloatArray

EARLIEST_MS = 1_230_940_800_000
"""2009-01-03, the first Bitcoin block: an earlier time is one in seconds, or no time."""
MONDAY_MS = 4 * 86_400_000
"""Bars of a week begin on Mondays; 1970-01-01 was a Thursday."""


@dataclass(frozen=True)
class RowFormat:
    """Where a venue puts the fields of a bar.

    Parameters
    ----------
    columns : tuple of int
        Positions of time, open, high, low, close and volume in its row.
    time_ms : int
        Milliseconds of one unit of its times: 1, or 1000 where it writes seconds.
    """

    columns: tuple[int, int, int, int, int, int] = (0, 1, 2, 3, 4, 5)
    time_ms: int = 1


FORMATS = {
    "binance": RowFormat(),
    "binanceusdm": RowFormat(),
    "kraken": RowFormat((0, 1, 2, 3, 4, 6), 1000),
    "coinbaseexchange": RowFormat((0, 3, 2, 1, 4, 5), 1000),
    "okx": RowFormat(),
    "okx:contract": RowFormat((0, 1, 2, 3, 4, 6)),  # column 5 counts contracts, 6 base units
    "bybit": RowFormat(),
}


@dataclass(frozen=True)
class RefusedBar:
    """A bar that a venue sent and that was not handed on: its time (milliseconds) and what is wrong with it."""

    time_ms: float
    kind: str
    field: str
    value: float


def raw_rows(exchange: str, answer: Any) -> list[Any]:
    """Take the rows of bars out of a decoded answer.

    Raises
    ------
    BadAnswerError
        When they are not where the venue puts them.
    """
    rows = answer
    if exchange in ("okx", "bybit", "kraken"):
        rows = answer.get("data" if exchange == "okx" else "result") if isinstance(answer, dict) else None
    if exchange == "bybit":
        rows = rows.get("list") if isinstance(rows, dict) else None
    if exchange == "kraken":
        lists = [v for k, v in rows.items() if k != "last"] if isinstance(rows, dict) else []
        rows = lists[0] if len(lists) == 1 else None
    if not isinstance(rows, list):
        raise BadAnswerError(f"{exchange} answered {shown(answer)} where bars were asked for")
    return rows


def read_rows(exchange: str, rows: Sequence[Any], form: RowFormat) -> FloatArray:
    """Turn a venue's rows into numbers, in its own order, without judging them.

    Parameters
    ----------
    rows : sequence of n_bars lists
        Numbers, or text as JSON writes numbers.
    form : RowFormat
        Of `FORMATS`.

    Returns
    -------
    ndarray, float64, of shape (n_bars, 6)
        Time in milliseconds, open, high, low, close, volume; an empty field is NaN.

    Raises
    ------
    BadAnswerError
        When a row is not a list, is too short, or a field is not a number.
    """
    page = np.empty((len(rows), 6))
    if not rows:
        return page
    width = max(form.columns) + 1
    if not all(type(row) is list and len(row) >= width for row in rows):
        wrong = next(row for row in rows if type(row) is not list or len(row) < width)
        raise BadAnswerError(f"{exchange} answered {shown(wrong)} where a bar was expected")
    for place, column in enumerate(form.columns):
        page[:, place] = _column(exchange, [*map(itemgetter(column), rows)])
    with np.errstate(over="ignore"):  # a time near the largest number becomes infinite, and is refused as one
        page[:, 0] *= form.time_ms
    return page


def sift(
    page: FloatArray, *, step_ms: int, since_ms: int, latest_ms: float
) -> tuple[FloatArray, tuple[RefusedBar, ...]]:
    """Keep the good bars of a page from ``since_ms`` on, oldest first; name each of the others.

    Parameters
    ----------
    page : ndarray of shape (n_bars, 6)
        In any order; the same bar may come twice.
    step_ms : int
        Length of a bar.
    latest_ms : float
        The venue's time now: no bar can open later.

    Returns
    -------
    bars : ndarray of shape (n_good, 6)
    refused : tuple of RefusedBar
        Bars that break a rule of `workbench.data.bars`, open between two steps or in the future, or come twice with
        different values (all of them: neither is known to be right).

    Raises
    ------
    BadAnswerError
        When times are not milliseconds of this century.
    """
    times = page[:, 0]
    sane = np.isfinite(times) & (times >= EARLIEST_MS)
    if not sane.all():
        raise BadAnswerError(f"a bar has the time {times[~sane][0]:g}: seconds in place of milliseconds, or no time")
    page = page[times >= since_ms]
    page = page[np.argsort(page[:, 0], kind="stable")]
    page = page[~_repeats(page)]
    bad = np.zeros(len(page), bool)
    refused: list[RefusedBar] = []
    for kind, place, mask in _faults(page, step_ms, latest_ms):
        for row in np.flatnonzero(mask & ~bad):
            name = ("time", *BAR_FIELDS)[place]
            refused.append(RefusedBar(float(page[row, 0]), kind, name, float(page[row, place])))
        bad |= mask
    return page[~bad], tuple(refused)


def shown(value: Any) -> str:
    """Return the beginning of an answer for an error's one line."""
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return f"{text[:60]!r}…" if len(text) > 60 else repr(text)


def _faults(page: FloatArray, step_ms: int, latest_ms: float) -> list[tuple[str, int, BoolArray]]:
    times = page[:, 0]
    offset = MONDAY_MS if step_ms == 7 * 86_400_000 else 0
    twice = np.zeros(len(page), bool)
    if len(page) > 1:
        same = times[1:] == times[:-1]
        twice[1:], twice[:-1] = same, twice[:-1] | same
    faults = [
        ("misaligned_time", 0, (times - offset) % step_ms != 0),
        ("future_time", 0, times > latest_ms),
        ("changed_twin", 0, twice),
    ]
    values = {f: page[:, i] for i, f in enumerate(BAR_FIELDS, 1)}
    for field, column in values.items():  # a bar of NaN alone is an absent one to the rules, but a venue sends no such
        faults.append(("missing_value", BAR_FIELDS.index(field) + 1, np.isnan(column)))
    faults += [(kind, BAR_FIELDS.index(field) + 1, mask) for kind, field, mask in violations(values)]
    return faults


def _repeats(page: FloatArray) -> BoolArray:
    again = np.zeros(len(page), bool)
    if len(page) > 1:
        again[1:] = (page[1:] == page[:-1]).all(axis=1)
    return again


def _column(exchange: str, cells: list[Any]) -> Any:
    kinds = set(map(type, cells))
    if not kinds <= {int, float, str}:
        if kinds - {int, float, str, type(None)}:
            wrong = next(c for c in cells if type(c) not in (int, float, str, type(None)))
            raise BadAnswerError(f"{exchange} answered {shown(wrong)} where a number was expected")
        cells = ["nan" if c is None else c for c in cells]
    try:
        if str in kinds:
            text = "".join(cells if kinds == {str} else filter(_is_text, cells))
            if "_" in text or not text.isascii():  # Python would read 1_000, JSON does not write it
                raise ValueError(text)
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except (ValueError, OverflowError):
        wrong = next((c for c in cells if not _is_number(c)), cells[0])
        raise BadAnswerError(f"{exchange} answered {shown(wrong)} where a number was expected") from None


def _is_text(cell: Any) -> bool:
    return type(cell) is str


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (ValueError, OverflowError):
        return False
    return "_" not in str(cell) and str(cell).isascii()
