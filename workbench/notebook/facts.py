"""The facts of a run's first screen: how many were tried, how much is luck, what fills cost, when and on what data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

TIMING = "Decided on the close of bar t, filled at the open of bar t+1."
Fact = tuple[str, str]


def facts_about(record: RunRecord) -> dict[str, Fact]:
    """Return the named facts of a judged run, each with a note in small print."""
    facts = {
        "Trials": _trial(record.trial),
        "Luck": _luck(record.metrics),
        "Sharpe ratio": _interval(record),
        "Costs": _costs(record),
        "Break-even": _break_even(record.metrics),
        "Timing": (TIMING, _order(record)),
        "Data": data_of(record.dataset),
        "Finer bars": (str(record.environment.get("finer", "")), "they decide what a bar touched first"),
        "Ended": (_ended(record), "held at its end; such a position keeps its last price"),
        "Lock-box": _lockbox(record),
        "Model": _model(record),
        "This pipeline's own errors": _truth(record),
        "Run": (record.run_id[:12], f"code {str(record.environment.get('git', '–'))[:12]}"),
    }
    return {name: fact for name, fact in facts.items() if fact[0]}


def _luck(metrics: Mapping[str, float]) -> Fact:
    deflated = metrics.get("deflated_sharpe_ratio", math.nan)
    if math.isnan(deflated):
        return "", ""
    overfit = metrics.get("probability_of_backtest_overfitting", math.nan)
    text = f"deflated Sharpe ratio {deflated:.3f}"
    if math.isnan(overfit):
        return text, "the probability of overfitting needs ten trials on this data set"
    return f"{text}, probability of overfitting {overfit:.2f}", "the first must be 0.95 or more, the second 0.5 or less"


def _interval(record: RunRecord) -> Fact:
    if not record.has("intervals"):
        return "", ""
    table = record.frame("intervals").set_index("metric")
    if "sharpe_ratio" not in table.index:
        return "", ""
    row = table.loc["sharpe_ratio"]
    text = f"{row['value']:.2f}, {row['confidence']:.0%} interval {row['low']:.2f} to {row['high']:.2f}"
    return text.replace("-", "−"), "by a block bootstrap of the net returns"


def _break_even(metrics: Mapping[str, float]) -> Fact:
    level = metrics.get("break_even_bps", math.nan)
    if math.isnan(level):
        return "", ""
    if level <= 0:
        return "loses before any cost", "no cost is low enough"
    return f"{level:.1f} bps per traded value", "fee, spread and slippage together at which nothing is earned"


def _order(record: RunRecord) -> str:
    execution = str(record.parameters.get("execution") or "")
    return f"orders: {execution}" if execution else "market orders"


def _ended(record: RunRecord) -> str:
    return str(record.environment.get("marked to their last price", ""))


def _lockbox(record: RunRecord) -> Fact:
    start = str(record.trial.get("lockbox_from", ""))[:10]
    if not start:
        return "", ""
    if not record.trial.get("lockbox_open"):
        return f"bars from {start} on are sealed", "this run has not seen them"
    number = int(record.trial.get("lockbox_openings", 1))
    earlier = ", ".join(record.trial.get("lockbox_opened_by") or [])
    note = f"opened before by run {earlier}: no test any more" if number > 1 else "opened for the first time"
    return f"bars from {start} on: opening {number}", note


def _truth(record: RunRecord) -> Fact:
    text = str(record.environment.get("truth", ""))
    if not text:
        return "not measured yet", "run the truth notebook"
    return text, "on markets whose truth is known, judged by the same gates"


def _trial(trial: Mapping[str, Any]) -> tuple[str, str]:
    if not trial:
        return "not counted", ""
    count = int(trial["n_trials"])
    text = f"trial {trial['number']} of {count} on this data set" if count else "none"
    bets = trial.get("n_effective")
    if bets and count > 1:
        text += f", {float(bets):.0f} independent bet{'s' if bets != 1 else ''}"
    note = (
        "a new configuration"
        if trial.get("is_new")
        else f"the same trial as first seen {str(trial.get('first_seen', ''))[:16]}"
    )
    return text, f"{note}; the count deflates the Sharpe ratio"


def _costs(record: RunRecord) -> tuple[str, str]:
    fee, slippage = record.parameters.get("fee_bps"), record.parameters.get("slippage_bps")
    rates = "" if fee is None else f"{fee:g} bps fee and {slippage:g} bps slippage per traded value"
    rates = rates or "default fee and slippage"
    paid = float(record.metrics.get("total_fee", math.nan)) + float(record.metrics.get("total_slippage", math.nan))
    if record.parameters.get("execution"):
        rates += ", but for what the orders below say"
    if math.isnan(paid):
        return rates, ""
    words = f"paid: {paid:.2%} of the starting equity" if paid < 10 else f"paid: {paid:.3g} times the starting equity"
    mean = float(record.metrics.get("cost_bps", math.nan))
    return rates, words if math.isnan(mean) else f"{words}, {mean:.1f} bps of the value traded"


def _model(record: RunRecord) -> tuple[str, str]:
    own = record.parameters
    if "grid" in own:
        best = str(record.environment.get("best", ""))
        return (
            f"{own.get('rule')}, {best or 'chosen in every fold'}",
            f"of the grid {own['grid']}; seed {own.get('seed')}",
        )
    text = str(own.get("model") or f"lstm, layers of {own.get('hidden', '–')} units")
    return text, f"seed {own.get('seed', '–')}"


def data_of(dataset: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and version of a record's data, and its span and hash."""
    first, last = (str(dataset.get(k, ""))[:10] for k in ("first", "last"))
    name = f"{dataset.get('name', '–')}, version {dataset.get('version', '–')}"
    return (
        name,
        f"{dataset.get('n_bars', 0):,} bars {first} to {last}, SHA-256 {str(dataset.get('content_hash', ''))[:12]}…",
    )
