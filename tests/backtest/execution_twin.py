"""The full bar in slow, plain Python, written from docs/execution.md alone: one account, the identity at each bar."""

from __future__ import annotations

import math

from backtest_execution_books import Books
from backtest_execution_tape import DUST, Fill, Outcome, Rules, Tape, Working, ceil_to, floor_to


class Account(Books):
    """One account walked bar by bar."""

    # -- the bar, in order --

    def run(self) -> Outcome:
        before = self.cash
        for t in range(len(self.tape.open[0])):
            self.t = t
            if self.out.ruined is not None:
                self.record(0.0, (0.0, 0.0, 0.0))
                continue
            first, held = len(self.out.fills), [(a.units, a.price) for a in self.assets]
            charges = self.carry() if t else (0.0, 0.0, 0.0)
            self.mark("open")
            equity = self.equity()
            if equity > 0:
                equity = self.settle(equity)
            self.check(before, equity, held, self.out.fills[first:], charges)
            if equity <= 0:
                self.ruin()
                equity = 0.0
            self.record(equity, charges)
            before = equity
        return self.out

    def settle(self, equity: float) -> float:
        self.at_open = equity
        for a in self.assets:
            a.used = 0.0
        if self.short_of_margin(0.0):
            self.liquidate(0.0)
            self.at_open = equity = self.equity()
            if equity <= 0:
                return equity
        for j in self.trading():
            self.exit_at_open(j, self.tape.open[j][self.t], whole=True)
        if self.t:
            self.orders()
        for j in self.trading():
            self.note_best(j, self.tape.open[j][self.t])
        for j in self.trading():
            self.within(j)
        share = self.margin_call()
        if share is not None:
            self.liquidate(share)
            if self.equity() <= 0:
                return self.equity()
        self.mark("close")
        return self.equity()

    def carry(self) -> tuple[float, float, float]:
        rules, t = self.rules, self.t
        funding = borrow = 0.0
        for j, a in enumerate(self.assets):
            if a.units == 0:
                continue
            rate = self.tape.at("funding", j, t)
            if not math.isnan(rate):
                quotes = (self.tape.at("mark", j, t), self.tape.open[j][t], a.price)
                funding += a.units * next(q for q in quotes if not math.isnan(q)) * rate
            if a.units < 0:
                borrow += -a.units * a.price * rules.borrow / rules.year
        self.cash -= funding + borrow
        interest = -self.cash * rules.interest / rules.year if self.cash < 0 else 0.0
        self.cash -= interest
        return funding, borrow, interest

    # -- exits --

    def levels(self, j: int) -> tuple[float, str, float]:
        """Return the stop level with its reason, and the target level; NaN where off."""
        a, rules = self.assets[j], self.rules
        widen = self.tape.at("widen", j, self.t - 1)
        widen = 1.0 if math.isnan(widen) else widen
        away = floor_to if a.side > 0 else ceil_to
        stops = []
        for share, base, reason in ((rules.stop_loss, a.average, "stop"), (rules.trailing, a.best, "trailing")):
            if share > 0:
                d = min(share * widen, rules.max_loss) if rules.max_loss > 0 else share * widen
                stops.append((away(base * (1 - a.side * d), self.tick[j]), reason))
        level, reason = math.nan, ""
        for candidate, name in stops:
            if not a.side * candidate <= a.side * level:
                level, reason = candidate, name
        target = math.nan
        if rules.take_profit > 0:
            up = ceil_to if a.side > 0 else floor_to
            target = up(a.average * (1 + a.side * rules.take_profit), self.tick[j])
        return level, reason, target

    def limit_of(self, j: int, level: float) -> float:
        a = self.assets[j]
        assert self.rules.stop_limit is not None
        return (floor_to if a.side > 0 else ceil_to)(level * (1 - a.side * self.rules.stop_limit), self.tick[j])

    def exit_at_open(self, j: int, price: float, *, whole: bool) -> None:
        """Step 4, for the open of the bar (``whole``) or of a finer one."""
        a = self.assets[j]
        if not a.units or a.leaving or (whole and a.entry >= self.t):
            return
        side = a.side
        if whole and 0 < self.rules.time_exit <= self.t - a.entry:
            self.leave(j, price, "time")
            return
        if not math.isnan(a.resting):
            if side * price >= side * a.resting:
                self.leave(j, price, "stop_limit", limit=a.resting)
            return
        level, reason, target = self.levels(j)
        if side * price <= side * level:
            self.stopped(j, price, level, reason)
        elif side * price >= side * target:
            self.leave(j, price, "take_profit", maker=True)

    def stopped(self, j: int, base: float, level: float, reason: str) -> None:
        side = self.assets[j].side
        if self.rules.stop_limit is None:
            self.leave(j, base, reason)
            return
        limit = self.limit_of(j, level)
        if side * base < side * limit:
            self.assets[j].resting = limit
        else:
            self.leave(j, base, reason, limit=limit)

    def exit_within(self, j: int, opened: float, high: float, low: float, *, target_too: bool) -> None:
        """The exits of step 6 over one bar or finer bar."""
        a = self.assets[j]
        if not a.units or a.leaving:
            return
        side = a.side
        worst, top = (low, high) if side > 0 else (high, low)
        level, reason, target = self.levels(j)
        if math.isnan(a.resting):
            if side * worst <= side * level:
                if not self.lost_before(j, level):
                    self.stopped(j, side * min(side * level, side * opened), level, reason)
                if math.isnan(a.resting):
                    return
            elif target_too and side * top > side * target:
                self.leave(j, target, "take_profit", maker=True)
                return
        if not math.isnan(a.resting) and side * top > side * a.resting:
            self.leave(j, a.resting, "stop_limit", maker=True)

    def lost_before(self, j: int, level: float) -> bool:
        """Tell whether the account is liquidated on the way to the stop."""
        if self.rules.maintenance <= 0:
            return False
        opened = self.tape.open[j][self.t]
        worst = (self.tape.low if self.assets[j].side > 0 else self.tape.high)[j][self.t]
        share = 0.0 if worst == opened else min(max((opened - level) / (opened - worst), 0.0), 1.0)
        return self.gap(share) < 0

    def leave(self, j: int, base: float, reason: str, *, maker: bool = False, limit: float = math.nan) -> None:
        """Close what is held of an asset; an exit has fired."""
        a = self.assets[j]
        a.barred, a.working = a.side, None
        wanted = -a.units
        done = self.fill(j, wanted, base, reason, maker=maker, limit=limit)
        a.resting = math.nan
        rest = wanted - done
        if rest and reason == "stop_limit":
            a.resting = base if maker else limit
        elif rest and not math.isnan(limit):
            a.resting = limit
        elif rest:
            a.working, a.leaving = Working("market", rest, math.nan, self.t, reason), True

    # -- orders --

    def orders(self) -> None:
        market: list[tuple[float, int, float, str]] = []
        for j in self.trading():
            a, opened, kind = self.assets[j], self.tape.open[j][self.t], self.rules.order
            target = self.seen(j)
            if not math.isnan(target):
                found = self.send(j, target)
                if found is not None and kind == "market":
                    market.append((target * self.at_open - a.units * opened, j, found, "order"))
                elif found is not None:
                    a.working = Working(kind, found, self.trigger(j, found), self.t)
                continue
            work = a.working
            if work is not None and work.kind != "market" and self.t - work.sent >= self.rules.wait:
                a.working = work = (
                    Working("market", work.size, math.nan, self.t) if self.rules.then == "market" else None
                )
            if work is not None and work.kind == "market":
                market.append((work.size * opened, j, work.size, work.reason))
        for _, j, size, reason in sorted(market, key=lambda row: (row[0], row[1])):
            a = self.assets[j]
            a.working, a.leaving = None, False
            done = self.fill(j, size, self.tape.open[j][self.t], reason)
            if size - done:
                a.working, a.leaving = Working("market", size - done, math.nan, self.t, reason), reason != "order"
        for j in self.trading():
            self.look_at_open(j)

    def seen(self, j: int) -> float:
        """Return the target that gives an order at this bar, NaN for none."""
        a, target = self.assets[j], self.targets[j][self.t - 1]
        if math.isnan(target):
            return math.nan
        if a.barred and target * a.barred > 0:
            return math.nan
        a.barred = 0
        if self.rules.on_change and target == a.asked:
            return math.nan
        if self.rules.order != "market" and math.isnan(self.before(j)):
            return math.nan
        return target

    def before(self, j: int) -> float:
        """Return the last price known at the close before."""
        closes = [c for c in self.tape.close[j][: self.t] if not math.isnan(c)]
        return closes[-1] if closes else math.nan

    def send(self, j: int, target: float) -> float | None:
        """Take a target as an order and return its size, None where nothing is to be traded."""
        a, opened = self.assets[j], self.tape.open[j][self.t]
        a.asked, a.working, a.leaving = target, None, False
        closes = target == 0 and a.units != 0
        if abs(target * self.at_open - a.units * opened) <= max(self.rules.band, DUST) * self.at_open and not closes:
            return None
        size = target * self.at_open / opened - a.units
        if closes:
            return size
        size = math.copysign(floor_to(abs(size), self.lot[j]), size)
        return None if size == 0 or abs(size) * opened < self.least[j] else size

    def trigger(self, j: int, size: float) -> float:
        below = (size > 0) == (self.rules.order == "limit")
        last = self.before(j)
        if below:
            return floor_to(last * (1 - self.rules.offset), self.tick[j])
        return ceil_to(last * (1 + self.rules.offset), self.tick[j])

    def look_at_open(self, j: int) -> None:
        a, opened = self.assets[j], self.tape.open[j][self.t]
        work = a.working
        if work is None or work.kind == "market":
            return
        sign = 1 if work.size > 0 else -1
        quote = opened * (1 + sign * self.rules.half_spread)
        if work.kind == "limit" and sign * work.price >= sign * quote:
            self.work(j, opened, limit=work.price)
        elif work.kind == "stop" and sign * opened >= sign * work.price:
            self.work(j, opened)

    def work(self, j: int, base: float, *, limit: float = math.nan, maker: bool = False, within: int = -1) -> None:
        """Fill a working order as far as it goes."""
        a = self.assets[j]
        work = a.working
        assert work is not None
        was = a.side
        done = self.fill(j, work.size, base, "order", limit=limit, maker=maker)
        if within >= 0 and a.units and a.side != was:
            a.moment = (self.t, within)
        rest = work.size - done
        a.working = Working(work.kind, rest, work.price, work.sent) if rest else None

    # -- within the bar --

    def within(self, j: int) -> None:
        t, tape = self.t, self.tape
        finer = [] if tape.finer is None else [row[j] for row in tape.finer[t] if not math.isnan(row[j][0])]
        if not finer:
            self.step(j, 0, tape.open[j][t], tape.high[j][t], tape.low[j][t])
            self.note_high(j, 0, tape.high[j][t], tape.low[j][t])
            return
        for k, (opened, high, low) in enumerate(finer):
            self.note_best(j, opened)
            self.exit_at_open(j, opened, whole=False)
            self.step(j, k, opened, high, low)
            self.note_high(j, k, high, low)

    def step(self, j: int, k: int, opened: float, high: float, low: float) -> None:
        a = self.assets[j]
        work = a.working
        if work is not None and work.kind != "market":
            sign = 1 if work.size > 0 else -1
            extreme = high if (work.kind == "stop") == (sign > 0) else low
            if work.kind == "limit" and sign * extreme < sign * work.price:
                self.work(j, work.price, maker=True, within=k)
            elif work.kind == "stop" and sign * extreme >= sign * work.price:
                self.work(j, sign * max(sign * work.price, sign * opened), within=k)
        self.exit_within(j, opened, high, low, target_too=a.moment != (self.t, k))

    def note_best(self, j: int, opened: float) -> None:
        a = self.assets[j]
        if a.units:
            a.best = a.side * max(a.side * a.best, a.side * opened)

    def note_high(self, j: int, k: int, high: float, low: float) -> None:
        a = self.assets[j]
        if a.units and a.moment != (self.t, k):
            a.best = a.side * max(a.side * a.best, a.side * (high if a.side > 0 else low))

    # -- records --

    def ruin(self) -> None:
        self.out.ruined = self.t
        for j, a in enumerate(self.assets):
            if a.units:
                self.out.fills.append(Fill(self.t, j, -a.units, a.price, 0.0, 0.0, "ruin", False, a.price))
            a.units = 0.0
        self.cash = 0.0

    def record(self, equity: float, charges: tuple[float, float, float]) -> None:
        out = self.out
        out.equity.append(equity)
        out.cash.append(self.cash)
        out.units.append([a.units for a in self.assets])
        out.held.append([a.units * a.price / equity if a.units else 0.0 for a in self.assets])
        out.charges.append(charges)

    def check(self, before, equity, held, fills, charges) -> None:
        """Assert the identity: what equity gained is price gains of what was held, less all that was paid."""
        gain = 0.0
        for a, (units, price) in zip(self.assets, held, strict=True):
            if units:
                gain += units * (a.price - price)
        gross = before
        for f in fills:
            gain += f.units * (self.assets[f.asset].price - f.base) - f.fee - f.slippage
            gross += abs(f.units) * f.price
        gain -= sum(charges)
        scale = max(abs(equity), abs(before), abs(self.cash), gross)
        assert math.isclose(equity - before, gain, abs_tol=1e-9 * scale), (self.t, equity - before, gain)


def simulate(targets: list[list[float]], tape: Tape, rules: Rules, cash: float = 1.0) -> Outcome:
    """Walk lists ``[asset][bar]``; ``targets[j][t]`` is decided at the close of bar t."""
    return Account(targets, tape, rules, cash).run()
