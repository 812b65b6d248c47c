"""The typed parameters of every notebook: the only place where a name, type, default, bound and help is said.

The parameters cell of a notebook is generated from its model, `workbench.config.experiment` checks overrides
against it, and the form in JupyterLab is drawn from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from workbench.config.spec import parse_spec
from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w")
OVERLAYS = ("smart_money", "patterns", "regimes")
"""What a candle chart draws over its candles on request."""
REBALANCE = ("on_change", "every_bar")
DEFAULT_FEATURES = (
    "ret(1)", "ret(5)", "rsi(14)", "macd_hist_norm(12, 26, 9)", "ema_gap(20)", "ema_gap(100)",
    "adx(14)", "natr(14)", "realized_vol(20)", "volume_z(20)",
)  # fmt: skip

Symbols = Annotated[list[str], Field(min_length=1)]


class Parameters(BaseModel):
    """Frozen, strict parameters of one notebook; unknown names and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    notebook: ClassVar[str] = ""

    def flat(self) -> dict[str, str | int | float | bool]:
        """Return scalars only, lists joined by a comma: what goes to MLflow and on the report."""
        return {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in self.model_dump().items()}

    @field_validator("timeframe", check_fields=False)
    @classmethod
    def _known_timeframe(cls, value: str) -> str:
        if value not in TIMEFRAMES:
            raise ValueError(f"unknown time frame {value!r}.{did_you_mean(value, TIMEFRAMES)}")
        return value

    @field_validator("start", "end", check_fields=False)
    @classmethod
    def _iso_date(cls, value: str) -> str:
        if value and not re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?(Z|\+00:00)?", value):
            raise ValueError(f"{value!r} is not a date in UTC; write it like '2015-01-31'")
        try:
            datetime.fromisoformat(value or "2000-01-01")
        except ValueError as err:
            raise ValueError(f"{value!r} is no day or time of the calendar ({err})") from None
        return value

    @model_validator(mode="after")
    def _range_in_order(self) -> Self:
        start, end = getattr(self, "start", ""), getattr(self, "end", "")
        if start and end and start >= end:
            raise ValueError(f"start {start!r} is not before end {end!r}; exchange them")
        return self


class _Market(Parameters):
    source: str = Field("sample", description="sample, import, or a synthetic market: gbm, regimes or planted")
    symbols: Symbols = Field(["SPX"], description="one or more symbols, traded as one portfolio")
    timeframe: str = Field("1d", description="bar length: " + " ".join(TIMEFRAMES))
    start: str = Field("", description="first bar, ISO date in UTC; empty = all there is")
    end: str = Field("", description="bars before this ISO date in UTC; empty = all there is")

    @field_validator("source")
    @classmethod
    def _readable_source(cls, value: str) -> str:
        parse_spec(value)
        return value


class DataParameters(Parameters):
    """What the `data` notebook shows: the store and the quality of chosen series."""

    notebook: ClassVar[str] = "data"
    source: str = Field("sample", description="source of the series that are shown")
    symbols: list[str] = Field([], description="symbols to inspect; empty = all of the source")
    timeframe: str = Field("1d", description="bar length: " + " ".join(TIMEFRAMES))


class _Experiment(_Market):
    features: list[str] = Field(list(DEFAULT_FEATURES), min_length=1, description="feature specs")
    horizon: int = Field(5, ge=1, le=500, description="bars ahead that the label looks, from the fill at the next open")
    neutral_band: float = Field(
        0.0, ge=0, le=5, description="half width of the neutral class, in trailing volatilities"
    )
    seed: int = Field(7, ge=0, le=2**32 - 1, description="seed of every random draw of the run")
    experiment: str = Field("", description="MLflow experiment and model name; empty = the file's or the notebook's")
    register_model: bool = Field(False, description="register the final model as a challenger")


