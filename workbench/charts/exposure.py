"""How much of equity is at work, long, short and net."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.charts.figure import lines, need_rows


def exposure_chart(positions: pd.DataFrame, *, height: int = 220) -> Any:
    """Draw gross and net exposure, and each asset's position where there are at most six.

    Parameters
    ----------
    positions : DataFrame, time × symbol
        Signed fractions of equity held after the fill.
    """
    need_rows(positions, "exposure")
    held = positions.fillna(0.0)
    frame = pd.DataFrame({"gross": held.abs().sum(axis=1), "net": held.sum(axis=1)})
    if 1 < held.shape[1] <= 6:
        frame = frame.join(held.rename(columns=str))
    return lines(
        frame,
        title="Exposure: positions as a share of equity, after the fill",
        ylabel="share of equity",
        number="0%",
        height=height,
    )


def costs_chart(costs: pd.DataFrame, *, height: int = 220) -> Any:
    """Draw fees and slippage added up over time.

    Parameters
    ----------
    costs : DataFrame
        time (index or column), fee and slippage per bar as fractions of the starting capital.
    """
    need_rows(costs, "costs")
    frame = costs.set_index("time") if "time" in costs.columns else costs
    total = frame[["fee", "slippage"]].fillna(0.0).cumsum()
    total["both"] = total.sum(axis=1)
    return lines(
        total,
        title="Costs paid so far, share of the starting capital",
        ylabel="paid so far",
        number="0.0%",
        height=height,
    )
