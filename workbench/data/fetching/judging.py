"""One answer of bars: what of it are bars, and what breaks the convention. Pure arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.data.bars import BAR_FIELDS, VIOLATIONS, violations
from workbench.typing import BoolArray, FloatArray, IntArray

Refused = tuple[str, int, str, float, str]
"""Kind, open time in milliseconds (-1: none), field, value, note: one row that was not taken."""

_LATEST_MS = 4_000_000_000_000  # in the year 2096; a number beyond it is no time


@dataclass(frozen=True)
class Page:
    """The bars of one answer: unique increasing times on the grid, rows of five values, and the rows refused.

    Attributes
    ----------
    times : ndarray, int64, of shape (n_bars,)
        Open times in milliseconds since 1970 UTC.
    rows : ndarray, float64, of shape (n_bars, 5)
        Open, high, low, close, volume.
    """

    times: IntArray
    rows: FloatArray
    refused: tuple[Refused, ...] = ()

    def between(self, start: int, stop: int) -> Page:
        """Return the bars with ``start <= time < stop``; their rows are a view of this page's."""
        first, last = np.searchsorted(self.times, [start, stop])
        return Page(self.times[first:last], self.rows[first:last])

    def only(self, mask: BoolArray) -> Page:
        """Return the bars where the mask is true."""
        return self if mask.all() else Page(self.times[mask], self.rows[mask])

    def row(self, time: int) -> FloatArray | None:
        """Return the five values of a time as a view, or None."""
        at = int(np.searchsorted(self.times, time))
        return self.rows[at] if at < len(self.times) and self.times[at] == time else None


def empty_page() -> Page:
    """Return a page without bars."""
    return Page(np.empty(0, np.int64), np.empty((0, len(BAR_FIELDS))))


def joined(pages: list[Page]) -> Page:
    """Return the bars of pages that share no time, in order of time."""
    times = np.concatenate([p.times for p in pages])
    order = np.argsort(times, kind="stable")
    return Page(times[order], np.concatenate([p.rows for p in pages])[order])


def judge(answer: FloatArray, step: int, phase: int, now_ms: int) -> Page:
    """Sort an answer into bars and refused rows.

    Parameters
    ----------
    answer : ndarray, float64, of shape (n_rows, 6)
        Open time in milliseconds, open, high, low, close, volume, as the venue gave them.
    now_ms : int
        A bar that begins more than one bar after it is refused.

    Notes
    -----
    Refused are rows off the grid or without a time, rows from the future, rows that break the convention, and all
    rows of a time that comes with different values. An equal repetition is dropped and listed, disorder is sorted and
    listed; a row with a time and nothing else is no bar.
    """
    if answer.ndim != 2 or answer.shape[1] != 6:
        nothing = empty_page()
        note = f"the answer has the shape {answer.shape}"
        return Page(nothing.times, nothing.rows, (("off_grid", -1, "time", float("nan"), note),))
    refused: list[Refused] = []
    answer = _on_grid(answer, step, phase, now_ms, refused)
    answer = _sane(answer, refused)
    answer = _unique(answer, refused)
    return Page(answer[:, 0].astype(np.int64), np.ascontiguousarray(answer[:, 1:]), tuple(refused))


def _on_grid(rows: FloatArray, step: int, phase: int, now_ms: int, refused: list[Refused]) -> FloatArray:
    times = rows[:, 0]
    with np.errstate(invalid="ignore"):
        off = ~np.isfinite(times) | ((times - phase) % step != 0) | (times < 0)
        late = ~off & (times > now_ms + step)
    if not off.any() and not late.any():
        return rows
    for mask, note in ((off, "off the grid of its time frame"), (late, "begins in the future")):
        for time in rows[mask, 0]:
            shown = int(time) if 0 <= time < _LATEST_MS else -1
            refused.append(("off_grid", shown, "time", float(time), note))
    return rows[~off & ~late]


def _sane(rows: FloatArray, refused: list[Refused]) -> FloatArray:
    values = {f: rows[:, i + 1] for i, f in enumerate(BAR_FIELDS)}
    bad = np.zeros(len(rows), bool)
    for kind, field, mask in violations(values):
        for at in np.flatnonzero(mask & ~bad):
            refused.append((kind, int(rows[at, 0]), field, float(values[field][at]), VIOLATIONS[kind]))
        bad |= mask
    absent = np.isnan(rows[:, 1:]).all(axis=1)
    return rows[~(bad | absent)] if bad.any() or absent.any() else rows


def _unique(rows: FloatArray, refused: list[Refused]) -> FloatArray:
    steps = np.diff(rows[:, 0])
    if (steps > 0).all():
        return rows
    if (steps < 0).any():
        at = int(np.flatnonzero(steps < 0)[0]) + 1
        refused.append(("unsorted", int(rows[at, 0]), "time", float("nan"), "the answer was out of order; sorted"))
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
    first = np.concatenate([[True], np.diff(rows[:, 0]) > 0])
    group = np.cumsum(first) - 1
    differs = np.zeros(int(group[-1]) + 1, bool)
    differs[group[(rows != rows[first][group]).any(axis=1)]] = True
    for at in np.flatnonzero(~first & ~differs[group]).tolist():
        refused.append(("duplicate", int(rows[at, 0]), "time", float("nan"), "the same bar once more"))
    for at in np.flatnonzero(differs[group]).tolist():
        note = "this time came with different values"
        refused.append(("conflicting_duplicate", int(rows[at, 0]), "close", float(rows[at, 4]), note))
    return rows[first & ~differs[group]]
