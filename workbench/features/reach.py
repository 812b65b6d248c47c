"""What a function reaches: the helpers, constants and objects that its code names, as lines of text.

Compiled code tells the names; what stands behind them is looked up as it is now. It is followed through the user's own
files and this library, not into installed packages.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import importlib
import importlib.util
import pickle
import sys
import sysconfig
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_PLAIN = (int, float, complex, str, bool, bytes, type(None))
_DYNAMIC = {"globals", "eval", "exec", "vars"}
_OF_CLASSES = {"__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__qualname__"} | {
    "__dataclass_fields__", "__dataclass_params__",
}  # fmt: skip
_PROCESS = uuid.uuid4().hex


def reached(function: Callable[..., Any]) -> list[str]:
    """Return a line for a function's own compiled code, and one for each thing that it reaches, sorted."""
    root = bare(function)
    if not isinstance(root, types.FunctionType):
        return []
    walk = _Walk(root)
    return [running(root), *sorted(walk.lines())]


def bare(function: Any) -> Any:
    """Return the Python function inside a compiled kernel, a memory of results or a registered feature."""
    for attribute in ("py_func", "__wrapped__", "function"):
        if isinstance(function, types.FunctionType):
            break
        inner = getattr(function, attribute, None)
        if isinstance(inner, types.FunctionType):
            return inner
    return function


def running(function: types.FunctionType) -> str:
    """Return the compiled code and the defaults as text."""
    return f"{compiled(function.__code__)} {_constant([function.__defaults__, function.__kwdefaults__])}"


def compiled(code: types.CodeType) -> tuple[Any, ...]:
    """Return what a code object does, without file names and lines."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    plain = [_constant(c) or repr(c) for c in code.co_consts if not isinstance(c, types.CodeType)]
    return (code.co_code, plain, [compiled(c) for c in inner], code.co_names, code.co_varnames)


class _Walk:
    """Goes from one function to all that it reaches, each once."""

    def __init__(self, root: types.FunctionType) -> None:
        self._root = root
        self._queue: list[tuple[str, Any]] = list(_named(root))
        self._seen: dict[int, Any] = {id(root): root}
        """Kept alive, so that no other object gets the same number."""

    def lines(self) -> Iterator[str]:
        while self._queue:
            label, value = self._queue.pop()
            if (text := _constant(value)) is not None:
                yield f"{label} = {text}"
            elif id(value) not in self._seen:
                self._seen[id(value)] = value
                yield from self._of(label, value)

    def _of(self, label: str, value: Any) -> Iterator[str]:
        plain = bare(value)
        if isinstance(plain, types.FunctionType):
            if plain is value or id(plain) not in self._seen:
                self._seen[id(plain)] = plain
                yield from self._function(plain)
        elif isinstance(value, type):
            if self._own(value):
                yield from self._class(value)
        elif isinstance(value, types.ModuleType | types.BuiltinFunctionType | np.ufunc | ContextVar):
            return
        else:
            yield from self._object(label, value)

    def _function(self, function: types.FunctionType) -> Iterator[str]:
        if self._own(function):
            yield f"{function.__name__}: {running(function)}"
            self._queue.extend(_named(function))

    def _class(self, cls: type) -> Iterator[str]:
        yield f"class {cls.__name__}"
        self._queue.extend((f"{cls.__name__} of", base) for base in cls.__bases__)
        for name, value in vars(cls).items():
            if name in _OF_CLASSES:
                continue
            inner = [getattr(value, "__func__", value)]
            if isinstance(value, property | functools.cached_property):
                inner = [getattr(value, part, None) for part in ("fget", "func")]
            self._queue.extend((f"{cls.__name__}.{name}", part) for part in inner)

    def _object(self, label: str, value: Any) -> Iterator[str]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                self._queue += [(f"{label} key", key), (f"{label}[{key!r:.40}]", inner)]
        elif isinstance(value, list | tuple | set | frozenset):
            self._queue += [(f"{label}[{i}]", inner) for i, inner in enumerate(value)]
        elif isinstance(value, types.MethodType):
            self._queue += [(label, value.__func__), (f"{label} of", value.__self__)]
        elif isinstance(value, functools.partial):
            self._queue += [(label, value.func), (f"{label} with", [value.args, value.keywords])]
        elif isinstance(value, pd.Series | pd.DataFrame | pd.Index):
            yield f"{label} = {type(value).__name__} {_hash(_pickled(value))}"
        elif (features := _users_features(value)) is not None:
            self._queue += [(f"{label}.{f.name}", f.function) for f in features]
        elif self._own(type(value)) or isinstance(value, types.SimpleNamespace):
            slots = [s for c in type(value).__mro__ for s in _tuple(getattr(c, "__slots__", ()))]
            state = getattr(value, "__dict__", {}) | {s: getattr(value, s) for s in slots if hasattr(value, s)}
            self._queue.append((f"{label} is", type(value)))
            self._queue += [(f"{label}.{k}", v) for k, v in state.items()]
        else:
            yield f"{label} = {type(value).__name__} {_hash(_pickled(value))}"

    def _own(self, thing: Any) -> bool:
        def package(part: Any) -> str:
            name = getattr(part, "__module__", "")
            if isinstance(part, types.FunctionType) and part is not self._root:
                name = part.__globals__.get("__name__", name)  # a decorator may have changed __module__
            return str(name).split(".")[0]

        code = getattr(thing, "__code__", None)
        if package(thing) in {package(self._root), "workbench"}:
            return True
        if isinstance(code, types.CodeType):
            return _loose(code.co_filename)
        module = sys.modules.get(str(getattr(thing, "__module__", "")))
        return module is not None and _loose(str(getattr(module, "__file__", "")))


def _named(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Globals, attributes of modules, closed-over values and defaults that a function's code mentions."""
    names = list(dict.fromkeys(_names(function.__code__)))
    spaces = function.__globals__
    found = [(name, spaces[name]) for name in names if name in spaces]
    if _DYNAMIC & set(names) and str(function.__module__).split(".")[0] != "workbench":
        found += [(name, value) for name, value in spaces.items() if not name.startswith("__")]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found += [(name, cell.cell_contents) for name, cell in cells if cell != types.CellType()]
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    found += [("default", value) for value in defaults]
    found += [(name, module) for name, module in _imported_within(function)]
    for name, value in found:
        yield name, value
        yield from _attributes(value, names, 3)


