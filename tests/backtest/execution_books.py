"""The twin's books: what a fill costs, how far cash, margin and volume let it go, and the line of margin."""

from __future__ import annotations

import math

from backtest_execution_tape import DUST, Asset, Fill, Outcome, Rules, Tape, ceil_to, floor_to


class Books:
    """Cash, assets and fills of one account."""

    def __init__(self, targets: list[list[float]], tape: Tape, rules: Rules, cash: float) -> None:
        self.targets, self.tape, self.rules, self.cash = targets, tape, rules, cash
        n = len(tape.open)
        self.assets = [Asset() for _ in range(n)]
        self.lot, self.tick, self.least = (v or (0.0,) * n for v in (rules.lot, rules.tick, rules.min_notional))
        self.margin = rules.leverage > 1 or rules.maintenance > 0
        self.traded = [0.0] * len(tape.open[0])
        self.out = Outcome()
        self.t = 0
        self.at_open = cash

    def trading(self) -> list[int]:
        return [j for j in range(len(self.assets)) if not math.isnan(self.tape.open[j][self.t])]

    def mark(self, quote: str) -> None:
        for j, a in enumerate(self.assets):
            price = getattr(self.tape, quote)[j][self.t]
            if not math.isnan(price):
                a.price = price

    def equity(self) -> float:
        total = self.cash  # added up in the order of columns, as a ledger is: ties at a level depend on the last digit
        for a in self.assets:
            total += a.units * a.price if a.units else 0.0
        return total

    # -- margin --

    def line(self, j: int, share: float) -> float:
        """Return the price of an asset on its way from the open to its adverse extreme."""
        a, t = self.assets[j], self.t
        opened = self.tape.open[j][t]
        if math.isnan(opened) or share == 0:
            return a.price
        worst = (self.tape.low if a.side > 0 else self.tape.high)[j][t]
        return opened + share * (worst - opened)

    def gap(self, share: float) -> float:
        """Return equity less the margin that must be kept, at one place of the line."""
        equity, gross = self.cash, 0.0
        for j, a in enumerate(self.assets):
            if a.units:
                equity += a.units * self.line(j, share)
                gross += abs(a.units) * self.line(j, share)
        return equity - self.rules.maintenance * gross

    def short_of_margin(self, share: float) -> bool:
        held = any(a.units for j, a in enumerate(self.assets) if j in self.trading())
        return self.rules.maintenance > 0 and held and self.gap(share) < 0

    def margin_call(self) -> float | None:
        if self.short_of_margin(0.0):
            return 0.0
        if self.short_of_margin(1.0):
            return self.gap(0.0) / (self.gap(0.0) - self.gap(1.0))
        return None

    def liquidate(self, share: float) -> None:
        for j in self.trading():
            a = self.assets[j]
            if a.units:
                price, units, side = self.line(j, share), a.units, a.side
                self.book(
                    j, -units, price, price, abs(units) * price * self.rules.liquidation_fee, "liquidation", False
                )
                a.barred = side
        for a in self.assets:
            a.working, a.leaving, a.resting = None, False, math.nan

    # -- a fill --

    def fill(
        self,
        j: int,
        wanted: float,
        base: float,
        reason: str,
        *,
        maker: bool = False,
        limit: float = math.nan,
    ) -> float:
        """Fill what can be filled; return what the cap let through, be it filled or given up for want of cash."""
        rules, a, sign = self.rules, self.assets[j], 1 if wanted > 0 else -1
        size = abs(wanted)
        if rules.volume_cap > 0:
            volume = self.tape.volume[j][self.t]
            most = 0.0 if math.isnan(volume) else floor_to(rules.volume_cap * volume, self.lot[j]) - a.used
            size = min(size, max(floor_to(most, self.lot[j]), 0.0))
        if size == 0:
            return 0.0
        capped = size
        price = base if maker else self.price(j, sign, size, base)
        if not math.isnan(limit):
            price = sign * min(sign * price, sign * limit)
        rate = self.rate(maker)
        room = self.afford(j, sign, size, price, rate)
        if room < size:
            size = max(floor_to(room, self.lot[j]), 0.0)
        if size < abs(wanted) and size * price <= DUST * self.at_open:
            return wanted if capped == abs(wanted) else sign * capped
        fee = rules.fee_fixed + size * price * rate
        if rules.fee_minimum > 0:
            fee = max(rules.fee_minimum, fee)
        self.book(j, sign * size, base, price, fee, reason, maker)
        a.used += size
        return wanted if capped == abs(wanted) else sign * capped

    def price(self, j: int, sign: int, size: float, base: float) -> float:
        rules, slip = self.rules, self.rules.slippage
        sigma, usual = self.tape.at("volatility", j, self.t - 1), self.tape.at("usual_volume", j, self.t - 1)
        if not math.isnan(sigma):
            slip += rules.volatility_slippage * sigma
            if usual > 0:
                slip += rules.impact * sigma * math.sqrt(size / usual)
        moved = base * (1 + sign * (rules.half_spread + min(slip, 0.5)))
        return ceil_to(moved, self.tick[j]) if sign > 0 else floor_to(moved, self.tick[j])

    def rate(self, maker: bool) -> float:
        rules = self.rules
        taker_rate, maker_rate = rules.fee, rules.fee if rules.maker is None else rules.maker
        window = sum(self.traded[max(self.t - rules.tier_window + 1, 0) : self.t + 1])
        for reached, its_maker, its_taker in sorted(rules.tiers):
            if window >= reached:
                taker_rate, maker_rate = its_taker, its_maker
        return maker_rate if maker else taker_rate

    def afford(self, j: int, sign: int, size: float, price: float, rate: float) -> float:
        """Return the largest size that cash or margin allow."""
        rules, a = self.rules, self.assets[j]
        if not self.margin:
            if sign < 0:
                return size
            return min((self.cash - rules.fee_minimum) / price, (self.cash - rules.fee_fixed) / (price * (1 + rate)))
        if abs(a.units + sign * size) <= abs(a.units):
            return size
        others = [b for k, b in enumerate(self.assets) if k != j and b.units]
        equity, gross = self.cash + a.units * price, 0.0
        for b in others:
            equity += b.units * b.price
            gross += abs(b.units) * b.price
        room = rules.leverage * equity - gross
        turns = a.units * sign < 0
        b = -abs(a.units) if turns else abs(a.units)
        most = min(
            (room - b * price - rules.leverage * rules.fee_minimum) / price,
            (room - b * price - rules.leverage * rules.fee_fixed) / (price * (1 + rules.leverage * rate)),
        )
        return max(most, abs(a.units)) if turns else most

    def book(self, j: int, units: float, base: float, price: float, fee: float, reason: str, maker: bool) -> None:
        a = self.assets[j]
        before, after = a.units, a.units + units
        slip = abs(units) * abs(price - base)
        self.out.fills.append(Fill(self.t, j, units, price, fee, slip, reason, maker, base))
        self.traded[self.t] += abs(units) * price
        self.cash = self.cash - units * price - fee
        if not self.margin and units > 0:
            self.cash = max(self.cash, 0.0)  # below 0 by rounding only, when the buy took all there was
        if before == 0 or before * after < 0:
            a.average, a.entry, a.best, a.resting, a.moment = price, self.t, price, math.nan, (-1, -1)
        elif before * units > 0:
            a.average = (abs(before) * a.average + abs(units) * price) / abs(after)
        a.units = after
        if after == 0:
            a.resting = math.nan
