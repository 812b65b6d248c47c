"""The house: floors, doors, sorted public names, light imports, sizes."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
ROOMS = sorted(p.parent.name for p in (ROOT / "workbench").glob("*/__init__.py"))
HEAVY = (
    "vectorbt",
    "torch",
    "mlflow",
    "ccxt",
    "panel",
    "hvplot",
    "holoviews",
    "papermill",
    "sklearn",
    "deltalake",
    "talib",
    "numba",
    "arch",
    "optuna",
    "dask",
    "distributed",
    "joblib",
)


def test_floors_and_doors_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "0 broken" in done.stdout


def test_contracts_name_every_room() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {room for layer in contracts[0]["layers"] for room in re.findall(r"workbench\.(\w+)", layer)}
    assert layers == {*ROOMS, "errors", "typing"}


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_are_sorted_and_exist(room: str) -> None:
    module = importlib.import_module(f"workbench.{room}")
    assert module.__all__ == sorted(module.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for name in module.__all__:
        assert getattr(module, name) is not None, f"workbench.{room}.{name}"


def loaded_after(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.strip().splitlines()[-1]))


@pytest.mark.parametrize(
    "statement", ["import workbench", "import workbench.cli", *(f"import workbench.{r}" for r in ROOMS)]
)
def test_importing_a_room_loads_nothing_heavy(statement: str) -> None:
    assert not loaded_after(statement) & set(HEAVY)


def test_files_stay_small() -> None:
    sizes = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in (ROOT / "workbench").rglob("*.py")}
    assert {p: n for p, n in sizes.items() if n > 400} == {}


def test_no_loader_that_can_run_code() -> None:
    """Pickle, eval and unsafe YAML never appear in the library; a page runs its notebook's cells, and says so."""
    banned = re.compile(
        r"\b(pickle|cloudpickle|joblib)\.load|\btorch\.load\(|\byaml\.load\(|(?<![\w.])eval\(|(?<![\w.])exec\(|shell=True"
    )
    hits = [
        f"{p.relative_to(ROOT)}: {line.strip()}"
        for p in (ROOT / "workbench").rglob("*.py")
        for line in p.read_text().splitlines()
        if banned.search(line) and "running the notebook is the page's purpose" not in line
    ]
    assert hits == []


def test_only_the_atomic_writer_opens_files_for_writing() -> None:
    writes = re.compile(r"\.write_(text|bytes)\(|open\([^)]*['\"][wax]b?\+?['\"]")
    allowed = {"workbench/ops/files.py"}
    hits = []
    for path in (ROOT / "workbench").rglob("*.py"):
        name = str(path.relative_to(ROOT))
        for line in path.read_text().splitlines():
            if writes.search(line) and name not in allowed and "# atomic:" not in line:
                hits.append(f"{name}: {line.strip()}")
    assert hits == []


def test_no_function_is_a_stub() -> None:
    for path in (ROOT / "workbench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and node.exc is not None:
                assert "NotImplementedError" not in ast.dump(node.exc), path


def requirements() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["dev"]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def pins(text: str) -> dict[str, str]:
    return {canonicalize_name(n): v for n, v in re.findall(r"^\s*(?:- )?([A-Za-z0-9_.-]+)==(\S+)$", text, re.M)}


def test_lock_satisfies_pyproject() -> None:
    lock = pins((ROOT / "requirements.lock").read_text())
    for name, requirement in requirements().items():
        assert name in lock, f"{name} is not in requirements.lock"
        assert requirement.specifier.contains(lock[name], prereleases=True), (
            f"{name} {lock[name]} is outside {requirement.specifier}"
        )


def test_conda_environment_has_the_locked_versions() -> None:
    lock, conda = pins((ROOT / "requirements.lock").read_text()), pins((ROOT / "environment.yml").read_text())
    assert conda == {name: lock[name] for name in requirements()}


def test_git_keeps_no_outputs_or_local_paths() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".ipynb", ".lock"} and path.is_file():
            assert f"{ROOT}/" not in path.read_text(), name
