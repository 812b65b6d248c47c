"""What an execution accepts, refuses and says of itself."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from workbench.backtest.execution import SPECS, Execution, liquidation_price
from workbench.backtest.execution.telling import told
from workbench.errors import ConfigError

EVERYTHING = {
    "maker_fee_bps": 1.0, "fee_tiers": ((0.0, 1.0, 4.0), (1e6, 0.0, 2.0)), "tier_window": 100, "fee_fixed": 1.0,
    "fee_minimum": 0.5, "half_spread_bps": 1.0, "volatility_slippage": 0.1, "impact": 1.0, "volatility_window": 30,
    "volume_cap": 0.1, "lot": {"A": 0.1}, "tick": 0.01, "min_notional": 5.0, "funding": True, "borrow_rate": 0.05,
    "interest_rate": 0.07, "leverage": 3.0, "maintenance_margin": 0.05, "liquidation_fee_bps": 50.0, "order": "limit",
    "offset_bps": 5.0, "wait": 3, "then": "cancel", "stop_loss": 0.05, "take_profit": 0.1, "trailing_stop": 0.07,
    "stop_limit_bps": 10.0, "time_exit": 48, "max_loss": 0.07, "widen_stops": (1.5, 2.5), "regime_window": 300,
    "band": 0.02,
}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fee_bps": -1.0}, "fee_bps must be a number of 0 or more, got -1.0"),
        ({"fee_bps": math.nan}, "fee_bps must be a number"),
        ({"slippage_bps": math.inf}, "slippage_bps must be a number"),
        ({"impact": -0.5}, "impact must be a number of 0 or more, got -0.5"),
        ({"stop_loss": 1.0}, "stop_loss must be a number from 0 to 0.999"),
        ({"volume_cap": 1.5}, "volume_cap must be a number from 0 to 1"),
        ({"leverage": 0.5}, "leverage must be a number from 1"),
        ({"lot": {"A": -1.0}}, "lot of A must be a number of 0 or more"),
        ({"order": "limt"}, "unknown order 'limt'. Did you mean 'limit'?"),
        ({"then": "wait"}, "unknown then 'wait'"),
        ({"wait": 0}, "wait must be a whole number of bars from 1 on, got 0"),
        ({"time_exit": 2.5}, "time_exit must be a whole number"),
        ({"leverage": 10.0, "maintenance_margin": 0.2}, "keep it below 0.1"),
        ({"fee_tiers": ((1e6, 1.0, 2.0), (0.0, 1.0, 4.0))}, "from_value of fee_tiers must rise"),
        ({"fee_tiers": ((0.0, 1.0, -4.0),)}, "taker_bps of fee_tiers must be a number from 0"),
        ({"fee_tiers": ((0.0, 1.0),)}, "fee_tiers must be (from_value, maker_bps, taker_bps)"),
        ({"widen_stops": (1.5, 2.5)}, "widen_stops needs a stop"),
        ({"stop_loss": 0.1, "widen_stops": (0.5, 2.5)}, "two factors of 1 or more"),
        ({"stop_limit_bps": 5.0, "take_profit": 0.1}, "stop_limit_bps needs a stop"),
        ({"max_loss": 0.1}, "max_loss needs a stop"),
        ({"offset_bps": 5.0}, "offset_bps needs an order that waits"),
    ],
)
def test_what_cannot_be_is_named_in_one_line(options, words):
    with pytest.raises(ConfigError) as caught:
        Execution(**options)
    assert words in str(caught.value)
    assert str(caught.value).startswith("execution: ")
    assert "\n" not in str(caught.value)


def test_specs_say_all_that_fields_say():
    specs = [
        "maker_fee(1)", "fee_tier(1e6, 0, 2)", "fee_tier(0, 1, 4)", "tier_window(100)", "fixed_fee(1)",
        "minimum_fee(0.5)", "half_spread(1)", "volatility_slippage(0.1)", "impact(1, window=30)", "volume_cap(0.1)",
        "lot(0.1)", "tick(0.01)", "min_notional(5)", "funding()", "borrow(0.05)", "interest(0.07)",
        "margin(3, maintenance=0.05, liquidation_fee=50)", 'limit(5, wait=3, then="cancel")', "stop_loss(0.05)",
        "take_profit(0.1)", "trailing_stop(0.07)", "stop_limit(10)", "time_exit(48)", "max_loss(0.07)", "widen_stops()",
        "band(0.02)",
    ]  # fmt: skip
    want = Execution(fee_bps=4.0, **EVERYTHING | {"lot": 0.1, "regime_window": 500})
    assert Execution.from_specs(specs, fee_bps=4.0) == want
    assert {spec.partition("(")[0] for spec in specs} | {"stop_entry"} == set(SPECS)
    assert Execution.from_specs([]) == Execution()
    assert Execution.from_specs(["stop_entry(20)"]).order == "stop"


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["stop_los(0.05)"], "execution has no 'stop_los'. Did you mean 'stop_loss'?"),
        (["stop_loss()"], "needs a value, such as stop_loss(5)"),
        (["lot(1, 2)"], "takes at most 1 arguments: lot"),
        (["lot(1, lot=2)"], "gives 'lot' twice"),
        (["margin(3, maintenence=0.1)"], "margin has no argument 'maintenence'"),
        (["limit(5)", "stop_entry(5)"], "sets order, which another spec set to 'limit'"),
        (["half_spread(-1)"], "half_spread_bps must be a number"),
    ],
)
def test_specs_that_cannot_be_are_named(specs, words):
    with pytest.raises(ConfigError) as caught:
        Execution.from_specs(specs)
    assert words in str(caught.value)


def test_it_says_what_is_on_and_nothing_else():
    assert Execution().describe() == ["taker's fee 5 bps", "slippage 2 bps"]
    lines = Execution(**EVERYTHING).describe()
    assert len(lines) == len(set(lines)) == len(fields(Execution))
    assert {"fills at most 10 % of a bar's volume", "sizes in steps of 0.1 (A)", "limit orders"} <= set(lines)
    assert "fee tiers: maker 1, taker 4 bps from 0; maker 0, taker 2 bps from 1000000" in lines


def test_two_executions_that_differ_never_read_alike():
    for name, value in EVERYTHING.items():
        if isinstance(value, float):
            assert told(name, value) != told(name, value * (1 + 1e-9))


def test_baselines_keep_costs_and_margin_only():
    plain = Execution(**EVERYTHING).without_exits()
    kept = {"fee_tiers", "funding", "leverage", "maintenance_margin", "volume_cap", "lot", "liquidation_fee_bps"}
    assert all(getattr(plain, name) == EVERYTHING[name] for name in kept)
    assert (plain.order, plain.stop_loss, plain.widen_stops, plain.max_loss) == ("market", 0.0, None, 0.0)


@pytest.mark.parametrize("maintenance", [0.0, 0.05, 0.2])
@pytest.mark.parametrize(("cash", "units"), [(-400.0, 5.0), (600.0, -5.0), (-1.0, 0.3)])
def test_at_the_liquidation_price_equity_is_what_maintenance_asks(cash, units, maintenance):
    price = liquidation_price(cash, units, maintenance)
    assert cash + units * price == pytest.approx(maintenance * abs(units) * price, abs=1e-9)
