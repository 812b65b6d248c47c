"""When faults happen: the language, YAML, random mixes, and what is refused."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.replay.fault_kinds import FAULTS, kinds_of
from workbench.data.replay.fault_windows import Window, seconds_of
from workbench.data.replay.schedule import FaultSchedule
from workbench.errors import ConfigError

DAY = 86400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("30s", 30), ("1h30m", 5400), ("7d", 7 * DAY), ("250ms", 0.25), ("1.5h", 5400), ("0", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_a_window_is_on_from_its_start_for_its_length_and_again_each_period() -> None:
    (once, again) = FaultSchedule.parse("418@10m for 2m on binance; 503@1h+30s every 6h").windows
    assert [once.active(t) for t in (599.9, 600, 719.9, 720)] == [False, True, True, False]
    assert (once.touches("api.binance.com/api/v3/klines"), once.touches("api.kraken.com/0/public/OHLC")) == (
        True,
        False,
    )
    begins = [3600.0, 3600 + 6 * 3600, 3600 + 60 * 3600]
    assert all(again.active(b) and again.active(b + 29.9) and not again.active(b + 30) for b in begins)
    assert [again.repeat_at(t) for t in (0, 3600, 25199, 25200)] == [None, 0, 0, 1]


def test_without_times_a_fault_is_always_on_and_one_of_a_moment_with_a_time_has_no_length() -> None:
    always, moment, met = FaultSchedule.parse("frozen; close-1006@10m; close-1006@10m for 1h").windows
    assert (always.start, always.length) == (0, math.inf)
    assert (moment.length, met.length) == (0, 3600)


def test_yaml_says_the_same_as_the_language() -> None:
    words = [
        {"fault": "429", "retry_after": "garbage", "at": "10m", "for": "2m", "on": "binance", "times": 3},
        {"fault": 503, "at": "1h", "for": 30, "every": "6h"},
        "skew(seconds=60, drift=5)",
        {"fault": "random", "rate": "4/day", "seed": 3, "span": "2d"},
    ]
    line = (
        "429(retry_after=garbage)@10m for 2m on binance x3\n503@1h+30s every 6h; skew(60, drift=5);"
        "random(rate=4/day, seed=3, span=2d)"
    )
    assert FaultSchedule.parse(words) == FaultSchedule.parse(line)


windows = st.builds(
    Window,
    kind=st.sampled_from(sorted(FAULTS)),
    start=st.integers(0, 10**6).map(float),
    length=st.one_of(st.integers(1, 10**5).map(float), st.just(math.inf)),
    every=st.one_of(st.just(0.0), st.integers(1, 10**6).map(float)),
    times=st.integers(0, 5),
    on=st.sampled_from(["", "binance", "api.kraken.com/0/public/OHLC"]),
)


@given(windows.filter(lambda w: math.isfinite(w.length) or not FAULTS[w.kind].moment))
def test_what_a_window_writes_is_read_back(window: Window) -> None:
    assert FaultSchedule.parse(window.line()).windows == (window,)


@given(st.integers(0, 10**6), st.sampled_from(["rest+ws", "ws", "body", "418+reset+frozen"]))
def test_a_seed_draws_the_same_faults_each_time_and_only_of_its_kinds(seed: int, kinds: str) -> None:
    drawn = FaultSchedule.random(seed, 7 * DAY, 12, kinds)
    assert drawn == FaultSchedule.random(seed, 7 * DAY, 12, kinds)
    assert {w.kind for w in drawn.windows} <= set(kinds_of(kinds))
    starts = [w.start for w in drawn.windows]
    assert starts == sorted(starts)
    assert all(0 < s < 7 * DAY for s in starts)
    assert FaultSchedule.parse(drawn.lines()).windows == drawn.windows


def test_random_faults_come_at_their_rate_and_cover_all_kinds() -> None:
    drawn = [FaultSchedule.random(seed, 7 * DAY, 12) for seed in range(200)]
    counts = [len(s.windows) for s in drawn]
    mean = sum(counts) / len(counts)
    variance = sum((c - mean) ** 2 for c in counts) / len(counts)
    assert mean == pytest.approx(84, rel=0.03)  # twelve a day for seven days
    assert variance == pytest.approx(84, rel=0.35)  # Poisson: variance and mean are equal
    assert {w.kind for s in drawn for w in s.windows} == set(FAULTS)


def test_a_stretch_makes_faults_longer_and_changes_nothing_else() -> None:
    drawn = [FaultSchedule.random(5, 60 * DAY, 12, "503", stretch=s).windows for s in (1, 10)]
    usual, longer = ([(w.start, w.kind) for w in windows] for windows in drawn)
    assert usual == longer
    assert sum(w.length for w in drawn[1]) == pytest.approx(10 * sum(w.length for w in drawn[0]), rel=0.05)


def test_the_table_tells_each_fault_with_its_times() -> None:
    table = FaultSchedule.parse("418@10m for 2m on binance; 503@1h+30s every 6h; frozen").describe()
    assert table["fault"].tolist() == ["418", "503", "frozen"]
    assert table["side"].tolist() == ["answer", "answer", "socket"]
    assert table["start"].dt.total_seconds().tolist() == [600, 3600, 0]
    assert table["length"].isna().tolist() == [False, False, True]
    assert table["every"].isna().tolist() == [True, False, True]
    assert FaultSchedule().describe().empty


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("frozzen", "no fault is called 'frozzen'. Did you mean 'frozen'?"),
        ("429(retry_aftr=3)", "fault 429 has no option 'retry_aftr'. Did you mean 'retry_after'?"),
        ("burst(n=many)", "n of fault burst must be a number, got 'many'"),
        ("skew(nan)", "seconds of fault skew must be a number, got 'nan'"),
        ("503(p=0)", "p of fault 503 is a share above 0 and at most 1"),
        ("503@tomorrow", "'tomorrow' is not a duration"),
        ("503 during 3h", "cannot read 'during 3h'"),
        ("503 every 0", "repeats after more than 0 seconds"),
        ("random(kinds=rets)", "no fault or group is called 'rets'. Did you mean 'rest'?"),
        ("random(rat=3)", "random() has no option 'rat'. Did you mean 'rate'?"),
        ("random(rate=often)", "write such as random(rate=12/day, seed=7)"),
        ("random(rate=0/day)", "needs a rate, a span and a stretch above 0"),
        ("(503)", "cannot read the fault '(503)'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_cure(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        FaultSchedule.parse(text)


def test_a_mapping_without_a_fault_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs the word 'fault'"):
        FaultSchedule.parse([{"at": "10m"}])
