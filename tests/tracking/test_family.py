"""A parent run and its children: fifty at the same time, from threads and processes, an interrupted parent goes on."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from workbench.config import Settings
from workbench.tracking import list_runs
from workbench.tracking.family import list_children, start_child, start_parent


@pytest.mark.slow
def test_fifty_parallel_children_have_one_parent(store: Settings) -> None:
    with start_parent(store, "search", "parent") as parent:
        family = parent.run_id

        def trial(number: int) -> None:
            with start_child(store, "search", family, f"trial {number}") as child:
                child.log_params({"number": number})
                child.log_metric("score", number / 10)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(trial, range(50)))
    children = list_children(store, family)
    assert len(children) == 50
    assert sorted(children["params.number"].astype(int)) == list(range(50))
    assert (children["status"] == "FINISHED").all()
    assert (children["score"] == children["params.number"].astype(float) / 10).all()
    runs = list_runs(store)
    assert len(runs) == 51
    assert runs.set_index("run_id").loc[family, "status"] == "FINISHED"


@pytest.mark.soak
def test_children_of_another_process_and_one_that_fails(store: Settings) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom workbench.config import load_settings\n"
        "from workbench.tracking.family import start_child\n"
        "settings = load_settings({'WORKBENCH_HOME': sys.argv[1]})\n"
        "with start_child(settings, 'search', sys.argv[2], 'far') as child:\n    child.log_metric('score', 1.0)\n"
    )
    with start_parent(store, "search", "parent") as parent:
        family = parent.run_id
        subprocess.run([sys.executable, "-c", code, str(store.home), family], check=True, timeout=120)
        with pytest.raises(ZeroDivisionError), start_child(store, "search", family, "fails"):
            raise ZeroDivisionError
    children = list_children(store, family).set_index("name")
    assert children["status"].to_dict() == {"far": "FINISHED", "fails": "FAILED"}


def test_an_interrupted_parent_goes_on_and_a_lost_one_is_made_anew(store: Settings) -> None:
    with start_parent(store, "search", "first") as parent:
        family = parent.run_id
    with start_parent(store, "search", "second", again=family) as parent:
        assert parent.run_id == family
        parent.log_metric("best", 2.0)
    assert len(list_runs(store)) == 1
    assert list_children(store, family).empty
    with start_parent(store, "search", "third", again="0" * 32) as parent:
        assert parent.run_id != "0" * 32


def test_without_mlflow_the_work_goes_on(store: Settings) -> None:
    (store.experiments_dir / "mlflow.db").write_bytes(b"this is no database " * 100)
    with start_parent(store, "search", "parent", again="1" * 32) as parent:
        with start_child(store, "search", parent.run_id, "child") as child:
            child.log_metric("score", 1.0)
        assert "failed" in parent.problem
