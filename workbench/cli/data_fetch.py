"""``workbench data fetch`` and ``workbench data venues``."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from workbench.cli.output import plain, print_json, print_table
from workbench.config import Settings, load_settings
from workbench.errors import ConfigError, DataError, VenueError

if TYPE_CHECKING:
    from workbench.data.fetching.crosscheck import CrossCheck
    from workbench.data.fetching.progress import Progress
    from workbench.data.fetching.records import RecordsReport
    from workbench.data.fetching.report import FetchReport

_NOT_COMPLETE, _STOPPED = 1, 130
_SHOWN = 20
_USAGE = "write 'workbench data fetch binance BTC/USDT 1h --since 2020-01-01'"


def fetch(
    *words: str,
    since: str,
    until: str = "",
    check: str = "",
    trades: bool = False,
    funding: Annotated[bool | None, Parameter(negative="--no-funding")] = None,
    open_interest: bool = False,
    mark: bool = False,
    source: str = "",
    at: str = "",
    again: bool = False,
    json: bool = False,
) -> int:
    """Bring bars from market venues into the store: only what is missing, each bar with its source.

    Exit code 0, or 1 when no venue could be asked to the end (what came is kept) or a check raised the alarm.

    Parameters
    ----------
    words
        VENUES SYMBOL... TIMEFRAME, such as "binance BTC/USDT ETH/USDT 1h". Several venues, "binance,kraken": the next
        goes on when one fails.
    since
        First day or time, UTC.
    until
        Bars before this day or time; now when left out.
    check
        Hold the closes against this venue, or coingecko; an alarm beyond 50 basis points.
    trades
        Public trades too.
    funding
        Funding rates too; always for perpetuals such as BTC/USDT:USDT, unless --no-funding.
    open_interest
        Open interest of perpetuals too.
    mark
        Bars of the mark price of perpetuals too, as the source VENUE-mark.
    source
        Name of the stored series; the first venue when left out.
    at
        Address of a replay venue that stands in for all venues, such as http://127.0.0.1:8787.
    again
        Ask once more where venues have said before that they have no bar.
    json
        Print one JSON document.
    """
    if len(words) < 3:
        raise ConfigError(
            f"fetch needs a venue, a symbol and a time frame, got {' '.join(words) or 'nothing'}; {_USAGE}"
        )
    venues, *symbols, timeframe = words
    order = _Order(load_settings(), venues, symbols, timeframe, since, until, source, at, again)
    order.check_second(check)
    swaps = [s for s in symbols if ":" in s]
    wanted = [("trades", symbols)] if trades else []
    wanted += [("funding", symbols if funding else swaps)] if funding or (funding is None and swaps) else []
    wanted += [("open_interest", symbols)] if open_interest else []
    order.check_records([kind for kind, _ in wanted] + (["mark"] if mark else []))
    try:
        with _progress(len(symbols), quiet=json) as progress:
            report = order.bars(progress)
            marks = order.mark(progress) if mark else None
            records = [r for kind, names in wanted for r in order.records(kind, names, progress)]
            checks, failures = order.checks(check, report, progress)
    except KeyboardInterrupt:
        print("stopped; what was fetched is kept, and the same line goes on where it stopped", file=sys.stderr)
        return _STOPPED
    if json:
        print_json(_document(report, marks, records, checks, failures))
    else:
        _say(report, marks, records, checks, failures)
    sound = report.complete and (marks is None or marks.complete) and all(r.complete for r in records)
    return 0 if sound and not failures and not any(c.alarm for c in checks) else _NOT_COMPLETE


class _Order:
    """What one line asks for."""

    def __init__(
        self, settings: Settings, venues: str, symbols: Sequence[str], timeframe: str, since: str, until: str,
        source: str, at: str, again: bool,
    ) -> None:  # fmt: skip
        from workbench.data.timeframes import timeframe_delta

        timeframe_delta(timeframe)  # the last word: a symbol in its place is told at once
        self.settings, self.venues, self.symbols, self.timeframe = settings, venues, symbols, timeframe
        self.since, self.until, self.source, self.at, self.again = since, until or None, source, at, again

    def check_second(self, against: str) -> None:
        """Refuse a second source that cannot check, before anything is fetched."""
        if against:
            from workbench.data.fetching.crosscheck import check_against

            check_against(against, self.source or self.venues.split(",")[0], self.symbols, self.timeframe,
                          settings=self.settings, at=self.at)  # fmt: skip

    def check_records(self, kinds: Sequence[str]) -> None:
        """Refuse what the first venue never tells, before anything is fetched."""
        from workbench.data.timeframes import canonical_timeframe
        from workbench.data.venues.catalogue import venue_info

        info = venue_info(self.venues.split(",")[0].strip())
        for kind in kinds:
            if kind not in info.has:
                words = "mark price" if kind == "mark" else kind.replace("_", " ")
                raise DataError(f"{info.name} has no {words}; ask a venue with perpetuals, such as binanceusdm")
            if kind == "open_interest":
                info.check_open_interest(canonical_timeframe(self.timeframe))

    def bars(self, progress: Progress) -> FetchReport:
        from workbench.data.fetching.fetch import fetch as fetch_bars

        return fetch_bars(
            self.venues, self.symbols, self.timeframe, self.since, self.until, settings=self.settings,
            progress=progress, at=self.at, source=self.source, again=self.again,
        )  # fmt: skip

    def mark(self, progress: Progress) -> FetchReport:
        from workbench.data.fetching.records import fetch_reference_bars

        return fetch_reference_bars(
            "mark", self.venues, self.symbols, self.timeframe, self.since, self.until, settings=self.settings,
            progress=progress, at=self.at, source=self.source, again=self.again,
        )  # fmt: skip

    def records(self, kind: Any, symbols: Sequence[str], progress: Progress) -> Sequence[RecordsReport]:
        from workbench.data.fetching.records import fetch_records

        return fetch_records(
            kind, self.venues, symbols, self.since, self.until, timeframe=self.timeframe, settings=self.settings,
            progress=progress, at=self.at, source=self.source,
        )  # fmt: skip

    def checks(self, against: str, report: FetchReport, progress: Progress) -> tuple[list[CrossCheck], list[str]]:
        """Return the checks, and one line for each that the second source's failure prevented."""
        from workbench.data.fetching.crosscheck import cross_check

        checks, failures = [], []
        for s in report.series if against else ():
            if not s.n_held:
                continue
            try:
                checks.append(
                    cross_check(
                        s.source, s.symbol, s.timeframe, against, self.since, self.until, settings=self.settings,
                        at=self.at, progress=progress,
                    )
                )  # fmt: skip
            except VenueError as err:
                failures.append(f"{s.symbol} was not checked against {against}: {err}")
        return checks, failures


