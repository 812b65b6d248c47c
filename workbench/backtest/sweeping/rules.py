"""Position rules of closes alone, compiled, by name: what a sweep's grid is over.

Each is a plain function ``rule(close, **arguments)`` and, for the sweep, a loop that fills its targets into a buffer,
so that nothing is allocated and threads do not wait for each other. Both run the same code. Row t uses rows up to t.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.backtest.market import kernel_layout
from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError
from workbench.typing import FloatArray

Kernel = Callable[..., None]
LONGEST = 1_000_000


@dataclass(frozen=True)
class Argument:
    """One argument of a rule: its default, which gives its type too, and its bounds (both allowed)."""

    default: int | float | bool
    low: float
    high: float
    help: str

    def check(self, rule: str, name: str, value: Any) -> int | float | bool:
        """Return the value in the argument's type."""
        kind = type(self.default)
        number = isinstance(value, int | float | np.integer | np.floating | np.bool_)
        if not number or not self.low <= value <= self.high or kind(value) != value:
            what = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
            bounds = "" if kind is bool else f" from {self.low:g} to {self.high:g}"
            raise ConfigError(f"{rule}: {name} must be {what}{bounds}, got {value!r}")
        return kind(value)


@dataclass(frozen=True)
class SweepRule:
    """A rule known by name.

    Parameters
    ----------
    name
        Its name in `SWEEP_RULES`.
    function
        ``function(close, **arguments)`` with closes (n_bars, n_assets); returns targets of that shape.
    arguments
        Each argument's default and bounds.
    version
        Rises when the rule's numbers change: another version is another trial.
    compiled
        Imports and returns the loop that fills targets (n_assets, n_bars).
    prepare
        Turns all arguments into the loop's, or raises `ConfigError` where they do not go together.
    """

    name: str
    function: Callable[..., FloatArray]
    arguments: Mapping[str, Argument]
    version: int
    compiled: Callable[[], Kernel]
    prepare: Callable[..., tuple[float, ...]]

    def complete(self, **arguments: Any) -> dict[str, Any]:
        """Return all arguments, defaults filled in, in the order of the rule.

        Raises
        ------
        ConfigError
            For a name the rule does not have, or a value out of bounds.
        """
        for name in arguments:
            if name not in self.arguments:
                raise ConfigError(
                    f"rule {self.name!r} has no argument {name!r}.{did_you_mean(name, list(self.arguments))}"
                )
        return {n: a.check(self.name, n, arguments.get(n, a.default)) for n, a in self.arguments.items()}

    def accepts(self, **arguments: Any) -> bool:
        """Return whether values of its arguments are within bounds and go together, as fast < slow."""
        try:
            self.prepare(**self.complete(**arguments))
        except ConfigError:
            return False
        return True

    def fill(self, closes: FloatArray, targets: FloatArray, whole: bool, **arguments: Any) -> None:
        """Fill targets, (n_assets, n_bars), from closes; ``whole`` says that no close is NaN."""
        prepared = self.prepare(**self.complete(**arguments))
        fill_targets(self.compiled(), prepared, closes, targets, whole)


def fill_targets(
    kernel: Kernel, arguments: tuple[float, ...], closes: FloatArray, targets: FloatArray, whole: bool
) -> None:
    """Run a rule over the bars at which each asset trades; its target is NaN (no order) at the others."""
    if whole:
        kernel(closes, *arguments, targets)
        return
    for j in range(len(closes)):
        known = np.flatnonzero(closes[j] == closes[j])  # NaN is the one value that differs from itself
        first, stop = (int(known[0]), int(known[-1]) + 1) if len(known) else (0, 0)
        targets[j, :first] = targets[j, stop:] = np.nan
        if len(known) == stop - first:  # listed late or gone early, without holes
            kernel(closes[j : j + 1, first:stop], *arguments, targets[j : j + 1, first:stop])
            continue
        own = np.empty((1, len(known)))
        kernel(closes[j : j + 1, known], *arguments, own)
        targets[j] = np.nan
        targets[j, known] = own[0]


