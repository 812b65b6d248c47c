"""Features of bars by spec: `compute`, and the list of what is registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from workbench.errors import ConfigError
from workbench.features.expressions.evaluate import evaluate, evaluate_single
from workbench.features.market import Market
from workbench.features.registry import REGISTRY, Registry
from workbench.features.specs import BoundFeature, FeatureLike, resolve, resolve_all, resolve_each
from workbench.typing import Bars, FloatArray, Panel

if TYPE_CHECKING:
    from workbench.features.cache import FeatureCache

Specs = FeatureLike | Iterable[FeatureLike] | Mapping[str, str]


def compute(
    bars: Bars | Market,
    specs: Specs,
    *,
    timeframe: str | None = None,
    errors: Literal["raise", "collect"] = "raise",
    cache: FeatureCache | None = None,
) -> pd.DataFrame:
    """Compute features.

    Parameters
    ----------
    bars
        Bars by the house's convention, as `workbench.data.check_bars` returns them; or a `Market` made of them, which
        saves looking at them again in each of many calls.
    specs
        Specs such as ``["rsi(14)", "ema(50)@4h", "rank(ret(20))"]``, one spec, registered features, or expressions by
        name, which may use each other: ``{"fast": "ema(12)", "gap": "close / fast - 1"}``.
    timeframe
        Length of the bars such as ``1h``, for specs with a higher time frame; told from the times where left out.
    errors
        ``raise`` the first, or ``collect`` them: what fails is NaN, the rest is computed, and the messages by spec are
        in ``frame.attrs["errors"]``; specs that cannot be read come last.
    cache
        Take from it what it has and keep there what it has not.

    Returns
    -------
    pandas.DataFrame
        Rows as the bars; columns (spec, symbol), the specs as they were written. Row t uses rows up to t.

    Raises
    ------
    ConfigError
        A spec that does not fit the registry, or two that mean the same.
    DataError
        A missing input, or a feature that fails, returns another shape or changes its bars; it is named.

    Notes
    -----
    A symbol's features are computed on its own bars: rows where it does not trade are skipped and stay NaN.
    """
    if errors not in ("raise", "collect"):
        raise ConfigError(f"errors must be 'raise' or 'collect', got {errors!r}")
    market = bars if isinstance(bars, Market) else Market(bars)
    if errors == "collect":
        bound, found = resolve_each(specs)
        refused = list(found)
    else:
        bound, found, refused = resolve_all(specs), {}, []
    base = base_length(market, bound, timeframe)
    collected = found if errors == "collect" else None
    if cache is None:
        frame = _frame(_values(market, bound, base, collected), [b.text for b in bound], market)
    else:
        frame = _through(cache, market, bound, base, collected)
    if refused:
        empty = np.full((len(refused), len(market.symbols), market.n_bars), np.nan)
        frame = pd.concat([frame, _frame(empty, refused, market)], axis=1)
    if market is not bars:
        market.forget()
    if errors == "collect":
        frame.attrs["errors"] = found
    return frame


def run_feature(bars: Bars, spec: FeatureLike, *, timeframe: str | None = None) -> Panel:
    """Compute one feature: a panel, time × symbol."""
    market, bound = Market(bars), resolve(spec)
    values = _values(market, [bound], base_length(market, [bound], timeframe), None)
    market.forget()
    return pd.DataFrame(values[0].T, index=bars.index, columns=market.symbol_index, copy=False)


def _frame(values: FloatArray, texts: list[str], market: Market) -> pd.DataFrame:
    n_specs, n_symbols, n_bars = values.shape
    levels: list[Any] = [pd.Index(texts, dtype=object), market.symbol_index]
    codes: Any = [np.repeat(np.arange(n_specs), n_symbols), np.tile(np.arange(n_symbols), n_specs)]
    columns = pd.MultiIndex(levels=levels, codes=codes, names=["spec", "symbol"], verify_integrity=False)
    return pd.DataFrame(values.reshape(n_specs * n_symbols, n_bars).T, index=market.index, columns=columns, copy=False)


def _through(
    cache: FeatureCache, market: Market, bound: list[BoundFeature], base: int | None, found: dict[str, str] | None
) -> pd.DataFrame:
    """Read what is there, compute and keep the rest; one block of memory a feature, nothing is copied."""
    panels = cache.read(market, bound, base)
    missing = [b for b in bound if b.text not in panels]
    if missing:
        values = _values(market, missing, base, found)
        for one, panel in zip(missing, values, strict=True):
            panels[one.text] = panel
            if not found or one.text not in found:
                cache.write(market, one, base, panel)
    return pd.concat([_frame(panels[b.text][np.newaxis], [b.text], market) for b in bound], axis=1)


def _values(market: Market, bound: list[BoundFeature], base: int | None, found: dict[str, str] | None) -> FloatArray:
    """float64, (n_specs, n_symbols, n_bars)."""
    if len(bound) == 1 and found is None:
        column = evaluate_single(market, bound[0].text, bound[0].node, base)
        if column is not None:
            return column.reshape(1, 1, -1)
    out = np.empty((len(bound), len(market.symbols), market.n_bars))
    failed = None if found is None else lambda k, err: found.__setitem__(bound[k].text, str(err))
    evaluate(market, [(b.text, b.node) for b in bound], out, base=base, failed=failed)
    return out


def base_length(market: Market, bound: list[BoundFeature], timeframe: str | None) -> int | None:
    """Return the length of the bars in nanoseconds where a spec needs it, else None."""
    if not any(b.timeframes for b in bound):
        return None
    from workbench.data.timeframes import infer_timeframe, timeframe_delta

    if timeframe is None and market.n_bars < 2:
        return None
    return int(timeframe_delta(timeframe or infer_timeframe(market.index)).value)


def feature_versions(specs: Specs) -> dict[str, str]:
    """Return what each spec stands for in this process, to be kept with a run or a model and compared later.

    Examples
    --------
    >>> from workbench.features import feature_versions
    >>> list(feature_versions(["rsi"]))
    ['rsi']
    >>> feature_versions(["rsi"])["rsi"].rsplit(" ", 1)[0]
    'rsi(14) v1'
    """
    bound = resolve_all(specs)
    return {b.text: b.version() for b in bound}


def list_features(registry: Registry = REGISTRY) -> pd.DataFrame:
    """Return one row per registered feature, sorted by family and name; warm-up at the default parameters.

    The warm-up is missing where none was declared, or where a parameter must be given.
    """
    rows = [
        {
            "name": f.name,
            "version": f.version,
            "family": f.family,
            "inputs": ", ".join(f.inputs),
            "parameters": ", ".join(map(str, f.parameters)),
            "warmup": None if any(p.required for p in f.parameters) else resolve(f).declared_warmup,
            "recursive": f.recursive,
            "stationary": f.stationary,
            "description": f.description.replace("`", ""),
            "references": "; ".join(f.references),
            "code_hash": f.code_hash,
        }
        for f in registry
    ]
    columns = list(rows[0]) if rows else ["name", "family"]
    return pd.DataFrame(rows, columns=columns).sort_values(["family", "name"], ignore_index=True)
