"""The typed parameters of every notebook: the only place where a name, type, default, bound and help is said.

The parameters cell of a notebook is generated from its model, `workbench.config.experiment` checks overrides
against it, and the form in JupyterLab is drawn from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from pydantic import Field, ValidationError, field_validator

from workbench.config.research import (
    DEFAULT_FEATURES,
    BacktestParameters,
    CompareParameters,
    FeaturesParameters,
    SweepParameters,
    TrainParameters,
    TruthParameters,
    WalkForwardParameters,
)
from workbench.config.suggest import did_you_mean
from workbench.config.typed import TIMEFRAMES, MarketParameters, Parameters
from workbench.errors import ConfigError

__all__ = [
    "DEFAULT_FEATURES",
    "NOTEBOOKS",
    "OVERLAYS",
    "TIMEFRAMES",
    "BacktestParameters",
    "CompareParameters",
    "DataParameters",
    "FeaturesParameters",
    "LiveChartParameters",
    "MarketParameters",
    "Parameters",
    "RiskCenterParameters",
    "SweepParameters",
    "TrainParameters",
    "TruthParameters",
    "WalkForwardParameters",
    "parameters_of",
    "validate_parameters",
]

OVERLAYS = ("smart_money", "patterns", "regimes")
"""What a candle chart draws over its candles on request."""


class DataParameters(Parameters):
    """What the `data` notebook shows: the store and the quality of chosen series."""

    notebook: ClassVar[str] = "data"
    source: str = Field("sample", description="source of the series that are shown")
    symbols: list[str] = Field([], description="symbols to inspect; empty = all of the source")
    timeframe: str = Field("1d", description="bar length: " + " ".join(TIMEFRAMES))


class LiveChartParameters(Parameters):
    """A chart of a stream: a venue's, a recording, or stored bars that are replayed."""

    notebook: ClassVar[str] = "live_chart"
    source: str = Field("sample", description="a stored source to replay, live:binance or recorded:PATH")
    symbol: str = Field("SPX", description="symbol to draw")
    timeframe: str = Field("1d", description="bar length: " + " ".join(TIMEFRAMES))
    indicators: list[str] = Field(
        ["ema(20)", "bollinger_upper(20, 2.0)", "bollinger_lower(20, 2.0)", "rsi(14)"],
        description="feature specs to draw",
    )
    overlays: list[str] = Field([], description="events over the candles: " + " ".join(OVERLAYS))
    window: int = Field(180, ge=20, le=5000, description="bars on screen")
    speed: float = Field(4.0, gt=0, le=100, description="bars per second while playing")
    start: str = Field("", description="first bar of the replay, ISO date in UTC; empty = the last window")

    @field_validator("overlays")
    @classmethod
    def _known_overlays(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in OVERLAYS:
                raise ValueError(f"there is no overlay {name!r}.{did_you_mean(name, OVERLAYS)}")
        return list(dict.fromkeys(value))


class RiskCenterParameters(Parameters):
    """Risk of a finished run: drawdown, exposure, VaR and expected shortfall."""

    notebook: ClassVar[str] = "risk_center"
    run: str = Field("latest", description="run id, or latest")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence of VaR and expected shortfall")
    window: int = Field(63, ge=10, le=5000, description="bars of the rolling measures")
    drawdown_warn: float = Field(0.10, gt=0, lt=1, description="drawdown at which the state turns to WARN")
    drawdown_halt: float = Field(0.20, gt=0, lt=1, description="drawdown at which the state turns to HALT")


NOTEBOOKS: dict[str, type[Parameters]] = {
    p.notebook: p
    for p in (
        DataParameters,
        FeaturesParameters,
        BacktestParameters,
        SweepParameters,
        WalkForwardParameters,
        CompareParameters,
        TrainParameters,
        LiveChartParameters,
        RiskCenterParameters,
        TruthParameters,
    )
}


def parameters_of(notebook: str) -> type[Parameters]:
    """Return the parameter model of a notebook by its file stem."""
    if notebook not in NOTEBOOKS:
        raise ConfigError(f"unknown notebook {notebook!r}.{did_you_mean(notebook, NOTEBOOKS)}")
    return NOTEBOOKS[notebook]


def validate_parameters(notebook: str, overrides: Mapping[str, Any], where: str = "") -> Parameters:
    """Check overrides against a notebook's model and return the full, frozen parameters.

    Raises
    ------
    ConfigError
        One line that names the parameter, the value and the cure; ``where`` (a file) is added in brackets.
    """
    model = parameters_of(notebook)
    suffix = f" ({where})" if where else ""
    for name in overrides:
        if name not in model.model_fields:
            hint = did_you_mean(str(name), model.model_fields)
            raise ConfigError(f"{model.__name__} has no parameter {name!r}.{hint}{suffix}")
    try:
        return model(**{k: _natural(model, k, v) for k, v in overrides.items()})
    except ValidationError as err:
        raise ConfigError(_one_line(model, err) + suffix) from None


def _natural(model: type[Parameters], name: str, value: Any) -> Any:
    """Take what a person means: a whole number for a float, YAML's date for a date in text."""
    if isinstance(value, date) and name in ("start", "end"):
        return value.isoformat()
    wants_float = model.model_fields[name].annotation is float
    return float(value) if wants_float and isinstance(value, int) and not isinstance(value, bool) else value


def _one_line(model: type[Parameters], err: ValidationError) -> str:
    first = err.errors(include_url=False)[0]
    path = ".".join(str(p) for p in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not path:
        return f"{model.__name__}: {message}"
    value = first.get("input")
    hint = ""
    if isinstance(value, str) and first["type"] in {"float_type", "int_type"}:
        hint = _hint_for_text(value)
    elif isinstance(value, str) and first["type"] == "list_type":
        hint = f" (write [{value}])"
    elif path in ("start", "end") and not isinstance(value, str):
        hint = " (write a date like 2015-01-31)"
    lead = message[0].lower() + message[1:]
    return f"{model.__name__}.{path}: {lead}, got {value!r}{hint}"


def _hint_for_text(value: str) -> str:
    try:
        float(value)
    except ValueError:
        return " (write a number)"
    return (
        f" (YAML reads {value!r} as text; write 0.0001 or 1.0e-4)" if "e" in value.lower() else " (remove the quotes)"
    )
