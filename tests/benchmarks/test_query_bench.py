"""Queries over the store beside DuckDB over plain Parquet files of the same bars, both in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings, load_settings
from workbench.data import bars_of, open_store, sql

pytestmark = pytest.mark.benchmark
Report = Callable[[str, str, str], None]
LONG, ROWS = 5, 2_600_000
MANY, FEW_ROWS = 100, 50_000
MONTHS = (
    "select {name} as s, date_trunc('month', time) as m, avg(close) as c, sum(volume) as v from {rows} group by all"
)


def minutes(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-3, n))), 2)
    times = pd.date_range("2020-01-01", periods=n, freq="min", tz="UTC", name="time")
    flat = {"open": close, "high": close + 0.05, "low": close, "close": close}
    return pd.DataFrame({**flat, "volume": np.round(rng.exponential(10, n), 3)}, index=times)


def milliseconds(run: Callable[[], Any], turns: int = 5) -> float:
    """Return the median time of some runs after one that warms up."""
    spans = []
    for _ in range(turns + 1):
        began = time.perf_counter()
        run()
        spans.append(1000 * (time.perf_counter() - began))
    return statistics.median(spans[1:])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    """A store of 5 long and 100 short series, and one plain Parquet file for each."""
    folder = tmp_path_factory.mktemp("query")
    settings = load_settings({"WORKBENCH_HOME": str(folder)})
    store = open_store(settings)
    for source, count, n in (("long", LONG, ROWS), ("many", MANY, FEW_ROWS)):
        (folder / source).mkdir()
        for number in range(count):
            symbol, flat = f"S{number:03d}", minutes(number, n)
            store.write(source, symbol, "1m", bars_of({symbol: flat}))
            path = folder / source / f"{symbol}.parquet"
            flat.reset_index().to_parquet(path, compression="zstd", row_group_size=65_536)
    return settings, folder


def plain(query: str) -> pd.DataFrame:
    """Ask DuckDB itself, with its own Parquet reader."""
    import duckdb

    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.sql(query).to_arrow_table().to_pandas()


def compare(report: Report, what: str, target: str, ours: Callable[[], Any], peer: Callable[[], Any]) -> None:
    mine, theirs = milliseconds(ours), milliseconds(peer)
    report(what, f"{mine:.0f} ms, DuckDB on Parquet {theirs:.0f} ms: {mine / theirs:.2f} x", target)


def test_months_of_five_long_series(stored: tuple[Settings, Path], report: Report) -> None:
    settings, folder = stored
    mine = MONTHS.format(name="symbol", rows="bars where source = 'long'")
    files = MONTHS.format(name="filename", rows=f"read_parquet('{folder}/long/*.parquet', filename=true)")
    ours, theirs = (f.sort_values(["s", "m"]).reset_index(drop=True) for f in (sql(mine, settings), plain(files)))
    np.testing.assert_allclose(ours[["c", "v"]], theirs[["c", "v"]], rtol=1e-12)
    compare(
        report, f"group by month, {LONG} x {ROWS:,} bars", "measured", lambda: sql(mine, settings), lambda: plain(files)
    )


def test_a_month_of_one_of_a_hundred_series(stored: tuple[Settings, Path], report: Report) -> None:
    settings, folder = stored
    bars = "select time, close from {} where time >= '2020-01-05' and time < '2020-01-25'"
    mine = bars.format("bars") + " and source = 'many' and symbol = 'S017'"
    one = bars.format(f"'{folder}/many/S017.parquet'")
    every = (
        bars.format(f"read_parquet('{folder}/many/*.parquet', filename=true)") + " and filename like '%S017.parquet'"
    )
    assert len(sql(mine, settings)) == len(plain(one)) == len(plain(every)) == 20 * 1440
    for what, peer in (("its file", one), ("all files", every)):
        name = f"20 days of one of {MANY} series, the peer is told {what}"
        compare(report, name, "measured", lambda: sql(mine, settings), lambda peer=peer: plain(peer))


def test_a_day_across_a_hundred_series(stored: tuple[Settings, Path], report: Report) -> None:
    settings, folder = stored
    sums = "select {}, sum(volume) as v from {} where time >= '2020-01-20' and time < '2020-01-21' {} group by 1"
    mine = sums.format("symbol", "bars", "and source = 'many'")
    files = sums.format("filename", f"read_parquet('{folder}/many/*.parquet', filename=true)", "")
    assert len(sql(mine, settings)) == len(plain(files)) == MANY
    compare(report, f"a day of {MANY} series, summed", "measured", lambda: sql(mine, settings), lambda: plain(files))
