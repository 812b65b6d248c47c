"""What a search may vary: ``horizon: int(1, 20)``, ``model.C: float(1e-3, 1, log=true)``, ``rule: choice(sign, …)``."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.config import BacktestParameters, Spec, did_you_mean, parse_spec, validate_parameters
from workbench.errors import ConfigError
from workbench.pipeline.replay import split_items

Value = int | float | str
KINDS = ("float", "int", "choice")
SPECS = ("model", "rule")
"""Parameters that are specs: their arguments can be varied by name, as in ``model.C``."""
FIXED = {
    "source": "every trial must be judged on the same bars",
    "symbols": "every trial must be judged on the same bars",
    "timeframe": "every trial must be judged on the same bars",
    "start": "every trial must be judged on the same bars",
    "end": "every trial must be judged on the same bars",
    "lockbox_share": "sealed bars are no parameter of a strategy",
    "open_lockbox": "sealed bars are no parameter of a strategy",
    "fee_bps": "the cheapest market would always win",
    "slippage_bps": "the cheapest market would always win",
    "experiment": "it changes no number",
    "register_model": "it changes no number",
    "confidence": "it changes no return",
    "replicates": "it changes no return",
    "null_draws": "it changes no return",
    "cpcv_groups": "it changes no return",
}
"""Parameters that no search varies, and why."""


@dataclass(frozen=True)
class Dimension:
    """One parameter's range or choices.

    Parameters
    ----------
    name : str
        A parameter of `BacktestParameters`, or an argument of one that is a spec: ``model.C``.
    kind : {"float", "int", "choice"}
    low, high : float
        Bounds, both included.
    log : bool
        Draw on a logarithmic scale.
    step : float or None
        Only ``low + k · step``.
    choices : tuple of str
        As written.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[str, ...] = ()

    def cells(self) -> list[Value]:
        """Return every value, for a grid; ConfigError where there is no end of them."""
        if self.kind == "choice":
            return list(self.choices)
        step = self.step or (1 if self.kind == "int" else None)
        if step is None or self.log:
            raise ConfigError(
                f"search space {self.name}: a grid needs choice(...), int(...) or a step, such as "
                f"float({self.low:g}, {self.high:g}, step={(self.high - self.low) / 4:g})"
            )
        count = int((self.high - self.low) / step + 1e-9) + 1
        values = [self.low + k * step for k in range(count)]
        return [int(v) for v in values] if self.kind == "int" else [round(v, 12) for v in values]


def parse_space(space: Mapping[str, str], base: BacktestParameters) -> dict[str, Dimension]:
    """Read a search space and check that its bounds and choices are allowed.

    Parameters
    ----------
    space
        ``float(low, high, log=true, step=…)``, ``int(low, high, log=true, step=…)`` or ``choice(a, b, …)`` by name.
        Choices of a list parameter are lists: ``choice([ret(1), rsi(14)], [ret(5)])``.
    base
        What is not varied.

    Raises
    ------
    ConfigError
        Naming the parameter, what was given, and the cure.

    Examples
    --------
    >>> from workbench.config import BacktestParameters
    >>> parse_space({"horizon": "int(1, 20)"}, BacktestParameters())["horizon"].high
    20
    """
    if not space:
        raise ConfigError("the search space is empty; name a parameter and its values, such as horizon: int(1, 20)")
    read = {name: _dimension(name, str(text)) for name, text in space.items()}
    for dimension in read.values():
        ends = dimension.choices if dimension.kind == "choice" else (_number(dimension, dimension.low), dimension.high)
        for value in ends:
            configured(base, {dimension.name: value})
    return read


def configured(base: BacktestParameters, values: Mapping[str, Value]) -> BacktestParameters:
    """Return the parameters with a trial's values in place, checked.

    Raises
    ------
    ConfigError
        When a value is out of bounds.
    """
    changes: dict[str, Any] = {}
    for name, value in values.items():
        head, _, argument = name.partition(".")
        if argument:
            spec = parse_spec(str(changes.get(head, getattr(base, head))))
            literal = _literal(value) if isinstance(value, str) else value
            changes[head] = str(Spec(spec.name, spec.args, {**spec.kwargs, argument: literal}))
        else:
            changes[head] = _typed(head, value)
    return typing.cast(
        "BacktestParameters", validate_parameters("backtest", base.model_dump() | changes, "search space")
    )


