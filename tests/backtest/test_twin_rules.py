"""The twin itself: bars made by hand, closed forms and properties. What it is right about, the kernel must equal."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from workbench.backtest.kernel import simulate_bars

NAN = math.nan
FREE = {"fee": 0.0, "slippage": 0.0}
FIXTURES = [HealthCheck.function_scoped_fixture]
OUTSIDE = {"liquidation", "ruin"}


@pytest.fixture
def walk(execution_twin):
    """Run one asset through rows of (open, high, low, close) after a first quiet bar."""

    def run(targets, rows, *, finer=None, volume=None, cash=1.0, **rules):
        opened, high, low, close = (list(column) for column in zip(*rows, strict=True))
        tape = execution_twin.Tape([opened], [high], [low], [close], [volume or [1e9] * len(rows)], finer=finer)
        return execution_twin.simulate([targets], tape, execution_twin.Rules(**(FREE | rules)), cash)

    return run


def told(outcome):
    """Return bar, reason and price of each fill."""
    return [(f.bar, f.reason, round(f.price, 10)) for f in outcome.fills]


STILL = (100, 100, 100, 100)


def test_a_gap_through_the_stop_fills_at_the_open(walk):
    done = walk([1, NAN, NAN], [STILL, STILL, (90, 95, 80, 85)], stop_loss=0.05)
    assert told(done) == [(1, "order", 100), (2, "stop", 90)]


def test_a_stop_within_the_bar_fills_at_its_level(walk):
    done = walk([1, NAN, NAN], [STILL, STILL, (99, 101, 80, 85)], stop_loss=0.05)
    assert told(done)[1] == (2, "stop", 95)


def test_the_entry_bar_is_exposed_to_the_stop(walk):
    done = walk([1, NAN], [STILL, (100, 101, 90, 95)], stop_loss=0.05)
    assert told(done) == [(1, "order", 100), (1, "stop", 95)]


def test_both_touched_is_the_stop_unless_finer_bars_know(walk):
    rows = [STILL, STILL, (100, 112, 90, 100)]
    rules = {"stop_loss": 0.05, "take_profit": 0.1}
    assert told(walk([1, NAN, NAN], rows, **rules))[1] == (2, "stop", 95)
    finer = [[], [], [[(100.0, 112.0, 100.0)], [(111.0, 111.0, 90.0)]]]
    assert told(walk([1, NAN, NAN], rows, finer=finer, **rules))[1] == (2, "take_profit", 110)


def test_a_target_wants_the_price_beyond_its_level(walk):
    rows = [STILL, STILL, (100, 110, 100, 105), (105, 110.5, 104, 104)]
    assert told(walk([1, NAN, NAN, NAN], rows, take_profit=0.1))[1] == (3, "take_profit", 110)


def test_a_trailing_stop_knows_this_bars_high_at_the_next(walk):
    rows = [STILL, STILL, (100, 120, 99, 110), (118, 118, 100, 100)]
    assert told(walk([1] + [NAN] * 3, rows, trailing=0.1))[1] == (3, "trailing", 108)


def test_a_stop_limit_below_which_the_market_opens_rests(walk):
    rows = [STILL, STILL, (90, 93, 89, 92), (92, 95, 91, 94)]
    done = walk([1] + [NAN] * 3, rows, stop_loss=0.05, stop_limit=0.01)
    assert told(done)[1] == (3, "stop_limit", 94.05)
    assert done.fills[1].maker


def test_a_barred_side_waits_for_zero(walk):
    rows = [STILL, (100, 100, 90, 95)] + [STILL] * 4
    done = walk([1, 1, 1, 0, 1, NAN], rows, stop_loss=0.05)
    assert [(b, r) for b, r, _ in told(done)] == [(1, "order"), (1, "stop"), (5, "order")]


def test_the_hard_cap_binds_the_widened_stop(execution_twin):
    rows = [STILL, STILL, (100, 100, 70, 80)]
    opened, high, low, close = (list(column) for column in zip(*rows, strict=True))
    tape = execution_twin.Tape([opened], [high], [low], [close], [[1e9] * 3], widen=[[1.0, 2.5, 1.0]])
    for cap, level in ((0.0, 87.5), (0.08, 92.0)):
        rules = execution_twin.Rules(**FREE, stop_loss=0.05, max_loss=cap)
        done = execution_twin.simulate([[1, NAN, NAN]], tape, rules)
        assert done.fills[1].price == pytest.approx(level)


def test_hybrid_goes_to_market_when_its_time_is_over(walk):
    rows = [STILL, (100, 101, 99.5, 101), (101, 102, 101, 102)]
    late = walk([1, NAN, NAN], rows, order="limit", offset=0.01, wait=1, then="market")
    assert told(late) == [(2, "order", 101)]
    assert told(walk([1, NAN, NAN], rows, order="limit", offset=0.01, wait=1, then="cancel")) == []
    lucky = walk([1, NAN, NAN], rows, order="limit", offset=0.003, wait=1, then="market")
    assert told(lucky) == [(1, "order", 99.7)]


def test_partial_fills_add_up(walk):
    rows = [STILL] * 5
    done = walk([1, NAN, NAN, NAN, NAN], rows, volume=[0.04] * 5, volume_cap=0.1, cash=1.0)
    assert [round(f.units, 6) for f in done.fills] == [0.004, 0.004, 0.002]


def test_liquidation_prices(walk):
    """A long of 5 times equity with maintenance m dies at P = −cash / (u (1 − m)); a short at cash / (|u| (1 + m))."""
    for target, row in ((5, (100, 100, 70, 75)), (-5, (100, 130, 100, 125))):
        done = walk([target, NAN, NAN], [STILL, STILL, row], leverage=5.0, maintenance=0.05, liquidation_fee=0.0)
        units = target / 100
        cash = 1 - target
        price = -cash / (units * (1 - 0.05)) if target > 0 else cash / (-units * (1 + 0.05))
        assert done.fills[1].reason == "liquidation"
        assert done.fills[1].price == pytest.approx(price, rel=1e-12)
        assert done.equity[-1] == pytest.approx(0.05 * abs(units) * price, rel=1e-9)


def test_a_stop_beyond_the_liquidation_does_not_save(walk):
    rows = [STILL, STILL, (100, 100, 70, 75)]
    rules = {"leverage": 5.0, "maintenance": 0.05}
    assert told(walk([5, NAN, NAN], rows, stop_loss=0.1, **rules))[1][1] == "stop"
    assert told(walk([5, NAN, NAN], rows, stop_loss=0.2, **rules))[1][1] == "liquidation"


@settings(max_examples=60, deadline=None, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_with_all_options_off_it_is_the_plain_kernel(data, execution_twin, execution_cases):
    case = data.draw(execution_cases.drawn(plain=True))
    ours = execution_cases.run_twin(execution_twin, case)
    rules, tape = case.rules, case.tape
    equity, cash, _, fills, ruined = simulate_bars(
        case.targets, tape["open"], tape["close"], rules["on_change"], rules["fee"], rules["slippage"], case.cash
    )
    np.testing.assert_allclose(ours.equity, equity, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(ours.cash, cash, rtol=1e-10, atol=1e-12)
    assert (-1 if ours.ruined is None else ours.ruined) == ruined
    assert len(ours.fills) == len(fills)


@settings(max_examples=60, deadline=None, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_what_every_case_keeps(data, execution_twin, execution_cases):
    """The identity is asserted within the twin; here what the fills must keep."""
    case = data.draw(execution_cases.drawn())
    done = execution_cases.run_twin(execution_twin, case)
    shape = case.targets.shape
    units, used = np.zeros(shape[0]), np.zeros(shape)
    by_bar: dict[int, list] = {}
    for fill in done.fills:
        by_bar.setdefault(fill.bar, []).append(fill)
    for t in range(shape[1]):
        for f in by_bar.get(t, []):
            units[f.asset] += f.units
            if f.reason not in OUTSIDE:
                used[f.asset, t] += abs(f.units)
                keeps_its_steps(f, case.rules, closes=abs(units[f.asset]) < 1e-12)
        np.testing.assert_allclose(units, done.units[t], atol=1e-12)
    if case.rules.get("volume_cap"):
        most = case.rules["volume_cap"] * np.nan_to_num(case.tape["volume"])
        assert (used <= most * (1 + 1e-9) + 1e-9 * lots(case)).all()
    if done.ruined is not None:
        assert done.equity[done.ruined :] == [0.0] * (shape[1] - done.ruined)


def lots(case):
    lot = case.rules.get("lot") or (0.0,) * len(case.targets)
    return np.array(lot)[:, None]


def keeps_its_steps(fill, rules, *, closes):
    """Units are lots unless they close; prices are ticks and never better than the price they start from."""
    if rules.get("lot") and not closes and "volume_cap" not in rules and fill.reason == "order":
        steps = fill.units / rules["lot"][fill.asset]
        assert abs(steps - round(steps)) < 1e-6
    if rules.get("tick") and not fill.maker:
        steps = fill.price / rules["tick"][fill.asset]
        assert abs(steps - round(steps)) < 1e-6 or fill.price == fill.base
    sign = 1 if fill.units > 0 else -1
    assert sign * fill.price >= sign * fill.base * (1 - 1e-12 * sign)


@settings(max_examples=40, deadline=None, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_costs_never_help_a_single_trade(data, execution_twin, execution_cases):
    """One entry of a fixed size and one exit at fixed bars: dearer costs leave less, since neither moves."""
    seed, side = data.draw(st.integers(0, 2**20)), data.draw(st.sampled_from([-1.0, 1.0]))
    bars, _ = execution_cases.tape(seed, 1, 12, grid=False, volatility=0.02, gaps=0.0, dying=False)
    targets = np.full((1, 12), np.nan)
    targets[0, 0], targets[0, 8] = 0.3 * side, 0.0
    costs = {"fee": 5e-4, "slippage": 2e-4, "half_spread": 1e-4, "fee_fixed": 1e-4, "fee_minimum": 1e-4, "borrow": 1.0}
    dearer = data.draw(st.sampled_from(sorted(costs)))
    case = execution_cases.Case(targets, bars, None, costs, 1.0)
    cheap = execution_cases.run_twin(execution_twin, case)
    dear = execution_cases.run_twin(
        execution_twin, execution_cases.Case(targets, bars, None, costs | {dearer: 3 * costs[dearer]}, 1.0)
    )
    assume(cheap.ruined is None)
    assert [f.bar for f in cheap.fills] == [f.bar for f in dear.fills] == [1, 9]
    assert dear.equity[-1] <= cheap.equity[-1] + 1e-12
