"""How each layer of events looks on a candle chart, and the legend that says what the marks mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.charts.theme import ACCENT, DOWN, FONT, NEUTRAL, UP

POOL = "#a05fb4"
PATTERN_UP, PATTERN_DOWN = ACCENT, "#8c7a1f"
"""Not the candles' colours, in which lines over candles are lost."""

_BOX = ("left", "right", "top", "bottom", "color", "alpha", "edge")
_BOX_TEXT = ("x", "y", "text", "color")
_BREAK = ("x0", "x1", "y", "color")
_TEXT = ("x", "y", "text", "color", "baseline", "shift")

COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "smart_money": {
        "order_block": _BOX,
        "order_block_text": _BOX_TEXT,
        "fvg": _BOX,
        "fvg_text": _BOX_TEXT,
        "swing": ("x", "y", "text", "baseline", "shift"),
        "bos": _BREAK,
        "choch": _BREAK,
        "break_text": _TEXT,
        "liquidity": ("x0", "x1", "y", "label_x", "text", "baseline"),
        "sweep": ("x", "y"),
        "level": ("x0", "x1", "y", "text"),
    },
    "patterns": {
        "pattern_fill": ("xs", "ys", "color"),
        "pattern": ("xs", "ys", "color", "told", "score"),
        "pattern_dashed": ("xs", "ys", "color"),
        "pattern_point": _TEXT,
        "pattern_label": ("x", "y", "text", "color", "align", "shift"),
    },
    "regimes": {"trend": ("x0", "x1", "color"), "wild": ("x0", "x1"), "shock": ("x", "y")},
}
"""Family -> layer -> columns of its data source."""

_SMALL: dict[str, Any] = {"text_font": {"value": FONT}, "text_font_size": "10px"}
_BOLD: dict[str, Any] = {"text_font": {"value": FONT}, "text_font_size": "11px", "text_font_style": "bold"}
_LEGEND_CSS = (
    "display:flex;flex-wrap:wrap;gap:2px 14px;padding:4px 8px 2px;font:11px "
    + FONT.replace("'", "&#39;")
    + ";color:var(--chart-soft,#51606d)"
)


def add_layers(pane: Any, sources: Mapping[str, Any]) -> None:
    """Add the renderers of all layers to a figure, named by layer; backgrounds lie below the candles."""
    _regimes(pane, sources)
    _zones(pane, sources)
    _levels(pane, sources)
    _breaks(pane, sources)
    _patterns(pane, sources)


def _regimes(pane: Any, sources: Mapping[str, Any]) -> None:
    pane.vstrip(
        "x0", "x1", source=sources["trend"], name="trend", fill_color="color", fill_alpha=0.09, line_color=None,
        level="image",
    )  # fmt: skip
    pane.vstrip(
        "x0", "x1", source=sources["wild"], name="wild", fill_color=None, line_color=None, level="image",
        hatch_pattern="right_diagonal_line", hatch_color=NEUTRAL, hatch_alpha=0.2, hatch_scale=16, hatch_weight=0.7,
    )  # fmt: skip
    pane.text(
        "x", "y", text={"value": "◆"}, source=sources["shock"], name="shock", text_color=POOL, text_align="center",
        text_baseline="bottom", y_offset=-20, **_SMALL,
    )  # fmt: skip


def _zones(pane: Any, sources: Mapping[str, Any]) -> None:
    for layer, dash in (("fvg", "dotted"), ("order_block", "solid")):
        pane.quad(
            "left", "right", "top", "bottom", source=sources[layer], name=layer, level="underlay",
            fill_color="color", fill_alpha="alpha", line_color="color", line_alpha="edge", line_dash=dash,
        )  # fmt: skip
        pane.text(
            "x", "y", "text", source=sources[f"{layer}_text"], name=f"{layer}_text", text_color="color",
            text_baseline="middle", x_offset=4, **_SMALL,
        )  # fmt: skip


def _levels(pane: Any, sources: Mapping[str, Any]) -> None:
    pools, levels = sources["liquidity"], sources["level"]
    pane.segment("x0", "y", "x1", "y", source=pools, name="liquidity", line_color=POOL, line_dash="dashed")
    pane.text(
        "label_x", "y", "text", source=pools, name="liquidity_text", text_color=POOL, text_baseline="baseline", **_SMALL
    )
    pane.scatter("x", "y", source=sources["sweep"], name="sweep", marker="x", size=8, line_color=POOL, line_width=2)
    pane.segment("x0", "y", "x1", "y", source=levels, name="level", line_color=ACCENT, line_dash="dashed")
    pane.text(
        "x1", "y", "text", source=levels, name="level_text", text_color=ACCENT, text_align="right",
        text_baseline="bottom", **_SMALL,
    )  # fmt: skip


