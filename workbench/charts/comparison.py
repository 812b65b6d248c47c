"""Two runs side by side: their equity, what differs, and how much of the difference each cause explains."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from workbench.charts.factors import factor_figure, finish_factor, zero_line
from workbench.charts.figure import lines
from workbench.charts.marks import (
    empty_table,
    join,
    log_ticks,
    name_axis,
    need,
    placeholder,
    plain,
    restyle,
    source,
    style_axes,
    wide,
)
from workbench.charts.tables import Column, Table, moment, percent, signed_percent
from workbench.charts.theme import ACCENT, DOWN, UP, label_of

_NO_PAIR = "both runs must have returns at the same times; compare runs over one range"
Kind = Literal["only_a", "only_b", "changed"]
_KINDS = {"only_a": "only in A", "only_b": "only in B", "changed": "in both, other profit"}


def compare_equity_chart(returns: pd.DataFrame, *, height: int = 300) -> Any:
    """Draw the growth of 1.00 of two runs, and below it what the first gained on the second.

    Parameters
    ----------
    returns : DataFrame, time × (a, b)
        Net simple returns per bar as fractions; of more columns the first two.
    """
    pair = returns.iloc[:, :2].dropna()
    if pair.shape[1] < 2 or len(pair) < 2:
        return placeholder("Equity of A and B", _NO_PAIR)
    first, second = (_run_name(str(c)) for c in pair.columns)
    growth = (1.0 + pair.set_axis([first, second], axis=1)).cumprod()
    log = wide(growth.to_numpy())
    ahead = lead_of(pair)
    last = float(ahead.iloc[-1])
    verdict = "as far as" if abs(last) < 5e-5 else f"{percent(abs(last))} {'ahead of' if last > 0 else 'behind'}"
    from workbench.charts.render import to_bokeh

    above = lines(
        growth,
        title=f"{first} ends {verdict} {second}",
        ylabel=f"equity, start = 1.00{', log' if log else ''}",
        number="0,0.00",
        log=log,
        height=height,
        steps=[restyle((UP, "solid"), (ACCENT, "dashed"))],
    )
    below = lines(ahead.to_frame("lead"), title=f"{first} over {second}", ylabel="lead", number="0.0%",
                  height=170, steps=[zero_line])  # fmt: skip
    pictures = [to_bokeh(above), to_bokeh(below)]
    pictures[1].x_range = pictures[0].x_range
    if log:
        log_ticks(pictures[0], growth.to_numpy())
    return join(*pictures)


def lead_of(pair: pd.DataFrame) -> pd.Series:
    """Return how far the first series' equity stands above the second's, as a fraction of the second's.

    Notes
    -----
    ``cumprod(1 + a) / cumprod(1 + b) − 1``; NaN once ``b`` is ruined.
    """
    growth = (1.0 + pair.iloc[:, :2]).cumprod()
    other = growth.iloc[:, 1]
    return growth.iloc[:, 0] / other.where(other > 0) - 1.0


def _run_name(name: str) -> str:
    return name.upper() if len(name) == 1 else label_of(name)


def attribution_chart(attribution: pd.DataFrame, *, height: int = 280) -> Any:
    """Draw how the difference of two runs adds up from its causes, as a waterfall.

    Parameters
    ----------
    attribution : DataFrame
        Columns source, pnl (fraction of equity, signed) and share (of the whole difference), in the order of the walk
        from A to B. What is not explained is a row like the others.
    """
    if not need(attribution, "source", "pnl"):
        return placeholder("Where the difference comes from", "the two runs do not differ, or one has no returns")
    table = waterfall(attribution)
    total = float(table["end"].iloc[-1])
    largest = int(np.abs(table["pnl"].to_numpy()[:-1]).argmax())
    cause, part = label_of(str(table["source"].iloc[largest])), float(table["pnl"].iloc[largest])
    figure = factor_figure(
        f"From A to B: {signed_percent(total)}, the largest part by {cause} ({signed_percent(part)})",
        height,
    )
    names = [label_of(str(s)) for s in table["source"]]
    whole_row = np.arange(len(table)) == len(table) - 1
    share = table["share"].to_numpy(dtype=float)
    data = source(
        x=np.arange(len(table)),
        start=table["start"].to_numpy(),
        end=table["end"].to_numpy(),
        pnl=table["pnl"].to_numpy(),
        name=names,
        color=[ACCENT if w else UP if v >= 0 else DOWN for w, v in zip(whole_row, table["pnl"], strict=True)],
        share=["–" if not np.isfinite(s) else percent(s) for s in share],
    )
    bars = figure.vbar("x", 0.66, "end", "start", source=data, fill_color="color", line_color="color", fill_alpha=0.6)
    ends = table["end"].to_numpy()[:-1]
    places = np.arange(len(ends))
    figure.segment(places + 0.33, ends, places + 0.67, ends, line_color=ACCENT, line_dash="dotted", line_width=1.5)
    zero_line(figure)
    name_axis(figure, names)
    plain(figure)
    style_axes(figure, y="0.0%")
    figure.yaxis.axis_label = "share of equity, B less A"
    told = {"cause": "@name", "difference": "@pnl{+0.00%}", "share of the whole": "@share"}
    finish_factor(figure, [bars], told)
    return figure


def waterfall(attribution: pd.DataFrame) -> pd.DataFrame:
    """Return where each cause's bar starts and ends, and the whole as a last row from 0."""
    pnl = attribution["pnl"].fillna(0.0).to_numpy(dtype=float)
    end = np.cumsum(pnl)
    share = attribution["share"].to_numpy(dtype=float) if "share" in attribution else np.full(len(pnl), np.nan)
    table = pd.DataFrame(
        {
            "source": attribution["source"].astype(str).to_numpy(),
            "pnl": pnl,
            "start": end - pnl,
            "end": end,
            "share": share,
        }
    )
    total = pd.DataFrame({"source": ["in all"], "pnl": [end[-1]], "start": [0.0], "end": [end[-1]], "share": [1.0]})
    return pd.concat([table, total], ignore_index=True)


