"""What features cost: against bare TA-Lib, against one copy, of a whole set, of one more bar, at first use.

`pytest -m benchmark -s` prints the table. Values are asserted, times never.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.config.parameters import DEFAULT_FEATURES
from workbench.features import REGISTRY, FeatureStream, Market, compute, design_matrix, resolve

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

FIELDS = ("open", "high", "low", "close", "volume")
Arrays = dict[str, np.ndarray]
Report = Callable[[str, str, str], None]

TALIB: dict[str, Callable[..., np.ndarray]] = {
    "sma(20)": lambda t, a: t.SMA(a["close"], 20),
    "ema(20)": lambda t, a: t.EMA(a["close"], 20),
    "wma(20)": lambda t, a: t.WMA(a["close"], 20),
    "dema(20)": lambda t, a: t.DEMA(a["close"], 20),
    "tema(20)": lambda t, a: t.TEMA(a["close"], 20),
    "kama(30)": lambda t, a: t.KAMA(a["close"], 30),
    "rsi(14)": lambda t, a: t.RSI(a["close"], 14),
    "roc(10)": lambda t, a: t.ROC(a["close"], 10),
    "mom(10)": lambda t, a: t.MOM(a["close"], 10),
    "cmo(14)": lambda t, a: t.CMO(a["close"], 14),
    "trix(15)": lambda t, a: t.TRIX(a["close"], 15),
    "macd(12, 26, 9)": lambda t, a: t.MACD(a["close"], 12, 26, 9)[0],
    "bollinger_upper(20, 2.0)": lambda t, a: t.BBANDS(a["close"], 20, 2.0, 2.0, 0)[0],
    "atr(14)": lambda t, a: t.ATR(a["high"], a["low"], a["close"], 14),
    "natr(14)": lambda t, a: t.NATR(a["high"], a["low"], a["close"], 14),
    "adx(14)": lambda t, a: t.ADX(a["high"], a["low"], a["close"], 14),
    "plus_di(14)": lambda t, a: t.PLUS_DI(a["high"], a["low"], a["close"], 14),
    "cci(20)": lambda t, a: t.CCI(a["high"], a["low"], a["close"], 20),
    "williams_r(14)": lambda t, a: t.WILLR(a["high"], a["low"], a["close"], 14),
    "stoch_k(14, 3)": lambda t, a: t.STOCH(a["high"], a["low"], a["close"], 14, 3, 0, 1, 0)[0],
    "aroon_osc(25)": lambda t, a: t.AROONOSC(a["high"], a["low"], 25),
    "sar(0.02, 0.2)": lambda t, a: t.SAR(a["high"], a["low"], 0.02, 0.2),
    "obv": lambda t, a: t.OBV(a["close"], a["volume"]),
    "mfi(14)": lambda t, a: t.MFI(a["high"], a["low"], a["close"], a["volume"], 14),
    "ad": lambda t, a: t.AD(a["high"], a["low"], a["close"], a["volume"]),
}
OURS = (
    "ret(1)", "log_ret(1)", "skew(60)", "kurt(60)", "autocorr(60)", "trend_slope(20)", "realized_vol(20)",
    "parkinson_vol(20)", "garman_klass_vol(20)", "yang_zhang_vol(20)", "volume_z(20)", "vwap(48)", "session_vwap",
    "chaikin_money_flow(20)", "amihud(20)", "roll_spread(20)", "supertrend(10, 3.0)", "hour", "ichimoku_tenkan(9)",
)  # fmt: skip


def walk(n_bars: int, n_symbols: int, freq: str = "min") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, (n_bars, n_symbols)), axis=0))
    spread = 1 + rng.uniform(1e-4, 1e-3, close.shape)
    parts = [close * rng.uniform(0.9999, 1.0001, close.shape), close * spread, close / spread, close]
    values = np.asfortranarray(np.concatenate([*parts, rng.lognormal(5, 1, close.shape)], axis=1))
    index = pd.date_range("2000-01-01", periods=n_bars, freq=freq, tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([FIELDS, [f"S{j}" for j in range(n_symbols)]], names=["field", "symbol"])
    return pd.DataFrame(values, index=index, columns=columns, copy=False)


def in_turn(*calls: Callable[[], object], repeat: int = 9) -> list[float]:
    """Return the median milliseconds of some calls that take turns, so that a busy machine is busy for all of them."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(repeat):
        for call, times in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - start))
    return [float(np.median(times)) for times in taken]


