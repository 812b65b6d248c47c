"""The training loop: smoothing, weights, early stop, and every kind of fault it must survive."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import TrainingError
from workbench.models.loop import TrainSettings, evaluate, train
from workbench.models.loss import Loss, class_weights, smoothed_cross_entropy
from workbench.models.watch import EarlyStop, UnstableError, Watchdog

from .conftest import planted

CPU = torch.device("cpu")
SETTINGS = TrainSettings(
    epochs=8, batch_size=32, learning_rate=0.02, weight_decay=0.01, clip_norm=1.0, warmup_epochs=1.0,
    plateau_patience=2, label_smoothing=0.0, class_weight="none", valid_share=0.2, purge=5, patience=100,
    patience_accuracy=0, max_failures=5, seed=3,
)  # fmt: skip


class Plain(nn.Module):
    """A linear net with the loop's signature, deterministic from its first weights."""

    def __init__(self, n_features: int = 5) -> None:
        super().__init__()
        self.head = nn.Linear(n_features, 3)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()

    def forward(self, x: torch.Tensor, noise: torch.Generator | None = None) -> torch.Tensor:
        return self.head(x)


def data(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rows = planted(2, n, strength=2.0)
    return rows.X, rows.y + 1


def faulty(loss: Loss, bad_calls: Callable[[int], bool], value: float) -> Loss:
    """The same loss, but ``value`` on some calls, counted from 0: the fault that a diverging net produces."""
    calls = iter(range(10**9))

    def wrapped(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        cost = loss(z, y)
        return cost * value if bad_calls(next(calls)) else cost

    return wrapped


def plain_loss(epsilon: float = 0.0) -> Loss:
    return smoothed_cross_entropy(epsilon, np.ones(3), CPU)


def test_it_learns_and_keeps_the_books() -> None:
    X, y = data()
    net, seen = Plain(), []
    history = train(net, X, y, SETTINGS, CPU, progress=lambda *call: seen.append(call))
    assert history[-1]["train_loss"] < 0.7 * math.log(3)
    assert [r["epoch"] for r in history] == list(range(1, 9))
    assert [(e, n) for e, n, _ in seen] == [(i, 8) for i in range(1, 9)]
    assert seen[-1][2] == history[-1]
    assert set(history[0]) == {
        "epoch", "train_loss", "valid_loss", "valid_accuracy", "learning_rate", "grad_norm", "rolled_back"
    }  # fmt: skip
    assert all(r["rolled_back"] == 0 for r in history)


def test_the_best_weights_are_put_back() -> None:
    X, y = data()
    y[160:] = (y[160:] + 1) % 3  # the tail contradicts the head: learning makes it worse
    net = Plain()
    history = train(net, X, y, replace(SETTINGS, patience=3), CPU)
    losses = [r["valid_loss"] for r in history]
    assert len(history) == losses.index(min(losses)) + 1 + 3
    assert evaluate(net, X[160:], y[160:], CPU)["valid_loss"] == pytest.approx(min(losses), abs=1e-12)
    assert min(losses) < losses[-1]


def test_the_tail_and_the_gap_do_not_train() -> None:
    X, y = data()
    spoilt = y.copy()
    spoilt[155:] = (spoilt[155:] + 1) % 3
    nets = [Plain(), Plain()]
    for net, labels in zip(nets, (y, spoilt), strict=True):
        train(net, X, labels, replace(SETTINGS, epochs=1), CPU)
    assert torch.equal(nets[0].head.weight, nets[1].head.weight)


def test_without_a_tail_all_rows_train_and_nothing_stops_early() -> None:
    X, y = data()
    history = train(Plain(), X, y, replace(SETTINGS, valid_share=0.0, patience=1), CPU)
    assert len(history) == 8
    assert all(math.isnan(r["valid_loss"]) for r in history)


def test_learning_rate_follows_the_schedule() -> None:
    X, y = data()
    history = train(Plain(), X, y, replace(SETTINGS, plateau_patience=100), CPU)
    rates = [r["learning_rate"] for r in history]
    assert rates[0] == pytest.approx(0.02)  # the last warm-up step
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.003


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e4])
def test_one_fault_is_rolled_back_and_training_goes_on(value: float) -> None:
    X, y = data()
    net = Plain()
    loss = faulty(plain_loss(), lambda call: call == 13, value)  # third step of the third epoch
    history = train(net, X, y, SETTINGS, CPU, loss=loss)
    assert [r["rolled_back"] for r in history] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert all(np.isfinite(list(r.values())).all() for r in history)
    untroubled = train(Plain(), X, y, SETTINGS, CPU)
    assert history[2]["learning_rate"] == pytest.approx(untroubled[2]["learning_rate"] / 2)
    assert history[-1]["valid_loss"] < 0.8 * math.log(3)


