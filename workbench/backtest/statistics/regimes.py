"""Where the money was made: figures by market regime, and in the crises that everybody remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import risk
from workbench.errors import ConfigError, DataError
from workbench.risk.series import Returns, resolve_periods
from workbench.typing import FloatArray

UNKNOWN = "unknown"
VOLATILITY_REGIMES = ("calm", "normal", "wild")
_LEAST_HISTORY = 20


@dataclass(frozen=True)
class Crisis:
    """A stretch of time with a name; ``end`` is its last day, UTC."""

    name: str
    start: str
    end: str
    what: str


CRISES = (
    Crisis("Financial crisis 2008", "2008-09-01", "2009-03-09", "Lehman Brothers to the low of March"),
    Crisis("Flash crash 2010", "2010-05-06", "2010-05-07", "US shares fall 9 % and recover within an hour"),
    Crisis("Downgrade 2011", "2011-07-22", "2011-10-03", "US rating cut, debt crisis in Europe"),
    Crisis("China 2015", "2015-08-10", "2015-08-26", "yuan devalued, crash of 24 August"),
    Crisis("Crypto winter 2018", "2017-12-17", "2018-12-15", "Bitcoin from its high of 2017 to its low"),
    Crisis("Fourth quarter 2018", "2018-10-01", "2018-12-24", "shares fall by a fifth"),
    Crisis("Covid 2020", "2020-02-19", "2020-03-23", "shares from high to low"),
    Crisis("Crypto crash 2020", "2020-03-12", "2020-03-13", "Bitcoin halves in a day and a half"),
    Crisis("Crypto crash 2021", "2021-05-12", "2021-05-23", "mining ban in China, cascade of 19 May"),
    Crisis("Luna 2022", "2022-05-07", "2022-05-13", "TerraUSD loses its peg"),
    Crisis("Lenders 2022", "2022-06-10", "2022-06-18", "Celsius and Three Arrows fail"),
    Crisis("FTX 2022", "2022-11-06", "2022-11-21", "run on FTX and its bankruptcy"),
    Crisis("Banks 2023", "2023-03-08", "2023-03-20", "Silicon Valley Bank to Credit Suisse"),
    Crisis("Carry unwind 2024", "2024-08-01", "2024-08-07", "yen rises, crash of 5 August"),
    Crisis("Tariffs 2025", "2025-04-02", "2025-04-08", "US tariffs announced"),
    Crisis("Crypto liquidation 2025", "2025-10-10", "2025-10-11", "largest forced liquidation in a day"),
)


def volatility_regimes(close: npt.ArrayLike, *, window: int = 168, least_history: int | None = None) -> Any:
    """Label each bar calm, normal or wild by what was known before it.

    Parameters
    ----------
    close
        Close prices, (n_bars,); a Series keeps its index.
    window
        Bars of the trailing volatility, such as a week of hours.
    least_history
        Volatilities that must be known before the first label; None is the window, at least 20.

    Returns
    -------
    Series or array of str
        ``calm``, ``normal``, ``wild``, or ``unknown`` at the beginning.

    Notes
    -----
    The volatility of the last ``window`` closes *before* the bar, against the terciles of all such volatilities up to
    there. Terciles of the whole sample, which libraries use, know what is still to come: such a split describes the
    past but cannot be traded, and it calls the years before a crisis calm because of the crisis.
    """
    prices = _prices(close, window, "volatility_regimes")
    least = max(window, _LEAST_HISTORY) if least_history is None else least_history
    if least < 3:
        raise ConfigError(f"volatility_regimes: least_history must be at least 3, got {least_history}")
    known = pd.Series(np.log(prices)).diff().rolling(window).std().shift(1)
    terciles = [known.expanding(least).quantile(q).to_numpy() for q in (1 / 3, 2 / 3)]
    labels = np.full(len(prices), UNKNOWN, dtype=object)
    ready = ~np.isnan(terciles[0]) & known.notna().to_numpy()
    level = (known.to_numpy() > terciles[0]).astype(int) + (known.to_numpy() > terciles[1])
    labels[ready] = np.array(VOLATILITY_REGIMES, dtype=object)[level[ready]]
    return pd.Series(labels, index=close.index, name="regime") if isinstance(close, pd.Series) else labels


def trend_regimes(close: npt.ArrayLike, *, window: int = 720) -> Any:
    """Label each bar ``up`` or ``down`` by whether the last close before it was above its trailing mean.

    Parameters
    ----------
    close
        Close prices, (n_bars,); a Series keeps its index.
    window
        Bars of the mean, such as a month of hours.

    Returns
    -------
    Series or array of str
        ``unknown`` until the mean is known.
    """
    prices = _prices(close, window, "trend_regimes")
    mean = pd.Series(prices).rolling(window).mean().shift(1).to_numpy()
    before = np.concatenate([[np.nan], prices[:-1]])
    labels = np.where(np.isnan(mean), UNKNOWN, np.where(before > mean, "up", "down")).astype(object)
    return pd.Series(labels, index=close.index, name="regime") if isinstance(close, pd.Series) else labels


def split_by_regime(
    returns: Returns, labels: npt.ArrayLike, *, pnl: npt.ArrayLike | None = None, periods_per_year: float | None = None
) -> pd.DataFrame:
    """Return a strategy's figures in each regime, and in total.

    Parameters
    ----------
    returns
        Simple returns as fractions, (n_bars,), without NaN.
    labels
        Regime of each bar, (n_bars,), such as `volatility_regimes`; a missing one is ``unknown``.
    pnl
        Money made at each bar, (n_bars,), to be split as well.
    periods_per_year
        Bars in a year; inferred from the index of a Series.

    Returns
    -------
    DataFrame
        Index ``regime`` in the order of first appearance, then ``total``. Columns ``n_bars``, ``share`` of the bars,
        ``log_return`` (sum), ``total_return`` (compounded over the regime's bars), ``annual_return``,
        ``annual_volatility``, ``sharpe_ratio``, ``hit_rate``, and ``pnl``.

    Notes
    -----
    ``n_bars``, ``share``, ``log_return`` and ``pnl`` of the regimes add up to the total; compounded returns multiply
    instead, and Sharpe ratios do neither. Annual figures are for a year made of such bars alone. Ruin (−100 %) leaves a
    log return of −inf.
    """
    periods = resolve_periods(returns, periods_per_year, "split_by_regime")
    values = np.asarray(returns, dtype=np.float64)
    names = _labels(labels, values, returns)
    money = None if pnl is None else np.asarray(pnl, dtype=np.float64)
    if money is not None and money.shape != values.shape:
        raise DataError(f"split_by_regime: pnl must be of the shape of returns {values.shape}, got {money.shape}")
    bars = {str(name): names == name for name in pd.unique(names)}
    bars["total"] = np.ones(len(values), dtype=bool)
    rows = []
    for held in bars.values():
        part = values[held]
        row = {"n_bars": len(part), "share": len(part) / len(values), **_figures(part, periods)}
        if money is not None:
            row["pnl"] = float(money[held].sum())
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(list(bars), name="regime"))


def crisis_table(
    returns: pd.Series[float], benchmarks: pd.DataFrame | None = None, *, crises: tuple[Crisis, ...] = CRISES
) -> pd.DataFrame:
    """Return how a strategy and its benchmarks did in the crises that its bars cover.

    Parameters
    ----------
    returns
        Simple returns as fractions with a DatetimeIndex; NaN count as 0.
    benchmarks
        Columns of benchmark returns on the same bars.
    crises
        Named stretches of days, UTC.

    Returns
    -------
    DataFrame
        One row for each crisis with a bar: ``crisis``, ``start``, ``end`` (first and last bar within), ``n_bars``,
        ``covered`` (share of its days with a bar), ``total_return``, ``max_drawdown``, and a column of total return for
        each benchmark. Empty when there is none.
    """
    if not isinstance(returns, pd.Series) or not isinstance(returns.index, pd.DatetimeIndex):
        raise DataError(f"crisis_table needs a Series with a DatetimeIndex, got {type(returns).__name__}")
    table = returns.fillna(0.0).to_frame("strategy")
    if benchmarks is not None:
        table = table.join(benchmarks.fillna(0.0))
    names = list(table.columns[1:])
    times = pd.DatetimeIndex(table.index)
    zone = times.tz
    rows = []
    for crisis in crises:
        start, stop = pd.Timestamp(crisis.start, tz=zone), pd.Timestamp(crisis.end, tz=zone) + pd.Timedelta(days=1)
        inside = table[(times >= start) & (times < stop)]
        if inside.empty:
            continue
        days = pd.DatetimeIndex(inside.index).normalize().nunique()
        own = inside["strategy"]
        row = {
            "crisis": crisis.name,
            "start": inside.index[0],
            "end": inside.index[-1],
            "n_bars": len(inside),
            "covered": days / (stop - start).days,
            "total_return": risk.total_return(own),
            "max_drawdown": risk.max_drawdown(own),
        }
        rows.append(row | {name: risk.total_return(inside[name]) for name in names})
    columns = ["crisis", "start", "end", "n_bars", "covered", "total_return", "max_drawdown", *names]
    return pd.DataFrame(rows, columns=columns)


def _figures(part: FloatArray, periods: float) -> dict[str, float]:
    with np.errstate(divide="ignore"):
        total = float(np.log1p(part).sum())
    many = len(part) > 1
    return {
        "log_return": total,
        "total_return": risk.total_return(part),
        "annual_return": risk.annual_return(part, periods_per_year=periods),
        "annual_volatility": risk.annual_volatility(part, periods_per_year=periods) if many else np.nan,
        "sharpe_ratio": risk.sharpe_ratio(part, periods_per_year=periods) if many else np.nan,
        "hit_rate": risk.hit_rate(part),
    }


def _labels(labels: Any, values: FloatArray, returns: Any) -> npt.NDArray[np.object_]:
    if isinstance(labels, pd.Series) and isinstance(returns, pd.Series):
        labels = labels.reindex(returns.index)
    names = pd.Series(labels, dtype=object).to_numpy()
    if values.ndim != 1 or names.shape != values.shape or len(values) == 0:
        raise DataError(
            f"split_by_regime: one label for each return, got {names.shape} labels and {values.shape} returns"
        )
    if np.isnan(values).any():
        raise DataError("split_by_regime: a return is missing; drop that bar and its label, or use 0 where it was flat")
    names = np.where(pd.isna(names), UNKNOWN, names).astype(str).astype(object)
    if (names == "total").any():
        raise DataError("split_by_regime: 'total' is the name of the sum; call that regime something else")
    return names


def _prices(close: Any, window: int, name: str) -> FloatArray:
    prices = np.asarray(close, dtype=np.float64)
    if window < 2:
        raise ConfigError(f"{name}: window must be at least 2 bars, got {window}")
    if prices.ndim != 1 or len(prices) == 0 or (prices <= 0).any():
        raise DataError(f"{name} needs prices above 0, (n_bars,), got {prices.shape}; NaN where there is none")
    return prices
