"""A user's file of dated texts, read and checked: CSV, JSON or one JSON object a line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from workbench.config import did_you_mean
from workbench.errors import ConfigError, DataError

COLUMNS = ("published", "text", "symbol", "source")
"""Columns of a frame of texts; symbol and source are empty texts where the file has none."""
_ALIASES = {
    "published": ("published", "published_at", "published_time", "publish_time", "pubdate", "time", "datetime", "date"),
    "text": ("text", "headline", "title", "body", "content"),
    "symbol": ("symbol", "ticker", "asset"),
    "source": ("source", "publisher", "feed"),
}
_SHOWN = 3
_DAY = len("2024-03-01")
Row = tuple[int, Mapping[str, Any]]


def read(path: str | Path, *, timezone: str = "UTC", errors: Literal["raise", "skip"] = "raise") -> pd.DataFrame:
    """Read dated texts from a file.

    Parameters
    ----------
    path
        ``.csv`` (or ``.tsv``) with a header, ``.json`` with a list of objects, or ``.jsonl`` with one object a line;
        UTF-8. Columns: ``published`` and ``text``, and if you like ``symbol`` and ``source``; usual other names such as
        ``pubDate`` and ``headline`` are understood.
    timezone
        Zone of times that name none, such as ``"America/New_York"``.
    errors
        ``"raise"``, or ``"skip"`` rows that cannot be used; these are listed in ``frame.attrs["bad_rows"]``.

    Returns
    -------
    DataFrame
        Columns published (UTC), text, symbol, source; sorted by published, rows of one time as in the file.

    Raises
    ------
    DataError
        A file that cannot be read, a missing column, or bad rows by number and column; the row after the header is 2,
        the first object 1.

    Notes
    -----
    Times may be ISO 8601, as in e-mail and RSS (``Fri, 01 Mar 2024 14:30:00 GMT``), or seconds or milliseconds since
    1970. A date without a time of day counts as published when that day ends: nobody knows at noon what the file only
    dates to the day.
    """
    if errors not in ("raise", "skip"):
        raise ConfigError(f"errors must be 'raise' or 'skip', got {errors!r}")
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        raise ConfigError(f"there is no time zone {timezone!r}; write it like 'UTC' or 'America/New_York'") from None
    file = Path(path)
    rows = _rows(file)
    names = _columns(file, rows)
    return _frame(file.name, [_one(number, row, names, zone) for number, row in rows], errors)


def check_texts(texts: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of texts with all four columns, sorted by time; for frames that `read` did not make.

    Raises
    ------
    DataError
        A missing column, or a row without time or text, by row and column.
    """
    if not isinstance(texts, pd.DataFrame):
        raise DataError(f"texts must be a frame as texts.read returns it, got {type(texts).__name__}")
    for name in ("published", "text"):
        if name not in texts.columns:
            raise DataError(f"texts lack the column {name!r}.{did_you_mean(name, map(str, texts.columns))}")
    published = texts["published"]
    if not isinstance(published.dtype, pd.DatetimeTZDtype):
        raise DataError(
            f"column 'published' must hold times with a zone, got {published.dtype}; use pd.to_datetime(utc=True)"
        )
    for name in ("published", "text"):
        missing = texts[name].isna().to_numpy()
        if missing.any():
            raise DataError(f"row {int(missing.argmax())}, column {name!r} is empty; leave the row out")
    columns = {
        "published": published.dt.tz_convert("UTC").dt.as_unit("ns"),
        "text": texts["text"].astype(str),
        **{n: texts[n].fillna("").astype(str) if n in texts.columns else "" for n in ("symbol", "source")},
    }
    return pd.DataFrame(columns, index=texts.index).sort_values("published", kind="stable", ignore_index=True)


