"""Findings of imports, kept beside a table as one JSON file: no bar that was left out is forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import DataError
from workbench.ops import atomic_write

FINDING_COLUMNS = ("kind", "symbol", "time", "field", "value", "note", "set_aside")


def findings_path(folder: Path) -> Path:
    """Return the file of a series' import findings."""
    return folder / "_quality" / "import_findings.json"


def keep_findings(folder: Path, findings: pd.DataFrame, version: int, since: int) -> None:
    """Add findings to those kept, as of a version of the table; what is kept since a version is not added again."""
    kept = _read(folder)
    known = {_identity(r) for r in kept if r["version"] >= since}
    for row in findings[list(FINDING_COLUMNS)].to_dict("records"):
        record = {str(k): v for k, v in row.items()}
        record["time"] = None if pd.isna(record["time"]) else pd.Timestamp(record["time"]).isoformat()
        record["value"] = None if pd.isna(record["value"]) else repr(float(record["value"]))
        record["set_aside"] = bool(record["set_aside"])
        if _identity(record) not in known:
            known.add(_identity(record))
            kept.append({**record, "version": version})
    atomic_write(findings_path(folder), json.dumps(kept, indent=1))


def read_findings(folder: Path, since: int, version: int) -> pd.DataFrame:
    """Return the findings of the versions ``since`` to ``version``, oldest first."""
    rows = [r for r in _read(folder) if since <= r["version"] <= version]
    frame = pd.DataFrame(rows, columns=list(FINDING_COLUMNS))
    frame["time"] = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
    return frame.astype({"value": float, "set_aside": bool})


def _read(folder: Path) -> list[dict[str, Any]]:
    path = findings_path(folder)
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError) as err:
        raise DataError(f"the import findings {path} are damaged ({err}); move the file away and import again") from err


def _identity(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[c] for c in FINDING_COLUMNS)
