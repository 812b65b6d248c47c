"""The committed notebooks as files: the generated parameters cell, writing, and the linter that holds them thin."""

from __future__ import annotations

import hashlib
import json
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import Parameters, parameters_of
from workbench.errors import ConfigError
from workbench.ops import atomic_write

if TYPE_CHECKING:
    from nbformat import NotebookNode

TAGS = ("parameters", "setup", "data", "run", "report", "check", "app")
"""Tags of code cells, in the order in which they must stand; only ``report`` may repeat."""

MAX_CODE_CELLS = 12
MAX_LINES = 8
_PAPERMILL_TYPES = ("str", "int", "float", "bool", "list[str]", "list[int]", "list[float]")
_FORBIDDEN = (
    (re.compile(r"^\s*(async\s+def|def)\b", re.M), "defines a function; move it into the library"),
    (re.compile(r"^\s*class\b", re.M), "defines a class; move it into the library"),
    (re.compile(r"^\s*[%!]", re.M), "uses a magic or a shell line, which kills the served page"),
    (re.compile(r"\bmlflow\b"), "touches mlflow; runs are tracked by the library"),
    (re.compile(r";\s*\Z"), "ends in ';', which leaves no output"),
)


@dataclass(frozen=True)
class Cell:
    """One cell to write: ``tag`` is one of `TAGS`, or empty for markdown."""

    source: str
    tag: str = ""


def parameters_source(model: type[Parameters]) -> str:
    """Generate the source of the ``parameters`` cell from a typed model.

    One line per parameter, ``name: type = value  # help``, in the form that papermill parses: plain types and exactly
    one equals sign.

    Raises
    ------
    ConfigError
        When a parameter has a type or a default that papermill could not read back.
    """
    return "\n".join(_parameter_line(model, name) for name in model.model_fields)


