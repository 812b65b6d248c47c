"""The parameters of research: backtests, trainings, factor reports, sweeps, walk-forward choices, comparisons."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from workbench.config.grids import parse_grid
from workbench.config.spec import parse_spec
from workbench.config.suggest import did_you_mean
from workbench.config.typed import MarketParameters, Parameters, Symbols

REBALANCE = ("on_change", "every_bar")
OBJECTIVES = ("sharpe_ratio", "total_return", "calmar_ratio")
DEFAULT_FEATURES = (
    "ret(1)", "ret(5)", "rsi(14)", "macd_hist_norm(12, 26, 9)", "ema_gap(20)", "ema_gap(100)",
    "adx(14)", "natr(14)", "realized_vol(20)", "volume_z(20)",
)  # fmt: skip


class _Traded(MarketParameters):
    rebalance: str = Field("on_change", description="on_change trades when a target changes, every_bar holds its share")
    max_leverage: float = Field(
        1.0, gt=0, le=20, description="cap on the sum of absolute positions, fraction of equity; above 1 needs margin"
    )
    fee_bps: float = Field(5.0, ge=0, le=1000, description="taker's fee per traded value, basis points")
    slippage_bps: float = Field(2.0, ge=0, le=1000, description="slippage per traded value, basis points")
    execution: list[str] = Field(
        [], description="what else meets an order: specs such as half_spread(1), volume_cap(0.1), stop_loss(0.05)"
    )
    capital: float = Field(1.0, gt=0, le=1e12, description="cash at the start; lots and impact need a real one")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence of VaR, expected shortfall and intervals")
    replicates: int = Field(1000, ge=100, le=100_000, description="block-bootstrap replicates of each interval")
    lockbox_share: float = Field(0.0, ge=0, lt=0.9, description="share of the latest bars sealed away; 0: none")
    open_lockbox: bool = Field(False, description="judge on the sealed bars: counts as an opening, for good")

    @field_validator("rebalance")
    @classmethod
    def _known_rebalance(cls, value: str) -> str:
        if value not in REBALANCE:
            raise ValueError(f"unknown rebalance {value!r}.{did_you_mean(value, REBALANCE)}")
        return value

    @field_validator("execution")
    @classmethod
    def _readable_execution(cls, value: list[str]) -> list[str]:
        for text in value:
            parse_spec(text)
        return value


class _Experiment(MarketParameters):
    features: list[str] = Field(list(DEFAULT_FEATURES), min_length=1, description="feature specs")
    horizon: int = Field(5, ge=1, le=500, description="bars ahead that the label looks, from the fill at the next open")
    neutral_band: float = Field(
        0.0, ge=0, le=5, description="half width of the neutral class, in trailing volatilities"
    )
    seed: int = Field(7, ge=0, le=2**32 - 1, description="seed of every random draw of the run")
    experiment: str = Field("", description="MLflow experiment and model name; empty = the file's or the notebook's")
    register_model: bool = Field(False, description="register the final model as a challenger")


class BacktestParameters(_Traded, _Experiment):
    """A walk-forward backtest: features, label, model, rule and costs."""

    notebook: ClassVar[str] = "backtest"
    model: str = Field("logistic", description="model spec, such as logistic(C=0.1) or lstm(epochs=20)")
    train_size: int = Field(1000, ge=50, le=1_000_000, description="training bars per fold")
    test_size: int = Field(250, ge=5, le=1_000_000, description="test bars per fold")
    expanding: bool = Field(False, description="keep all earlier bars in the training part")
    embargo: int = Field(0, ge=0, le=10_000, description="bars kept free between a training label's end and the test")
    rule: str = Field("proportional", description="position rule: sign, proportional or long_only, with arguments")
    volatility_target: float = Field(0.0, ge=0, le=5, description="annual volatility to scale positions to; 0 = off")
    null_draws: int = Field(200, ge=0, le=10_000, description="draws of each null, such as random entries; 0: none")
    cpcv_groups: int = Field(
        0, ge=0, le=20, description="groups of a combinatorial purged cross-validation beside the walk-forward; 0: none"
    )

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


class FeaturesParameters(MarketParameters):
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


class _Ruled(_Traded):
    """Configurations of one rule over a grid."""

    rule: str = Field("sma_crossover", description="rule that turns closes into positions, by its name")
    grid: list[str] = Field(
        ["fast 5..50..5", "slow 60..240..20"],
        min_length=1,
        description="values of each argument: fast 5..50..5 (first, last, step) or fast 5, 10, 20",
    )
    objective: str = Field("sharpe_ratio", description="what the best is chosen by: " + ", ".join(OBJECTIVES))
    seed: int = Field(7, ge=0, le=2**32 - 1, description="seed of every random draw of the run")
    experiment: str = Field("", description="MLflow experiment; empty = the file's or the notebook's")

    @field_validator("grid")
    @classmethod
    def _readable_grid(cls, value: list[str]) -> list[str]:
        parse_grid(value)
        return value

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, value: str) -> str:
        if value not in OBJECTIVES:
            raise ValueError(f"unknown objective {value!r}.{did_you_mean(value, OBJECTIVES)}")
        return value


class SweepParameters(_Ruled):
    """Every configuration of a grid on the same bars, and the odds that the best of them is luck."""

    notebook: ClassVar[str] = "sweep"
    blocks: int = Field(16, ge=4, le=24, description="blocks of the combinatorially symmetric cross-validation; even")
    keep_cells: int = Field(10, ge=1, le=100, description="best cells that get intervals and a deflated Sharpe ratio")

    @field_validator("blocks")
    @classmethod
    def _even_blocks(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"blocks must be even, half of them being in sample, and {value} is not")
        return value


class WalkForwardParameters(_Ruled):
    """A grid's best configuration chosen anew in every training part, and judged on the bars after it."""

    notebook: ClassVar[str] = "walkforward"
    train_size: int = Field(1000, ge=50, le=1_000_000, description="training bars per fold")
    test_size: int = Field(250, ge=5, le=1_000_000, description="test bars per fold")
    expanding: bool = Field(False, description="keep all earlier bars in the training part")
    embargo: int = Field(0, ge=0, le=10_000, description="bars kept free between training and test")
    stateless: bool = Field(
        False,
        description="declare that no state crosses a fold boundary: simulate once and slice",
    )


class CompareParameters(Parameters):
    """Two finished runs: what differs between them, and how much of the difference each part explains."""

    notebook: ClassVar[str] = "compare"
    a: str = Field("previous", description="run id, or the beginning of one; previous = the run before the latest")
    b: str = Field("latest", description="run id, or latest")
    rerun: bool = Field(False, description="run the steps between A and B again, to say what each explains")


class TruthParameters(Parameters):
    """Markets whose truth is known through the whole pipeline: how often it finds what is not there, and what is."""

    notebook: ClassVar[str] = "truth"
    n_noise: int = Field(6, ge=1, le=1000, description="markets without a signal")
    n_planted: int = Field(6, ge=1, le=1000, description="markets with a planted signal")
    strength: float = Field(0.7, gt=0, lt=1, description="strength of the planted signal")
    n_bars: int = Field(1800, ge=600, le=100_000, description="bars of each market")
    n_cells: int = Field(100, ge=0, le=10_000, description="cells of the sweep on each market; 0: no sweeps")
    model: str = Field("logistic", description="model spec of the walk-forward backtests")
    seed: int = Field(7, ge=0, le=2**31, description="seed of the first market; the others follow")