def _rows(file: Path) -> list[Row]:
    suffix = file.suffix.lower()
    if suffix not in (".csv", ".tsv", ".json", ".jsonl", ".ndjson"):
        raise DataError(
            f"{file.name}: texts are read from .csv, .tsv, .json or .jsonl files, got {suffix or 'no ending'!r}"
        )
    try:
        content = file.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise DataError(f"{file} cannot be read: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise DataError(f"{file.name} is not UTF-8 (byte {err.start}); save it as UTF-8") from err
    if suffix in (".csv", ".tsv"):
        table = csv.DictReader(io.StringIO(content, newline=""), delimiter="\t" if suffix == ".tsv" else ",")
        return [(number, row) for number, row in enumerate(table, start=2)]
    try:
        if suffix == ".json":
            found = json.loads(content)
            objects = list(enumerate(found, start=1)) if isinstance(found, list) else []
        else:
            lines = enumerate(content.splitlines(), start=1)
            objects = [(number, json.loads(line)) for number, line in lines if line.strip()]
    except json.JSONDecodeError as err:
        raise DataError(f"{file.name} is no JSON: {err.msg} in line {err.lineno}; mend it there") from err
    for number, row in objects:
        if not isinstance(row, dict):
            raise DataError(
                f'{file.name}: entry {number} is {type(row).__name__}, not an object; write {{"published": …}}'
            )
    return objects


def _columns(file: Path, rows: Sequence[Row]) -> dict[str, str]:
    """Return the file's names of our columns."""
    seen: dict[str, str] = {}
    for _, row in rows:
        seen.update({str(name).strip().lower(): str(name) for name in row if name is not None})
    names = {}
    for column, aliases in _ALIASES.items():
        found = next((seen[a] for a in aliases if a in seen), None)
        if found is not None:
            names[column] = found
    if not rows:
        raise DataError(f"{file.name} holds no texts; give it rows with published and text")
    for column in ("published", "text"):
        if column not in names:
            has = ", ".join(seen.values()) or "no columns"
            raise DataError(f"{file.name} lacks the column {column!r} (it has {has}).{did_you_mean(column, seen)}")
    return names


def _one(number: int, row: Mapping[str, Any], names: Mapping[str, str], zone: tzinfo) -> tuple[list[str], list[Any]]:
    """Return what is wrong with a row, and its four values."""
    wrong = ["has more cells than the header"] if None in row else []
    raw = row.get(names["published"])
    published = _time(raw, zone)
    if published is None:
        wrong.append(f"column {names['published']!r}: {raw!r} is no time; write it like 2024-03-01T14:30:00Z")
    text = row.get(names["text"])
    if not isinstance(text, str) or not text.strip():
        wrong.append(f"column {names['text']!r}: {text!r} is no text")
    others = [str(row.get(names[c]) or "").strip() if c in names else "" for c in ("symbol", "source")]
    return [f"row {number}, {w}" if w.startswith("column") else f"row {number} {w}" for w in wrong], [
        published, text, *others,
    ]  # fmt: skip


def _time(value: Any, zone: tzinfo) -> datetime | None:
    if isinstance(value, bool) or value is None:
        return None
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return _written_time(text, zone)
    if len(text) == len("20240301"):
        return _written_time(text, zone)
    for least, scale in ((1e8, 1.0), (1e11, 1e-3)):
        if least <= number < 100 * least:
            return datetime.fromtimestamp(number * scale, tz=UTC)
    return None


def _written_time(text: str, zone: tzinfo) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            when = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return None
    if len(text) <= _DAY:
        when += timedelta(days=1)  # a date only: known when the day is over
    return (when if when.tzinfo is not None else when.replace(tzinfo=zone)).astimezone(UTC)


def _frame(name: str, rows: Sequence[tuple[list[str], list[Any]]], errors: str) -> pd.DataFrame:
    bad = [problem for problems, _ in rows for problem in problems]
    good = [values for problems, values in rows if not problems]
    if bad and (errors == "raise" or not good):
        shown, more = "; ".join(bad[:_SHOWN]), f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise DataError(
            f"{name}: {shown}{more} ({len(good)} of {len(rows)} rows are good); mend them or pass errors='skip'"
        )
    frame = check_texts(pd.DataFrame(good, columns=list(COLUMNS)))
    frame.attrs["bad_rows"] = bad
    return frame
