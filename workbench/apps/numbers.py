"""How pages write the leading numbers of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.apps.parts import Tile, badge
from workbench.charts.tables import write_metric
from workbench.tracking import list_records

if TYPE_CHECKING:
    import pandas as pd

    from workbench.config import Settings


def run_choices(record: Any, settings: Settings, keep: Callable[[pd.DataFrame], pd.DataFrame]) -> dict[str, str]:
    """Return finished runs as a selector offers them (words -> run id), with ``record`` among them.

    Parameters
    ----------
    keep : callable
        Picks the rows of `list_records` that the page can show.
    """
    found = {}
    for row in keep(list_records(settings)).to_dict("records"):
        when, run_id = f"{row['finished']:%Y-%m-%d %H:%M}", str(row["run_id"])
        found[f"{when} · {row['name']} · Sharpe {row['sharpe_ratio']:.2f} · {run_id[:8]}"] = run_id
    if record.run_id not in found.values():
        found = {f"{record.finished[:16]} · {record.name} · {record.run_id[:8]}": record.run_id, **found}
    return found


def run_tiles(record: Any) -> list[Tile]:
    """Return the numbers of the first screen: return, risk, drawdown, trials, costs."""
    m, trial, p = record.metrics, record.trial, record.parameters
    hold = record.baselines.get("buy_and_hold", {})

    def tile(key: str, name: str) -> Tile:
        note = f"buy and hold {write_metric(key, hold[key])}" if key in hold else ""
        return Tile(name, write_metric(key, m.get(key, float("nan"))), note)

    n_trials = trial.get("n_trials")
    again = "" if trial.get("is_new", True) else "seen before · "
    return [
        tile("annual_return", "Annual return, net"),
        tile("annual_volatility", "Annual volatility"),
        tile("sharpe_ratio", "Sharpe ratio, annual"),
        Tile(
            "Deflated Sharpe ratio",
            write_metric("deflated_sharpe_ratio", m.get("deflated_sharpe_ratio", float("nan"))),
            "chance it is above luck",
            "Probability that the true Sharpe ratio is above what the best of all trials shows by luck",
        ),
        tile("max_drawdown", "Largest drawdown"),
        Tile(
            "Trials on this data",
            "–" if n_trials is None else f"{n_trials:,}",
            f"{again}number {trial.get('number', '–')}",
        ),
        Tile(
            "Costs per trade", f"{p.get('fee_bps', 0):g} + {p.get('slippage_bps', 0):g} bp", "fee + slippage, each way"
        ),
    ]


def verdict_badge(record: Any) -> str:
    """Return the promotion verdict as a badge; the reasons are its tooltip."""
    gates = record.verdict.get("gates", [])
    if not gates:
        return badge("no verdict", "calm", "This run left no promotion gates")
    failed = [g for g in gates if not g["passed"]]
    reasons = "; ".join(str(g.get("text", g["name"])) for g in failed or gates)
    if failed:
        return badge(f"✗ not promotable: {len(failed)} of {len(gates)} gates refused", "bad", reasons)
    return badge(f"✓ all {len(gates)} gates passed", "good", reasons)


def run_line(record: Any) -> str:
    """Return one line that says which run this is: name, data set, span, finish."""
    d = record.dataset
    span = f"{str(d.get('first', ''))[:10]} – {str(d.get('last', ''))[:10]}"
    finished = record.finished[:16].replace("T", " ")
    return f"{record.name} · {d.get('name', '')} · {span} · finished {finished} UTC · run {record.run_id[:8]}"
