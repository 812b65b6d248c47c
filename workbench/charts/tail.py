"""Losses against the value-at-risk line, with the bars on which the line was broken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.figure import finish, holoviews, legend_above, need_rows, number_axis, time_axis
from workbench.charts.sampling import screen
from workbench.charts.theme import DOWN, NEUTRAL, UP
from workbench.errors import DataError


def var_chart(returns: pd.Series, *, confidence: float = 0.95, window: int = 250, height: int = 280) -> Any:
    """Draw each bar's loss or gain, the one-bar value at risk known before it, and the exceedances.

    The line at bar t is the historical value at risk of the ``window`` bars before t, so an exceedance is a surprise
    and not a bar that moved its own line.

    Parameters
    ----------
    returns : Series, shape (n_bars,)
        Net simple returns per bar as fractions.
    confidence : float
        Such as 0.95: about 5 % of the bars should break the line.
    window : int
        Bars that the estimate looks back over.
    """
    if len(returns) <= window:
        raise DataError(
            f"a VaR line of {window} bars needs more than {window} returns, got {len(returns)}; choose a shorter window"
        )
    frame = var_frame(returns, confidence=confidence, window=window)
    need_rows(frame, "value at risk")
    broken = int(frame["exceeded"].sum())
    share = broken / len(frame)
    expected = (1 - confidence) * len(frame)
    note = f"time, UTC · the line is the historical VaR of the {window} bars before"
    return (
        holoviews()
        .Overlay(_layers(frame, confidence))
        .opts(
            title=f"VaR {confidence:.0%} of one bar: {broken} exceedances ({share:.1%}), {expected:.0f} expected",
            ylabel="return per bar",
            xlabel="time, UTC",
            show_grid=True,
            legend_position="bottom_left",
            active_tools=[],
            default_tools=["pan", "box_zoom", "wheel_zoom", "reset", "save"],
            hooks=[
                finish(
                    time_axis,
                    lambda f: setattr(f.xaxis[0], "axis_label", note),
                    lambda f: number_axis(f, "0.0%"),
                    _hover,
                    legend_above,
                )
            ],
            responsive=True,
            height=height,
        )
    )


def _layers(frame: pd.DataFrame, confidence: float) -> list[Any]:
    hv = holoviews()
    thin = screen(frame[["return", "var_line"]])
    stems = pd.DataFrame({"time": thin.index, "zero": 0.0, "end": thin.index, "return": thin["return"].to_numpy()})
    bars = hv.Segments(stems, ["time", "zero", "end", "return"], label="return per bar")
    line = hv.Curve(thin.reset_index(), "time", "var_line", label=f"minus VaR {confidence:.0%}")
    broken = screen(frame.loc[frame["exceeded"], ["return", "var_line"]]).reset_index()
    marks = hv.Points(broken, ["time", "return"], "var_line", label="exceedance")
    return [
        bars.opts(color=NEUTRAL, line_width=1, alpha=0.7),
        line.opts(color=UP, line_width=2),
        marks.opts(color=DOWN, tools=["hover"], marker="inverted_triangle", size=7),
    ]


def var_frame(returns: pd.Series, *, confidence: float, window: int) -> pd.DataFrame:
    """Return return, var_line (negative) and exceeded for every bar that has ``window`` bars before it."""
    from workbench import risk

    known = -risk.rolling_value_at_risk(returns, window, confidence=confidence).shift(1)
    frame = pd.DataFrame({"return": returns, "var_line": np.minimum(known, 0.0)}).dropna()
    frame["exceeded"] = frame["return"] < frame["var_line"]
    return frame


def _hover(figure: Any) -> None:
    from bokeh.models import HoverTool

    marks = [r for r in figure.renderers if type(getattr(r, "glyph", None)).__name__ == "Scatter"]
    tips = [("exceedance", "@time{%F %H:%M} UTC"), ("return", "@return{0.00%}"), ("VaR line", "@var_line{0.00%}")]
    figure.add_tools(HoverTool(renderers=marks, tooltips=tips, formatters={"@time": "datetime"}))
