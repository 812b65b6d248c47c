"""The bar store against plain Parquet files and a raw memory map: five symbols, five years of one-minute bars."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data import BAR_FIELDS, BarStore, content_hash

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

YEARS = 5 * 365 * 1440
DAY = 1440
APPENDS = 1000
SYMBOLS = ("AAA/USDT", "BBB/USDT", "CCC/USDT", "DDD/USDT", "EEE/USDT")
TICKS = ((20000.0, 0.01, 3), (1500.0, 0.01, 4), (300.0, 0.1, 3), (0.5, 0.0001, 1), (100.0, 0.01, 2))
START = pd.Timestamp("2020-01-01", tz="UTC")

Report = Callable[[str, str, str], None]


def random_bars(n: int, symbol: str, seed: int, price: float, tick: float, digits: int, start: int = 0) -> pd.DataFrame:
    """Bars on a tick grid, with volumes of a lot size."""
    rng = np.random.default_rng(seed)

    def grid(values: np.ndarray) -> np.ndarray:
        return np.maximum(np.round(np.round(values / tick) * tick, 8), tick)

    close = grid(price * np.exp(np.cumsum(rng.normal(0, 5e-4, n))))
    opened = np.concatenate([[close[0]], close[:-1]])
    high = grid(np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 2.5e-4, n))))
    low = grid(np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 2.5e-4, n))))
    high, low = np.maximum(high, np.maximum(opened, close)), np.minimum(low, np.minimum(opened, close))
    values = np.column_stack([opened, high, low, close, np.round(rng.lognormal(2, 1, n), digits)])
    index = pd.date_range(START + pd.Timedelta(start, "min"), periods=n, freq="min", name="time", unit="us")
    columns = pd.MultiIndex.from_product([BAR_FIELDS, [symbol]], names=["field", "symbol"])
    return pd.DataFrame(values, index=index, columns=columns)


def median_ms(call: Callable[[], Any], times: int = 15) -> float:
    """Milliseconds of a call, the median."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken) * 1000)


