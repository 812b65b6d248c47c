"""``workbench compare``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workbench.cli.output import print_json, print_table
from workbench.config import load_settings

if TYPE_CHECKING:
    from workbench.pipeline.compare import Comparison

_SHOWN = 20


def compare(a: str = "previous", b: str = "latest", *, rerun: bool = False, json: bool = False) -> None:
    """Say what differs between two finished runs, and how much of the difference in profit each part explains.

    Parameters
    ----------
    a
        Run id, the beginning of one, or previous: the run before B.
    b
        Run id, the beginning of one, or latest.
    rerun
        Run the steps from A to B again: first B's bars, then its parameters group by group. No trial is counted.
    json
        Print one JSON document.
    """
    from workbench.pipeline.compare import compare_runs

    found = compare_runs(a, b, load_settings(), rerun=rerun, now=datetime.now(UTC))
    if json:
        frames = {name: frame for name, frame in found.frames.items() if name != "returns"}
        print_json({"a": found.a.run_id, "b": found.b.run_id, "metrics": found.metrics, **{
            "metric_differences" if name == "metrics" else name: frame for name, frame in frames.items()
        }})  # fmt: skip
    else:
        _say(found, rerun)


def _say(found: Comparison, rerun: bool) -> None:
    for name, record in (("A", found.a), ("B", found.b)):
        print(f"{name}: {record.run_id[:12]}  {record.notebook}  {record.name}  {record.finished[:16]}")
    print_table(found.frames["differences"], "nothing differs")
    for view, part in found.frames["decomposition"].groupby("view", sort=False):
        print(f"\nprofit of B less that of A, by {view}:")
        print_table(part[["source", "pnl", "share"]], "")
    if rerun:
        print("the order of the steps matters: what two changes earn together goes to the later one")
    trades = found.frames["trade_differences"]
    if len(trades):
        print(f"\ntrades that differ ({min(len(trades), _SHOWN)} of {len(trades)}):")
        print_table(trades.head(_SHOWN), "")
    print(f"\n{found.summary()}")
