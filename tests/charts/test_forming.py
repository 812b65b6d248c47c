"""A chart fed by updates shows, at every moment, what a chart drawn anew would show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.charts import candle_rows
from workbench.charts.forming import GrowingRows
from workbench.data.live.updates import BarUpdate
from workbench.features import compute

SPECS = ["rsi(14)", "ema(20)"]


def updates_of(bars: pd.DataFrame, symbol: str, final: bool) -> list[BarUpdate]:
    one = bars.xs(symbol, axis=1, level="symbol")
    return [
        BarUpdate(symbol, time.value // 10**6, r.open, r.high, r.low, r.close, r.volume, final, "replay", 0.0)
        for time, r in zip(pd.DatetimeIndex(one.index).as_unit("ns"), one.itertuples(index=False), strict=True)
    ]


def shown_after(rows: pd.DataFrame, grown: GrowingRows, updates: list[BarUpdate]) -> pd.DataFrame:
    change = grown.apply(updates)
    rows = rows.copy()
    for name, value in change.last.items():
        rows.loc[rows.index[-1], name] = value
    return pd.concat([rows, change.rows], ignore_index=True)


def test_closed_bars_are_those_of_a_chart_drawn_anew(make_bars: Callable[..., pd.DataFrame]) -> None:
    bars = make_bars(200, ("SYN",), freq="h")
    grown = GrowingRows(bars.iloc[:100], "SYN", SPECS, compute, limit=5000)
    rows = grown.rows
    finals = updates_of(bars, "SYN", True)
    for k in range(100, 200, 7):
        rows = shown_after(rows, grown, finals[k : k + 7])
    whole = candle_rows(bars, "SYN", compute(bars, SPECS).xs("SYN", axis=1, level="symbol"))
    pd.testing.assert_frame_equal(rows, whole.reset_index(drop=True), check_dtype=False)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_forming_bar_is_the_last_row_and_has_no_indicator(
    make_bars: Callable[..., pd.DataFrame], cuts: list[int], random: object
) -> None:
    bars = make_bars(90, ("SYN",), freq="h")
    grown = GrowingRows(bars.iloc[:40], "SYN", ["rsi(14)"], compute, limit=5000)
    rows = grown.rows
    finals, open_ones = updates_of(bars, "SYN", True), updates_of(bars, "SYN", False)
    stream = [u for k in range(40, 90) for u in (open_ones[k], finals[k])]
    at = 0
    for cut in cuts:
        rows = shown_after(rows, grown, stream[at : at + cut])
        at = min(at + cut, len(stream))
        assert rows["i"].tolist() == list(range(40 + (at + 1) // 2))
        assert rows["close"].iloc[-1] == stream[at - 1].close
        assert np.isnan(rows["v0"].iloc[-1]) == (not stream[at - 1].final)
        assert rows["v0"].iloc[14:-1].notna().all()


def test_a_bar_that_has_closed_never_moves_again(make_bars: Callable[..., pd.DataFrame]) -> None:
    bars = make_bars(60, ("SYN",), freq="h")
    grown = GrowingRows(bars.iloc[:50], "SYN", [], compute, limit=5000)
    late = updates_of(bars.iloc[40:50] * 2, "SYN", True)
    change = grown.apply(late)
    assert change.last == {}
    assert change.rows.empty


def test_the_oldest_bars_are_forgotten_but_numbers_go_on(make_bars: Callable[..., pd.DataFrame]) -> None:
    bars = make_bars(120, ("SYN",), freq="h")
    grown = GrowingRows(bars.iloc[:60], "SYN", [], compute, limit=50)
    for update in updates_of(bars.iloc[60:], "SYN", True):
        grown.apply([update])
    assert len(grown.rows) == 50
    assert grown.rows["i"].iloc[-1] - grown.rows["i"].iloc[0] == 49
    assert grown.rows["i"].iloc[-1] == 109
