"""``workbench nightly`` and ``workbench run``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from workbench.cli.output import print_json
from workbench.config import Job, load_experiment, load_settings, validate_parameters
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from workbench.config import Settings
    from workbench.reports import JobResult
    from workbench.tracking import RunRecord

_USER_MISTAKES = ("ConfigError:", "DataError:", "BarsError:", "LookAheadError:", "ArtifactError:")
_MARKS = {"ok": "ok", "failed": "FAILED", "timeout": "TIMEOUT", "skipped": "skipped", "cancelled": "cancelled"}


def nightly(
    *,
    file: Annotated[list[Path] | None, Parameter(name=["--file", "-f"], negative="")] = None,
    jobs: int = 2,
    json: bool = False,
) -> int:
    """Run every experiment of experiments/*.yaml and write the reports; exit code 1 if a job failed.

    Parameters
    ----------
    file
        Only these experiment files.
    jobs
        Notebooks at the same time.
    json
        Print one JSON document.
    """
    from workbench.reports import run_nightly

    if jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {jobs}")
    say = None if json else _say
    result = run_nightly(load_settings(), files=file or None, n_jobs=jobs, now=datetime.now(UTC), progress=say)
    if json:
        print_json(result.to_json())
    else:
        print(result.summary())
    return result.exit_code


def run(
    notebook: str,
    *,
    file: Annotated[Path | None, Parameter(name=["--file", "-f"])] = None,
    parameter: Annotated[list[str] | None, Parameter(name=["--parameter", "-p"], negative="")] = None,
    timeout: int | None = None,
    json: bool = False,
) -> int:
    """Run one notebook with checked parameters and write its report; exit code 1 if it failed, 2 for wrong input.

    Parameters
    ----------
    notebook
        Stem of a file in notebooks/, such as backtest.
    file
        Experiment file with overrides; every cell of its matrix is run.
    parameter
        Override such as horizon=10 or 'features=[rsi(14), adx(14)]'; may be repeated.
    timeout
        Seconds per job.
    json
        Print one JSON document.
    """
    from workbench.reports import check_job, run_job

    if timeout is not None and timeout < 1:
        raise ConfigError(f"--timeout must be at least 1 second, got {timeout}")
    settings, now = load_settings(), datetime.now(UTC)
    jobs = planned(notebook, file, parameter or [], timeout)
    for job in jobs:
        if missing := check_job(job, settings):
            raise ConfigError(missing)
    folder = settings.runs_dir / f"{now:%Y%m%dT%H%M%SZ}-run"
    results = []
    for number, job in enumerate(jobs, 1):
        if not json:
            print(f"[{number}/{len(jobs)}] {job.name} …", flush=True)
        results.append(run_job(job, folder, settings, now=now))
        if not json:
            print(_line(results[-1]), flush=True)
    if json:
        print_json([r.to_json() for r in results])
    elif any(r.run_id for r in results):
        _print_headlines(results, settings)
    if all(r.status == "ok" for r in results):
        return 0
    return 2 if all(r.status == "ok" or r.error.startswith(_USER_MISTAKES) for r in results) else 1


def planned(notebook: str, file: Path | None, overrides: list[str], timeout: int | None) -> list[Job]:
    """Return the jobs that a command line means, every parameter checked."""
    chosen = dict(_override(text) for text in overrides)
    if file is None:
        return [Job(notebook, notebook, validate_parameters(notebook, chosen), notebook, timeout or 600)]
    jobs = []
    for job in load_experiment(file).jobs:
        if job.notebook != notebook:
            raise ConfigError(
                f"{file} is an experiment of the notebook {job.notebook!r}, not {notebook!r}; run that one"
            )
        parameters = validate_parameters(notebook, {**job.parameters.model_dump(), **chosen})
        jobs.append(Job(job.name, notebook, parameters, job.title, timeout or job.timeout_s, job.experiment_file))
    return jobs


def _override(text: str) -> tuple[str, Any]:
    import yaml

    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ConfigError(f"parameter {text!r} is not a name and a value; write it like horizon=10")
    if value.startswith("[") and value.endswith("]"):
        from workbench.notebook.query import split_list

        return name.strip(), [yaml.safe_load(item) for item in split_list(value[1:-1])]
    try:
        return name.strip(), yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as err:
        words = " ".join(str(err).split())
        raise ConfigError(f"parameter {text!r} cannot be read: {words}; mend it or put it in quotes") from None


def _say(text: str) -> None:
    print(text, flush=True)


def _line(result: JobResult) -> str:
    where = result.html_path or ""
    words = f": {result.error}" if result.error else ""
    return f"{_MARKS.get(result.status, result.status):8} {result.name:32} {result.seconds:6.1f} s  {where}{words}"


def _print_headlines(results: list[JobResult], settings: Settings) -> None:
    from workbench.tracking import load_record

    for result in results:
        if not result.run_id:
            continue
        print(f"{result.name}: {_headline(load_record(result.run_id, settings=settings))}")


def _headline(record: RunRecord) -> str:
    metrics = record.metrics
    if record.notebook == "features":
        refused = f", {metrics['n_refused']:.0f} refused" if metrics["n_refused"] else ""
        found, n, tests = (int(metrics[k]) for k in ("n_found", "n_features", "n_tests"))
        largest = f"largest rank IC {metrics['largest_rank_ic']:.3f}"
        return f"{found} of {n} features found among {tests} tests, {largest}{refused}"
    if record.notebook == "truth":
        rates = f"false discoveries {metrics['false_discovery_rate']:.0%}, power {metrics['power']:.0%}"
        return f"{rates}, of {metrics['n_noise']:.0f} and {metrics['n_planted']:.0f} judged"
    if record.notebook == "compare":
        a, b = (f"{metrics[k]:+.2%}" for k in ("pnl_a", "pnl_b"))
        return f"A earned {a}, B {b}; {len(record.frame('differences'))} differences"
    overfit = metrics.get("probability_of_backtest_overfitting", float("nan"))
    luck = "" if overfit != overfit else f"overfitting {overfit:.2f}, "
    verdict = "passes every gate" if record.verdict.get("passed") else "refused by the gates"
    return (
        f"Sharpe {metrics['sharpe_ratio']:.2f}, deflated {metrics['deflated_sharpe_ratio']:.2f}, "
        f"{luck}drawdown {metrics['max_drawdown']:.1%}, "
        f"trial {record.trial['number']} of {record.trial['n_trials']}, {verdict}"
    )
