"""One verb to get bars, from the sample, the store or a synthetic market, with the version and hash of what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.config import Settings, did_you_mean, load_settings, parse_spec
from workbench.data.bars import bars_of, check_bars, content_hash, series_hash, symbol_frame, symbols_of
from workbench.data.sources.sample import SAMPLE_SYMBOLS, SAMPLE_TIMEFRAME, ingest_sample
from workbench.data.sources.synthetic import MARKET_VERSION, MARKETS, canonical_market, synthetic_market
from workbench.data.store.barstore import BarStore, open_store
from workbench.data.store.names import check_symbol
from workbench.data.timeframes import canonical_timeframe, utc_range
from workbench.data.universe.breaks import Choice, apply_identities
from workbench.data.universe.identities import load_identities
from workbench.errors import ConfigError, DataError
from workbench.typing import Bars


@dataclass(frozen=True, eq=False)
class Dataset:
    """Bars, and what names them.

    Attributes
    ----------
    bars : DataFrame
        n_bars × (field, symbol).
    name : str
        ``source:timeframe:SYM1+SYM2``: the series, whatever its range; the trials ledger counts by it.
    version : str
        Version of the store (``"3"``, with several symbols ``"AAPL@1+IBM@2"``) or of the synthetic market.
    content_hash : str
        SHA-256 of exactly these bars (`workbench.data.content_hash`).
    """

    bars: Bars
    name: str
    source: str
    symbols: tuple[str, ...]
    timeframe: str
    version: str
    content_hash: str

    @property
    def series_hash(self) -> str:
        """Name-free hash of the prices: equal for the same bars under another source or symbol (64 hex digits)."""
        return series_hash(self.bars)


def load_dataset(
    source: str, symbols: Sequence[str] | str, timeframe: str = "1d", start: object = None, end: object = None,
    version: str | int | None = None, settings: Settings | None = None, *, identities: Choice = "refuse",
) -> Dataset:  # fmt: skip
    """Load bars with ``start <= time < end`` of one or more symbols, and what names them.

    Times of several symbols are joined; where one does not trade, it is NaN.

    Parameters
    ----------
    source : str
        ``sample``, a stored source such as ``import``, or a synthetic market such as ``planted(strength=0.7, seed=7)``.
    symbols : sequence of str
        Their order does not matter: the columns are sorted.
    start, end : str or Timestamp, optional
        UTC; empty text is ``None``.
    version : str or int, optional
        What `Dataset.version` says, to read the same bars again; ``None`` is the newest.
    settings : Settings, optional
        Default: those of the environment.
    identities : {"refuse", "split", "join"}
        What to do where a stored symbol is known to be two assets in the range (`workbench.data.identity_breaks`):
        refuse to load it, give each asset its column, or return the bars as stored, for looking at them only.

    Raises
    ------
    DataError, ConfigError
        When the source, a symbol, the time frame or the version does not exist, no bar lies in the range, or a symbol
        is two assets.
    """
    names = _symbols(symbols)
    length = canonical_timeframe(timeframe)
    try:
        spec = parse_spec(source)
    except ConfigError as err:
        raise DataError(
            f"source {source!r} is not a name such as 'sample' or a market such as 'gbm(seed=1)' ({err})"
        ) from None
    if spec.name in MARKETS:
        source = canonical_market(spec)
        bars, told = _synthetic(source, names, length, start, end, version)
    else:
        settings = settings or load_settings()
        bars, told = _stored(open_store(settings), source, names, length, start, end, version)
        bars = apply_identities(bars, source, load_identities(settings), identities)
    name = f"{source}:{length}:{'+'.join(names)}"
    return Dataset(check_bars(bars), name, source, symbols_of(bars), length, told, content_hash(bars))


def load_bars(
    source: str, symbols: Sequence[str] | str, timeframe: str = "1d", start: object = None, end: object = None,
    version: str | int | None = None, settings: Settings | None = None, *, identities: Choice = "refuse",
) -> Bars:  # fmt: skip
    """Return the bars of `load_dataset` alone."""
    return load_dataset(source, symbols, timeframe, start, end, version, settings, identities=identities).bars


def available_symbols(source: str, timeframe: str, settings: Settings | None = None) -> tuple[str, ...]:
    """Return the symbols that a source offers at a time frame; a synthetic market takes any name and offers ``SYN``."""
    name = parse_spec(source).name
    if name in MARKETS:
        return ("SYN",)
    if name == "sample":
        return SAMPLE_SYMBOLS if canonical_timeframe(timeframe) == SAMPLE_TIMEFRAME else ()
    return open_store(settings or load_settings()).symbols(source, timeframe)


def _symbols(symbols: Sequence[str] | str) -> tuple[str, ...]:
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    if not names:
        raise DataError("no symbol is named; give at least one, such as ['SPX']")
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise DataError(f"symbol {twice[0]!r} is named twice; name it once")
    return tuple(sorted(check_symbol(n) for n in names))


def _synthetic(
    spec: str, symbols: tuple[str, ...], timeframe: str, start: object, end: object, version: str | int | None
) -> tuple[Bars, str]:
    first, last = utc_range(start, end)
    bars, _ = synthetic_market(spec, symbols, timeframe)
    told = f"synthetic-{MARKET_VERSION}"
    if version is not None and str(version) != told:
        raise DataError(f"{spec} was drawn by {version!r}; this workbench has {told!r}, whose bars differ")
    chosen = bars.loc[slice(first, None if last is None else last - pd.Timedelta(1, unit="us"))]
    if chosen.empty:
        span = f"{bars.index[0]:%Y-%m-%d %H:%M} to {bars.index[-1]:%Y-%m-%d %H:%M}"
        raise DataError(
            f"{spec} at {timeframe} has no bar from {start or 'the start'} to {end or 'the end'}; it holds {span}"
        )
    return chosen, told


def _stored(
    store: BarStore,
    source: str,
    symbols: tuple[str, ...],
    timeframe: str,
    start: object,
    end: object,
    version: str | int | None,
) -> tuple[Bars, str]:
    if source == "sample":
        if timeframe != SAMPLE_TIMEFRAME:
            raise DataError(
                f"source 'sample' holds daily bars ('1d'), not {timeframe!r}; import bars or use a synthetic market"
            )
        ingest_sample(store, symbols)
    elif source not in store.sources():
        known = ["sample", *MARKETS, *store.sources()]
        raise DataError(f"unknown source {source!r}.{did_you_mean(source, known)}")
    versions = _versions(version, symbols)
    read = {s: store.read_version(source, s, timeframe, start, end, versions[s]) for s in symbols}
    told = {s: str(number) for s, (_, number) in read.items()}
    joined = bars_of({s: symbol_frame(bars, s) for s, (bars, _) in read.items()})
    return joined, told[symbols[0]] if len(symbols) == 1 else "+".join(f"{s}@{told[s]}" for s in symbols)


def _versions(version: str | int | None, symbols: tuple[str, ...]) -> dict[str, int | None]:
    if version is None or version == "":
        return dict.fromkeys(symbols)
    text = str(version)
    parts = dict(p.rpartition("@")[::2] for p in text.split("+")) if "@" in text else dict.fromkeys(symbols, text)
    if set(parts) != set(symbols) or not all(p.isdigit() for p in parts.values()):
        wanted = "a number" if len(symbols) == 1 else f"of the form {'+'.join(f'{s}@1' for s in symbols)}"
        raise DataError(f"version {version!r} does not fit the symbols {', '.join(symbols)}; it must be {wanted}")
    return {s: int(p) for s, p in parts.items()}
