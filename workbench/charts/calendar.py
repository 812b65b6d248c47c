"""Returns by month and year."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.figure import finish, holoviews, need_rows

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def month_frame(returns: pd.Series) -> pd.DataFrame:
    """Return the table of years by ``Jan`` … ``Dec`` and ``year``, as fractions."""
    from workbench import risk

    table = risk.monthly_returns(returns)
    table.columns = pd.Index([MONTHS[c - 1] if isinstance(c, int) else str(c) for c in table.columns])
    return table


def monthly_table(returns: pd.Series, *, height: int | None = None) -> Any:
    """Draw the heat map of monthly returns, one row per year, with the number in every cell.

    Parameters
    ----------
    returns : Series, shape (n_bars,)
        Net simple returns per bar as fractions; a sign stands in each cell, so colour is not needed to read it.
    """
    need_rows(returns, "monthly returns")
    hv = holoviews()
    table = month_frame(returns)
    columns = [*MONTHS, "year"]
    cells = table[columns].rename_axis("y").reset_index().melt("y", var_name="month", value_name="return").dropna()
    cells["y"] = cells["y"].astype(str)
    cells["text"] = [f"{v:+.1%}".replace("%", "") for v in cells["return"]]
    cells["shown"] = pd.Series([f"{v:+.2%}" for v in cells["return"]], dtype=object, index=cells.index)
    reach = max(0.01, float(np.nanquantile(cells.loc[cells["month"] != "year", "return"].abs(), 0.98)))
    years = [str(y) for y in sorted(table.index, reverse=True)]
    height = height or max(150, 92 + 23 * len(years))
    squares = hv.HeatMap(cells, ["month", "y"], ["return", "shown"]).opts(
        cmap=diverging(), clim=(-reach, reach), colorbar=False, line_color=None, fill_alpha=0.85, tools=["hover"]
    )
    text = hv.Labels(cells, ["month", "y"], "text").opts(text_font_size="11px", text_color="#10161b")
    squares = squares.redim.values(month=columns, y=years)
    return (squares * text).opts(
        title="Monthly returns in percent, net of costs (last column: the year)",
        xlabel="",
        ylabel="",
        responsive=True,
        height=height,
        xaxis="top",
        default_tools=["save"],
        hooks=[finish(_hover)],
    )


def diverging() -> list[str]:
    """Return 65 light colours from low over neutral to high, on which dark text is readable."""

    def mix(a: str, b: str, t: float) -> str:
        parts = [(int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5)]
        return "#" + "".join(f"{round(x + (y - x) * t):02x}" for x, y in parts)

    low, mid, high = "#f0a060", "#eef1f3", "#5cbfb0"
    return [mix(low, mid, i / 32) for i in range(32)] + [mix(mid, high, i / 32) for i in range(33)]


def _hover(figure: Any) -> None:
    from bokeh.models import HoverTool

    figure.add_tools(HoverTool(tooltips=[("month", "@month @y"), ("return", "@shown")]))
