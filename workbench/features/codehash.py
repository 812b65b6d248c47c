"""What a function's code is, as a hash: of its own body, or with everything of its package that it reaches.

The text is taken when the function is registered, so that the hash tells of the code that runs, also after the file
was edited; it is parsed only when a hash is asked for. What a function reaches is told by its compiled code.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import sysconfig
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

_SNAPSHOTS: dict[str, tuple[object, str]] = {}
"""Text by file, with size and time of the file when it was read."""
_PLAIN = (int, float, str, bool, bytes, type(None))


@dataclass(frozen=True)
class Source:
    """Where a function stands: the whole text around it and its first line, or its compiled code where none is kept."""

    text: str
    line: int
    name: str


def source_of(function: Callable[..., Any]) -> Source:
    """Take a function's source now; cheap, nothing is parsed."""
    function = _plain(function)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__name__", "function")
    if code is None:
        return Source(repr(function), 0, name)
    text = _text(code.co_filename, function)
    return Source(text, code.co_firstlineno, name) if text else Source(repr(_compiled(code)), 0, name)


def code_hash(function: Callable[..., Any], source: Source | None = None) -> str:
    """Return 16 hex digits of the body without decorators, docstring, comments and layout."""
    return _digest(_body(source or source_of(function)))


def deep_hash(function: Callable[..., Any], source: Source | None = None) -> str:
    """Return 16 hex digits of the compiled body and of every function, class and constant that it reaches by name.

    Functions of installed packages are left out: those of its own package, of this library and of loose files count.
    It tells runs of one Python apart, not the code of two Pythons.
    """
    root = _plain(function)
    parts = [_running(root) if isinstance(root, types.FunctionType) else _body(source or source_of(function))]
    seen = {id(root)}
    queue = list(_reached(root))
    while queue:
        label, value = queue.pop(0)
        plain = _plain(value)
        if isinstance(plain, types.FunctionType):
            if id(plain) not in seen and _same_package(plain, function):
                seen.add(id(plain))
                parts.append(f"{plain.__name__}: {_running(plain)}")
                queue.extend(_reached(plain))
        elif isinstance(plain, type):
            if id(plain) not in seen and _same_package(plain, function):
                seen.add(id(plain))
                queue.extend((f"{plain.__name__}.{n}", getattr(v, "__func__", v)) for n, v in vars(plain).items())
        elif (text := _constant(plain)) is not None:
            parts.append(f"{label} = {text}")
    return _digest("\n".join([parts[0], *sorted(parts[1:])]))


def _reached(function: Any) -> Iterator[tuple[str, Any]]:
    """Names of globals, attributes of modules and closed-over values that a function's code mentions."""
    if not isinstance(function, types.FunctionType):
        return
    names = list(_names(function.__code__))
    found = [(name, function.__globals__[name]) for name in names if name in function.__globals__]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found += [(name, cell.cell_contents) for name, cell in cells if cell != types.CellType()]
    for name, value in found:
        yield name, value
        if isinstance(value, types.ModuleType):
            yield from ((n, getattr(value, n)) for n in names if hasattr(value, n))


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _running(function: types.FunctionType) -> str:
    defaults = _constant([function.__defaults__, function.__kwdefaults__])
    return f"{_compiled(function.__code__)} {defaults}"


def _constant(value: Any) -> str | None:
    """Text of plain values and of containers and arrays of them; None for anything else."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, np.ndarray | np.generic):
        return f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if not isinstance(value, list | tuple | set | frozenset):
        return None
    parts = [_constant(v) for v in value]
    known = [p for p in parts if p is not None]
    if len(known) < len(parts):
        return None
    return f"[{', '.join(sorted(known) if isinstance(value, set | frozenset) else known)}]"


def _plain(function: Any) -> Any:
    """The Python function inside a compiled kernel or a registered feature."""
    for attribute in ("py_func", "__wrapped__", "function"):
        inner = getattr(function, attribute, None)
        if isinstance(inner, types.FunctionType):
            return inner
    return function


def _same_package(one: Any, other: Any) -> bool:
    def package(function: Any) -> str:
        return str(getattr(_plain(function), "__module__", "")).split(".")[0]

    code = getattr(one, "__code__", None)
    return package(one) in {package(other), "workbench"} or (code is not None and _loose(code.co_filename))


@lru_cache(maxsize=4096)
def _loose(filename: str) -> bool:
    """Whether a file is a user's own: neither of Python's library nor installed."""
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    path = Path(filename)
    return path.is_file() and not any(path.resolve().is_relative_to(Path(f).resolve()) for f in folders if f)


def _text(filename: str, function: Any) -> str:
    own = str(getattr(function, "__module__", "")).startswith("workbench.")
    if not own:
        linecache.checkcache(filename)  # a user's module may have been edited and loaded again
    stamp = linecache.cache.get(filename, (None, None))[:2]
    if filename not in _SNAPSHOTS or (not own and _SNAPSHOTS[filename][0] != stamp):
        lines = linecache.getlines(filename)
        if not lines:
            try:
                lines = inspect.findsource(function)[0]
            except (OSError, TypeError):
                return ""
        if filename.startswith("<"):  # a notebook cell or a prompt: its name may come again with another text
            return "".join(lines)
        _SNAPSHOTS[filename] = (linecache.cache.get(filename, (None, None))[:2], "".join(lines))
    return _SNAPSHOTS[filename][1]


def forget(filename: str) -> None:
    """Take a file's text anew: it is about to be loaded again."""
    linecache.checkcache(filename)
    _SNAPSHOTS.pop(filename, None)


@lru_cache(maxsize=512)
def _functions(text: str) -> dict[int, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    """Every function in a text by its first line, decorators included."""
    found: dict[int, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda] = {}
    for node in ast.walk(ast.parse(textwrap.dedent(text))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[first] = node
        elif isinstance(node, ast.Lambda):
            found.setdefault(node.lineno, node)
    return found


@lru_cache(maxsize=4096)
def _body(source: Source) -> str:
    if not source.line:
        return source.text
    try:
        node = _functions(source.text).get(source.line)
    except SyntaxError:
        node = None
    if node is None:
        return source.text
    if isinstance(node, ast.Lambda):
        return ast.unparse(node)
    body = node.body[1:] or [ast.Pass()] if ast.get_docstring(node) is not None else node.body
    bare = ast.FunctionDef(name=node.name, args=node.args, body=body, decorator_list=[], returns=node.returns)
    return ast.unparse(ast.fix_missing_locations(bare))


def _compiled(code: types.CodeType) -> tuple[Any, ...]:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    plain = [_constant(c) or repr(c) for c in code.co_consts if not isinstance(c, types.CodeType)]
    return (code.co_code, plain, [_compiled(c) for c in inner], code.co_names, code.co_varnames)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