def sma_crossover(close: FloatArray, fast: int = 10, slow: int = 50, short: bool = False) -> FloatArray:
    """Target 1 while the fast simple moving average of closes is above the slow one, else 0, or −1 with ``short``.

    Parameters
    ----------
    close
        Closes, (n_bars, n_assets); averages run over the bars at which an asset trades.
    fast, slow
        Windows in bars, ``1 <= fast < slow``.
    short
        Be short, not flat, below.

    Returns
    -------
    array, (n_bars, n_assets)
        NaN (no order) until the slow average is full and where the close is NaN.
    """
    return _targets("sma_crossover", close, fast=fast, slow=slow, short=short)


def momentum(close: FloatArray, window: int = 50, threshold: float = 0.0, short: bool = False) -> FloatArray:
    """Target 1 while the return over ``window`` bars is above ``threshold``; −1 below its negative with ``short``.

    Trend by a single comparison: fewer choices to overfit than a crossover.

    Parameters
    ----------
    close
        Closes, (n_bars, n_assets); windows run over the bars at which an asset trades.
    window
        Bars that the return covers, at least 1.
    threshold
        Simple return as a fraction, at least 0; within ± threshold the target is 0.
    short
        Be short below ``−threshold``, else flat.

    Returns
    -------
    array, (n_bars, n_assets)
        NaN (no order) for the first ``window`` bars and where the close is NaN.

    References
    ----------
    Moskowitz, T. J., Ooi, Y. H. and Pedersen, L. H. (2012). Time series momentum. Journal of Financial Economics
    104(2), 228-250.
    """
    return _targets("momentum", close, window=window, threshold=threshold, short=short)


def mean_reversion(
    close: FloatArray, window: int = 20, entry: float = 2.0, exit: float = 0.5, short: bool = True
) -> FloatArray:
    """Target 1 from a z-score of the close below ``−entry`` until it is above ``−exit``; mirrored with ``short``.

    Parameters
    ----------
    close
        Closes, (n_bars, n_assets); windows run over the bars at which an asset trades.
    window
        Bars of the mean and the standard deviation (ddof 1), the bar itself included, at least 2.
    entry, exit
        Distances from the mean in standard deviations, ``0 <= exit < entry``.
    short
        Sell short above ``entry``, else stay flat.

    Returns
    -------
    array, (n_bars, n_assets)
        NaN (no order) until the window is full and where the close is NaN.

    Notes
    -----
    A z-score cannot exceed ``(window − 1) / sqrt(window)``: with a window of 5 an entry above 1.79 never comes.

    References
    ----------
    Lo, A. W. and MacKinlay, A. C. (1990). When are contrarian profits due to stock market overreaction? Review of
    Financial Studies 3(2), 175-205.
    """
    return _targets("mean_reversion", close, window=window, entry=entry, exit=exit, short=short)


def breakout(close: FloatArray, window: int = 55, exit_window: int = 20, short: bool = False) -> FloatArray:
    """Target 1 from a close above the ``window`` closes before it until one below the ``exit_window`` before it.

    Donchian's channel of closes, the bar itself left out, so that a break is a break.

    Parameters
    ----------
    close
        Closes, (n_bars, n_assets); channels run over the bars at which an asset trades.
    window
        Closes of the entry channel, at least 1.
    exit_window
        Closes of the exit channel, at most ``window``.
    short
        Sell short on a close below the entry channel, else stay flat.

    Returns
    -------
    array, (n_bars, n_assets)
        NaN (no order) for the first ``window`` bars and where the close is NaN.

    References
    ----------
    Faith, C. (2007). Way of the Turtle. McGraw-Hill, ch. 5 (windows of 55 and 20).
    """
    return _targets("breakout", close, window=window, exit_window=exit_window, short=short)


def _targets(name: str, close: FloatArray, **arguments: Any) -> FloatArray:
    closes = kernel_layout(close)
    targets = np.full_like(closes, np.nan)
    SWEEP_RULES[name].fill(closes, targets, not np.isnan(closes).any(), **arguments)
    return targets.T


