"""Records: what is written is read back, and nothing torn or altered passes for a run."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from workbench.config import Settings
from workbench.errors import ArtifactError, WorkbenchError
from workbench.tracking import RunRecord, latest_record, list_records, load_record, read_record, write_record

Make = Callable[..., RunRecord]


def test_round_trip_keeps_values_types_and_frames(settings: Settings, make_record: Make) -> None:
    record = make_record()
    folder = write_record(record, settings)
    assert folder == settings.records_dir / "a1"
    back = read_record("a1", settings)
    for name, frame in record.frames.items():
        pd.testing.assert_frame_equal(back.frame(name), frame, check_freq=False)
    assert back.parameters == {"model": "logistic", "seed": 7}
    assert math.isnan(back.metrics["calmar_ratio"])
    assert back.metrics["omega_ratio"] == math.inf
    assert math.isnan(back.verdict["gates"][0]["value"])
    assert (back.trial, back.baselines, back.finished) == (record.trial, record.baselines, record.finished)


def test_absent_frame_is_a_clear_error(settings: Settings, make_record: Make) -> None:
    record = make_record()
    assert record.has("folds")
    assert not record.has("training")
    with pytest.raises(ArtifactError, match=r"left no frame 'training'; it has: folds, positions, returns"):
        record.frame("training")


def test_latest_is_by_finish_time_and_notebook(settings: Settings, make_record: Make) -> None:
    write_record(make_record("b", "2024-03-02T00:00:00+00:00"), settings)
    write_record(make_record("a", "2024-03-03T00:00:00+01:00"), settings)
    write_record(make_record("c", "2024-03-01T00:00:00+00:00", notebook="train"), settings)
    assert latest_record(settings).run_id == "a"
    assert load_record(settings=settings, notebook="train").run_id == "c"
    assert list(list_records(settings)["run_id"]) == ["a", "b", "c"]
    with pytest.raises(ArtifactError, match=r"no finished risk run .* 'workbench nightly'"):
        latest_record(settings, "risk")


def test_empty_home_lists_nothing_and_says_how_to_make_a_run(settings: Settings) -> None:
    table = list_records(settings)
    assert table.empty
    assert "sharpe_ratio" in table
    with pytest.raises(ArtifactError, match="workbench nightly"):
        load_record(settings=settings)


def test_torn_and_foreign_folders_are_passed_over_and_named(settings: Settings, make_record: Make) -> None:
    for run_id in ("whole", "cut", "gone", "json"):
        write_record(make_record(run_id), settings)
    root = settings.records_dir
    (root / "cut" / "folds.parquet").write_bytes(b"PAR1")
    (root / "gone" / "returns.parquet").unlink()
    (root / "json" / "run.json").write_text('{"format": 1, "rec')
    (root / "foreign").mkdir()
    (root / "note.txt").write_text("mine")
    (root / ".x.part").mkdir()
    table = list_records(settings)
    assert list(table["run_id"]) == ["whole"]
    assert len(table.attrs["warnings"]) == 5
    assert latest_record(settings).run_id == "whole"
    for run_id in ("cut", "gone", "json", "foreign"):
        with pytest.raises(ArtifactError, match=run_id):
            read_record(run_id, settings)


def test_altered_numbers_are_refused(settings: Settings, make_record: Make) -> None:
    folder = write_record(make_record("new", "2024-05-01T00:00:00+00:00"), settings)
    write_record(make_record("old"), settings)
    good = (folder / "returns.parquet").read_bytes()
    frame = folder / "returns.parquet"
    frame.write_bytes(good[:-20] + bytes([good[-20] ^ 1]) + good[-19:])
    with pytest.raises(ArtifactError, match=r"returns.parquet does not match its SHA-256"):
        read_record("new", settings)
    assert latest_record(settings).run_id == "old"
    frame.write_bytes(good)
    text = json.loads((folder / "run.json").read_text())
    text["record"]["metrics"]["sharpe_ratio"] = 3.0
    (folder / "run.json").write_text(json.dumps(text))
    with pytest.raises(ArtifactError, match=r"run.json does not match its SHA-256"):
        read_record("new", settings)
    shutil.copytree(settings.records_dir / "old", settings.records_dir / "copy")
    with pytest.raises(ArtifactError, match="holds the record of run old"):
        read_record("copy", settings)


def test_a_record_is_written_once_but_a_torn_one_is_replaced(settings: Settings, make_record: Make) -> None:
    folder = write_record(make_record(), settings)
    with pytest.raises(ArtifactError, match="written once"):
        write_record(make_record(), settings)
    (folder / "run.json").unlink()
    write_record(make_record(), settings)
    assert read_record("a1", settings).has("returns")


def test_a_failed_write_leaves_nothing(settings: Settings, make_record: Make) -> None:
    with pytest.raises(ArtifactError, match=r"record field parameters.x holds a object"):
        write_record(make_record(parameters={"x": object()}), settings)
    with pytest.raises(ArtifactError, match=r"frame name '\.\./evil'"):
        write_record(make_record(frames={"../evil": pd.DataFrame({"a": [1]})}), settings)
    with pytest.raises(ArtifactError, match="frame 'mixed' of run a1 cannot be kept as Parquet"):
        write_record(make_record(frames={"mixed": pd.DataFrame({"a": [1, "x", object()]})}), settings)
    assert not settings.records_dir.exists() or not list(settings.records_dir.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(settings: Settings, make_record: Make) -> None:
    settings.experiments_dir.mkdir(parents=True, exist_ok=True)
    settings.records_dir.write_text("a file where a folder belongs")
    with pytest.raises(WorkbenchError, match=r"cannot write .*records"):
        write_record(make_record(), settings)


@pytest.mark.parametrize("run_id", ["../up", "", "a/b", ".hidden", "x" * 200])
def test_a_run_id_never_leaves_the_records_folder(settings: Settings, run_id: str) -> None:
    with pytest.raises(ArtifactError, match="cannot name a file"):
        read_record(run_id, settings)


def test_the_beginning_of_an_id_is_enough(settings: Settings, make_record: Make) -> None:
    write_record(make_record("abc1"), settings)
    write_record(make_record("abd2"), settings)
    assert load_record("abc", settings=settings).run_id == "abc1"
    with pytest.raises(ArtifactError, match="give more of its id"):
        load_record("ab", settings=settings)
    with pytest.raises(ArtifactError, match="there is no run 'zz'"):
        load_record("zz", settings=settings)


SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import _make_record
from workbench.config import load_settings
from workbench.errors import WorkbenchError
from workbench.tracking import write_record
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
try:
    write_record(_make_record("full"), load_settings({"WORKBENCH_HOME": sys.argv[1]}))
except WorkbenchError as err:
    print(err)
"""


