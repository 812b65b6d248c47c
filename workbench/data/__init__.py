"""Bars: the convention and its door, the store, the sources, import and the quality report."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.data.bars import BAR_FIELDS, bars_of, check_bars, content_hash, symbol_frame, symbols_of
    from workbench.data.dataset import Dataset, available_symbols, load_bars, load_dataset
    from workbench.data.files.barfile import BarFile, read_bar_file
    from workbench.data.files.importing import ImportReport, import_file, import_files
    from workbench.data.inventory import FRESHNESS_RULE, freshness, month_table, source_shares
    from workbench.data.quality.inspecting import inspect_bars
    from workbench.data.quality.months import coverage
    from workbench.data.quality.report import KINDS, QualityReport, quality_report
    from workbench.data.query import sql
    from workbench.data.sources.sample import SAMPLE_SYMBOLS, ingest_sample
    from workbench.data.sources.synthetic import MARKETS, synthetic_market
    from workbench.data.store.barstore import BarStore, open_store
    from workbench.data.store.records import RecordStore, open_records
    from workbench.data.timeframes import infer_timeframe, timeframe_delta

_NAMES = {
    "BAR_FIELDS": "bars",
    "BarFile": "files.barfile",
    "BarStore": "store.barstore",
    "Dataset": "dataset",
    "FRESHNESS_RULE": "inventory",
    "ImportReport": "files.importing",
    "KINDS": "quality.report",
    "MARKETS": "sources.synthetic",
    "QualityReport": "quality.report",
    "RecordStore": "store.records",
    "SAMPLE_SYMBOLS": "sources.sample",
    "available_symbols": "dataset",
    "bars_of": "bars",
    "check_bars": "bars",
    "content_hash": "bars",
    "coverage": "quality.months",
    "freshness": "inventory",
    "import_file": "files.importing",
    "import_files": "files.importing",
    "infer_timeframe": "timeframes",
    "ingest_sample": "sources.sample",
    "inspect_bars": "quality.inspecting",
    "load_bars": "dataset",
    "load_dataset": "dataset",
    "month_table": "inventory",
    "open_records": "store.records",
    "open_store": "store.barstore",
    "quality_report": "quality.report",
    "read_bar_file": "files.barfile",
    "source_shares": "inventory",
    "sql": "query",
    "symbol_frame": "bars",
    "symbols_of": "bars",
    "synthetic_market": "sources.synthetic",
    "timeframe_delta": "timeframes",
}

__all__ = [
    "BAR_FIELDS",
    "FRESHNESS_RULE",
    "KINDS",
    "MARKETS",
    "SAMPLE_SYMBOLS",
    "BarFile",
    "BarStore",
    "Dataset",
    "ImportReport",
    "QualityReport",
    "RecordStore",
    "available_symbols",
    "bars_of",
    "check_bars",
    "content_hash",
    "coverage",
    "freshness",
    "import_file",
    "import_files",
    "infer_timeframe",
    "ingest_sample",
    "inspect_bars",
    "load_bars",
    "load_dataset",
    "month_table",
    "open_records",
    "open_store",
    "quality_report",
    "read_bar_file",
    "source_shares",
    "sql",
    "symbol_frame",
    "symbols_of",
    "synthetic_market",
    "timeframe_delta",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"workbench.data.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'workbench.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
