"""How orders meet the market: fees, spread, slippage, limits of the venue, carry, margin, kinds of orders and exits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError

PerSymbol = float | Mapping[str, float]
ORDER_KINDS = ("market", "limit", "stop")
AFTERWARDS = ("market", "cancel")
_EXITS = (
    "stop_loss", "take_profit", "trailing_stop", "stop_limit_bps", "time_exit", "max_loss", "widen_stops",
)  # fmt: skip
_AT_LEAST_ZERO = (
    "fee_bps", "fee_fixed", "fee_minimum", "half_spread_bps", "slippage_bps", "volatility_slippage", "impact",
    "borrow_rate", "interest_rate", "liquidation_fee_bps", "offset_bps", "stop_loss", "take_profit", "trailing_stop",
    "max_loss", "band",
)  # fmt: skip
_SHARES = ("band", "volume_cap", "maintenance_margin", "stop_loss", "trailing_stop", "max_loss")


@dataclass(frozen=True)
class Execution:
    """Everything between a target and a position; the defaults are the plain bar: fee and slippage on market orders.

    The rules, in the order in which a bar is settled, are in docs/execution.md. Whatever is off costs nothing and
    changes nothing.

    Parameters
    ----------
    fee_bps, maker_fee_bps
        Taker's and maker's fee, basis points of the value traded; the maker's is the taker's where None, and may be
        negative (a rebate).
    fee_tiers, tier_window
        ``((from_value, maker_bps, taker_bps), …)``: the rates from a value traded in the last ``tier_window`` bars on.
    fee_fixed, fee_minimum
        Fee a fill on top of the rate, and least fee a fill, in cash.
    half_spread_bps
        Half of the distance between bid and ask; a taker pays it on either side.
    slippage_bps, volatility_slippage, impact
        A taker's slippage: fixed; times the trailing volatility a bar; times that volatility and the square root of the
        order over the usual volume a bar (Tóth et al. 2011: about 1).
    volatility_window
        Bars of the trailing volatility and of the usual volume.
    volume_cap
        Most of a bar's volume that one asset's fills may be, 0 to 1; 0 is no cap.
    lot, tick, min_notional
        Step of sizes, step of prices, least value of an order; one number or a mapping by symbol; 0 is none.
    funding
        Pay and receive the bars' ``funding_rate`` (a field, at the mark price where there is a field ``mark``).
    borrow_rate, interest_rate
        Yearly rates on the value of shorts and on debt.
    leverage, maintenance_margin, liquidation_fee_bps
        Gross value that equity carries, 1 being no borrowing; least equity over gross value before everything is
        liquidated; fee of that.
    order, offset_bps, wait, then
        ``market`` at the open; ``limit`` that far better than the last close, or ``stop`` that far beyond it; bars that
        it works, and whether what is left becomes a ``market`` order or is cancelled (``cancel``).
    stop_loss, take_profit, trailing_stop
        Distance of an exit as a fraction: from the average entry price, or from the best price since entry.
    stop_limit_bps
        Makes the stops stop-limits that are not filled further than this beyond their level; None for plain stops.
    time_exit
        Bars after which a position is closed; 0 is never.
    max_loss
        Most that the distance of a stop may be, however wide the regime makes it; 0 is no cap.
    widen_stops
        Factors on stop distances in high and in extreme volatility: its trailing value above the 75 % and the 95 %
        quantile of its own last ``regime_window`` values.
    band
        Rebalancing band: no order while what is held is within this fraction of equity from the target; closing to 0 is
        exempt. 0 trades every difference.
    """

    fee_bps: float = 5.0
    maker_fee_bps: float | None = None
    fee_tiers: tuple[tuple[float, float, float], ...] = ()
    tier_window: int = 720
    fee_fixed: float = 0.0
    fee_minimum: float = 0.0
    half_spread_bps: float = 0.0
    slippage_bps: float = 2.0
    volatility_slippage: float = 0.0
    impact: float = 0.0
    volatility_window: int = 20
    volume_cap: float = 0.0
    lot: PerSymbol = 0.0
    tick: PerSymbol = 0.0
    min_notional: PerSymbol = 0.0
    funding: bool = False
    borrow_rate: float = 0.0
    interest_rate: float = 0.0
    leverage: float = 1.0
    maintenance_margin: float = 0.0
    liquidation_fee_bps: float = 0.0
    order: str = "market"
    offset_bps: float = 0.0
    wait: int = 1
    then: str = "market"
    stop_loss: float = 0.0
    take_profit: float = 0.0
    trailing_stop: float = 0.0
    stop_limit_bps: float | None = None
    time_exit: int = 0
    max_loss: float = 0.0
    widen_stops: tuple[float, float] | None = None
    regime_window: int = 500
    band: float = 0.0

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ZERO:
            _check(name, getattr(self, name), 0.0, math.inf)
        for name in ("fee_bps", "half_spread_bps", "slippage_bps", "liquidation_fee_bps", "offset_bps"):
            _check(name, getattr(self, name), 0.0, 9_999.0)
        for name in _SHARES:
            _check(name, getattr(self, name), 0.0, 1.0 if name == "volume_cap" else 0.999)
        for name, value, least in (
            ("maker_fee_bps", self.maker_fee_bps, -100.0),
            ("stop_limit_bps", self.stop_limit_bps, 0.0),
        ):
            if value is not None:
                _check(name, value, least, 9_999.0)
        for name, least in (
            ("tier_window", 1),
            ("volatility_window", 2),
            ("wait", 1),
            ("time_exit", 0),
            ("regime_window", 20),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"execution: {name} must be a whole number of bars from {least} on, got {value!r}")
        _check("leverage", self.leverage, 1.0, 1_000.0)
        for name in ("lot", "tick", "min_notional"):
            value = getattr(self, name)
            for key, one in value.items() if isinstance(value, Mapping) else [(name, value)]:
                _check(f"{name} of {key}" if key != name else name, one, 0.0, math.inf)
        _check_choice("order", self.order, ORDER_KINDS)
        _check_choice("then", self.then, AFTERWARDS)
        self._check_pairs()

    def _check_pairs(self) -> None:
        if self.maintenance_margin * self.leverage >= 1 and self.maintenance_margin > 0:
            raise ConfigError(
                f"execution: maintenance_margin {self.maintenance_margin:g} at leverage {self.leverage:g} liquidates a "
                f"full position at once; keep it below {1 / self.leverage:g}"
            )
        self._check_tiers()
        stops = self.stop_loss or self.trailing_stop
        wide = (1.0, 1.0) if self.widen_stops is None else self.widen_stops
        if len(wide) != 2 or not all(1 <= factor < math.inf for factor in wide):
            raise ConfigError(f"execution: widen_stops must be two factors of 1 or more, as (1.5, 2.5), got {wide}")
        asked = {
            "widen_stops": self.widen_stops is not None,
            "stop_limit_bps": self.stop_limit_bps is not None,
            "max_loss": self.max_loss > 0,
        }
        for name, given in asked.items():
            if given and not stops:
                raise ConfigError(f"execution: {name} needs a stop; add stop_loss or trailing_stop")
        if self.offset_bps and self.order == "market":
            raise ConfigError("execution: offset_bps needs an order that waits; set order to 'limit' or 'stop'")

    def _check_tiers(self) -> None:
        for tier in self.fee_tiers:
            if len(tier) != 3:
                raise ConfigError(f"execution: fee_tiers must be (from_value, maker_bps, taker_bps), got {tier!r}")
            for name, value, low in zip(("from_value", "maker_bps", "taker_bps"), tier, (0, -100, 0), strict=True):
                _check(f"{name} of fee_tiers", value, low, math.inf if name == "from_value" else 9_999.0)
        values = [tier[0] for tier in self.fee_tiers]
        if values != sorted(values):
            raise ConfigError(f"execution: from_value of fee_tiers must rise, got {values}")

    @property
    def needs_range(self) -> bool:
        """Whether highs and lows are read: for exits, limits, stops and margin."""
        exits = self.stop_loss or self.take_profit or self.trailing_stop
        return bool(exits) or self.order != "market" or self.maintenance_margin > 0

    @property
    def needs_volume(self) -> bool:
        """Whether the bars' volume is read: for the cap and the impact."""
        return self.volume_cap > 0 or self.impact > 0

    def without_exits(self) -> Execution:
        """Return the same costs and margin with market orders and no exits: what baselines trade by."""
        default = {f.name: f.default for f in fields(self)}
        plain = {name: default[name] for name in (*_EXITS, "order", "offset_bps", "wait", "then")}
        return replace(self, **plain)  # type: ignore[arg-type]  # defaults are of their fields' types

    @classmethod
    def from_specs(cls, specs: Sequence[str], *, fee_bps: float = 5.0, slippage_bps: float = 2.0) -> Execution:
        """Return the execution that specs such as ``half_spread(1)`` and ``stop_loss(0.05)`` describe.

        Raises
        ------
        ConfigError
            For an unknown spec or argument, one given twice, or a value out of bounds.
        """
        from workbench.backtest.execution.specs import options_of

        return cls(fee_bps=fee_bps, slippage_bps=slippage_bps, **options_of(specs))

    def describe(self) -> list[str]:
        """Return in plain words what is not as in the plain bar, in the order of the fields; both costs always.

        >>> Execution(fee_bps=4, stop_loss=0.05).describe()
        ["taker's fee 4 bps", 'slippage 2 bps', 'stop-loss at 5 % from the entry price']
        """
        from workbench.backtest.execution.telling import told

        values = [(f.name, getattr(self, f.name), f.default) for f in fields(self)]
        return [told(name, v) for name, v, plain in values if v != plain or name in ("fee_bps", "slippage_bps")]


def _check(name: str, value: object, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not low <= value <= high:  # type: ignore[operator]  # a number by now
        bounds = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of {low:g} or more"
        raise ConfigError(f"execution: {name} must be a number {bounds}, got {value!r}")


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(f"execution: unknown {name} {value!r}.{did_you_mean(str(value), known)}")
