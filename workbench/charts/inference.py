"""How far the headline can be believed: intervals, nulls, and the odds after all trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.factors import ROW_HEIGHT, factor_figure, finish_factor, name_ticks, zero_line
from workbench.charts.marks import clean, empty_table, finite, histogram, join, need, placeholder, source, style_axes
from workbench.charts.tables import (
    EMPTY,
    Column,
    Table,
    _Written,
    number,
    percent,
    signed_percent,
    unit_of,
    whole,
    write_metric,
)
from workbench.charts.theme import DOWN, NEUTRAL, UP, label_of

_NO_INTERVALS = "the run was made without resampling; set replicates above 0"
_NO_NULLS = "the run was made without nulls; set null_draws above 0"


def intervals_chart(intervals: pd.DataFrame, *, height: int | None = None) -> Any:
    """Draw each headline figure with its interval, figures of one unit on one axis.

    Parameters
    ----------
    intervals : DataFrame
        Columns metric (machine key), value, low, high, confidence (fraction).
    """
    known = _known(intervals)
    if known.empty:
        return placeholder("Intervals of the headline figures", _NO_INTERVALS)
    figures = [_forest(part, unit_of(str(part["metric"].iloc[0])), height) for part in _groups(known)]
    figures[0].title.text = _interval_title(known)
    return figures[0] if len(figures) == 1 else join(*figures)


def _groups(known: pd.DataFrame) -> list[pd.DataFrame]:
    """Part figures by unit, those that would squash others on one axis alone; the Sharpe ratio's part comes first."""
    units = [unit_of(str(m)) for m in known["metric"]]
    parts = []
    for unit in dict.fromkeys(units):
        part = known.loc[[u == unit for u in units]]
        reach = part[["low", "high"]].abs().max(axis=1)
        far = reach > 4 * float(reach.median())
        parts += [part.loc[~far], *(part.loc[[i]] for i in part.index[far])]
    return sorted(parts, key=lambda p: not (p["metric"] == "sharpe_ratio").any())


_OF_SIGN = frozenset(
    {
        "alpha", "annual_return", "calmar_ratio", "expectancy", "information_ratio", "mean_return", "sharpe_ratio",
        "skewness", "sortino_ratio", "total_return",
    }
)  # fmt: skip


def tested_against_zero(metric: str) -> bool:
    """Whether 0 is the question for a measure: not for those, such as volatility, that cannot be below it."""
    return metric in _OF_SIGN


def _known(intervals: pd.DataFrame) -> pd.DataFrame:
    if not need(intervals, "metric", "value", "low", "high"):
        return pd.DataFrame()
    return clean(intervals, "value", "low", "high").reset_index(drop=True)


def _interval_title(known: pd.DataFrame) -> str:
    level = f"{percent(float(known['confidence'].iloc[0]), 0)} " if "confidence" in known else ""
    row = known[known["metric"] == "sharpe_ratio"]
    if row.empty:
        return f"Headline figures with their {level}intervals"
    low, high = float(row["low"].iloc[0]), float(row["high"].iloc[0])
    verdict = "above 0" if low > 0 else "below 0" if high < 0 else "0 is within"
    return f"Sharpe ratio {number(low)} to {number(high)}{f' ({level.strip()})' if level else ''}: {verdict}"


def _forest(part: pd.DataFrame, unit: str, height: int | None) -> Any:
    from bokeh.models import Range1d

    n = len(part)
    figure = factor_figure(" ", height or 74 + int(1.4 * ROW_HEIGHT) * n, y_range=Range1d(n - 0.4, -0.6))
    value, low, high = (part[c].to_numpy(dtype=float) for c in ("value", "low", "high"))
    asked = np.array([tested_against_zero(str(m)) for m in part["metric"]])
    sure = (low > 0) | (high < 0) | ~asked
    data = source(
        y=np.arange(n),
        value=value,
        low=low,
        high=high,
        metric=[label_of(str(m)) for m in part["metric"]],
        color=[NEUTRAL if not a else UP if s else DOWN for a, s in zip(asked, sure, strict=True)],
        hollow=np.where(sure, 1.0, 0.0),
        shown=[_span(str(m), v, a, b) for m, v, a, b in zip(part["metric"], value, low, high, strict=True)],
    )
    figure.segment("low", "y", "high", "y", source=data, line_color="color", line_width=3)
    for edge in ("low", "high"):
        figure.scatter(
            edge, "y", source=data, marker="dash", angle=math.pi / 2, size=12, line_color="color", line_width=2
        )
    drawn = figure.scatter("value", "y", source=data, size=9, fill_color="color", fill_alpha="hollow",
                            line_color="color", line_width=2)  # fmt: skip
    ends = min(0.0, float(low.min())), max(0.0, float(high.max()))
    pad = 0.03 * (ends[1] - ends[0]) or 1.0
    figure.x_range = Range1d(ends[0] - pad, ends[1] + pad)
    zero_line(figure, "height")
    name_ticks(figure.yaxis, [label_of(str(m)) for m in part["metric"]])
    figure.ygrid.visible = False
    figure.min_border_left = 150
    style_axes(figure, x="0%" if unit == "fraction" else "0.[00]")
    words = "percent" if unit == "fraction" else _UNIT_WORDS.get(unit, unit)
    figure.xaxis.axis_label = f"{words}; hollow: the interval holds 0" if not sure.all() else words
    finish_factor(figure, [drawn], {"measure": "@metric", "value and interval": "@shown"})
    return figure


