"""Pictures of tables: a frame goes in, an hvplot/HoloViews object (or a Bokeh figure for candles) comes out.

Nothing here keeps state or computes a result of its own beyond what is drawn. Every function opens its library
when it is called, so importing the room costs nothing. Colours come from `workbench.charts.theme`; a page or a
report changes them for dark and light with the CSS of `theme_css`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.charts.annual import annual_chart, calendar_table, returns_histogram_chart
    from workbench.charts.book import (
        allocation_chart,
        allocation_table,
        cost_kinds_chart,
        cost_kinds_table,
        leverage_chart,
        sides_chart,
        turnover_chart,
    )
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
    from workbench.charts.comparison import (
        attribution_chart,
        compare_equity_chart,
        differences_table,
        trade_differences_table,
    )
    from workbench.charts.costcurves import capacity_chart, cost_curve_chart
    from workbench.charts.crises import crises_chart, crises_table
    from workbench.charts.drawdowns import drawdown_periods_chart, drawdown_periods_table
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
    from workbench.charts.inference import honesty_table, intervals_chart, intervals_table, null_chart, nulls_table
    from workbench.charts.learning import probability_chart, reliability_chart, training_chart, training_detail_chart
    from workbench.charts.lines import drawdown_chart, equity_chart, rolling_risk_chart
    from workbench.charts.market import price_chart
    from workbench.charts.overfitting import degradation_chart, luck_chart, overfitting_chart
    from workbench.charts.overlays import Overlays
    from workbench.charts.regimeresults import regimes_chart, regimes_table
    from workbench.charts.render import enable_notebook, html_fragment, html_page, to_bokeh
    from workbench.charts.rollings import rolling_beta_chart, rolling_sharpe_chart, rolling_volatility_chart
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
    from workbench.charts.sweeplines import parameter_chart, parameters_chart
    from workbench.charts.sweeps import cells_table, surface_chart
    from workbench.charts.tables import Table, frame_table, gates_table, metrics_table
    from workbench.charts.tail import var_chart
    from workbench.charts.theme import theme_css
    from workbench.charts.tradecharts import (
        excursions_chart,
        side_equity_chart,
        trade_histogram_chart,
        trade_returns_chart,
    )
    from workbench.charts.tradetables import exit_reasons_table, liquidity_table, trade_statistics_table
    from workbench.charts.trialcharts import trials_chart
    from workbench.charts.truthcharts import truth_chart, truth_table
    from workbench.charts.walkforward import (
        fold_sharpe_chart,
        path_sharpe_chart,
        paths_chart,
        selection_chart,
        selection_table,
    )

_HOMES = {
    "CandleFigure": "candles",
    "ChartEvents": "events",
    "Overlays": "overlays",
    "Table": "tables",
    "age_text": "storetables",
    "allocation_chart": "book",
    "allocation_table": "book",
    "annual_chart": "annual",
    "attribution_chart": "comparison",
    "calendar_table": "annual",
    "candle_figure": "candles",
    "candle_legend": "candlerows",
    "candle_rows": "candlerows",
    "candles_chart": "candles",
    "capacity_chart": "costcurves",
    "catalogue_table": "storetables",
    "cells_table": "sweeps",
    "chart_events": "events",
    "coefficient_chart": "factor",
    "compare_equity_chart": "comparison",
    "correlation_map": "factors",
    "cost_curve_chart": "costcurves",
    "cost_kinds_chart": "book",
    "cost_kinds_table": "book",
    "costs_chart": "exposure",
    "coverage_chart": "holdings",
    "crises_chart": "crises",
    "crises_table": "crises",
    "decay_chart": "factors",
    "degradation_chart": "overfitting",
    "differences_table": "comparison",
    "distribution_chart": "factor",
    "drawdown_chart": "lines",
    "drawdown_periods_chart": "drawdowns",
    "drawdown_periods_table": "drawdowns",
    "drift_chart": "factor",
    "drift_table": "factortables",
    "enable_notebook": "render",
    "equity_chart": "lines",
    "excursions_chart": "tradecharts",
    "exit_reasons_table": "tradetables",
    "exposure_chart": "exposure",
    "exposure_table": "rundata",
    "factor_table": "factortables",
    "facts_table": "rundata",
    "fold_sharpe_chart": "walkforward",
    "folds_chart": "folds",
    "folds_table": "rundata",
    "frame_table": "tables",
    "gap_causes_table": "storetables",
    "gaps_table": "storetables",
    "gates_table": "tables",
    "honesty_table": "inference",
    "html_fragment": "render",
    "html_page": "render",
    "importance_chart": "factors",
    "importance_table": "factortables",
    "intervals_chart": "inference",
    "intervals_table": "inference",
    "latest_window": "candlerows",
    "leading_features": "factors",
    "leverage_chart": "book",
    "liquidity_table": "tradetables",
    "luck_chart": "overfitting",
    "metrics_table": "tables",
    "min_max_sample": "sampling",
    "monthly_table": "calendar",
    "null_chart": "inference",
    "nulls_table": "inference",
    "of_symbol": "candlerows",
    "one_symbol": "candlerows",
    "overfitting_chart": "overfitting",
    "parameter_chart": "sweeplines",
    "parameters_chart": "sweeplines",
    "path_sharpe_chart": "walkforward",
    "paths_chart": "walkforward",
    "positions_table": "rundata",
    "preload": "figure",
    "price_chart": "market",
    "probability_chart": "learning",
    "quality_table": "rundata",
    "quantile_chart": "factor",
    "quantile_map": "factors",
    "refused_table": "factortables",
    "regimes_chart": "regimeresults",
    "regimes_table": "regimeresults",
    "reliability_chart": "learning",
    "returns_histogram_chart": "annual",
    "risk_table": "rundata",
    "rolling_beta_chart": "rollings",
    "rolling_risk_chart": "lines",
    "rolling_sharpe_chart": "rollings",
    "rolling_volatility_chart": "rollings",
    "running_coefficient_chart": "factors",
    "selection_chart": "walkforward",
    "selection_table": "walkforward",
    "shares_chart": "holdings",
    "shares_table": "storetables",
    "side_equity_chart": "tradecharts",
    "sides_chart": "book",
    "size_text": "storetables",
    "source_data": "candlerows",
    "surface_chart": "sweeps",
    "theme_css": "theme",
    "to_bokeh": "render",
    "trade_differences_table": "comparison",
    "trade_histogram_chart": "tradecharts",
    "trade_returns_chart": "tradecharts",
    "trade_statistics_table": "tradetables",
    "trades_table": "rundata",
    "training_chart": "learning",
    "training_detail_chart": "learning",
    "trials_chart": "trialcharts",
    "truth_chart": "truthcharts",
    "truth_table": "truthcharts",
    "turnover_chart": "book",
    "var_chart": "tail",
    "venues_table": "storetables",
}

__all__ = [
    "CandleFigure",
    "ChartEvents",
    "Overlays",
    "Table",
    "age_text",
    "allocation_chart",
    "allocation_table",
    "annual_chart",
    "attribution_chart",
    "calendar_table",
    "candle_figure",
    "candle_legend",
    "candle_rows",
    "candles_chart",
    "capacity_chart",
    "catalogue_table",
    "cells_table",
    "chart_events",
    "coefficient_chart",
    "compare_equity_chart",
    "correlation_map",
    "cost_curve_chart",
    "cost_kinds_chart",
    "cost_kinds_table",
    "costs_chart",
    "coverage_chart",
    "crises_chart",
    "crises_table",
    "decay_chart",
    "degradation_chart",
    "differences_table",
    "distribution_chart",
    "drawdown_chart",
    "drawdown_periods_chart",
    "drawdown_periods_table",
    "drift_chart",
    "drift_table",
    "enable_notebook",
    "equity_chart",
    "excursions_chart",
    "exit_reasons_table",
    "exposure_chart",
    "exposure_table",
    "factor_table",
    "facts_table",
    "fold_sharpe_chart",
    "folds_chart",
    "folds_table",
    "frame_table",
    "gap_causes_table",
    "gaps_table",
    "gates_table",
    "honesty_table",
    "html_fragment",
    "html_page",
    "importance_chart",
    "importance_table",
    "intervals_chart",
    "intervals_table",
    "latest_window",
    "leading_features",
    "leverage_chart",
    "liquidity_table",
    "luck_chart",
    "metrics_table",
    "min_max_sample",
    "monthly_table",
    "null_chart",
    "nulls_table",
    "of_symbol",
    "one_symbol",
    "overfitting_chart",
    "parameter_chart",
    "parameters_chart",
    "path_sharpe_chart",
    "paths_chart",
    "positions_table",
    "preload",
    "price_chart",
    "probability_chart",
    "quality_table",
    "quantile_chart",
    "quantile_map",
    "refused_table",
    "regimes_chart",
    "regimes_table",
    "reliability_chart",
    "returns_histogram_chart",
    "risk_table",
    "rolling_beta_chart",
    "rolling_risk_chart",
    "rolling_sharpe_chart",
    "rolling_volatility_chart",
    "running_coefficient_chart",
    "selection_chart",
    "selection_table",
    "shares_chart",
    "shares_table",
    "side_equity_chart",
    "sides_chart",
    "size_text",
    "source_data",
    "surface_chart",
    "theme_css",
    "to_bokeh",
    "trade_differences_table",
    "trade_histogram_chart",
    "trade_returns_chart",
    "trade_statistics_table",
    "trades_table",
    "training_chart",
    "training_detail_chart",
    "trials_chart",
    "truth_chart",
    "truth_table",
    "turnover_chart",
    "var_chart",
    "venues_table",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"workbench.charts.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'workbench.charts' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
