"""Which jobs a nightly runs: every experiment is read and checked before the first kernel starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.config import (
    BacktestParameters,
    FeaturesParameters,
    Job,
    MarketParameters,
    Settings,
    SweepParameters,
    WalkForwardParameters,
    did_you_mean,
    load_experiment,
    parse_spec,
)
from workbench.errors import ConfigError, DataError, WorkbenchError
from workbench.reports.runner import notebook_file

_ORDER = ("data", "live_chart", "features", "truth", "train", "sweep", "walkforward", "backtest")
LAST = ("compare", "risk_center")
"""Notebooks that read the runs of the others, and so begin when these are done."""


@dataclass(frozen=True)
class Selection:
    """Jobs to run in order, and jobs left out with the reason."""

    jobs: tuple[Job, ...]
    skipped: tuple[tuple[Job, str], ...]


def select_jobs(settings: Settings, files: Sequence[Path | str] | None = None) -> Selection:
    """Read experiment files and check every job of them.

    Parameters
    ----------
    settings : Settings
        Its ``experiments_dir`` is read when no files are named.
    files : sequence of path, optional
        Experiment files to run, whether they are marked nightly or not.

    Returns
    -------
    Selection
        Jobs in the order in which they start: data first, risk center last. A job whose bars were never imported is
        left out with the reason, unless its file was named.

    Raises
    ------
    ConfigError
        One line for the first thing that is wrong: file, parameter, notebook, symbol or feature.
    """
    named = files is not None
    paths = [Path(f) for f in files or ()] if named else sorted(settings.experiments_dir.glob("*.yaml"))
    if not paths:
        raise ConfigError(f"no experiment files (*.yaml) in {settings.experiments_dir}; write one or name a file")
    experiments = [load_experiment(p) for p in paths]
    jobs = [job for e in experiments if e.nightly or named for job in e.jobs]
    _check_names(jobs)
    chosen, skipped = [], []
    for job in sorted(jobs, key=_rank):
        missing = check_job(job, settings)
        if not missing:
            chosen.append(job)
        elif named:
            raise ConfigError(f"{job.experiment_file}: {missing}")
        else:
            skipped.append((job, missing))
    return Selection(tuple(chosen), tuple(skipped))


def _rank(job: Job) -> int:
    return len(_ORDER) if job.notebook not in _ORDER else _ORDER.index(job.notebook)


def _check_names(jobs: Sequence[Job]) -> None:
    for name, count in Counter(job.name for job in jobs).items():
        if count > 1:
            raise ConfigError(f"{count} jobs are called {name!r}; rename one of their experiment files")


def check_job(job: Job, settings: Settings) -> str:
    """Check all of a job that can be checked without a kernel: its notebook, specs and bars.

    Returns
    -------
    str
        Why its bars are not there yet, or an empty text.

    Raises
    ------
    ConfigError
        One line that names the experiment file, where there is one, and what is wrong.
    """
    try:
        notebook_file(job, settings)
        _check_specs(job)
        missing = missing_bars(job, settings)
        if not missing:
            _check_bars(job, settings)
            _check_run(job, settings)
        return missing
    except WorkbenchError as err:
        where = f"{job.experiment_file}: " if job.experiment_file else ""
        raise ConfigError(f"{where}{err}") from None


def _check_specs(job: Job) -> None:
    from workbench.features import longest_warmup

    for specs in (getattr(job.parameters, "features", ()), getattr(job.parameters, "indicators", ())):
        if specs:
            longest_warmup(specs, getattr(job.parameters, "timeframe", "1h"))
    if isinstance(job.parameters, BacktestParameters | FeaturesParameters):
        from workbench.models import check_model_spec

        check_model_spec(job.parameters.model)
    if isinstance(job.parameters, BacktestParameters):
        import pandas as pd

        from workbench.backtest import position_rule

        position_rule(job.parameters.rule, pd.DataFrame([[0.0]]))
    if isinstance(job.parameters, SweepParameters | WalkForwardParameters):
        from workbench.pipeline.rulesweep import rule_and_grid

        rule_and_grid(job.parameters.rule, job.parameters.grid)
    if isinstance(job.parameters, BacktestParameters | SweepParameters | WalkForwardParameters):
        from workbench.pipeline.plan import execution_of

        execution_of(job.parameters)


def _check_bars(job: Job, settings: Settings) -> None:
    """Refuse a range without bars, a symbol named twice, and fewer bars than one fold needs."""
    parameters = job.parameters
    if not isinstance(parameters, MarketParameters):
        return
    import pandas as pd

    from workbench.data import load_bars
    from workbench.features import resolve_all, warmup

    bars = load_bars(
        parameters.source, parameters.symbols, parameters.timeframe, parameters.start, parameters.end, settings=settings
    )
    if isinstance(parameters, BacktestParameters):
        from workbench.backtest import WalkForward

        warmups = {b.text: warmup(b, parameters.timeframe) for b in resolve_all(parameters.features)}
        longest = max(warmups, key=lambda text: warmups[text])
        usable = pd.DatetimeIndex(bars.index)[warmups[longest] :]
        try:
            WalkForward(parameters.train_size, parameters.test_size).split(usable, usable)
        except DataError as err:
            raise DataError(f"{err} (the warm-up of {longest!r} takes {warmups[longest]} of {len(bars)})") from None
    if isinstance(parameters, WalkForwardParameters):
        from workbench.backtest import WalkForward

        times = pd.DatetimeIndex(bars.index)
        WalkForward(parameters.train_size, parameters.test_size).split(times, times)


def _check_run(job: Job, settings: Settings) -> None:
    from workbench.tracking import load_record

    for name in ("run", "a", "b"):
        run = getattr(job.parameters, name, "latest")
        if run not in ("latest", "previous"):
            load_record(run, settings=settings)


def missing_bars(job: Job, settings: Settings) -> str:
    """Return why a job's bars are not there, or an empty text.

    Raises
    ------
    ConfigError
        When a symbol is missing that no import can bring: one of the sample.
    """
    from workbench.data import MARKETS, available_symbols, open_store

    parameters = job.parameters
    source = getattr(parameters, "source", "")
    symbols = list(getattr(parameters, "symbols", ())) or [s for s in [getattr(parameters, "symbol", "")] if s]
    if not source or parse_spec(source).name in MARKETS:
        return ""
    timeframe = str(getattr(parameters, "timeframe", ""))
    known = available_symbols(source, timeframe, settings)
    if not known and source not in ("sample", "import"):
        sources = ["sample", "import", *MARKETS, *open_store(settings).sources()]
        raise ConfigError(f"there is no source {source!r} with {timeframe} bars.{did_you_mean(source, sources)}")
    absent = [s for s in symbols if s not in known]
    if not absent:
        return ""
    if source == "sample":
        hint = did_you_mean(absent[0], known) or f" Its time frame is 1d, not {timeframe}."
        raise ConfigError(f"the sample has no {timeframe} bars of {absent[0]!r}.{hint}")
    return (
        f"source {source!r} holds no {timeframe} bars of {', '.join(absent)}; "
        "bring them with 'workbench data import FILE'"
    )