_UNIT_WORDS = {"ratio": "ratio", "number": "value", "bars": "bars"}


def _span(metric: str, value: float, low: float, high: float) -> str:
    return f"{write_metric(metric, value)} ({write_metric(metric, low)} to {write_metric(metric, high)})"


def intervals_table(intervals: pd.DataFrame) -> Table:
    """Return each headline figure with its interval, and whether the interval leaves out 0.

    Parameters
    ----------
    intervals : DataFrame
        Columns metric (machine key), value, low, high, confidence (fraction).
    """
    caption = "Intervals of the headline figures"
    known = _known(intervals)
    if known.empty:
        return empty_table(caption, _NO_INTERVALS)
    apart = (known["low"] > 0) | (known["high"] < 0)
    asked = [tested_against_zero(str(m)) for m in known["metric"]]
    zero = [EMPTY if not q else "no" if a else "yes" for q, a in zip(asked, apart, strict=True)]
    frame = known.assign(measure=[label_of(str(m)) for m in known["metric"]], zero=zero)
    texts = frame.astype(object)
    for name in ("value", "low", "high"):
        texts[name] = [write_metric(str(m), float(v)) for m, v in zip(frame["metric"], frame[name], strict=True)]
    columns = [Column("measure", "measure", str, True)]
    columns += [Column(c, c) for c in ("value", "low", "high")]
    columns.append(Column("zero", "holds 0", str, True))
    level = f", {percent(float(known['confidence'].iloc[0]), 0)} confidence" if "confidence" in known else ""
    marks = {(i, "zero"): "soft" if z == EMPTY else "pass" if z == "no" else "fail" for i, z in enumerate(zero)}
    return _Written(frame, columns, f"{caption}{level}", marks, {}, texts)


def null_chart(
    null_draws: pd.DataFrame,
    nulls: pd.DataFrame,
    *,
    null: str | None = None,
    metric: str = "sharpe_ratio",
    height: int = 250,
) -> Any:
    """Draw what luck alone would have made, and where the strategy stands in it.

    Parameters
    ----------
    null_draws : DataFrame
        Columns null (name) and value, one row a draw.
    nulls : DataFrame
        Columns null, observed, mean, p_value, n_draws.
    null : str, optional
        Which to draw; default all, below each other.
    metric : str
        Machine key of what was drawn, for words and unit.
    """
    if not need(null_draws, "null", "value"):
        return placeholder("What luck alone would make", _NO_NULLS)
    names = [null] if null is not None else [str(n) for n in pd.unique(null_draws["null"].dropna())]
    figures = [_null(null_draws, nulls, name, metric, height if len(names) == 1 else 200) for name in names]
    return figures[0] if len(figures) == 1 else join(*figures)


def _null(null_draws: pd.DataFrame, nulls: pd.DataFrame, name: str, metric: str, height: int) -> Any:
    values = finite(null_draws.loc[null_draws["null"] == name, "value"])
    row = nulls[nulls["null"] == name] if need(nulls, "null") else nulls
    if len(values) == 0 or not need(row, "observed", "p_value"):
        return placeholder(f"What luck alone would make: {label_of(name)}", _NO_NULLS)
    observed, p = float(row["observed"].iloc[0]), float(row["p_value"].iloc[0])
    q95 = float(np.quantile(values, 0.95))
    equal = int((values >= observed).sum())
    title = f"{label_of(name).capitalize()}: {equal:,} of {len(values):,} draws did as well by chance, p = {p:.3f}"
    return histogram(
        values, title, style="0.0%" if unit_of(metric) == "fraction" else "0.0[0]", ylabel="draws", height=height,
        xlabel=f"{label_of(metric)} of draws without skill", tail=0.0,
        marks=[(observed, f"observed {write_metric(metric, observed)}", DOWN, "solid"),
               (q95, f"95 % of draws below {write_metric(metric, q95)}", NEUTRAL, "dashed")],
    )  # fmt: skip


def nulls_table(nulls: pd.DataFrame, *, metric: str = "sharpe_ratio", level: float = 0.05) -> Table:
    """Return each null: what it makes on average, what was observed, and the p-value.

    Parameters
    ----------
    nulls : DataFrame
        Columns null, observed, mean, p_value, n_draws.
    level : float
        p-values up to it are marked as passed.
    """
    caption = f"{label_of(metric)[:1].upper()}{label_of(metric)[1:]} against chance"
    if not need(nulls, "null", "p_value"):
        return empty_table(caption, _NO_NULLS)
    caption += ": positions held from open to open at the run's mean cost, so not quite the figure of the verdict"
    frame = nulls.reset_index(drop=True)
    frame = frame.assign(words=[label_of(str(n)) for n in frame["null"]])
    columns = [
        Column("words", "null", str, True),
        Column("observed", "observed", lambda v: write_metric(metric, float(v))),
        Column("mean", "mean of the draws", lambda v: write_metric(metric, float(v))),
        Column("p_value", "p", lambda v: number(float(v), 3)),
        Column("n_draws", "draws", whole),
    ]
    marks = {(i, "p_value"): "pass" if p <= level else "fail" for i, p in enumerate(frame["p_value"])}
    return Table(frame, columns, caption, marks)


