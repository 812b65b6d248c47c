"""``workbench models``."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime

from cyclopts import App

from workbench.cli.output import print_json, show
from workbench.config import load_settings

app = App(name="models")


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List registered models: version, aliases, run, checksum and verdict.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    from workbench.tracking import list_models

    table = list_models(load_settings())
    if not json:
        table = table.assign(run_id=table["run_id"].str[:8], sha256=table["sha256"].str[:12])
    show(
        table,
        as_json=json,
        empty="no registered models yet; a backtest with register_model: true makes one",
    )


@app.command
def promote(name: str, *, version: int | None = None, reason: str = "", json: bool = False) -> int:
    """Make a version the champion if it passes every gate; exit code 1 when a gate refuses it.

    Parameters
    ----------
    name
        Registered model.
    version
        Version to promote; the challenger when left out.
    reason
        Why, for the ledger.
    json
        Print one JSON document.
    """
    from workbench.errors import PromotionError
    from workbench.tracking import promote as promote_model

    try:
        promotion = promote_model(
            load_settings(), name, version, now=datetime.now(UTC), who=getpass.getuser(), reason=reason
        )
    except PromotionError as err:
        if json:
            print_json({"promoted": False, "name": name, "message": str(err)})
        else:
            print(f"refused: {err}")
        return 1
    if json:
        print_json({"promoted": True, **_fields(promotion)})
    else:
        print(f"{name} v{promotion.version} is the champion.")
    return 0


@app.command
def rollback(name: str, *, reason: str = "", json: bool = False) -> int:
    """Make the previous champion the champion again.

    Parameters
    ----------
    name
        Registered model.
    reason
        Why, for the ledger.
    json
        Print one JSON document.
    """
    from workbench.tracking import rollback as roll_back

    change = roll_back(load_settings(), name, now=datetime.now(UTC), who=getpass.getuser(), reason=reason)
    if json:
        print_json({"rolled_back": True, **_fields(change)})
    else:
        print(f"{name} v{change.version} is the champion again.")
    return 0


def _fields(change: object) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(change)  # type: ignore[call-overload]  # any frozen dataclass of the registry
