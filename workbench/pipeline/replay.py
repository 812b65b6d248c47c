"""A finished run computed once more from what its record says: nothing is counted, nothing is kept."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.config import NOTEBOOKS, Parameters, Settings, did_you_mean, validate_parameters
from workbench.data import load_dataset
from workbench.errors import ConfigError, DataError
from workbench.pipeline.keeping import Findings
from workbench.pipeline.lockbox import UsableBars
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Replayed:
    """What a run computes today, and the configuration by which it would be told from other trials."""

    findings: Findings
    configuration: Json = field(default_factory=dict)


Replay = Callable[[Any, UsableBars, Settings, datetime, Json, Progress], Replayed]


def replay(
    parameters: Parameters,
    opened: UsableBars,
    settings: Settings,
    now: datetime,
    trial: Json,
    progress: Progress | None = None,
) -> Replayed:
    """Compute a run on given bars, with a recorded trial in place of a counted one.

    Parameters
    ----------
    parameters : Parameters
        Of a notebook in `REPLAYS`.
    opened : UsableBars
        The bars, as `recorded_bars` loads them.
    trial : dict
        `RunRecord.trial` of the run: its place among the trials of its time, which deflated measures rest on.

    Raises
    ------
    ConfigError
        When runs of this notebook cannot be computed again.
    """
    return replay_of(parameters.notebook)(parameters, opened, settings, now, _complete(trial), progress or _silent)


def replay_of(notebook: str) -> Replay:
    """Return how runs of a notebook are computed again; ConfigError where they cannot be."""
    if notebook not in REPLAYS:
        known = ", ".join(REPLAYS)
        raise ConfigError(f"a run of the notebook {notebook!r} cannot be computed again; name one of {known}")
    return REPLAYS[notebook]


def recorded_parameters(record: RunRecord) -> tuple[Parameters, dict[str, tuple[str, str]]]:
    """Return a run's typed parameters out of its flat ones, and those that only one of then and now knows.

    Returns
    -------
    parameters : Parameters
        A parameter that the record lacks has today's default.
    changed : dict
        ``(recorded, now)`` by name, ``"absent"`` where one side does not know the parameter.
    """
    if record.notebook not in NOTEBOOKS:
        raise ConfigError(
            f"run {record.run_id} was made by the notebook {record.notebook!r}, which this workbench does not know."
            f"{did_you_mean(record.notebook, NOTEBOOKS)}"
        )
    model = NOTEBOOKS[record.notebook]
    flat = record.parameters
    typed = {name: _typed(model, name, value) for name, value in flat.items() if name in model.model_fields}
    parameters = validate_parameters(record.notebook, typed, f"run {record.run_id}")
    changed = {name: (str(value), "absent") for name, value in flat.items() if name not in model.model_fields}
    today = parameters.flat()
    changed |= {name: ("absent", str(today[name])) for name in model.model_fields if name not in flat}
    return parameters, changed


def recorded_bars(record: RunRecord, parameters: Any, settings: Settings) -> UsableBars:
    """Load a run's bars again, at the version that its record names and sealed where they were sealed then.

    Raises
    ------
    DataError
        When that version of the bars is gone.
    """
    sealed, is_open = record.trial.get("lockbox_from"), bool(record.trial.get("lockbox_open"))
    version = str(record.dataset.get("version", "")) or None
    end = sealed if sealed and not is_open else parameters.end
    try:
        dataset = load_dataset(
            parameters.source,
            parameters.symbols,
            parameters.timeframe,
            parameters.start,
            end,
            version=version,
            settings=settings,
        )
    except (DataError, ConfigError) as err:
        raise DataError(
            f"run {record.run_id} used version {version} of {record.dataset.get('name')}, which cannot be read: {err}; "
            "bring that version back from a backup of the data folder, or run the experiment again on today's bars"
        ) from err
    if not sealed:
        return UsableBars(dataset)
    return UsableBars(dataset, parameters.experiment or parameters.notebook, pd.Timestamp(sealed), is_open)


def split_items(text: str) -> list[str]:
    """Split at commas outside all brackets.

    Examples
    --------
    >>> split_items("rsi(14), where(a, max(b, c), 0)")
    ['rsi(14)', 'where(a, max(b, c), 0)']
    """
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def _typed(model: type[Parameters], name: str, value: Any) -> Any:
    """Undo `Parameters.flat`, which joins lists by commas."""
    kind = model.model_fields[name].annotation
    if typing.get_origin(kind) is not list or not isinstance(value, str):
        return value
    (item,) = typing.get_args(kind)
    parts = split_items(value) if name != "grid" else _grid_lines(split_items(value))
    return [item(p) for p in parts] if all(item is str or re.fullmatch(r"-?[\d.e+-]+", p) for p in parts) else parts


def _grid_lines(parts: list[str]) -> list[str]:
    """Put the values of a grid's argument back on its line: a line begins with a name and a value."""
    lines: list[str] = []
    for part in parts:
        if re.match(r"[A-Za-z_]\w*\s*[\s:]\s*\S", part) or not lines:
            lines.append(part)
        else:
            lines[-1] += f", {part}"
    return lines