def _crossover_arguments(fast: int, slow: int, short: bool) -> tuple[float, ...]:
    if not fast < slow:
        raise ConfigError(f"sma_crossover needs 1 <= fast < slow, got fast {fast} and slow {slow}")
    return fast, slow, 1.0, -1.0 if short else 0.0


def _momentum_arguments(window: int, threshold: float, short: bool) -> tuple[float, ...]:
    return window, threshold, -1.0 if short else 0.0


def _reversion_arguments(window: int, entry: float, exit: float, short: bool) -> tuple[float, ...]:
    if not exit < entry:
        raise ConfigError(f"mean_reversion needs 0 <= exit < entry, got exit {exit:g} and entry {entry:g}")
    return window, entry, exit, -1.0 if short else 0.0


def _breakout_arguments(window: int, exit_window: int, short: bool) -> tuple[float, ...]:
    if exit_window > window:
        raise ConfigError(f"breakout needs exit_window <= window, got {exit_window} and {window}")
    return window, exit_window, -1.0 if short else 0.0


def _crossover_kernel() -> Kernel:
    from workbench.backtest.kernel import crossover_targets

    return crossover_targets


def _momentum_kernel() -> Kernel:
    from workbench.backtest.sweep_kernels import momentum_targets

    return momentum_targets


def _reversion_kernel() -> Kernel:
    from workbench.backtest.sweep_kernels import reversion_targets

    return reversion_targets


def _breakout_kernel() -> Kernel:
    from workbench.backtest.sweep_kernels import breakout_targets

    return breakout_targets


_SHORT = "be short, not flat, on the other side"

SWEEP_RULES: dict[str, SweepRule] = {
    rule.name: rule
    for rule in (
        SweepRule(
            "sma_crossover",
            sma_crossover,
            {
                "fast": Argument(10, 1, LONGEST, "window of the fast average, bars"),
                "slow": Argument(50, 1, LONGEST, "window of the slow average, bars, above fast"),
                "short": Argument(False, 0, 1, _SHORT),
            },
            1,
            _crossover_kernel,
            _crossover_arguments,
        ),
        SweepRule(
            "momentum",
            momentum,
            {
                "window": Argument(50, 1, LONGEST, "bars that the return covers"),
                "threshold": Argument(0.0, 0.0, 10.0, "return to be above, as a fraction"),
                "short": Argument(False, 0, 1, _SHORT),
            },
            1,
            _momentum_kernel,
            _momentum_arguments,
        ),
        SweepRule(
            "mean_reversion",
            mean_reversion,
            {
                "window": Argument(20, 2, LONGEST, "bars of mean and deviation"),
                "entry": Argument(2.0, 0.0, 100.0, "z-score at which a position is opened"),
                "exit": Argument(0.5, 0.0, 100.0, "z-score at which it is closed, below entry"),
                "short": Argument(True, 0, 1, _SHORT),
            },
            1,
            _reversion_kernel,
            _reversion_arguments,
        ),
        SweepRule(
            "breakout",
            breakout,
            {
                "window": Argument(55, 1, LONGEST, "closes of the entry channel"),
                "exit_window": Argument(20, 1, LONGEST, "closes of the exit channel, at most window"),
                "short": Argument(False, 0, 1, _SHORT),
            },
            1,
            _breakout_kernel,
            _breakout_arguments,
        ),
    )
}
"""Rules by name: what a notebook or an experiment file may ask for."""


def sweep_rule(name: str) -> SweepRule:
    """Return a rule by its name.

    Raises
    ------
    ConfigError
        For a name that is not in `SWEEP_RULES`, with a guess.
    """
    if name not in SWEEP_RULES:
        raise ConfigError(f"unknown rule {name!r}.{did_you_mean(name, SWEEP_RULES)}")
    return SWEEP_RULES[name]


def compiled_rule(function: Callable[..., Any]) -> SweepRule | None:
    """Return the rule whose function this is, None for a function of one's own."""
    return next((rule for rule in SWEEP_RULES.values() if rule.function is function), None)
