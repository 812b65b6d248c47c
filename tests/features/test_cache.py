"""The feature cache: the same values, never stale, and nothing lost by damage, a full disk or a second process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.features import (
    FeatureCache,
    Registry,
    compute,
    design_matrix,
    feature,
    feature_set,
    indicator,
)
from workbench.features import cache as room
from workbench.features.sets import FeatureSets

SPECS = ["rsi(14)", "rank(rsi(14))", "ema(5)@4h", "close / ema(12) - 1", "hour"]


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "kept")


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """What the cache says in the log."""
    said: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(room, "_warn", lambda event, **details: said.append((event, details)))
    return said


def entries(cache: FeatureCache) -> list[Path]:
    return sorted(cache.folder.glob("??/*.f64"))


def is_hit(cache: FeatureCache, bars: pd.DataFrame, specs: Any, **how: Any) -> bool:
    """Whether the next computation finds all that it asks for."""
    before = cache.stats()
    compute(bars, specs, cache=cache, **how)
    after = cache.stats()
    return after.misses == before.misses and after.hits > before.hits


def test_values_are_the_same_from_the_second_time_on(cache: FeatureCache, ragged: pd.DataFrame, bars) -> None:
    for market in (ragged, bars, bars.loc[:, (slice(None), "B")], bars.iloc[:0], bars.iloc[:1]):
        plain = compute(market, SPECS, timeframe="1h")
        first = compute(market, SPECS, timeframe="1h", cache=cache)
        second = compute(market, SPECS, timeframe="1h", cache=cache)
        for made in (first, second):
            pd.testing.assert_frame_equal(made, plain, check_exact=True, check_column_type="exact")
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.hit_rate) == (25, 25, 0.5)
    assert stats.entries == len(entries(cache)) == 25
    assert stats.bytes == sum(p.stat().st_size for p in entries(cache))


def test_a_miss_after_a_hit_computes_only_what_is_missing(cache: FeatureCache, bars: pd.DataFrame) -> None:
    compute(bars, SPECS[:2], cache=cache)
    made = compute(bars, SPECS, cache=cache)
    pd.testing.assert_frame_equal(made, compute(bars, SPECS), check_exact=True)
    assert (cache.stats().hits, cache.stats().misses) == (2, 5)
    assert is_hit(cache, bars, ["rank( rsi(window=14) )", "RSI(14)"]), "another spelling of the same thing"
    assert is_hit(cache, bars, {"mine": "close / ema(12) - 1"}), "another name of the same thing"


def changed(bars: pd.DataFrame, row: int, column: tuple[str, str], factor: float) -> pd.DataFrame:
    made = bars.copy()
    made.loc[made.index[row], column] *= factor
    return made


def test_whatever_changes_is_a_miss(cache: FeatureCache, bars: pd.DataFrame) -> None:
    compute(bars, SPECS, cache=cache)
    later = bars.set_axis(bars.index + pd.Timedelta(hours=1))
    others = {
        "the last bit of a price": changed(bars, 200, ("close", "C"), 1 + 2**-52),
        "a price of the first bar": changed(bars, 0, ("close", "A"), 1.1),
        "the times": later,
        "a symbol's name": bars.rename(columns={"A": "E"}, level=1),
        "a hole": changed(bars, 9, ("close", "B"), np.nan),
        "one bar more": bars.iloc[1:],
        "one bar less": bars.iloc[:-1],
        "the order of the symbols": bars[[(f, s) for f in ("open", "high", "low", "close", "volume") for s in "BACD"]],
        "a symbol less": bars.loc[:, (slice(None), list("ABC"))],
    }
    for what, other in others.items():
        before = cache.stats().hits
        made = compute(other, SPECS[:4], cache=cache)
        assert cache.stats().hits == before, what
        pd.testing.assert_frame_equal(made, compute(other, SPECS[:4]), check_exact=True)
    for spec in ("rsi(15)", "rank(rsi(13))", "ema(5)@8h", "close / ema(12) - 2", "ema(5)", "zscore(rsi(14))"):
        assert not is_hit(cache, bars, spec), spec
    assert is_hit(cache, bars, SPECS)


def test_what_a_feature_does_not_see_changes_nothing(cache: FeatureCache, bars: pd.DataFrame) -> None:
    compute(bars, SPECS[:4], cache=cache)
    assert is_hit(cache, changed(bars, 200, ("volume", "C"), 2.0), SPECS[:4])
    assert is_hit(cache, bars[["close"]], SPECS[:4])
    assert not is_hit(cache, changed(bars, 200, ("volume", "C"), np.nan), "hour"), "it sees which bars there are"


def test_bars_of_another_length_are_a_miss_where_it_matters(cache: FeatureCache, bars: pd.DataFrame) -> None:
    every_fourth = bars.iloc[::4]
    compute(every_fourth, ["ema(5)@8h"], timeframe="4h", cache=cache)
    assert is_hit(cache, every_fourth, ["ema(5)@8h"])
    assert not is_hit(cache, every_fourth, ["ema(5)@8h"], timeframe="2h")


def test_a_set_whose_list_changed_is_a_miss(cache: FeatureCache, bars: pd.DataFrame) -> None:
    sets = FeatureSets()
    one = feature_set("mine", {"gap": "close / ema(12) - 1"}, sets=sets)
    other = feature_set("mine", {"gap": "close / ema(13) - 1"}, version=2, sets=sets)
    assert one.checksum != other.checksum
    compute(bars, dict(one.expressions), cache=cache)
    assert is_hit(cache, bars, dict(one.expressions))
    assert not is_hit(cache, bars, dict(other.expressions))


@pytest.mark.parametrize(
    "damage", ["flipped", "torn", "empty", "header", "other header", "list", "another shape", "folder"]
)
def test_a_damaged_entry_is_dropped_told_and_computed_again(
    cache: FeatureCache, bars: pd.DataFrame, warnings: list, damage: str
) -> None:
    plain = compute(bars, "rsi(14)")
    compute(bars, "rsi(14)", cache=cache)
    (path,) = entries(cache)
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(
            {
                "flipped": content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
                "torn": content[: len(content) // 2],
                "empty": b"",
                "header": b"\xff" + content[1:],
                "other header": content.replace(b"workbench features 1", b"workbench features 0"),
                "list": b"[]".ljust(4096) + content[4096:],
                "another shape": content.replace(b"[4, 400]", b"[2, 800]"),
            }[damage]
        )
    pd.testing.assert_frame_equal(compute(bars, "rsi(14)", cache=cache), plain, check_exact=True)
    assert warnings[0][0] == "cached_feature_dropped"
    assert warnings[0][1]["file"] == str(path)
    pd.testing.assert_frame_equal(compute(bars, "rsi(14)", cache=cache), plain, check_exact=True)
    if damage != "folder":
        assert entries(cache)[0].read_bytes() == content, "it is whole again"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_full_disk_costs_the_entry_only(
    cache: FeatureCache, bars: pd.DataFrame, warnings: list, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    compute(bars, "rsi(14)", cache=cache)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        made = compute(bars, ["rsi(14)", "ema(5)"], cache=cache)
    pd.testing.assert_frame_equal(made, compute(bars, ["rsi(14)", "ema(5)"]), check_exact=True)
    events = {w[0] for w in warnings}
    assert "feature_not_cached" in events
    assert len(entries(cache)) == 1
    assert not list(cache.folder.rglob("*.part"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", full)  # a folder of others, that may be read only
        patch.setattr(Path, "mkdir", full)
        assert compute(bars, "rsi(14)", cache=cache).equals(compute(bars, "rsi(14)"))


def test_a_folder_that_cannot_be_is_told_and_costs_nothing(tmp_path: Path, bars: pd.DataFrame, warnings: list) -> None:
    (tmp_path / "file").write_text("")
    made = compute(bars, "rsi(14)", cache=FeatureCache(tmp_path / "file" / "inside"))
    pd.testing.assert_frame_equal(made, compute(bars, "rsi(14)"), check_exact=True)
    assert {w[0] for w in warnings} >= {"feature_not_cached", "cache_use_not_counted"}


def test_the_longest_unused_make_room(tmp_path: Path, bars: pd.DataFrame) -> None:
    one_entry = 4096 + 400 * 4 * 8
    cache = FeatureCache(tmp_path, most_bytes=3 * one_entry)
    specs = [f"sma({w})" for w in range(2, 8)]
    for k, spec in enumerate(specs[:3]):
        compute(bars, spec, cache=cache)
        os.utime(max(entries(cache), key=lambda p: p.stat().st_mtime_ns), (1000 + k, 1000 + k))
    assert is_hit(cache, bars, specs[0])  # which is now the one used last
    compute(bars, specs[3], cache=cache)
    assert cache.stats().bytes <= 3 * one_entry
    assert [is_hit(cache, bars, s) for s in (specs[0], specs[2], specs[3])] == [True, True, True]
    assert not is_hit(cache, bars, specs[1])
    small = FeatureCache(tmp_path / "small", most_bytes=1)
    compute(bars, specs, cache=small)
    assert small.stats().entries == 1, "the newest one stays"


def test_clearing_and_counting(cache: FeatureCache, bars: pd.DataFrame) -> None:
    assert cache.stats() == room.CacheStats(0, 0, 0, 0)
    assert cache.stats().hit_rate == 0.0
    assert cache.clear() == 0
    compute(bars, SPECS, cache=cache)
    compute(bars, SPECS[:2], cache=cache)
    assert (cache.stats().hits, cache.stats().misses, cache.stats().hit_rate) == (2, 5, 2 / 7)
    with (cache.folder / "uses.log").open("a") as log:
        log.write("a line torn by a crash\n5\n")
    assert cache.stats().hits == 2
    assert cache.clear() == 5
    assert cache.stats() == room.CacheStats(0, 0, 0, 0)
    assert not is_hit(cache, bars, SPECS)


def test_failures_are_not_kept_and_the_rest_is(cache: FeatureCache, bars: pd.DataFrame) -> None:
    calls = []

    @indicator("fails", warmup=0, registry=Registry())
    def fails(close):
        calls.append(1)
        raise RuntimeError("not today")

    for _ in range(2):
        calls.clear()
        made = compute(bars, ["rsi(14)", fails], errors="collect", cache=cache)
        assert calls
        assert list(made.attrs["errors"]) == ["fails"]
        assert made["fails"].isna().all(axis=None)
    assert cache.stats().entries == 1


def test_results_can_be_written_to_and_the_entry_stays(cache: FeatureCache, bars: pd.DataFrame) -> None:
    plain = compute(bars, "rsi(14)")
    for _ in range(3):
        made = compute(bars, "rsi(14)", cache=cache)
        pd.testing.assert_frame_equal(made, plain, check_exact=True)
        made.iloc[:] = -1.0
        assert (made == -1.0).all(axis=None)


def test_long_expressions_and_panel_features_are_kept_too(cache: FeatureCache, bars: pd.DataFrame) -> None:
    long = "close * (" + " + ".join(f"{k}.123456789" for k in range(140)) + ")" + " " * 1800

    @feature("leader", registry=Registry())
    def leader(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"].rank(axis=1)

    for spec in (long, leader):
        compute(bars, spec, cache=cache)
        assert is_hit(cache, bars, spec)
        pd.testing.assert_frame_equal(compute(bars, spec, cache=cache), compute(bars, spec), check_exact=True)


def test_the_design_matrix_is_the_same_through_the_cache(cache: FeatureCache, ragged: pd.DataFrame) -> None:
    plain = design_matrix(ragged, ["rsi(14)", "rank(ret(3))"])
    for _ in range(2):
        pd.testing.assert_frame_equal(design_matrix(ragged, ["rsi(14)", "rank(ret(3))"], cache=cache).X, plain.X)
    assert cache.stats().hit_rate == 0.5


@contextmanager
def running(programs: list[str]):
    started = [subprocess.Popen([sys.executable, "-c", p], stdout=subprocess.PIPE, text=True) for p in programs]
    try:
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()


@pytest.mark.slow
def test_two_processes_at_once(tmp_path: Path) -> None:
    """Both write and read the same entries, one clears now and then; each sees right values only."""
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from workbench.data import load_bars
        from workbench.features import FeatureCache, compute
        bars = load_bars("gbm(seed=1, n_bars=300)", ["A", "B"], "1h")
        cache = FeatureCache(Path({folder!r}), most_bytes=60_000)
        specs = [f"sma({{w}})" for w in range(2, 10)]
        plain = compute(bars, specs)
        for turn in range(40):
            assert compute(bars, specs, cache=cache).equals(plain)
            if {clears} and turn % 7 == 0:
                cache.clear()
        print(cache.stats().hits > 0)
    """)
    with running([program.format(folder=str(tmp_path), clears=c) for c in (True, False)]) as started:
        assert [p.communicate(timeout=120)[0].strip() for p in started] == ["True", "True"]
        assert [p.returncode for p in started] == [0, 0]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.slow
def test_another_process_finds_what_this_one_kept(tmp_path: Path) -> None:
    """Names of entries do not depend on the process: no hash of Python's that differs from run to run."""
    program = textwrap.dedent(f"""
        from pathlib import Path
        from workbench.data import load_bars
        from workbench.features import FeatureCache, compute, feature, indicator
        WORDS = {{"a", "b", "c"}}
        def helper(close):
            return close * len(WORDS) if "x" not in {{"p", "q", "r"}} else close
        @indicator("user_kept", warmup=0)
        def user_kept(close):
            return helper(close)
        bars = load_bars("gbm(seed=1, n_bars=300)", ["A", "B"], "1h")
        cache = FeatureCache(Path({str(tmp_path)!r}))
        compute(bars, ["rsi(14)", "rank(close)", "ema(5)@4h", "user_kept"], cache=cache)
        print(cache.stats().hits, cache.stats().misses)
    """)
    script = tmp_path / "kept.py"
    script.write_text(program)
    said = [
        subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=120).stdout.split()
        for _ in range(2)
    ]
    assert said == [["0", "4"], ["4", "4"]]
