"""Equity, underwater curve and rolling risk of a run and its baselines."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.charts.figure import PERCENT, lines, need_rows
from workbench.charts.theme import DOWN, label_of

TIMING = "decided at the close, filled at the next open, net of costs"


def equity_chart(returns: pd.DataFrame, *, log: bool = True, height: int = 320) -> Any:
    """Draw the growth of 1.00 of the strategy beside its baselines.

    Parameters
    ----------
    returns : DataFrame, time × series
        Net simple returns per bar as fractions; columns such as ``strategy`` and ``buy_and_hold``.
    log : bool
        Logarithmic axis: equal distances are equal percentages. It ends at a hundredth of the lowest of strategy and
        buy and hold; a baseline that falls further leaves the picture, the tooltip still tells its value.
    """
    need_rows(returns, "equity")
    equity = (1.0 + returns.fillna(0.0)).cumprod()
    log = log and bool((equity > 0).all().all())
    scale = ", log scale" if log else ""
    floor = _lowest(equity)
    lost = [label_of(str(c)) for c in equity.columns if log and bool((equity[c] < floor).any())]
    small = bool(equity.to_numpy().min() < 0.1)
    return lines(
        equity,
        title=f"Equity: growth of 1.00{scale}",
        note=f"{', '.join(lost)}: below the axis · {TIMING}" if lost else TIMING,
        ylabel="equity, start = 1.00",
        number="0.[00] a" if equity.to_numpy().max() >= 1e4 else "0,0.00[00]" if small else "0,0.00",
        log=log,
        height=height,
        steps=[*([_floor(floor)] if lost else []), *([_small_ticks] if log and small else [])],
    )


def _lowest(equity: pd.DataFrame) -> float:
    leading = [c for c in ("strategy", "buy_and_hold") if c in equity]
    return float(equity[leading].to_numpy().min() if leading else 1.0) / 100


def _floor(value: float) -> Any:
    def step(figure: Any) -> None:
        figure.y_range.update(start=value, reset_start=value)

    return step


def _small_ticks(figure: Any) -> None:
    from bokeh.models import CustomJSTickFormatter

    code = """
        if (tick < 0.1) return String(Number(tick.toPrecision(3)));
        const style = tick < 1e4 ? {minimumFractionDigits: 2, maximumFractionDigits: 2} : {notation: 'compact'};
        return tick.toLocaleString('en-US', style);
    """
    figure.yaxis.formatter = CustomJSTickFormatter(code=code)


def drawdown_chart(
    returns: pd.DataFrame | pd.Series, *, warn: float | None = None, halt: float | None = None, height: int = 220
) -> Any:
    """Draw the underwater curve: how far equity stands below its highest value so far, as a negative percentage.

    Parameters
    ----------
    returns : DataFrame or Series, time × series
        Net simple returns per bar as fractions.
    warn, halt : float, optional
        Drawdown limits as positive fractions, drawn as dashed lines.
    """
    need_rows(returns, "drawdown")
    frame = (
        returns.to_frame("strategy")
        if isinstance(returns, pd.Series)
        else returns.drop(columns="zero", errors="ignore")
    )
    from workbench import risk

    underwater = -pd.DataFrame({c: risk.drawdown(frame[c]) for c in frame.columns})
    steps = [_limit(-value, f"{word} {value:.0%}", DOWN) for word, value in (("WARN", warn), ("HALT", halt)) if value]
    return lines(
        underwater,
        title="Drawdown below the highest equity so far",
        ylabel="drawdown",
        number="0.0%",
        height=height,
        steps=steps,
    )


def rolling_risk_chart(
    frame: pd.DataFrame, *, window: int, title: str = "", number: str = PERCENT, height: int = 240
) -> Any:
    """Draw rolling measures of one unit, such as annual volatility and value at risk.

    Parameters
    ----------
    frame : DataFrame, time × measure
        One column per measure, all in the unit of ``number``.
    window : int
        Bars of the rolling window, written in the title.
    """
    names = ", ".join(str(c).replace("_", " ") for c in frame.columns)
    head = title or f"Rolling {names}"
    return lines(frame.dropna(how="all"), title=f"{head} over {window} bars", ylabel="", number=number, height=height)


def _limit(value: float, text: str, color: str) -> Any:
    def step(figure: Any) -> None:
        from bokeh.models import Label, Span

        figure.add_layout(Span(location=value, dimension="width", line_color=color, line_dash="dashed", line_width=1.2))
        figure.add_layout(
            Label(
                x=6,
                x_units="screen",
                y=value,
                text=text,
                text_font_size="11px",
                text_color=color,
                text_baseline="top",
                y_offset=-2,
            )
        )
        low = min(value * 1.15, getattr(figure.y_range, "start", None) or value)
        figure.y_range.start = low

    return step