def _attributes(module: Any, names: list[str], depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(module, types.ModuleType) or not depth:
        return
    for name in names:
        if hasattr(module, name):
            value = getattr(module, name)
            yield name, value
            if _loose(str(getattr(value, "__file__", ""))):
                yield from _attributes(value, names, depth - 1)


def _imported_within(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """A user's own modules that the body imports."""
    if str(function.__module__).split(".")[0] == "workbench":
        return
    for name in _imports(function.__code__):
        with suppress(Exception):  # it then fails where it is called
            found = importlib.util.find_spec(name)
            if found is not None and _loose(str(found.origin)):
                yield name, importlib.import_module(name)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _imports(code: types.CodeType) -> Iterator[str]:
    yield from (i.argval for i in dis.get_instructions(code) if i.opname == "IMPORT_NAME" and i.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imports(constant)


def _users_features(value: Any) -> list[Any] | None:
    """The features of a registry that are not this library's; None for anything else."""
    if type(value).__name__ != "Registry" or not hasattr(value, "names"):
        return None
    return [f for f in value if not f.trusted]


def _constant(value: Any) -> str | None:
    """Text of plain values and of containers and arrays of them; None for anything else."""
    if type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, np.ndarray):
        value = [list(value.shape), *value.ravel().tolist()]
    if type(value) is dict:
        value = [part for pair in value.items() for part in pair]
    if type(value) not in (list, tuple, set, frozenset):
        return None
    parts = [_constant(v) for v in value]
    known = [p for p in parts if p is not None]
    if len(known) < len(parts):
        return None
    return f"[{', '.join(sorted(known) if isinstance(value, set | frozenset) else known)}]"


def _pickled(value: Any) -> bytes:
    """An object of an installed package by what it holds; one that cannot be pickled is itself, in this process."""
    try:
        return pickle.dumps(value)
    except Exception:  # noqa: BLE001 - whatever a package raises
        return f"{_PROCESS} {id(value)}".encode()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _tuple(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@lru_cache(maxsize=4096)
def _loose(filename: str) -> bool:
    """Whether a file is a user's own: neither of Python's library nor installed."""
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    path = Path(filename)
    return path.is_file() and not any(path.resolve().is_relative_to(Path(f).resolve()) for f in folders if f)
