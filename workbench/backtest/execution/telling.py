"""An execution in plain words, for the first page of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BPS, _SHARE, _PLAIN = "bps", "share", "plain"

# Field -> what it is called, how its value reads, what follows.
_WORDS: dict[str, tuple[str, str, str]] = {
    "fee_bps": ("taker's fee", _BPS, ""),
    "maker_fee_bps": ("maker's fee", _BPS, ""),
    "tier_window": ("fee tiers by the value traded in the last", _PLAIN, "bars"),
    "fee_fixed": ("fixed fee", _PLAIN, "a fill"),
    "fee_minimum": ("least fee", _PLAIN, "a fill"),
    "half_spread_bps": ("half-spread", _BPS, ""),
    "slippage_bps": ("slippage", _BPS, ""),
    "volatility_slippage": ("slippage of", _PLAIN, "times the volatility of a bar"),
    "impact": ("impact of", _PLAIN, "times the volatility of a bar and the root of the share of its usual volume"),
    "volatility_window": ("volatility and usual volume over", _PLAIN, "bars"),
    "volume_cap": ("fills at most", _SHARE, "of a bar's volume"),
    "lot": ("sizes in steps of", _PLAIN, ""),
    "tick": ("prices in steps of", _PLAIN, ""),
    "min_notional": ("orders worth at least", _PLAIN, ""),
    "band": ("no order within", _SHARE, "of equity from the target"),
    "borrow_rate": ("borrowing costs", _SHARE, "a year of the value of shorts"),
    "interest_rate": ("interest of", _SHARE, "a year on debt"),
    "leverage": ("leverage up to", _PLAIN, ""),
    "maintenance_margin": ("liquidated below", _SHARE, "of gross value"),
    "liquidation_fee_bps": ("liquidation fee", _BPS, ""),
    "offset_bps": ("orders set", _BPS, "from the last close"),
    "wait": ("orders work for", _PLAIN, "bars"),
    "stop_loss": ("stop-loss at", _SHARE, "from the entry price"),
    "take_profit": ("take-profit at", _SHARE, "from the entry price"),
    "trailing_stop": ("trailing stop at", _SHARE, "from the best price"),
    "stop_limit_bps": ("stops are not filled more than", _BPS, "beyond their level"),
    "time_exit": ("closed after", _PLAIN, "bars"),
    "max_loss": ("stops never further than", _SHARE, ""),
    "regime_window": ("volatility regimes over", _PLAIN, "bars"),
}
_ORDERS = {"limit": "limit orders", "stop": "stop orders"}


def told(name: str, value: Any) -> str:
    """Return one field of `Execution` and its value in plain words."""
    if name == "fee_tiers":
        tiers = (f"maker {_number(m)}, taker {_number(t)} bps from {_number(v)}" for v, m, t in value)
        return "fee tiers: " + "; ".join(tiers)
    if name == "widen_stops":
        return f"stops {_number(value[0])} times as wide in high volatility, {_number(value[1])} times in extreme"
    if name == "order":
        return _ORDERS[value]
    if name == "then":
        return "cancelled when their time is over"
    if name == "funding":
        return "funding paid and received"
    called, kind, after = _WORDS[name]
    return " ".join(filter(None, (called, _shown(value, kind), after)))


def _shown(value: Any, kind: str) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_number(value[symbol])} ({symbol})" for symbol in sorted(value))
    if kind == _SHARE:
        return f"{_number(value * 100)} %"
    return f"{_number(value)} bps" if kind == _BPS else _number(value)


def _number(value: float) -> str:
    return f"{value:.12g}"
