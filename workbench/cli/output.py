"""What a verb prints: a table for people, or one JSON document and nothing else."""

from __future__ import annotations

import json
import math
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def print_json(value: Any) -> None:
    """Print one JSON document; NaN and infinities become null, times ISO text."""
    json.dump(plain(value), sys.stdout, indent=1, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def plain(value: Any) -> Any:
    """Turn frames, numpy scalars, times and paths into what JSON knows."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [plain(row) for row in value.reset_index(drop=_is_default(value)).to_dict(orient="records")]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        text = value.isoformat()
        return None if text == "NaT" else text
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _is_default(frame: pd.DataFrame) -> bool:
    return frame.index.name is None and frame.index.nlevels == 1


def print_table(frame: pd.DataFrame, empty: str) -> None:
    """Print a frame as an aligned table that fits the terminal, or one sentence when it is empty."""
    if frame.empty:
        print(empty)
        return
    from rich.console import Console
    from rich.table import Table

    frame = frame.reset_index(drop=_is_default(frame))
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in frame.columns:
        numeric = frame[name].dtype.kind in "iuf"
        table.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(v) for v in row))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 100 else f"{value:,.2f}" if abs(value) < 1e5 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return (
            "–"
            if str(value) == "NaT"
            else value.strftime("%Y-%m-%d %H:%M" if (value.hour or value.minute) else "%Y-%m-%d")
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def show(value: Any, *, as_json: bool, empty: str = "nothing to show") -> None:
    """Print a frame as JSON or as a table."""
    if as_json:
        print_json(value)
    else:
        print_table(value, empty)
