"""Pictures of tables: a frame goes in, an hvplot/HoloViews object (or a Bokeh figure for candles) comes out.

Nothing here keeps state or computes a result of its own beyond what is drawn. Every function opens its library
when it is called, so importing the room costs nothing. Colours come from `workbench.charts.theme`; a page or a
report changes them for dark and light with the CSS of `theme_css`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.charts.calendar import monthly_table
    from workbench.charts.candlerows import (
        candle_legend,
        candle_rows,
        latest_window,
        of_symbol,
        one_symbol,
        source_data,
    )
    from workbench.charts.candles import CandleFigure, candle_figure, candles_chart
    from workbench.charts.events import ChartEvents, chart_events
    from workbench.charts.exposure import costs_chart, exposure_chart
    from workbench.charts.factor import coefficient_chart, distribution_chart, drift_chart, quantile_chart
    from workbench.charts.factors import (
        correlation_map,
        decay_chart,
        importance_chart,
        leading_features,
        quantile_map,
        running_coefficient_chart,
    )
    from workbench.charts.factortables import drift_table, factor_table, importance_table, refused_table
    from workbench.charts.figure import preload
    from workbench.charts.folds import folds_chart
    from workbench.charts.holdings import coverage_chart, shares_chart
    from workbench.charts.learning import probability_chart, reliability_chart, training_chart, training_detail_chart
    from workbench.charts.lines import drawdown_chart, equity_chart, rolling_risk_chart
    from workbench.charts.market import price_chart
    from workbench.charts.overlays import Overlays
    from workbench.charts.render import enable_notebook, html_fragment, html_page, to_bokeh
    from workbench.charts.rundata import (
        exposure_table,
        facts_table,
        folds_table,
        positions_table,
        quality_table,
        risk_table,
        trades_table,
    )
    from workbench.charts.sampling import min_max_sample
    from workbench.charts.storetables import (
        age_text,
        catalogue_table,
        gap_causes_table,
        gaps_table,
        shares_table,
        size_text,
        venues_table,
    )
    from workbench.charts.tables import Table, frame_table, gates_table, metrics_table
    from workbench.charts.tail import var_chart
    from workbench.charts.theme import theme_css

_HOMES = {
    "CandleFigure": "candles",
    "ChartEvents": "events",
    "Overlays": "overlays",
    "Table": "tables",
    "age_text": "storetables",
    "candle_figure": "candles",
    "candle_legend": "candlerows",
    "candle_rows": "candlerows",
    "candles_chart": "candles",
    "catalogue_table": "storetables",
    "chart_events": "events",
    "coefficient_chart": "factor",
    "correlation_map": "factors",
    "costs_chart": "exposure",
    "coverage_chart": "holdings",
    "decay_chart": "factors",
    "distribution_chart": "factor",
    "drawdown_chart": "lines",
    "drift_chart": "factor",
    "drift_table": "factortables",
    "enable_notebook": "render",
    "equity_chart": "lines",
    "exposure_chart": "exposure",
    "exposure_table": "rundata",
    "factor_table": "factortables",
    "facts_table": "rundata",
    "folds_chart": "folds",
    "folds_table": "rundata",
    "frame_table": "tables",
    "gap_causes_table": "storetables",
    "gaps_table": "storetables",
    "gates_table": "tables",
    "html_fragment": "render",
    "html_page": "render",
    "importance_chart": "factors",
    "importance_table": "factortables",
    "latest_window": "candlerows",
    "leading_features": "factors",
    "metrics_table": "tables",
    "min_max_sample": "sampling",
    "monthly_table": "calendar",
    "of_symbol": "candlerows",
    "one_symbol": "candlerows",
    "positions_table": "rundata",
    "preload": "figure",
    "price_chart": "market",
    "probability_chart": "learning",
    "quality_table": "rundata",
    "quantile_chart": "factor",
    "quantile_map": "factors",
    "refused_table": "factortables",
    "reliability_chart": "learning",
    "risk_table": "rundata",
    "rolling_risk_chart": "lines",
    "running_coefficient_chart": "factors",
    "shares_chart": "holdings",
    "shares_table": "storetables",
    "size_text": "storetables",
    "source_data": "candlerows",
    "theme_css": "theme",
    "to_bokeh": "render",
    "trades_table": "rundata",
    "training_chart": "learning",
    "training_detail_chart": "learning",
    "var_chart": "tail",
    "venues_table": "storetables",
}

__all__ = [
    "CandleFigure",
    "ChartEvents",
    "Overlays",
    "Table",
    "age_text",
    "candle_figure",
    "candle_legend",
    "candle_rows",
    "candles_chart",
    "catalogue_table",
    "chart_events",
    "coefficient_chart",
    "correlation_map",
    "costs_chart",
    "coverage_chart",
    "decay_chart",
    "distribution_chart",
    "drawdown_chart",
    "drift_chart",
    "drift_table",
    "enable_notebook",
    "equity_chart",
    "exposure_chart",
    "exposure_table",
    "factor_table",
    "facts_table",
    "folds_chart",
    "folds_table",
    "frame_table",
    "gap_causes_table",
    "gaps_table",
    "gates_table",
    "html_fragment",
    "html_page",
    "importance_chart",
    "importance_table",
    "latest_window",
    "leading_features",
    "metrics_table",
    "min_max_sample",
    "monthly_table",
    "of_symbol",
    "one_symbol",
    "positions_table",
    "preload",
    "price_chart",
    "probability_chart",
    "quality_table",
    "quantile_chart",
    "quantile_map",
    "refused_table",
    "reliability_chart",
    "risk_table",
    "rolling_risk_chart",
    "running_coefficient_chart",
    "shares_chart",
    "shares_table",
    "size_text",
    "source_data",
    "theme_css",
    "to_bokeh",
    "trades_table",
    "training_chart",
    "training_detail_chart",
    "var_chart",
    "venues_table",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"workbench.charts.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'workbench.charts' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