def test_a_fault_undoes_the_whole_epoch() -> None:
    """The last step of every later epoch fails: each new try begins with the weights after the first epoch."""
    X, y = data()
    steps = math.ceil(155 / 32)
    net, seen = Plain(), []
    bad = faulty(plain_loss(), lambda call: call >= steps and (call + 1) % steps == 0, math.nan)

    def recording(z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(net.head.weight.detach().clone())
        return bad(z, labels)

    with pytest.raises(TrainingError, match="training did not recover"):
        train(net, X, y, replace(SETTINGS, max_failures=3), CPU, loss=recording)
    starts = seen[steps::steps]
    assert len(starts) == 4
    assert all(torch.equal(s, starts[0]) for s in starts)
    assert not torch.equal(seen[-1], starts[0])


def test_it_gives_up_after_the_allowed_failures() -> None:
    X, y = data()
    bad = faulty(plain_loss(), lambda call: call >= 7, math.nan)
    line = r"loss nan, more than .* in epoch 2, after 3 roll-backs, at learning rate 0\.0025; lower learning_rate"
    with pytest.raises(TrainingError, match=line):
        train(Plain(), X, y, replace(SETTINGS, max_failures=3), CPU, loss=bad)


def test_a_wild_learning_rate_recovers_by_itself() -> None:
    X, y = data()
    history = train(Plain(), X * 20, y, replace(SETTINGS, learning_rate=1.0, warmup_epochs=0.0, max_failures=20), CPU)
    assert sum(int(r["rolled_back"]) for r in history) >= 1
    assert history[0]["learning_rate"] <= 0.5
    assert all(np.isfinite(list(r.values())).all() for r in history)


def test_an_exploding_gradient_is_a_fault() -> None:
    watchdog = Watchdog(clip_norm=1.0)
    watchdog.check_step(1.1, 999.0)
    for norm in (1001.0, math.nan, math.inf):
        with pytest.raises(UnstableError, match="gradient norm"):
            watchdog.check_step(1.1, norm)


def test_weights_and_validation_losses_are_watched() -> None:
    watchdog, net = Watchdog(clip_norm=1.0), Plain()
    watchdog.check_epoch(net, 1.0)
    watchdog.check_epoch(net, None)
    for loss in (math.nan, math.inf, 50.0):
        with pytest.raises(UnstableError, match="validation loss"):
            watchdog.check_epoch(net, loss)
    with torch.no_grad():
        net.head.bias[0] = math.nan
    with pytest.raises(UnstableError, match="weights that are not finite"):
        watchdog.check_epoch(net, 1.0)


def row(loss: float, accuracy: float) -> dict[str, float | int]:
    return {"valid_loss": loss, "valid_accuracy": accuracy}


def test_each_metric_has_its_patience_and_all_must_run_out() -> None:
    both = EarlyStop({"valid_loss": 2, "valid_accuracy": 3})
    stops = []
    for loss, accuracy in [(1.0, 0.5), (1.1, 0.6), (1.2, 0.6), (1.2, 0.6), (1.2, 0.6)]:
        both.improved(row(loss, accuracy))
        stops.append(both.stop)
    assert stops == [False, False, False, False, True]
    only_loss = EarlyStop({"valid_loss": 2, "valid_accuracy": 0})
    stops = []
    for loss in (1.0, 1.1, 0.9, 0.9, 0.95):
        only_loss.improved(row(loss, 0.9))
        stops.append(only_loss.stop)
    assert stops == [False, False, False, False, True]


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_smoothing_is_torchs_own(epsilon: float) -> None:
    z = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    y = torch.arange(40) % 3
    torch.testing.assert_close(plain_loss(epsilon)(z, y), nn.CrossEntropyLoss(label_smoothing=epsilon)(z, y))


def test_smoothing_by_hand_spreads_over_all_three() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1]])
    expected = -(0.9 + 0.1 / 3) * math.log(0.7) - 0.1 / 3 * (math.log(0.2) + math.log(0.1))
    assert plain_loss(0.1)(p.log(), torch.tensor([0])).item() == pytest.approx(expected, rel=1e-5)


def test_weights_are_torchs_own_without_smoothing() -> None:
    z = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    y = torch.arange(40) % 3
    w = np.array([0.5, 2.0, 1.0])
    expected = nn.CrossEntropyLoss(weight=torch.tensor(w, dtype=torch.float32))(z, y)
    torch.testing.assert_close(smoothed_cross_entropy(0.0, w, CPU)(z, y), expected)


def test_balanced_weights() -> None:
    y = np.array([0, 0, 0, 2])
    np.testing.assert_allclose(class_weights(y, "balanced"), [4 / 6, 0, 2])
    np.testing.assert_array_equal(class_weights(y, "none"), 1)
