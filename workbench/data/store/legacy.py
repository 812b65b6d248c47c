"""Versions that the first release wrote through deltalake: without checksums, read by replaying the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from workbench.data.store.entry import Entry, Part
from workbench.errors import DataError


def legacy_entry(folder: Path, version: int, info: dict[str, Any]) -> Entry:
    """Read a version that an earlier release wrote through deltalake, by replaying the log up to it."""
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    from workbench.data.store.log import stamp_of

    try:
        actions = pa.table(DeltaTable(str(folder), version=version).get_add_actions(flatten=True)).to_pylist()
    except DeltaError as err:
        raise DataError(f"the log cannot be replayed: {str(err).strip().splitlines()[0]}") from err
    spans = [(_micros(a["min.time"]), _micros(a["max.time"])) for a in actions]
    parts = [Part(a["path"], a["size_bytes"], a["num_records"], *s) for a, s in zip(actions, spans, strict=True)]
    if any(p.digest for p in parts):  # files of this release are named only by entries of this release
        raise DataError(f"the entry {version} of the log is damaged: it names files without their checksums")
    note = {str(k): str(v) for k, v in info.items() if k in ("mode", "rows", "content_hash")}
    ordered = tuple(sorted(parts, key=lambda p: p.first))
    since = _since(folder, version)
    stamp = stamp_of(folder, version)
    return Entry(version, ordered, version, since, note, info.get("timestamp"), legacy=True, stamp=stamp)


def _micros(time: object) -> int:
    return int(pd.Timestamp(time).value) // 1000  # type: ignore[arg-type]  # a datetime of the log


def _since(folder: Path, version: int) -> int:
    from workbench.data.store.log import commit_info, entry_path

    for number in range(version, 0, -1):
        path = entry_path(folder, number)
        if commit_info(path, path.read_bytes()).get("mode") == "replace":
            return number
    return 0