def _parameter_line(model: type[Parameters], name: str) -> str:
    info = model.model_fields[name]
    kind = _type_name(info.annotation)
    if kind not in _PAPERMILL_TYPES:
        raise ConfigError(
            f"{model.__name__}.{name} has type {kind}; papermill reads only {', '.join(_PAPERMILL_TYPES)}"
        )
    value = _literal(info.get_default(call_default_factory=True))
    if "=" in value or "#" in value:
        raise ConfigError(
            f"{model.__name__}.{name}: its default {value} holds '=' or '#', which papermill cannot parse"
        )
    help_text = re.sub(r"\s*=\s*", ": ", " ".join((info.description or "").split()))
    return f"{name}: {kind} = {value}" + (f"  # {help_text}" if help_text else "")


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, types.GenericAlias):
        return f"{annotation.__origin__.__name__}[{', '.join(a.__name__ for a in typing.get_args(annotation))}]"
    return getattr(annotation, "__name__", str(annotation))


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_literal(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def write_notebook(path: Path | str, cells: Sequence[Cell]) -> Path:
    """Write a notebook without outputs, the same bytes for the same cells.

    Cells tagged ``parameters`` get their generated source: the file's stem names the model.
    """
    import nbformat

    path = Path(path)
    notebook = nbformat.v4.new_notebook(metadata={
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    })  # fmt: skip
    for number, cell in enumerate(cells):
        notebook.cells.append(_new_cell(path.stem, cell, number))
    return _save(path, notebook)


def _new_cell(stem: str, cell: Cell, number: int) -> NotebookNode:
    import nbformat

    identity = hashlib.sha256(f"{stem}/{number}/{cell.tag}".encode()).hexdigest()[:8]
    if not cell.tag:
        return nbformat.v4.new_markdown_cell(cell.source.strip(), id=identity)
    source = parameters_source(parameters_of(stem)) if cell.tag == "parameters" else cell.source.strip()
    return nbformat.v4.new_code_cell(source, id=identity, metadata={"tags": [cell.tag]})


def sync_parameters(path: Path | str) -> bool:
    """Bring a notebook's ``parameters`` cell up to its typed model; return whether the file changed."""
    path = Path(path)
    notebook = _load(path)
    wanted = parameters_source(parameters_of(path.stem))
    for cell in notebook.cells:
        if "parameters" in _tags(cell):
            if cell.source == wanted:
                return False
            cell.source = wanted
            _save(path, notebook)
            return True
    raise ConfigError(f"{path.name} has no cell tagged 'parameters'; tag one in JupyterLab's property inspector")


def check_notebook(path: Path | str) -> list[str]:
    """Lint a committed notebook and return one line per finding; empty when it keeps all rules.

    The rules: valid nbformat; a heading first; tags known and in order; no outputs; no ``def``, ``class``, magics or
    mlflow; at most twelve code cells of at most eight lines; one ``.servable(`` and that in the ``app`` cell; the
    ``parameters`` cell equal to the generated one.
    """
    import nbformat

    path = Path(path)
    notebook = _load(path)
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as err:
        return [f"{path.name}: not a valid notebook: {str(err).splitlines()[0]}"]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    findings = [*_whole_findings(path, notebook, code), *_order_findings(code)]
    for number, cell in enumerate(code, start=1):
        findings += [f"code cell {number} {text}" for text in _cell_findings(cell)]
    return [f"{path.name}: {text}" for text in findings]


def _whole_findings(path: Path, notebook: NotebookNode, code: list[NotebookNode]) -> list[str]:
    findings = []
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        findings.append("the first cell must be markdown with a '# Title'")
    if len(code) > MAX_CODE_CELLS:
        findings.append(f"has {len(code)} code cells, at most {MAX_CODE_CELLS} are allowed")
    servable = [cell for cell in code for _ in re.findall(r"\.servable\(", cell.source)]
    if len(servable) != 1 or "app" not in _tags(servable[0]):
        findings.append(f"has {len(servable)} '.servable(' calls; exactly one is needed, in the cell tagged 'app'")
    parameters = [cell.source for cell in code if "parameters" in _tags(cell)]
    if parameters and parameters[0] != parameters_source(parameters_of(path.stem)):
        findings.append("its parameters cell differs from the typed model; run workbench.notebook.sync_parameters")
    return findings


def _order_findings(code: list[NotebookNode]) -> list[str]:
    findings, last = [], -1
    seen: set[str] = set()
    for number, cell in enumerate(code, start=1):
        tags = [t for t in _tags(cell) if t in TAGS]
        if len(tags) != 1:
            findings.append(f"code cell {number} needs exactly one tag of {', '.join(TAGS)}, has {_tags(cell)}")
            continue
        position = TAGS.index(tags[0])
        if position < last or (tags[0] in seen and tags[0] != "report"):
            findings.append(f"code cell {number} tagged {tags[0]!r} is out of order; the order is {', '.join(TAGS)}")
        last = max(last, position)
        seen.add(tags[0])
    missing = [t for t in ("parameters", "setup", "app") if t not in seen]
    return findings + [f"has no cell tagged {t!r}" for t in missing]


def _cell_findings(cell: NotebookNode) -> list[str]:
    findings = [text for pattern, text in _FORBIDDEN if pattern.search(cell.source)]
    if cell.outputs or cell.execution_count is not None:
        findings.append("holds outputs; clear them (nbstripout does)")
    lines = len(cell.source.splitlines())
    if lines > MAX_LINES and "parameters" not in _tags(cell):
        findings.append(f"has {lines} lines, at most {MAX_LINES} are allowed")
    return findings


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _load(path: Path) -> NotebookNode:
    import nbformat

    if not path.is_file():
        raise ConfigError(f"notebook {str(path)!r} does not exist")
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as err:
        raise ConfigError(f"{path.name} is not a notebook: {str(err).splitlines()[0][:120]}") from None


def _save(path: Path, notebook: NotebookNode) -> Path:
    import nbformat

    return atomic_write(path, nbformat.writes(notebook, version=4) + "\n")
