"""Fetching from the replay venue while it misbehaves, fault by fault: no wrong bar, and complete once it is over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data.bars import symbol_frame
from workbench.data.fetching.fetch import fetch
from workbench.data.replay import ReplayClock, open_faults, replay_of_bars, replay_venue
from workbench.data.sources.synthetic import synthetic_market
from workbench.data.store.barstore import open_store

SYMBOL = "BTC/USDT"
QUICK = ("418", "503", "html", "strings", "nan", "hole", "overlap", "revised", "skew(seconds=-60)")
REST = (
    "403", "429", "429(retry_after=garbage)", "429(retry_after=date)", "451", "500", "502", "504", "reset", "redirect",
    "empty", "truncated", "cut-off", "nulls", "nested-error", "negative", "high-low", "overflow", "duplicate",
    "unordered", "short-page", "seconds", "skew(seconds=60)", "skew(seconds=5, drift=600)",
)  # fmt: skip


@pytest.fixture(scope="module")
def faulty_bars() -> pd.DataFrame:
    """4,000 hours of one symbol."""
    return synthetic_market("regimes(seed=7, n_bars=4000)", [SYMBOL], "1h")[0]


@pytest.mark.parametrize("fault", [*QUICK, *(pytest.param(f, marks=pytest.mark.slow) for f in REST)])
def test_a_fault_leaves_no_wrong_bar_and_no_gap(settings: Settings, faulty_bars: pd.DataFrame, fault: str) -> None:
    now = faulty_bars.index[3000].timestamp() + 300
    clock = ReplayClock(now, frozen=True)  # waits step it and take no time
    faults = open_faults(f"{fault}@0s for 10m; {fault}@2h for 10m", start=now - 1)
    first = faulty_bars.index[0]
    with replay_venue(replay_of_bars(faulty_bars, "1h"), clock, faults) as running:
        for wait in (200.0, 400.0, 3600.0, 1800.0, 3600.0, 3600.0):  # in the fault, out of it, in it, out of it
            fetch("binance", SYMBOL, "1h", first, settings=settings, clock=clock, at=running.base_url)
            clock.step(wait)
        report = fetch("binance", SYMBOL, "1h", first, settings=settings, clock=clock, at=running.base_url)
    assert report.complete
    assert report.gaps().empty
    held = symbol_frame(open_store(settings).read("replay-binance", SYMBOL, "1h"), SYMBOL)
    true = symbol_frame(faulty_bars, SYMBOL)
    over = true[true.index + pd.Timedelta(hours=1) <= pd.Timestamp(clock.now(), unit="s", tz="UTC")]
    assert held.index.tolist() == over.index.tolist()
    np.testing.assert_allclose(held, over, rtol=0, atol=5e-9)  # venues write eight decimals
