"""Training curves, calibration and forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.figure import finish, holoviews, legend_above, lines, need_rows, number_axis
from workbench.charts.theme import ACCENT, NEUTRAL, UP, style_of


def training_chart(history: pd.DataFrame, *, height: int = 280) -> Any:
    """Draw training and validation loss per epoch, the mean over folds where there are several.

    Parameters
    ----------
    history : DataFrame
        Columns epoch, train_loss, valid_loss and, where known, fold, learning_rate and grad_norm.
    """
    need_rows(history, "training history")
    hv = holoviews()
    names = [c for c in ("train_loss", "valid_loss") if c in history]
    mean = history.groupby("epoch")[names].mean().reset_index()
    curves = []
    for name in names:
        style = style_of(name, 0)
        curves.append(
            hv.Curve(mean, "epoch", [name, *[n for n in names if n != name]], label=name.replace("_", " ")).opts(
                color=style.color, line_dash=style.dash, line_width=style.width, tools=["hover"]
            )
        )
    n_folds = history["fold"].nunique() if "fold" in history else 1
    best = _best_epoch(mean)
    over = f", mean of {n_folds} folds" if n_folds > 1 else ""
    note = f" · best at epoch {best}" if best is not None else ""
    return hv.Overlay(curves).opts(
        title=f"Loss per epoch{over}{note}",
        xlabel="epoch",
        ylabel="cross-entropy, nats",
        responsive=True,
        height=height,
        show_grid=True,
        hooks=[finish(lambda f: number_axis(f, "0.000"), lambda f: _epoch_hover(f, names, best), legend_above)],
        legend_position="top_right",
        default_tools=["pan", "box_zoom", "reset", "save"],
        active_tools=[],
    )


def _best_epoch(mean: pd.DataFrame) -> int | None:
    if "valid_loss" not in mean or not mean["valid_loss"].notna().any():
        return None
    return int(mean["epoch"].to_numpy()[int(np.nanargmin(mean["valid_loss"].to_numpy()))])


def _epoch_hover(figure: Any, names: list[str], best: int | None) -> None:
    from bokeh.models import HoverTool, Span

    first = next(r for r in figure.renderers if hasattr(r, "glyph"))
    tips = [("epoch", "@epoch"), *((n.replace("_", " "), f"@{n}{{0.0000}}") for n in names)]
    figure.add_tools(HoverTool(renderers=[first], mode="vline", tooltips=tips))
    if best is not None:
        figure.add_layout(Span(location=best, dimension="height", line_color=NEUTRAL, line_dash="dashed"))


def training_detail_chart(history: pd.DataFrame, name: str, *, height: int = 170) -> Any:
    """Draw ``learning_rate``, ``grad_norm`` or another quantity of the training per epoch, the mean over folds."""
    need_rows(history, name)
    hv = holoviews()
    words = name.replace("_", " ")
    mean = history.groupby("epoch")[[name]].mean().reset_index()
    curve = hv.Curve(mean, "epoch", name).opts(color=ACCENT, line_width=1.8)
    return hv.Overlay([curve]).opts(
        title=words.capitalize(),
        xlabel="epoch",
        ylabel=words,
        responsive=True,
        height=height,
        show_grid=True,
        active_tools=[],
        default_tools=["pan", "box_zoom", "reset", "save"],
        ylim=(0, float(mean[name].max()) * 1.1 or 1.0),
        hooks=[finish(lambda f: number_axis(f, "0.[00000]"))],
    )


def reliability_chart(table: pd.DataFrame, *, height: int = 300) -> Any:
    """Draw how often the top label was right against how sure the model was; the diagonal is perfect calibration.

    Parameters
    ----------
    table : DataFrame
        Columns bin, confidence and accuracy (fractions), count (forecasts in the bin).
    """
    filled = table[table["count"] > 0]
    need_rows(filled, "reliability table")
    hv = holoviews()
    filled = filled.assign(size=6 + 22 * np.sqrt(filled["count"] / filled["count"].max()))
    diagonal = hv.Curve([(0, 0), (1, 1)], "confidence", "accuracy", label="perfect calibration").opts(
        color=NEUTRAL, line_dash="dashed"
    )
    path = hv.Curve(filled, "confidence", "accuracy", label="model").opts(color=UP, line_width=2)
    points = hv.Points(filled, ["confidence", "accuracy"], ["count", "size"]).opts(
        tools=["hover"], color=UP, size="size", fill_alpha=0.35
    )
    return hv.Overlay([diagonal, path, points]).opts(
        title=f"Calibration of {int(filled['count'].sum()):,} forecasts (area = number in the bin)",
        xlabel="confidence of the top label",
        ylabel="share that was right",
        responsive=True,
        height=height,
        show_grid=True,
        xlim=(0.25, 1.02),
        ylim=(-0.02, 1.02),
        legend_position="top_left",
        default_tools=["reset", "save"],
        hooks=[finish(_percent_both, _bin_hover, legend_above)],
    )


def _percent_both(figure: Any) -> None:
    from bokeh.models import NumeralTickFormatter

    figure.xaxis.formatter = NumeralTickFormatter(format="0%")
    figure.yaxis.formatter = NumeralTickFormatter(format="0%")


def _bin_hover(figure: Any) -> None:
    from bokeh.models import HoverTool

    points = [r for r in figure.renderers if type(getattr(r, "glyph", None)).__name__ == "Scatter"]
    tips = [("confidence", "@confidence{0.0%}"), ("right", "@accuracy{0.0%}"), ("forecasts", "@count{0,0}")]
    figure.add_tools(HoverTool(renderers=points, tooltips=tips))


def probability_chart(forecasts: pd.DataFrame, *, symbol: str | None = None, height: int = 240) -> Any:
    """Draw the probabilities of bear, neutral and bull over the test time.

    Parameters
    ----------
    forecasts : DataFrame
        Columns (or index levels) time and symbol, and p_bear, p_neutral, p_bull as fractions that sum to 1.
    symbol : str, optional
        Which symbol to draw; default the first.
    """
    need_rows(forecasts, "forecasts")
    flat = forecasts.reset_index() if "time" not in forecasts.columns else forecasts
    symbol = symbol or str(flat["symbol"].iloc[0])
    part = flat[flat["symbol"] == symbol].set_index("time")[["p_bear", "p_neutral", "p_bull"]]
    part.columns = pd.Index(["bear", "neutral", "bull"])
    return lines(part, title=f"Out-of-sample probabilities, {symbol}", ylabel="probability", number="0%", height=height)
