"""What a sweep returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from workbench.typing import FloatArray

if TYPE_CHECKING:
    from workbench.backtest.market import Market
    from workbench.backtest.statistics.overfitting import Overfitting


@dataclass(frozen=True, eq=False)
class Sweep:
    """Statistics of every configuration; the returns themselves are not kept.

    Parameters
    ----------
    table
        One row per configuration and symbol, each an account of its own, labelled by both: ``total_return``,
        ``sharpe_ratio`` (annual, ddof 1), ``max_drawdown``, ``n_trades`` (round trips, an open one included),
        ``turnover`` (per year).
    portfolio
        One row per configuration: the same of the equal-capital portfolio, whose return at a bar is the mean of the
        accounts' net returns (the shares are set back to equal at each bar, without cost); ``n_trades`` is the sum and
        ``turnover`` the mean over the accounts. Further ``sharpe_per_bar``, ``skewness``, ``kurtosis`` (raw: 3 for a
        Gaussian) and ``n_obs``, which the probabilistic and deflated Sharpe ratios need.
    blocks
        Sum and sum of squares of the portfolio's returns in equal consecutive blocks, (n_configurations, n_blocks, 2):
        what the probability of backtest overfitting needs.
    block_length
        Bars of each block. The first bars, which do not fill one, are in none.
    sketch
        Sums of the portfolio's returns over days, or weeks for more than 512 days, (n_configurations, n_buckets): what
        tells which configurations are the same bet.
    sketch_times
        Time of the first bar of each bucket, (n_buckets,).
    market
        Times, symbols, opens and closes that were swept.
    """

    table: pd.DataFrame
    portfolio: pd.DataFrame
    blocks: FloatArray
    block_length: int
    sketch: FloatArray
    sketch_times: pd.DatetimeIndex
    market: Market

    @property
    def times(self) -> pd.DatetimeIndex:
        """Times of the bars."""
        return self.market.times

    def overfitting(self) -> Overfitting:
        """Return the probability that the best configuration is overfitted, by combinatorially symmetric validation.

        It comes from ``blocks`` alone; see `workbench.backtest.statistics.overfitting`.
        """
        from workbench.backtest.statistics.overfitting import overfitting_from_moments

        return overfitting_from_moments(self.blocks, self.block_length)
