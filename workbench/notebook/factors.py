"""The first screen of a factor report: what was found, how often it was looked, and by which rules."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from workbench.notebook.facts import data_of
from workbench.notebook.screens import Html, facts_of, notice_of, screen_of

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

_FEW_BARS, _MOST_ROWS = 2000, 60
_GOOD, _CALM, _BAD = "#00897b", "#7b8794", "#d55e00"


def feature_overview(record: RunRecord) -> Html:
    """Return what a reader must see first of a factor report, and the table of all features.

    How many features were found and among how many looks, what was refused, the timing of the label, the rule of the
    errors, the model behind the importance and the exact data.

    Parameters
    ----------
    record : RunRecord
        A finished run of `features`.
    """
    from workbench.charts import factor_table, refused_table

    parts = [_found(record), facts_of(looks(record))]
    if record.has("refused"):
        refused = record.frame("refused")
        words = f"{len(refused)} of {len(refused) + len(record.frame('factors'))} features were refused"
        parts += [notice_of(_BAD, words, ""), refused_table(refused)._repr_html_()]
    horizon = record.parameters["horizon"]
    caption = (
        f"Features by the strength of their rank IC, {horizon} bars ahead; half-life in bars, q adjusted for all tests"
    )
    parts.append(factor_table(record.frame("factors"), caption=caption, limit=_MOST_ROWS)._repr_html_())
    return screen_of(parts)


def looks(record: RunRecord) -> dict[str, tuple[str, str]]:
    """Return the facts that a factor report is read by: name to text and note."""
    return {
        "Looks at these data": _counted(record),
        "Timing": _timing(record),
        "Compared": _compared(record),
        "Errors": _errors(record),
        "Importance": _importance(record),
        "Data": data_of(record.dataset),
        "Run": (record.run_id[:12], f"code {str(record.environment.get('git', '–'))[:12]}"),
    }


def _found(record: RunRecord) -> str:
    n, found, horizon = (
        int(v) for v in (_n(record, "n_features"), _n(record, "n_found"), record.parameters["horizon"])
    )
    ahead = "next bar" if horizon == 1 else f"next {horizon} bars"
    title = f"{found} of {n} features say something about the {ahead}" if found else ""
    title = title or f"None of {n} features says more about the {ahead} than chance would"
    end = str(record.parameters.get("end", ""))
    fresh = f"Bars from {html.escape(end)} on were not looked at." if end else "Set `end` to keep later bars unseen."
    body = (
        "<p>Whoever keeps the features that look best here has chosen them on these bars: a backtest on the same bars"
        f" is no test of them. {fresh}</p>"
    )
    return notice_of(_GOOD if found else _CALM, title, body.replace("`end`", "<code>end</code>"))


def _n(record: RunRecord, key: str) -> float:
    return float(record.metrics.get(key, 0.0))


def _counted(record: RunRecord) -> tuple[str, str]:
    n, tests = int(_n(record, "n_features")), int(_n(record, "n_tests"))
    before = int(_n(record, "n_reports_before"))
    text = f"{n} features × {tests // max(n, 1)} horizons = {tests} tests"
    earlier = f"; {before} kept report{'s' if before != 1 else ''} on this series came before" if before else ""
    return text, (
        "p-values adjusted together (Benjamini-Hochberg): of those found, about 5 % may be false; not trials in the"
        f" ledger, which counts what was backtested{earlier}"
    )


def _timing(record: RunRecord) -> tuple[str, str]:
    horizon = record.parameters["horizon"]
    return (
        "Known at the close of bar t, filled at the open of bar t+1",
        f"the return runs from there to the open of bar t+{1 + int(horizon)}",
    )


def _compared(record: RunRecord) -> tuple[str, str]:
    modes: Any = record.frame("factors")["mode"].value_counts().to_dict()
    across, along = modes.get("cross-section", 0), modes.get("time series", 0)
    texts = [f"{across} across the symbols of each bar"] if across else []
    texts += [f"{along} along time, each symbol by itself"] if along else []
    notes = ["quantiles by the bar's ranks"] if across else []
    notes += ["quantile edges from the symbol's own past"] if along else []
    if along and record.dataset.get("n_bars", 0) < _FEW_BARS:
        notes.append(f"fewer than {_FEW_BARS:,} bars: of slow features that are noise about 1 in 8 passes for 5 %")
    return "; ".join(texts), "; ".join(notes)


def _errors(record: RunRecord) -> tuple[str, str]:
    decay = record.frame("decay")
    lags = int(decay.loc[decay["horizon"] == record.parameters["horizon"], "lags"].max())
    return (
        f"Newey-West, {lags} lags at this horizon",
        "the larger of 3 (horizon − 1), as labels overlap, and 4 (n/100)^(2/9)",
    )


def _importance(record: RunRecord) -> tuple[str, str]:
    p, own, prior = record.parameters, _n(record, "log_loss"), _n(record, "prior_log_loss")
    verdict = (
        "the model of all features beats the classes' shares"
        if own < prior
        else "the model of all features does worse than the classes' shares: read its importance as what it leans on"
    )
    text = f"{p['model']}, {p['folds']} purged folds, embargo {p['embargo']} bars"
    return text, f"log loss {own:.4f} against {prior:.4f}: {verdict}"
