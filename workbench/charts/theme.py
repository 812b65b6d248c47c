"""Colours, line styles and the CSS that turns every chart dark or light without drawing it again.

Bokeh's canvas reads custom properties such as ``--bk-grid-line-color`` each time it paints, so one style sheet
serves pages and reports alike. The series colours keep at least 3:1 contrast on both backgrounds, and no meaning
rests on colour alone: rising bars are hollow, baselines are dashed, exceedances are triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

UP = "#00897b"
DOWN = "#d55e00"
ACCENT = "#2f7fc1"
NEUTRAL = "#7b8794"
CYCLE = ("#00897b", "#d55e00", "#2f7fc1", "#a05fb4", "#8c7a1f", "#7b8794")
FONT = "Inter, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class LineStyle:
    """How one series is drawn."""

    color: str
    dash: str = "solid"
    width: float = 1.6


STYLES = {
    "strategy": LineStyle(UP, "solid", 2.2),
    "buy_and_hold": LineStyle(ACCENT, "dashed"),
    "equal_weight": LineStyle("#8c7a1f", "dashdot"),
    "persistence": LineStyle("#a05fb4", "dashdot"),
    "zero": LineStyle(NEUTRAL, "dotted"),
    "gross": LineStyle(NEUTRAL, "dotted"),
    "net": LineStyle(UP, "solid", 2.0),
    "bull": LineStyle(UP, "solid", 1.4),
    "bear": LineStyle(DOWN, "dashed", 1.4),
    "neutral": LineStyle(NEUTRAL, "dotted", 1.2),
    "train_loss": LineStyle(ACCENT, "solid", 2.0),
    "valid_loss": LineStyle(DOWN, "dashed", 2.0),
}


def style_of(name: str, position: int) -> LineStyle:
    """Return the fixed style of a known series, else the next colour and dash of the cycle."""
    if name in STYLES:
        return STYLES[name]
    dashes = ("solid", "dashed", "dotdash")
    return LineStyle(CYCLE[position % len(CYCLE)], dashes[position // len(CYCLE) % len(dashes)])


def label_of(name: str) -> str:
    """Turn a machine key into words: ``buy_and_hold`` -> ``buy and hold``."""
    words = str(name).replace("_", " ").removeprefix("n ")
    for person in ("sharpe", "sortino", "calmar", "gaussian"):
        words = words.replace(person, person.capitalize())
    return words


_LIGHT = {
    "ink": "#1d252d",
    "soft": "#51606d",
    "paper": "#ffffff",
    "grid": "#e3e8ec",
    "line": "#b9c3cb",
    "good": "#00796b",
    "bad": "#b84f00",
}
_DARK = {
    "ink": "#e6ebef",
    "soft": "#a9b5bf",
    "paper": "#171d23",
    "grid": "#2a333b",
    "line": "#46525c",
    "good": "#3cc0ae",
    "bad": "#ff8a3d",
}


def _variables(c: dict[str, str]) -> str:
    return (
        f"--bk-background-fill-color:{c['paper']};--bk-border-fill-color:{c['paper']};--bk-outline-line-color:{c['grid']};"
        f"--bk-grid-line-color:{c['grid']};--bk-axis-line-color:{c['line']};--bk-major-tick-line-color:{c['line']};"
        f"--bk-minor-tick-line-color:{c['grid']};--bk-major-label-text-color:{c['soft']};--bk-axis-label-text-color:{c['soft']};"
        f"--bk-text-color:{c['ink']};--bk-label-text-color:{c['ink']};--bk-title-text-color:{c['ink']};"
        f"--chart-ink:{c['ink']};--chart-soft:{c['soft']};--chart-paper:{c['paper']};--chart-grid:{c['grid']};"
        f"--chart-line:{c['line']};--chart-good:{c['good']};--chart-bad:{c['bad']};"
    )


def theme_css(mode: str = "auto") -> str:
    """Return the CSS custom properties of charts and tables.

    Parameters
    ----------
    mode : {"auto", "light", "dark"}
        ``auto`` follows the reader's system unless ``<html data-theme="dark|light">`` says otherwise.
    """
    if mode in {"light", "dark"}:
        return f":root{{{_variables(_DARK if mode == 'dark' else _LIGHT)}}}"
    return (
        f":root{{{_variables(_LIGHT)}}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{_variables(_DARK)}}}}}"
        f":root[data-theme=dark]{{{_variables(_DARK)}}}"
    )
