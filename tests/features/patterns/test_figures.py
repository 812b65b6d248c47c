"""The figures of the documentation: how often patterns fire on noise and on real prices, and what follows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from workbench.features.patterns import CANDLES, pattern_events
from workbench.features.patterns.candles import candle_values

DOCS = Path(__file__).resolve().parents[3] / "docs" / "features-patterns.md"
HORIZON = 24
FIELDS = ("open", "high", "low", "close", "volume")
KINDS = ("harmonic", "elliott_impulse", "elliott_correction", "head_shoulders", "double_top", "triangle", "divergence")


class Outcome(NamedTuple):
    """Signed events of one name on one market: how many, how many were right, how many would be by the base rate."""

    n_bars: int
    n_events: int
    n_judged: int
    hits: float
    expected: float


def forward(bars: pd.DataFrame) -> np.ndarray:
    """From the next open to the close ``HORIZON`` bars on; NaN at the end."""
    out = np.full(len(bars), np.nan)
    out[:-HORIZON] = bars["close"].to_numpy()[HORIZON:, 0] / bars["open"].to_numpy()[1 : 1 - HORIZON or None, 0] - 1
    return out


def outcome(after: np.ndarray, bar: np.ndarray, direction: np.ndarray) -> Outcome:
    judged = ~np.isnan(after[bar])
    up, down = np.nanmean(after > 0) * after.size, np.nanmean(after < 0) * after.size
    known = np.count_nonzero(~np.isnan(after))
    move = (after[bar] * direction)[judged]
    expected = np.where(direction[judged] > 0, up / known, down / known).sum()
    return Outcome(after.size, bar.size, int(judged.sum()), float((move > 0).sum()), float(expected))


def outcomes(bars: pd.DataFrame) -> dict[str, Outcome]:
    """Every kind, every harmonic pattern and every candlestick that has a direction."""
    symbol, after = bars.columns[0][1], forward(bars)
    table = pattern_events(bars, symbol)
    bar, direction = bars.index.get_indexer(table["known"]), table["direction"].to_numpy()
    groups = {kind: table["kind"] == kind for kind in KINDS}
    names = table["name"].where(table["kind"] == "harmonic", "")
    groups |= {name: names == name for name in ("gartley", "bat", "butterfly", "crab", "shark", "cypher")}
    found = {name: outcome(after, bar[rows], direction[rows]) for name, rows in groups.items()}
    columns = [bars[field].to_numpy()[:, 0].copy() for field in FIELDS[:4]]
    for name, candle in CANDLES.items():
        if candle.direction is not None:
            values = np.nan_to_num(candle_values(candle, *columns, candle.penetration))
            at = np.flatnonzero(values)
            found[name] = outcome(after, at, np.sign(values[at]))
    return found


def total(markets: list[dict[str, Outcome]]) -> dict[str, Outcome]:
    return {
        name: Outcome(*(sum(column) for column in zip(*(m[name] for m in markets), strict=True))) for name in markets[0]
    }


def random_walk(seed: int, n_bars: int = 20_000, steps: int = 24) -> pd.DataFrame:
    """Hourly bars of a walk of 24 steps an hour, 1 % an hour: no bar tells of the next."""
    rng = np.random.default_rng(seed)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.01 / math.sqrt(steps), n_bars * steps))).reshape(n_bars, steps)
    open_ = np.append(price[0, 0], price[:-1, -1])
    high, low = np.maximum(price.max(axis=1), open_), np.minimum(price.min(axis=1), open_)
    index = pd.date_range("2020-01-01", periods=n_bars, freq="h", tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([FIELDS, ["WALK"]], names=["field", "symbol"])
    values = [open_, high, low, price[:, -1], rng.lognormal(5, 1, n_bars)]
    return pd.DataFrame(np.column_stack(values), index=index, columns=columns)


def rates(found: dict[str, Outcome], name: str) -> list[str]:
    """Events per 1,000 bars, hit rate in percent, and how far it lies from the base rate, in standard errors."""
    n_bars, n_events, n_judged, hits, expected = found[name]
    if not n_judged:
        return ["0", "–", "–"]
    error = math.sqrt(n_judged) / 2
    return [f"{1000 * n_events / n_bars:.3g}", f"{100 * hits / n_judged:.1f}", f"{(hits - expected) / error:+.1f}"]


def documented() -> dict[str, list[str]]:
    """The rows of the documentation's tables of figures: name to cells."""
    rows = [line.strip("| ").split(" | ") for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): [cell.strip() for cell in cells[1:]] for cells in rows if len(cells) == 9}


def agree(told: list[str], found: list[str]) -> bool:
    """Whether cells are the same numbers, but for a tie that another processor's rounding may decide otherwise."""
    numbers = [[math.nan if cell == "–" else float(cell) for cell in cells] for cells in (told, found)]
    return len(told) == len(found) and bool(np.allclose(*numbers, rtol=0.01, atol=0.11, equal_nan=True))


@pytest.fixture(scope="module")
def noise() -> dict[str, Outcome]:
    return total([outcomes(random_walk(seed)) for seed in range(6)])


def test_noise_fires_as_documented(noise: dict[str, Outcome]) -> None:
    rows = documented()
    assert set(rows) == set(noise)
    for name, cells in rows.items():
        assert agree(cells[5:], rates(noise, name)), name


def test_nothing_is_found_in_noise(noise: dict[str, Outcome]) -> None:
    """Patterns fire on a walk, and what follows them is a coin: 66 of them, none beyond four standard errors."""
    for name in KINDS:
        assert noise[name].n_events > 30
    for name, seen in noise.items():
        if seen.n_judged >= 30:
            assert abs(float(rates(noise, name)[2])) < 4, name


@pytest.mark.slow
def test_real_prices_give_the_documented_figures(shared_data: Path) -> None:
    paths = sorted((shared_data / "ohlcv" / "binance").glob("*USDT-1h.parquet"))
    if len(paths) != 13:
        pytest.skip("the 13 hourly Binance files are not in the folder of real market files")
    markets = []
    for path in paths:
        frame = pd.read_parquet(path)[list(FIELDS)].astype(float)
        frame.columns = pd.MultiIndex.from_product([FIELDS, [path.stem]], names=["field", "symbol"])
        markets.append(outcomes(frame))
    real = total(markets)
    for name, cells in documented().items():
        seen = real[name]
        base = f"{100 * seen.expected / seen.n_judged:.1f}" if seen.n_judged else "–"
        per_thousand, hit, errors = rates(real, name)
        assert agree(cells[:5], [str(seen.n_events), per_thousand, hit, base, errors]), name
