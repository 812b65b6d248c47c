"""``workbench data gaps | universe | fill | resample``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workbench.cli.output import print_json, print_table, show
from workbench.config import load_settings
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from workbench.data.quality.repair import RepairPlan

_SHOWN = 30


def gaps(*symbols: str, source: str = "import", timeframe: str = "1h", edges: bool = False, json: bool = False) -> None:
    """List the gaps of stored bars, each with its cause and the evidence for it; nothing is filled.

    Parameters
    ----------
    symbols
        Such as BTC/USDT; all of the source when left out. The others bear witness in any case.
    source
        Source of the series.
    timeframe
        Bar length.
    edges
        Also the time before a series' first bar and after its last one.
    json
        Print one JSON document.
    """
    from workbench.data import open_store
    from workbench.data.quality.gaps import gap_summary, gap_table

    settings = load_settings()
    table = gap_table(open_store(settings), source, timeframe, list(symbols) or None, edges=edges, settings=settings)
    if json:
        print_json(table)
        return
    if table.empty:
        print(f"no gap: the {timeframe} bars of {', '.join(symbols) or source} are all there")
        return
    print_table(table.drop(columns=["others", "others_missing"]).head(_SHOWN), "")
    if len(table) > _SHOWN:
        print(f"… and {len(table) - _SHOWN} more; --json lists all")
    print_table(gap_summary(table), "")


def universe(
    *,
    date: str,
    source: str = "import",
    timeframe: str = "1d",
    top: int = 30,
    by: Literal["quote_volume", "volume"] = "quote_volume",
    window: str = "30d",
    json: bool = False,
) -> None:
    """Show what traded most at a past date, as it was known then: coins that died later are in.

    Parameters
    ----------
    date
        UTC, such as 2021-06-01.
    source
        Source of the series.
    timeframe
        Bar length.
    top
        So many symbols at most.
    by
        quote_volume or volume.
    window
        Over so long before the date.
    json
        Print one JSON document.
    """
    from workbench.data import open_store
    from workbench.data.universe.identities import load_identities
    from workbench.data.universe.selecting import universe_at

    settings = load_settings()
    table = load_identities(settings)
    found = universe_at(open_store(settings), source, timeframe, date, top, by, window, table)
    show(found, as_json=json, empty="nothing traded then")


def fill(
    symbol: str,
    *,
    source: str = "import",
    timeframe: str = "1h",
    from_: str = "",
    from_symbol: str = "",
    flat: bool = False,
    start: str = "",
    end: str = "",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Mend gaps and bad prints from a second source, after showing what would be done. Mended bars are flagged.

    Parameters
    ----------
    symbol
        Such as BTC/USDT.
    source
        Source of the series.
    timeframe
        Bar length.
    from_
        Stored source whose bars fill in.
    from_symbol
        Its symbol there; the same when left out.
    flat
        Carry the last close on with volume 0 instead.
    start
        Only from this ISO date in UTC on.
    end
        Only before this ISO date in UTC.
    yes
        Write it; without it the plan is only shown.
    json
        Print one JSON document.
    """
    from workbench.data import open_store
    from workbench.data.quality.repair import apply_repair, plan_repair

    if bool(from_) == flat:
        raise ConfigError("name one way to mend: '--from SOURCE' or '--flat'")
    settings = load_settings()
    plan = plan_repair(
        open_store(settings), source, symbol, timeframe, from_source=from_ or None,
        method="flat" if flat else "second_source", from_symbol=from_symbol or None, start=start, end=end,
        settings=settings,
    )  # fmt: skip
    version = apply_repair(plan) if yes else None
    if json:
        print_json({"changes": plan.changes, "left": plan.left, "version": version, "written": version is not None})
        return
    _say(plan)
    if plan.empty:
        return
    if version is None:
        print("nothing is written; say --yes to write it")
    else:
        print(f"written as version {version}, each bar flagged as repaired; version {plan.version} stays readable")


def _say(plan: RepairPlan) -> None:
    counts = plan.changes["action"].value_counts()
    print(
        f"{plan.symbol} {plan.timeframe} of {plan.source!r}, version {plan.version}: "
        f"{counts.get('add', 0)} bar(s) to add, {counts.get('replace', 0)} to replace"
    )
    print_table(plan.changes.head(_SHOWN), "nothing to mend")
    if len(plan.changes) > _SHOWN:
        print(f"… and {len(plan.changes) - _SHOWN} more; --json lists all")
    if len(plan.left):
        print("stays as it is:")
        print_table(plan.left.head(_SHOWN), "")


def resample(
    symbol: str, *, source: str = "import", from_: str, to: str, min_share: float = 0.0, json: bool = False
) -> None:
    """Make bars of a higher time frame of stored ones and keep them under the same source.

    Parameters
    ----------
    symbol
        Such as BTC/USDT.
    source
        Source of the series.
    from_
        Bar length of the stored bars, such as 5m.
    to
        Bar length to make, a multiple of it, such as 1h.
    min_share
        Leave out bars made of a smaller share of the expected ones.
    json
        Print one JSON document.
    """
    from workbench.data import open_store
    from workbench.data.shaping.resample_stored import resample_stored

    done = resample_stored(open_store(load_settings()), source, symbol, from_, to, min_share=min_share)
    if json:
        print_json({"symbol": symbol, "source": source, "timeframe": to, **vars(done)})
        return
    print(
        f"{symbol} {to} ({source}): {done.bars} bars made of {from_} bars (version {done.from_version}), "
        f"kept as version {done.version}; {done.with_holes} made with bars missing"
    )
