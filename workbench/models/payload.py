"""Weights to bytes and back: safetensors for nets, skops for scikit-learn, each behind an explicit allow-list.

The bytes have passed their checksum, and are still not trusted: a hostile file may carry a matching one.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import ArtifactError
from workbench.typing import FloatArray

if TYPE_CHECKING:
    from workbench.models.classifier import DirectionClassifier

_MAX_UNPACKED = 2**30
_MAX_MEMBERS = 200_000

_PLAIN = {
    ("builtins", "dict", "DictNode"),
    ("builtins", "list", "ListNode"),
    ("builtins", "str", "JsonNode"),
    ("builtins", "str", "TypeNode"),
    ("builtins", "tuple", "TupleNode"),
    ("numpy", "ndarray", "NdArrayNode"),
    ("numpy", "float64", "NdArrayNode"),
    ("numpy", "int64", "NdArrayNode"),
    ("numpy", "uint64", "NdArrayNode"),
}
_TREE = "sklearn.ensemble._hist_gradient_boosting"
TRUSTED: dict[str, frozenset[tuple[str, str, str]]] = {
    "logistic": frozenset(_PLAIN | {("sklearn.linear_model._logistic", "LogisticRegression", "ObjectNode")}),
    "ridge": frozenset(_PLAIN | {("sklearn.linear_model._ridge", "Ridge", "ObjectNode")}),
    "hist_gradient_boosting": frozenset(
        _PLAIN
        | {
            (f"{_TREE}.gradient_boosting", "HistGradientBoostingClassifier", "ObjectNode"),
            (f"{_TREE}.predictor", "TreePredictor", "ObjectNode"),
            (f"{_TREE}.binning", "_BinMapper", "ObjectNode"),
            ("sklearn._loss._loss", "CyHalfBinomialLoss", "LossNode"),
            ("sklearn._loss._loss", "CyHalfMultinomialLoss", "LossNode"),
            ("sklearn._loss.link", "Interval", "ObjectNode"),
            ("sklearn._loss.link", "LogitLink", "ObjectNode"),
            ("sklearn._loss.link", "MultinomialLogit", "ObjectNode"),
            ("sklearn._loss.loss", "HalfBinomialLoss", "ObjectNode"),
            ("sklearn._loss.loss", "HalfMultinomialLoss", "ObjectNode"),
            ("sklearn.preprocessing._label", "LabelEncoder", "ObjectNode"),
            ("numpy.random._generator", "Generator", "RandomGeneratorNode"),
        }
    ),
}
"""Per model, every (module, class, loader) that its skops file may name; anything else is refused unread."""


def dump_weights(model: DirectionClassifier) -> bytes:
    """Return the weight file of a fitted model."""
    if model.weights == "safetensors":
        from safetensors.torch import save

        return save({k: v.detach().cpu().contiguous() for k, v in model.net_.state_dict().items()})
    from skops.io import dumps

    data: bytes = dumps(model.estimator_)
    refuse_untrusted(model.name, data)  # what could not be loaded again is not saved
    return data


def load_weights(model: DirectionClassifier, data: bytes) -> None:
    """Set the weights of a rebuilt model, or raise `ArtifactError` with the reason."""
    if model.weights == "safetensors":
        _load_net(model, data)
    else:
        _load_estimator(model, data)
    probe = np.zeros((2, model.lookback, model.n_features_in_) if model.lookback > 1 else (2, model.n_features_in_))
    try:
        model.predict_proba(probe)
    except Exception as err:  # noqa: BLE001 - weights that fit by name may still fail in any way; all mean the same
        raise ArtifactError(f"the weights give no forecast ({type(err).__name__}: {err})") from None


def _load_net(model: Any, data: bytes) -> None:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    net = model.empty_net(model.n_features_in_, device="meta")
    wanted = {k: (tuple(v.shape), v.dtype) for k, v in net.state_dict().items()}
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as err:
        raise ArtifactError(f"the weights are not a safetensors file ({err})") from None
    got = {k: (tuple(v.shape), v.dtype) for k, v in tensors.items()}
    if got != wanted:
        odd = sorted(k for k in got.keys() | wanted.keys() if got.get(k) != wanted.get(k))[0]
        raise ArtifactError(
            f"tensor {odd!r} is {got.get(odd, 'missing')}, the net wants {wanted.get(odd, 'none of that name')}"
        )
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ArtifactError(f"tensor {name!r} holds values that are not finite")
    net.load_state_dict({k: v.clone() for k, v in tensors.items()}, assign=True)
    model.net_ = net.eval()


def refuse_untrusted(name: str, data: bytes) -> None:
    """Read the schema of a skops file, as JSON only, and refuse any type that the model's list does not hold."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS or sum(m.file_size for m in members) > _MAX_UNPACKED:
                raise ArtifactError("the skops file unpacks to more than any model holds")
            todo: list[Any] = [json.loads(archive.read("schema.json"))]
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        RecursionError,
        NotImplementedError,
        RuntimeError,
        OSError,
    ) as err:
        raise ArtifactError(f"the weights are not a skops file ({err})") from None
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            if "__class__" in node or "__loader__" in node or "__module__" in node:
                kind = (node.get("__module__"), node.get("__class__"), node.get("__loader__"))
                if kind not in TRUSTED[name]:
                    raise ArtifactError(
                        f"type {kind[0]}.{kind[1]} (loader {kind[2]}) is not trusted for model {name!r}"
                    )
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)


