"""Position rules: forecasts in, target fractions of equity out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import did_you_mean, parse_spec
from workbench.errors import ConfigError
from workbench.typing import FloatArray, Panel


def sign(forecast: FloatArray, threshold: float = 0.0) -> FloatArray:
    """Full long above ``threshold``, full short below ``−threshold``, flat between."""
    return np.sign(forecast) * (np.abs(forecast) > threshold)


def proportional(forecast: FloatArray, scale: float = 1.0, threshold: float = 0.0) -> FloatArray:
    """``scale`` times the forecast, clipped to full long or short; flat while it is within ``±threshold``."""
    return np.clip(scale * forecast, -1.0, 1.0) * (np.abs(forecast) > threshold)


def long_only(forecast: FloatArray, threshold: float = 0.0) -> FloatArray:
    """Full long above ``threshold``, else flat."""
    return (forecast > threshold).astype(np.float64)


RULES: dict[str, Callable[..., FloatArray]] = {f.__name__: f for f in (long_only, proportional, sign)}
_BOUNDS = {"threshold": (0.0, 1.0), "scale": (0.0, 1e6)}


def position_rule(rule: str, forecast: Panel, *, max_leverage: float = 1.0) -> Panel:
    """Turn forecasts into target positions with equal capital for each asset.

    Parameters
    ----------
    rule
        ``sign``, ``proportional`` or ``long_only`` with arguments, such as ``proportional(2.0, threshold=0.1)``.
    forecast
        ``p_bull − p_bear`` or any score in [−1, 1], (n_bars, n_assets); NaN is no forecast.
    max_leverage
        Gross exposure when every asset is fully long or short; each asset gets ``max_leverage / n_assets``.

    Returns
    -------
    DataFrame
        Signed fractions of equity, shaped like ``forecast``; NaN (no order) where there is no forecast.

    Raises
    ------
    ConfigError
        When the rule or an argument is unknown or out of bounds.
    """
    function, arguments = _bind(rule)
    if not max_leverage > 0:
        raise ConfigError(f"max_leverage must be above 0, got {max_leverage}")
    values = forecast.to_numpy(dtype=np.float64)
    share = max_leverage / values.shape[1]
    weights = np.where(np.isnan(values), np.nan, function(values, **arguments) * share)
    return pd.DataFrame(weights, index=forecast.index, columns=forecast.columns)


def _bind(rule: str) -> tuple[Callable[..., FloatArray], dict[str, Any]]:
    spec = parse_spec(rule)
    if spec.name not in RULES:
        raise ConfigError(f"unknown position rule {spec.name!r}.{did_you_mean(spec.name, RULES)}")
    function = RULES[spec.name]
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    if len(spec.args) > len(names):
        raise ConfigError(f"position rule {rule!r} takes at most {len(names)} arguments: {', '.join(names)}")
    arguments: dict[str, Any] = dict(zip(names, spec.args, strict=False))
    for name, value in spec.kwargs.items():
        if name not in names:
            raise ConfigError(f"position rule {spec.name!r} has no argument {name!r}.{did_you_mean(name, names)}")
        if name in arguments:
            raise ConfigError(f"position rule {rule!r} gives {name!r} twice")
        arguments[name] = value
    for name, value in arguments.items():
        low, high = _BOUNDS[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(
                f"position rule {rule!r}: {name} must be a number from {low:g} to {high:g}, got {value!r}"
            )
    return function, arguments


def drifted_leverage(net_returns: FloatArray, max_leverage: float) -> FloatArray:
    """Return the gross exposure that a position of at most ``max_leverage`` at the fill can have at the bar's close.

    Between fill and close a position drifts with its price: a short of 1 that loses 10 % of equity ends at
    ``(1 + 0.1) / (1 - 0.1)``. For positions whose gains and losses offset within the bar it is a close guide, not a
    bound.

    Parameters
    ----------
    net_returns
        The portfolio's return at each bar, (n_bars,), fractions above -1.
    """
    return (max_leverage + np.abs(net_returns)) / (1 + net_returns)


def within_leverage(positions: Panel, net_returns: pd.Series, max_leverage: float, slack: float = 0.05) -> bool:
    """Whether gross exposure at every close is at most what `drifted_leverage` allows, plus ``slack``."""
    allowed = drifted_leverage(net_returns.reindex(positions.index).to_numpy(), max_leverage)
    return bool((positions.abs().sum(axis=1).to_numpy() <= allowed + slack).all())