def _breaks(pane: Any, sources: Mapping[str, Any]) -> None:
    for layer, dash in (("bos", "solid"), ("choch", "dashed")):
        pane.segment(
            "x0", "y", "x1", "y", source=sources[layer], name=layer, line_color="color", line_dash=dash, line_width=1.3
        )
    pane.text(
        "x", "y", "text", source=sources["break_text"], name="break_text", text_color="color", text_align="center",
        text_baseline="baseline", y_offset="shift", **_SMALL,
    )  # fmt: skip
    pane.text(
        "x", "y", "text", source=sources["swing"], name="swing", text_color=NEUTRAL, text_align="center",
        text_baseline="baseline", y_offset="shift", **_SMALL,
    )  # fmt: skip


def _patterns(pane: Any, sources: Mapping[str, Any]) -> None:
    from bokeh.models import HoverTool

    pane.patches(
        "xs", "ys", source=sources["pattern_fill"], name="pattern_fill", fill_color="color", fill_alpha=0.10,
        line_color=None, level="underlay",
    )  # fmt: skip
    lines = pane.multi_line(
        "xs", "ys", source=sources["pattern"], name="pattern", line_color="color", line_width=1.8, line_alpha=0.85
    )
    pane.multi_line(
        "xs", "ys", source=sources["pattern_dashed"], name="pattern_dashed", line_color="color", line_dash="dashed",
        line_width=1.3,
    )  # fmt: skip
    pane.text(
        "x", "y", "text", source=sources["pattern_point"], name="pattern_point", text_color="color",
        text_align="center", text_baseline="baseline", y_offset="shift", **_BOLD,
    )  # fmt: skip
    pane.text(
        "x", "y", "text", source=sources["pattern_label"], name="pattern_label", text_color="#ffffff",
        text_align="align", text_baseline="middle", y_offset="shift", background_fill_color="color",
        background_fill_alpha=0.9, border_radius=4, padding=3, **_SMALL,
    )  # fmt: skip
    pane.add_tools(HoverTool(renderers=[lines], tooltips=[("", "@told"), ("score", "@score{0.00}")]))


def legend_html(families: Sequence[str]) -> str:
    """Return one line of HTML that says what the marks of some families mean."""
    entries = [
        f'<span style="display:inline-flex;align-items:center;gap:5px;white-space:nowrap">{mark}{words}</span>'
        for family in families
        for mark, words in _LEGEND[family]
    ]
    return f'<div style="{_LEGEND_CSS}">{"".join(entries)}</div>' if entries else ""


def _swatch(css: str) -> str:
    return f'<i style="display:inline-block;width:16px;height:9px;box-sizing:border-box;{css}"></i>'


def _rule(color: str, style: str) -> str:
    return f'<i style="display:inline-block;width:16px;border-top:2px {style} {color}"></i>'


def _word(text: str, color: str) -> str:
    return f'<b style="color:{color}">{text}</b>'


def _both(style: str, alpha: str) -> str:
    return "".join(_swatch(f"background:{c}{alpha};border:1px {style} {c}") for c in (UP, DOWN))


_LEGEND = {
    "smart_money": (
        (_both("solid", "33"), "order block, bullish or bearish; pale once mitigated"),
        (_both("dotted", "33"), "fair-value gap (FVG)"),
        (_rule(NEUTRAL, "solid"), "BOS, break of structure"),
        (_rule(NEUTRAL, "dashed"), "CHoCH, change of character"),
        (_word("HH HL LH LL", NEUTRAL), "swings"),
        (_rule(POOL, "dashed"), f"liquidity (EQH, EQL), {_word('×', POOL)} swept"),
        (_rule(ACCENT, "dashed"), "high and low of the previous day (PDH, PDL) and week (PWH, PWL)"),
    ),
    "patterns": (
        (_rule(PATTERN_UP, "solid") + _rule(PATTERN_DOWN, "solid"), "pattern, up or down expected (▲ ▼)"),
        (_rule(NEUTRAL, "dashed"), "neckline, divergence, wait until known"),
        (_swatch(f"background:{NEUTRAL};border-radius:3px"), "name and score (0 to 1), at the bar it was known"),
    ),
    "regimes": (
        (_swatch(f"background:{UP}30"), "up trend"),
        (_swatch(f"background:{DOWN}30"), "down trend"),
        (
            _swatch(f"background:repeating-linear-gradient(-45deg,{NEUTRAL} 0 1px,transparent 1px 5px)"),
            "wild: volatility in its top third",
        ),
        (_word("◆", POOL), "shock of return, range or volume"),
    ),
}
