"""vectorbt as a second opinion on the full bar: where both express a rule they agree to 1e-9; where not, shown why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.backtest import simulate
from workbench.backtest.execution import Execution
from workbench.backtest.vectorbt_door import simulate_vectorbt, to_vectorbt
from workbench.errors import ConfigError

pytestmark = pytest.mark.slow
TOLERANCE = 1e-9
FIXTURES = [HealthCheck.function_scoped_fixture]


def frames(tape: dict, targets: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return bars and positions of arrays (n_assets, n_bars)."""
    times = pd.date_range("2024-01-01", periods=targets.shape[1], freq="h", tz="UTC", name="time")
    symbols = [f"S{j}" for j in range(len(targets))]
    fields = {
        f: pd.DataFrame(tape[f].T, index=times, columns=symbols) for f in ("open", "high", "low", "close", "volume")
    }
    return pd.concat(fields, axis=1, names=["field", "symbol"]), pd.DataFrame(targets.T, index=times, columns=symbols)


def quiet(seed: int, gap: str, n_bars: int = 80) -> tuple[dict, np.ndarray]:
    """Bars that stand still where an order is filled, since vectorbt tests no stop there; gaps between the others."""
    rng = np.random.default_rng(seed)
    targets = np.where(rng.random(n_bars) < 0.1, 1.0, np.where(rng.random(n_bars) < 0.1, 0.0, np.nan))
    targets[0] = 1.0
    still = np.zeros(n_bars, dtype=bool)
    still[1:] = ~np.isnan(targets[:-1])
    moves = np.where(still, 0.0, rng.normal(0, 0.01, n_bars))
    gaps = np.where(rng.random(n_bars) < 0.3, rng.normal(0, 0.01, n_bars), 0.0)
    gaps = -np.abs(gaps) if gap == "down" else gaps
    close = 50.0 * np.exp(np.cumsum(moves + gaps))
    opened = close * np.exp(-moves)
    up, down = (np.where(still, 0.0, np.abs(rng.normal(0, 0.004, n_bars))) for _ in range(2))
    high, low = np.maximum(opened, close) * np.exp(up), np.minimum(opened, close) * np.exp(-down)
    tape = {"open": opened, "high": high, "low": low, "close": np.where(still, opened, close)}
    for name in ("high", "low"):
        tape[name] = np.where(still, opened, tape[name])
    return {k: v[None] for k, v in (tape | {"volume": np.full(n_bars, 1e9)}).items()}, targets[None]


def agree(ours, theirs, *, cash: float = 1.0) -> None:
    n = len(ours.equity) if ours.ruined_at is None else ours.equity.index.get_loc(ours.ruined_at)
    np.testing.assert_allclose(ours.equity.iloc[:n], theirs.equity.iloc[:n], rtol=TOLERANCE)
    np.testing.assert_allclose(ours.cash.iloc[:n], theirs.cash.iloc[:n], rtol=TOLERANCE, atol=TOLERANCE * cash)
    both = ["fee", "slippage"]
    np.testing.assert_allclose(ours.costs[both].iloc[:n], theirs.costs[both].iloc[:n], rtol=1e-7, atol=1e-9 * cash)


@settings(max_examples=15, deadline=None, suppress_health_check=FIXTURES)
@given(seed=st.integers(0, 2**20), n_assets=st.integers(1, 3), which=st.sets(st.sampled_from(["s", "f", "v", "c"])))
def test_costs_and_cap_agree(seed, n_assets, which, execution_cases):
    tape, _ = execution_cases.tape(seed, n_assets, 60, grid=False, volatility=0.01, gaps=0.0, dying=False)
    bars, positions = frames(tape, execution_cases.targets(seed, tape["open"].shape, "dense", 1.0))
    execution = Execution(
        half_spread_bps=3.0 if "s" in which else 0.0,
        fee_fixed=1e-4 if "f" in which else 0.0,
        volatility_slippage=0.2 if "v" in which else 0.0,
        volume_cap=0.05 if "c" in which else 0.0,
    )
    agree(
        simulate(positions, bars, execution=execution),
        simulate_vectorbt(positions, bars, execution=execution),
    )


EXITS = {
    "stop": ({"stop_loss": 0.02, "slippage_bps": 2.0}, "both"),
    "target": ({"take_profit": 0.02, "slippage_bps": 0.0}, "both"),
    "bracket": ({"stop_loss": 0.02, "take_profit": 0.03, "slippage_bps": 0.0}, "both"),
    "trailing": ({"trailing_stop": 0.02, "slippage_bps": 2.0}, "down"),
    "trailing bracket": ({"trailing_stop": 0.02, "take_profit": 0.03, "slippage_bps": 0.0}, "down"),
}


