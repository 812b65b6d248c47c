"""Experiment files: one YAML of overrides, and the jobs it stands for."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workbench.config.parameters import Parameters, parameters_of, validate_parameters
from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError

_KEYS = ("notebook", "title", "parameters", "matrix", "timeout_s", "nightly")


@dataclass(frozen=True)
class Job:
    """One notebook with one set of full, checked parameters."""

    name: str
    notebook: str
    parameters: Parameters
    title: str = ""
    timeout_s: int = 600
    experiment_file: str = ""


@dataclass(frozen=True)
class Experiment:
    """A YAML file: a notebook, overrides of its parameters and a matrix over some of them."""

    name: str
    title: str
    nightly: bool
    jobs: tuple[Job, ...]
    path: Path


def load_experiment(path: Path | str) -> Experiment:
    """Read and check an experiment file; every job of its matrix is validated before anything runs.

    Raises
    ------
    ConfigError
        When the file is missing, is not a mapping, or names an unknown key, notebook or parameter.
    """
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{str(path)!r} is a folder; name an experiment file in it")
    if not path.is_file():
        raise ConfigError(f"experiment file {str(path)!r} does not exist; list them with 'ls experiments/*.yaml'")
    try:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as err:  # ValueError: a date such as 2015-02-30, or bytes that are not UTF-8
        raise ConfigError(f"experiment file {path.name} is not YAML: {' '.join(str(err).split())}") from None
    if not isinstance(text, dict):
        raise ConfigError(
            f"experiment file {path.name} must hold 'notebook:' and 'parameters:', got {type(text).__name__}"
        )
    for key in text:
        if key not in _KEYS:
            raise ConfigError(f"experiment file {path.name} has an unknown key {key!r}.{did_you_mean(str(key), _KEYS)}")
    return Experiment(
        path.stem, str(text.get("title", path.stem)), _flag(text, "nightly", path), _jobs(path, text), path
    )


def _jobs(path: Path, text: dict[str, Any]) -> tuple[Job, ...]:
    notebook = text.get("notebook")
    if not isinstance(notebook, str):
        raise ConfigError(f"experiment file {path.name} names no notebook; add a line such as 'notebook: backtest'")
    base, matrix = (text.get(k) or {} for k in ("parameters", "matrix"))
    if (
        not isinstance(base, dict)
        or not isinstance(matrix, dict)
        or not all(isinstance(v, list) for v in matrix.values())
    ):
        raise ConfigError(
            f"experiment file {path.name}: 'parameters' maps names to values, 'matrix' maps names to lists"
        )
    if "experiment" in parameters_of(notebook).model_fields:
        base = {"experiment": path.stem, **base}
    timeout = text.get("timeout_s", 600)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 1:
        raise ConfigError(f"experiment file {path.name}: timeout_s must be a whole number of seconds, got {timeout!r}")
    jobs = []
    for cell in itertools.product(*matrix.values()):
        chosen = dict(zip(matrix, cell, strict=True))
        parameters = validate_parameters(notebook, {**base, **chosen}, where=_shown(path))
        name = "-".join([path.stem, *(_slug(v) for v in chosen.values())])
        jobs.append(Job(name, notebook, parameters, str(text.get("title", path.stem)), timeout, path.name))
    names = [j.name for j in jobs]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"experiment file {path.name}: two cells of its matrix have the same name; make their values differ"
        )
    return tuple(jobs)


def _shown(path: Path) -> str:
    return f"experiments/{path.name}" if path.parent.name == "experiments" else str(path)


def _flag(text: dict[str, Any], key: str, path: Path) -> bool:
    value = text.get(key, True)
    if not isinstance(value, bool):
        raise ConfigError(f"experiment file {path.name}: {key} must be true or false, got {value!r}")
    return value


def _slug(value: Any) -> str:
    text = "_".join(map(str, value)) if isinstance(value, list) else str(value)
    slug = re.sub(r"[^A-Za-z0-9._]+", "_", text).strip("_")
    return slug if len(slug) <= 40 else slug[:32] + hashlib.sha256(text.encode()).hexdigest()[:8]