@pytest.mark.parametrize(("n_bars", "n_symbols"), [(1_000_000, 1), (10_000, 100)])
def test_against_bare_talib(n_bars: int, n_symbols: int, report: Report) -> None:
    """The public call on bars prepared once, and TA-Lib on the same arrays, in turn; the numbers are the same."""
    import talib

    bars = walk(n_bars, n_symbols)
    market = Market(bars)
    columns = [{f: market.column(f, j) for f in FIELDS} for j in range(n_symbols)]
    rows = []
    for spec, call in TALIB.items():
        compute(market, spec)
        np.testing.assert_array_equal(compute(market, spec).iloc[:, -1], call(talib, columns[-1]))
        bare, ours, fresh = in_turn(
            lambda call=call: [call(talib, c) for c in columns],
            lambda spec=spec: compute(market, spec),
            lambda spec=spec: compute(bars, spec),
        )
        rows.append((spec, bare, ours, 1e3 * (ours - bare) / n_symbols, fresh))
    print(f"\n{n_bars:,} bars × {n_symbols}        TA-Lib ms  compute ms  ratio  µs a call more  unprepared bars")
    for spec, bare, ours, more, fresh in rows:
        print(f"{spec:28} {bare:9.2f} {ours:11.2f} {ours / bare:6.2f} {more:15.1f} {fresh / bare:16.2f}")
    ratios = [r[2] / r[1] for r in rows]
    what = f"TA-Lib features, {n_bars:,} bars × {n_symbols}"
    report(what, f"ratio {np.median(ratios):.2f} (median), {max(ratios):.2f} (worst)", "≤ 1.2")
    report(f"{what}: overhead a call", f"{np.median([r[3] for r in rows]):.0f} µs", "≤ 20 µs")


def test_our_own_against_one_copy(report: Report) -> None:
    """Indicators of ours on 1e6 bars, over the time of copying their inputs and their output once."""
    bars = walk(1_000_000, 1)
    market = Market(bars)
    print("\n1,000,000 bars                 copy ms  compute ms  ratio")
    ratios = []
    for spec in OURS:
        inputs = [market.times if f == "time" else market.column(f, 0) for f in resolve(spec).feature.inputs]
        frame = compute(market, spec)
        assert np.isfinite(frame.to_numpy()[-1]).all()
        result = np.ascontiguousarray(frame.iloc[:, 0])
        copy, ours = in_turn(
            lambda inputs=inputs, result=result: [a.copy() for a in (*inputs, result)],
            lambda spec=spec: compute(market, spec),
        )
        ratios.append(ours / copy)
        print(f"{spec:28} {copy:9.2f} {ours:11.2f} {ours / copy:6.1f}")
    report("our own indicators over one copy", f"{np.median(ratios):.1f} (median), {max(ratios):.1f} (worst)", "≤ 3")


def test_a_set_and_one_more_bar(report: Report) -> None:
    """`classic31` on five symbols and five years of hours; one bar more for a live stream of them."""
    bars = walk(5 * 8760, 5, "h")
    frame = compute(bars, "classic31")
    assert np.isfinite(frame.to_numpy()[-1]).all()
    (whole,) = in_turn(lambda: compute(bars, "classic31"))
    report("classic31, 5 symbols × 5 years of hours", f"{whole:.0f} ms", "≤ 500 ms")
    stream = FeatureStream("classic31", bars.iloc[:-300])
    taken = []
    for t in range(len(bars) - 300, len(bars)):
        start = time.perf_counter()
        row = stream.append(bars.iloc[t : t + 1])
        taken.append(1e3 * (time.perf_counter() - start))
    np.testing.assert_allclose(row.to_numpy(), frame.iloc[-1].to_numpy(), rtol=1e-9, atol=1e-12)
    report("one more bar, classic31 × 5 symbols", f"{np.median(taken):.2f} ms", "≤ 5 ms")
    every = [f for f in REGISTRY.names() if set(REGISTRY.get(f).inputs) <= {*FIELDS, "time"}]
    one = bars.loc[:, (slice(None), ["S0"])]
    stream = FeatureStream(every, one.iloc[-3000:-50])
    taken = []
    for t in range(len(one) - 50, len(one)):
        start = time.perf_counter()
        stream.append(one.iloc[t : t + 1])
        taken.append(1e3 * (time.perf_counter() - start))
    report(f"one more bar, all {len(every)} features, 3,000 bars kept", f"{np.median(taken):.2f} ms", "≤ 5 ms")


def test_first_use_in_a_fresh_process(report: Report) -> None:
    """The first call of features that run on compiled kernels, in a process of its own, kernels warm on disk."""
    code = (
        "import time; from workbench.data import load_bars; from workbench.features import compute;"
        "bars = load_bars('gbm(seed=1, n_bars=2000)', ['A'], '1h'); s = time.perf_counter();"
        "compute(bars, ['classic31', 'zscore(close, 50)', 'corr(close, volume, 20)', 'fvg_bull', 'harmonic', 'storm']);"
        "print(time.perf_counter() - s)"
    )
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) > 0
    report("first use in a fresh process", f"{min(seconds):.2f} s", "≤ 1 s")


def test_design_matrix_of_the_defaults(report: Report) -> None:
    """Four symbols, 5e4 bars, the default features: the rows of a nightly experiment."""
    bars = walk(50_000, 4)
    design = design_matrix(bars, list(DEFAULT_FEATURES), horizon=5, neutral_band=0.5)
    assert len(design) == 4 * (50_000 - design.warmup)
    whole, newest = in_turn(
        lambda: design_matrix(bars, list(DEFAULT_FEATURES), horizon=5, neutral_band=0.5),
        lambda: compute(bars.iloc[-300:], list(DEFAULT_FEATURES)),
    )
    report(f"design matrix, 4 × 5e4 bars × {len(DEFAULT_FEATURES)} features", f"{whole:.0f} ms", "")
    report("features of the newest 300 bars, for one prediction", f"{newest:.1f} ms", "")
