"""Bars built of trades."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from workbench.data.live.tradebars import Trade, TradeBars

STEP = 60_000
T0 = 1_700_000_040_000

some_trades = st.lists(
    st.tuples(st.integers(0, 5 * STEP), st.floats(0.01, 1e6), st.floats(0, 1e3)), min_size=1, max_size=60
)


@given(trades=some_trades)
def test_bars_of_trades_are_first_extremes_last_and_sum(trades: list[tuple[int, float, float]]) -> None:
    trades.sort(key=lambda t: t[0])
    bars, built = TradeBars(STEP), {}
    for n, (offset, price, amount) in enumerate(trades):
        trade = Trade(T0 + offset, price, amount, str(n))
        row = bars.add(trade)
        assert row is not None
        built[row.time] = row
        assert bars.add(trade) is None  # told twice
    assert bars.ignored == len(trades)
    for start, row in built.items():
        mine = [t for t in trades if start <= T0 + t[0] < start + STEP]
        prices = [price for _, price, _ in mine]
        assert (row.open, row.high, row.low, row.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert math.isclose(row.volume, math.fsum(amount for *_, amount in mine), rel_tol=1e-9, abs_tol=1e-12)
    assert bars.newest_ms == T0 + trades[-1][0]


def test_trades_of_a_bar_that_is_over_and_unsound_ones_are_ignored() -> None:
    bars = TradeBars(STEP)
    assert bars.add(Trade(T0 + STEP, 5.0, 1.0)) is not None
    for trade in (
        Trade(T0, 5.0, 1.0),
        Trade(T0 + STEP, 0.0, 1.0),
        Trade(T0 + STEP, 5.0, -1.0),
        Trade(T0 + STEP, math.nan, 1.0),
        Trade(T0 + STEP, math.inf, 1.0),
        Trade(0, 5.0, 1.0),
    ):
        assert bars.add(trade) is None
    assert bars.ignored == 6
