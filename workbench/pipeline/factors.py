"""The factor report as a run: bars → features → information, decay, quantiles, redundancy, importance → record.

A factor report is no trial. The ledger counts configurations with the Sharpe ratio that each one earned, and the spread
of these deflates the next; an information coefficient is no Sharpe ratio, and a row without one, or with another
number in its place, would falsify that spread. Yet every look counts: whoever keeps the features that shone here and
backtests them on the same bars has chosen among K features. So the report says how many features and horizons were
looked at, adjusts their p-values together, and says how many reports on this series went before; bars after ``end`` are
left for a test that has not been looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.backtest.validation import PurgedKFold
from workbench.config import FeaturesParameters, Settings
from workbench.data import Dataset, load_dataset
from workbench.errors import DataError, TrackingError, WorkbenchError
from workbench.features import FeatureCache, compute, feature_versions, find_leaks, forward_return
from workbench.features.columns import panel as panel_of
from workbench.features.specs import BoundFeature, resolve_all
from workbench.features.worth import FactorReport, factor_report
from workbench.ops import describe_environment, get_logger
from workbench.pipeline.importance import Importance, purged_importance
from workbench.pipeline.record import describe_dataset
from workbench.typing import Bars, Panel

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

PROOF_BARS = 10_000
"""Latest bars on which the features are proven causal: every hour and weekday is among them."""
MOST_ROWS = 60_000
"""Rows for the importance; of more, every n-th bar is taken."""
_LEAST_COVERAGE = 0.5
Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class _Factors:
    """Everything that one run computed."""

    parameters: FeaturesParameters
    dataset: Dataset
    bound: list[BoundFeature]
    refused: pd.DataFrame
    report: FactorReport
    importance: Importance


def run_factors(
    parameters: FeaturesParameters, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> RunRecord:
    """Judge features on one data set, keep the record and log it to MLflow.

    Parameters
    ----------
    parameters : FeaturesParameters
        Checked parameters of the ``features`` notebook.
    settings : Settings
        Where bars, records and MLflow lie.
    now : datetime
        Start of the run, UTC.
    progress : callable, optional
        Called with the share done (0 to 1) and a few words.

    Returns
    -------
    RunRecord
        Frames ``factors`` (one row per feature, the strongest first), ``decay``, ``ic``, ``quantiles``, ``drift``,
        ``histograms``, ``correlation``, ``importance``, ``clusters``, ``folds`` and ``refused``.

    Raises
    ------
    ConfigError, DataError
        For a parameter, symbol or data range that cannot be run, or when every feature was refused. A feature that
        fails or looks ahead while others are sound is named in ``refused``, and the rest is judged.
    """
    began = time.perf_counter()
    report = progress or (lambda _share, _words: None)
    factors = _judge(parameters, settings, report)
    record = _keep(factors, settings, now, began, report)
    report(1.0, "done")
    return record


def _judge(parameters: FeaturesParameters, settings: Settings, progress: Progress) -> _Factors:
    progress(0.0, "loading bars")
    bound = resolve_all(parameters.features)
    dataset = load_dataset(
        parameters.source, parameters.symbols, parameters.timeframe, parameters.start, parameters.end, settings=settings
    )
    panels, refused = _sound_features(bound, dataset, parameters, settings, progress)
    progress(0.4, "information, decay and quantiles")
    horizons = sorted({*parameters.horizons, parameters.horizon})
    forward = {h: forward_return(dataset.bars, h)[0] for h in horizons}
    report = factor_report(
        panels,
        forward,
        panel_of(dataset.bars, "close").notna(),
        parameters.horizon,
        n_quantiles=parameters.quantiles,
        threshold=parameters.threshold,
    )
    importance = _importance(
        parameters, dataset.bars, panels, report, lambda share, words: progress(0.6 + 0.25 * share, words)
    )
    return _Factors(parameters, dataset, bound, refused, report, importance)


def _sound_features(
    bound: list[BoundFeature], dataset: Dataset, parameters: FeaturesParameters, settings: Settings, progress: Progress
) -> tuple[dict[str, Panel], pd.DataFrame]:
    """Compute the features and prove them causal; return the sound ones, and the others with the reason."""
    bars, timeframe = dataset.bars, dataset.timeframe
    progress(0.02, f"computing {len(bound)} features")
    cache = FeatureCache(settings.features_dir)
    frame = compute(bars, bound, timeframe=timeframe, errors="collect", cache=cache)
    wrong: dict[str, WorkbenchError] = {text: DataError(why) for text, why in frame.attrs["errors"].items()}
    left = [b for b in bound if b.text not in wrong]
    if left:
        wrong |= find_leaks(
            _proof_bars(bars, left), left, seed=parameters.seed, timeframe=timeframe,
            progress=lambda share: progress(0.1 + 0.3 * share, "proving that no feature looks ahead"),
        )  # fmt: skip
    panels: dict[str, Panel] = {}
    for one in (b for b in bound if b.text not in wrong):
        panel = panel_of(frame, one.text).replace([np.inf, -np.inf], np.nan)
        if panel.notna().to_numpy().any():
            panels[one.text] = panel
        else:
            wrong[one.text] = DataError(f"feature {one.text!r} has no value on these {len(bars)} bars; load more")
    if not panels:
        raise wrong[bound[0].text]
    rows = [{"feature": b.text, "reason": str(wrong[b.text])} for b in bound if b.text in wrong]
    return panels, pd.DataFrame(rows, columns=["feature", "reason"])


def _proof_bars(bars: Bars, bound: list[BoundFeature]) -> Bars:
    """Return enough of the latest bars for the proof; a long series need not be computed a hundred times over."""
    return bars.iloc[-max(PROOF_BARS, *(4 * (b.declared_warmup or 0) for b in bound)) :]


def _importance(
    parameters: FeaturesParameters, bars: Bars, panels: Mapping[str, Panel], report: FactorReport, progress: Progress
) -> Importance:
    """Line up the features that are mostly known with the sign of what followed, and measure on purged folds."""
    from workbench.models import build

    forward, t1 = forward_return(bars, parameters.horizon)
    known = forward.notna().to_numpy()
    names = [n for n, p in panels.items() if (p.notna().to_numpy() & known).sum() >= _LEAST_COVERAGE * known.sum()]
    if not names:
        raise DataError("no feature is known on half of the labelled bars; load more bars or shorten the windows")
    cells = np.logical_and.reduce([known, *(panels[n].notna().to_numpy() for n in names)])
    stride = max(1, -(-int(cells.sum()) // MOST_ROWS))
    kept = np.zeros(len(cells), dtype=bool)
    kept[::stride] = True
    row, column = np.nonzero(cells & kept[:, np.newaxis])
    number = dict(zip(report.overview["feature"], report.overview["cluster"], strict=True))
    ends = np.column_stack([pd.DatetimeIndex(t1[s]).tz_convert("UTC").tz_localize(None) for s in t1.columns])
    return purged_importance(
        np.column_stack([panels[n].to_numpy()[row, column] for n in names]),
        np.sign(forward.to_numpy()[row, column]).astype(np.int64),
        pd.DatetimeIndex(bars.index)[row],
        pd.DatetimeIndex(ends[row, column]).tz_localize("UTC"),
        names,
        [int(number[n]) for n in names],
        lambda seed: build(parameters.model, seed),
        splitter=PurgedKFold(parameters.folds, parameters.embargo),
        seed=parameters.seed,
        progress=progress,
    )


def _keep(factors: _Factors, settings: Settings, now: datetime, began: float, progress: Progress) -> RunRecord:
    """Write the record first and log it then: MLflow being down loses nothing."""
    from workbench.tracking import log_record, start_run, write_record

    name = f"{len(factors.bound)} features on {', '.join(factors.parameters.symbols)}"
    with start_run(settings, factors.parameters.notebook, name, now) as tracker:
        progress(0.9, "keeping the record")
        finished = now + timedelta(seconds=time.perf_counter() - began)
        record = _record(
            factors, name, tracker.run_id, _reports_before(factors.dataset, settings), settings, now, finished
        )
        write_record(record, settings)
        try:
            log_record(record, settings)
        except TrackingError as err:
            get_logger("pipeline").warning("the run is kept but not in MLflow", run_id=record.run_id, reason=str(err))
    return record


def _record(
    factors: _Factors, name: str, run_id: str, before: int, settings: Settings, started: datetime, finished: datetime
) -> RunRecord:
    from workbench.tracking import RunRecord

    parameters, report = factors.parameters, factors.report
    environment = describe_environment(settings.home) | {"seed": parameters.seed}
    return RunRecord(
        run_id=run_id,
        notebook=parameters.notebook,
        name=name,
        started=started.isoformat(),
        finished=finished.isoformat(),
        parameters=dict(parameters.flat()),
        dataset=describe_dataset(factors.dataset),
        metrics=_metrics(factors, before),
        environment=environment | {"features": feature_versions(factors.bound)},
        frames={
            "factors": _table(factors),
            "decay": report.decay,
            "ic": report.ic,
            "quantiles": report.quantiles,
            "drift": report.drift,
            "histograms": report.histograms,
            "correlation": report.correlation,
            "importance": factors.importance.features,
            "clusters": factors.importance.clusters,
            "folds": factors.importance.folds,
            "refused": factors.refused,
        },
    )


def _table(factors: _Factors) -> pd.DataFrame:
    """Return the overview with family and importance, the strongest rank coefficient first."""
    families = {b.text: _family(b) for b in factors.bound}
    table = factors.report.overview
    table.insert(1, "family", table["feature"].map(families))
    table = table.merge(factors.importance.features.drop(columns="cluster"), on="feature", how="left")
    order = table["rank_ic_t"].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    return table.loc[order].reset_index(drop=True)


def _family(bound: BoundFeature) -> str:
    """Return the family of its features, where they are of one."""
    families = {f.family for f in bound.features.values()}
    return families.pop() if len(families) == 1 else "expression"


def _metrics(factors: _Factors, before: int) -> dict[str, float]:
    overview, folds = factors.report.overview, factors.importance.folds
    return {
        "n_features": float(len(overview)),
        "n_refused": float(len(factors.refused)),
        "n_tests": float(factors.report.n_tests),
        "n_found": float(overview["found"].sum()),
        "n_clusters": float(overview["cluster"].nunique()),
        "n_reports_before": float(before),
        "largest_rank_ic": float(overview["rank_ic"].abs().max()),
        "log_loss": float(folds["log_loss"].mean()),
        "prior_log_loss": float(folds["prior_log_loss"].mean()),
        "accuracy": float(folds["accuracy"].mean()),
    }


def _reports_before(dataset: Dataset, settings: Settings) -> int:
    """Count the finished factor reports on the same series that are still kept."""
    from workbench.tracking import list_records

    records = list_records(settings)
    return int(((records["notebook"] == "features") & (records["dataset"] == dataset.name)).sum())
