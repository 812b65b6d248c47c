"""What can be saved when a file is damaged: its rows in older files, in the image, and in files of a lost version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xxhash

from workbench.data.store import imagefile, log
from workbench.data.store.entry import Entry, Part
from workbench.data.store.image import SeriesImage
from workbench.data.store.imagefile import ImageError
from workbench.data.store.layout import empty_frame, join_frames, keys_of, sort_rows
from workbench.data.store.table import SeriesTable
from workbench.data.store.verifying import Inspection

Span = tuple[int, int]
"""First and last time, microseconds, both belonging to it."""


@dataclass(frozen=True)
class Lost:
    """A span of time (microseconds) whose rows are gone; ``last`` ``None`` and ``rows`` -1: nobody knows."""

    first: int
    last: int | None
    rows: int


def unnamed_parts(found: Inspection) -> list[Part]:
    """Return the whole files that no readable version names: each carries its checksum in its name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = []
    for finding in found.findings:
        name = finding.path.name
        if finding.status != "leftovers" or not re.fullmatch(r".+-x[0-9a-f]{16}\.parquet", name):
            continue
        data = finding.path.read_bytes()
        if not name.endswith(f"-x{xxhash.xxh3_64_hexdigest(data)}.parquet"):
            continue
        times = pq.read_table(pa.BufferReader(data), columns=["time"])["time"].cast("int64").to_numpy()
        if len(times):
            parts.append(Part(name, len(data), len(times), int(times[0]), int(times[-1])))
    return parts


def salvaged(
    table: SeriesTable,
    found: Inspection,
    whole: Entry | None,
    kept: Sequence[Part],
    damaged: Sequence[Part],
    step: int,
) -> tuple[pd.DataFrame, list[Lost]]:
    """Return the rows of damaged files as other places have them, and the spans that nothing has.

    Only places that are sure to hold the same rows count: files of versions since the last change that was not an
    append, and an image of one of those versions.

    Parameters
    ----------
    whole : Entry, optional
        The newest version whose entry is sound.
    kept : sequence of Part
        Files that stay; rows of theirs are not saved twice.
    step : int
        Microseconds from a row to the next where they stand on a grid, otherwise 1.
    """
    if whole is None or not damaged:
        return empty_frame(table.layout), [Lost(p.first, p.last, p.rows) for p in damaged]
    broken = {f.part for f in found.findings if f.part is not None}
    since = [e for v, e in found.entries.items() if whole.base <= v <= whole.version and "lost" not in e.note]
    places = {p for e in since for p in e.parts if p not in broken and p.path not in found.gone} - set(kept)
    image, covered = _image_rows(table, whole)
    frames, lost = [], []
    for part in damaged:
        over = sorted((p for p in places if p.last >= part.first and p.first <= part.last), key=lambda p: p.path)
        sources = [*(table.read_parts([p]) for p in over), image]
        rows = _within(sort_rows(table.layout, join_frames([f for f in sources if len(f)] or [image])), part)
        rows = rows[~keys_of(table.layout, rows).duplicated()]
        beside = table.read_parts([p for p in kept if p.last >= part.first and p.first <= part.last])
        rows = rows[~keys_of(table.layout, rows).isin(keys_of(table.layout, beside))]
        frames.append(rows)
        missing = part.rows - len(rows)
        if missing:
            spans = _without((part.first, part.last), [*((p.first, p.last) for p in over), *covered], step)
            lost += [Lost(a, b, missing if len(spans) == 1 else -1) for a, b in spans]
    return sort_rows(table.layout, join_frames([f for f in frames if len(f)] or frames[:1])), lost


def _image_rows(table: SeriesTable, whole: Entry) -> tuple[pd.DataFrame, list[Span]]:
    """Return all rows of the image where it is of a version that had them; who they came from it does not know."""
    nothing = empty_frame(table.layout)
    image = SeriesImage(table)
    if not table.layout.provenance:
        return nothing, []
    try:
        meta = imagefile.load_meta(image.folder)
        if meta is None or not whole.base <= meta.version <= whole.version:
            return nothing, []
        if log.stamp_of(table.folder, meta.version) != meta.stamp:
            return nothing, []
        times, values = imagefile.read_rows(image.folder, meta, range(1, meta.columns), None, None)
    except ImageError:
        return nothing, []
    index = pd.DatetimeIndex(times.view("datetime64[us]"), tz="UTC", name="time")
    frame = pd.DataFrame(dict(zip(table.layout.fields, values, strict=True)), index=index)
    own = pd.Categorical.from_codes(np.full(len(frame), -1, np.int8), categories=pd.Index([], dtype="str"))
    frame = frame.assign(source=own, repaired=True)
    return frame, [(int(times[0]), int(times[-1]))]


def _within(rows: pd.DataFrame, part: Part) -> pd.DataFrame:
    times = rows.index.asi8  # type: ignore[attr-defined]  # a DatetimeIndex in microseconds
    return rows.iloc[int(np.searchsorted(times, part.first)) : int(np.searchsorted(times, part.last, side="right"))]


def _without(span: Span, others: Iterable[Span], step: int) -> list[Span]:
    """Return what is left of a span without others: first and last times on the grid of a step."""
    left, first = [], span[0]
    for a, b in sorted(others):
        if a > first:
            left.append((first, min(a - step, span[1])))
        first = max(first, b + step)
    return [*left, (first, span[1])] if first <= span[1] else left
