"""Is a finished run still what its record says? Rebuilt from the recorded bars, parameters and seed, bit for bit."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.config import Settings
from workbench.errors import ArtifactError, ConfigError
from workbench.ops import describe_environment
from workbench.pipeline.replay import REPLAYS, Replayed, recorded_bars, recorded_parameters, replay, replay_of
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.pipeline.keeping import Findings
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]
CHECKS = ("kind", "name", "equal", "recorded", "rebuilt", "gap")
CHANGES = ("kind", "name", "recorded", "now")
_OF_THE_LEDGER = ("trials",)
"""Frames that show the ledger as it stood, not what the run computed: other runs go on adding to it."""
_SPAN = ("name", "version", "content_hash", "n_bars", "first", "last")


@dataclass(frozen=True, eq=False)
class Reproduction:
    """A run beside its rebuilding.

    Parameters
    ----------
    run_id, notebook : str
        The run.
    checks : DataFrame
        One row per metric (``metric``, ``baseline``, ``verdict``) and frame: ``kind``, ``name``, ``equal``,
        ``recorded``, ``rebuilt`` and ``gap``, the largest absolute difference (NaN where one side is not a number or
        the shapes differ). For frames ``recorded`` and ``rebuilt`` are in words.
    changes : DataFrame
        What is not as it was when the run was made: ``kind`` (data, code, features, libraries, python, platform,
        parameters, configuration, seed), ``name``, ``recorded``, ``now``. Changes that changed no number are told too.
    tolerance : float
        0 asks for the same bits.
    """

    run_id: str
    notebook: str
    checks: pd.DataFrame
    changes: pd.DataFrame
    tolerance: float = 0.0

    @property
    def equal(self) -> bool:
        """Whether every metric and every frame is the same."""
        return bool(self.checks["equal"].all())

    @property
    def differences(self) -> pd.DataFrame:
        """The checks that failed."""
        return self.checks[~self.checks["equal"]].reset_index(drop=True)

    def summary(self) -> str:
        """Say the outcome in one line, and the suspects where the run was not reproduced."""
        frames = int((self.checks["kind"] == "frame").sum())
        n = f"{len(self.checks) - frames} metrics and {frames} frames"
        how = "bit for bit" if self.tolerance == 0 else f"within {self.tolerance:g}"
        changed = ", ".join(dict.fromkeys(self.changes["kind"])) or "nothing that is recorded"
        if self.equal:
            return f"run {self.run_id[:12]} is reproduced {how}: {n} are equal (changed since: {changed})"
        return (
            f"run {self.run_id[:12]} is not reproduced: {len(self.differences)} of {n} differ; changed since: {changed}"
        )


def reproduce(
    run: str | RunRecord,
    settings: Settings,
    *,
    now: datetime,
    progress: Progress | None = None,
    tolerance: float = 0.0,
) -> Reproduction:
    """Rebuild a finished run and compare every metric and every frame with its record.

    Prefer it to running the experiment again: bars come from the recorded version, no trial is counted, no record or
    MLflow run is written.

    Parameters
    ----------
    run : str or RunRecord
        Run id, the beginning of one, or ``latest``: the last one that can be computed again.
    settings : Settings
        Where records and bars lie.
    now : datetime
        Time of the rebuilding, UTC; no number depends on it.
    tolerance : float
        0 for the same bits; else ``|recorded − rebuilt| ≤ tolerance · max(1, |recorded|)`` is equal.

    Raises
    ------
    ArtifactError
        When there is no such run, or its record is damaged.
    DataError
        When the recorded version of its bars is gone.
    ConfigError
        When runs of its notebook cannot be computed again, or a parameter is no longer allowed.

    Notes
    -----
    The number of trials is that of the recorded run (`RunRecord.trial`): trials counted later change what the run is
    worth today, not what it found then; the frame ``trials`` is left out for the same reason. Equal bits are promised
    on a CPU with the same library versions and number of threads; graphics cards add in another order.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ConfigError(f"tolerance must be 0 or above, got {tolerance:g}; 0 asks for the same bits")
    record = _chosen(run, settings) if isinstance(run, str) else run
    replay_of(record.notebook)
    parameters, unknown = recorded_parameters(record)
    opened = recorded_bars(record, parameters, settings)
    replayed = replay(parameters, opened, settings, now, record.trial, progress)
    checks = pd.DataFrame(_checks(record, replayed.findings, tolerance), columns=list(CHECKS))
    changes = [("parameters", name, *values) for name, values in unknown.items()]
    changes += _changes(record, replayed, settings)
    return Reproduction(record.run_id, record.notebook, checks, pd.DataFrame(changes, columns=list(CHANGES)), tolerance)