_HONESTY = {
    "probabilistic_sharpe_ratio": (
        "PSR: odds that the true Sharpe ratio is above 0",
        "this record alone, as if it were the only trial",
    ),
    "deflated_sharpe_ratio": ("DSR: the same after counting independent trials", "above 0.95 is convincing"),
    "deflated_sharpe_ratio_all_trials": ("DSR with every trial counted", "as if all trials were independent"),
    "expected_max_sharpe_ratio": (
        "best Sharpe ratio expected of luck",
        "annual; what the best of that many worthless trials would show",
    ),
    "n_trials": ("trials on this data", "every configuration ever evaluated on it"),
    "n_effective_trials": (
        "independent trials",
        "clusters that move together, or more where their spread asks for it",
    ),
    "minimum_track_record_length": (
        "minimum track record",
        "bars needed to be 95 % sure that the Sharpe ratio is above 0",
    ),
    "minimum_backtest_length": (
        "minimum backtest length",
        "years below which the best of so many trials is expected to look this good",
    ),
    "probability_of_backtest_overfitting": (
        "PBO: odds that the choice does worse than the median later",
        "of this run's cells or of all trials on this data, whichever is higher; 0.05 is good",
    ),
    "sweep_overfitting": ("PBO of these cells alone", "what the histogram shows"),
    "superior_ability_p_value": (
        "SPA: p-value that no cell beats buying and holding",
        "Hansen's test over all cells together; below 0.05 one does",
    ),
    "n_superior": ("cells that beat buying and holding", "by StepM, at most a 5 % chance of a single false one"),
    "plateau_score": (
        "plateau score",
        "the neighbours' Sharpe ratio over the winner's: about 1 on a plateau, 0 on a spike",
    ),
    "alpha": ("alpha against buying and holding", "a year, what beta does not explain"),
    "alpha_t": ("its t-value", "Newey-West; below 2 it is luck"),
    "beta": ("beta to buying and holding", "return for each return of the market"),
    "information_ratio": ("information ratio", "annual, against buying and holding"),
}
_TWO_DIGITS = ("expected_max_sharpe_ratio", "alpha_t", "beta", "information_ratio", "plateau_score")
_ALIASES = {
    "n_effective": "n_effective_trials",
    "probability_of_overfitting": "probability_of_backtest_overfitting",
    "pbo": "probability_of_backtest_overfitting",
}


def honesty_table(values: Mapping[str, Any]) -> Table:
    """Return how far the Sharpe ratio can be believed, after all that was tried, with each figure explained.

    Parameters
    ----------
    values : mapping
        Machine keys of a run's metrics or trial; keys that do not belong here are passed over.
    """
    known = {_ALIASES.get(k, k): v for k, v in values.items() if v is not None}
    rows = [
        {"key": k, "measure": words, "value": float(known[k]), "meaning": meaning}
        for k, (words, meaning) in _HONESTY.items() if k in known and not math.isnan(float(known[k]))
    ]  # fmt: skip
    caption = "How far it can be believed"
    if not rows:
        return empty_table(caption, "the run counted no trial; run it with the ledger")
    frame = pd.DataFrame(rows)
    texts = frame.astype(object)
    texts["value"] = [_odds(k, v) for k, v in zip(frame["key"], frame["value"], strict=True)]
    columns = [
        Column("measure", "measure", str, True, True),
        Column("value", "value"),
        Column("meaning", "how to read it", str, True, True),
    ]
    judged = {k: v for k, v in ((k, _judge(k, v)) for k, v in zip(frame["key"], frame["value"], strict=True)) if v}
    marks = {(i, "value"): judged[k] for i, k in enumerate(frame["key"]) if k in judged}
    return _Written(frame, columns, caption, marks, {}, texts)


def _odds(key: str, value: float) -> str:
    if key == "minimum_track_record_length":
        return f"{whole(value)} bars" if math.isfinite(value) else "never"
    if key == "minimum_backtest_length":
        return f"{number(value, 1)} years"
    if key in ("n_trials", "n_superior"):
        return whole(value)
    if key == "alpha":
        return signed_percent(value)
    return number(value, 1 if key == "n_effective_trials" else 2 if key in _TWO_DIGITS else 3)


def _judge(key: str, value: float) -> str:
    if key.startswith(("deflated", "probabilistic")):
        return "pass" if value >= 0.95 else "fail"
    if key == "probability_of_backtest_overfitting":
        return "pass" if value <= 0.5 else "fail"
    return ""
