"""The gates between a finished run and the title of champion; each says by how much it was missed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from workbench.typing import Json

_MISSED = ", missed by "
_OVERFITTING = "probability_of_backtest_overfitting"


@dataclass(frozen=True)
class GatePolicy:
    """What a run must show, out of sample and after costs.

    Parameters
    ----------
    deflated_sharpe_ratio : float
        Least probability that the Sharpe ratio is above what luck gives the best of all trials.
    probability_of_backtest_overfitting : float
        Largest probability that the best of the trials is worse than their median afterwards; asked only where at
        least ten trials were measured.
    max_drawdown : float
        Largest fall from a peak, positive fraction of equity.
    min_bars : int
        Least number of out-of-sample bars (the metric ``n_bars``).
    min_fills : int
        Least number of fills (the metric ``n_fills``): one lucky bar among a thousand idle ones is not a track record.
    baselines : tuple of str
        Each must be beaten in Sharpe ratio after costs.
    """

    deflated_sharpe_ratio: float = 0.95
    probability_of_backtest_overfitting: float = 0.5
    max_drawdown: float = 0.35
    min_bars: int = 250
    min_fills: int = 30
    baselines: tuple[str, ...] = ("zero", "persistence", "buy_and_hold")


@dataclass(frozen=True)
class Gate:
    """One gate: the value seen, the threshold, whether it was passed, and both in words."""

    name: str
    value: float
    threshold: float
    passed: bool
    text: str

    @property
    def comparison(self) -> str:
        """The comparison alone, such as ``deflated_sharpe_ratio 0.61 < 0.95``."""
        return self.text.partition(_MISSED)[0]


@dataclass(frozen=True)
class Verdict:
    """All gates; passed only when every one is."""

    passed: bool
    gates: tuple[Gate, ...]

    def as_dict(self) -> Json:
        """Return plain values, as kept in `RunRecord.verdict`."""
        return {"passed": self.passed, "gates": [asdict(gate) for gate in self.gates]}

    def failures(self) -> str:
        """Return each failed gate with its place, such as ``deflated_sharpe_ratio 0.61 < 0.95 (gate 1 of 7)``."""
        n = len(self.gates)
        return "; ".join(f"{g.comparison} (gate {i} of {n})" for i, g in enumerate(self.gates, 1) if not g.passed)


def check_gates(
    metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]], policy: GatePolicy | None = None
) -> Verdict:
    """Judge a run by its measures and those of the baselines beside it.

    Parameters
    ----------
    metrics : mapping
        The run's ``deflated_sharpe_ratio``, ``max_drawdown``, ``sharpe_ratio``, ``n_bars`` and ``n_fills``.
    baselines : mapping
        Measures by baseline, each with its ``sharpe_ratio``.
    policy : GatePolicy, optional
        The thresholds.

    Notes
    -----
    A missing or NaN value fails its gate, except where nothing was to be measured: the probability of overfitting needs
    ten trials, the lock-box's openings a lock-box that was opened (a second opening is refused). A baseline that never
    moves (``zero``, or one with an annual volatility of 0) counts as a Sharpe ratio of 0: doing nothing must be beaten
    too.
    """
    policy = policy or GatePolicy()
    sharpe = metrics.get("sharpe_ratio")
    gates = [
        _gate("deflated_sharpe_ratio", metrics.get("deflated_sharpe_ratio"), ">=", policy.deflated_sharpe_ratio),
        *_when_measured(_OVERFITTING, metrics, policy.probability_of_backtest_overfitting),
        _gate("max_drawdown", metrics.get("max_drawdown"), "<=", policy.max_drawdown),
        *(_beats(sharpe, name, baselines.get(name)) for name in policy.baselines),
        _gate("n_bars", metrics.get("n_bars"), ">=", policy.min_bars),
        _gate("n_fills", metrics.get("n_fills"), ">=", policy.min_fills),
        *_when_measured("lockbox_openings", metrics, 1),
    ]
    return Verdict(all(g.passed for g in gates), tuple(gates))


def _beats(sharpe: float | None, name: str, measures: Mapping[str, float] | None) -> Gate:
    if measures is None:
        missing = f"the baseline {name} was not run beside it"
        return Gate(f"beats_{name}", float("nan") if sharpe is None else float(sharpe), float("nan"), False, missing)
    threshold = measures.get("sharpe_ratio", float("nan"))
    if math.isnan(threshold) and (name == "zero" or measures.get("annual_volatility") == 0):
        threshold = 0.0
    return _gate(f"beats_{name}", sharpe, ">", threshold, label="sharpe_ratio", suffix=f" of {name}")


def _when_measured(name: str, metrics: Mapping[str, float], most: float) -> list[Gate]:
    value = metrics.get(name, math.nan)
    return [] if math.isnan(value) else [_gate(name, value, "<=", most)]


def _gate(name: str, value: float | None, relation: str, threshold: float, label: str = "", suffix: str = "") -> Gate:
    label = label or name
    if value is None:
        return Gate(name, float("nan"), float(threshold), False, f"{label} was not measured")
    value, threshold = float(value), float(threshold)
    if math.isnan(value) or math.isnan(threshold):
        undefined = f"{label} is undefined" if math.isnan(value) else f"{label}{suffix} is undefined"
        return Gate(name, value, threshold, False, f"{undefined} (NaN)")
    passed = {">=": value >= threshold, "<=": value <= threshold, ">": value > threshold}[relation]
    shown = relation if passed else {">=": "<", "<=": ">", ">": "<="}[relation]
    left, right, gap = _figures(value, threshold)
    missed = "" if passed else f"{_MISSED}{gap}"
    return Gate(name, value, threshold, passed, f"{label} {left} {shown} {right}{suffix}{missed}")


def _figures(value: float, threshold: float) -> tuple[str, str, str]:
    """Write both numbers, and their distance, with as many digits as tell them apart."""
    if value.is_integer() and threshold.is_integer() and max(abs(value), abs(threshold)) >= 10:
        return f"{value:.0f}", f"{threshold:.0f}", f"{abs(value - threshold):.0f}"
    digits = next((d for d in range(2, 12) if f"{value:.{d}f}" != f"{threshold:.{d}f}"), 2)
    return f"{value:.{digits}f}", f"{threshold:.{digits}f}", f"{abs(value - threshold):.{digits}f}"