def _complete(trial: Json) -> Json:
    """Give the trial of an older record what later ones also say: every configuration counts as a bet of its own."""
    return {
        "n_effective": float(trial.get("n_trials", 1)),
        "effective_variance": float(trial.get("sharpe_variance") or 0.0),
        "probability_of_overfitting": float("nan"),
        "cluster": None,
        **trial,
    }


def _silent(share: float, words: str) -> None:
    """Report to nobody."""


def _backtest(
    parameters: Any, opened: UsableBars, settings: Settings, now: datetime, trial: Json, progress: Progress
) -> Replayed:
    from workbench.pipeline.plan import plan_backtest

    plan = plan_backtest(parameters)
    return _model(parameters, opened, settings, now, trial, progress, lambda _: plan)


def _training(
    parameters: Any, opened: UsableBars, settings: Settings, now: datetime, trial: Json, progress: Progress
) -> Replayed:
    from workbench.pipeline.plan import plan_training

    return _model(parameters, opened, settings, now, trial, progress, lambda design: plan_training(parameters, design))


def _model(
    parameters: Any,
    opened: UsableBars,
    settings: Settings,
    now: datetime,
    trial: Json,
    progress: Progress,
    make_plan: Callable[[Any], Any],
) -> Replayed:
    from workbench.pipeline.identity import trial_configuration
    from workbench.pipeline.run import backtest_findings, evaluate

    evaluation = evaluate(parameters, settings, make_plan, opened, progress)
    findings = backtest_findings(evaluation, settings, now, "", progress, trial)
    return Replayed(findings, trial_configuration(parameters, evaluation.plan, opened.end))


def _sweep(
    parameters: Any, opened: UsableBars, settings: Settings, now: datetime, trial: Json, progress: Progress
) -> Replayed:
    from workbench.pipeline.rulesweep import evaluate_sweep, sweep_findings

    swept = evaluate_sweep(parameters, settings, now, progress, opened)
    return Replayed(sweep_findings(swept, settings, now, "", progress, trial))


def _choices(
    parameters: Any, opened: UsableBars, settings: Settings, now: datetime, trial: Json, progress: Progress
) -> Replayed:
    from workbench.pipeline.choosing import choice_findings, evaluate_choices

    chosen = evaluate_choices(parameters, settings, now, progress, opened)
    return Replayed(choice_findings(chosen, settings, now, "", progress, trial))


REPLAYS: Mapping[str, Replay] = {
    "backtest": _backtest,
    "train": _training,
    "sweep": _sweep,
    "walkforward": _choices,
}
"""How runs of each notebook are computed again."""
