"""``workbench data verify`` and ``workbench data repair``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from workbench.cli.output import print_json, print_table
from workbench.config import load_settings
from workbench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.data.store.repairing import RepairReport

_HARM = ("foreign", "damaged")


def verify(
    *, source: str | None = None, symbol: str | None = None, timeframe: str | None = None, json: bool = False
) -> int:
    """Look for damage in stored bars and records; exit code 1 when something is damaged or of another program.

    Every file of every version is read and compared with its checksum.

    Parameters
    ----------
    source
        Only series of this source.
    symbol
        Only series of this symbol.
    timeframe
        Only series of bars of this length.
    json
        Print one JSON document.
    """
    found = _verified(source, symbol, timeframe)
    if json:
        print_json(found)
    else:
        print_table(found, "nothing is stored that this names; see 'workbench data list'")
        bad = found[found["status"].isin(_HARM)]
        if len(bad):
            print(f"{len(bad)} of {len(found)} series need 'workbench data repair'")
    return int(found["status"].isin(_HARM).any())


def _verified(source: str | None, symbol: str | None, timeframe: str | None) -> pd.DataFrame:
    import pandas as pd

    from workbench.data import open_records, open_store

    settings = load_settings()
    bars = open_store(settings).verify(source, symbol, timeframe)
    bars = bars.rename(columns={"timeframe": "series"})
    if timeframe is not None:
        return bars
    records = open_records(settings).verify(None, source, symbol).rename(columns={"kind": "series"})
    return pd.concat([bars, records[bars.columns]], ignore_index=True)


def repair(
    symbol: str,
    *,
    source: str,
    timeframe: str | None = None,
    kind: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> int:
    """Repair a damaged series: move what is broken or foreign away and make a version of all that is still whole.

    Nothing is deleted. Says which bars are lost and must be fetched again; exit code 1 when some are.

    Parameters
    ----------
    symbol
        Symbol such as BTC/USDT.
    source
        Source of the series.
    timeframe
        Bar length such as 1h; or name a kind of records.
    kind
        funding, open_interest, trades or market_cap, in the place of bars.
    yes
        Do not ask.
    json
        Print one JSON document; needs --yes.
    """
    if (timeframe is None) == (kind is None):
        raise ConfigError("name one series: --timeframe of bars, or --kind of records")
    if json and not yes:
        raise ConfigError("--json cannot ask; add --yes")
    if not yes and not _confirmed(f"Repair {symbol} {timeframe or kind} ({source})?"):
        print("nothing was done")
        return 0
    report = _repaired(symbol, source, timeframe, kind)
    if json:
        print_json(
            {
                "series": report.series,
                "version": report.version,
                "quarantine": report.quarantine,
                "moved": report.moved,
                "given_up": report.given_up,
                "recovered": report.recovered,
                "lost": report.lost,
            }
        )
    else:
        print("\n".join(report.lines()))
    return int(len(report.lost) > 0)


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("repair asks first, and nobody is there to answer; add --yes")
    return input(f"{question} Damaged files move to data/bars/_quarantine. [y/N] ").strip().lower() in ("y", "yes")


def _repaired(symbol: str, source: str, timeframe: str | None, kind: str | None) -> RepairReport:
    from workbench.data import open_records, open_store

    settings = load_settings()
    if kind is not None:
        return open_records(settings).repair(kind, source, symbol)
    return open_store(settings).repair(source, symbol, str(timeframe))
