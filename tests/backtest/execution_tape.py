"""What the twin of the full bar is given, carries and leaves; lists and floats only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

DUST = 1e-12
GIVE = 1e-9


@dataclass(frozen=True)
class Rules:
    """Every option as the contract names it, rates as fractions; the defaults are the plain bar."""

    fee: float = 5e-4
    maker: float | None = None
    tiers: tuple[tuple[float, float, float], ...] = ()
    tier_window: int = 0
    fee_fixed: float = 0.0
    fee_minimum: float = 0.0
    half_spread: float = 0.0
    slippage: float = 2e-4
    volatility_slippage: float = 0.0
    impact: float = 0.0
    volume_cap: float = 0.0
    lot: tuple[float, ...] = ()
    tick: tuple[float, ...] = ()
    min_notional: tuple[float, ...] = ()
    borrow: float = 0.0
    interest: float = 0.0
    year: float = 8760.0
    leverage: float = 1.0
    maintenance: float = 0.0
    liquidation_fee: float = 0.0
    order: str = "market"
    offset: float = 0.0
    wait: int = 1
    then: str = "market"
    stop_loss: float = 0.0
    take_profit: float = 0.0
    trailing: float = 0.0
    stop_limit: float | None = None
    time_exit: int = 0
    max_loss: float = 0.0
    on_change: bool = False
    band: float = 0.0


@dataclass(frozen=True)
class Tape:
    """Lists ``[asset][bar]``; ``finer[t]`` holds the finer bars of bar t as tuples of (open, high, low, close) rows."""

    open: list[list[float]]
    high: list[list[float]]
    low: list[list[float]]
    close: list[list[float]]
    volume: list[list[float]]
    funding: list[list[float]] | None = None
    mark: list[list[float]] | None = None
    volatility: list[list[float]] | None = None
    usual_volume: list[list[float]] | None = None
    widen: list[list[float]] | None = None
    finer: list[list[list[tuple[float, float, float]]]] | None = None  # [bar][k][asset] = open, high, low

    def at(self, name: str, j: int, t: int) -> float:
        rows = getattr(self, name)
        return math.nan if rows is None or t < 0 else rows[j][t]


@dataclass
class Fill:
    """One row of what was filled."""

    bar: int
    asset: int
    units: float
    price: float
    fee: float
    slippage: float
    reason: str
    maker: bool
    base: float


@dataclass
class Working:
    """An order that is not filled whole; ``sent`` is the bar whose open saw it first."""

    kind: str
    size: float
    price: float
    sent: int
    reason: str = "order"


@dataclass
class Asset:
    """What one asset carries from bar to bar."""

    units: float = 0.0
    price: float = math.nan
    asked: float = math.nan
    average: float = 0.0
    entry: int = -1
    best: float = math.nan
    barred: int = 0
    working: Working | None = None
    leaving: bool = False
    resting: float = math.nan
    used: float = 0.0
    moment: tuple[int, int] = (-1, -1)  # bar and finer bar of the opening fill, where it was within them

    @property
    def side(self) -> int:
        return (self.units > 0) - (self.units < 0)


@dataclass
class Outcome:
    """What a simulation leaves."""

    equity: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    units: list[list[float]] = field(default_factory=list)
    held: list[list[float]] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    charges: list[tuple[float, float, float]] = field(default_factory=list)
    ruined: int | None = None


def floor_to(x: float, step: float) -> float:
    return math.floor(x / step + GIVE) * step if step > 0 else x


def ceil_to(x: float, step: float) -> float:
    return math.ceil(x / step - GIVE) * step if step > 0 else x
