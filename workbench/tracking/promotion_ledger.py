"""The promotion ledger: who moved which champion, when, why and on which numbers, refusals too.

``experiments/promotions.jsonl`` holds one JSON line per entry, synced to disk; each carries the hash of the one before,
so that an entry cannot be changed or taken out of the middle unseen.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import Settings
from workbench.errors import ArtifactError, ConfigError
from workbench.ops.files import append_line, atomic_write
from workbench.ops.logs import get_logger
from workbench.tracking.record import from_json, to_json

if TYPE_CHECKING:
    import pandas as pd

_FIRST = "0" * 64
_log = get_logger("tracking")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    ``outcome`` is ``refused`` (a gate failed), ``intended`` (gates passed, aliases about to move), ``done`` or
    ``abandoned`` (a crash came before the champion moved). ``champion`` is the champion's version before the entry, 0
    where there was none.
    """

    name: str
    version: int
    run_id: str
    action: str
    outcome: str
    at: str
    who: str = ""
    reason: str = ""
    champion: int = 0
    sha256: str = ""
    gates: list[dict[str, Any]] = field(default_factory=list)


def ledger_path(settings: Settings) -> Path:
    """Return where the promotion ledger lies."""
    return settings.experiments_dir / "promotions.jsonl"


def append_entry(settings: Settings, entry: Entry) -> None:
    """Append one entry durably; the caller holds the promotion lock. A torn last line of a crash is cut off first."""
    path = ledger_path(settings)
    lines = _lines(path)
    previous = _verified(path, lines)
    body = {"number": len(previous) + 1, **to_json(asdict(entry), "entry"), "previous": _last_hash(previous)}
    if path.exists() and path.read_bytes() != b"".join(line + b"\n" for line in lines):
        _log.warning("a torn last line of the promotion ledger is cut off", path=str(path))
        atomic_write(path, b"".join(line + b"\n" for line in lines))
    append_line(path, json.dumps({**body, "hash": _digest(body)}))


def read_entries(settings: Settings, name: str | None = None) -> list[Entry]:
    """Return the entries in order, of one model where it is named.

    Raises
    ------
    ArtifactError
        When the chain of hashes is broken.
    """
    path = ledger_path(settings)
    found = []
    for body in _verified(path, _lines(path)):
        fields = {k: from_json(v) for k, v in body.items() if k not in ("number", "previous", "hash")}
        if name is None or fields["name"] == name:
            found.append(Entry(**fields))
    return found


def list_promotions(settings: Settings, name: str | None = None) -> pd.DataFrame:
    """List the promotion ledger as a table, oldest first; the chain of hashes is checked."""
    import pandas as pd

    columns = list(Entry.__dataclass_fields__)
    return pd.DataFrame([asdict(e) for e in read_entries(settings, name)], columns=columns)


def stamp(now: datetime) -> str:
    """Return a time as ISO text, refusing one without a zone."""
    if now.tzinfo is None:
        raise ConfigError(f"now must carry a time zone, got {now.isoformat()}; use datetime.now(UTC)")
    return now.isoformat()


def _lines(path: Path) -> list[bytes]:
    """Return the whole lines; what follows the last line feed was never acknowledged."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _verified(path: Path, lines: list[bytes]) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            body = json.loads(line)
            stated = body.pop("hash")
            whole = stated == _digest(body) and body["previous"] == _last_hash(bodies) and body["number"] == number
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise ArtifactError(
                f"promotion ledger {path} was altered at line {number}: its chain of hashes is broken; "
                "restore it from a backup"
            )
        bodies.append({**body, "hash": stated})
    return bodies


def _last_hash(bodies: list[dict[str, Any]]) -> str:
    return bodies[-1]["hash"] if bodies else _FIRST


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
