"""``workbench data``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from workbench.cli.data_fetch import fetch, venues
from workbench.cli.data_quality import fill, gaps, resample, universe
from workbench.cli.data_repair import repair, verify
from workbench.cli.data_replay import serve_replay
from workbench.cli.data_sql import sql
from workbench.cli.output import plain, print_json, print_table, show
from workbench.config import load_settings
from workbench.errors import ConfigError, WorkbenchError

if TYPE_CHECKING:
    from workbench.data import BarStore, ImportReport

app = App(name="data")
for _verb in (gaps, universe, fill, resample):
    app.command(_verb)
app.command(serve_replay, name="serve-replay")
app.command(fetch)
app.command(venues)
app.command(verify)
app.command(repair)
app.command(sql)
_SHOWN = 20


def _store() -> BarStore:
    from workbench.data import open_store

    return open_store(load_settings())


@app.command(name="import")
def import_(
    *files: Path,
    source: str = "import",
    symbol: str | None = None,
    timeframe: str | None = None,
    date_order: Literal["dmy", "mdy"] | None = None,
    price_scale: float | None = None,
    mode: Literal["merge", "append", "replace"] = "merge",
    json: bool = False,
) -> int:
    """Import CSV, Parquet, Feather or JSON files of bars; exit code 2 when a file was refused, the others are kept.

    Parameters
    ----------
    files
        Files, each with the bars of one symbol (a wide file may hold several); .gz and .zip are opened.
    source
        Name under which the bars are stored.
    symbol
        Symbol such as BTC/USDT; read from the file name when left out.
    timeframe
        Bar length such as 1h; read from the times when left out.
    date_order
        Of dates such as 03/04/2024, when the file itself does not tell: day or month first.
    price_scale
        Multiply prices by this: 0.0001 for a file that stores them as whole ten-thousandths.
    mode
        merge adds bars and refuses contradictions, append only later ones, replace begins the series anew.
    json
        Print one JSON document.
    """
    from workbench.data import import_file

    if not files:
        raise ConfigError("no file named; write 'workbench data import FILE …'")
    store = _store()
    done: list[ImportReport] = []
    refused = []
    for path in files:
        try:
            report = import_file(
                path, store, source, symbol, timeframe, mode=mode, date_order=date_order, price_scale=price_scale
            )
        except WorkbenchError as err:
            line = " ".join(str(err).split())
            refused.append({"file": str(path), "error": line})
            print(f"refused {path}: {line}", file=sys.stderr)
            continue
        done.append(report)
        if not json:
            _say(report)
    if json:
        print_json({"imported": [_plain(r) for r in done], "refused": refused})
    return 2 if refused else 0


def _plain(report: ImportReport) -> dict[str, object]:
    return {
        "file": str(report.path),
        "series": report.frame(),
        "findings": report.findings,
        "notes": list(report.notes),
    }


def _say(report: ImportReport) -> None:
    print_table(report.frame(), f"{report.path}: no bars")
    for note in report.notes:
        print(f"  note: {note}")
    if len(report.findings):
        counts = report.findings["kind"].value_counts()
        print("  found: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()) + "; see 'workbench data check'")


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

    if rows < 1:
        raise ConfigError(f"--rows must be at least 1, got {rows}")
    dataset = load_dataset(source, [symbol], timeframe, start, end, settings=load_settings(), identities="join")
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
    from workbench.data import ingest_sample, load_dataset

    settings = load_settings()
    if symbol is not None:
        load_dataset(source, [symbol], timeframe, settings=settings, identities="join")
    store = _store()
    if source == "sample":
        ingest_sample(store)
    symbols = [symbol] if symbol is not None else list(store.symbols(source, timeframe))
    if not symbols:
        raise ConfigError(f"the store holds no {timeframe} bars of source {source!r}; see 'workbench data list'")
    reports = {name: store.quality(source, name, timeframe) for name in symbols}
    if json:
        print_json([row for report in reports.values() for row in plain(report.findings)])
        return
    for name, report in reports.items():
        row = report.summary.iloc[0]
        span = f"{row['first']:%Y-%m-%d} to {row['last']:%Y-%m-%d}"
        print(f"{name}: {row['bars']} bars, {span}, {row['coverage']:.2%} of the {row['calendar']} calendar")
        print_table(
            report.findings.drop(columns="symbol").head(_SHOWN),
            "  nothing found: no gap, duplicate, outlier, empty bar or OHLC violation",
        )
        if len(report.findings) > _SHOWN:
            print(f"  … and {len(report.findings) - _SHOWN} more; --json lists all")