def _load_estimator(model: Any, data: bytes) -> None:
    import skops.io

    refuse_untrusted(model.name, data)
    trusted = sorted(f"{module}.{name}" for module, name, _ in TRUSTED[model.name])
    try:
        estimator = skops.io.loads(data, trusted=trusted)
        _CHECKS[model.name](estimator, model.n_features_in_)
    except ArtifactError:
        raise
    except Exception as err:  # noqa: BLE001 - a hostile file may fail in any way; all mean the same
        raise ArtifactError(f"the skops file cannot be read ({type(err).__name__}: {err})") from None
    model.estimator_ = estimator


def _check_logistic(estimator: Any, width: int) -> None:
    from sklearn.linear_model import LogisticRegression

    _check_type(estimator, LogisticRegression)
    rows = len(_known_classes(estimator))
    _check_array("coef_", estimator.coef_, (1 if rows == 2 else rows, width))
    _check_array("intercept_", estimator.intercept_, (1 if rows == 2 else rows,))


def _check_ridge(estimator: Any, width: int) -> None:
    from sklearn.linear_model import Ridge

    _check_type(estimator, Ridge)
    _check_array("coef_", estimator.coef_, (3, width))
    _check_array("intercept_", estimator.intercept_, (3,))


def _check_boosting(estimator: Any, width: int) -> None:
    """Walk every tree: its code trusts child and feature numbers, and a wrong one would read outside memory."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    _check_type(estimator, HistGradientBoostingClassifier)
    classes = len(_known_classes(estimator))
    trees = 1 if classes == 2 else classes
    _check_array("_baseline_prediction", estimator._baseline_prediction, (1, trees))
    if (
        estimator.n_features_in_ != width
        or estimator.n_trees_per_iteration_ != trees
        or estimator._preprocessor is not None
    ):
        raise ArtifactError("the trees do not fit the model's features and classes")
    for round_ in estimator._predictors:
        if len(round_) != trees:
            raise ArtifactError(f"a boosting round has {len(round_)} trees, not {trees}")
        for tree in round_:
            _check_tree(tree.nodes, width)


def _check_tree(nodes: Any, width: int) -> None:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    if nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or len(nodes) == 0 or nodes["is_categorical"].any():
        raise ArtifactError("a tree is not one of numeric splits")
    number = np.arange(len(nodes))
    inner = nodes["is_leaf"] == 0
    for side in ("left", "right"):
        child = nodes[side][inner].astype(np.int64)
        if (child <= number[inner]).any() or (child >= len(nodes)).any():
            raise ArtifactError("a tree leads outside itself")
    feature = nodes["feature_idx"][inner].astype(np.int64)
    if (feature < 0).any() or (feature >= width).any() or not np.isfinite(nodes["value"]).all():
        raise ArtifactError("a tree splits on a feature that is not there, or holds values that are not finite")


def _check_type(estimator: Any, wanted: type) -> None:
    if type(estimator) is not wanted:
        raise ArtifactError(f"the skops file holds a {type(estimator).__name__}, not a {wanted.__name__}")


def _known_classes(estimator: Any) -> FloatArray:
    classes = np.asarray(estimator.classes_)
    if (
        classes.ndim != 1
        or not 2 <= len(classes) <= 3
        or not np.isin(classes, (-1, 0, 1)).all()
        or (np.diff(classes) <= 0).any()
    ):
        raise ArtifactError(f"classes_ is {classes.tolist()}, not two or three of -1, 0, 1")
    return classes


def _check_array(name: str, value: Any, shape: tuple[int, ...]) -> None:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ArtifactError(f"{name} has the shape {array.shape}, wanted {shape}, or holds values that are not finite")


_CHECKS = {"logistic": _check_logistic, "ridge": _check_ridge, "hist_gradient_boosting": _check_boosting}
