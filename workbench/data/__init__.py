"""Bars: the convention and its door, the store, the sources, import and the quality report."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.data.bars import BAR_FIELDS, bars_of, check_bars, content_hash, symbol_frame, symbols_of
    from workbench.data.dataset import Dataset, available_symbols, load_bars, load_dataset
    from workbench.data.fetching.crosscheck import CrossCheck, cross_check
    from workbench.data.fetching.fetch import fetch
    from workbench.data.fetching.known_empty import known_empty
    from workbench.data.fetching.market_cap import fetch_market_cap
    from workbench.data.fetching.records import fetch_records, fetch_reference_bars
    from workbench.data.fetching.report import FetchReport
    from workbench.data.files.barfile import BarFile, read_bar_file
    from workbench.data.files.importing import ImportReport, import_file, import_files
    from workbench.data.quality.gaps import gap_summary, gap_table
    from workbench.data.quality.inspecting import inspect_bars
    from workbench.data.quality.months import coverage
    from workbench.data.quality.outliers import find_outliers
    from workbench.data.quality.repair import apply_repair, plan_repair
    from workbench.data.quality.report import KINDS, QualityReport, quality_report
    from workbench.data.query.inventory import FRESHNESS_RULE, freshness, month_table, source_shares
    from workbench.data.query.sql import sql
    from workbench.data.shaping.information_bars import dollar_bars, imbalance_bars, run_bars, tick_bars, volume_bars
    from workbench.data.shaping.perpetuals import funding_of, import_funding, with_mark
    from workbench.data.shaping.point_in_time import as_known
    from workbench.data.shaping.resampling import align_higher, resample, resample_share
    from workbench.data.sources.sample import SAMPLE_SYMBOLS, ingest_sample
    from workbench.data.sources.synthetic import MARKETS, synthetic_market
    from workbench.data.store.barstore import BarStore, open_store
    from workbench.data.store.records import RecordStore, open_records
    from workbench.data.timeframes import infer_timeframe, timeframe_delta
    from workbench.data.universe.breaks import identity_breaks, split_identities
    from workbench.data.universe.identities import load_identities
    from workbench.data.universe.selecting import membership, universe_at
    from workbench.data.universe.spans import asset_bars, listing_spans
    from workbench.data.venues.catalogue import VENUES
    from workbench.data.venues.coingecko import CoinGecko
    from workbench.data.venues.open import open_venue, venue_states

_NAMES = {
    "BAR_FIELDS": "bars",
    "BarFile": "files.barfile",
    "BarStore": "store.barstore",
    "CoinGecko": "venues.coingecko",
    "CrossCheck": "fetching.crosscheck",
    "Dataset": "dataset",
    "FRESHNESS_RULE": "query.inventory",
    "FetchReport": "fetching.report",
    "ImportReport": "files.importing",
    "KINDS": "quality.report",
    "MARKETS": "sources.synthetic",
    "QualityReport": "quality.report",
    "RecordStore": "store.records",
    "SAMPLE_SYMBOLS": "sources.sample",
    "VENUES": "venues.catalogue",
    "align_higher": "shaping.resampling",
    "apply_repair": "quality.repair",
    "as_known": "shaping.point_in_time",
    "asset_bars": "universe.spans",
    "available_symbols": "dataset",
    "bars_of": "bars",
    "check_bars": "bars",
    "content_hash": "bars",
    "coverage": "quality.months",
    "cross_check": "fetching.crosscheck",
    "dollar_bars": "shaping.information_bars",
    "fetch": "fetching.fetch",
    "fetch_market_cap": "fetching.market_cap",
    "fetch_records": "fetching.records",
    "fetch_reference_bars": "fetching.records",
    "find_outliers": "quality.outliers",
    "freshness": "query.inventory",
    "funding_of": "shaping.perpetuals",
    "gap_summary": "quality.gaps",
    "gap_table": "quality.gaps",
    "identity_breaks": "universe.breaks",
    "imbalance_bars": "shaping.information_bars",
    "import_file": "files.importing",
    "import_files": "files.importing",
    "import_funding": "shaping.perpetuals",
    "infer_timeframe": "timeframes",
    "ingest_sample": "sources.sample",
    "inspect_bars": "quality.inspecting",
    "known_empty": "fetching.known_empty",
    "listing_spans": "universe.spans",
    "load_bars": "dataset",
    "load_dataset": "dataset",
    "load_identities": "universe.identities",
    "membership": "universe.selecting",
    "month_table": "query.inventory",
    "open_records": "store.records",
    "open_store": "store.barstore",
    "open_venue": "venues.open",
    "plan_repair": "quality.repair",
    "quality_report": "quality.report",
    "read_bar_file": "files.barfile",
    "resample": "shaping.resampling",
    "resample_share": "shaping.resampling",
    "run_bars": "shaping.information_bars",
    "source_shares": "query.inventory",
    "split_identities": "universe.breaks",
    "sql": "query.sql",
    "symbol_frame": "bars",
    "symbols_of": "bars",
    "synthetic_market": "sources.synthetic",
    "tick_bars": "shaping.information_bars",
    "timeframe_delta": "timeframes",
    "universe_at": "universe.selecting",
    "venue_states": "venues.open",
    "volume_bars": "shaping.information_bars",
    "with_mark": "shaping.perpetuals",
}

_ROOMS = ("live", "replay", "universe", "venues")
"""Rooms with names of their own: ``wb.data.live.open_stream``."""

__all__ = [
    "BAR_FIELDS",
    "FRESHNESS_RULE",
    "KINDS",
    "MARKETS",
    "SAMPLE_SYMBOLS",
    "VENUES",
    "BarFile",
    "BarStore",
    "CoinGecko",
    "CrossCheck",
    "Dataset",
    "FetchReport",
    "ImportReport",
    "QualityReport",
    "RecordStore",
    "align_higher",
    "apply_repair",
    "as_known",
    "asset_bars",
    "available_symbols",
    "bars_of",
    "check_bars",
    "content_hash",
    "coverage",
    "cross_check",
    "dollar_bars",
    "fetch",
    "fetch_market_cap",
    "fetch_records",
    "fetch_reference_bars",
    "find_outliers",
    "freshness",
    "funding_of",
    "gap_summary",
    "gap_table",
    "identity_breaks",
    "imbalance_bars",
    "import_file",
    "import_files",
    "import_funding",
    "infer_timeframe",
    "ingest_sample",
    "inspect_bars",
    "known_empty",
    "listing_spans",
    "load_bars",
    "load_dataset",
    "load_identities",
    "membership",
    "month_table",
    "open_records",
    "open_store",
    "open_venue",
    "plan_repair",
    "quality_report",
    "read_bar_file",
    "resample",
    "resample_share",
    "run_bars",
    "source_shares",
    "split_identities",
    "sql",
    "symbol_frame",
    "symbols_of",
    "synthetic_market",
    "tick_bars",
    "timeframe_delta",
    "universe_at",
    "venue_states",
    "volume_bars",
    "with_mark",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"workbench.data.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return importlib.import_module(f"workbench.data.{name}")
    raise AttributeError(f"module 'workbench.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])
