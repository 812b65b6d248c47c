"""What a notebook is run with: its typed parameters, the settings and which of its three lives it leads."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from workbench.config import Parameters, Settings, load_settings, parameters_of, validate_parameters
from workbench.errors import ConfigError, JobError
from workbench.notebook.query import overrides_of_query

MODES = ("lab", "job", "app")


@dataclass(frozen=True)
class Config:
    """The frozen configuration of one execution of a notebook.

    Parameters
    ----------
    name : str
        File stem of the notebook.
    parameters : Parameters
        The full, checked parameters: the notebook's own cell, what papermill injected, in the app the URL's query.
    settings : Settings
        Folders and addresses.
    mode : str
        ``lab`` (cells run by hand), ``job`` (papermill) or ``app`` (served by Panel).
    now : datetime
        UTC time at which the notebook began; the only clock that a run sees.
    query : mapping
        The URL's query in the app, else empty; ``run`` names the finished run to show.
    """

    name: str
    parameters: Parameters
    settings: Settings
    mode: str
    now: datetime
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def report(self, *pictures: Callable[[], Any]) -> None:
        """Show charts and tables in the lab and in a job; in the app do nothing, at no cost.

        Parameters
        ----------
        pictures
            Functions without arguments, so that the app need not draw what it hides:
            ``cfg.report(lambda: wb.charts.equity_chart(record.frame("returns")))``. One may return a list of pictures,
            or None for nothing to show.
        """
        if self.mode == "app":
            return
        from IPython.display import display

        for picture in pictures:
            made = picture()
            for shown in made if isinstance(made, list) else [made]:
                if shown is not None:
                    display(shown)

    def check(self, words: str, condition: Callable[[], Any]) -> None:
        """Assert something in words: prints it when it holds, fails the notebook when not; silent in the app.

        Raises
        ------
        JobError
            With the words, when the condition is false.
        """
        if self.mode == "app":
            return
        if not condition():
            raise JobError(f"check failed in {self.name}.ipynb: {words}")
        print(f"✓ {words}")


def load_config(name: str, namespace: Mapping[str, Any]) -> Config:
    """Collect and check a notebook's parameters from its globals.

    Call it once, right after the parameters cell: ``cfg = wb.load_config("backtest", globals())``. The notebook is
    an edge of the system, so this is where the environment and the clock are read.

    Parameters
    ----------
    name : str
        The notebook's name, which selects the parameter model.
    namespace : mapping
        The notebook's ``globals()``. Library code cannot see by itself that Panel serves the notebook.

    Returns
    -------
    Config
        Frozen; ``mode`` is ``app`` when Panel runs the notebook, ``job`` when ``WORKBENCH_MODE=job``, else ``lab``.

    Raises
    ------
    ConfigError
        One line naming the parameter, the value and the cure.
    """
    model = parameters_of(name)
    if not isinstance(namespace, Mapping):
        raise ConfigError(f"load_config({name!r}, ...) needs the notebook's globals(), got {type(namespace).__name__}")
    settings = load_settings()
    mode = _mode(namespace, settings)
    values = {key: namespace[key] for key in model.model_fields if key in namespace}
    query: dict[str, str] = {}
    if mode == "app":
        query, overrides = overrides_of_query(model, _session_arguments())
        values |= overrides
    parameters = validate_parameters(name, values, where="the page's address" if query else f"{name}.ipynb")
    _prepare_display(mode)
    return Config(name, parameters, settings, mode, now_utc(), MappingProxyType(query))


def _mode(namespace: Mapping[str, Any], settings: Settings) -> str:
    # Panel and Bokeh execute a served notebook in a fresh module of this name.
    if str(namespace.get("__name__", "")).startswith("bokeh_app_"):
        return "app"
    if settings.mode not in MODES[:2]:
        raise ConfigError(f"WORKBENCH_MODE must be lab or job, got {settings.mode!r}; unset it in JupyterLab")
    return settings.mode


def _session_arguments() -> Mapping[str, list[bytes]]:
    import panel

    return panel.state.session_args


def _prepare_display(mode: str) -> None:
    """Let charts show themselves in the lab and in a job, and Panel's pages in the lab; a server needs neither."""
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    if mode == "app" or not shell:
        return
    if mode == "lab":
        import panel

        panel.extension(inline=True)
    from workbench.charts import enable_notebook

    enable_notebook()


def now_utc() -> datetime:
    """Return ``WORKBENCH_NOW`` (ISO, set by the report runner) or the current time, in UTC."""
    text = os.environ.get("WORKBENCH_NOW", "")
    if not text:
        return datetime.now(UTC)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise ConfigError(
            f"WORKBENCH_NOW must be an ISO time such as 2026-01-31T02:00:00+00:00, got {text!r}"
        ) from None