def _chosen(run: str, settings: Settings) -> RunRecord:
    from workbench.tracking import list_records, load_record

    if run in ("", "latest"):
        table = list_records(settings)
        ids = table.loc[table["notebook"].isin(list(REPLAYS)), "run_id"]
        if ids.empty:
            raise ArtifactError(
                f"there is no finished run in {settings.records_dir} to rebuild; make one with 'workbench run backtest'"
            )
        run = str(ids.iloc[0])
    return load_record(run, settings=settings)


def _checks(record: RunRecord, found: Findings, tolerance: float) -> Iterator[tuple[Any, ...]]:
    yield from _numbers("metric", record.metrics, found.metrics, tolerance)
    for name in dict.fromkeys([*record.baselines, *found.baselines]):
        prefix = {k: {f"{name}/{m}": v for m, v in side.get(name, {}).items()} for k, side in
                  (("was", record.baselines), ("is", found.baselines))}  # fmt: skip
        yield from _numbers("baseline", prefix["was"], prefix["is"], tolerance)
    passed = record.verdict.get("passed"), found.verdict.get("passed")
    if passed != (None, None):
        yield "verdict", "passed", passed[0] == passed[1], str(passed[0]), str(passed[1]), math.nan
    for name in [n for n in dict.fromkeys([*record.frames, *found.frames]) if n not in _OF_THE_LEDGER]:
        if name not in record.frames or name not in found.frames:
            words = ["absent" if name not in side else "present" for side in (record.frames, found.frames)]
            yield "frame", name, False, *words, math.nan
        else:
            yield "frame", name, *compare_frames(as_kept(record.frames[name]), as_kept(found.frames[name]), tolerance)


def _numbers(
    kind: str, was: Mapping[str, float], found: Mapping[str, float], tolerance: float
) -> Iterator[tuple[Any, ...]]:
    for name in dict.fromkeys([*was, *found]):
        if name not in was or name not in found:
            yield kind, name, False, was.get(name, "absent"), found.get(name, "absent"), math.nan
            continue
        a, b = np.float64(was[name]), np.float64(found[name])
        same = bool(_same(np.array([a]), np.array([b]), tolerance)[0])
        yield kind, name, same, float(a), float(b), 0.0 if same and tolerance == 0 else float(abs(a - b))


