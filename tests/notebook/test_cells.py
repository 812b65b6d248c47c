"""The committed notebooks are thin, ordered, without outputs, and their parameters cell is the generated one."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import pytest
from pydantic import Field

from workbench.config import NOTEBOOKS, Parameters, parameters_of
from workbench.errors import ConfigError
from workbench.notebook import Cell, check_notebook, parameters_source, sync_parameters, write_notebook

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
GOOD = (
    Cell("# Data\n\nWhat is there?"),
    Cell("", "parameters"),
    Cell("import workbench as wb", "setup"),
    Cell("1 + 1", "report"),
    Cell("2 + 2", "report"),
    Cell('page.servable(title="Data")', "app"),
)


def test_every_notebook_is_there() -> None:
    assert {p.stem for p in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_committed_notebooks_keep_the_rules(name: str) -> None:
    assert check_notebook(FOLDER / f"{name}.ipynb") == []


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_papermill_reads_the_same_names_types_and_defaults(name: str) -> None:
    from papermill import inspect_notebook

    model = parameters_of(name)
    seen = inspect_notebook(str(FOLDER / f"{name}.ipynb"))
    assert list(seen) == list(model.model_fields)
    for key, info in model.model_fields.items():
        assert ast.literal_eval(seen[key]["default"]) == info.get_default(call_default_factory=True), key
        annotation: Any = info.annotation
        wanted = annotation.__name__ if isinstance(annotation, type) and annotation is not list else str(annotation)
        assert seen[key]["inferred_type_name"] == (str(annotation) if "[" in str(annotation) else wanted), key
        assert seen[key]["help"], key


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_generated_cells_run_and_validate(name: str) -> None:
    model = parameters_of(name)
    namespace: dict[str, Any] = {}
    exec(parameters_source(model), namespace)  # noqa: S102 - the generated text is what is under test
    assert model(**{k: namespace[k] for k in model.model_fields}) == model()


def test_a_type_that_papermill_cannot_read_is_refused() -> None:
    class Odd(Parameters):
        notebook: ClassVar[str] = "odd"
        window: int | None = Field(None, description="bars")

    with pytest.raises(ConfigError, match=r"Odd.window has type int \| None"):
        parameters_source(Odd)


def test_a_default_with_an_equals_sign_is_refused() -> None:
    class Odd(Parameters):
        model: str = Field("lstm(epochs=3)", description="model")

    with pytest.raises(ConfigError, match="holds '=' or '#'"):
        parameters_source(Odd)


def test_equals_signs_in_the_help_are_rewritten() -> None:
    class Odd(Parameters):
        scale: float = Field(0.0, description="0 = off")

    assert parameters_source(Odd) == "scale: float = 0.0  # 0: off"


def test_writing_is_deterministic(tmp_path: Path) -> None:
    first = write_notebook(tmp_path / "data.ipynb", GOOD).read_bytes()
    assert write_notebook(tmp_path / "data.ipynb", GOOD).read_bytes() == first
    assert check_notebook(tmp_path / "data.ipynb") == []


def test_sync_brings_the_cell_up_to_the_model(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "data.ipynb", GOOD)
    assert sync_parameters(path) is False
    text = path.read_text().replace("source: str", "sauce: str")
    path.write_text(text)
    assert check_notebook(path) == [
        "data.ipynb: its parameters cell differs from the typed model; run workbench.notebook.sync_parameters"
    ]
    assert sync_parameters(path) is True
    assert check_notebook(path) == []


def _without(tag: str) -> tuple[Cell, ...]:
    return tuple(c for c in GOOD if c.tag != tag)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (GOOD[1:], "the first cell must be markdown"),
        (_without("setup"), "no cell tagged 'setup'"),
        (_without("app"), "0 '.servable(' calls"),
        ((*GOOD[:2], GOOD[3], GOOD[2], GOOD[5]), "out of order"),
        ((*GOOD[:3], Cell("x = 1", "plot"), GOOD[5]), "needs exactly one tag"),
        ((*GOOD[:3], Cell("%time x", "report"), GOOD[5]), "magic"),
        ((*GOOD[:3], Cell("!ls", "report"), GOOD[5]), "magic"),
        ((*GOOD[:3], Cell("def f():\n    pass", "report"), GOOD[5]), "defines a function"),
        ((*GOOD[:3], Cell("class A:\n    pass", "report"), GOOD[5]), "defines a class"),
        ((*GOOD[:3], Cell("import mlflow\nmlflow.start_run()", "report"), GOOD[5]), "touches mlflow"),
        ((*GOOD[:3], Cell("chart;", "report"), GOOD[5]), "ends in ';'"),
        ((*GOOD[:3], Cell("\n".join(f"x{i} = 1" for i in range(9)), "report"), GOOD[5]), "has 9 lines"),
        ((*GOOD[:3], *[Cell("1", "report")] * 10, GOOD[5]), "has 13 code cells"),
        ((*GOOD[:3], Cell("a.servable()", "report"), GOOD[5]), "2 '.servable(' calls"),
    ],
)
def test_the_linter_finds_each_defect(tmp_path: Path, cells: tuple[Cell, ...], words: str) -> None:
    findings = check_notebook(write_notebook(tmp_path / "data.ipynb", cells))
    assert any(words in f for f in findings), findings


def test_the_linter_finds_outputs(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "data.ipynb", GOOD)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[3].outputs = [nbformat.v4.new_output("stream", text="2")]
    nbformat.write(notebook, path)
    assert check_notebook(path) == ["data.ipynb: code cell 3 holds outputs; clear them (nbstripout does)"]


@pytest.mark.parametrize("text", ["", "not JSON", json.dumps({"cells": 3, "nbformat": 4})])
def test_a_file_that_is_no_notebook_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.ipynb"
    path.write_text(text)
    try:
        findings = check_notebook(path)
    except ConfigError as err:
        findings = [str(err)]
    assert len(findings) == 1
    assert "notebook" in findings[0]


def test_a_missing_notebook_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        check_notebook(tmp_path / "data.ipynb")
