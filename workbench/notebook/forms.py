"""A form of a notebook's parameters in JupyterLab: typed widgets, one error line, a Run button with a progress bar."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.config import Parameters, load_settings, parameters_of, validate_parameters
from workbench.errors import WorkbenchError
from workbench.notebook.config import Config, now_utc
from workbench.notebook.query import split_list
from workbench.notebook.running import Progress, run

if TYPE_CHECKING:
    import ipywidgets
    from pydantic.fields import FieldInfo

    from workbench.tracking import RunRecord

Runner = Callable[[Config, Progress], "RunRecord | None"]


def form(source: str | Config, runner: Runner | None = None) -> Form:
    """Return a form of a notebook's parameters.

    Parameters
    ----------
    source : str or Config
        A notebook's name (its defaults are shown), or the configuration that `load_config` returned.
    runner : callable, optional
        What the Run button does with the new configuration and a progress callback. Default: `workbench.notebook.run`.

    Returns
    -------
    Form
        Shows itself in a cell. ``form.config`` is the checked configuration, ``form.record`` the finished run.

    Examples
    --------
    >>> import workbench as wb
    >>> f = wb.form("backtest")
    >>> f.widgets["train_size"].value
    1000
    """
    if isinstance(source, Config):
        return Form(source, runner)
    settings = load_settings()
    parameters = validate_parameters(source, {})
    return Form(Config(source, parameters, settings, "lab", now_utc()), runner)


class Form:
    """Widgets for the parameters of one notebook.

    Attributes
    ----------
    widgets : dict
        Parameter name -> ipywidget.
    record : RunRecord or None
        What the last run returned.
    message : str
        The line under the form: empty, an error, or what was done.
    """

    def __init__(self, cfg: Config, runner: Runner | None = None) -> None:
        import ipywidgets

        self._cfg = cfg
        self._runner = runner or _default_runner
        self._model = parameters_of(cfg.name)
        self.record: RunRecord | None = None
        self.widgets = {
            name: _widget(name, info, getattr(cfg.parameters, name)) for name, info in self._model.model_fields.items()
        }
        self.button = ipywidgets.Button(description="Run", button_style="primary", icon="play")
        self.button.on_click(self._clicked)
        self.progress = ipywidgets.FloatProgress(min=0.0, max=1.0, layout={"width": "16rem", "visibility": "hidden"})
        self.status = ipywidgets.Label()
        for widget in self.widgets.values():
            widget.observe(self._edited, names="value")
        rows = [*self.widgets.values(), ipywidgets.HBox([self.button, self.progress]), self.status]
        self.box = ipywidgets.VBox(rows)

    @property
    def message(self) -> str:
        """The line under the form."""
        return str(self.status.value)

    @property
    def config(self) -> Config:
        """The configuration that the widgets give, checked.

        Raises
        ------
        ConfigError
            One line naming the parameter, the value and the cure.
        """
        values = {n: _read(self._model.model_fields[n], w.value) for n, w in self.widgets.items()}
        parameters: Parameters = validate_parameters(self._cfg.name, values)
        return Config(self._cfg.name, parameters, self._cfg.settings, "lab", now_utc())

    def run(self) -> RunRecord | None:
        """Check the values and run; an error becomes the line under the form and None is returned."""
        self.record = None
        self.button.disabled = True
        self.progress.layout.visibility = "visible"
        try:
            self.record = self._runner(self.config, self._moved)
            self.status.value = f"done: run {self.record.run_id}" if self.record is not None else "done"
        except WorkbenchError as err:
            self.status.value = f"{type(err).__name__}: {err}"
        finally:
            self.button.disabled = False
            self.progress.layout.visibility = "hidden"
        return self.record

    def _clicked(self, _button: Any) -> None:
        self.run()

    def _moved(self, share: float, text: str) -> None:
        self.progress.value = min(max(share, 0.0), 1.0)
        self.status.value = text

    def _edited(self, _change: Any) -> None:
        try:
            _ = self.config
            self.status.value = ""
        except WorkbenchError as err:
            self.status.value = f"{type(err).__name__}: {err}"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)


def _default_runner(cfg: Config, progress: Progress) -> RunRecord | None:
    return run(cfg, progress=progress)


def _widget(name: str, info: FieldInfo, value: Any) -> ipywidgets.Widget:
    """Return the widget of a parameter: its type and bounds, its help as the tooltip."""
    import ipywidgets

    tooltip = info.description or name
    common = {
        "description": name.replace("_", " "), "tooltip": tooltip, "style": {"description_width": "9rem"},
        "layout": {"width": "34rem"}, "continuous_update": False,
    }  # fmt: skip
    low, high = _bounds(info)
    if info.annotation is bool:
        common.pop("continuous_update")
        return ipywidgets.Checkbox(value=value, indent=True, **common)
    if info.annotation is int:
        return ipywidgets.BoundedIntText(value=value, min=int(low), max=int(high), **common)
    if info.annotation is float:
        return ipywidgets.BoundedFloatText(value=value, min=low, max=high, step=_step(value), **common)
    if typing.get_origin(info.annotation) is list:
        return ipywidgets.Text(value=", ".join(map(str, value)), placeholder="separated by commas", **common)
    return ipywidgets.Text(value=value, placeholder=tooltip, **common)


def _bounds(info: FieldInfo) -> tuple[float, float]:
    """Return the smallest and largest value that the widget lets through; the model itself checks the rest."""
    low, high = -(2.0**31), 2.0**32
    for rule in info.metadata:
        low = next((float(getattr(rule, k)) for k in ("ge", "gt") if getattr(rule, k, None) is not None), low)
        high = next((float(getattr(rule, k)) for k in ("le", "lt") if getattr(rule, k, None) is not None), high)
    return low, high


def _step(value: float) -> float:
    return 0.01 if 0 < abs(value) < 1 else 0.5


def _read(info: FieldInfo, value: Any) -> Any:
    if typing.get_origin(info.annotation) is not list:
        return value.strip() if isinstance(value, str) else value
    (item,) = typing.get_args(info.annotation)
    return [_number(text) if item in (int, float) else text for text in split_list(value)]


def _number(text: str) -> Any:
    """Return the whole number in a text, or the text itself for the model to refuse."""
    return int(text) if text.lstrip("-").isdecimal() else text
