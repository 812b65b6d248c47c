"""What a function's code is, as a hash: of its own body, or with everything of its package that it reaches.

The text is taken when the function is registered, so that the hash tells of the code that runs, also after the file
was edited; it is parsed only when a hash is asked for. What a function reaches is told by its compiled code.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import textwrap
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workbench.features.reach import compiled, reached

_SNAPSHOTS: dict[str, tuple[object, str]] = {}
"""Text by file, with size and time of the file when it was read."""


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
    return Source(text, code.co_firstlineno, name) if text else Source(repr(compiled(code)), 0, name)


def code_hash(function: Callable[..., Any], source: Source | None = None) -> str:
    """Return 16 hex digits of the body without decorators, docstring, comments and layout."""
    return _digest(_body(source or source_of(function)))


def deep_hash(function: Callable[..., Any], source: Source | None = None) -> str:
    """Return 16 hex digits of the compiled body and of every function, class, object and constant that it reaches.

    Functions of installed packages are left out: those of its own package, of this library and of loose files count.
    It tells runs of one Python apart, not the code of two Pythons.
    """
    return _digest("\n".join(reached(function) or [_body(source or source_of(function))]))


def _plain(function: Any) -> Any:
    """The Python function inside a compiled kernel or a registered feature."""
    for attribute in ("py_func", "__wrapped__", "function"):
        inner = getattr(function, attribute, None)
        if isinstance(inner, types.FunctionType):
            return inner
    return function


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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
