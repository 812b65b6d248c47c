"""What trading costs, told from bars: price impact and the spread behind the bounce of closes."""

from __future__ import annotations

import numpy as np

from workbench.features.indicators.returns import simple_returns
from workbench.features.indicators.windows import FROM_1, FROM_3, changes_full, covariance, share, total
from workbench.features.registry import indicator
from workbench.typing import FloatArray


@indicator(
    "amihud",
    warmup=changes_full,
    family="liquidity",
    stationary=False,
    bounds=FROM_1,
    references=("Amihud (2002), Illiquidity and stock returns, Journal of Financial Markets 5",),
)
def amihud(close: FloatArray, volume: FloatArray, *, window: int = 20) -> FloatArray:
    """Illiquidity: mean of abs(return) per unit of money traded (close × volume) over ``window`` bars.

    Bars without volume are left out; 0 where none has any. Falls as price and volume grow: compare it with its own
    past, not across symbols.
    """
    money = close[1:] * volume[1:]
    before = min(close.size, 1)
    impact = np.abs(share(simple_returns(close), money, 0.0))
    return share(total(impact, window, before), total((money > 0).astype(np.float64), window, before), 0.0)


@indicator(
    "roll_spread",
    warmup=lambda window: window + 1,
    family="liquidity",
    bounds=FROM_3,
    references=("Roll (1984), A simple implicit measure of the effective bid-ask spread, Journal of Finance 39",),
)
def roll_spread(close: FloatArray, *, window: int = 60) -> FloatArray:
    """Roll's effective bid-ask spread as a fraction of the price, from returns that bounce; 0 where they do not.

    Notes
    -----
    ``2 sqrt(max(0, -cov(r[t], r[t-1])))`` over ``window`` pairs of simple returns, covariance with ddof=1.
    """
    if close.size < 3:
        return np.full(close.size, np.nan)
    r = simple_returns(close)
    bounce = covariance(r[1:], r[:-1], window, 2)
    np.negative(bounce, out=bounce)
    np.maximum(bounce, 0.0, out=bounce)
    return 2.0 * np.sqrt(bounce)
