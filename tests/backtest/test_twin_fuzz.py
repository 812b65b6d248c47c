"""The full bar's kernel against its twin on random cases over every option, alone and together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from workbench.backtest import simulate
from workbench.backtest.execution import Execution
from workbench.backtest.execution.bar_kernels import simulate_execution
from workbench.backtest.execution.terms import NO_MATRIX, ORDERS, REASONS, Tape, Terms
from workbench.backtest.kernel import simulate_bars
from workbench.risk import periods_per_year

pytestmark = pytest.mark.slow
FIXTURES = [HealthCheck.function_scoped_fixture]
QUOTES = ("open", "high", "low", "close", "volume")
GIVEN = ("funding", "mark", "volatility", "usual_volume", "widen")


def tape_of(case) -> tuple[Tape, int]:
    """Return the kernel's tape and the most finer bars within a bar."""
    n_bars = case.targets.shape[1]
    fields = [np.ascontiguousarray(case.tape[k]) for k in QUOTES]
    fields += [np.ascontiguousarray(case.tape[k]) if k in case.tape else NO_MATRIX for k in GIVEN]
    if case.finer is None:
        return Tape(*fields, np.empty((0, 0, 3)), np.empty(0, dtype=np.int64)), 0
    finer = np.ascontiguousarray(np.stack([case.finer[k] for k in ("open", "high", "low")], axis=-1))
    per_bar = finer.shape[1] // n_bars
    return Tape(*fields, finer, np.arange(n_bars + 1) * per_bar), per_bar


def terms_of(rules: dict, n_assets: int) -> Terms:
    """Return the kernel's terms of the options of a case."""
    r = {"fee": 5e-4, "slippage": 2e-4} | rules
    fee = r["fee"]
    by_asset = [np.array(r.get(k) or (0.0,) * n_assets, dtype=float) for k in ("lot", "tick", "min_notional")]
    leverage, maintenance = float(r.get("leverage", 1.0)), float(r.get("maintenance", 0.0))
    stop_limit = r.get("stop_limit")
    return Terms(
        taker=fee,
        maker=r.get("maker", fee),
        tiers=np.array(r.get("tiers", ()), dtype=float).reshape(-1, 3),
        tier_window=r.get("tier_window", 1),
        fee_fixed=r.get("fee_fixed", 0.0),
        fee_minimum=r.get("fee_minimum", 0.0),
        half_spread=r.get("half_spread", 0.0),
        slippage=r["slippage"],
        volatility_slippage=r.get("volatility_slippage", 0.0),
        impact=r.get("impact", 0.0),
        volume_cap=r.get("volume_cap", 0.0),
        lot=by_asset[0],
        tick=by_asset[1],
        min_notional=by_asset[2],
        borrow=r.get("borrow", 0.0),
        interest=r.get("interest", 0.0),
        year=r.get("year", 8760.0),
        margin=leverage > 1 or maintenance > 0,
        leverage=leverage,
        maintenance=maintenance,
        liquidation_fee=float(r.get("liquidation_fee", 0.0)),
        order=ORDERS.index(r.get("order", "market")),
        offset=r.get("offset", 0.0),
        wait=r.get("wait", 1),
        then_market=r.get("then", "market") == "market",
        stop_loss=r.get("stop_loss", 0.0),
        take_profit=r.get("take_profit", 0.0),
        trailing=r.get("trailing", 0.0),
        stop_limit=np.nan if stop_limit is None else stop_limit,
        time_exit=r.get("time_exit", 0),
        max_loss=r.get("max_loss", 0.0),
        on_change=r["on_change"],
        band=float(r.get("band", 0.0)),
    )


def run_kernel(case):
    """Simulate a case by the kernel."""
    tape, most = tape_of(case)
    return simulate_execution(case.targets, tape, terms_of(case.rules, len(case.targets)), case.cash, most)


