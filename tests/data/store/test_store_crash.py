"""Kills and full disks at the steps of writes, random kills beside a reader, many writers, damaged bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xxhash

from workbench.data import BarStore, content_hash, synthetic_market
from workbench.data.store.log import CHECK, ZEROS, entry_path
from workbench.errors import DataError, WorkbenchError

FAULTS = Path(__file__).with_name("faults.py")


def told(what: str, argument: float) -> dict[str, Any]:
    """Run the faults in a process of their own."""
    done = subprocess.run(
        [sys.executable, str(FAULTS), what, str(argument)], capture_output=True, text=True, check=False, timeout=3000
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def check_steps(every: int, least: int) -> dict[str, Any]:
    said = told("steps", every)
    assert [b for one in said.values() for b in one["bad"]] == []
    assert sum(one["points"] for one in said.values()) >= least
    return said


def check_full(every: int, least: int) -> dict[str, Any]:
    said = told("full", every)
    assert [b for one in said.values() for b in one["bad"]] == []
    assert sum(one["points"] for one in said.values()) >= least
    assert said["image"]["refused"] == said["catch up"]["refused"] == 0  # a read goes on without its image
    assert said["first"]["refused"] > 0
    return said


def check_kills(count: int) -> dict[str, Any]:
    said = told("kills", count)
    assert (said["kills"], said["lost"], said["wrong"], said["bad"]) == (count, 0, 0, [])
    assert said["reads"] > 0
    assert said["rows"] > 0
    return said


def check_writers(seconds: float) -> dict[str, Any]:
    said = told("writers", seconds)
    assert said["codes"] == [0] * 8
    assert said["right"] == [True, True]
    assert min(said["writes"]) > 0
    assert said["versions"] == sum(said["writes"])
    return said


def test_a_kill_at_any_step_of_a_write_leaves_the_version_before_or_after() -> None:
    check_steps(12, 30)


@pytest.mark.slow
def test_kills_at_more_steps() -> None:
    check_steps(5, 70)


@pytest.mark.slow
def test_no_space_at_any_step_is_one_line_and_loses_nothing() -> None:
    check_full(6, 45)


def test_random_kills_lose_nothing_and_show_a_reader_nothing_half_written() -> None:
    check_kills(25)


@pytest.mark.slow
def test_eight_writers_of_one_series_lose_nothing() -> None:
    check_writers(5)


@pytest.mark.soak
def test_soak_kills_at_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    said = check_steps(1, 340)
    with capsys.disabled():
        points = {name: one["points"] for name, one in said.items()}
        print(f"\nkills at every step of a write: {sum(points.values())} points {points}, none bad")


@pytest.mark.soak
def test_soak_no_space_at_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    said = check_full(1, 280)
    with capsys.disabled():
        points, refused = (sum(one[k] for one in said.values()) for k in ("points", "refused"))
        print(f"\nno space at every step: {points} points, {refused} refused in one line, none bad")


@pytest.mark.soak
def test_soak_random_kills(capsys: pytest.CaptureFixture[str]) -> None:
    said = check_kills(500)
    with capsys.disabled():
        print(f"\nrandom kills: {said}")


@pytest.mark.soak
def test_soak_eight_writers(capsys: pytest.CaptureFixture[str]) -> None:
    said = check_writers(60)
    with capsys.disabled():
        print(f"\neight writers for 60 s: {said}")


# ---------------------------------------------------------------- damaged bytes


@pytest.fixture(scope="module")
def versions() -> list[pd.DataFrame]:
    """What the versions 1 to 4 of the template hold."""
    bars = synthetic_market("gbm(seed=9, n_bars=3000)", ["A"], "1h")[0]
    revised = bars.iloc[:2500].copy()
    revised.iloc[700:710] *= 1.01
    return [bars.iloc[:1000], bars.iloc[:2000], bars.iloc[:2500], revised]


@pytest.fixture(scope="module")
def template(versions: list[pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mutated") / "bars"
    store = BarStore(root)
    for bars, mode in zip(versions, ("merge", "append", "merge", "revise"), strict=True):
        store.write("x", "A", "1h", bars if mode == "merge" else bars.iloc[700 if mode == "revise" else 1000 :], mode)  # type: ignore[arg-type]  # a mode
    store.read("x", "A", "1h")
    return root


def targets(root: Path) -> list[Path]:
    folder = root / "x" / "1h" / "A"
    groups = [
        folder.glob("*.parquet"),
        folder.glob("_delta_log/*.json"),
        folder.glob("_image/rows*"),
        folder.glob("_image/meta"),
    ]
    return [p for group in groups for p in sorted(group)]


def mutate(path: Path, other: Path, rng: np.random.Generator) -> str:
    data = bytearray(path.read_bytes())
    kind = str(rng.choice(["bit", "bit", "bit", "byte", "page", "short", "empty", "longer", "swapped"]))
    at = int(rng.integers(len(data)))
    if kind == "bit":
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == "byte":
        data[at] = (data[at] + int(rng.integers(1, 256))) % 256
    elif kind == "page":
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    elif kind == "longer":
        data += bytes(rng.integers(0, 256, 100, dtype=np.uint8))
    elif kind == "swapped":
        data = bytearray(other.read_bytes())
    else:
        data = data[: at if kind == "short" else 0]
    changed = bytes(data) != path.read_bytes()
    path.write_bytes(bytes(data))
    return kind if changed else ""


def wrong_reads(root: Path, versions: list[pd.DataFrame]) -> list[str]:
    """Read everything in every way: each answer is right, or one line says that there is none."""
    wrong = []
    ways: list[int | None] = [None, 1, 2, 3, 4]
    for store in (BarStore(root), BarStore(root, image=False)):
        for version in ways:
            expected = versions[(version or 4) - 1]
            for start, end in ((None, None), (expected.index[690], expected.index[720])):
                try:
                    got = store.read("x", "A", "1h", start, end, version)
                except DataError as err:
                    wrong += [f"two lines: {err}"] * ("\n" in str(err))
                    continue
                right = expected.loc[start : end - pd.Timedelta(1, "us")] if end is not None else expected
                if content_hash(got) != content_hash(right):
                    wrong.append(f"wrong bars of version {version}")
    return wrong


def check_mutations(
    count: int, seed: int, template: Path, versions: list[pd.DataFrame], folder: Path
) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    figures = {"mutations": 0, "found": 0, "harmless": 0, "repaired in full": 0}
    for number in range(count):
        root = folder / "trial"
        shutil.copytree(template, root)
        paths = targets(root)
        path = paths[int(rng.integers(len(paths)))]
        same = [p for p in paths if p.suffix == path.suffix and p != path] or paths
        kind = mutate(path, same[int(rng.integers(len(same)))], rng)
        where = f"mutation {number}: {kind} of {path.name}"
        if kind:
            figures["mutations"] += 1
            truth = "_image" not in path.parts
            status = BarStore(root).verify()["status"][0]
            assert (status in ("damaged", "foreign")) == truth, f"{where}: verify says {status}"
            assert wrong_reads(root, versions) == [], where
            figures["found" if truth else "harmless"] += 1
            BarStore(root).repair("x", "A", "1h")
            assert BarStore(root).verify()["status"][0] == "sound", where
            after = BarStore(root).read("x", "A", "1h")
            right = versions[3].loc[after.index] if len(after) <= 2500 else versions[3]
            newest = content_hash(after) == content_hash(right)
            # Of a lost newest version that revised older bars nobody knows which; the bars before it are right too.
            assert newest or content_hash(after) == content_hash(versions[2].loc[after.index]), where
            assert content_hash(BarStore(root, image=False).read("x", "A", "1h")) == content_hash(after), where
            figures["repaired in full"] += newest and len(after) == 2500
        shutil.rmtree(root)
    return figures


def test_damaged_bytes_are_found_or_harmless(template: Path, versions: list[pd.DataFrame], tmp_path: Path) -> None:
    figures = check_mutations(30, 1, template, versions, tmp_path)
    assert figures["found"] > 5
    assert figures["harmless"] > 1


@pytest.mark.slow
def test_more_damaged_bytes(template: Path, versions: list[pd.DataFrame], tmp_path: Path) -> None:
    assert check_mutations(100, 2, template, versions, tmp_path)["mutations"] > 90


@pytest.mark.soak
def test_soak_damaged_bytes(
    template: Path, versions: list[pd.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = check_mutations(2000, 3, template, versions, tmp_path)
    with capsys.disabled():
        print(f"\ndamaged bytes: {figures}, none wrong")


@pytest.mark.parametrize("change", [{b'"format":1': b'"format":2'}, {b'"version":4': b'"version":3'}])
def test_an_entry_of_another_format_is_not_read(template: Path, tmp_path: Path, change: dict[bytes, bytes]) -> None:
    """Its checksum is right: a later release may have written it."""
    shutil.copytree(template, tmp_path / "bars")
    path = entry_path(tmp_path / "bars" / "x" / "1h" / "A", 4)
    data = path.read_bytes()
    for old, new in change.items():
        data = data.replace(old, new)
    found = CHECK.search(data)
    assert found is not None
    blank = data[: found.start(1)] + ZEROS.encode() + data[found.end(1) :]
    path.write_bytes(data[: found.start(1)] + xxhash.xxh3_64_hexdigest(blank).encode() + data[found.end(1) :])
    with pytest.raises(DataError, match="has format"):
        BarStore(tmp_path / "bars").read("x", "A", "1h")


def test_a_file_of_another_schema_is_not_read(template: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    store = BarStore(tmp_path / "bars", image=False)
    shutil.copytree(template, store.root)
    folder = store.root / "x" / "1h" / "A"
    path = max(folder.glob("bars-00000001-*.parquet"))
    pq.write_table(pa.table({"time": [1, 2], "close": ["a", "b"]}), path)
    with pytest.raises(WorkbenchError, match=r"cannot read version 1 .* it is torn or was changed"):
        store.read("x", "A", "1h", version=1)
