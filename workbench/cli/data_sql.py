"""``workbench data sql``: one query over the store."""

from __future__ import annotations

import sys

from workbench.cli.output import print_json, print_table
from workbench.config import load_settings
from workbench.errors import ConfigError


def sql(query: str = "", *, at: str = "", rows: int = 50, csv: bool = False, json: bool = False) -> None:
    """Run one SQL query over the store: tables bars, series, funding, open_interest, trades and market_cap.

    Parameters
    ----------
    query
        Such as "select symbol, count(*) from bars group by symbol"; read from standard input when left out.
    at
        Read the store as it was at this time, ISO in UTC.
    rows
        So many of the first rows are shown as a table; --csv and --json print all.
    csv
        Print comma-separated values.
    json
        Print one JSON document.
    """
    from workbench.data import sql as run

    if rows < 1:
        raise ConfigError(f"--rows must be at least 1, got {rows}")
    if csv and json:
        raise ConfigError("choose one of --csv and --json")
    if not query and not sys.stdin.isatty():
        query = sys.stdin.read()
    answer = run(query, load_settings(), at=at)
    if csv:
        answer.to_csv(sys.stdout, index=False)
    elif json:
        print_json(answer)
    else:
        print_table(answer.head(rows), f"no rows; columns: {', '.join(map(str, answer.columns))}")
        if len(answer) > rows:
            print(f"… {rows:,} of {len(answer):,} rows; --rows shows more, --csv and --json print all")
