"""``workbench runs``."""

from __future__ import annotations

from cyclopts import App

from workbench.cli.output import show
from workbench.config import load_settings

app = App(name="runs")


@app.command(name="list")
def list_(*, notebook: str | None = None, limit: int = 30, json: bool = False) -> None:
    """List finished runs, the latest first.

    Parameters
    ----------
    notebook
        Only runs of this notebook.
    limit
        At most so many.
    json
        Print one JSON document.
    """
    from workbench.tracking import list_records

    table = list_records(load_settings())
    if notebook:
        table = table[table["notebook"] == notebook]
    show(table.head(limit), as_json=json, empty="no finished runs yet; make some with 'workbench nightly'")
