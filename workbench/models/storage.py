"""Saved models: a folder of JSON and weights with a manifest of checksums. No pickle is written or read.

=====================  ======================================================================
``model.json``         registered name, constructor parameters, what was learned, library versions
``extra.json``         side data of the caller: feature specs, standardiser, label settings
``weights.safetensors``  tensors of a net, or ``estimator.skops`` for scikit-learn; absent for baselines
``manifest.json``      size and SHA-256 of each file, written last
=====================  ======================================================================

Nothing is parsed before its checksum has matched. A checksum finds damage; against someone who rewrites the manifest
too stand the allow-lists (registered names, trusted types, expected tensors), and ``manifest_sha256``, kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import stat
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import ArtifactError, ConfigError, NotFittedError, WorkbenchError
from workbench.models.registry import MODELS, check_parameters, entry
from workbench.ops import atomic_write
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.models.classifier import DirectionClassifier

FORMAT = 1
WEIGHT_FILES = {"none": "", "skops": "estimator.skops", "safetensors": "weights.safetensors"}
_MANIFEST = "manifest.json"
_ALLOWED = {"model.json", "extra.json", *filter(None, WEIGHT_FILES.values())}
_LIBRARIES = {"none": (), "skops": ("scikit-learn", "skops"), "safetensors": ("torch", "safetensors")}
MAX_JSON_BYTES = 16 * 2**20
MAX_WEIGHT_BYTES = 2**30


def save_model(model: DirectionClassifier, folder: Path | str, extra: Json | None = None) -> Json:
    """Save a fitted model into a new folder, all at once or not at all.

    Parameters
    ----------
    model
        A fitted, registered model.
    folder
        Must not exist, or be empty: a saved model is never changed.
    extra
        JSON values to keep beside the model, returned by `load_model`.

    Returns
    -------
    dict
        The content of ``model.json`` and ``manifest_sha256``, which fixes every byte of the folder.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ArtifactError
        When the folder already holds something.
    ConfigError
        When the model is not a registered one, or ``extra`` is not JSON.
    WorkbenchError
        When the disk is full or read-only; nothing is left behind.
    """
    from workbench.models.payload import dump_weights

    folder = Path(folder)
    _check_savable(model)
    spec = _describe(model)
    files = {"model.json": _to_json(spec, "the model"), "extra.json": _to_json(extra or {}, "extra")}
    if WEIGHT_FILES[model.weights] and model.constant_ is None:
        files[WEIGHT_FILES[model.weights]] = dump_weights(model)
    listed = {n: {"bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in sorted(files.items())}
    manifest = _to_json({"format": FORMAT, "files": listed}, "the manifest")
    _write_folder(folder, {**files, _MANIFEST: manifest})
    return {**spec, "manifest_sha256": hashlib.sha256(manifest).hexdigest()}


def load_model(folder: Path | str, manifest_sha256: str | None = None) -> tuple[DirectionClassifier, Json]:
    """Load a model that `save_model` wrote, after checking every byte of it.

    Parameters
    ----------
    folder
        The folder given to `save_model`, or a copy of it.
    manifest_sha256
        The value that `save_model` returned, where it was kept (on the run): then no file can have been exchanged.

    Returns
    -------
    model
        Fitted. A model trained on CUDA comes back with ``device="auto"``.
    extra
        The side data.

    Raises
    ------
    ArtifactError
        When anything is missing, surplus, damaged, not listed as trusted, or does not fit together.
    """
    from workbench.models.payload import load_weights

    folder = Path(folder)
    try:
        files = _verified_files(folder, manifest_sha256)
        spec = _from_json(files["model.json"], "model.json")
        model = _rebuild(spec)
        wanted = WEIGHT_FILES[model.weights] if model.constant_ is None else ""
        if set(files) - {"model.json", "extra.json"} != ({wanted} if wanted else set()):
            raise ArtifactError(
                f"model {model.name!r} needs {wanted or 'no weight file'}, the folder has {', '.join(sorted(files))}"
            )
        if wanted:
            load_weights(model, files[wanted])
        return model, _from_json(files["extra.json"], "extra.json")
    except ArtifactError as err:
        raise ArtifactError(
            f"saved model {folder} is refused: {err}; restore it from a backup, or train it again"
        ) from err


def _check_savable(model: DirectionClassifier) -> None:
    name = getattr(model, "name", None)
    if name not in MODELS or type(model) is not entry(name).load():
        raise ConfigError(
            f"only registered models can be saved, got {type(model).__name__}; known: {', '.join(MODELS)}"
        )
    if not hasattr(model, "n_features_in_"):
        raise NotFittedError(f"model {name!r} has not learned anything yet; call fit(X, y) before saving it")


def _describe(model: DirectionClassifier) -> Json:
    parameters = {k: _plain(v) for k, v in model.get_params(deep=False).items()}
    if parameters.get("device") == "cuda":
        parameters["device"] = "auto"  # the machine that loads it may have none
    learned: Json = {
        "n_features_in_": model.n_features_in_,
        "class_counts_": model.class_counts_.tolist(),
        "constant_": None if model.constant_ is None else model.constant_.tolist(),
    }
    if hasattr(model, "history_"):
        learned["history_"] = [{k: None if v != v else v for k, v in row.items()} for row in model.history_]
    libraries = {name: version(name) for name in _LIBRARIES[model.weights]}
    return {"format": FORMAT, "model": model.name, "parameters": parameters, "learned": learned, "libraries": libraries}


def _rebuild(spec: Json) -> DirectionClassifier:
    try:
        if spec["format"] != FORMAT or spec["model"] not in MODELS:
            raise ArtifactError(f"format {spec['format']!r} of model {spec['model']!r} is unknown to this version")
        parameters = {k: tuple(v) if isinstance(v, list) else v for k, v in spec["parameters"].items()}
        check_parameters(spec["model"], parameters)
        model = entry(spec["model"]).load()(**parameters)
        _set_learned(model, spec["learned"])
    except ConfigError as err:
        raise ArtifactError(str(err)) from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as err:
        raise ArtifactError(f"model.json does not describe a model ({type(err).__name__}: {err})") from None
    return model


def _set_learned(model: DirectionClassifier, learned: Json) -> None:
    width, counts, constant = learned["n_features_in_"], learned["class_counts_"], learned["constant_"]
    if not (type(width) is int and 1 <= width <= 1_000_000):
        raise ArtifactError(f"n_features_in_ is {width!r}")
    if len(counts) != 3 or not all(type(c) is int and 0 <= c < 2**53 for c in counts):
        raise ArtifactError(f"class_counts_ is {counts!r}")
    if constant is not None and (
        len(constant) != 3 or min(constant) < 0 or not math.isclose(sum(constant), 1, rel_tol=1e-9)
    ):
        raise ArtifactError(f"constant_ is {constant!r}")
    model.classes_ = np.array([-1, 0, 1], dtype=np.int64)
    model.n_features_in_ = width
    model.class_counts_ = np.array(counts, dtype=np.int64)
    model.constant_ = None if constant is None else np.array(constant, dtype=np.float64)
    if "history_" in learned:
        model.history_ = [{k: math.nan if v is None else v for k, v in row.items()} for row in learned["history_"]]


def _verified_files(folder: Path, manifest_sha256: str | None) -> dict[str, bytes]:
    """Read every file once and return it only when all sizes and checksums match the manifest."""
    if not folder.is_dir():
        raise ArtifactError("the folder does not exist")
    present = {p.name for p in folder.iterdir()}
    if _MANIFEST not in present:
        raise ArtifactError(f"{_MANIFEST} is missing")
    raw = _read(folder / _MANIFEST, MAX_JSON_BYTES)
    seen = hashlib.sha256(raw).hexdigest()
    if manifest_sha256 is not None and seen != manifest_sha256:
        raise ArtifactError(f"{_MANIFEST} has SHA-256 {seen[:12]}…, expected {manifest_sha256[:12]}…")
    listed = _from_json(raw, _MANIFEST).get("files")
    if not isinstance(listed, dict) or not {"model.json", "extra.json"} <= set(listed) <= _ALLOWED:
        raise ArtifactError(f"{_MANIFEST} lists files that no model has")
    if present != {*listed, _MANIFEST}:
        odd = sorted(present ^ {*listed, _MANIFEST})[0]
        raise ArtifactError(f"{odd!r} is {'not listed in the manifest' if odd in present else 'missing'}")
    files = {}
    for name, seal in listed.items():
        data = _read(folder / name, MAX_JSON_BYTES if name.endswith(".json") else MAX_WEIGHT_BYTES)
        if not isinstance(seal, dict) or seal != {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}:
            raise ArtifactError(f"{name} does not match its checksum")
        files[name] = data
    return files


def _read(path: Path, limit: int) -> bytes:
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise ArtifactError(f"{path.name} is not a plain file")
        if found.st_size > limit:
            raise ArtifactError(f"{path.name} has {found.st_size} bytes, more than {limit}")
        return path.read_bytes()
    except OSError as err:
        raise ArtifactError(f"{path.name} cannot be read ({err.strerror})") from None


def _from_json(data: bytes, name: str) -> Json:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ArtifactError(f"{name} is not JSON") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"{name} must hold an object, got {type(value).__name__}")
    return value


def _to_json(value: Json, what: str) -> bytes:
    try:
        return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as err:
        raise ConfigError(
            f"{what} cannot be saved as JSON ({err}); give plain numbers, texts, lists and mappings"
        ) from None


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _write_folder(folder: Path, files: dict[str, bytes]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArtifactError(f"{folder} already holds something; a saved model is never changed, name a new folder")
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        for name, data in files.items():
            atomic_write(temporary / name, data)
        temporary.chmod(0o755)
        temporary.replace(folder)
        _sync(folder.parent)
    except OSError as err:
        raise WorkbenchError(
            f"cannot save a model to {folder}: {err.strerror or err}; free space or make it writable"
        ) from err
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
