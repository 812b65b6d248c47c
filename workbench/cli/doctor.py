"""``workbench doctor``: is this installation whole, and how to mend it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from workbench.cli.output import print_json
from workbench.config import Settings, load_settings

_ENOUGH_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One check: its name, ``ok``, ``warn`` or ``fail``, what was seen and the cure."""

    check: str
    status: str
    seen: str
    cure: str = ""


def doctor(*, json: bool = False) -> int:
    """Check this installation and say how to mend it; exit code 1 when something fails.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    settings = load_settings()
    findings = [finding for check in CHECKS for finding in check(settings)]
    if json:
        print_json([asdict(f) for f in findings])
    else:
        for f in findings:
            print(f"{f.status:5} {f.check:12} {f.seen}" + (f"  →  {f.cure}" if f.cure else ""))
    return 1 if any(f.status == "fail" for f in findings) else 0


def _python(_: Settings) -> list[Finding]:
    seen = f"{sys.version.split()[0]} at {sys.executable}"
    fine = sys.version_info >= (3, 11)
    return [Finding("python", "ok" if fine else "fail", seen, "" if fine else "use Python 3.11 or newer")]


def _packages(settings: Settings) -> list[Finding]:
    lock = settings.home / "requirements.lock"
    if not lock.is_file():
        return [
            Finding(
                "packages",
                "warn",
                f"no {lock.name} in {settings.home}",
                "run inside the project, or set WORKBENCH_HOME",
            )
        ]
    wrong = []
    pinned = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", lock.read_text(encoding="utf-8"), re.M)
    for name, wanted in pinned:
        found = _installed(name)
        if found is None:
            wrong.append(f"{name} is missing")
        elif found.split("+")[0] != wanted:
            wrong.append(f"{name} {found} instead of {wanted}")
    if wrong:
        shown = "; ".join(wrong[:4]) + (f" and {len(wrong) - 4} more" if len(wrong) > 4 else "")
        return [Finding("packages", "warn", shown, "run 'make setup'")]
    return [Finding("packages", "ok", f"all {len(pinned)} as locked")]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _folders(settings: Settings) -> list[Finding]:
    found = []
    for name, folder in {"data": settings.data_dir, "experiments": settings.experiments_dir}.items():
        there = next(p for p in (folder, *folder.parents) if p.exists())
        fine = os.access(there, os.W_OK)
        found.append(Finding(name, "ok" if fine else "fail", str(folder), "" if fine else f"make {there} writable"))
    fine = settings.notebooks_dir.is_dir()
    found.append(
        Finding(
            "notebooks",
            "ok" if fine else "fail",
            str(settings.notebooks_dir),
            "" if fine else "run inside the project, or set WORKBENCH_HOME",
        )
    )
    return found


def _disk(settings: Settings) -> list[Finding]:
    there = next(p for p in (settings.data_dir, *settings.data_dir.parents) if p.exists())
    free = shutil.disk_usage(there).free
    fine = free > _ENOUGH_BYTES
    return [
        Finding(
            "disk",
            "ok" if fine else "warn",
            f"{free / 2**30:.1f} GiB free",
            "" if fine else "free some space: runs and models need about 2 GiB",
        )
    ]


def _databases(settings: Settings) -> list[Finding]:
    found = []
    for name, path in {"mlflow": settings.experiments_dir / "mlflow.db", "ledger": settings.ledger_path}.items():
        found.append(_database(name, path))
    return found


def _database(name: str, path: Path) -> Finding:
    if not path.is_file():
        return Finding(name, "ok", f"{path.name} is made by the first run")
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            answer = connection.execute("PRAGMA quick_check").fetchone()[0]
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as err:
        return Finding(name, "fail", f"{path}: {err}", "restore it from a backup")
    if answer != "ok":
        return Finding(name, "fail", f"{path}: {answer}", "restore it from a backup")
    return Finding(
        name,
        "ok" if journal == "wal" else "warn",
        f"{path.name} whole, journal {journal}",
        "" if journal == "wal" else "run 'workbench nightly' once",
    )


def _browser(_: Settings) -> list[Finding]:
    for name in ("chromium", "google-chrome", "chromium-browser"):
        if found := shutil.which(name):
            return [Finding("browser", "ok", found)]
    return [Finding("browser", "warn", "no Chromium", "only the browser tests need it: install the package 'chromium'")]


CHECKS: tuple[Callable[[Settings], list[Finding]], ...] = (_python, _packages, _folders, _disk, _databases, _browser)
