"""Tables with units: the frame keeps fractions, only the shown text has percent signs."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workbench.charts.theme import label_of

EMPTY = "–"
_SANS = "Inter,'Segoe UI','Noto Sans','DejaVu Sans',sans-serif"
_CSS = f"""
.wb-table{{border-collapse:collapse;font:12.5px/1.35 {_SANS};color:var(--chart-ink,#1d252d);
  width:100%;font-variant-numeric:tabular-nums}}
.wb-table th{{font-weight:600;text-align:right;color:var(--chart-soft,#51606d);padding:5px 5px;vertical-align:bottom;
  border-bottom:1px solid var(--chart-line,#b9c3cb)}}
.wb-table td{{white-space:nowrap;text-align:right;padding:4px 5px;border-bottom:1px solid var(--chart-grid,#e3e8ec)}}
.wb-table .t{{text-align:left}}
.wb-table .w{{white-space:normal;min-width:130px;overflow-wrap:anywhere}}
.wb-table .soft{{color:var(--chart-soft,#51606d)}}
.wb-table .best{{font-weight:700}}
.wb-table .pass{{color:var(--chart-good,#00796b);font-weight:600}}
.wb-table .fail{{color:var(--chart-bad,#b84f00);font-weight:600}}
.wb-wrap{{overflow-x:auto;max-width:100%}}
.wb-caption{{font:600 14px/1.4 {_SANS};color:var(--chart-ink,#1d252d);margin:2px 0 6px}}
"""


@dataclass(frozen=True)
class Column:
    """One shown column: key in the frame, heading, how to write a value, and whether it is text."""

    key: str
    heading: str
    write: Callable[[Any], str] = str
    text: bool = False
    wrap: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """A frame with raw numbers and the HTML that shows it; a notebook cell and a page show the same.

    Parameters
    ----------
    frame : DataFrame
        Raw values: fractions, not percents.
    columns : sequence of Column
        What is shown, in order.
    caption : str
        One line above the table.
    marks : mapping of (row position, column key) to CSS class
        ``best``, ``pass``, ``fail`` or ``soft``.
    """

    frame: pd.DataFrame
    columns: Sequence[Column]
    caption: str = ""
    marks: Mapping[tuple[int, str], str] = field(default_factory=dict)
    titles: Mapping[int, str] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th class="{"t" if c.text else ""}" scope="col">{html.escape(c.heading)}</th>' for c in self.columns
        )
        body = "".join(self._row(i) for i in range(len(self.frame)))
        caption = f'<div class="wb-caption">{html.escape(self.caption)}</div>' if self.caption else ""
        table = f'<table class="wb-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        return f'<style>{_CSS}</style>{caption}<div class="wb-wrap">{table}</div>'

    def _row(self, i: int) -> str:
        row = self.frame.iloc[i]
        cells = []
        for column in self.columns:
            kind = " ".join(
                filter(
                    None, ["t" if column.text else "", "w" if column.wrap else "", self.marks.get((i, column.key), "")]
                )
            )
            value = row[column.key]
            missing = value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT
            text = EMPTY if missing else column.write(value)
            cells.append(f'<td class="{kind}">{html.escape(text)}</td>')
        title = f' title="{html.escape(self.titles[i])}"' if i in self.titles else ""
        return f"<tr{title}>{''.join(cells)}</tr>"


_HUGE = 1e4


def percent(value: float, decimals: int = 1) -> str:
    """Write a fraction as percent: 0.123 -> ``12.3 %``; beyond a million percent in powers of ten."""
    text = f"{value:,.{decimals}%}" if abs(value) < _HUGE else f"{100 * value:.1e}%"
    return text.replace("%", " %").replace("-", "−")


def signed_percent(value: float, decimals: int = 2) -> str:
    """Write a fraction as percent with its sign."""
    return f"{value:+.{decimals}%}".replace("%", " %").replace("-", "−")


def number(value: float, decimals: int = 2) -> str:
    """Write a number with thousands separated and a true minus sign; beyond a hundred million in powers of ten."""
    text = f"{value:,.{decimals}f}" if abs(value) < _HUGE**2 else f"{value:.1e}"
    return text.replace("-", "−")


def whole(value: float) -> str:
    """Write a whole number with thousands separated."""
    return number(value, 0)


def moment(value: Any) -> str:
    """Write a time in UTC: the date alone at midnight."""
    stamp = pd.Timestamp(value)
    return stamp.strftime("%Y-%m-%d") if stamp == stamp.normalize() else stamp.strftime("%Y-%m-%d %H:%M")


_UNITS: dict[str, tuple[str, Callable[[float], str]]] = {
    "fraction": ("%", percent),
    "ratio": ("ratio", number),
    "bars": ("bars", lambda v: f"{whole(v)} bars"),
    "probability": ("0 to 1", lambda v: number(v, 3)),
    "per year": ("× per year", lambda v: f"{number(v, 1)}×/year"),
    "number": ("", number),
    "count": ("count", whole),
}
_EXTRA = {
    "accuracy": "fraction",
    "directional_accuracy": "fraction",
    "brier": "number",
    "ece": "fraction",
    "log_loss": "number",
    "deflated_sharpe_ratio": "probability",
    "probabilistic_sharpe_ratio": "probability",
    "n_trades": "count",
    "n_fills": "count",
    "n_forecasts": "count",
    "n_trials": "count",
    "total_fee": "fraction",
    "total_slippage": "fraction",
    "n_bars": "count",
    "total_return": "fraction",
    "cost_share": "fraction",
    "total_costs": "fraction",
}


def unit_of(key: str) -> str:
    """Return the unit of a machine key, from the registry of measures where it is one."""
    from workbench import risk

    return risk.MEASURES[key].unit if key in risk.MEASURES else _EXTRA.get(key, "number")


def write_metric(key: str, value: float) -> str:
    """Write one metric in its unit."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return EMPTY
    return _UNITS[unit_of(key)][1](value)


def metrics_table(metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]] | None = None) -> Table:
    """Return the metrics of a run beside its baselines, with units; the best of a row is bold.

    Parameters
    ----------
    metrics : mapping
        Machine key -> value; fractions, not percents.
    baselines : mapping of mapping, optional
        Baseline name -> the same keys.
    """
    from workbench import risk

    baselines = baselines or {}
    rows, marks, titles = [], {}, {}
    names = ["strategy", *baselines]
    for i, (key, value) in enumerate(metrics.items()):
        unit = unit_of(key)
        values = {"strategy": value, **{b: v.get(key, math.nan) for b, v in baselines.items()}}
        rows.append({"measure": label_of(key), "unit": _UNITS[unit][0], "key": key, **values})
        measure = risk.MEASURES.get(key)
        if measure is not None:
            titles[i] = f"{measure.description} ({measure.direction} is better)"
            best = _best(values, measure.direction) if len(values) > 1 else None
            if best:
                marks[(i, best)] = "best"
    frame = pd.DataFrame(rows, columns=["measure", "unit", "key", *names]).set_index("key", drop=False)
    write = _by_row(frame, names)
    columns = [
        Column("measure", "measure", str, True, True),
        *(Column(n, label_of(n), str) for n in names),
    ]
    return _Written(frame[["measure", "unit", *names]], columns, "", marks, titles, write)


@dataclass(frozen=True, eq=False)
class _Written(Table):
    """A table whose rows have units of their own: the texts are written beforehand, the frame stays raw."""

    texts: pd.DataFrame = field(default_factory=pd.DataFrame)

    def _repr_html_(self) -> str:
        return Table(self.texts, self.columns, self.caption, self.marks, self.titles)._repr_html_()


def _by_row(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    texts = frame.astype(object)
    for name in names:
        texts[name] = [write_metric(k, v) for k, v in zip(frame["key"], frame[name], strict=True)]
    return texts


def _best(values: Mapping[str, float], direction: str) -> str | None:
    known = {k: v for k, v in values.items() if v is not None and not math.isnan(v) and k != "zero"}
    if len(set(known.values())) < 2:
        return None
    return (max if direction == "higher" else min)(known, key=lambda k: known[k])


def gates_table(verdict: Mapping[str, Any]) -> Table:
    """Return the promotion gates: value, threshold and whether each was passed, in words."""
    gates = list(verdict.get("gates", []))
    frame = pd.DataFrame(gates, columns=["name", "value", "threshold", "passed", "text"])
    frame["name"] = frame["name"].map(label_of)
    frame["passed"] = ["✓ passed" if p else "✗ refused" for p in frame["passed"]]
    marks = {(i, "passed"): "pass" if g.get("passed") else "fail" for i, g in enumerate(gates)}
    columns = [
        Column("name", "gate", str, True),
        Column("value", "value", lambda v: number(float(v), 3)),
        Column("threshold", "threshold", lambda v: number(float(v), 3)),
        Column("passed", "outcome", str, True),
        Column("text", "why", str, True, True),
    ]
    return Table(frame, columns, "", marks)


def frame_table(
    frame: pd.DataFrame, *, caption: str = "", percents: Sequence[str] = (), decimals: int = 2, limit: int = 200
) -> Table:
    """Return any frame as a table: dates, whole numbers and numbers are written alike everywhere.

    Parameters
    ----------
    percents : sequence of str
        Columns that hold fractions and are shown in percent.
    limit : int
        Rows shown; the caption says when there are more.
    """
    shown = frame.head(limit)
    columns = [_column(str(name), frame[name], name in percents, decimals) for name in frame.columns]
    more = f" (first {limit:,} of {len(frame):,} rows)" if len(frame) > limit else ""
    return Table(shown.rename(columns=str).reset_index(drop=True), columns, caption + more)


def _column(name: str, values: pd.Series, as_percent: bool, decimals: int) -> Column:
    heading = label_of(name)
    if as_percent:
        write = signed_percent if bool((values < 0).any()) else lambda v: percent(v, 2)
        return Column(name, heading, lambda v: write(float(v)))
    if pd.api.types.is_bool_dtype(values):
        return Column(name, heading, lambda v: "yes" if v else "no", True)
    if pd.api.types.is_integer_dtype(values):
        return Column(name, heading, whole)
    if pd.api.types.is_float_dtype(values):
        return Column(name, heading, lambda v: number(float(v), decimals))
    if pd.api.types.is_datetime64_any_dtype(values):
        return Column(name, heading, moment)
    return Column(name, heading, str, True, name in ("note", "status"))
