"""Risk and performance measures, rolling risk, sizing and drawdown states: functions of returns and arrays."""

from workbench.risk.calendar import periods_per_year
from workbench.risk.drawdowns import (
    calmar_ratio,
    drawdown,
    drawdown_periods,
    drawdown_state,
    max_drawdown,
    max_drawdown_duration,
)
from workbench.risk.exposures import exposure, turnover
from workbench.risk.inference import (
    deflated_sharpe_ratio,
    expected_max_sharpe_ratio,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    probability_above,
    sharpe_standard_error,
    track_record_needed,
)
from workbench.risk.performance import (
    annual_return,
    annual_volatility,
    hit_rate,
    kurtosis,
    omega_ratio,
    sharpe_ratio,
    skewness,
    sortino_ratio,
    total_return,
)
from workbench.risk.registry import MEASURES, Measure, get_measure, measure
from workbench.risk.rolling import (
    rolling_expected_shortfall,
    rolling_sharpe_ratio,
    rolling_value_at_risk,
    rolling_volatility,
)
from workbench.risk.sizing import volatility_target
from workbench.risk.summaries import monthly_returns, summary
from workbench.risk.tail import (
    expected_shortfall,
    expected_shortfall_gaussian,
    value_at_risk,
    value_at_risk_gaussian,
)

__all__ = [
    "MEASURES",
    "Measure",
    "annual_return",
    "annual_volatility",
    "calmar_ratio",
    "deflated_sharpe_ratio",
    "drawdown",
    "drawdown_periods",
    "drawdown_state",
    "expected_max_sharpe_ratio",
    "expected_shortfall",
    "expected_shortfall_gaussian",
    "exposure",
    "get_measure",
    "hit_rate",
    "kurtosis",
    "max_drawdown",
    "max_drawdown_duration",
    "measure",
    "minimum_backtest_length",
    "minimum_track_record_length",
    "monthly_returns",
    "omega_ratio",
    "periods_per_year",
    "probabilistic_sharpe_ratio",
    "probability_above",
    "rolling_expected_shortfall",
    "rolling_sharpe_ratio",
    "rolling_value_at_risk",
    "rolling_volatility",
    "sharpe_ratio",
    "sharpe_standard_error",
    "skewness",
    "sortino_ratio",
    "summary",
    "total_return",
    "track_record_needed",
    "turnover",
    "value_at_risk",
    "value_at_risk_gaussian",
    "volatility_target",
]