@pytest.mark.parametrize("name", sorted(EXITS))
def test_exits_agree_where_fills_stand_still(name):
    options, gap = EXITS[name]
    execution = Execution(**options)
    fired = 0
    for seed in range(15):
        bars, positions = frames(*quiet(seed, gap))
        ours = simulate(positions, bars, rebalance="on_change", execution=execution)
        theirs = simulate_vectorbt(positions, bars, rebalance="on_change", execution=execution)
        agree(ours, theirs)
        fired += int(ours.fills["reason"].isin(["stop", "trailing", "take_profit"]).sum())
    assert fired >= 15


def test_vectorbt_does_not_test_stops_on_the_entry_bar():
    """A bar that buys at 100 and falls to 90: ours stops at 95 within it, vectorbt at the open of the next."""
    opened, low, close = [100.0, 100, 92, 92], [100.0, 90, 91, 92], [100.0, 92, 92, 92]
    rows = {"open": opened, "high": opened, "low": low, "close": close, "volume": [1.0] * 4}
    bars, positions = frames({k: np.array([v]) for k, v in rows.items()}, np.array([[1.0, np.nan, np.nan, np.nan]]))
    execution = Execution(fee_bps=0.0, slippage_bps=0.0, stop_loss=0.05)
    ours = simulate(positions, bars, rebalance="on_change", execution=execution)
    theirs = simulate_vectorbt(positions, bars, rebalance="on_change", execution=execution)
    assert ours.fills["price"].tolist() == pytest.approx([100.0, 95.0])
    assert theirs.fills["price"].tolist() == pytest.approx([100.0, 92.0])


@pytest.mark.soak  # vectorbt compiles its signal generators anew, ten seconds for three numbers
def test_vectorbts_ways_to_stop_disagree_with_each_other():
    """Same bars, entries, stop of 1 % and target of 2 %: −54 %, −29 % and −9 %, by which door one comes in.

    ``from_signals`` measures stops from the close of the entry bar unless told; ``OHLCSTX`` measures from the open and
    lets a gap through the stop fill at the stop.
    """
    import vectorbt as vbt

    rng, n = np.random.default_rng(2), 2_000
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    opened = np.r_[100, close[:-1]] * np.exp(rng.normal(0, 0.01, n))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.005, n)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.005, n)))
    times = pd.date_range("2024-01-01", periods=n, freq="h")
    o, h, lo, c = (pd.Series(x, index=times) for x in (opened, high, low, close))
    entries = pd.Series(np.arange(n) % 20 == 1, index=times)
    shared = {"fees": 0.0005, "init_cash": 1.0, "freq": "1h", "engine": "numba"}
    stops = {"price": o, "open": o, "high": h, "low": lo, "sl_stop": 0.01, "tp_stop": 0.02}
    by_default = vbt.Portfolio.from_signals(c, entries, False, **stops, **shared)
    from_fill = vbt.Portfolio.from_signals(c, entries, False, stop_entry_price="fillprice", **stops, **shared)
    found = vbt.OHLCSTX.run(entries, o, h, lo, c, sl_stop=0.01, tp_stop=0.02)
    exits = found.exits.squeeze()
    generated = vbt.Portfolio.from_signals(
        c, entries, exits, price=o.where(~exits, found.stop_price.squeeze()), **shared
    )
    assert len({run.orders.count() for run in (by_default, from_fill, generated)}) == 1
    returns = [float(run.total_return()) for run in (by_default, from_fill, generated)]
    assert returns == pytest.approx([-0.5383, -0.2939, -0.0861], abs=1e-4)


def test_what_vectorbt_cannot_express_is_named(execution_cases):
    tape, targets = quiet(1, "both")
    bars, positions = frames(tape, targets)
    for options, word in (
        ({"time_exit": 5}, "time_exit"),
        ({"impact": 0.5}, "impact"),
        ({"maker_fee_bps": 1.0}, "maker_fee_bps"),
        ({"stop_loss": 0.1, "trailing_stop": 0.1}, "one stop"),
        ({"take_profit": 0.1}, "take_profit"),
        ({"volume_cap": 0.1}, "volume_cap"),
    ):
        with pytest.raises(ConfigError, match=word):
            simulate_vectorbt(positions, bars, rebalance="on_change", execution=Execution(**options))
    with pytest.raises(ConfigError, match="one symbol"):
        simulate_vectorbt(positions * 0.5, bars, rebalance="on_change", execution=Execution(stop_loss=0.1))
    with pytest.raises(ConfigError, match="execution"):
        simulate_vectorbt(positions, bars, fee_bps=1.0, execution=Execution())


def test_to_vectorbt_gives_its_own_portfolio_with_exits():
    bars, positions = frames(*quiet(3, "both"))
    execution = Execution(stop_loss=0.02)
    portfolio = to_vectorbt(positions, bars, rebalance="on_change", execution=execution, initial_cash=1e6)
    ours = simulate(positions, bars, rebalance="on_change", execution=execution, initial_cash=1e6)
    np.testing.assert_allclose(portfolio.value(), ours.equity, rtol=1e-9)
