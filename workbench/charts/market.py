"""Prices as lines, and where the store has bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.figure import finish, holoviews, lines, need_rows
from workbench.charts.sampling import naive_utc
from workbench.errors import DataError

MAX_LINES = 8
_SHADES = ["#d55e0026", "#00897b40", "#00897b80", "#00897bbf", "#00897bff"]  # the background of the theme shows through


def price_chart(bars: pd.DataFrame, *, normalise: bool = True, height: int = 300) -> Any:
    """Draw closing prices of all symbols.

    Parameters
    ----------
    bars : DataFrame, time × (field, symbol)
    normalise : bool
        Divide each series by its first close, so that symbols share an axis; on a log scale.
    """
    close = pd.DataFrame(bars["close"]).dropna(how="all")
    need_rows(close, "prices")
    if close.shape[1] > MAX_LINES:
        raise DataError(f"a price chart shows at most {MAX_LINES} symbols, got {close.shape[1]}; choose fewer symbols")
    if normalise:
        close = close / close.bfill().iloc[0]
    unit = "first close = 1.00, log scale" if normalise else "price"
    return lines(
        close,
        title=f"Closing prices, {unit}",
        ylabel="relative price" if normalise else "price",
        number="0,0.00",
        log=normalise,
        height=height,
    )


def coverage_chart(bars: pd.DataFrame, *, height: int | None = None) -> Any:
    """Draw the share of times each symbol has a bar, by month: full months are dark, holes are light.

    Parameters
    ----------
    bars : DataFrame, time × (field, symbol)
        The share is of the times at which any symbol of the frame trades.
    """
    close = pd.DataFrame(bars["close"])
    need_rows(close, "coverage")
    hv = holoviews()
    months = pd.DatetimeIndex(naive_utc(close.index)).to_period("M")
    share = close.notna().groupby(months).mean()
    step = max(1, len(share) // 120)
    if step > 1:
        share = share.groupby(np.arange(len(share)) // step).mean().set_axis(share.index[::step])
    share.index = pd.Index(pd.PeriodIndex(share.index).strftime("%Y-%m"), name="month")
    cells = share.rename_axis(columns="symbol").reset_index().melt("month", var_name="symbol", value_name="share")
    cells["shown"] = pd.Series([f"{v:.1%}" for v in cells["share"]], dtype=object, index=cells.index)
    symbols = [str(s) for s in close.columns][::-1]
    n_months = cells["month"].nunique()
    squares = hv.HeatMap(cells, ["month", "symbol"], ["share", "shown"]).redim.values(symbol=symbols)
    return squares.opts(
        tools=["hover"],
        title="Coverage: share of bars present, from pale (none) to full green (all)"
        + (f", {step} months a cell" if step > 1 else " by month"),
        xlabel="month, UTC",
        ylabel="",
        responsive=True,
        height=height or max(150, 120 + 26 * len(symbols)),
        clim=(0, 1),
        cmap=_SHADES,
        colorbar=False,
        line_color=None,
        default_tools=["save"],
        hooks=[finish(lambda f: _ticks(f, n_months))],
    )


def _ticks(figure: Any, n_months: int) -> None:
    from bokeh.models import CustomJSTickFormatter, HoverTool

    every = max(1, n_months // 14)
    figure.xaxis.formatter = CustomJSTickFormatter(code=f"return index % {every} == 0 ? tick : ''")
    figure.xaxis.major_label_orientation = 0.6
    figure.add_tools(HoverTool(tooltips=[("symbol", "@symbol"), ("month", "@month"), ("bars present", "@shown")]))
