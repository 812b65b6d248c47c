"""What the store promises when things break: a torn file, a full or read-only disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from workbench.data import BarStore, content_hash, synthetic_market
from workbench.errors import DataError, WorkbenchError


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars")


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return synthetic_market("gbm(seed=9, n_bars=3000)", ["A"], "1h")[0]


def test_a_torn_file_is_one_line_and_earlier_versions_are_whole(store: BarStore, bars: pd.DataFrame) -> None:
    store.write("import", "A", "1h", bars.iloc[:1000])
    store.write("import", "A", "1h", bars, "replace")
    folder = store.root / "import" / "1h" / "A"
    newest = max(folder.glob("bars-*.parquet"))
    data = bytearray(newest.read_bytes())
    data[len(data) // 3] ^= 0xFF
    newest.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"cannot read version 2 of A 1h \(import\)") as told:
        store.read("import", "A", "1h")
    assert "\n" not in str(told.value)
    assert content_hash(store.read("import", "A", "1h", version=1)) == content_hash(bars.iloc[:1000])
    newest.unlink()
    with pytest.raises(DataError, match="cannot read version 2"):
        store.read("import", "A", "1h")
    assert store.write("import", "A", "1h", bars, "replace") == 3
    assert content_hash(store.read("import", "A", "1h")) == content_hash(bars)


def test_a_torn_log_is_one_line_and_earlier_versions_are_whole(store: BarStore, bars: pd.DataFrame) -> None:
    store.write("import", "A", "1h", bars.iloc[:1000])
    store.write("import", "A", "1h", bars)
    entry = store.root / "import" / "1h" / "A" / "_delta_log" / f"{2:020d}.json"
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot read the newest version of A 1h") as told:
        store.read("import", "A", "1h")
    assert "\n" not in str(told.value)
    assert len(store.read("import", "A", "1h", version=1)) == 1000
    status = store.list()["status"].iloc[0]
    assert status.startswith("cannot read the newest version")
    with pytest.raises(DataError, match="A 1h"):
        store.write("import", "A", "1h", bars.iloc[:2000], "replace")
    entry.write_bytes(whole)
    assert len(store.read("import", "A", "1h")) == 3000


def test_a_file_too_large_for_the_disk_is_one_line_and_nothing_is_lost(tmp_path: Path, bars: pd.DataFrame) -> None:
    """The kernel refuses to write beyond a limit in a child process, as a full disk would."""
    store = BarStore(tmp_path / "bars")
    store.write("import", "A", "1h", bars.iloc[:100])
    code = (
        "import resource, sys\n"
        "from workbench.data import BarStore, synthetic_market\n"
        "bars = synthetic_market('gbm(seed=9, n_bars=3000)', ['A'], '1h')[0]\n"
        "store = BarStore(sys.argv[1])\n"
        "before = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))\n"
        "try:\n    store.write('import', 'A', '1h', bars)\n"
        "except Exception as err:\n    print(type(err).__name__, err)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.root)], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert len(store.read("import", "A", "1h")) == 100
    assert store.write("import", "A", "1h", bars) == 2
    assert not list(store.root.rglob("*.part"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB, where the user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() or not mount or not unmount:
        pytest.skip("only root mounts a small disk")
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield disk
    subprocess.run([unmount, disk], check=True)


def fill(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):  # until no space is left
        while os.write(handle, bytes(4096)) > 0:
            pass
    os.close(handle)


def test_a_full_disk_is_one_line_and_nothing_is_lost(small_disk: Path, bars: pd.DataFrame) -> None:
    store = BarStore(small_disk / "bars")
    assert store.write("import", "A", "1h", bars.iloc[:1000]) == 1
    filler = small_disk / "filler"
    fill(filler)
    for _ in range(2):
        with pytest.raises(WorkbenchError, match="free space") as told:
            store.write("import", "A", "1h", bars)
        assert "\n" not in str(told.value)
        assert len(store.read("import", "A", "1h")) == 1000
    filler.unlink()
    assert store.write("import", "A", "1h", bars) == 2
    assert content_hash(store.read("import", "A", "1h")) == content_hash(bars)


def test_a_read_only_disk_is_read_and_not_written(small_disk: Path, bars: pd.DataFrame) -> None:
    store = BarStore(small_disk / "bars")
    store.write("import", "A", "1h", bars.iloc[:1000])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(WorkbenchError, match="make the folder writable|make it writable") as told:
        store.write("import", "A", "1h", bars)
    assert "\n" not in str(told.value)
    with pytest.raises(WorkbenchError):
        store.write("import", "B", "1h", bars.rename(columns={"A": "B"}, level=1))
    assert len(store.read("import", "A", "1h")) == 1000
    assert store.list()["status"].tolist() == ["ok"]