class BacktestParameters(_Experiment):
    """A walk-forward backtest: features, label, model, rule and costs."""

    notebook: ClassVar[str] = "backtest"
    model: str = Field("logistic", description="model spec, such as logistic(C=0.1) or lstm(epochs=20)")
    train_size: int = Field(1000, ge=50, le=1_000_000, description="training bars per fold")
    test_size: int = Field(250, ge=5, le=1_000_000, description="test bars per fold")
    expanding: bool = Field(False, description="keep all earlier bars in the training part")
    embargo: int = Field(0, ge=0, le=10_000, description="bars kept free between a training label's end and the test")
    rule: str = Field("proportional", description="position rule: sign, proportional or long_only, with arguments")
    rebalance: str = Field("on_change", description="on_change trades when a target changes, every_bar holds its share")
    volatility_target: float = Field(0.0, ge=0, le=5, description="annual volatility to scale positions to; 0 = off")
    max_leverage: float = Field(1.0, gt=0, le=1, description="cap on the sum of absolute positions, fraction of equity")
    fee_bps: float = Field(5.0, ge=0, le=1000, description="fee per traded value, basis points")
    slippage_bps: float = Field(2.0, ge=0, le=1000, description="slippage per traded value, basis points")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence of VaR and expected shortfall")

    @field_validator("rebalance")
    @classmethod
    def _known_rebalance(cls, value: str) -> str:
        if value not in REBALANCE:
            raise ValueError(f"unknown rebalance {value!r}.{did_you_mean(value, REBALANCE)}")
        return value

    @field_validator("model", "rule")
    @classmethod
    def _readable_spec(cls, value: str) -> str:
        parse_spec(value)
        return value


class TrainParameters(_Experiment):
    """Training of one LSTM on the earlier part of the data, judged on the later part."""

    notebook: ClassVar[str] = "train"
    test_share: float = Field(0.25, gt=0, lt=0.9, description="share of the latest bars kept for the test")
    hidden: list[int] = Field([128, 64, 32], min_length=1, description="units of each LSTM layer")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout between layers")
    lookback: int = Field(32, ge=2, le=512, description="bars in each input window")
    epochs: int = Field(30, ge=1, le=1000, description="most epochs; early stopping usually ends sooner")
    patience: int = Field(6, ge=1, le=1000, description="epochs without a better validation loss before stopping")
    batch_size: int = Field(64, ge=1, le=65536, description="windows per step")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="AdamW learning rate")
    device: str = Field("auto", description="auto, cpu or cuda")


class FeaturesParameters(_Market):
    """What features are worth: coverage, information, decay, quantiles, redundancy and importance."""

    notebook: ClassVar[str] = "features"
    symbols: Symbols = Field(
        ["AAPL", "GOOG", "IBM", "MSFT"], description="from three symbols on, features are judged across them"
    )
    features: list[str] = Field(list(DEFAULT_FEATURES), min_length=1, description="feature specs")
    horizon: int = Field(5, ge=1, le=500, description="bars ahead that the label looks, from the fill at the next open")
    horizons: list[int] = Field([1, 2, 5, 10, 20, 60], min_length=1, description="bars ahead for the decay")
    quantiles: int = Field(5, ge=2, le=20, description="quantiles whose returns are compared")
    threshold: float = Field(0.7, ge=0, le=1, description="rank correlation from which features form a cluster")
    model: str = Field("logistic", description="model spec for the importance; it must read rows, not windows")
    folds: int = Field(5, ge=2, le=50, description="folds of the purged cross-validation")
    embargo: int = Field(20, ge=0, le=10_000, description="bars kept free after a test part's last label")
    seed: int = Field(7, ge=0, le=2**32 - 1, description="seed of the permutations and of the model")

    @field_validator("horizons")
    @classmethod
    def _horizons_in_order(cls, value: list[int]) -> list[int]:
        wrong = [h for h in value if not 1 <= h <= 500]
        if wrong:
            raise ValueError(f"a horizon must be 1 to 500 bars, and {wrong[0]} is not")
        if value != sorted(set(value)):
            raise ValueError("horizons must increase, each named once")
        return value

    @field_validator("model")
    @classmethod
    def _readable_spec(cls, value: str) -> str:
        parse_spec(value)
        return value


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
        TrainParameters,
        LiveChartParameters,
        RiskCenterParameters,
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
