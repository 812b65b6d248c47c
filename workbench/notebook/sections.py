"""Sections of a report that hold several pictures or a first screen of their own."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from workbench.notebook.facts import Fact
from workbench.notebook.screens import Html, facts_of, notice_of, screen_of

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

_GOOD, _BAD, _PLAIN = "#00897b", "#d55e00", "#7b8794"


def periods(record: RunRecord) -> list[Any]:
    """Return when a run earned what it did: volatility, deepest falls, known crises, states of the market."""
    from workbench import charts

    returns = record.frame("returns")
    pictures = [charts.rolling_volatility_chart(returns), charts.drawdown_periods_table(returns)]
    if record.has("crises"):
        crises = record.frame("crises")
        pictures += [charts.crises_chart(returns, crises), charts.crises_table(crises)]
    if record.has("regimes"):
        regimes = record.frame("regimes")
        pictures += [charts.regimes_chart(regimes), charts.regimes_table(regimes)]
    return pictures


def nulls(record: RunRecord) -> list[Any]:
    """Return what the same trading earns by chance, where the run drew any of it."""
    from workbench import charts

    if not record.has("nulls"):
        return []
    table, draws = record.frame("nulls"), record.frame("null_draws")
    return [charts.nulls_table(table), *(charts.null_chart(draws, table, null=name) for name in table["null"])]


def paths(record: RunRecord) -> list[Any]:
    """Return the paths of a combinatorial cross-validation, where the run made one."""
    from workbench import charts

    if not record.has("paths"):
        return []
    return [charts.paths_chart(record.frame("paths")), charts.path_sharpe_chart(record.frame("paths"))]


def comparison(record: RunRecord) -> Html:
    """Return the first screen of a comparison: both runs, the difference in profit, and what explains most of it."""
    gap = record.metrics.get("pnl_difference", float("nan"))
    parts = record.frame("attribution")
    largest = parts["pnl"].abs().to_numpy()
    main = parts.iloc[int(largest.argmax())] if len(parts) and largest.max() > 0 else None
    more = "more" if gap > 0 else "less"
    words = "A and B earned the same." if gap == 0 else f"B earned {abs(gap):.2%} of starting equity {more} than A."
    reason = "" if main is None else f"<p>Most of it by {html.escape(str(main['source']))}: {main['pnl']:+.2%}.</p>"
    n_differences = len(record.frame("differences"))
    facts: dict[str, Fact] = {
        "A": (str(record.environment.get("a", "–")), str(record.environment.get("a_name", ""))),
        "B": (str(record.environment.get("b", "–")), str(record.environment.get("b_name", ""))),
        "Differences": (f"{n_differences} in data, code, parameters and measures", ""),
    }
    return screen_of([notice_of(_PLAIN, words.replace("-", "−"), reason.replace("-", "−")), facts_of(facts)])


def truthfulness(record: RunRecord) -> Html:
    """Return how often the gates let noise pass and found what was planted, each with its exact interval."""
    m = record.metrics
    rates = {
        "False discoveries": ("false_discovery_rate", "n_noise", "of markets of noise passed all gates"),
        "Power": ("power", "n_planted", "of markets with a planted signal passed all gates"),
    }
    facts: dict[str, Fact] = {}
    for title, (key, count, words) in rates.items():
        found = f"{round(m[key] * m[count])} of {m[count]:.0f}"
        bounds = f"95 % interval {m[f'{key}_low']:.0%} to {m[f'{key}_high']:.0%}"
        facts[title] = (f"{m[key]:.0%} {words}", f"{found}; {bounds}")
    good = m["false_discovery_rate_low"] <= 0.05 and m["power"] >= 0.5
    title = "The gates tell noise from signal" if good else "The gates do not tell noise from signal well enough"
    body = "<p>Each market is new, with nothing tried on it before: one backtest, one sweep.</p>"
    return screen_of([notice_of(_GOOD if good else _BAD, title, body), facts_of(facts)])