def compare(case, twin, cases) -> None:
    """Assert equal equity, cash, charges and fills, and that nothing handed in was changed."""
    kept = case.targets.copy(), {k: v.copy() for k, v in case.tape.items()}
    equity, cash, held, fills, charges, _, ruined = run_kernel(case)
    theirs = cases.run_twin(twin, case)
    np.testing.assert_array_equal(kept[0], case.targets)
    for name, values in kept[1].items():
        np.testing.assert_array_equal(values, case.tape[name])
    rows = [
        (f.bar, f.asset, f.units, f.price, f.fee, f.slippage, REASONS.index(f.reason), f.maker) for f in theirs.fills
    ]
    rows = np.array(rows, dtype=float).reshape(-1, 8)
    size = max(1.0, *theirs.equity, float(np.abs(np.array(theirs.cash)).max()))
    assert (-1 if theirs.ruined is None else theirs.ruined) == ruined
    assert fills.shape == rows.shape
    np.testing.assert_array_equal(fills[:, [0, 1, 6, 7]], rows[:, [0, 1, 6, 7]])
    np.testing.assert_allclose(fills[:, 2:4], rows[:, 2:4], rtol=1e-8, atol=1e-10 * size)
    np.testing.assert_allclose(fills[:, 4:6], rows[:, 4:6], rtol=1e-7, atol=1e-11 * size)
    np.testing.assert_allclose(equity, theirs.equity, rtol=1e-9, atol=1e-10 * size)
    np.testing.assert_allclose(cash, theirs.cash, rtol=1e-9, atol=1e-10 * size)
    np.testing.assert_allclose(charges, np.array(theirs.charges), rtol=1e-8, atol=1e-12 * size)
    np.testing.assert_allclose(held.T, theirs.held, rtol=1e-6, atol=1e-8)


@settings(max_examples=120, deadline=None, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_kernel_is_its_twin(data, execution_twin, execution_cases):
    compare(data.draw(execution_cases.drawn()), execution_twin, execution_cases)


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_kernel_is_its_twin_in_full(data, execution_twin, execution_cases):
    compare(data.draw(execution_cases.drawn()), execution_twin, execution_cases)


@settings(max_examples=60, deadline=None, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_with_all_options_off_it_is_the_plain_kernel_bit_for_bit(data, execution_cases):
    case = data.draw(execution_cases.drawn(plain=True))
    equity, cash, held, fills, charges, _, ruined = run_kernel(case)
    rules, tape = case.rules, case.tape
    plain = simulate_bars(
        case.targets, tape["open"], tape["close"], rules["on_change"], rules["fee"], rules["slippage"], case.cash
    )
    assert ruined == plain[4]
    for ours, theirs in zip((equity, cash, held), plain[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    order = np.lexsort((fills[:, 1], fills[:, 0]))
    np.testing.assert_array_equal(fills[order, :6], plain[3])
    assert not charges.any()


def trailing(values: np.ndarray, window: int, *, of_returns: bool) -> np.ndarray:
    """Trailing σ of an asset's own returns, or the mean of its volume, carried over rests; one value at a time."""
    out = np.full(values.shape, np.nan)
    for j, row in enumerate(values):
        seen, last, latest = [], None, np.nan
        for t, value in enumerate(row):
            if not np.isnan(value):
                if not of_returns:
                    seen.append(value)
                elif last is not None:
                    seen.append(value / last - 1.0)
                last = value
                if len(seen) >= window:
                    latest = np.std(seen[-window:], ddof=1) if of_returns else np.mean(seen[-window:])
            out[j, t] = latest
    return out


@settings(max_examples=40, deadline=None, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_the_public_face_is_the_twin(data, execution_twin, execution_cases):
    """Through `simulate` with an `Execution` and frames: names, units, trailing volatility and volume, finer bars."""
    case = data.draw(execution_cases.drawn())
    rules = case.rules
    assume(rules.get("maintenance", 0.0) * rules.get("leverage", 1.0) < 1)
    tape = {k: v for k, v in case.tape.items() if k in QUOTES}
    if "funding" in case.tape:
        tape |= {k: case.tape[k] for k in ("funding", "mark") if k in case.tape}
    tape["volatility"] = trailing(tape["close"], 3, of_returns=True)
    tape["usual_volume"] = trailing(tape["volume"], 3, of_returns=False)
    positions, bars, finer = execution_cases.frames_of(case)
    case = replace(case, tape=tape, rules=rules | {"year": periods_per_year(bars.index)})
    theirs = execution_cases.run_twin(execution_twin, case)
    options = execution_cases.options_of(case, list(positions.columns))
    execution = Execution(**options, volatility_window=3, funding="funding" in case.tape)
    ours = simulate(
        positions,
        bars,
        rebalance="on_change" if rules["on_change"] else "every_bar",
        execution=execution,
        finer=finer,
    )
    size = max(1.0, *theirs.equity, float(np.abs(np.array(theirs.cash)).max()))
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-8, atol=1e-9 * size)
    np.testing.assert_allclose(ours.cash, theirs.cash, rtol=1e-8, atol=1e-9 * size)
    rows = sorted(enumerate(theirs.fills), key=lambda row: (row[1].bar, row[0]))
    assert ours.fills["reason"].tolist() == [f.reason for _, f in rows]
    assert ours.fills["liquidity"].tolist() == ["maker" if f.maker else "taker" for _, f in rows]
    charged = ours.costs[["funding", "borrow", "interest"]]
    np.testing.assert_allclose(charged, np.array(theirs.charges), rtol=1e-7, atol=1e-10 * size)
