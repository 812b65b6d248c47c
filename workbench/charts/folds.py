"""Walk-forward folds on a time line: what was trained on, what was purged, what was tested."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.charts.figure import finish, holoviews, legend_above, need_rows, time_axis
from workbench.charts.sampling import naive_utc
from workbench.charts.theme import ACCENT, DOWN, UP

_BANDS = (("train", ACCENT, 0.4), ("purged and embargoed", DOWN, 0.3), ("test", UP, 0.9))
_TIMES = ("train_start", "train_end", "test_start", "test_end")


def folds_chart(folds: pd.DataFrame, *, height: int | None = None) -> Any:
    """Draw one row per fold with its training part, the gap that purging left, and its test part.

    Parameters
    ----------
    folds : DataFrame
        Columns fold, train_start, train_end, test_start, test_end (UTC), n_train, n_test, n_purged and, where
        known, accuracy (fraction).
    """
    need_rows(folds, "walk-forward folds")
    hv = holoviews()
    table = _bands(folds)
    numbers = [int(n) for n in folds["fold"]]
    height = height or min(520, 110 + 22 * len(numbers))
    parts = []
    for band, color, alpha in _BANDS:
        part = table[table["band"] == band]
        boxes = hv.Rectangles(
            part, ["start", "low", "end", "high"], ["band", "fold", "bars", "purged", "accuracy"], label=band
        )
        parts.append(boxes.opts(tools=["hover"], color=color, line_width=0, fill_alpha=alpha))
    ticks = numbers if len(numbers) <= 16 else numbers[:: -(-len(numbers) // 16)]
    n_purged = int(folds["n_purged"].sum()) if "n_purged" in folds else 0
    note = f"{n_purged:,} training rows purged where labels reach into the test"
    return hv.Overlay(parts).opts(
        title=f"Walk-forward: {len(numbers)} folds · {note}",
        xlabel="time, UTC",
        ylabel="fold",
        invert_yaxis=True,
        responsive=True,
        height=height,
        legend_position="top_left",
        yticks=ticks,
        show_grid=False,
        hooks=[finish(time_axis, _hatch, _hover, legend_above)],
        default_tools=["pan", "xwheel_zoom", "reset", "save"],
        active_tools=[],
    )


def _bands(folds: pd.DataFrame) -> pd.DataFrame:
    times = {c: pd.DatetimeIndex(naive_utc(pd.DatetimeIndex(folds[c]))) for c in _TIMES}
    rows = []
    for i, number in enumerate(folds["fold"]):
        accuracy = folds["accuracy"].iloc[i] if "accuracy" in folds else float("nan")
        shared = {
            "fold": int(number),
            "low": number - 0.36,
            "high": number + 0.36,
            "purged": int(folds["n_purged"].iloc[i]) if "n_purged" in folds else 0,
            "accuracy": "–" if pd.isna(accuracy) else f"{accuracy:.1%}",
        }
        spans = (
            ("train", times["train_start"][i], times["train_end"][i], "n_train"),
            ("purged and embargoed", times["train_end"][i], times["test_start"][i], "n_purged"),
            ("test", times["test_start"][i], times["test_end"][i], "n_test"),
        )
        for band, start, end, count in spans:
            bars = int(folds[count].iloc[i]) if count in folds else 0
            rows.append({"band": band, "start": start, "end": end, "bars": bars, **shared})
    return pd.DataFrame(rows)


def _hatch(figure: Any) -> None:
    for renderer in figure.renderers:
        if getattr(renderer.glyph, "fill_color", None) == DOWN:
            renderer.glyph.hatch_pattern, renderer.glyph.hatch_color = "/", DOWN


def _hover(figure: Any) -> None:
    from bokeh.models import HoverTool

    tips = [
        ("fold", "@fold · @band"),
        ("from", "@start{%F %H:%M}"),
        ("to", "@end{%F %H:%M}"),
        ("rows", "@bars{0,0}"),
        ("purged", "@purged{0,0}"),
        ("test accuracy", "@accuracy"),
    ]
    figure.add_tools(HoverTool(tooltips=tips, formatters={"@start": "datetime", "@end": "datetime"}))
