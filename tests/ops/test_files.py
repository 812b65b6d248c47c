"""Atomic files and folders: a reader sees the old or the new, never half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.ops import append_line, atomic_folder, atomic_path, atomic_write, sha256_file

SMALL_DISK = """
import resource, signal, sys
from workbench.ops import append_line, atomic_folder, atomic_write
from workbench.errors import WorkbenchError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
folder, what = sys.argv[1:]
try:
    if what == "file":
        atomic_write(folder + "/kept.txt", "y" * 10_000)
    elif what == "folder":
        with atomic_folder(folder + "/new") as temporary:
            (temporary / "big").write_bytes(b"y" * 10_000)
    else:
        append_line(folder + "/kept.txt", "y" * 10_000)
except WorkbenchError as err:
    print(err)
"""


@pytest.mark.parametrize("what", ["file", "folder", "line"])
def test_a_write_that_does_not_fit_is_one_line_and_harms_nothing(tmp_path: Path, what: str) -> None:
    (tmp_path / "kept.txt").write_text("old\n")
    command = [sys.executable, "-c", SMALL_DISK, str(tmp_path), what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cannot write {tmp_path}")
    assert "free space" in done.stdout
    assert done.stdout.count("\n") == 1
    assert (tmp_path / "kept.txt").read_text().startswith("old\n")
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "run") as temporary:
        (temporary / "a.txt").write_text("a")
        assert not (tmp_path / "run").exists()
    assert (tmp_path / "run" / "a.txt").read_text() == "a"
    with pytest.raises(WorkbenchError, match="cannot write"), atomic_folder(tmp_path / "run"):
        pass
    assert (tmp_path / "run" / "a.txt").read_text() == "a"


def _fail_within_a_folder(path: Path) -> None:
    with atomic_folder(path) as temporary:
        (temporary / "a.txt").write_text("a")
        raise KeyError("lost")


def _fail_within_a_file(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError("lost")


@pytest.mark.parametrize("fail", [_fail_within_a_folder, _fail_within_a_file])
def test_an_error_within_leaves_nothing(tmp_path: Path, fail: object) -> None:
    with pytest.raises(KeyError):
        fail(tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_writing_replaces_and_checksums_know(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "deep" / "a.txt", "abc")
    assert sha256_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_lines_are_appended_one_by_one(tmp_path: Path) -> None:
    for line in ("one", "two\n", "three"):
        append_line(tmp_path / "log" / "x.jsonl", line)
    assert (tmp_path / "log" / "x.jsonl").read_text() == "one\ntwo\nthree\n"


def test_a_place_under_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match=r"cannot write .*file.x.txt: .*make the folder writable"):
        atomic_write(tmp_path / "file" / "x.txt", "x")
