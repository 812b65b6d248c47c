"""What every registered feature must hold: causality, warm-up, shape, no mutation, determinism, symbols apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.config.parameters import DEFAULT_FEATURES, LiveChartParameters
from workbench.features import (
    REGISTRY,
    check_all,
    check_causality,
    check_warmup,
    compute,
    feature_versions,
    forward_return,
    list_features,
    resolve,
    warmup,
)

OTHER_PARAMETERS = (
    "ret(7)", "log_ret(5)", "skew(3)", "kurt(4)", "autocorr(3, 2)", "autocorr(20, 5)", "variance_ratio(3, 2)",
    "variance_ratio(50, 10)", "hurst(16)", "hurst(100)", "roc(1)", "mom(1)", "rsi(2)", "cmo(2)", "macd(3, 4, 1)",
    "macd_signal(3, 4, 2)", "macd_hist(3, 9, 4)", "macd_hist_norm(5, 30, 9)", "ppo(2, 3)", "trix(2)", "trix(30)",
    "stoch_k(1, 1)", "stoch_k(5, 1)", "stoch_d(5, 1, 4)", "stoch_d(1, 1, 1)", "stoch_rsi(9, 30)",
    "stoch_rsi_d(5, 9, 1)", "cci(2)", "cci(40)", "williams_r(2)", "ultimate_osc(30, 3, 10)", "ultimate_osc(7, 7, 14)",
    "mfi(2)", "mfi(60)", "sma(1)", "sma(200)", "sma_gap(2)", "ema(1)", "ema(50)", "ema_gap(100)", "wma(1)", "wma(100)",
    "wma_gap(3)", "dema(2)", "dema_gap(30)", "tema(2)", "tema_gap(30)", "kama(2)", "kama_gap(60)", "hull(2)", "hull(3)",
    "hull(100)", "hull_gap(50)", "adx(2)", "adx(30)", "plus_di(2)", "minus_di(40)", "aroon_osc(2)", "aroon_up(2)",
    "aroon_down(50)", "trend_slope(2)", "donchian_position(2)", "donchian_width(100)", "bollinger_upper(2, 0.5)",
    "bollinger_lower(3, 0.7)", "bollinger_percent_b(3, 1.3)", "bollinger_width(100, 2)", "keltner_upper(2, 1, 1.5)",
    "keltner_lower(30, 3, 1.5)", "keltner_position(3, 30, 1.7)", "keltner_width(5, 20, 2)", "atr(1)", "natr(2)",
    "natr(50)", "sar(0.05, 0.05)", "sar_gap(0.1, 0.3)", "supertrend(2, 0.5)", "supertrend_gap(30, 1)",
    "ichimoku_senkou_a(26, 9)", "ichimoku_cloud_gap(30, 10, 20)", "realized_vol(2)", "parkinson_vol(1)",
    "garman_klass_vol(1)", "rogers_satchell_vol(1)", "yang_zhang_vol(2)", "yang_zhang_vol(100)", "volume_z(2)",
    "obv_ratio(1)", "obv_ratio(50)", "chaikin_osc(2, 3)", "chaikin_osc(5, 40)", "chaikin_money_flow(1)", "vwap(1)",
    "vwap_gap(5)", "profile_poc_gap(2, 2)", "profile_high_gap(10, 5, 0.01)", "profile_low_gap(10, 5, 1.0)", "amihud(1)",
    "roll_spread(3)", "minutes_to_funding(1)", "funding_sum(1)", "funding_z(2)", "basis_mean(1)",
)  # fmt: skip
SPECS = (*REGISTRY.names(), *OTHER_PARAMETERS)


def with_perpetuals(bars: pd.DataFrame) -> pd.DataFrame:
    """Bars with the fields that perpetuals have beside the five; they are missing where the symbol does not trade."""
    rng = np.random.default_rng(11)
    close = bars["close"]
    paid = np.where((pd.DatetimeIndex(bars.index).hour % 8 == 0)[:, np.newaxis], rng.normal(1e-4, 1e-4, close.shape), 0)
    fields = {"funding_rate": paid, "basis": rng.normal(0, 1e-3, close.shape)}
    more = {n: pd.DataFrame(v, index=bars.index, columns=close.columns).where(close.notna()) for n, v in fields.items()}
    return pd.concat([bars, pd.concat(more, axis=1, names=["field", "symbol"])], axis=1)


@pytest.fixture(scope="session")
def bars(market) -> pd.DataFrame:
    """Four symbols, 400 hours, nothing missing."""
    return with_perpetuals(market(400))


@pytest.fixture
def ragged(ragged: pd.DataFrame) -> pd.DataFrame:
    """The awkward market of the fixture of that name, of perpetuals."""
    return with_perpetuals(ragged)


@pytest.mark.parametrize("spec", SPECS)
def test_rows_before_a_cut_do_not_move(spec: str, ragged: pd.DataFrame) -> None:
    """Assert causality; the check raises on the first changed bit."""
    check_causality(spec, ragged, cuts=4)


@pytest.mark.parametrize("spec", SPECS)
def test_nan_exactly_in_the_declared_warmup(spec: str, bars: pd.DataFrame, ragged: pd.DataFrame) -> None:
    values = compute(bars, spec).to_numpy()
    declared = warmup(spec)
    assert np.isnan(values[:declared]).all()
    assert np.isfinite(values[declared:]).all()
    assert check_warmup(spec, ragged) == declared


@pytest.mark.parametrize("spec", SPECS)
def test_shape_no_mutation_and_determinism(spec: str, ragged: pd.DataFrame) -> None:
    before = ragged.copy(deep=True)
    first, second = compute(ragged, spec), compute(ragged, spec)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    pd.testing.assert_frame_equal(ragged, before, check_exact=True)
    assert first.index.equals(ragged.index)
    assert list(first.columns) == [(spec, s) for s in "ABCD"]
    assert set(map(str, first.dtypes)) == {"float64"}


@pytest.mark.parametrize("spec", SPECS)
def test_many_symbols_equal_one_by_one(spec: str, ragged: pd.DataFrame) -> None:
    together = compute(ragged, spec)
    for symbol in "ABCD":
        alone = compute(ragged.loc[:, (slice(None), symbol)], spec)
        pd.testing.assert_frame_equal(together[[(spec, symbol)]], alone, check_exact=True)


@pytest.mark.parametrize("spec", SPECS)
def test_missing_bars_are_skipped(spec: str, ragged: pd.DataFrame) -> None:
    """A symbol with holes gives what its own bars alone give: no window counts a bar that was not there."""
    own = ragged.loc[:, (slice(None), "C")].dropna()
    expected = compute(own, spec).reindex(ragged.index)
    pd.testing.assert_frame_equal(compute(ragged, spec)[[(spec, "C")]], expected, check_exact=True)


@pytest.mark.parametrize("spec", SPECS)
def test_short_bars_are_all_warmup(spec: str, bars: pd.DataFrame) -> None:
    declared = warmup(spec)
    for n_bars in {1, 2, declared} - {0}:
        values = compute(bars.iloc[:n_bars], spec).to_numpy()
        assert values.shape == (n_bars, 4)
        assert np.isnan(values[: min(declared, n_bars)]).all()
    assert compute(bars.iloc[:0], spec).shape == (0, 4)


@pytest.mark.parametrize("spec", [s for s in SPECS if not resolve(s).feature.recursive])
def test_a_feature_that_is_not_recursive_needs_only_its_lookback(spec: str, bars: pd.DataFrame) -> None:
    tail = compute(bars.iloc[-(warmup(spec) + 1) :], spec).iloc[-1]
    full = compute(bars, spec).iloc[-1]
    np.testing.assert_allclose(tail, full, rtol=1e-8, atol=1e-12)


MEMORYLESS = {"ema(1)", "atr(1)", "cci(2)"}
"""Smoothing over one bar forgets at once, and two values have one sum in either order."""


def rare(spec: str) -> bool:
    """Whether the feature tells of events: most bars say the same, whenever the bars begin."""
    return not resolve(spec).feature.origin.startswith("workbench.features.indicators")


START_MATTERS = [s for s in SPECS if resolve(s).feature.recursive and s not in MEMORYLESS and not rare(s)]


@pytest.mark.parametrize("spec", START_MATTERS)
def test_recursive_ones_are_declared_because_the_start_matters(spec: str, bars: pd.DataFrame) -> None:
    later = compute(bars.iloc[7:], spec).dropna()
    assert (later != compute(bars, spec).loc[later.index]).any(axis=None)


@pytest.mark.parametrize("spec", [s for s in SPECS if resolve(s).feature.stationary])
def test_features_for_models_are_free_of_the_price_scale(spec: str, bars: pd.DataFrame) -> None:
    scaled = bars.copy()
    for field in ("open", "high", "low", "close"):
        scaled[field] = bars[field] * 2.0**-30
    np.testing.assert_allclose(compute(scaled, spec), compute(bars, spec), rtol=1e-9, atol=1e-9, equal_nan=True)


POWER = {"obv": 0, "ad": 0, "chaikin_osc": 0, "amihud": -1}
"""Levels in units of volume, and one per unit of money: powers of the price; all others go with the price itself."""
LOGARITHMIC = {"frac_diff"}  # a weighted sum of log prices


LEVELS = [s for s in SPECS if not resolve(s).feature.stationary and resolve(s).feature.name not in LOGARITHMIC]


@pytest.mark.parametrize("spec", LEVELS)
def test_the_others_move_with_the_price(spec: str, bars: pd.DataFrame) -> None:
    scaled = bars.copy()
    for field in ("open", "high", "low", "close"):
        scaled[field] = bars[field] * 8.0
    expected = 8.0 ** POWER.get(resolve(spec).feature.name, 1) * compute(bars, spec)
    np.testing.assert_allclose(compute(scaled, spec), expected, rtol=1e-9, atol=1e-12, equal_nan=True)


def test_no_feature_emits_infinity_on_extreme_but_legal_bars(market) -> None:
    wild = market(300, "AB", seed=5)
    wild["volume"] = 0.0
    wild.loc[wild.index[100:], ("volume", "B")] = 1e18
    for field in ("open", "high", "low", "close"):
        wild.loc[:, (field, "A")] = 1e-9
        wild.loc[wild.index[150:], (field, "B")] *= 1e9
    wild = with_perpetuals(wild)
    values = compute(wild, [*SPECS])
    infinite = values.columns[np.isinf(values.to_numpy()).any(axis=0)]
    assert list(infinite) == []
    for spec in SPECS:
        check_warmup(spec, wild)


def test_notebook_defaults_are_registered(bars: pd.DataFrame) -> None:
    indicators = LiveChartParameters().indicators
    specs = list(dict.fromkeys([*DEFAULT_FEATURES, *indicators]))
    assert list(compute(bars, specs).columns.unique(0)) == specs


def test_check_all_passes_every_registered_feature(bars: pd.DataFrame) -> None:
    outcomes = check_all(bars)
    assert [o.name for o in outcomes] == REGISTRY.names()
    assert [o.message for o in outcomes if not o.ok] == []


def test_list_features_tells_each_one(bars: pd.DataFrame) -> None:
    table = list_features().set_index("name")
    assert sorted(table.index) == REGISTRY.names()
    assert len(table) >= 100
    expected = {"returns", "momentum", "trend", "volatility", "volume", "liquidity", "calendar", "derivatives"}
    assert set(table["family"]) >= expected
    assert (table["description"].str.len() > 20).all()
    assert table["code_hash"].str.fullmatch("[0-9a-f]{16}").all()
    assert table.loc[table["family"] != "candles", "code_hash"].is_unique  # candlesticks share one function
    assert table.loc["rsi", "warmup"] == 14
    assert table.loc["rsi", "parameters"] == "window: int = 14 [2, 100000]"
    assert "Wilder (1978)" in table.loc["rsi", "references"]


def test_feature_versions_change_with_the_code(bars: pd.DataFrame) -> None:
    stored = feature_versions(["rsi", "rsi(7)", "bollinger_upper(20, 2)"])
    assert stored["rsi"].startswith("rsi(14) v1 ")
    assert stored["bollinger_upper(20, 2)"].startswith("bollinger_upper(20, 2.0) v1 ")
    assert stored["rsi"].endswith(REGISTRY.get("rsi").code_hash)
    assert stored["rsi(7)"].endswith(REGISTRY.get("rsi").code_hash)


def test_labels_look_ahead_on_purpose(bars: pd.DataFrame) -> None:
    """The same prefix test that features pass must fail for labels: they are no features."""
    full = forward_return(bars, 3)[0].iloc[:200]
    part = forward_return(bars.iloc[:200], 3)[0]
    assert part.iloc[-4:].isna().all(axis=None)
    assert full.iloc[-4:].notna().all(axis=None)
