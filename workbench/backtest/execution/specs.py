"""Execution as text, for notebooks and experiment files: ``limit(5, wait=2)``, ``stop_loss(0.05)``, ``funding()``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.config import did_you_mean, parse_spec
from workbench.errors import ConfigError

# Spec -> its arguments in order, each the field of `Execution` that it sets.
SPECS: dict[str, tuple[str, ...]] = {
    "band": ("band",),
    "borrow": ("borrow_rate",),
    "fee_tier": ("from_value", "maker_bps", "taker_bps"),
    "fixed_fee": ("fee_fixed",),
    "funding": (),
    "half_spread": ("half_spread_bps",),
    "impact": ("impact", "volatility_window"),
    "interest": ("interest_rate",),
    "limit": ("offset_bps", "wait", "then"),
    "lot": ("lot",),
    "maker_fee": ("maker_fee_bps",),
    "margin": ("leverage", "maintenance_margin", "liquidation_fee_bps"),
    "max_loss": ("max_loss",),
    "min_notional": ("min_notional",),
    "minimum_fee": ("fee_minimum",),
    "stop_entry": ("offset_bps", "wait", "then"),
    "stop_limit": ("stop_limit_bps",),
    "stop_loss": ("stop_loss",),
    "take_profit": ("take_profit",),
    "tick": ("tick",),
    "tier_window": ("tier_window",),
    "time_exit": ("time_exit",),
    "trailing_stop": ("trailing_stop",),
    "volatility_slippage": ("volatility_slippage", "volatility_window"),
    "volume_cap": ("volume_cap",),
    "widen_stops": ("high", "extreme"),
}
"""What an execution may hold, by name."""

_SHORT = {
    "maintenance": "maintenance_margin",
    "liquidation_fee": "liquidation_fee_bps",
    "window": "volatility_window",
}
_FIXED: dict[str, dict[str, Any]] = {
    "funding": {"funding": True},
    "limit": {"order": "limit"},
    "stop_entry": {"order": "stop"},
}


def options_of(specs: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `Execution` that specs set.

    Raises
    ------
    ConfigError
        Naming the spec, what is wrong, and the known ones.
    """
    options: dict[str, Any] = {}
    tiers: list[tuple[float, float, float]] = []
    for text in specs:
        name, given = _read(text)
        if name == "fee_tier":
            tiers.append((given["from_value"], given["maker_bps"], given["taker_bps"]))
            continue
        if name == "widen_stops":
            given = {"widen_stops": (float(given.get("high", 1.5)), float(given.get("extreme", 2.5)))}
        for field, value in {**given, **_FIXED.get(name, {})}.items():
            if field in options and options[field] != value:
                raise ConfigError(f"execution: {text!r} sets {field}, which another spec set to {options[field]!r}")
            options[field] = value
    if tiers:
        options["fee_tiers"] = tuple(sorted(tiers))
    return options


def _read(text: str) -> tuple[str, dict[str, Any]]:
    spec = parse_spec(text)
    if spec.name not in SPECS:
        hint = did_you_mean(spec.name, SPECS) or f" It knows {', '.join(SPECS)}."
        raise ConfigError(f"execution has no {spec.name!r}.{hint}")
    names = SPECS[spec.name]
    if len(spec.args) > len(names):
        raise ConfigError(f"execution: {text!r} takes at most {len(names)} arguments: {', '.join(names) or 'none'}")
    given: dict[str, Any] = dict(zip(names, spec.args, strict=False))
    for key, value in spec.kwargs.items():
        field = _SHORT.get(key, key)
        if field not in names:
            raise ConfigError(f"execution: {spec.name} has no argument {key!r}.{did_you_mean(key, names)}")
        if field in given:
            raise ConfigError(f"execution: {text!r} gives {key!r} twice")
        given[field] = value
    needed = names if spec.name == "fee_tier" else names[:1] if spec.name != "widen_stops" else ()
    for field in needed:
        if field not in given:
            raise ConfigError(f"execution: {text!r} needs a value, such as {spec.name}({_example(spec.name)})")
    return spec.name, given


def _example(name: str) -> str:
    return {"fee_tier": "1e6, 1, 4", "margin": "3, maintenance=0.05"}.get(name, "5")