def in_turn_ms(*calls: Callable[[], Any], times: int = 15) -> list[float]:
    """Milliseconds of each call, the medians; they take turns, so that a busy machine slows all of them."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(times):
        for call, own in zip(calls, taken, strict=True):
            own.append(median_ms(call, 1))
    return [float(np.median(own)) for own in taken]


@dataclass
class Files:
    """One plain Parquet file and one raw file a symbol."""

    folder: Path

    def add(self, symbol: str, bars: pd.DataFrame) -> None:
        name = symbol.replace("/", "-")
        flat = bars.droplevel("symbol", axis=1).reset_index()
        table = pa.Table.from_pandas(flat, preserve_index=False)
        pq.write_table(table, self.folder / f"{name}.parquet", row_group_size=30 * DAY)
        raw = np.vstack([bars.index.asi8.view(np.float64), bars.to_numpy().T])
        raw.tofile(self.folder / f"{name}.raw")

    def parquet(self, symbol: str, start: Any, end: Any, columns: tuple[str, ...] = BAR_FIELDS) -> pd.DataFrame:
        filters = None if start is None else [("time", ">=", start), ("time", "<", end)]
        path = self.folder / f"{symbol.replace('/', '-')}.parquet"
        frame = pq.read_table(path, columns=["time", *columns], filters=filters).to_pandas()
        return frame.set_index("time")

    def raw(self, symbol: str, first: int, stop: int, columns: tuple[int, ...] = (1, 2, 3, 4, 5)) -> pd.DataFrame:
        path = self.folder / f"{symbol.replace('/', '-')}.raw"
        rows = path.stat().st_size // 48
        mapped = np.memmap(path, np.float64, "r", shape=(6, rows))
        index = pd.DatetimeIndex(np.array(mapped[0, first:stop]).view("datetime64[us]")).tz_localize("UTC")
        return pd.DataFrame(np.array(mapped[list(columns), first:stop]).T, index=index, copy=False)


@dataclass
class Market:
    """The same bars in the store and in plain files."""

    store: BarStore
    files: Files


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = tmp_path_factory.mktemp("store_bench")
    store, files = BarStore(folder / "bars"), Files(folder)
    for seed, (symbol, tick) in enumerate(zip(SYMBOLS, TICKS, strict=True)):
        bars = random_bars(YEARS, symbol, seed, *tick)
        store.write("bench", symbol, "1m", bars)
        files.add(symbol, bars)
    return Market(store, files)


def size(folder: Path, pattern: str) -> int:
    return sum(p.stat().st_size for p in folder.rglob(pattern) if p.is_file())


def test_reads_of_one_symbol(market: Market, report: Report) -> None:
    store, files, symbol = market.store, market.files, SYMBOLS[0]
    first = 900 * DAY
    start, end = START + pd.Timedelta(900, "D"), START + pd.Timedelta(930, "D")
    began = time.perf_counter()
    store.read("bench", symbol, "1m", start, end)
    report("first read of 2.6 M bars, which makes the image", f"{(time.perf_counter() - began) * 1000:.0f} ms", "once")
    ours, peer = store.read("bench", symbol, "1m", start, end), files.parquet(symbol, start, end)
    raw = files.raw(symbol, first, first + 30 * DAY)
    assert np.array_equal(ours.to_numpy(), peer.to_numpy())
    assert np.array_equal(ours.to_numpy(), raw.to_numpy())
    truth = BarStore(store.root, image=False)
    mine, plain, mapped, slow = in_turn_ms(
        lambda: store.read("bench", symbol, "1m", start, end),
        lambda: files.parquet(symbol, start, end),
        lambda: files.raw(symbol, first, first + 30 * DAY),
        lambda: truth.read("bench", symbol, "1m", start, end),
    )
    said = f"store {mine:.1f} ms, Parquet {plain:.1f}, memory map {mapped:.1f}, table without image {slow:.1f}"
    report("30 days of one symbol: Parquet / store", f"{plain / mine:.1f}×  ({said})", "≥ 1×, goal 2×")
    mine, plain, mapped = in_turn_ms(
        lambda: store.read_field("bench", symbol, "1m", "close"),
        lambda: files.parquet(symbol, None, None, ("close",)),
        lambda: files.raw(symbol, 0, YEARS, (4,)),
        times=7,
    )
    said = f"store {mine:.1f} ms, Parquet {plain:.1f}, memory map {mapped:.1f}"
    report("one column of 2.6 M bars: Parquet / store", f"{plain / mine:.1f}×  ({said})", "≥ 1×, goal 2×")
    mine, plain = in_turn_ms(
        lambda: store.read("bench", symbol, "1m"), lambda: files.parquet(symbol, None, None), times=5
    )
    report("all of 2.6 M bars: Parquet / store", f"{plain / mine:.1f}×  (store {mine:.0f} ms, Parquet {plain:.0f})", "")


def test_space(market: Market, report: Report) -> None:
    raw = len(SYMBOLS) * YEARS * 48
    for symbol in SYMBOLS:
        market.store.read("bench", symbol, "1m", "2020-01-01", "2020-01-02")
    parquet, image = size(market.store.root, "*.parquet"), size(market.store.root, "_image/*")
    plain = size(market.files.folder, "*.parquet") - parquet
    assert 0 < parquet < raw  # a size is no clock: tables that grow beyond raw bars are wrong on any machine
    said = f"{parquet / raw:.2f}  (of {raw / 1e6:.0f} MB; plain Parquet {plain / raw:.2f})"
    report("tables on disk / raw size", said, "≤ 0.45")
    report("images on disk / raw size", f"{image / raw:.2f}", "")


def test_appends(market: Market, report: Report) -> None:
    store, symbol = market.store, SYMBOLS[1]
    more = random_bars(APPENDS * 60, symbol, 77, *TICKS[1], start=YEARS)
    day = random_bars(15 * DAY, SYMBOLS[2], 78, *TICKS[2], start=YEARS)
    parts = iter([day.iloc[i : i + DAY] for i in range(0, len(day), DAY)])
    store.read("bench", SYMBOLS[2], "1m", "2020-01-01", "2020-01-02")
    os.sync()  # what was written before is not the append's to wait for
    taken = median_ms(lambda: store.write("bench", SYMBOLS[2], "1m", next(parts), "append"))
    report("append of a day, durable", f"{taken:.1f} ms", "≤ 25 ms")
    start = START + pd.Timedelta(5 * 365 - 20, "D")
    end = start + pd.Timedelta(30, "D")
    store.read("bench", symbol, "1m", "2020-01-01", "2020-01-02")
    began = time.perf_counter()
    for i in range(0, len(more), 60):
        store.write("bench", symbol, "1m", more.iloc[i : i + 60], "append")
    each = (time.perf_counter() - began) / APPENDS * 1000
    report("append of an hour, 1,000 in a row", f"{each:.1f} ms each", "")
    ours = store.read("bench", symbol, "1m", start, end)
    assert content_hash(ours.loc[more.index[0] :]) == content_hash(more.loc[: ours.index[-1]])
    compact = BarStore(store.root.parent / "compacted")
    compact.write("bench", symbol, "1m", store.read("bench", symbol, "1m"))
    for what, store_call, compact_call in (
        ("30 days", *(lambda s=s: s.read("bench", symbol, "1m", start, end) for s in (store, compact))),
        ("one column", *(lambda s=s: s.read_field("bench", symbol, "1m", "close") for s in (store, compact))),
    ):
        compact_call()
        after, fresh = in_turn_ms(store_call, compact_call)
        said = f"{after / fresh:.2f}×  ({after:.1f} ms, compacted {fresh:.1f})"
        report(f"{what} after 1,000 appends / compacted", said, "≤ 1.5×")
    truth, whole = (BarStore(s.root, image=False) for s in (store, compact))
    calls = [lambda s=s: s.read_field("bench", symbol, "1m", "close") for s in (truth, whole)]
    after, fresh = in_turn_ms(*calls, times=5)
    said = f"{after / fresh:.2f}×  ({after:.0f} ms, compacted {fresh:.0f})"
    report("the same column without image", said, "")


def test_a_day_of_a_hundred_symbols(tmp_path: Path, report: Report) -> None:
    store, files = BarStore(tmp_path / "bars"), Files(tmp_path)
    symbols = [f"S{i:03}/USDT" for i in range(100)]
    for seed, symbol in enumerate(symbols):
        bars = random_bars(120 * DAY, symbol, seed, *TICKS[seed % 5])
        store.write("bench", symbol, "1m", bars)
        files.add(symbol, bars)
    start, end = START + pd.Timedelta(70, "D"), START + pd.Timedelta(71, "D")
    ours = store.read_many("bench", symbols, "1m", start, end)

    def plain() -> pd.DataFrame:
        return pd.concat({s: files.parquet(s, start, end) for s in symbols}, axis=1)

    assert np.array_equal(ours["close"].to_numpy(), plain().xs("close", axis=1, level=1).to_numpy())
    mine, peer = in_turn_ms(lambda: store.read_many("bench", symbols, "1m", start, end), plain, times=5)
    said = f"{peer / mine:.1f}×  (store {mine:.0f} ms, Parquet {peer:.0f})"
    report("one day of 100 symbols: Parquet / store", said, "≥ 5×")
