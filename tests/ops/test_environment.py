"""The environment of a run: enough to reproduce it, without loading a library."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

from workbench.ops import describe_environment, git_revision, lock_hash


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_revision_tells_clean_from_dirty(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == ""
    _git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1")
    _git(tmp_path, "add", "a.py")
    _git(tmp_path, "commit", "-qm", "one")
    _git(tmp_path, "tag", "v1")
    head = _git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "untracked.txt").write_text("x")
    assert git_revision(tmp_path) == head
    (tmp_path / "a.py").write_text("2")
    assert git_revision(tmp_path) == f"{head}+dirty"


def test_lock_hash_is_the_files(tmp_path: Path) -> None:
    assert lock_hash(tmp_path) == ""
    (tmp_path / "requirements.lock").write_text("numpy==2.4.0\n")
    assert lock_hash(tmp_path) == hashlib.sha256(b"numpy==2.4.0\n").hexdigest()
    assert describe_environment(tmp_path)["lock_hash"] == lock_hash(tmp_path)


def test_description_names_versions_and_loads_no_library(tmp_path: Path) -> None:
    found = describe_environment(tmp_path)
    assert found["python"] == platform.python_version()
    assert all(found["versions"].values())
    code = (
        "import sys; from pathlib import Path; from workbench.ops import describe_environment;"
        "describe_environment(Path('.'));"
        "print([m for m in ('torch', 'mlflow', 'pandas', 'vectorbt') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
