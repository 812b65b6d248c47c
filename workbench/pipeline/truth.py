"""The ``truth`` notebook's run: markets whose truth is known through the whole pipeline, to know its own errors.

Each market is a data set of its own with an empty ledger, in a home that is thrown away: what is measured is one
honest backtest, and one sweep, on fresh data. The gates decide; a market of noise that passes is a false discovery.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy.stats import beta

from workbench.config import BacktestParameters, Settings, SweepParameters, TruthParameters
from workbench.pipeline.keeping import Findings, keep
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]
_CONFIDENCE = 0.95
_TREND = 0.3
"""Strength of the planted trend that sweeps must find; a moving average earns a Sharpe ratio of about 3 from it."""


def run_truth(
    parameters: TruthParameters, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> RunRecord:
    """Run noise and planted markets through backtest and sweep, and say how often the gates were right.

    Returns
    -------
    RunRecord
        Frame ``markets``: one row per market and way (``kind`` noise or planted, ``way`` backtest or sweep, ``passed``,
        Sharpe ratio, deflated Sharpe ratio, probability of overfitting). Metrics: ``false_discovery_rate`` (share of
        noise markets that passed), ``power`` (share of planted ones that did), each with a 95 % interval of Clopper and
        Pearson, and ``false_discovery_proportion``, the share of noise among all that passed.
    """
    tell = progress or (lambda _share, _words: None)
    return keep(
        parameters, settings, "planted truth", now, lambda _run: _findings(parameters, settings, now, tell), tell
    )


def _findings(parameters: TruthParameters, settings: Settings, now: datetime, progress: Progress) -> Findings:
    rows = []
    kinds = ["noise"] * parameters.n_noise + ["planted"] * parameters.n_planted
    with _thrown_away(settings) as home:
        for done, kind in enumerate(kinds):
            progress(done / len(kinds), f"market {done + 1} of {len(kinds)}: {kind}")
            seed = parameters.seed + done
            rows.append(_row(kind, "backtest", seed, _backtest(parameters, kind, seed, home, now)))
            if parameters.n_cells:
                rows.append(_row(kind, "sweep", seed, _sweep(parameters, kind, seed, home, now)))
    markets = pd.DataFrame(rows)
    return Findings("planted truth", _dataset(parameters), measured(markets), {"markets": markets})


def measured(markets: pd.DataFrame) -> dict[str, float]:
    """Return error rates with their intervals from one row per judged market."""
    metrics: dict[str, float] = {}
    for name, kind in (("false_discovery_rate", "noise"), ("power", "planted")):
        passed = markets.loc[markets["kind"] == kind, "passed"]
        low, high = clopper_pearson(int(passed.sum()), len(passed))
        metrics |= {
            name: float(passed.mean()),
            f"{name}_low": low,
            f"{name}_high": high,
            f"n_{kind}": float(len(passed)),
        }
    n_passed = int(markets["passed"].sum())
    false = int(markets.loc[markets["kind"] == "noise", "passed"].sum())
    return metrics | {"false_discovery_proportion": false / n_passed if n_passed else 0.0}


def clopper_pearson(successes: int, n: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Return the exact interval of a proportion.

    References
    ----------
    Clopper, C. J. and Pearson, E. S. (1934). The Use of Confidence or Fiducial Limits. Biometrika 26(4), 404-413.
    """
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, successes, n - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, n - successes)) if successes < n else 1.0
    return low, high


def _backtest(parameters: TruthParameters, kind: str, seed: int, home: Settings, now: datetime) -> Findings:
    from workbench.pipeline.run import backtest_findings, evaluate_backtest

    strength = parameters.strength if kind == "planted" else 0.0
    market = f"planted(strength={strength}, seed={seed}, n_bars={parameters.n_bars})"
    own = BacktestParameters(
        source=market,
        symbols=["TRUTH"],
        features=["ret(1)", "rsi(14)", "volume_z(20)"],
        horizon=1,
        model=parameters.model,
        train_size=parameters.n_bars // 3,
        test_size=parameters.n_bars // 6,
        rule="sign",
        replicates=100,
        null_draws=0,
        seed=seed,
    )
    return backtest_findings(evaluate_backtest(own, home, now, _silent), home, now, "truth", _silent)


def _sweep(parameters: TruthParameters, kind: str, seed: int, home: Settings, now: datetime) -> Findings:
    from workbench.pipeline.rulesweep import evaluate_sweep, sweep_findings

    strength = _TREND if kind == "planted" else 0.0
    slow = max(parameters.n_cells // 10, 1)
    own = SweepParameters(
        source=f"trending(strength={strength}, seed={seed}, n_bars={parameters.n_bars}, volatility=0.3)",
        symbols=["TRUTH"],
        grid=["fast 2..20..2", f"slow 30..{30 + 5 * (slow - 1)}..5"],
        replicates=100,
        keep_cells=1,
        seed=seed,
    )
    return sweep_findings(evaluate_sweep(own, home, now, _silent), home, now, "truth", _silent)


def _silent(share: float, words: str) -> None:
    """Report to nobody."""


def _row(kind: str, way: str, seed: int, record: Findings) -> dict[str, Any]:
    names = ("sharpe_ratio", "deflated_sharpe_ratio", "probability_of_backtest_overfitting", "n_trials")
    return {
        "kind": kind,
        "way": way,
        "seed": seed,
        "passed": bool(record.verdict["passed"]),
        **{name: record.metrics.get(name, float("nan")) for name in names},
        "refused_by": ", ".join(g["name"] for g in record.verdict["gates"] if not g["passed"]),
    }


def _dataset(parameters: TruthParameters) -> Json:
    return {
        "name": f"planted and trending markets, seeds from {parameters.seed}",
        "version": "1",
        "content_hash": "",
        "source": "synthetic",
        "symbols": ["TRUTH"],
        "timeframe": "1d",
        "n_bars": parameters.n_bars,
        "first": "",
        "last": "",
    }


@contextmanager
def _thrown_away(settings: Settings) -> Iterator[Settings]:
    """Yield settings whose experiments and data lie in a folder that is removed: nothing here counts as a trial."""
    with tempfile.TemporaryDirectory(prefix="workbench-truth-") as name:
        folder = Path(name)
        (folder / "experiments").mkdir()
        yield dataclasses.replace(
            settings, home=folder, data_dir=folder / "data", experiments_dir=folder / "experiments"
        )
