"""``workbench data``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from workbench.cli.output import print_json, print_table, show
from workbench.config import load_settings

if TYPE_CHECKING:
    from workbench.data import BarStore

app = App(name="data")


def _store() -> BarStore:
    from workbench.data import open_store

    return open_store(load_settings())


@app.command(name="import")
def import_(
    *files: Path, source: str = "import", symbol: str | None = None, timeframe: str | None = None, json: bool = False
) -> int:
    """Import CSV, Parquet, Feather or JSON files of bars; exit code 2 when a file was refused, the others are kept.

    Parameters
    ----------
    files
        Files, each with the bars of one symbol (a wide file may hold several).
    source
        Name under which the bars are stored.
    symbol
        Symbol such as BTC/USDT; read from the file name when left out.
    timeframe
        Bar length such as 1h; read from the times when left out.
    json
        Print one JSON document.
    """
    import sys

    from workbench.data import import_file
    from workbench.errors import ConfigError, WorkbenchError

    if not files:
        raise ConfigError("no file named; write 'workbench data import FILE …'")
    store, done, refused = _store(), [], []
    for path in files:
        try:
            report = import_file(path, store, source=source, symbol=symbol, timeframe=timeframe)
        except WorkbenchError as err:
            refused.append({"file": str(path), "error": str(err)})
            print(f"refused {path}: {' '.join(str(err).split())}", file=sys.stderr)
            continue
        done.append(report.to_dict())
        if not json:
            print(report)
    if json:
        print_json({"imported": done, "refused": refused})
    return 2 if refused else 0


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List the series in the store: bars, span, version and size.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    show(
        _store().list(),
        as_json=json,
        empty="the store is empty; 'workbench nightly' brings the sample in, 'workbench data import FILE' yours",
    )


@app.command(name="show")
def show_(
    symbol: str,
    *,
    source: str = "sample",
    timeframe: str = "1d",
    start: str = "",
    end: str = "",
    rows: int = 10,
    json: bool = False,
) -> None:
    """Show the latest bars of one symbol, with the version and content hash they were read at.

    Parameters
    ----------
    symbol
        Symbol such as SPX or BTC/USDT.
    source
        sample, import, or a synthetic market such as "planted(seed=7)".
    timeframe
        Bar length.
    start
        First bar, ISO date in UTC.
    end
        Bars before this ISO date in UTC.
    rows
        So many of the latest bars.
    json
        Print one JSON document.
    """
    from workbench.data import load_dataset, symbol_frame

    dataset = load_dataset(source, [symbol], timeframe, start, end, settings=load_settings())
    frame = symbol_frame(dataset.bars, symbol).tail(rows)
    if json:
        print_json(
            {
                "name": dataset.name,
                "version": dataset.version,
                "content_hash": dataset.content_hash,
                "n_bars": len(dataset.bars),
                "bars": frame,
            }
        )
        return
    print(f"{dataset.name}  version {dataset.version}  content {dataset.content_hash[:16]}  {len(dataset.bars)} bars")
    print_table(frame, "no bars")


@app.command
def check(symbol: str | None = None, *, source: str = "sample", timeframe: str = "1d", json: bool = False) -> None:
    """Report the quality of stored bars: gaps, duplicates, outliers, zero volume, OHLC violations, bars set aside.

    Parameters
    ----------
    symbol
        One symbol; all of the source when left out.
    source
        Source of the series.
    timeframe
        Bar length.
    json
        Print one JSON document.
    """
    from workbench.data import load_dataset, stored_quality

    settings = load_settings()
    if symbol is not None:
        load_dataset(source, [symbol], timeframe, settings=settings)
    findings = stored_quality(_store(), source, timeframe, symbol)
    show(findings, as_json=json, empty="nothing found: no gap, duplicate, outlier, empty bar or OHLC violation")
