"""Feature sets: what is in ours, what a set must be, files of sets, and the values of both against plain pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.errors import ConfigError
from workbench.features import (
    SETS,
    canonical,
    compute,
    design_matrix,
    feature_set,
    find_leaks,
    load_set,
    longest_warmup,
    resolve,
    resolve_all,
)
from workbench.features.sets import ALPHA158, CLASSIC31, FeatureSets


def test_ours_are_what_their_names_say(bars: pd.DataFrame) -> None:
    assert SETS.names() == sorted(SETS.names())
    assert {"alpha158", "classic31"} <= set(SETS.names())
    assert (len(CLASSIC31), len(ALPHA158)) == (31, 158)
    assert ALPHA158.named
    assert not CLASSIC31.named
    assert len({canonical(s) for s in CLASSIC31.specs}) == 31
    assert len({canonical(s) for s in ALPHA158.specs}) == 158
    for made in (CLASSIC31, ALPHA158):
        assert made.version == 1
        assert made.description
        assert repr(made) == f"<feature set {made.name} v1: {len(made)} features, {made.checksum}>"
    for spec in CLASSIC31.specs:
        assert resolve(spec).stationary, spec
    assert longest_warmup("classic31") == 99
    assert longest_warmup(["alpha158"]) == 60


def test_a_sets_name_stands_for_all_of_it(bars: pd.DataFrame) -> None:
    made = compute(bars, "classic31")
    assert list(made.columns.unique(0)) == CLASSIC31.specs
    both = resolve_all(["classic31", "alpha158", "close / ema(12) - 1"])
    assert len(both) == 31 + 158 + 1
    with pytest.raises(ConfigError, match=r"'rsi\(14\)' is named twice, as 'rsi\(14\)' and 'rsi'"):
        resolve_all(["classic31", "rsi"])
    with pytest.raises(ConfigError, match="there is no feature or field 'clasic31'"):
        resolve_all("clasic31")


@pytest.mark.parametrize("name", ["classic31", "alpha158"])
def test_sets_are_causal_finite_and_exact_in_their_warm_up(ragged: pd.DataFrame, name: str) -> None:
    assert find_leaks(ragged, name, cuts=[2, 61, 118, 150, 203, 259, 331, 399]) == {}
    made = compute(ragged, name)
    assert not np.isinf(made.to_numpy()).any()
    for bound in resolve_all(name):
        own = made[bound.text]["D"]  # no holes; flat and without volume for a while
        assert own.iloc[: bound.declared_warmup].isna().all()
        assert own.iloc[bound.declared_warmup :].notna().all(), bound.text


def test_sets_are_free_of_the_scale_of_price(bars: pd.DataFrame) -> None:
    scaled = bars.copy()
    for field in ("open", "high", "low", "close"):
        scaled[field] = bars[field] * 2.0**-20
    for name in ("classic31", "alpha158"):
        np.testing.assert_allclose(compute(scaled, name), compute(bars, name), rtol=1e-8, atol=1e-8)


def pandas_alpha(b: pd.DataFrame, d: int) -> dict[str, pd.Series]:
    """The same numbers from the published formulas with pandas, for one symbol."""
    o, h, lo, c, v = (b[f] for f in ("open", "high", "low", "close", "volume"))
    lv = np.log1p(v)
    up, down = (c > c.shift(1)).where(c.shift(1).notna()), (c < c.shift(1)).where(c.shift(1).notna())
    move, flow = c.diff(), (c / c.shift(1) - 1).abs() * v
    steps = np.arange(d)

    def line(x: np.ndarray) -> tuple[float, float]:
        slope, start = np.polyfit(steps, x, 1)
        return slope, x[-1] - slope * steps[-1] - start

    return {
        "KMID": (c - o) / o, "KLEN": (h - lo) / o, "KUP": (h - np.maximum(o, c)) / o,
        "KLOW2": (np.minimum(o, c) - lo) / (h - lo),
        "KSFT": (2 * c - h - lo) / o, "OPEN0": o / c, "VWAP0": (h + lo + c) / 3 / c,
        f"ROC{d}": c.shift(d) / c, f"MA{d}": c.rolling(d).mean() / c, f"STD{d}": c.rolling(d).std() / c,
        f"BETA{d}": c.rolling(d).apply(lambda x: line(x)[0], raw=True) / c,
        f"RESI{d}": c.rolling(d).apply(lambda x: line(x)[1], raw=True) / c,
        f"RSQR{d}": c.rolling(d).apply(lambda x: np.corrcoef(steps, x)[0, 1] ** 2, raw=True),
        f"MAX{d}": h.rolling(d).max() / c, f"MIN{d}": lo.rolling(d).min() / c,
        f"QTLU{d}": c.rolling(d).quantile(0.8) / c, f"QTLD{d}": c.rolling(d).quantile(0.2) / c,
        f"RANK{d}": c.rolling(d).rank(pct=True),
        f"RSV{d}": (c - lo.rolling(d).min()) / (h.rolling(d).max() - lo.rolling(d).min()),
        f"IMAX{d}": h.rolling(d).apply(lambda x: x.argmax() + 1, raw=True) / d,
        f"IMXD{d}": (h.rolling(d).apply(np.argmax, raw=True) - lo.rolling(d).apply(np.argmin, raw=True)) / d,
        f"CORR{d}": c.rolling(d).corr(lv), f"CORD{d}": (c / c.shift(1)).rolling(d).corr(np.log1p(v / v.shift(1))),
        f"CNTP{d}": up.astype(float).rolling(d).mean(),
        f"CNTD{d}": up.astype(float).rolling(d).mean() - down.astype(float).rolling(d).mean(),
        f"SUMP{d}": move.clip(lower=0).rolling(d).sum() / move.abs().rolling(d).sum(),
        f"SUMD{d}": move.rolling(d).sum() / move.abs().rolling(d).sum(),
        f"VMA{d}": v.rolling(d).mean() / v, f"VSTD{d}": v.rolling(d).std() / v,
        f"WVMA{d}": flow.rolling(d).std() / flow.rolling(d).mean(),
        f"VSUMN{d}": (-v.diff()).clip(lower=0).rolling(d).sum() / v.diff().abs().rolling(d).sum(),
    }  # fmt: skip


@pytest.mark.parametrize("window", [5, 20, 60])
def test_alpha158_is_its_formulas_in_pandas(bars: pd.DataFrame, window: int) -> None:
    own = bars.loc[:, (slice(None), "B")].droplevel("symbol", axis=1)
    want = pandas_alpha(own, window)
    made = compute(bars, [f"alpha158.{n}" for n in want])
    for name, series in want.items():
        np.testing.assert_allclose(made[f"alpha158.{name}"]["B"], series, rtol=1e-7, atol=1e-9, err_msg=name)


def test_what_a_set_must_be() -> None:
    sets = FeatureSets()
    for name, features, says in (
        ("no good", ["rsi"], "must be a plain name such as 'classic31'"),
        (5, ["rsi"], "must be a plain name"),
        ("mine", [], "is empty; give it one or more features"),
        ("mine", {}, "is empty"),
        ("mine", {"a b": "rsi"}, "'a b' must be a plain name, so that expressions can use it"),
    ):
        with pytest.raises(ConfigError, match=says):
            feature_set(name, features, sets=sets)
    for version in (0, -1, 1.5, True, "2"):
        with pytest.raises(ConfigError, match="version must be a whole number from 1 on"):
            feature_set("mine", ["rsi"], version=version, sets=sets)
    with pytest.raises(ConfigError, match="there is no feature set 'classic13'. Did you mean 'classic31'?"):
        SETS.get("classic13")
    assert sets.names() == []


def test_a_changed_list_needs_a_new_version() -> None:
    sets = FeatureSets()
    first = feature_set("mine", ["rsi(14)", "ret(5)"], sets=sets)
    assert feature_set("mine", ["ret(5)", "rsi(14)"], sets=sets).checksum == first.checksum, "the order does not matter"
    with pytest.raises(ConfigError, match="'mine' v1 is already known with other features; raise its version to 2"):
        feature_set("mine", ["rsi(14)", "ret(6)"], sets=sets)
    second = feature_set("mine", ["rsi(14)", "ret(6)"], version=2, sets=sets)
    assert second.checksum != first.checksum
    assert sets.get("mine") is second
    with pytest.raises(ConfigError, match="raise its version to 3"):
        feature_set("mine", ["rsi(14)"], version=1, sets=sets)
    assert [s.name for s in sets] == ["mine"]


def test_names_and_expressions_tell_sets_apart() -> None:
    def checksum(features: object) -> str:
        return feature_set("mine", features, sets=FeatureSets()).checksum

    assert checksum({"a": "rsi"}) != checksum({"b": "rsi"})
    assert checksum({"a": "rsi"}) != checksum({"a": "rsi(14)"})
    assert checksum({"a": "rsi"}) == checksum({"a": "rsi"})


def test_a_file_is_a_set(settings: Settings, bars: pd.DataFrame) -> None:
    path = settings.home / "sets_file_one.yaml"
    path.write_text(
        "version: 3\ndescription: mine\nreferences: [a paper]\n"
        "features:\n  fast: ema(12)\n  gap: close / fast - 1\n  wide: gap > mean(gap, 20)\n"
    )
    try:
        made = compute(bars, str(path))
        assert list(made.columns.unique(0)) == [f"{path}::{n}" for n in ("fast", "gap", "wide")]
        kept = SETS.get("sets_file_one")
        assert (kept.version, kept.description, kept.references) == (3, "mine", ("a paper",))
        X = design_matrix(bars, [str(path), "ret(1)"]).X
        assert list(X.columns) == [*made.columns.unique(0), "ret(1)"]
        assert canonical("sets_file_one.gap") == canonical(f"{path}::gap")
        path.write_text("version: 4\nname: sets_file_one\nfeatures: [rsi(14), 'close / ema(12) - 1']\n")
        assert load_set(path).specs == ["rsi(14)", "close / ema(12) - 1"]
    finally:
        SETS._sets.pop("sets_file_one", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no (feature set )?file"),
        ("features: [", "cannot be read: "),
        ("- rsi(14)\n", "has no 'features'"),
        ("name: mine\n", "has no 'features'"),
        ("features: rsi(14)\n", "features must be a list or names with expressions, got 'rsi\\(14\\)'"),
        ("features: [rsi]\nverion: 2\n", "has an unknown key 'verion'. Did you mean 'version'?"),
        ("features: []\n", "is empty"),
        ("features: [rsi]\nversion: two\n", "version must be a whole number"),
        ("features: [rsi]\nname: not good\n", "must be a plain name"),
    ],
)
def test_a_file_that_is_no_set_is_told(settings: Settings, text: str | None, says: str) -> None:
    path = settings.home / "broken_set.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        load_set(path, FeatureSets())
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=says):
        resolve_all(f" {path} ")
    assert "broken_set" not in SETS
