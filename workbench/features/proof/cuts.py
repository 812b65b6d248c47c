"""Where to cut the future off: leaks that show on few bars only show where the cut follows such a bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from workbench.errors import ConfigError
from workbench.features.market import Market
from workbench.typing import Bars, IntArray

DENSE = 24
"""Every cut among so many of the last bars is tried."""
_LOUD = 4
"""Bars with the largest move, range and volume, so many of each."""

Cuts = int | Sequence[int] | Literal["all"]


def cut_lengths(bars: Bars, cuts: Cuts, seed: int) -> IntArray:
    """Return how many rows to leave, increasing.

    Beginnings have 1, 2, 4, 8 … rows, end at every one of the last bars, at each hour, minute and weekday that the
    bars hold, after the loudest bars of each symbol, and at random bars.

    Parameters
    ----------
    cuts
        Number of random ones; the lengths themselves (then only those); or ``"all"``.

    Raises
    ------
    ConfigError
        When the lengths do not fit the bars.
    """
    n_bars = len(bars)
    if isinstance(cuts, str):
        if cuts != "all":
            raise ConfigError(f"cuts must be a number, lengths or 'all', got {cuts!r}")
        return np.arange(1, n_bars)
    if not isinstance(cuts, int):
        wrong = [c for c in cuts if not 1 <= c < n_bars]
        if wrong:
            raise ConfigError(f"cuts must be between 1 and {n_bars - 1} rows, got {wrong[0]!r}; leave it out")
        return np.unique(np.asarray(cuts, dtype=np.int64))
    if cuts < 1:
        raise ConfigError(f"cuts must be at least 1, got {cuts}; leave it at 16")
    rng = np.random.default_rng(seed)
    chosen = {n_bars - 1 - i for i in range(min(DENSE, n_bars - 1))}
    chosen.update(2**i for i in range(int(n_bars - 1).bit_length()))  # short ones show a warm-up filled from behind
    chosen.update(rng.integers(1, n_bars, size=cuts).tolist())
    times = pd.DatetimeIndex(bars.index)
    for classes in (times.hour, times.minute, times.day_of_week):
        codes = np.asarray(classes)[:-1]
        chosen.update(1 + int(rng.choice(np.flatnonzero(codes == c))) for c in np.unique(codes))
    chosen.update(_after_loud_bars(bars))
    return np.sort(np.fromiter((c for c in chosen if 1 <= c < n_bars), dtype=np.int64))


def _after_loud_bars(bars: Bars) -> set[int]:
    market = Market(bars)
    found: set[int] = set()
    for j in range(len(market.symbols)):
        if market.has("close", j):
            moves = np.abs(np.diff(market.column("close", j), prepend=np.nan))
            found.update(_loudest(moves))
        if market.has("volume", j):
            found.update(_loudest(market.column("volume", j)))
            found.update(_loudest(-market.column("volume", j)))
        if market.has("high", j) and market.has("low", j):
            found.update(_loudest(market.column("high", j) - market.column("low", j)))
    return found


def _loudest(values: np.ndarray) -> list[int]:
    filled = np.where(np.isnan(values), -np.inf, values)
    return (np.argsort(filled, kind="stable")[-_LOUD:] + 1).tolist()
