"""Markets, targets and options that try every rule of the full bar, alone and together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from hypothesis import strategies as st

FIELDS = ("open", "high", "low", "close", "volume")
PER_BAR = 3  # finer bars in a bar


@dataclass(frozen=True)
class Case:
    """Arrays ``(n_assets, n_bars)``, finer ones ``(n_assets, n_bars · 3)``, and options under the contract's names."""

    targets: np.ndarray
    tape: dict
    finer: dict | None
    rules: dict
    cash: float

    def without(self, *names: str) -> Case:
        """Return the case with some options off."""
        return replace(self, rules={k: v for k, v in self.rules.items() if k not in names})


def tape(seed: int, n_assets: int, n_bars: int, *, grid: bool, volatility: float, gaps: float, dying: bool) -> tuple:
    """Return finer bars of random walks and the bars that they make up."""
    rng = np.random.default_rng(seed)
    n = n_bars * PER_BAR
    start = np.full((n_assets, 1), 100.0) if grid else 10.0 ** rng.uniform(-2, 4, (n_assets, 1))
    shocks = rng.normal(0, volatility, (n_assets, n)) + np.where(
        rng.random((n_assets, n)) < 0.02, rng.normal(0, 6 * volatility, (n_assets, n)), 0.0
    )
    close = start * np.exp(np.cumsum(shocks, axis=1))
    gap = np.where(rng.random((n_assets, n)) < 0.3, rng.normal(0, volatility, (n_assets, n)), 0.0)
    opened = np.hstack([start, close[:, :-1]]) * np.exp(gap)
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, volatility / 2, (n_assets, n))))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, volatility / 2, (n_assets, n))))
    volume = rng.lognormal(0, 1, (n_assets, n)) / start
    if grid:
        opened, high, low, close = (np.maximum(np.round(x), 1.0) for x in (opened, high, low, close))
        volume = np.ceil(volume * 500)
    fine = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    fine = {k: v.reshape(n_assets, n_bars, PER_BAR) for k, v in fine.items()}
    bars = {
        "open": fine["open"][:, :, 0].copy(),
        "high": fine["high"].max(axis=2),
        "low": fine["low"].min(axis=2),
        "close": fine["close"][:, :, -1].copy(),
        "volume": fine["volume"].sum(axis=2),
    }
    resting = rng.random((n_assets, n_bars)) < gaps
    if dying:
        resting[0, rng.integers(1, n_bars + 1) :] = True
    for field in FIELDS:
        bars[field][resting] = np.nan
        fine[field][resting] = np.nan
    bars["volume"][rng.random((n_assets, n_bars)) < gaps / 2] = np.nan
    lost = rng.random((n_assets, n_bars, PER_BAR)) < gaps
    for field in FIELDS:
        fine[field][lost] = np.nan
    return bars, {k: v.reshape(n_assets, n) for k, v in fine.items()}


def extras(seed: int, bars: dict) -> dict:
    """Return funding, mark, volatility, usual volume and stop widening that a test hands over ready-made."""
    rng = np.random.default_rng(seed + 1)
    shape = bars["open"].shape
    some = np.where(rng.random(shape) < 0.3, rng.normal(0, 1e-3, shape), np.nan)
    sigma = np.where(rng.random(shape) < 0.1, np.nan, np.abs(rng.normal(0.02, 0.01, shape)))
    return {
        "funding": some,
        "mark": np.where(rng.random(shape) < 0.5, bars["open"] * np.exp(rng.normal(0, 1e-3, shape)), np.nan),
        "volatility": sigma,
        "usual_volume": np.where(
            rng.random(shape) < 0.1, np.nan, np.nanmean(bars["volume"]) * rng.uniform(0.5, 2, shape)
        )
        if not np.isnan(bars["volume"]).all()
        else np.full(shape, np.nan),
        "widen": rng.choice([1.0, 1.5, 2.5, np.nan], shape),
    }


def targets(seed: int, shape: tuple[int, int], style: str, gross: float) -> np.ndarray:
    """Return signed fractions whose absolute sum over assets is at most ``gross``."""
    rng = np.random.default_rng(seed + 2)
    raw = rng.uniform(-1, 1, shape)
    if style == "long_only":
        raw = np.abs(raw)
    if style in {"held", "all_in"}:
        choice = rng.choice([-1.0, 0.0, 1.0], shape) if style == "held" else np.ones(shape)
        raw = np.where(rng.random(shape) < 0.2, choice, np.nan)
        raw[:, 0] = choice[:, 0]
        for t in range(1, shape[1]):
            raw[:, t] = np.where(np.isnan(raw[:, t]), raw[:, t - 1], raw[:, t])
    if style == "sparse":
        raw = np.where(rng.random(shape) < 0.7, np.nan, np.where(rng.random(shape) < 0.3, 0.0, raw))
    return raw * gross / shape[0]