def as_kept(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame as it comes back from a record: through Parquet, which gives some columns another type."""
    stream = io.BytesIO()
    frame.to_parquet(stream, engine="pyarrow")
    stream.seek(0)
    return pd.read_parquet(stream, engine="pyarrow")


def compare_frames(was: pd.DataFrame, found: pd.DataFrame, tolerance: float = 0.0) -> tuple[bool, str, str, float]:
    """Return whether two frames are equal, each in words, and the largest absolute difference of their numbers."""
    words = [f"{len(f):,} rows x {f.shape[1]} columns" for f in (was, found)]
    if was.shape != found.shape:
        return False, words[0], words[1], math.nan
    if list(map(str, was.columns)) != list(map(str, found.columns)) or not was.index.equals(found.index):
        what = "columns" if was.index.equals(found.index) else "index"
        return False, words[0], f"{words[1]}, other {what}", math.nan
    unequal, gap, where = 0, 0.0, ""
    for name, a, b in zip(was.columns, _columns(was), _columns(found), strict=True):
        wrong = np.flatnonzero(~_same(a, b, tolerance))
        if len(wrong) and not where:
            where = f"first in {name} at {was.index[wrong[0]]}"
        unequal += len(wrong)
        gap = max(gap, _gap(a, b))
    told = f"{unequal:,} cells differ, {where}" if unequal else words[1]
    return unequal == 0, words[0], told, gap


def _columns(frame: pd.DataFrame) -> Iterator[np.ndarray]:
    return (frame.iloc[:, i].to_numpy() for i in range(frame.shape[1]))


def _same(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    """Compare cell by cell: the same bits (any NaN is any NaN), or numbers within the tolerance."""
    if a.dtype.kind == "f" and b.dtype.kind == "f":
        a, b = a.astype(np.float64), b.astype(np.float64)
        bits = (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))
        if tolerance == 0:
            return bits
        with np.errstate(invalid="ignore"):
            return bits | (np.abs(a - b) <= tolerance * np.maximum(1.0, np.abs(a)))
    missing = pd.isna(a) & pd.isna(b)
    return np.asarray((a == b) | missing, dtype=bool)


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    if a.dtype.kind not in "fiu" or b.dtype.kind not in "fiu":
        return 0.0
    with np.errstate(invalid="ignore"):
        gaps = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return float(np.nanmax(gaps)) if len(gaps) and not np.isnan(gaps).all() else 0.0


def _changes(record: RunRecord, replayed: Replayed, settings: Settings) -> list[tuple[str, str, str, str]]:
    found, was = replayed.findings, record.environment
    today = describe_environment(settings.home) | dict(found.environment)
    rows = _differing("data", record.dataset, found.dataset, _SPAN)
    rows += _revisions(str(was.get("git", "")), str(today["git"]))
    rows += _differing("code", was, today, ("lock_hash",))
    rows += _differing("features", was.get("features", {}), today.get("features", {}))
    rows += _differing("libraries", was.get("versions", {}), today["versions"])
    rows += _differing("python", was, today, ("python",)) + _differing("platform", was, today, ("platform",))
    rows += _differing("seed", was, today, ("seed",))
    return rows + _configuration(record, replayed.configuration, settings)


def _differing(
    kind: str, was: Mapping[str, Any], now: Mapping[str, Any], names: tuple[str, ...] | None = None
) -> list[tuple[str, str, str, str]]:
    chosen = names or tuple(dict.fromkeys([*was, *now]))
    pairs = [(name, str(was.get(name, "absent")), str(now.get(name, "absent"))) for name in chosen]
    return [(kind, name, a, b) for name, a, b in pairs if a != b]


def _revisions(was: str, now: str) -> list[tuple[str, str, str, str]]:
    if was != now:
        return [("code", "revision", was or "unknown", now or "unknown")]
    if was.endswith("+dirty"):
        return [("code", "uncommitted edits", was, "edited files too: they may be others than then")]
    return []


def _configuration(record: RunRecord, configuration: Json, settings: Settings) -> list[tuple[str, str, str, str]]:
    """Name what the same parameters mean today that they did not mean then, such as a model's default argument."""
    from workbench.pipeline.identity import trial_hash
    from workbench.tracking import TrialsLedger

    identity = str(record.trial.get("config_hash", ""))
    if not configuration or not identity or trial_hash(configuration) == identity:
        return []
    table = TrialsLedger(settings.ledger_path).trials(str(record.dataset.get("name", "")))
    kept = table.loc[table["config_hash"] == identity, "config"]
    if kept.empty:
        return [("configuration", "config_hash", identity, trial_hash(configuration))]
    return _differing("configuration", _leaves(_read(kept.iloc[0])), _leaves(configuration))


def _read(text: Any) -> Json:
    import json

    return json.loads(text) if isinstance(text, str) else dict(text)


def _leaves(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, Mapping):
        return {path: tree}
    return {k: v for name, sub in tree.items() for k, v in _leaves(sub, f"{path}.{name}".lstrip(".")).items()}
