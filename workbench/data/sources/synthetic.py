"""Seeded markets with a known truth: they trade around the clock, at any time frame, with as many symbols as asked.

Every market is a function of its arguments alone; each symbol draws from its own stream (seed, symbol), so adding a
symbol leaves the others as they were. Bars follow each other without a gap: a bar opens where the last one closed.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import Spec, did_you_mean, parse_spec
from workbench.data.bars import bars_of, check_bars
from workbench.data.store.names import check_symbol
from workbench.data.timeframes import timeframe_delta
from workbench.errors import ConfigError
from workbench.typing import Bars, FloatArray

FIRST_BAR = pd.Timestamp("2020-01-01", tz="UTC").as_unit("us")
_YEAR = pd.Timedelta(days=365)
_START_PRICE = 100.0
_LOG_VOLUME = np.log(1000.0)
_MOST_BARS = 10_000_000

Series = dict[str, FloatArray]


def gbm(
    rng: np.random.Generator, n_bars: int, year: float, *, drift: float = 0.0, volatility: float = 0.6
) -> tuple[Series, Series]:
    r"""Geometric Brownian motion.

    Parameters
    ----------
    year : float
        Bars in a year of 365 days; ``dt = 1 / year``.
    drift, volatility : float
        Per year, of the price: :math:`dS = \mu S dt + \sigma S dW`.

    Returns
    -------
    fields, truth : dict of arrays of shape (n_bars,)
        The truth holds ``volatility`` per year and ``expected_return``, the mean log return of the bar.
    """
    _positive("gbm", "volatility", volatility)
    sigma = np.full(n_bars, volatility / np.sqrt(year))
    mean = (drift - volatility**2 / 2) / year
    returns = mean + sigma * rng.standard_normal(n_bars)
    log_volume = _LOG_VOLUME + 0.3 * rng.standard_normal(n_bars)
    return _fields(rng, returns, sigma, log_volume), {
        "volatility": np.full(n_bars, volatility),
        "expected_return": np.full(n_bars, mean),
    }


def regimes(
    rng: np.random.Generator, n_bars: int, year: float, *,
    volatility: float = 0.6, drift: float = 0.3, persistence: float = 0.995,
    jump_rate: float = 12.0, jump_scale: float = 0.04,
) -> tuple[Series, Series]:  # fmt: skip
    r"""Regime-switching stochastic volatility with jumps.

    A two-state Markov chain switches between calm (state 0: rising, 0.6 times the volatility) and storm (state 1:
    falling, 1.8 times); within a state the log volatility is a mean-reverting AR(1); jumps come as a Poisson process.

    Parameters
    ----------
    volatility, drift : float
        Per year; the drift is positive in calm and its negative in storm.
    persistence : float
        Chance to stay in calm from bar to bar; storms are left three times as fast.
    jump_rate : float
        Expected jumps per year.
    jump_scale : float
        Standard deviation of a jump's log size.

    Returns
    -------
    fields, truth : dict of arrays of shape (n_bars,)
        The truth holds ``regime`` (0 or 1), ``volatility`` per year and ``jump`` (log size, 0 where none).
    """
    _positive("regimes", "volatility", volatility)
    if not 0 < persistence < 1 or jump_rate < 0 or jump_scale < 0:
        raise ConfigError(
            f"regimes needs 0 < persistence < 1 and jumps not below 0, got {persistence}, {jump_rate}, {jump_scale}"
        )
    state = _markov(rng.random(n_bars), 1 - persistence, min(1.0, 3 * (1 - persistence)))
    wobble = _ar1(rng.standard_normal(n_bars), 0.97, 0.3)
    annual = volatility * np.where(state == 1, 1.8, 0.6) * np.exp(wobble - 0.3**2)
    jump = rng.poisson(jump_rate / year, n_bars).clip(0, 1) * jump_scale * rng.standard_normal(n_bars)
    sigma = annual / np.sqrt(year)
    returns = np.where(state == 1, -drift, drift) / year - sigma**2 / 2 + sigma * rng.standard_normal(n_bars) + jump
    log_volume = _LOG_VOLUME + 0.3 * rng.standard_normal(n_bars) + 0.5 * np.log(annual / volatility)
    return _fields(rng, returns, sigma, log_volume), {"regime": state.astype(float), "volatility": annual, "jump": jump}


def planted(
    rng: np.random.Generator, n_bars: int, year: float, *, strength: float = 0.1, volatility: float = 0.6
) -> tuple[Series, Series]:
    r"""A market with a planted signal of chosen strength.

    The signal :math:`s_t \sim N(0, 1)` is readable at the close of bar t from its volume,
    :math:`\log V_t = \log 1000 + 0.25\, s_t`, so relative volume (``volume_z(20)``) rises with it. The next bar's log
    return from open to open (which is its open to close, for bars follow without a gap) is

    .. math:: r_{t+1} = \sigma \left(\rho\, s_t + \sqrt{1 - \rho^2}\, e_{t+1}\right), \quad e \sim N(0, 1)

    so a position decided on close t and filled at open t+1 earns it.

    Parameters
    ----------
    strength : float
        The correlation :math:`\rho` of signal and next return, -1 to 1; 0 is pure noise.
    volatility : float
        Per year.

    Returns
    -------
    fields, truth : dict of arrays of shape (n_bars,)
        The truth holds ``signal`` (s_t) and ``expected_return``, the mean log return of the *next* bar given s_t.

    Notes
    -----
    Whoever knows s_t predicts the sign of the next return with probability

    .. math:: P = \frac{1}{2} + \frac{\arcsin \rho}{\pi}

    (Sheppard's quadrant formula for a bivariate normal): 0.532 at 0.1, 0.747 at 0.7.

    References
    ----------
    W. F. Sheppard, "On the application of the theory of error to cases of normal distribution and normal
    correlation", Philosophical Transactions A 192 (1899).
    """
    _positive("planted", "volatility", volatility)
    if not -1 <= strength <= 1:
        raise ConfigError(f"planted needs -1 <= strength <= 1, a correlation, got {strength}")
    signal = rng.standard_normal(n_bars)
    sigma = np.full(n_bars, volatility / np.sqrt(year))
    previous = np.concatenate([rng.standard_normal(1), signal[:-1]])
    returns = sigma * (strength * previous + np.sqrt(1 - strength**2) * rng.standard_normal(n_bars))
    fields = _fields(rng, returns, sigma, _LOG_VOLUME + 0.25 * signal)
    return fields, {"signal": signal, "expected_return": sigma * strength * signal}


def trending(
    rng: np.random.Generator, n_bars: int, year: float, *,
    strength: float = 0.2, halflife: float = 50.0, volatility: float = 0.6,
) -> tuple[Series, Series]:  # fmt: skip
    r"""A market with a planted trend, which moving averages can find and nothing but past prices shows.

    The trend :math:`m_t` is a hidden AR(1) of variance 1 that halves in ``halflife`` bars; the next bar's log return is

    .. math:: r_{t+1} = \sigma \left(\rho\, m_t + \sqrt{1 - \rho^2}\, e_{t+1}\right), \quad e \sim N(0, 1)

    Parameters
    ----------
    strength : float
        The correlation :math:`\rho` of trend and next return, 0 to 1; 0 is pure noise.
    halflife : float
        Bars in which the trend halves.
    volatility : float
        Per year.

    Returns
    -------
    fields, truth : dict of arrays of shape (n_bars,)
        The truth holds ``trend`` (m_t) and ``expected_return``, the mean log return of the *next* bar given m_t.

    Notes
    -----
    Returns k bars apart correlate by :math:`\rho^2\, 2^{-k / halflife}`.
    """
    _positive("trending", "volatility", volatility)
    if not 0 <= strength <= 1 or not halflife > 0:
        raise ConfigError(f"trending needs 0 <= strength <= 1 and halflife > 0, got {strength} and {halflife}")
    trend = _ar1(rng.standard_normal(n_bars + 1), 0.5 ** (1 / halflife), 1.0)
    sigma = np.full(n_bars, volatility / np.sqrt(year))
    returns = sigma * (strength * trend[:-1] + np.sqrt(1 - strength**2) * rng.standard_normal(n_bars))
    fields = _fields(rng, returns, sigma, _LOG_VOLUME + 0.3 * rng.standard_normal(n_bars))
    return fields, {"trend": trend[1:], "expected_return": sigma * strength * trend[1:]}


Market = Callable[..., tuple[Series, Series]]
MARKETS: dict[str, Market] = {"gbm": gbm, "planted": planted, "regimes": regimes, "trending": trending}
MARKET_VERSION = "1"
"""Raised when a market's draws change, so that a run tells which generator made its bars."""


def synthetic_market(
    spec: str | Spec, symbols: Sequence[str] = ("SYN",), timeframe: str = "1h"
) -> tuple[Bars, pd.DataFrame]:
    """Draw a market named by a spec such as ``"planted(strength=0.7, seed=7, n_bars=4000)"``.

    Parameters
    ----------
    spec : str
        gbm, planted, regimes or trending, with ``seed`` (default 1), ``n_bars`` (default 4000) and the market's own
        arguments.
    symbols : sequence of str
        Any names; each has its own stream.
    timeframe : str
        Any bar length; the first bar opens at 2020-01-01 00:00 UTC.

    Returns
    -------
    bars : DataFrame
        n_bars × (field, symbol).
    truth : DataFrame
        n_bars × (truth name, symbol), what generated them.

    Raises
    ------
    ConfigError
        When the market or an argument is unknown or out of bounds.
    """
    name, seed, n_bars, arguments = _arguments(parse_spec(spec) if isinstance(spec, str) else spec)
    delta = timeframe_delta(timeframe)
    index = pd.date_range(FIRST_BAR, periods=n_bars, freq=delta, name="time", unit="us")
    frames, truths = {}, {}
    for symbol in symbols:
        rng = np.random.default_rng([seed, zlib.crc32(check_symbol(symbol).encode())])
        fields, truth = MARKETS[name](rng, n_bars, _YEAR / delta, **arguments)
        frames[symbol], truths[symbol] = pd.DataFrame(fields, index=index), pd.DataFrame(truth, index=index)
    return check_bars(bars_of(frames)), pd.concat(truths, axis=1, names=["symbol", "truth"]).swaplevel(
        axis=1
    ).sort_index(axis=1)


def canonical_market(spec: Spec) -> str:
    """Return the one way to write a market: seed and n_bars always, other arguments where they differ from the default.

    Two specs with the same text draw the same bars, so that trials on them count as trials of one data set.
    """
    name, seed, n_bars, given = _arguments(spec)
    defaults = {n: p.default for n, p in inspect.signature(MARKETS[name]).parameters.items()}
    own: dict[str, Any] = {k: v for k, v in given.items() if v != defaults[k]}
    return str(Spec(name, (), {"n_bars": n_bars, "seed": seed, **own}))


def _arguments(spec: Spec) -> tuple[str, int, int, dict[str, float]]:
    if spec.name not in MARKETS:
        raise ConfigError(f"unknown synthetic market {spec.name!r}.{did_you_mean(spec.name, MARKETS)}")
    own = {
        n: p.default for n, p in inspect.signature(MARKETS[spec.name]).parameters.items() if p.kind is p.KEYWORD_ONLY
    }
    known = ["seed", "n_bars", *own]
    if len(spec.args) > len(known):
        raise ConfigError(f"{spec}: {spec.name} takes at most {len(known)} arguments: {', '.join(known)}")
    given: dict[str, Any] = dict(zip(known, spec.args, strict=False))
    for key, value in spec.kwargs.items():
        if key not in known:
            raise ConfigError(f"{spec}: {spec.name} has no argument {key!r}.{did_you_mean(key, known)}")
        if key in given:
            raise ConfigError(f"{spec}: argument {key!r} is given twice")
        given[key] = value
    seed = _whole(spec, "seed", given.pop("seed", 1), 0, 2**32 - 1)
    n_bars = _whole(spec, "n_bars", given.pop("n_bars", 4000), 2, _MOST_BARS)
    return spec.name, seed, n_bars, {k: _number(spec, k, v) for k, v in given.items()}


def _whole(spec: Spec, key: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{spec}: {key} must be a whole number from {low} to {high}, got {value!r}")
    return value


def _number(spec: Spec, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ConfigError(f"{spec}: {key} must be a finite number, got {value!r}")
    return float(value)


def _positive(market: str, key: str, value: float) -> None:
    if not 0 < value <= 100:
        raise ConfigError(f"{market} needs 0 < {key} <= 100 per year, got {value}")


def _fields(rng: np.random.Generator, returns: FloatArray, sigma: FloatArray, log_volume: FloatArray) -> Series:
    """Return the five fields of bars with these log returns, open to close.

    High and low are drawn from the exact law of the extreme of a Brownian bridge with the bar's volatility:
    max = (r + sqrt(r² - 2 sigma² ln U)) / 2, and the minimum by symmetry.
    """
    n = len(returns)
    close = _START_PRICE * np.exp(np.cumsum(returns))
    open_ = np.concatenate([[_START_PRICE], close[:-1]])
    up, down = (np.sqrt(returns**2 - 2 * sigma**2 * np.log(1 - rng.random(n))) for _ in range(2))
    high = open_ * np.exp((returns + up) / 2)
    low = open_ * np.exp((returns - down) / 2)
    return {
        "open": open_, "high": np.maximum(high, np.maximum(open_, close)),
        "low": np.minimum(low, np.minimum(open_, close)), "close": close, "volume": np.exp(log_volume),
    }  # fmt: skip


def _markov(uniforms: FloatArray, leave_calm: float, leave_storm: float) -> np.ndarray:
    state, states = 0, np.empty(len(uniforms), dtype=np.int64)
    for i, u in enumerate(uniforms):
        if u < (leave_storm if state else leave_calm):
            state = 1 - state
        states[i] = state
    return states


def _ar1(shocks: FloatArray, phi: float, scale: float) -> FloatArray:
    """Return a stationary AR(1) with standard deviation ``scale``."""
    level, levels = float(shocks[0]), np.empty_like(shocks)
    for i, shock in enumerate(shocks):
        level = level if i == 0 else phi * level + np.sqrt(1 - phi**2) * shock
        levels[i] = level
    return scale * levels