def _fees(draw: st.DrawFn, seed: int) -> dict:
    rules = {"fee": draw(st.sampled_from([0.0, 5e-4, 0.01])), "slippage": draw(st.sampled_from([0.0, 2e-4, 0.008]))}
    kinds = draw(
        st.sets(st.sampled_from(["maker", "fixed", "least", "tiers", "spread", "sigma", "impact"]), max_size=4)
    )
    if "maker" in kinds:
        rules["maker"] = draw(st.sampled_from([1e-4, -1e-4]))
    if "fixed" in kinds:
        rules["fee_fixed"] = 1e-4
    if "least" in kinds:
        rules["fee_minimum"] = 5e-4
    if "tiers" in kinds:
        rules["tiers"] = ((0.5, 3e-4, 8e-4), (2.0, 0.0, 2e-4))
        rules["tier_window"] = draw(st.sampled_from([1, 5]))
    if "spread" in kinds:
        rules["half_spread"] = 5e-4
    if "sigma" in kinds:
        rules["volatility_slippage"] = 0.1
    if "impact" in kinds:
        rules["impact"] = draw(st.sampled_from([0.5, 50.0]))
    return rules


def _exits(draw: st.DrawFn) -> dict:
    rules: dict = {}
    kinds = draw(st.sets(st.sampled_from(["stop", "target", "trailing", "time"]), min_size=1))
    if "stop" in kinds:
        rules["stop_loss"] = draw(st.sampled_from([0.01, 0.03, 0.1]))
    if "trailing" in kinds:
        rules["trailing"] = draw(st.sampled_from([0.01, 0.05]))
    if "target" in kinds:
        rules["take_profit"] = draw(st.sampled_from([0.01, 0.04]))
    if kinds & {"stop", "trailing"} and draw(st.sampled_from([True, False, False])):
        rules["stop_limit"] = draw(st.sampled_from([0.0, 0.005, 0.02]))
    if "time" in kinds:
        rules["time_exit"] = draw(st.sampled_from([1, 3, 8]))
    if kinds & {"stop", "trailing"} and draw(st.booleans()):
        rules["max_loss"] = 0.04
    return rules


def _rounding(draw: st.DrawFn, bars: dict, grid: bool) -> dict:
    n = len(bars["open"])
    rules: dict = {}
    kinds = draw(st.sets(st.sampled_from(["lot", "tick", "least"]), max_size=3))
    first = [next((float(x) for x in row if not np.isnan(x)), 1.0) for row in bars["open"]]
    if "lot" in kinds:
        rules["lot"] = tuple(0.02 / p for p in first) if not grid else (0.0005,) * n
    if "tick" in kinds:
        rules["tick"] = tuple(10.0 ** math.floor(math.log10(p) - 2.5) for p in first) if not grid else (0.5,) * n
    if "least" in kinds:
        rules["min_notional"] = (0.05,) * n
    return rules


@st.composite
def drawn(draw: st.DrawFn, *, plain: bool = False) -> Case:
    """Return a case of up to 3 assets and 40 bars; ``plain`` leaves every option off but fee and slippage."""
    seed, n_assets, n_bars = draw(st.integers(0, 2**20)), draw(st.integers(1, 3)), draw(st.integers(2, 40))
    grid = draw(st.booleans())
    bars, fine = tape(
        seed,
        n_assets,
        n_bars,
        grid=grid,
        volatility=draw(st.sampled_from([0.002, 0.015, 0.08])),
        gaps=draw(st.sampled_from([0.0, 0.0, 0.2])),
        dying=draw(st.sampled_from([False, False, True])),
    )
    style = draw(st.sampled_from(["dense", "sparse", "long_only", "held", "held", "all_in"]))
    on_change = draw(st.booleans())
    if plain:
        costs = {"fee": draw(st.sampled_from([0.0, 5e-4, 0.01])), "slippage": draw(st.sampled_from([0.0, 2e-4, 0.008]))}
        gross = draw(st.sampled_from([0.3, 1.0, 2.5]))
        return Case(targets(seed, bars["open"].shape, style, gross), bars, None, costs | {"on_change": on_change}, 1.0)
    rules = _fees(draw, seed) | {"on_change": on_change} | _rounding(draw, bars, grid)
    if draw(st.sampled_from([True, True, False])):
        rules |= _exits(draw)
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["limit", "stop"]))
        rules |= {"order": kind, "offset": draw(st.sampled_from([0.0, 0.005, 0.03]))}
        rules |= {"wait": draw(st.sampled_from([1, 2, 5])), "then": draw(st.sampled_from(["market", "cancel"]))}
    gross = draw(st.sampled_from([0.3, 1.0]))
    if draw(st.booleans()):
        leverage = draw(st.sampled_from([1.0, 3.0, 10.0, 30.0]))
        maintenance = draw(st.sampled_from([0.0, 0.02, 0.05, 0.3]))
        gross *= leverage
        rules |= {"leverage": leverage, "maintenance": maintenance}
        rules |= {"liquidation_fee": draw(st.sampled_from([0.0, 0.01]))} if maintenance else {}
    if draw(st.booleans()):
        rules |= {"volume_cap": draw(st.sampled_from([0.02, 0.2, 1.0]))}
    if draw(st.sampled_from([True, False, False])):
        rules |= {"band": draw(st.sampled_from([0.01, 0.1]))}
    if draw(st.booleans()):
        rules |= {"borrow": 20.0, "interest": 30.0, "year": 8760.0}
    given = extras(seed, bars)
    chosen = {k: given[k] for k in given if draw(st.booleans())}
    return Case(
        targets(seed, bars["open"].shape, style, gross),
        bars | chosen,
        fine if draw(st.sampled_from([False, False, True])) else None,
        rules,
        1.0,
    )


