"""Features and sets of a user's own files in specs: ``mine.py::my_range(20)``, ``mine.yaml``, ``mine.yaml::gap``.

A file is read once a process and again when it changes. It must lie in the workbench's home folder, since a spec may
come from a page's address, and a module is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from workbench.config import load_settings
from workbench.errors import ConfigError
from workbench.features.sets.catalogue import load_set

SIGN = "::"
_KINDS = (".py", ".ipynb", ".yaml", ".yml")


class Named(NamedTuple):
    """What a file holds: the specs that it stands for as a whole, the text after ``::``, and names that it may use."""

    whole: tuple[str, ...]
    inner: str
    names: Mapping[str, str]


class _File(NamedTuple):
    changed: int
    features: tuple[str, ...]
    names: Mapping[str, str]


_LOADED: dict[Path, _File] = {}


def names_file(spec: str) -> bool:
    """Whether a spec names a module, a notebook or a set's file, alone or before ``::``."""
    return spec.partition(SIGN)[0].strip().endswith(_KINDS)


def load_named(spec: str) -> Named:
    """Read the file of a spec where that was not done yet.

    Raises
    ------
    ConfigError
        When the file is missing, lies outside the home folder, or registers nothing of that name.
    DataError
        When running a module fails.
    """
    written, sign, inner = (part.strip() for part in spec.partition(SIGN))
    path = _place(written)
    changed = path.stat().st_mtime_ns
    if path not in _LOADED or _LOADED[path].changed != changed:
        _LOADED[path] = _read(path, changed)
    found = _LOADED[path]
    if sign and not inner:
        raise ConfigError(f"{spec!r} names nothing after '::'; write {written}::{found.features[0]}")
    plain_set = path.suffix in (".yaml", ".yml") and not found.names
    whole = found.features if plain_set else tuple(f"{written}{SIGN}{n}" for n in found.features)
    return Named(whole, inner, found.names)


def _read(path: Path, changed: int) -> _File:
    if path.suffix in (".yaml", ".yml"):
        found = load_set(path)
        return _File(changed, tuple(found.expressions), found.expressions if found.named else {})
    from workbench.features.proof.modules import load_features

    return _File(changed, tuple(load_features(path)), {})


def _place(written: str) -> Path:
    home = load_settings().home.resolve()
    for folder in (Path.cwd(), home, home / "experiments"):
        path = (folder / written).resolve()
        if path.is_file():
            if not path.is_relative_to(home):
                raise ConfigError(
                    f"{written} lies outside the workbench's folder {home}; put it there to use it in specs"
                )
            return path
    hint = " and write FILE::EXPRESSION, the file first" if "(" in written else ""
    raise ConfigError(f"there is no file {written}; give its path from {home} or from its experiments folder{hint}")
