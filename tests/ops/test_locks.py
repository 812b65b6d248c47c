"""Locks between processes: one holder, a name for it, and freedom when it dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.ops import file_lock

HOLDER = """
import sys, time
from workbench.ops import file_lock
with file_lock(sys.argv[1], "promoting 'momentum'"):
    print("held", flush=True)
    time.sleep(60)
"""

COUNTER = """
import sys
from pathlib import Path
from workbench.ops import file_lock
path = Path(sys.argv[1])
for _ in range(50):
    with file_lock(path.with_suffix(".lock"), "counting"):
        path.write_text(str(int(path.read_text()) + 1))
"""


def test_a_waiter_is_told_who_holds_it_and_a_killed_holder_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(WorkbenchError, match=rf"held by process {holder.pid} .*promoting 'momentum'.* waited 0.1 s"),
            file_lock(path, "listing", timeout=0.1),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
    with file_lock(path, "listing", timeout=0.1):
        assert "listing" in path.read_text()
    assert path.read_text() == ""


def test_no_count_is_lost_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    workers = [subprocess.Popen([sys.executable, "-c", COUNTER, str(path)]) for _ in range(4)]
    assert [w.wait(timeout=60) for w in workers] == [0] * 4
    assert path.read_text() == "200"


def test_a_place_that_cannot_be_locked_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match="cannot lock"), file_lock(tmp_path / "file" / "x.lock", "x"):
        pass
