"""How performance moved over time: Sharpe ratio, beta and volatility over rolling months."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.marks import placeholder, restyle, time_lines
from workbench.charts.tables import number, percent
from workbench.charts.theme import DOWN, UP

_LEAST_BARS = 20
_LOOKS = restyle((UP, "solid"), (DOWN, "dashed"))
_SHORT = "needs more bars than a rolling window holds; choose a longer range"


def rolling_sharpe_chart(
    returns: pd.DataFrame | pd.Series, *, months: Sequence[int] = (6, 12), height: int = 240
) -> Any:
    """Draw the annualised Sharpe ratio of the strategy over rolling months.

    Parameters
    ----------
    returns : DataFrame or Series, time × series
        Net simple returns per bar as fractions; of a frame, the column ``strategy`` or the first.
    months : sequence of int
        Windows. A record shorter than the shortest is drawn over a third of it instead, and the legend says so.
    """
    from workbench import risk

    net = strategy_of(returns)
    what = "Rolling Sharpe ratio"
    spans = windows(net, months)
    frame = pd.DataFrame({words: risk.rolling_sharpe_ratio(net, n) for words, n in spans.items()}, index=net.index)
    return time_lines(
        frame,
        what,
        _SHORT,
        title=_finding(what, frame, lambda v: percent(v, 0), lambda c: float((c > 0).mean()), "above 0"),
        ylabel="Sharpe ratio, annual",
        number="0.00",
        height=height,
        steps=[_zero, _LOOKS],
    )


def rolling_volatility_chart(
    returns: pd.DataFrame | pd.Series, *, months: Sequence[int] = (3, 12), height: int = 240
) -> Any:
    """Draw the annualised volatility of the strategy over rolling months.

    Parameters
    ----------
    returns : DataFrame or Series, time × series
        Net simple returns per bar as fractions; of a frame, the column ``strategy`` or the first.
    months : sequence of int
        Windows; see `rolling_sharpe_chart`.
    """
    from workbench import risk

    net = strategy_of(returns)
    what = "Rolling volatility, annualised"
    spans = windows(net, months)
    frame = pd.DataFrame({words: risk.rolling_volatility(net, n) for words, n in spans.items()}, index=net.index)
    return time_lines(
        frame,
        what,
        _SHORT,
        title=_finding(what, frame, percent, lambda c: float(c.max()), "at most", first=True),
        ylabel="volatility",
        number="0%",
        height=height,
        steps=[_LOOKS],
    )


def rolling_beta_chart(
    returns: pd.DataFrame, *, benchmark: str = "buy_and_hold", months: Sequence[int] = (6, 12), height: int = 240
) -> Any:
    """Draw the strategy's beta to a benchmark over rolling months: how much of the market is in it.

    Parameters
    ----------
    returns : DataFrame, time × series
        Net simple returns per bar as fractions; ``strategy`` (or the first column) and ``benchmark``.
    benchmark : str
        Column to hold the strategy against.
    months : sequence of int
        Windows; see `rolling_sharpe_chart`.

    Notes
    -----
    ``cov(strategy, benchmark) / var(benchmark)`` over the window (ddof 1); NaN where the benchmark did not move.
    """
    what = f"Rolling beta to {benchmark.replace('_', ' ')}"
    if benchmark not in returns:
        return placeholder(what, f"the record has no returns of {benchmark}")
    frame = beta_frame(returns, benchmark, months)
    return time_lines(
        frame,
        what,
        _SHORT,
        title=_finding(what, frame, number, lambda c: float(c.mean()), "on average", last=True),
        ylabel="beta",
        number="0.00",
        height=height,
        steps=[_zero, _LOOKS],
    )


def beta_frame(returns: pd.DataFrame, benchmark: str, months: Sequence[int]) -> pd.DataFrame:
    """Return the rolling beta of each window as a column."""
    net, market = strategy_of(returns), returns[benchmark].fillna(0.0).astype(float)
    betas = {}
    for words, n in windows(net, months).items():
        moved = market.rolling(n).std() > 1e-12
        betas[words] = (net.rolling(n).cov(market) / market.rolling(n).var()).where(moved)
    return pd.DataFrame(betas, index=net.index)


def strategy_of(returns: pd.DataFrame | pd.Series) -> pd.Series:
    """Return the strategy's returns of a frame (``strategy`` or the first column), missing ones as 0."""
    if isinstance(returns, pd.Series):
        return returns.fillna(0.0).astype(float)
    if returns.shape[1] == 0:
        return pd.Series(dtype=float, index=returns.index)
    return returns["strategy" if "strategy" in returns else returns.columns[0]].fillna(0.0).astype(float)


def windows(returns: pd.Series, months: Sequence[int]) -> dict[str, int]:
    """Return the bars of each window in words that fits twice into the record, else of a third of the record."""
    from workbench import risk

    n = len(returns)
    if n < 3 * _LEAST_BARS:
        return {}
    yearly = risk.periods_per_year(pd.DatetimeIndex(returns.index))
    wanted = {f"{m} months": round(yearly * m / 12) for m in sorted(months)}
    fitting = {words: bars for words, bars in wanted.items() if _LEAST_BARS <= bars <= n / 1.5}
    return fitting or {f"{n // 3:,} bars, a third of the record": n // 3}


def _finding(
    what: str, frame: pd.DataFrame, write: Any, judge: Any, words: str, *, first: bool = False, last: bool = False
) -> str:
    """Return a title with one number about the longest window."""
    known = frame.dropna(how="all", axis=1)
    if known.shape[1] == 0:
        return what
    column = known.iloc[:, -1].dropna()
    if column.empty or not np.isfinite(judge(column)):
        return what
    value = write(judge(column))
    told = f"{words} {value}" if first else f"{value} {words}" if last else f"{words} {value} of the time"
    return f"{what}: {told} ({known.columns[-1]})"


def _zero(figure: Any) -> None:
    from workbench.charts.factors import zero_line

    zero_line(figure)