def differences_table(differences: pd.DataFrame, *, limit: int = 200) -> Table:
    """Return what differs between two runs: data, code, parameters, environment, results.

    Parameters
    ----------
    differences : DataFrame
        Columns section, field, a, b; only what differs.
    """
    if not need(differences, "section", "field"):
        return empty_table("What differs", "nothing: both runs have the same data, code and parameters")
    frame = differences.head(limit).reset_index(drop=True)
    frame = frame.assign(**{c: [_text(v) for v in frame[c]] for c in ("a", "b")})
    heads = frame["section"].where(frame["section"] != frame["section"].shift(), "")
    frame = frame.assign(head=[label_of(str(h)) for h in heads], name=[label_of(str(f)) for f in frame["field"]])
    columns = [
        Column("head", "section", str, True),
        Column("name", "field", str, True),
        Column("a", "A", str, True, True),
        Column("b", "B", str, True, True),
    ]
    n = len(differences)
    more = f" (first {limit:,})" if n > limit else ""
    return Table(frame, columns, f"{n:,} differences{more}" if n != 1 else "One difference",
                 {(i, "head"): "soft" for i in range(len(frame))})  # fmt: skip


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "−")
    return moment(value) if isinstance(value, pd.Timestamp) else str(value)


def trade_differences_table(trade_differences: pd.DataFrame, *, kind: Kind | None = None, limit: int = 50) -> Table:
    """Return the trades that only one of two runs made, or that earned otherwise, the largest difference first.

    Parameters
    ----------
    trade_differences : DataFrame
        Columns symbol, entry_time (UTC), kind (only_a, only_b, changed), pnl_a, pnl_b (fractions of equity).
    kind : {"only_a", "only_b", "changed"}, optional
        One kind only; default all, counted in the caption.
    """
    caption = f"Trades {_KINDS[kind]}" if kind else "Trades that differ"
    if not need(trade_differences, "kind"):
        return empty_table(caption, "none: both runs made the same trades")
    chosen = trade_differences[trade_differences["kind"] == kind] if kind else trade_differences
    if chosen.empty:
        return empty_table(caption, "there is none")
    a, b = (chosen[c].fillna(0.0) for c in ("pnl_a", "pnl_b"))
    frame = chosen.assign(difference=b - a, words=[_KINDS.get(k, str(k)) for k in chosen["kind"]])
    order = frame["difference"].abs().sort_values(ascending=False, kind="stable").index
    counts = ", ".join(
        f"{int((chosen['kind'] == k).sum()):,} {words}" for k, words in _KINDS.items() if (chosen["kind"] == k).any()
    )
    columns = [
        Column("symbol", "symbol", str, True),
        Column("entry_time", "entered, UTC", moment),
        Column("words", "which", str, True),
        Column("pnl_a", "profit in A", lambda v: signed_percent(float(v), 3)),
        Column("pnl_b", "profit in B", lambda v: signed_percent(float(v), 3)),
        Column("difference", "B less A", lambda v: signed_percent(float(v), 3)),
    ]
    total = f"; together {signed_percent(float(frame['difference'].sum()))} for B"
    more = f", largest {limit:,}" if len(frame) > limit else ""
    columns = [c for c in columns if not (kind and c.key == "words")]
    shown = frame.loc[order].head(limit).reset_index(drop=True)
    return Table(
        shown, columns, f"{caption}: {counts}{more}{total}" if not kind else f"{caption}: {len(frame):,}{more}{total}"
    )
