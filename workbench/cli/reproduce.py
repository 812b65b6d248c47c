"""``workbench reproduce``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workbench.cli.output import print_json, print_table
from workbench.config import load_settings

if TYPE_CHECKING:
    from workbench.pipeline.reproduce import Reproduction

NOT_EQUAL = 1


def reproduce(run: str = "latest", *, tolerance: float = 0.0, json: bool = False) -> int:
    """Rebuild a finished run from its recorded bars, parameters and seed; exit code 1 when a number differs.

    No trial is counted and nothing is written. When the run is not reproduced, what changed since is named.

    Parameters
    ----------
    run
        Run id, the beginning of one, or latest.
    tolerance
        Largest difference that still counts as equal; 0 asks for the same bits.
    json
        Print one JSON document.
    """
    from workbench.pipeline.reproduce import reproduce as rebuild

    found = rebuild(run, load_settings(), now=datetime.now(UTC), tolerance=tolerance)
    if json:
        print_json(
            {
                "run_id": found.run_id,
                "notebook": found.notebook,
                "equal": found.equal,
                "tolerance": found.tolerance,
                "checks": found.checks,
                "changes": found.changes,
            }
        )
    else:
        _say(found)
    return 0 if found.equal else NOT_EQUAL


def _say(found: Reproduction) -> None:
    checks = found.checks
    told = ["equal" if e else "differs" if g != g else f"differs by {g:.3g}" for e, g in
            zip(checks["equal"], checks["gap"], strict=True)]  # fmt: skip
    print_table(checks[["kind", "name", "recorded", "rebuilt"]].assign(outcome=told), "nothing was compared")
    if len(found.changes):
        print("changed since the run:")
        print_table(found.changes, "")
    print(found.summary())
