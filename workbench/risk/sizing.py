"""Scaling of positions by risk."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.risk.series import resolve_periods


def volatility_target(
    positions: pd.DataFrame,
    close: pd.DataFrame,
    target: float,
    *,
    window: int = 20,
    max_leverage: float = 1.0,
    periods_per_year: float | None = None,
) -> pd.DataFrame:
    """Scale each position so that its asset would show the target volatility, then cap the gross exposure.

    Prefer it to fixed fractions when volatility comes in clusters: positions shrink in storms.

    Parameters
    ----------
    positions
        Signed fractions of equity decided at the close, ``(n_bars, n_assets)``.
    close
        Closing prices with the same columns; may begin earlier than the positions. NaN where an asset does not trade.
    target
        Annual volatility as a fraction, such as 0.15; 0 leaves positions as they are.
    window
        Close-to-close returns in the trailing volatility (ddof 1), the one into bar t included; each asset's own bars
        are counted.
    max_leverage
        Cap on the sum of absolute positions; a row above it is scaled down as a whole.
    periods_per_year
        Bars in a year; inferred for each asset from the times of its own closes.

    Returns
    -------
    DataFrame
        Shaped like ``positions``; NaN where the volatility is not known yet or is zero.

    Notes
    -----
    ``w[t] = position[t] · target / σ[t]`` with σ from closes up to t: nothing later is used. Where an asset does not
    trade its last σ stays. The bars in a year are read from all its times: a calendar, not a price. Assets move
    together only in part, so a portfolio of several usually shows less than the target.

    References
    ----------
    Moreira, A. and Muir, T. (2017). Volatility-Managed Portfolios. Journal of Finance 72(4), 1611-1644.
    """
    if target < 0 or max_leverage <= 0 or window < 2:
        raise ConfigError(
            "volatility_target: needs target >= 0, max_leverage > 0 and window >= 2, "
            f"got {target}, {max_leverage} and {window}"
        )
    if target == 0:
        return positions.copy()
    missing = [c for c in positions.columns if c not in close.columns]
    if missing or not positions.index.isin(close.index).all():
        raise DataError(f"volatility_target: close lacks symbols {missing} or times of the positions")
    volatility = pd.DataFrame(
        {c: _own_volatility(close[c], window, periods_per_year) for c in positions.columns}, columns=positions.columns
    )
    scale = (target / volatility.where(volatility > 0)).reindex(positions.index)
    scaled = positions * scale
    gross = scaled.abs().sum(axis=1)
    return scaled.mul((max_leverage / gross.where(gross > max_leverage)).fillna(1.0), axis=0)


def _own_volatility(close: pd.Series, window: int, periods_per_year: float | None) -> pd.Series:
    """Annual volatility over the bars at which an asset trades, carried over those at which it does not."""
    own = close.dropna()
    if len(own) <= window:
        return pd.Series(np.nan, index=close.index)
    periods = resolve_periods(own, periods_per_year, "volatility_target")
    volatility = own.pct_change(fill_method=None).rolling(window).std(ddof=1) * np.sqrt(periods)
    return volatility.reindex(close.index, method="ffill")
