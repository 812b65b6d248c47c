"""Files of bars into the store: read, set aside what breaks the convention, and report it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workbench.data.bars import bars_of
from workbench.data.files.barfile import BarFile, read_bar_file
from workbench.data.sources.synthetic import MARKETS
from workbench.data.store.barstore import BarStore
from workbench.data.store.names import check_source
from workbench.data.store.writing import Mode
from workbench.errors import DataError


@dataclass(frozen=True)
class ImportedSeries:
    """One series of an import: what the file gave, and the version of the store that holds it."""

    symbol: str
    version: int
    is_new_version: bool
    n_bars: int
    n_set_aside: int
    first: pd.Timestamp
    last: pd.Timestamp


@dataclass(frozen=True, eq=False)
class ImportReport:
    """What an import did with one file."""

    path: Path
    source: str
    timeframe: str
    series: tuple[ImportedSeries, ...]
    findings: pd.DataFrame
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Return one row a series."""
        rows = [
            {"file": self.path.name, "source": self.source, "timeframe": self.timeframe, **vars(s)} for s in self.series
        ]
        return pd.DataFrame(rows)


def import_file(
    path: Path | str, store: BarStore, source: str = "import", symbol: str | None = None,
    timeframe: str | None = None, *, mode: Mode = "merge", date_order: str | None = None,
    price_scale: float | None = None,
) -> ImportReport:  # fmt: skip
    """Import one file of bars; arguments as in `read_bar_file` and `BarStore.write`."""
    return import_files(
        [path], store, source, symbol, timeframe, mode=mode, date_order=date_order, price_scale=price_scale
    )[0]


def import_files(
    paths: Sequence[Path | str], store: BarStore, source: str = "import", symbol: str | None = None,
    timeframe: str | None = None, *, mode: Mode = "merge", date_order: str | None = None,
    price_scale: float | None = None,
) -> list[ImportReport]:  # fmt: skip
    """Import several files. All are read before anything is written: one bad file leaves the store as it was.

    Raises
    ------
    DataError
        When a file is refused, or its bars contradict stored ones of the same source.
    """
    check_source(source)
    if source == "sample" or source in MARKETS:
        raise DataError(f"source {source!r} is built in; import under another name, such as 'import'")
    files = [read_bar_file(p, symbol, timeframe, date_order=date_order, price_scale=price_scale) for p in paths]
    return [_write(file, store, source, mode) for file in files]


def _write(file: BarFile, store: BarStore, source: str, mode: Mode) -> ImportReport:
    done = []
    for symbol in file.symbols:
        frame = file.frames[symbol]
        mine = file.findings[file.findings["symbol"] == symbol]
        before = store.newest_version(source, symbol, file.timeframe)
        version = store.write(source, symbol, file.timeframe, bars_of({symbol: frame}), mode, mine)
        done.append(
            ImportedSeries(
                symbol,
                version,
                version != before,
                len(frame),
                int(mine["set_aside"].sum()),
                frame.index[0],
                frame.index[-1],
            )
        )
    return ImportReport(file.path, source, file.timeframe, tuple(done), file.findings, file.notes)
