"""Images of series: always what the table says, whatever is written, killed or damaged in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import BAR_FIELDS, BarStore, bars_of, content_hash, synthetic_market
from workbench.data.store import imagefile
from workbench.errors import DataError


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagefile, "BLOCK_ROWS", 32)


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return synthetic_market("gbm(seed=9, n_bars=300)", ["A"], "1h")[0]


def put(store: BarStore, bars: pd.DataFrame, mode: str = "merge") -> int:
    return store.write("x", "A", "1h", bars, mode)  # type: ignore[arg-type]  # a mode


def image_of(store: BarStore) -> Path:
    return store.root / "x" / "1h" / "A" / "_image"


def kept_version(store: BarStore) -> int:
    meta = imagefile.load_meta(image_of(store))
    return meta.version if meta else 0


def truth(store: BarStore, *span: object) -> pd.DataFrame:
    return BarStore(store.root, image=False).read("x", "A", "1h", *span)


def test_the_second_read_comes_from_the_image(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars)
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    assert kept_version(store) == 1
    next((store.root / "x" / "1h" / "A").glob("*.parquet")).unlink()
    pd.testing.assert_frame_equal(store.read("x", "A", "1h"), bars, check_freq=False)
    with pytest.raises(DataError, match="is missing"):
        truth(store)


def test_appends_extend_the_image_and_others_make_a_new_one(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[50:100])
    store.read("x", "A", "1h")
    for i in range(100, 200, 7):
        put(store, bars.iloc[i : i + 7], "append")
        assert kept_version(store) == store.newest_version("x", "A", "1h")
        assert content_hash(store.read("x", "A", "1h")) == content_hash(truth(store))
    data = {p.name for p in image_of(store).glob("*.img")}
    put(store, bars.iloc[:50])
    assert kept_version(store) == store.newest_version("x", "A", "1h") - 1
    assert content_hash(store.read("x", "A", "1h")) == content_hash(truth(store))
    assert kept_version(store) == store.newest_version("x", "A", "1h")
    assert {p.name for p in image_of(store).glob("*.img")} != data
    assert len(list(image_of(store).glob("*.img"))) == 1


def test_an_image_that_stayed_behind_is_caught_up(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[:100])
    store.read("x", "A", "1h")
    (data,) = image_of(store).glob("*.img")
    without = BarStore(store.root, image=False)
    for i in range(100, 190, 30):
        put(without, bars.iloc[i : i + 30])
    assert kept_version(store) == 1
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars.iloc[:190])
    assert kept_version(store) == 4
    assert list(image_of(store).glob("*.img")) == [data]  # only the new rows were written


def test_old_versions_are_read_from_the_table(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[:100])
    put(store, bars)
    store.read("x", "A", "1h")
    assert len(store.read("x", "A", "1h", version=1)) == 100
    assert len(store.read("x", "A", "1h", version=2)) == 300


def test_a_series_that_was_deleted_and_begun_anew_has_no_old_image(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[:100])
    store.read("x", "A", "1h")
    folder = store.root / "x" / "1h" / "A"
    kept = {p.name: p.read_bytes() for p in image_of(store).iterdir()}
    for path in [*folder.glob("*.parquet"), *folder.glob("_delta_log/*")]:
        path.unlink()
    put(store, bars.iloc[100:200])
    for name, data in kept.items():
        (image_of(store) / name).write_bytes(data)
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars.iloc[100:200])


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 299), st.integers(0, 299)), min_size=1, max_size=6),
    st.sampled_from(BAR_FIELDS),
    st.booleans(),
)
def test_every_slice_is_that_of_the_table(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]], field: str, holes: bool
) -> None:
    bars = synthetic_market("gbm(seed=9, n_bars=300)", ["A"], "1h")[0]
    kept = bars[np.random.default_rng(len(spans)).random(300) < 0.7] if holes else bars
    store = BarStore(tmp_path_factory.mktemp("slices"))
    put(store, kept.iloc[:100])
    store.read("x", "A", "1h")
    put(store, kept.iloc[100:])
    for a, b in spans:
        start, end = bars.index[min(a, b)], bars.index[max(a, b)] + pd.Timedelta(1, "min")
        expected = kept.loc[start:end]
        if expected.empty:
            with pytest.raises(DataError, match="no bar"):
                store.read("x", "A", "1h", start, end)
            continue
        pd.testing.assert_frame_equal(store.read("x", "A", "1h", start, end), expected, check_freq=False)
        got = store.read_field("x", "A", "1h", field, start, end)
        pd.testing.assert_series_equal(got, expected[(field, "A")], check_freq=False, check_names=False)


def test_what_a_reader_is_given_is_its_own(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars)
    got = store.read("x", "A", "1h")
    got.iloc[:, :] = 1.0
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)


@pytest.mark.parametrize("what", ["bit in data", "bit in meta", "short data", "empty meta", "no data", "other format"])
def test_a_damaged_image_is_made_anew(store: BarStore, bars: pd.DataFrame, what: str) -> None:
    put(store, bars)
    store.read("x", "A", "1h")
    (data,), meta = image_of(store).glob("*.img"), image_of(store) / "meta"
    if what == "no data":
        data.unlink()
    else:
        path = data if "data" in what else meta
        raw = bytearray(path.read_bytes())
        raw[8 if what == "other format" else len(raw) // 2] ^= 0x10
        path.write_bytes(raw[:100] if what == "short data" else b"" if what == "empty meta" else raw)
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    assert kept_version(store) == 1
    (data,) = image_of(store).glob("*.img")
    assert data.stat().st_size == 10 * 32 * 6 * 8


def test_a_damaged_last_block_is_not_blessed_by_an_append(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[:100])
    store.read("x", "A", "1h")
    (data,) = image_of(store).glob("*.img")
    raw = bytearray(data.read_bytes())
    raw[3 * 32 * 6 * 8 + 32 * 8] ^= 1  # the first open of the last, partly filled block
    data.write_bytes(raw)
    put(store, bars.iloc[100:], "append")
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)


def test_an_image_that_cannot_be_kept_does_not_matter(
    store: BarStore, bars: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(imagefile, "write_all", full)
    put(store, bars.iloc[:100])
    put(store, bars.iloc[100:])
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    assert kept_version(store) == 0


def test_without_images_there_is_none(tmp_path: Path, bars: pd.DataFrame) -> None:
    store = BarStore(tmp_path, image=False)
    put(store, bars.iloc[:100])
    put(store, bars.iloc[100:])
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    assert not image_of(store).exists()


def test_a_cross_section_is_the_union_of_its_symbols(store: BarStore) -> None:
    bars = synthetic_market("gbm(seed=9, n_bars=300)", ["A", "B", "C"], "1h")[0]
    spans = {"A": slice(0, 300), "B": slice(50, 200), "C": slice(250, 300)}
    frames = {}
    for symbol, span in spans.items():
        frames[symbol] = bars.xs(symbol, axis=1, level=1)[list(BAR_FIELDS)].iloc[span]
        store.write("x", symbol, "1h", bars_of({symbol: frames[symbol]}))
    for span in (slice(0, 300), slice(100, 260), slice(0, 40)):
        start, end = bars.index[span.start], bars.index[span.stop - 1] + pd.Timedelta(1, "h")
        expected = bars_of({s: f.loc[start : end - pd.Timedelta(1, "h")] for s, f in frames.items()})
        got = store.read_many("x", ["C", "A", "B"], "1h", start, end)
        pd.testing.assert_frame_equal(got, expected.set_axis(expected.index.as_unit("us"), axis=0), check_freq=False)
    with pytest.raises(DataError, match="none of 1 symbols of 'x' has a 1h bar from 2019"):
        store.read_many("x", ["A"], "1h", "2019-01-01", "2019-02-01")
    with pytest.raises(DataError, match="holds no symbol 'D'"):
        store.read_many("x", ["A", "D"], "1h")


def test_unknown_fields_are_told(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars)
    with pytest.raises(DataError, match="no field 'clse'. Did you mean 'close'"):
        store.read_field("x", "A", "1h", "clse")
