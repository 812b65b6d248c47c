"""``workbench features``: what there is, what one of them is, whether they look ahead, and how alike they are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from workbench.cli.output import print_json, print_table, show
from workbench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.features import FeatureCheck

app = App(name="features")
_TRIAL = "regimes(seed={seed}, n_bars={n_bars})"


@app.command(name="list")
def list_(*, family: str | None = None, sets: bool = False, operators: bool = False, json: bool = False) -> None:
    """List the registered features with family, parameters and warm-up.

    Parameters
    ----------
    family
        Only this family, such as momentum or structure.
    sets
        List the feature sets instead, with version and checksum.
    operators
        List the operators of expressions instead.
    json
        Print one JSON document.
    """
    if sets and operators:
        raise ConfigError("--sets and --operators ask for two lists; give one of them")
    if sets:
        show(_sets(), as_json=json)
    elif operators:
        show(_operators(), as_json=json)
    else:
        table = _features(family)
        show(table if json else table[["family", "name", "parameters", "warmup", "description"]], as_json=json)
        if not json:
            families = table["family"].nunique()
            print(f"\n{len(table)} features in {families} families; workbench features show NAME tells more")


@app.command(name="show")
def show_(spec: str, *, json: bool = False) -> None:
    """Tell everything about a feature, an expression, an operator or a feature set.

    Parameters
    ----------
    spec
        Such as rsi, 'ema(50)@4h', 'rank(rsi(14))', corr or classic31.
    json
        Print one JSON document.
    """
    from workbench.cli.featureview import describe

    title, facts, text = describe(spec)
    if json:
        print_json({"title": title, **facts, "text": text})
        return
    print(title)
    width = max(map(len, facts))
    for key, value in facts.items():
        print(f"  {key.ljust(width)}  {', '.join(map(str, value)) if isinstance(value, list) else value}")
    if text:
        print("\n" + "\n".join(f"  {line}".rstrip() for line in text.splitlines()))


@app.command
def check(
    module: Path | None = None,
    *,
    symbols: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)] = None,
    seed: int = 0,
    bars: int = 480,
    json: bool = False,
) -> int:
    """Prove that features do not look ahead, keep their warm-up and give the same bar by bar; exit code 1 when not.

    Without a module, all registered features are checked on a seeded market. With one, only those that it registers,
    and the future is cut off at every single bar. One line a feature: ``name: ok`` or ``name: LookAheadError: ...``.

    Parameters
    ----------
    module
        A Python file or a notebook that registers features with @indicator or @feature.
    symbols
        Names of the market's two or more symbols, for features that look at certain ones; A and B where left out.
    seed
        Seed of the market and of the random cuts.
    bars
        Length of the market.
    json
        Print one JSON document.
    """
    from workbench.features import check_all, load_features

    if not 100 <= bars <= 100_000:
        raise ConfigError(f"--bars must be between 100 and 100000, got {bars}; leave it at 480")
    names = None if module is None else load_features(module)
    chosen = symbols or ["A", "B"]
    if len(chosen) < 2:
        raise ConfigError(f"--symbols names {len(chosen)}, at least two are needed: one lists late and has holes")
    market = _trial_market(chosen, seed, bars if module is not None else max(bars, 700))
    results = check_all(
        market,
        seed=seed,
        names=names,
        cuts=16 if module is None else "all",
        progress=_progress("checking", quiet=json),
        reload=None if module is None else lambda: load_features(module),
    )
    return _print_verdicts(results, json)


@app.command
def compare(
    specs: Annotated[list[str], Parameter(negative=())],
    *,
    source: str = "sample",
    symbols: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)] = None,
    timeframe: str = "1d",
    horizon: int = 5,
    json: bool = False,
) -> None:
    """Compare features by rank correlation, information and turnover; or two feature sets by what is in them.

    Parameters
    ----------
    specs
        Two or more features or expressions; or exactly two feature sets.
    source
        Where the bars come from: sample, a stored source, or a synthetic market.
    symbols
        Symbols; the sample's SPX where left out.
    timeframe
        Bar length.
    horizon
        Bars ahead of the return that information is measured against.
    json
        Print one JSON document.
    """
    from workbench.cli.featureview import compare_features, compare_sets
    from workbench.features import SETS

    if len(specs) == 2 and all(s in SETS for s in specs):
        show(compare_sets(*specs), as_json=json, empty="both sets hold the same features")
        return
    overview, correlations = compare_features(specs, source, symbols or ["SPX"], timeframe, horizon)
    if json:
        print_json({"features": overview, "correlations": correlations.reset_index(names="feature")})
        return
    print_table(overview, "nothing to compare")
    print("\nRank correlations")
    print_table(correlations.reset_index(names="feature"), "nothing to compare")


@app.command
def cache(*, clear: bool = False, json: bool = False) -> None:
    """Show what the cache of computed features holds and how often it had what was asked for.

    Parameters
    ----------
    clear
        Delete its entries.
    json
        Print one JSON document.
    """
    from workbench.config import load_settings
    from workbench.features import FeatureCache

    kept = FeatureCache(load_settings().features_dir)
    removed = kept.clear() if clear else 0
    stats = kept.stats()
    facts = {
        "folder": kept.folder, "entries": stats.entries, "bytes": stats.bytes, "hits": stats.hits,
        "misses": stats.misses, "hit_rate": stats.hit_rate,
    }  # fmt: skip
    if json:
        print_json(facts | ({"removed": removed} if clear else {}))
        return
    if clear:
        print(f"{removed} entries removed")
    print(f"{stats.entries} entries, {stats.bytes / 1e6:,.1f} MB in {kept.folder}")
    print(f"{stats.hits} of {stats.hits + stats.misses} features asked for were there: hit rate {stats.hit_rate:.0%}")


def _features(family: str | None) -> pd.DataFrame:
    from workbench.config import did_you_mean
    from workbench.features import list_features

    table = list_features()
    if family is None:
        return table
    known = table["family"].unique().tolist()
    if family not in known:
        raise ConfigError(f"there is no family {family!r}.{did_you_mean(family, known)}")
    return table[table["family"] == family].reset_index(drop=True)


def _sets() -> pd.DataFrame:
    import pandas as pd

    from workbench.features import SETS

    rows = [
        {"name": s.name, "version": s.version, "features": len(s), "checksum": s.checksum, "description": s.description}
        for s in SETS
    ]
    return pd.DataFrame(rows)


def _operators() -> pd.DataFrame:
    import pandas as pd

    from workbench.features.expressions import OPERATORS

    rows = [
        {
            "write": o.usage,
            "also": ", ".join(o.aliases),
            "looks": "across symbols" if o.cross else "back" if o.looks_back else "at one bar",
            "description": o.description,
        }
        for o in OPERATORS
    ]
    return pd.DataFrame(rows)


def _trial_market(symbols: list[str], seed: int, n_bars: int) -> pd.DataFrame:
    """Symbols of which the last lists late and has holes, and what perpetuals have beside their bars.

    It begins on a Monday, and a month, a quarter and a year end within it: some leaks show only there.
    """
    import numpy as np
    import pandas as pd

    from workbench.data import load_bars

    market = load_bars(_TRIAL.format(seed=seed, n_bars=n_bars), symbols, "1h")
    market.index = market.index + (pd.Timestamp("2019-12-16", tz="UTC") - market.index[0])
    rng = np.random.default_rng(seed)
    due = pd.DatetimeIndex(market.index).hour % 8 == 0
    extra: dict[tuple[str, str], Any] = {}
    for symbol in symbols:
        apart = rng.normal(0, 1e-3, n_bars)
        extra["funding_rate", symbol] = np.where(due, rng.normal(0, 1e-4, n_bars), 0.0)
        extra["basis", symbol] = apart
        extra["mark", symbol] = market["close"][symbol].to_numpy() / (1 + apart)
        extra["open_interest", symbol] = rng.lognormal(10, 0.1, n_bars)
    more = pd.DataFrame(extra, index=market.index)
    whole = pd.concat(
        [market, more.set_axis(pd.MultiIndex.from_tuples(extra, names=market.columns.names), axis=1)], axis=1
    )
    holes = rng.integers(60, n_bars - 30, n_bars // 25)
    late = np.zeros(n_bars, bool)
    late[:37], late[holes] = True, True
    return whole.mask(np.outer(late, whole.columns.get_level_values(1) == symbols[-1]))


def _progress(what: str, *, quiet: bool) -> Callable[[float], None]:
    shown = sys.stderr.isatty() and not quiet

    def tell(share: float) -> None:
        if shown:
            end = "\r\033[K" if share >= 1 else ""
            print(f"\r{what} {share:4.0%}{end}", end="", file=sys.stderr, flush=True)

    return tell


def _print_verdicts(results: list[FeatureCheck], json: bool) -> int:
    if json:
        print_json([{"feature": name, "ok": ok, "message": message} for name, ok, message in results])
    else:
        for name, ok, message in results:
            print(f"{name}: ok" if ok else f"{name}: {message}")
    return 0 if all(ok for _, ok, _ in results) else 1