def test_a_full_disk_is_one_line_and_the_earlier_records_stay(settings: Settings, make_record: Make) -> None:
    write_record(make_record("before"), settings)
    command = [sys.executable, "-c", SMALL_DISK, str(settings.home), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot write ")
    assert done.stdout.count("\n") == 1
    assert [p.name for p in settings.records_dir.iterdir()] == ["before"]
    assert latest_record(settings).run_id == "before"


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import _make_record
from workbench.config import load_settings
from workbench.tracking import write_record
settings = load_settings({"WORKBENCH_HOME": sys.argv[1]})
for k in range(100_000):
    write_record(_make_record(f"r{k}"), settings)
    print(f"r{k}", flush=True)
"""


@pytest.mark.parametrize("after_s", [0.01, 0.05, 0.1])
@pytest.mark.usefixtures("unmeasured")
def test_a_kill_while_writing_loses_no_finished_record(settings: Settings, make_record: Make, after_s: float) -> None:
    command = [sys.executable, "-c", WRITER, str(settings.home), str(Path(__file__).parent)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    done = [writer.stdout.readline().strip()]
    time.sleep(after_s)
    writer.send_signal(signal.SIGKILL)
    done += writer.stdout.read().split()
    writer.wait()
    table = list_records(settings)
    assert table.attrs["warnings"] == []
    assert set(done) <= set(table["run_id"])
    for run_id in table["run_id"]:
        assert read_record(run_id, settings).has("returns")
    write_record(make_record("next"), settings)
    assert read_record("next", settings).run_id == "next"
