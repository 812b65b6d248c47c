"""Bars together with all that is known of their quality: what they hold, and what imports set aside on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from workbench.config import Settings, load_settings, parse_spec
from workbench.data.dataset import load_bars
from workbench.data.quality.report import QualityReport, quality_report
from workbench.data.sources.synthetic import MARKETS
from workbench.data.store.barstore import open_store
from workbench.data.universe.identities import load_identities

if TYPE_CHECKING:
    from workbench.typing import Bars


def inspect_bars(
    source: str, symbols: Sequence[str], timeframe: str, settings: Settings | None = None
) -> tuple[Bars, QualityReport]:
    """Load bars and report their quality, with the findings of the imports behind stored series.

    Raises
    ------
    DataError
        As `load_bars`.
    """
    settings = settings or load_settings()
    bars = load_bars(source, list(symbols), timeframe, settings=settings, identities="join")
    if parse_spec(source).name in MARKETS:
        return bars, quality_report(bars, timeframe)
    store = open_store(settings)
    findings = pd.concat([store.import_findings(source, s, timeframe) for s in symbols], ignore_index=True)
    table = load_identities(settings)
    return bars, quality_report(bars, timeframe, findings=findings, identities=table, source=source)
