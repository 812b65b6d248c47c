"""``workbench runs``."""

from __future__ import annotations

from cyclopts import App

from workbench.cli.output import show
from workbench.config import load_settings, parameters_of
from workbench.errors import ConfigError

app = App(name="runs")
_SHOWN = (
    "run_id", "finished", "notebook", "name", "dataset", "n_trials", "passed", "sharpe_ratio", "deflated_sharpe_ratio",
    "max_drawdown",
)  # fmt: skip


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

    if limit < 1:
        raise ConfigError(f"--limit must be at least 1, got {limit}")
    if notebook:
        parameters_of(notebook)
    table = list_records(load_settings())
    if notebook:
        table = table[table["notebook"] == notebook]
    table = table.head(limit)
    if not json:
        table = table[list(_SHOWN)].assign(run_id=table["run_id"].str[:8], finished=table["finished"].dt.floor("min"))
    show(table, as_json=json, empty="no finished runs yet; make some with 'workbench nightly'")


@app.command
def relog(run: str) -> None:
    """Log a finished run to MLflow again, after a time in which MLflow was down.

    Parameters
    ----------
    run
        Run id, or the beginning of one.
    """
    from workbench.tracking import load_record, relog

    settings = load_settings()
    run_id = load_record(run, settings=settings).run_id
    print(f"run {run_id} is in MLflow as {relog(run_id, settings)}")
