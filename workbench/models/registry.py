"""Every model by name: its arguments, what it does, and how a spec such as ``logistic(C=0.1)`` becomes one.

The registry imports neither torch nor scikit-learn; a model's module is loaded when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.config import Spec, did_you_mean, parse_spec
from workbench.errors import ConfigError
from workbench.models.arguments import Argument, check_arguments

if TYPE_CHECKING:
    from workbench.models.classifier import DirectionClassifier

_SEED = Argument("int", 0, "seed of every random draw", low=0, high=2**32 - 1)
_VALID_SHARE = Argument(
    "float", 0.2, "share of the latest training rows kept to validate on; 0 = none", low=0, below=0.9
)
_PURGE = Argument(
    "int", 0, "rows left out between training and validation; the label's horizon × assets", low=0, high=1_000_000
)


@dataclass(frozen=True)
class ModelEntry:
    """One registered model.

    ``learns`` is False for the baselines, ``windowed`` is True where ``X`` is (n, lookback, n_features).
    """

    name: str
    description: str
    load: Callable[[], type[DirectionClassifier]]
    arguments: Mapping[str, Argument]
    learns: bool = True
    windowed: bool = False


def _zero() -> type[DirectionClassifier]:
    from workbench.models.baselines import ZeroForecast

    return ZeroForecast


def _persistence() -> type[DirectionClassifier]:
    from workbench.models.baselines import Persistence

    return Persistence


def _buy_and_hold() -> type[DirectionClassifier]:
    from workbench.models.baselines import BuyAndHold

    return BuyAndHold


def _logistic() -> type[DirectionClassifier]:
    from workbench.models.linear import Logistic

    return Logistic


def _ridge() -> type[DirectionClassifier]:
    from workbench.models.linear import RidgeProbability

    return RidgeProbability


def _hist_gradient_boosting() -> type[DirectionClassifier]:
    from workbench.models.boosting import HistGradientBoosting

    return HistGradientBoosting


def _lstm() -> type[DirectionClassifier]:
    from workbench.models.lstm import LSTMClassifier

    return LSTMClassifier


_LOGISTIC = {
    "C": Argument("float", 0.1, "inverse of the L2 penalty", above=0, high=1e6),
    "class_weight": Argument("str", "none", "weigh classes by rarity, or not", choices=("none", "balanced")),
    "max_iter": Argument("int", 1000, "most L-BFGS iterations", low=1, high=100_000),
}
_RIDGE = {"alpha": Argument("float", 10.0, "L2 penalty", above=0, high=1e9)}
_BOOSTING = {
    "learning_rate": Argument("float", 0.05, "shrinkage of each tree", above=0, high=1),
    "max_iter": Argument("int", 100, "most boosting rounds", low=1, high=10_000),
    "max_leaf_nodes": Argument("int", 15, "leaves of each tree", low=2, high=1024),
    "min_samples_leaf": Argument("int", 40, "fewest rows in a leaf", low=1, high=1_000_000),
    "l2_regularization": Argument("float", 1.0, "L2 penalty of leaf values", low=0, high=1e6),
    "patience": Argument(
        "int", 0, "rounds without a better validation loss before stopping; 0 = run all rounds", low=0, high=10_000
    ),
    "valid_share": _VALID_SHARE,
    "purge": _PURGE,
    "seed": _SEED,
}
_LSTM = {
    "hidden": Argument("units", (128, 64, 32), "units of each LSTM layer"),
    "lookback": Argument("int", 32, "bars in each input window", low=2, high=512),
    "dropout": Argument("float", 0.2, "share of units dropped after each layer while training", low=0, below=1),
    "norm": Argument("str", "layer", "normalisation after each layer", choices=("layer", "batch", "none")),
    "epochs": Argument("int", 12, "most passes over the training rows", low=1, high=1000),
    "batch_size": Argument("int", 64, "windows per step", low=1, high=65_536),
    "learning_rate": Argument("float", 3e-3, "AdamW learning rate at its height", above=0, high=1),
    "weight_decay": Argument("float", 1e-2, "AdamW decoupled weight decay", low=0, high=1),
    "clip_norm": Argument("float", 1.0, "gradients are scaled down to this norm", above=0, high=1e6),
    "warmup_epochs": Argument("float", 1.0, "epochs over which the rate climbs to its height", low=0, high=1000),
    "plateau_patience": Argument(
        "int", 2, "epochs without a better validation loss before the rate halves", low=1, high=1000
    ),
    "label_smoothing": Argument("float", 0.0, "epsilon spread evenly over the three classes", low=0, below=1),
    "class_weight": Argument("str", "none", "weigh classes by rarity, or not", choices=("none", "balanced")),
    "valid_share": _VALID_SHARE,
    "purge": _PURGE,
    "patience": Argument("int", 4, "epochs without a better validation loss before stopping", low=1, high=1000),
    "patience_accuracy": Argument("int", 0, "the same for validation accuracy; 0 = not watched", low=0, high=1000),
    "max_failures": Argument("int", 5, "roll-backs before training gives up", low=0, high=100),
    "device": Argument("str", "auto", "where to compute", choices=("auto", "cpu", "cuda")),
    "threads": Argument("int", 1, "CPU threads while fitting and predicting; 0 = leave as is", low=0, high=256),
    "seed": _SEED,
}

MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry("zero", "knows nothing: one third for each class, no position", _zero, {}, learns=False),
        ModelEntry("persistence", "the last return's sign goes on", _persistence, {}, learns=False),
        ModelEntry("buy_and_hold", "always bull", _buy_and_hold, {}, learns=False),
        ModelEntry("logistic", "multinomial logistic regression", _logistic, _LOGISTIC),
        ModelEntry("ridge", "ridge regression on the classes, clipped to probabilities", _ridge, _RIDGE),
        ModelEntry("hist_gradient_boosting", "histogram gradient boosted trees", _hist_gradient_boosting, _BOOSTING),
        ModelEntry("lstm", "LSTM 128-64-32 with dropout over a window of bars", _lstm, _LSTM, windowed=True),
    )
}


def entry(name: str) -> ModelEntry:
    """Return the registered model of that name, or say which name was meant."""
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}.{did_you_mean(name, MODELS)}")
    return MODELS[name]


def check_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    """Check constructor parameters of a model by name, type and bounds."""
    check_arguments(f"model {name!r}", entry(name).arguments, parameters)


def check_model_spec(text: str) -> Spec:
    """Check a model spec without building the model: cheap enough to run before a kernel starts.

    Raises
    ------
    ConfigError
        When the spec cannot be read, or names an unknown model or argument, or a value does not fit.
    """
    spec = parse_spec(text)
    check_parameters(spec.name, _named_arguments(spec))
    return spec


def build(spec: str, seed: int = 0, **overrides: Any) -> DirectionClassifier:
    """Build an unfitted model from its spec.

    Parameters
    ----------
    spec
        ``"logistic"``, ``"logistic(C=0.1)"``, ``"lstm(epochs=20, hidden='32-16')"``. Arguments without a name
        follow the order of `list_models`.
    seed
        Seed of the model's random draws; models without any ignore it. It is the run's, so a spec must not hold one.
    **overrides
        Arguments that replace those of the spec, such as ``device="cpu"``.

    Returns
    -------
    DirectionClassifier
        scikit-learn's contract; `predict_proba` gives (n, 3) for bear (-1), neutral (0) and bull (+1).

    Examples
    --------
    >>> build("logistic(C=0.5)").get_params()["C"]
    0.5
    """
    parsed = parse_spec(spec)
    chosen = entry(parsed.name)
    arguments = {**_named_arguments(parsed), **overrides}
    _SEED.check(f"model {parsed.name!r}", "seed", seed)
    check_parameters(parsed.name, arguments)
    if "seed" in chosen.arguments:
        arguments["seed"] = int(seed)
    return chosen.load()(**arguments)


def list_models() -> list[dict[str, Any]]:
    """Return one row per model (name, description, kind, input, arguments) for a table or ``--json``."""
    return [
        {
            "name": e.name,
            "description": e.description,
            "kind": "learned" if e.learns else "baseline",
            "input": "(n, lookback, n_features)" if e.windowed else "(n, n_features)",
            "arguments": {k: a.default for k, a in e.arguments.items() if k != "seed"},
        }
        for e in MODELS.values()
    ]


def _named_arguments(spec: Spec) -> dict[str, Any]:
    names = [n for n in entry(spec.name).arguments if n != "seed"]
    if len(spec.args) > len(names):
        raise ConfigError(f"model {spec.name!r} takes {len(names)} arguments, got {len(spec.args)} in {str(spec)!r}")
    if "seed" in spec.kwargs:
        raise ConfigError(f"model {spec.name!r}: the seed is the run's; set it there, not in {str(spec)!r}")
    given = dict(zip(names, spec.args, strict=False))
    twice = sorted(set(given) & set(spec.kwargs))
    if twice:
        raise ConfigError(f"model {spec.name!r}: {twice[0]} is given twice in {str(spec)!r}; keep one")
    return {**given, **spec.kwargs}