def for_twin(twin, case: Case):
    """Return the tape and the rules of a case as the twin takes them."""
    n_bars = case.targets.shape[1]
    lists = {k: v.tolist() for k, v in case.tape.items()}
    finer = None
    if case.finer is not None:
        rows = np.stack([case.finer[k] for k in ("open", "high", "low")], axis=-1)
        rows = rows.reshape(len(case.targets), n_bars, PER_BAR, 3).tolist()
        finer = [[[tuple(rows[j][t][k]) for j in range(len(rows))] for k in range(PER_BAR)] for t in range(n_bars)]
    return twin.Tape(**lists, finer=finer), twin.Rules(**case.rules)


def run_twin(twin, case: Case):
    """Simulate a case by the twin."""
    return twin.simulate(case.targets.tolist(), *for_twin(twin, case), case.cash)


_BPS = {
    "fee": "fee_bps",
    "maker": "maker_fee_bps",
    "half_spread": "half_spread_bps",
    "slippage": "slippage_bps",
    "liquidation_fee": "liquidation_fee_bps",
    "offset": "offset_bps",
    "stop_limit": "stop_limit_bps",
}
_NAMES = {
    "borrow": "borrow_rate",
    "interest": "interest_rate",
    "maintenance": "maintenance_margin",
    "trailing": "trailing_stop",
}
_BY_SYMBOL = ("lot", "tick", "min_notional")


def options_of(case: Case, symbols: list[str]) -> dict:
    """Return the fields of `Execution` that say what the rules of a case say."""
    options: dict = {}
    for name, value in case.rules.items():
        if name in _BPS:
            options[_BPS[name]] = None if value is None else round(value * 1e4, 9)
        elif name in _BY_SYMBOL:
            options[name] = dict(zip(symbols, value, strict=True))
        elif name == "tiers":
            options["fee_tiers"] = tuple((v, round(m * 1e4, 9), round(k * 1e4, 9)) for v, m, k in value)
        elif name not in {"on_change", "year"}:
            options[_NAMES.get(name, name)] = value
    return options


def frames_of(case: Case) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None]:
    """Return positions, bars and finer bars of a case; funding and mark stand in the bars."""
    n_assets, n_bars = case.targets.shape
    symbols = [f"S{j}" for j in range(n_assets)]
    times = pd.date_range("2024-01-01", periods=n_bars, freq="h", tz="UTC", name="time")
    fine = pd.date_range("2024-01-01", periods=n_bars * PER_BAR, freq="20min", tz="UTC", name="time")

    def frame(fields: dict, index: pd.DatetimeIndex) -> pd.DataFrame:
        frames = {k: pd.DataFrame(v.T, index=index, columns=symbols) for k, v in fields.items()}
        return pd.concat(frames, axis=1, names=["field", "symbol"])

    fields = {k: case.tape[k] for k in FIELDS}
    if "funding" in case.tape:
        fields["funding_rate"] = case.tape["funding"]
        if "mark" in case.tape:
            fields["mark"] = case.tape["mark"]
    positions = pd.DataFrame(case.targets.T, index=times, columns=symbols)
    return positions, frame(fields, times), None if case.finer is None else frame(case.finer, fine)
