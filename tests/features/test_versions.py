"""A feature whose body or numbers changed has a new version; so has a set whose list changed.

What was accepted stands in ``versions.json``. After a change run::

    python tests/features/test_versions.py            # what is new
    python tests/features/test_versions.py --accept   # write it, where the version was raised

A body that was only rewritten, to the same numbers, is accepted without a new version; changed numbers are not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.data import load_bars
from workbench.features import REGISTRY, SETS, compute

ACCEPTED = Path(__file__).with_name("versions.json")
RUN = "run: python tests/features/test_versions.py --accept"
ACCEPT = f"raise its version and {RUN}"
Record = dict[str, Any]


def market() -> pd.DataFrame:
    """Hours of two symbols with what perpetuals have beside their bars: the same on every machine."""
    n_bars = 700
    bars = load_bars(f"regimes(seed=5, n_bars={n_bars})", ["A", "B"], "1h").copy()
    rng = np.random.default_rng(5)
    for symbol in ("A", "B"):
        bars["funding_rate", symbol] = np.where(bars.index.hour % 8 == 0, rng.normal(0, 1e-4, n_bars), 0.0)
        bars["basis", symbol] = rng.normal(0, 1e-3, n_bars)
        bars["mark", symbol] = bars["close", symbol] / (1 + bars["basis", symbol])
        bars["open_interest", symbol] = rng.lognormal(10, 0.1, n_bars)
    return bars


def found() -> dict[str, dict[str, Record]]:
    """Version, code hash and a few numbers of every feature; version and checksum of every set."""
    own = [f.name for f in REGISTRY if f.trusted]  # not what another test left in the registry
    rows = compute(market(), own).iloc[[450, 571, 699]]
    features = {}
    for name in own:
        made = REGISTRY.get(name)
        values = [float(f"{v:.9g}") for v in rows[name].to_numpy().ravel()]
        features[name] = {"version": made.version, "code": made.code_hash, "values": values}
    sets = {
        name: {"version": SETS.get(name).version, "checksum": SETS.get(name).checksum}
        for name in ("alpha158", "classic31")
    }
    return {"features": features, "sets": sets}  # fmt: skip


def accepted() -> dict[str, dict[str, Record]]:
    return json.loads(ACCEPTED.read_text()) if ACCEPTED.exists() else {"features": {}, "sets": {}}


def same_numbers(one: list[float], other: list[float]) -> bool:
    return len(one) == len(other) and np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True)


def objections(old: dict[str, dict[str, Record]], new: dict[str, dict[str, Record]]) -> dict[str, str]:
    """What is wrong with each changed thing, by name; nothing for one that is new, gone or has a higher version."""
    wrong: dict[str, str] = {}
    for kind, key in (("features", "values"), ("sets", "checksum")):
        for name in old[kind].keys() & new[kind].keys():
            was, now = old[kind][name], new[kind][name]
            if now["version"] > was["version"]:
                continue
            equal = same_numbers(was[key], now[key]) if key == "values" else was[key] == now[key]
            if not equal:
                what = "gives other numbers" if key == "values" else "has another list"
                wrong[name] = f"{kind[:-1]} {name!r} v{now['version']} {what} than accepted; {ACCEPT}"
            elif now["version"] < was["version"]:
                wrong[name] = f"{kind[:-1]} {name!r} went back from v{was['version']} to v{now['version']}; {ACCEPT}"
    return wrong


def pending(old: dict[str, dict[str, Record]], new: dict[str, dict[str, Record]]) -> dict[str, str]:
    """What has to be accepted: new, gone, raised, or another body."""
    told: dict[str, str] = {}
    for kind in ("features", "sets"):
        for name in old[kind].keys() | new[kind].keys():
            was, now = old[kind].get(name), new[kind].get(name)
            if was is None or now is None:
                told[name] = f"{kind[:-1]} {name!r} is {'new' if was is None else 'gone'}; {RUN}"
            elif was["version"] != now["version"]:
                told[name] = f"{kind[:-1]} {name!r} is v{now['version']}, v{was['version']} is accepted; {RUN}"
            elif kind == "features" and was["code"] != now["code"]:
                told[name] = (
                    f"feature {name!r} v{now['version']} has another body than accepted; {RUN},"
                    " and raise its version if numbers changed"
                )
    return told


@pytest.fixture(scope="module")
def now() -> dict[str, dict[str, Record]]:
    return found()


def test_no_feature_changed_without_a_new_version(now: dict[str, dict[str, Record]]) -> None:
    problems = pending(accepted(), now) | objections(accepted(), now)
    assert not problems, "\n".join(sorted(problems.values()))


def test_a_change_is_named_with_its_cure(now: dict[str, dict[str, Record]]) -> None:
    def with_rsi(**changes: object) -> dict[str, dict[str, Record]]:
        return {**now, "features": {**now["features"], "rsi": now["features"]["rsi"] | changes}}

    values = now["features"]["rsi"]["values"]
    assert objections(now, now) == pending(now, now) == {}
    assert pending(with_rsi(code="0" * 16), now) == {
        "rsi": f"feature 'rsi' v1 has another body than accepted; {RUN}, and raise its version if numbers changed"
    }
    assert objections(with_rsi(code="0" * 16), now) == {}, "the same numbers"
    moved = with_rsi(values=[v * (1 + 1e-4) for v in values])
    assert objections(moved, now) == {"rsi": f"feature 'rsi' v1 gives other numbers than accepted; {ACCEPT}"}
    assert objections(with_rsi(values=[v * (1 + 1e-12) for v in values]), now) == {}
    assert objections(moved, with_rsi(version=2)) == {}
    assert pending(moved, with_rsi(version=2)) == {"rsi": f"feature 'rsi' is v2, v1 is accepted; {RUN}"}
    assert "went back from v3 to v1" in objections(with_rsi(version=3), now)["rsi"]
    other = {**now, "sets": {**now["sets"], "classic31": {"version": 1, "checksum": "0" * 16}}}
    assert objections(other, now) == {"classic31": f"set 'classic31' v1 has another list than accepted; {ACCEPT}"}
    gone = {**now, "features": {k: v for k, v in now["features"].items() if k != "rsi"}}
    assert pending(gone, now) == {"rsi": f"feature 'rsi' is new; {RUN}"}
    assert pending(now, gone) == {"rsi": f"feature 'rsi' is gone; {RUN}"}


def test_the_numbers_kept_tell_something(now: dict[str, dict[str, Record]]) -> None:
    """Of the levels and oscillators each number differs from the others; events may be all 0."""
    values = {name: one["values"] for name, one in now["features"].items()}
    assert all(len(v) == 6 and np.isfinite(v).all() for v in values.values())
    assert sum(len(set(v)) == 6 for v in values.values()) > 100


def main(words: list[str]) -> int:
    old, new = accepted(), found()
    wrong, waiting = objections(old, new), pending(old, new)
    for line in sorted({**waiting, **wrong}.values()):
        print(line)
    if words != ["--accept"]:
        print(f"{len(waiting)} to accept, {len(wrong)} refused")
        return 0
    for name in wrong:
        for kind in ("features", "sets"):
            if name in old[kind]:
                new[kind][name] = old[kind][name]
    lines = [
        f' "{kind}": {{\n' + ",\n".join(f'  "{n}": {json.dumps(new[kind][n])}' for n in sorted(new[kind])) + "\n }"
        for kind in ("features", "sets")
    ]
    ACCEPTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(waiting.keys() - wrong.keys())} accepted, {len(wrong)} refused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
