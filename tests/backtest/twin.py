"""The accounting rules in slow, plain Python: one account, one order at a time, the identity asserted at each bar."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Twin:
    """What a simulation leaves."""

    equity: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    held: list[list[float]] = field(default_factory=list)
    fills: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)
    closed: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)
    ruined: int | None = None


def run(targets, opens, closes, *, on_change: bool, fee: float, slippage: float, cash: float) -> Twin:
    """Walk lists of bars, ``targets[t][j]`` being decided at the close of bar t."""
    n_assets = len(opens[0])
    units, price, asked = [0.0] * n_assets, [math.nan] * n_assets, [math.nan] * n_assets
    account = Twin()
    before = cash
    for t in range(len(opens)):
        if account.ruined is not None:
            _record(account, 0.0, 0.0, [0.0] * n_assets)
            continue
        old_units, old_price = list(units), list(price)
        _mark(price, opens[t])
        at_open = cash + _value(units, price)
        orders = _orders(targets[t - 1], opens[t], asked, units, at_open, on_change) if t and at_open > 0 else []
        gap_gain = sum(u * (p - q) for u, p, q in zip(old_units, price, old_price, strict=True) if u)
        costs = 0.0
        for _, j, target in orders:
            size, filled_at, paid, slip, cash = _fill(target, j, at_open, opens[t][j], units, cash, fee, slippage)
            if size:
                account.fills.append((t, j, size, filled_at, paid, slip))
            costs += paid + slip
        if at_open > 0:
            opened = list(price)
            _mark(price, closes[t])
            bar_gain = sum(u * (p - q) for u, p, q in zip(units, price, opened, strict=True) if u)
        else:
            bar_gain = 0.0
        equity = cash + _value(units, price)
        scale = max(abs(equity), abs(before), cash)
        assert math.isclose(equity - before, gap_gain + bar_gain - costs, abs_tol=1e-9 * scale)
        assert cash >= 0
        if equity <= 0:
            account.ruined = t
            account.closed = [(t, j, -u, price[j], 0.0, 0.0) for j, u in enumerate(units) if u]
            _record(account, 0.0, 0.0, [0.0] * n_assets)
            continue
        _record(account, equity, cash, [u * p / equity if u else 0.0 for u, p in zip(units, price, strict=True)])
        before = equity
    return account


def _orders(targets, opens, asked, units, equity, on_change):
    orders = []
    for j, target in enumerate(targets):
        if math.isnan(target) or math.isnan(opens[j]):
            continue
        if on_change and target == asked[j]:
            continue
        asked[j] = target
        value = target * equity - units[j] * opens[j]
        closes_position = target == 0 and units[j] != 0
        if abs(value) > 1e-12 * equity or closes_position:
            orders.append((value, j, target))
    return sorted(orders)


def _fill(target, j, equity, opened, units, cash, fee, slippage):
    size = target * equity / opened - units[j]
    filled_at = opened * (1 + slippage) if size > 0 else opened * (1 - slippage)
    affordable = cash / (filled_at * (1 + fee))
    if size > affordable:
        size = affordable if affordable * filled_at > 1e-12 * equity else 0.0
    paid = abs(size) * filled_at * fee
    units[j] += size
    return size, filled_at, paid, abs(size) * abs(filled_at - opened), max(cash - size * filled_at - paid, 0.0)


def _mark(price, quotes):
    for j, quote in enumerate(quotes):
        if not math.isnan(quote):
            price[j] = quote


def _value(units, price):
    return sum(u * p for u, p in zip(units, price, strict=True) if u)


def _record(account, equity, cash, held):
    account.equity.append(equity)
    account.cash.append(cash)
    account.held.append(held)
