"""Features and sets of a user's own files in specs: ``mine.py::my_range(20)``, ``mine.yaml``, ``mine.yaml::gap``.

A file is read once a process and again when it changes. It must lie in the workbench's home folder, since a spec may
come from a page's address, and a module is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from workbench.config import did_you_mean, load_settings
from workbench.errors import ConfigError
from workbench.features.sets.catalogue import load_set

SIGN = "::"
_KINDS = (".py", ".ipynb", ".yaml", ".yml")


class Named(NamedTuple):
    """What a file holds: the specs that it stands for as a whole, and the text that the part after ``::`` means."""

    whole: tuple[str, ...]
    inner: str


_LOADED: dict[Path, tuple[int, str, tuple[str, ...]]] = {}
"""Time of change, prefix of an inner name, and names, by file."""


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
    if path not in _LOADED or _LOADED[path][0] != changed:
        _LOADED[path] = (changed, *_read(path))
    _, prefix, names = _LOADED[path]
    if sign and not inner:
        raise ConfigError(f"{spec!r} names nothing after '::'; write {written}::{names[0]}")
    if sign and prefix and inner not in names:
        raise ConfigError(f"{written} has no feature {inner!r}.{did_you_mean(inner, names)}")
    whole = names if path.suffix in (".yaml", ".yml") and not prefix else tuple(f"{written}{SIGN}{n}" for n in names)
    return Named(whole, f"{prefix}{inner}")


def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    if path.suffix in (".yaml", ".yml"):
        found = load_set(path)
        return (f"{found.name}." if found.named else ""), tuple(found.expressions)
    from workbench.features.proof.modules import load_features

    return "", tuple(load_features(path))


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
    raise ConfigError(f"there is no file {written}; give its path from {home} or from its experiments folder")