@contextmanager
def _progress(n_series: int, *, quiet: bool) -> Iterator[Progress]:
    from workbench.data.fetching.progress import Silent, TerminalBar

    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    with TerminalBar(n_series) as bar:
        yield bar


def _say(
    report: FetchReport, marks: FetchReport | None, records: Sequence[RecordsReport], checks: Sequence[CrossCheck],
    failures: Sequence[str],
) -> None:  # fmt: skip
    for part in [report, *([marks] if marks else [])]:
        for line in part.lines():
            if part is report or line not in report.notes:
                print(line)
        periods = part.periods()
        if len(periods) > 1:
            print_table(periods.map(lambda share: "–" if math.isnan(share) else f"{share:.1%}"), "")
        gaps = part.gaps()
        print_table(gaps.head(_SHOWN), "no gap")
        if len(gaps) > _SHOWN:
            print(f"… and {len(gaps) - _SHOWN} more gaps; --json lists all")
    for told in (records, checks, failures):
        for item in told:
            print(item)


def _document(
    report: FetchReport, marks: FetchReport | None, records: Sequence[RecordsReport], checks: Sequence[CrossCheck],
    failures: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    def tables(part: FetchReport) -> dict[str, Any]:
        return {
            "complete": part.complete,
            "series": part.frame(),
            "coverage": part.periods(),
            "gaps": part.gaps(),
            "revisions": part.revisions(),
            "refused": part.refused(),
            "failovers": part.failovers(),
            "notes": [*part.notes, *(note for s in part.series for note in s.notes)],
        }

    document = tables(report)
    document["mark"] = tables(marks) if marks else None
    document["records"] = [vars(r) for r in records]
    document["checks"] = [row for c in checks for row in plain(c.frame())]
    document["failures"] = list(failures)
    return document


def venues(*, json: bool = False) -> None:
    """Show the venues: breaker, ban, budget used, clock skew and last error, as all processes here see them.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    from workbench.data.venues.open import venue_states

    settings = load_settings()
    states = venue_states(settings)
    if json:
        print_json(states)
        return
    if settings.venues_at:
        print(f"a replay venue at {settings.venues_at} stands in for all of them")
    states["budget_used"] = states["budget_used"].map("{:.1%}".format)
    states["clock_skew"] = states["clock_skew"].map(lambda s: "–" if math.isnan(s) else f"{s:+,.2f} s")
    print_table(states, "no venue is known")