def _dimension(name: str, text: str) -> Dimension:
    head, _, argument = name.partition(".")
    fields = BacktestParameters.model_fields
    if head not in fields:
        raise ConfigError(f"search space: BacktestParameters has no parameter {head!r}.{did_you_mean(head, fields)}")
    if head in FIXED:
        raise ConfigError(f"search space: {head} cannot be searched, {FIXED[head]}; set it once for all trials")
    if argument and head not in SPECS:
        raise ConfigError(f"search space: {name!r} names an argument, and only {' and '.join(SPECS)} have any")
    kind, bracket, inside = text.strip().partition("(")
    if not bracket or not inside.endswith(")"):
        raise ConfigError(
            f"search space {name}: {text!r} is not of the form float(1e-3, 1), int(5, 50) or choice(a, b)"
        )
    if kind not in KINDS:
        raise ConfigError(f"search space {name}: unknown kind {kind!r}.{did_you_mean(kind, KINDS)}")
    items = split_items(inside[:-1])
    if kind == "choice":
        if len(items) < 2 or len(set(items)) < len(items):
            raise ConfigError(f"search space {name}: {text!r} must name two or more different choices")
        return Dimension(name, kind, choices=tuple(items))
    if not argument and fields[head].annotation not in ((float,) if kind == "float" else (float, int)):
        wanted = "int(low, high)" if fields[head].annotation is int else "choice(a, b)"
        raise ConfigError(f"search space {name}: {kind}(...) does not fit this parameter; write {wanted}")
    return _ranged(name, kind, text, items)


def _ranged(name: str, kind: str, text: str, items: list[str]) -> Dimension:
    bounds = [i for i in items if "=" not in i]
    options = {k.strip(): v.strip() for k, _, v in (i.partition("=") for i in items if "=" in i)}
    unknown = [k for k in options if k not in ("log", "step")]
    if unknown:
        hint = did_you_mean(unknown[0], ("log", "step"))
        raise ConfigError(f"search space {name}: unknown option {unknown[0]!r} in {text!r}.{hint}")
    try:
        number = int if kind == "int" else float
        low, high = (number(b) for b in bounds)
        step = number(options["step"]) if "step" in options else None
    except ValueError:
        raise ConfigError(
            f"search space {name}: {text!r} needs two {'whole ' * (kind == 'int')}numbers, low and high"
        ) from None
    log = options.get("log", "false").lower()
    if log not in ("true", "false"):
        raise ConfigError(f"search space {name}: log must be true or false, got {log!r}")
    wrong = {
        "low must be below high": not low < high,
        "log needs a low above 0": log == "true" and low <= 0,
        "log and step exclude each other": log == "true" and step is not None,
        "step must be above 0": step is not None and not step > 0,
    }
    for words, is_so in wrong.items():
        if is_so:
            raise ConfigError(f"search space {name}: {words}, got {text!r}")
    return Dimension(name, kind, low, high, log == "true", step)


def _number(dimension: Dimension, value: float) -> Value:
    return int(value) if dimension.kind == "int" else float(value)


def _typed(name: str, value: Value) -> Any:
    kind = BacktestParameters.model_fields[name].annotation
    if typing.get_origin(kind) is list:
        text = str(value).strip()
        if not (text.startswith("[") and text.endswith("]")):
            raise ConfigError(f"search space {name}: a choice must be a list, such as [ret(1), rsi(14)], got {text!r}")
        return split_items(text[1:-1])
    if not isinstance(value, str) or kind is str:
        return value
    return _literal(value)


def _literal(text: str) -> Any:
    """Read a choice as YAML does: true, 3, 0.1 or a word."""
    import yaml

    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return yaml.safe_load(text)
