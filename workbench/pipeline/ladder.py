"""From run A to run B step by step: their data, then their parameters, one group at a time, each step run again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.config import Parameters, Settings
from workbench.errors import ConfigError, DataError
from workbench.pipeline.replay import recorded_bars, recorded_parameters, replay, replay_of

if TYPE_CHECKING:
    from workbench.pipeline.lockbox import UsableBars
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]
DATA = ("source", "symbols", "timeframe", "start", "end", "lockbox_share", "open_lockbox")
GROUPS: dict[str, tuple[str, ...]] = {
    "features and label": ("features", "horizon", "neutral_band"),
    "model": (
        "model", "seed", "hidden", "dropout", "lookback", "epochs", "patience", "batch_size", "learning_rate", "device",
    ),
    "folds": ("train_size", "test_size", "expanding", "embargo", "stateless", "test_share"),
    "rule": ("rule", "grid", "objective", "rebalance", "volatility_target"),
    "execution": ("execution", "capital", "max_leverage"),
    "costs": ("fee_bps", "slippage_bps"),
}  # fmt: skip
"""The order in which parameters are changed from A's to B's."""
_NO_PROFIT = (
    "experiment", "register_model", "confidence", "replicates", "null_draws", "cpcv_groups", "blocks", "keep_cells",
)  # fmt: skip
_CHEAP = {"replicates": 100, "null_draws": 0, "cpcv_groups": 0, "keep_cells": 1, "register_model": False}


def ladder(
    a: RunRecord, b: RunRecord, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> dict[str, float]:
    """Return how much each step from A to B adds to the total return.

    The steps: A rebuilt by today's code, B's bars, then each group of `GROUPS` that differs, in that order, and last
    from B rebuilt to B as recorded. They sum to the difference of the recorded total returns. No trial is counted.

    Raises
    ------
    ConfigError
        When the runs are of different notebooks, or of one whose runs cannot be computed again.
    DataError
        When the recorded bars of one of them are gone.

    Notes
    -----
    The order matters: where two changes act together, the later step gets what they earn together. A step that cannot
    be run by itself, such as B's folds on A's too few bars, is taken together with the next.
    """
    if a.notebook != b.notebook:
        raise ConfigError(
            f"the steps from a run of {a.notebook!r} to one of {b.notebook!r} cannot be run; "
            "compare two runs of one notebook, or leave rerun off"
        )
    replay_of(a.notebook)
    ours, theirs = recorded_parameters(a)[0], recorded_parameters(b)[0]
    bars = recorded_bars(a, ours, settings), recorded_bars(b, theirs, settings)
    if any(opened.is_open for opened in bars):
        raise ConfigError(
            "one of the runs opened the lock-box, and the steps between them would look into it again uncounted; "
            "leave rerun off"
        )
    walk, parts, pending = _walk(ours, theirs, bars), {}, []
    at = _compound(a.frames["returns"])
    for done, (name, parameters, opened) in enumerate(walk):
        if progress:
            progress(done / len(walk), f"step {done + 1} of {len(walk)}: {name}")
        pending.append(name)
        try:
            reached = _rebuilt(parameters, opened, a, settings, now)
        except (DataError, ConfigError):
            if done == len(walk) - 1 or done == 0:  # A and B themselves must run, steps between them need not
                raise
            continue
        parts[" and ".join(pending)] = reached - at
        at, pending = reached, []
    parts["code since B"] = _compound(b.frames["returns"]) - at
    return {name: part for name, part in parts.items() if part != 0.0 or name in [w[0] for w in walk[1:]]}


def _walk(
    ours: Parameters, theirs: Parameters, bars: tuple[UsableBars, UsableBars]
) -> list[tuple[str, Parameters, UsableBars]]:
    """Return each step's name, parameters and bars."""
    b = theirs.model_dump()
    at, opened = ours, bars[0]
    steps = [("code since A", at, opened)]
    same_bars = bars[0].dataset.content_hash == bars[1].dataset.content_hash
    if not same_bars or _differing(at, b, DATA):
        at, opened = _moved(at, b, DATA), bars[1]
        steps.append(("data", at, opened))
    known = {name for group in GROUPS.values() for name in group} | {*DATA, *_NO_PROFIT}
    other = tuple(name for name in b if name not in known)
    for group, names in {**GROUPS, "other parameters": other}.items():
        if _differing(at, b, names):
            at = _moved(at, b, names)
            steps.append((group, at, opened))
    return steps


def _differing(at: Parameters, b: dict[str, Any], names: tuple[str, ...]) -> bool:
    return any(getattr(at, name, None) != b.get(name) for name in names)


def _moved(at: Parameters, b: dict[str, Any], names: tuple[str, ...]) -> Parameters:
    return at.model_copy(update={name: b[name] for name in names if name in b})


def _rebuilt(parameters: Any, opened: UsableBars, a: RunRecord, settings: Settings, now: datetime) -> float:
    cheap = parameters.model_copy(update={k: v for k, v in _CHEAP.items() if k in type(parameters).model_fields})
    return _compound(replay(cheap, opened, settings, now, a.trial).findings.frames["returns"])


def _compound(returns: pd.DataFrame) -> float:
    return float(np.prod(1.0 + returns["strategy"].fillna(0.0).to_numpy()) - 1.0)
