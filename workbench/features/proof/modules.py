"""Features of a user's own module or notebook, loaded to be checked."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import json
import linecache
import sys
from pathlib import Path

from workbench.errors import ConfigError, DataError, WorkbenchError
from workbench.features.codehash import forget
from workbench.features.registry import REGISTRY, Feature, Registry


def load_features(path: Path | str, registry: Registry = REGISTRY) -> list[str]:
    """Run a Python file that registers features, and return their names, sorted.

    Parameters
    ----------
    path
        A file such as ``my_features.py``; of a notebook (``.ipynb``) the code cells that import something or register
        features are run, and of the others the functions, classes and constants that these name.

    Raises
    ------
    ConfigError
        When the file is missing, is of another kind or registers nothing.
    DataError
        When running it fails: with the kind of error, its words and its line.
    """
    path = Path(path)
    if path.suffix not in (".py", ".ipynb"):
        raise ConfigError(f"{path} is neither a Python file nor a notebook; give a file that ends in .py or .ipynb")
    if not path.is_file():
        raise ConfigError(f"there is no file {path}; give the path of a module that registers features")
    before = {f.name: f for f in registry}
    forget(str(path))
    name = f"workbench_user_{path.stem}"
    loader = _Text(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ConfigError(f"{path} cannot be loaded as a module; give a file that ends in .py or .ipynb")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except WorkbenchError:
        _take_back(name, registry, before)
        raise
    except (Exception, SystemExit) as err:
        _take_back(name, registry, before)
        raise DataError(
            f"{path} failed: {type(err).__name__}: {err} (line {_line(err, path)}); mend it and check again"
        ) from err
    made = [f.name for f in registry if before.get(f.name) is not f]
    if not made:
        raise ConfigError(
            f'{path} registers no feature; decorate a function with @indicator("name") or @feature("name")'
        )
    return made


def _take_back(module: str, registry: Registry, before: dict[str, Feature]) -> None:
    """Undo what a module did that failed half way."""
    sys.modules.pop(module, None)
    for feature in list(registry):
        if before.get(feature.name) is not feature:
            registry.discard(feature.name)
    for name in before.keys() - set(registry.names()):
        registry.add(before[name])


class _Text(importlib.machinery.SourceFileLoader):
    """Loads a file's text as it is now, a notebook's code cells as one text, and keeps no compiled copy."""

    def get_data(self, path: str) -> bytes:
        if not path.endswith((".py", ".ipynb")):
            raise OSError(path)  # a compiled copy of an earlier text
        if path.endswith(".py"):
            return super().get_data(path)
        text = _code_of(Path(path))
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        return text.encode()

    def set_data(self, path: str, data: object, *, _mode: int = 0o666) -> None: ...


def _code_of(path: Path) -> str:
    try:
        cells = json.loads(path.read_text())["cells"]
        texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as err:
        raise ConfigError(f"{path} is not a notebook that can be read ({err}); save it again in JupyterLab") from err
    texts = ["\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in t.splitlines()) for t in texts]
    whole = ["import " in t or "@indicator" in t or "@feature" in t for t in texts]
    needed = {name for t, run in zip(texts, whole, strict=True) if run for name in _loaded(_parsed(t))}
    return "\n\n".join(_with_helpers(texts, whole, needed))


def _with_helpers(texts: list[str], whole: list[bool], needed: set[str]) -> list[str]:
    """Cells to run whole, and of the others the definitions that those need, in the notebook's order."""
    taken: dict[tuple[int, int], str] = {}
    found = True
    while found:
        found = False
        for i, text in enumerate(texts):
            for node in () if whole[i] else _parsed(text).body:
                key = (i, node.lineno)
                if key not in taken and _bound(node) & needed:
                    decorators = getattr(node, "decorator_list", [])
                    first = min([node.lineno, *(d.lineno for d in decorators)])
                    taken[key] = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
                    needed |= _loaded(node)
                    found = True
    parts = {(i, 0): text for i, text in enumerate(texts) if whole[i]} | taken
    return [parts[key] for key in sorted(parts)]


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module([], [])  # told by its line where it is run


def _loaded(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _bound(node: ast.stmt) -> set[str]:
    """Names that a definition or an assignment makes; nothing of any other statement."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return set()


def _line(err: BaseException, path: Path) -> int | str:
    if isinstance(err, SyntaxError) and err.lineno:
        return err.lineno
    trace, line = err.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line or "unknown"
