"""Perfect patterns by hand are found with their score; near misses are refused."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import ConfigError
from workbench.features.patterns import (
    HARMONICS,
    broken,
    find_corrections,
    find_divergences,
    find_doubles,
    find_harmonics,
    find_head_shoulders,
    find_impulses,
    find_triangles,
    reversal_zone,
)
from workbench.features.patterns.divergence import oscillator_values
from workbench.features.patterns.elliott import ELLIOTT_NAMES
from workbench.features.patterns.harmonic import HARMONIC_NAMES
from workbench.features.patterns.shapes import DOUBLE_NAMES, HEAD_SHOULDERS_NAMES, TRIANGLE_NAMES


def xabcd(ab: float, bc: float, ad: float, *, x: float = 100.0, a: float = 150.0) -> list[float]:
    """Prices of X, A, B, C, D from the retracements of XA by AB, of AB by BC and of XA by AD."""
    b = a - ab * (a - x)
    return [x, a, b, b + bc * (a - b), a - ad * (a - x)]


PERFECT = {
    "gartley": xabcd(0.618, 0.5, 0.786),
    "bat": xabcd(0.5, 0.5, 0.886),
    "butterfly": xabcd(0.786, 0.5, 1.27),
    "crab": xabcd(0.618, 0.886, 1.618),
    "shark": xabcd(0.5, 1.4, 1.0),
    "cypher": [100, 150, 125, 165, 165 - 0.786 * 65],
}


def mirrored(prices: list[float]) -> list[float]:
    return [300 - p for p in prices]


@pytest.mark.parametrize("name", HARMONIC_NAMES)
@pytest.mark.parametrize("bullish", [True, False])
def test_a_perfect_harmonic_pattern_scores_one(name: str, bullish: bool, pivots) -> None:
    prices = PERFECT[name] if bullish else mirrored(PERFECT[name])
    match = find_harmonics(pivots(prices), pattern=name)
    assert match.score.tolist() == pytest.approx([1.0])
    assert match.direction.tolist() == [1 if bullish else -1]
    assert match.known.tolist() == [22]  # D at bar 20, confirmed two bars later
    assert [HARMONIC_NAMES[c] for c in match.code] == [name]


@pytest.mark.parametrize("name", HARMONIC_NAMES)
@pytest.mark.parametrize("point", [1, 2, 3, 4])
def test_harmonic_near_misses_are_refused(name: str, point: int, pivots) -> None:
    """Move one point until a ratio is just beyond the tolerance; just within it is still found."""

    def found(shift: float) -> bool:
        prices = list(PERFECT[name])
        prices[point] += shift
        steps = np.sign(np.diff(prices))
        return (
            bool((steps[1:] == -steps[:-1]).all())
            and find_harmonics(pivots(prices), pattern=name, tolerance=0.02).known.size > 0
        )

    assert found(0.0)
    shifts = np.linspace(0, 60, 601)
    for sign in (1, -1):
        hits = [found(sign * s) for s in shifts]
        edge = hits.index(False)
        assert not any(hits[edge:])


def test_the_score_of_a_worked_example(pivots) -> None:
    """A Gartley whose B is 5 % too deep, at a tolerance of 10 %: one of four ratios misses by a half."""
    match = find_harmonics(pivots(xabcd(0.618 * 1.05, 0.4, 0.786)), pattern="gartley", tolerance=0.1)
    assert match.score.tolist() == pytest.approx([1 - 0.5 / 4])
    assert find_harmonics(pivots(xabcd(0.618 * 1.11, 0.4, 0.786)), pattern="gartley").score.size == 0


def test_patterns_do_not_overlap_at_a_small_tolerance(pivots) -> None:
    for name, prices in PERFECT.items():
        codes = find_harmonics(pivots(prices), tolerance=0.02).code
        assert [HARMONIC_NAMES[c] for c in codes] == [name]


@pytest.mark.parametrize("name", HARMONIC_NAMES)
def test_the_reversal_zone_holds_d(name: str) -> None:
    x, a, b, c, d = PERFECT[name]
    low, high = reversal_zone(x, a, b, c, name, 0.0)
    assert low - 1e-9 <= d <= high + 1e-9
    wide = reversal_zone(x, a, b, c, name, 0.1)
    assert wide[0] < low
    assert wide[1] > high


def test_a_zone_whose_projections_part_is_missing() -> None:
    assert np.isnan(reversal_zone(100, 150, 119.1, 119.2, "gartley", 0.0)).all()


def test_every_ratio_of_the_table_is_ordered() -> None:
    for pattern in HARMONICS.values():
        for bounds in pattern:
            assert bounds is None or 0 < bounds[0] <= bounds[1]


IMPULSE = [100, 110, 104, 122, 116.6, 124.6]
"""Wave 2 retraces 0.6, wave 3 is 1.8 of wave 1, wave 4 retraces 0.3, wave 5 is 0.8 of wave 1; 0.6 against 0.3."""


def test_a_perfect_impulse(pivots) -> None:
    up, down = find_impulses(pivots(IMPULSE)), find_impulses(pivots(mirrored(IMPULSE)))
    assert up.score.tolist() == pytest.approx([1.0])
    assert (up.direction.tolist(), down.direction.tolist()) == ([-1], [1])
    assert [ELLIOTT_NAMES[up.code[0]], ELLIOTT_NAMES[down.code[0]]] == ["impulse_up", "impulse_down"]
    assert up.known.tolist() == [27]


@pytest.mark.parametrize(
    "prices",
    [
        [100, 110, 99.9, 122, 116, 124],  # wave 2 beyond the start of wave 1
        [100, 110, 104, 109.9, 105, 124],  # wave 3 does not pass wave 1
        [100, 110, 104, 122, 109.9, 124],  # wave 4 enters wave 1
        [100, 110, 104, 113, 110.5, 125],  # wave 3 (9) is the shortest of 10, 9, 14.5
    ],
)
def test_impulses_that_break_a_rule_are_refused(prices: list[float], pivots) -> None:
    assert find_impulses(pivots(prices)).known.size == 0
    assert find_impulses(pivots(mirrored(prices))).known.size == 0


def test_confidence_falls_with_each_guideline(pivots) -> None:
    """Wave 5 of 1.309 times wave 1 lies half of the width 0.618 outside: one of six parts loses a half."""
    prices = [*IMPULSE[:5], 116.6 + 13.09]
    assert find_impulses(pivots(prices)).score.tolist() == pytest.approx([1 - 0.5 / 6])


def test_a_shorter_third_wave_is_fine_when_the_fifth_is_shorter_still(pivots) -> None:
    assert find_impulses(pivots([100, 110, 104, 113, 110.5, 114])).known.size == 1


def test_corrections(pivots) -> None:
    """An advance from 80 to 120, then A 10, B 5, C 10: retraces 15 of 40."""
    match = find_corrections(pivots([80, 120, 110, 115, 103]))
    assert [ELLIOTT_NAMES[c] for c in match.code] == ["correction_down"]
    assert match.direction.tolist() == [1]
    assert match.score.tolist() == pytest.approx([4 / 5])  # all guidelines but the impulse before
    after = find_corrections(pivots([*IMPULSE, 117, 121, 112]))
    assert after.score[-1] == pytest.approx(1.0)
    assert find_corrections(pivots([80, 120, 110, 121, 103])).known.size == 0  # B beyond the start
    assert find_corrections(pivots([80, 120, 110, 115, 111])).known.size == 0  # C short of A
    assert find_corrections(pivots([80, 120, 110, 115, 79])).known.size == 0  # below the start of the advance


def completed(find, prices: list[float], path, pivots, **settings):
    """Candidates on hand-made pivots, with the path through them as closes."""
    close = path(prices)
    return broken(find(pivots(prices[:-1]), **settings), close), close


HEAD = [90, 110, 100, 120, 100, 110, 80]


def test_head_and_shoulders(path, pivots) -> None:
    match, close = completed(find_head_shoulders, HEAD, path, pivots)
    assert [HEAD_SHOULDERS_NAMES[c] for c in match.code] == ["head_shoulders_top"]
    assert match.score.tolist() == pytest.approx([1.0])
    assert match.direction.tolist() == [-1]
    # From 110 at bar 25 down by 6 a bar: 104, 98; the neckline is 100.
    assert match.known.tolist() == [27]
    assert close[27] == 98
    inverse, _ = completed(find_head_shoulders, mirrored(HEAD), path, pivots)
    assert [HEAD_SHOULDERS_NAMES[c] for c in inverse.code] == ["head_shoulders_bottom"]
    assert inverse.direction.tolist() == [1]


@pytest.mark.parametrize(
    "prices",
    [
        [90, 110, 100, 111, 100, 110, 80],  # the head hardly stands out
        [90, 110, 100, 120, 100, 103, 80],  # a right shoulder 7 lower: more than 0.3 of the height 20
        [90, 110, 100, 120, 92, 110, 80],  # a crooked neckline
        [101, 110, 100, 120, 100, 110, 80],  # nothing rose before it
        [90, 110, 100, 120, 100, 110, 101],  # the neckline holds
        [90, 110, 100, 120, 100, 110, 130],  # broken on the wrong side
    ],
)
def test_head_and_shoulders_near_misses(prices: list[float], path, pivots) -> None:
    assert completed(find_head_shoulders, prices, path, pivots)[0].known.size == 0


def test_a_neckline_is_extended_to_the_break(path, pivots) -> None:
    prices = [90, 110, 100, 120, 102, 110, 70]  # the neckline rises by 0.2 a bar: 102 at bar 20, 103.2 at 26
    match, _ = completed(find_head_shoulders, prices, path, pivots)
    # 110 at bar 25, down by 8 a bar: 102 at bar 26 is below 103.2, but the shoulder is confirmed at bar 27
    assert match.known.tolist() == [27]
    shoulders, necks, uneven = 0.0, 2 / (0.3 * 19), 0.0
    assert match.score.tolist() == pytest.approx([1 - (shoulders + necks + uneven) / 3])


def test_a_head_that_waits_too_long_is_given_up(pivots) -> None:
    found = find_head_shoulders(pivots(HEAD[:-1]))
    assert found.until.tolist() == [27 + 20]
    close = np.full(80, 105.0)
    close[48] = 90.0
    assert broken(found, close).known.size == 0
    close[47] = 90.0
    assert broken(found, close).known.tolist() == [47]


def test_double_tops_and_bottoms(path, pivots) -> None:
    match, close = completed(find_doubles, [90, 110, 100, 110, 80], path, pivots)
    assert [DOUBLE_NAMES[c] for c in match.code] == ["double_top"]
    assert (match.direction.tolist(), match.score.tolist()) == ([-1], [1.0])
    assert match.known.tolist() == [17]
    assert close[17] == 98
    bottom, _ = completed(find_doubles, mirrored([90, 110, 100, 110.6, 80]), path, pivots)
    assert [DOUBLE_NAMES[c] for c in bottom.code] == ["double_bottom"]
    assert bottom.score.tolist() == pytest.approx([1 - 0.6 / (0.15 * 10.3)])
    for near in ([90, 110, 100, 112, 80], [101, 110, 100, 110, 80], [90, 110, 100, 110, 101], [90, 110, 100, 110, 140]):
        assert completed(find_doubles, near, path, pivots)[0].known.size == 0


@pytest.mark.parametrize(
    ("prices", "name", "direction"),
    [
        ([120, 100, 120, 106, 120, 150], "ascending_triangle", None),
        ([120, 100, 120, 106, 120, 90], "ascending_triangle", -1),
        ([80, 100, 80, 94, 80, 110], "descending_triangle", 1),
        ([120, 100, 116, 104, 112, 90], "symmetrical_triangle", -1),
        ([80, 100, 84, 96, 88, 110], "symmetrical_triangle", 1),
    ],
)
def test_triangles(prices: list[float], name: str, direction: int | None, path, pivots) -> None:
    if direction is None:  # upward out of an ascending triangle: back to its lower part first
        close = np.concatenate([path(prices[:-1]), [115, 113, 116, 121, 125]])
        match = broken(find_triangles(pivots(prices[:-1])), close)
        assert match.known.tolist() == [24]
        direction = 1
    else:
        match, _ = completed(find_triangles, prices, path, pivots)
    assert [TRIANGLE_NAMES[c] for c in match.code] == [name]
    assert match.direction.tolist() == [direction]
    kind = name.removesuffix("_triangle")
    others = {"ascending", "descending", "symmetrical"} - {kind}
    assert find_triangles(pivots(prices[:-1]), kind=kind).matches.known.size == 1
    assert all(find_triangles(pivots(prices[:-1]), kind=k).matches.known.size == 0 for k in others)


@pytest.mark.parametrize(
    "prices",
    [
        [120, 100, 120, 100, 120],  # a rectangle does not narrow
        [120, 104, 124, 100, 128],  # a broadening shape
        [120, 100, 112, 104, 112],  # the middle top lies 4 below the line, of a width of 22
        [100, 90, 110, 102, 120],  # a channel upward
        [60, 120, 111, 118, 115],  # a lull after one great leg
    ],
)
def test_shapes_that_are_no_triangle(prices: list[float], pivots) -> None:
    assert find_triangles(pivots(prices), tolerance=0.15).matches.known.size == 0


def test_the_score_of_a_triangle_that_is_crooked(pivots) -> None:
    """The middle top 1 below its line, of a width of 22 and a tolerance of 0.2: a miss of 1 / 4.4; even in time."""
    found = find_triangles(pivots([120, 100, 115, 104, 112]))
    assert found.matches.score.tolist() == pytest.approx([(1 - 1 / 4.4 + 1) / 2])


def test_a_triangle_ends_at_its_apex(pivots) -> None:
    found = find_triangles(pivots([120, 100, 116, 104, 112]))
    # Top 120 - 0.4 t, bottom 98 + 0.4 t: they meet at t = 27.5.
    assert found.until.tolist() == [27]
    assert found.upper[0] == pytest.approx(120 - 0.4 * 22)
    assert found.lower[0] == pytest.approx(98 + 0.4 * 22)
    assert found.matches.score[0] == pytest.approx(1.0)


def test_a_newer_candidate_ends_the_wait_of_the_older(pivots) -> None:
    prices = [90, 110, 100, 110, 105, 110.5]
    found = find_doubles(pivots(prices))
    assert found.matches.last.tolist() == [3, 5]
    close = np.full(60, 108.0)
    close[40] = 99.0  # below both lines, but only the newer one is watched, until bar 37
    assert broken(found, close).known.size == 0
    close[30] = 99.0
    assert broken(found, close).last.tolist() == [5]


@pytest.mark.parametrize(
    ("prices", "values", "name"),
    [
        ([90, 110, 100, 112], (70, 60), "regular_bearish"),
        ([90, 110, 100, 108], (60, 70), "hidden_bearish"),
        ([110, 90, 100, 88], (30, 40), "regular_bullish"),
        ([110, 90, 100, 92], (40, 30), "hidden_bullish"),
    ],
)
def test_divergences(prices: list[float], values: tuple[float, float], name: str, pivots) -> None:
    oscillator = np.full(20, 50.0)
    oscillator[5], oscillator[15] = values
    match = find_divergences(pivots(prices), oscillator)
    assert match.known.tolist() == [17]
    kind, side = name.split("_")
    assert side == ("bearish" if match.direction[0] < 0 else "bullish")
    assert find_divergences(pivots(prices), oscillator, kind=kind).known.size == 1
    assert find_divergences(pivots(prices), oscillator, kind={"regular": "hidden"}.get(kind, "regular")).known.size == 0
    # Oscillator: 10 of its range of 20 between the pivots; price: 2 of the longer leg.
    longest = max(abs(np.diff(prices)[1:]))
    assert match.score.tolist() == pytest.approx([(10 / 20 + 2 / longest) / 2])
    assert find_divergences(pivots(prices), np.where(np.arange(20) < 6, np.nan, oscillator)).known.size == 0
    assert find_divergences(pivots(prices), np.full(20, 50.0)).known.size == 0


def test_an_unknown_oscillator_is_named() -> None:
    with pytest.raises(ConfigError, match="no oscillator 'stoch'; choose one of rsi, macd, obv"):
        oscillator_values("stoch", np.ones(50), np.ones(50))
