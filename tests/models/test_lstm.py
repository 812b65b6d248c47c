"""The LSTM behind its contract: bits, chance, threads, devices, options."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

from workbench.errors import ConfigError, DataError
from workbench.models import build, load_model, save_model, windows

from .conftest import Sample, planted, shaped, tiny


@pytest.fixture
def sample() -> Sample:
    return shaped("lstm", planted(3, 160, strength=2.0))


def fingerprint(sample: Sample, seed: int = 4, **arguments: object) -> str:
    model = build(tiny("lstm"), seed=seed, **{"epochs": 2, **arguments}).fit(sample.X, sample.y)
    return hashlib.sha256(model.predict_proba(sample.X).tobytes()).hexdigest()


def test_same_seed_same_bits_whatever_torchs_global_state_is(sample: Sample) -> None:
    before_threads, before_state = torch.get_num_threads(), torch.random.get_rng_state()
    first = fingerprint(sample)
    assert torch.get_num_threads() == before_threads
    assert torch.equal(torch.random.get_rng_state(), before_state)
    try:
        torch.manual_seed(999)
        torch.set_num_threads(before_threads + 1)
        assert fingerprint(sample) == first
        assert torch.get_num_threads() == before_threads + 1
    finally:
        torch.set_num_threads(before_threads)
        torch.random.set_rng_state(before_state)
    assert fingerprint(sample, seed=5) != first


def test_a_callback_that_draws_does_not_change_the_bits(sample: Sample) -> None:
    plain = build(tiny("lstm"), seed=4).fit(sample.X, sample.y)
    noisy = build(tiny("lstm"), seed=4)
    seen: list[int] = []

    def progress(epoch: int, _epochs: int, _row: dict[str, float | int]) -> None:
        seen.append(epoch)
        torch.randn(7)
        np.random.default_rng().normal()

    noisy.progress = progress
    state = torch.random.get_rng_state()
    noisy.fit(sample.X, sample.y)
    torch.random.set_rng_state(state)
    assert seen == [r["epoch"] for r in noisy.history_]
    assert noisy.predict_proba(sample.X).tobytes() == plain.predict_proba(sample.X).tobytes()
    assert "progress" not in noisy.get_params()
    assert clone(noisy).progress is None


def test_a_view_and_its_copy_give_the_same_bits(sample: Sample) -> None:
    assert not sample.X.flags.owndata
    assert fingerprint(sample) == fingerprint(Sample(np.ascontiguousarray(sample.X), sample.y))


def test_forecasts_do_not_depend_on_their_neighbours(sample: Sample) -> None:
    model = build(tiny("lstm"), seed=4).fit(sample.X, sample.y)
    one_by_one = np.concatenate([model.predict_proba(sample.X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(one_by_one, model.predict_proba(sample.X)[:20], atol=1e-6)


def test_hidden_as_text_or_numbers_is_the_same_net(sample: Sample) -> None:
    assert fingerprint(sample, hidden="8-4") == fingerprint(sample, hidden=(8, 4)) == fingerprint(sample, hidden=[8, 4])


@pytest.mark.parametrize(
    "arguments",
    [
        {"norm": "batch"},
        {"norm": "none"},
        {"label_smoothing": 0.1},
        {"class_weight": "balanced"},
        {"dropout": 0.0},
        {"valid_share": 0.0},
        {"purge": 10},
        {"patience_accuracy": 2},
        {"threads": 0},
        {"hidden": "6"},
    ],
)
def test_every_option_runs_to_finite_forecasts(sample: Sample, arguments: dict[str, object]) -> None:
    model = build(tiny("lstm"), seed=4, **arguments).fit(sample.X, sample.y)
    assert np.isfinite(model.predict_proba(sample.X)).all()
    assert model.history_
    assert fingerprint(sample, **arguments) == fingerprint(sample, **arguments)


def test_batch_norm_survives_saving(sample: Sample, tmp_path: Path) -> None:
    model = build(tiny("lstm"), seed=4, norm="batch").fit(sample.X, sample.y)
    save_model(model, tmp_path / "m")
    loaded, _ = load_model(tmp_path / "m")
    assert loaded.predict_proba(sample.X).tobytes() == model.predict_proba(sample.X).tobytes()
    assert loaded.history_ == model.history_


def test_batch_norm_of_one_row_is_refused(sample: Sample) -> None:
    with pytest.raises(ConfigError, match="norm='batch' needs batch_size of at least 2, got 1"):
        build(tiny("lstm"), norm="batch", batch_size=1).fit(sample.X, sample.y)


def test_history_without_a_tail_is_saved_as_json(sample: Sample, tmp_path: Path) -> None:
    model = build(tiny("lstm"), epochs=2, valid_share=0.0).fit(sample.X, sample.y)
    save_model(model, tmp_path / "m")
    loaded, _ = load_model(tmp_path / "m")
    assert math.isnan(loaded.history_[0]["valid_loss"])
    assert "NaN" not in (tmp_path / "m" / "model.json").read_text()


def test_a_copy_trains_on_its_own(sample: Sample) -> None:
    model = build(tiny("lstm"), seed=4).fit(sample.X, sample.y)
    before = model.predict_proba(sample.X)
    copy.deepcopy(model).fit(sample.X, np.roll(sample.y, 1))
    np.testing.assert_array_equal(model.predict_proba(sample.X), before)


def test_cuda_without_one_says_the_cure(sample: Sample) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ConfigError, match=r"device 'cuda' is not available .* use device='auto' or 'cpu'"):
        build(tiny("lstm"), device="cuda").fit(sample.X, sample.y)


def test_cuda_learns_what_the_cpu_learns(sample: Sample, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_cpu, on_cuda = (
        build(tiny("lstm"), seed=4, dropout=0.0, device=d).fit(sample.X, sample.y) for d in ("cpu", "cuda")
    )
    np.testing.assert_allclose(on_cuda.predict_proba(sample.X), on_cpu.predict_proba(sample.X), atol=1e-3)
    save_model(on_cuda, tmp_path / "m")
    loaded, _ = load_model(tmp_path / "m")
    assert loaded.device == "auto"
    np.testing.assert_allclose(loaded.predict_proba(sample.X), on_cuda.predict_proba(sample.X), atol=1e-5)


def test_broken_weights_give_an_error_and_no_forecast(sample: Sample) -> None:
    model = build(tiny("lstm"), seed=4).fit(sample.X, sample.y)
    with torch.no_grad():
        model.net_.head.bias.fill_(math.nan)
    with pytest.raises(DataError, match="no finite forecast for row 0; its weights or features are out of range"):
        model.predict_proba(sample.X)


def test_windows_of_another_length_are_refused(sample: Sample) -> None:
    with pytest.raises(DataError, match="X has windows of 3 bars, but model 'lstm' has lookback=4"):
        build(tiny("lstm")).fit(sample.X[:, 1:], sample.y)


def test_a_model_trained_on_cuda_is_saved_for_any_device(sample: Sample, tmp_path: Path) -> None:
    model = build(tiny("lstm"), epochs=1).fit(sample.X, sample.y).set_params(device="cuda")
    assert save_model(model, tmp_path / "m")["parameters"]["device"] == "auto"


def test_a_tail_that_leaves_too_little_is_refused(sample: Sample) -> None:
    with pytest.raises(DataError, match=r"40 rows leave 0 to train on with valid_share=0\.2 and purge=50"):
        build(tiny("lstm"), purge=50).fit(sample.X[:40], sample.y[:40])


@pytest.mark.slow
def test_default_size_learns_what_plain_rows_cannot_show_and_is_quick_enough() -> None:
    """1,000 windows of 32 bars with 10 features; the label is the sign of a sum over earlier bars."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1331, 10))
    past = sum(np.roll(X[:, 0], k) for k in (1, 2, 3))
    y = np.where(past > 0, 1, -1)
    view, rows = windows(X, None, 32)
    start = time.perf_counter()
    model = build("lstm", seed=1, device="cpu").fit(view[:1000], y[rows[:1000]])
    seconds = (time.perf_counter() - start) / len(model.history_)
    print(f"lstm: {seconds:.2f} s per epoch of 1000 windows on one thread, {len(model.history_)} epochs")
    flat = build("logistic").fit(X[rows[:1000]], y[rows[:1000]])
    assert np.mean(flat.predict(X[rows[1000:]]) == y[rows[1000:]]) < 0.6
    assert np.mean(model.predict(view[1000:]) == y[rows[1000:]]) > 0.75
