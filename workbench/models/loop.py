"""The one training loop: AdamW, clipping, one schedule, validation on a time tail, and a watchdog that rolls back.

Read `train` first; it is the table of contents.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from workbench.errors import TrainingError
from workbench.models.loss import Loss, class_weights, log_softmax, smoothed_cross_entropy
from workbench.models.schedule import Schedule
from workbench.models.split import time_tail
from workbench.models.watch import EarlyStop, Row, UnstableError, Watchdog
from workbench.typing import FloatArray, IntArray

Progress = Callable[[int, int, Row], None]
_Rows = npt.NDArray[np.floating[Any]]
_Snapshot = tuple[dict[str, torch.Tensor], dict[str, Any]]
_EVAL_ROWS = 1024


@dataclass(frozen=True)
class TrainSettings:
    """Everything the loop may be told; the meaning of each name is in the model registry."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    clip_norm: float
    warmup_epochs: float
    plateau_patience: int
    label_smoothing: float
    class_weight: str
    valid_share: float
    purge: int
    patience: int
    patience_accuracy: int
    max_failures: int
    seed: int


def train(
    net: nn.Module,
    X: _Rows,
    y: IntArray,
    settings: TrainSettings,
    device: torch.device,
    progress: Progress | None = None,
    loss: Loss | None = None,
) -> list[Row]:
    """Train ``net`` in place and return one row of history per finished epoch.

    Parameters
    ----------
    net
        Called as ``net(x, noise)`` with a generator for its dropout; returns (batch, 3) logits.
    X
        (n, ...) rows in time order, may be a view of overlapping windows: only one batch at a time is copied.
    y
        (n,) class numbers 0, 1, 2.
    progress
        Called as ``progress(epoch, epochs, row)`` after each epoch, counted from 1.
    loss
        Replaces the weighted, smoothed cross-entropy.

    Returns
    -------
    list of dict
        epoch, train_loss (what is minimised), valid_loss (plain cross-entropy, nats) and valid_accuracy (a share), both
        NaN without a tail, learning_rate of the last step, grad_norm (mean before clipping), rolled_back (failures).

    Raises
    ------
    TrainingError
        When a NaN, an infinite or an exploding value came back more than ``max_failures`` times.

    Notes
    -----
    A failed epoch is undone: parameters, optimiser and step return to the end of the last good epoch, the learning rate
    halves for good, and the epoch is run again. Training stops early once *every* watched metric of the validation
    tail has gone its patience without improving; the weights of the lowest validation loss are put back.

    References
    ----------
    Loshchilov and Hutter (2019), Decoupled weight decay regularization, ICLR (AdamW).
    Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, ICML (clipping).
    """
    head, tail = time_tail(len(X), settings.valid_share, settings.purge)
    has_tail = tail.stop > tail.start
    run = _start(net, y[head], settings, device, loss)
    stopper = EarlyStop({"valid_loss": settings.patience, "valid_accuracy": settings.patience_accuracy})
    good, best = run.snapshot(), None
    history: list[Row] = []
    failures = rolled_back = 0
    while len(history) < settings.epochs and not stopper.stop:
        try:
            row = run.epoch(X[head], y[head], number=len(history))
            row |= evaluate(net, X[tail], y[tail], device)
            run.watchdog.check_epoch(net, row["valid_loss"] if has_tail else None)
        except UnstableError as fault:
            failures, rolled_back = failures + 1, rolled_back + 1
            if failures > settings.max_failures:
                raise TrainingError(_gave_up(fault, len(history) + 1, failures, run.schedule)) from None
            run.restore(good)
            run.schedule.halve()
            continue
        history.append({"epoch": len(history) + 1, **row, "rolled_back": rolled_back})
        good, rolled_back = run.snapshot(), 0
        if has_tail:
            run.schedule.watch(row["valid_loss"])
            best = good if stopper.improved(row) else best
        if progress is not None:
            progress(len(history), settings.epochs, dict(history[-1]))
    if best is not None:
        run.restore(best)
    net.eval()
    return history


@dataclass
class _Run:
    """What one training run changes: net, optimiser, schedule, watchdog and the two sources of chance."""

    net: nn.Module
    settings: TrainSettings
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    watchdog: Watchdog
    loss: Loss
    order: torch.Generator
    noise: torch.Generator

    def epoch(self, X: _Rows, y: IntArray, number: int) -> Row:
        """Make one pass over the rows in a new order."""
        self.net.train()
        losses, norms, rate = [], [], 0.0
        steps = _steps(len(X), self.settings)
        permuted = torch.randperm(len(X), generator=self.order).numpy()
        for i, batch in enumerate(np.array_split(permuted, steps)):  # even sizes: no lone last row
            rate = self.schedule.rate(number * steps + i)
            cost, norm = self._step(gather(X, batch, self.noise.device), torch.from_numpy(y[batch]), rate)
            losses.append(cost)
            norms.append(norm)
        return {"train_loss": float(np.mean(losses)), "learning_rate": rate, "grad_norm": float(np.mean(norms))}

    def _step(self, x: torch.Tensor, y: torch.Tensor, rate: float) -> tuple[float, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        value = self.loss(self.net(x, self.noise), y.to(x.device))
        value.backward()
        norm = float(nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip_norm))
        cost = float(value.detach())
        self.watchdog.check_step(cost, norm)
        self.optimizer.step()
        return cost, norm

    def snapshot(self) -> _Snapshot:
        weights = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        return weights, copy.deepcopy(self.optimizer.state_dict())

    def restore(self, snapshot: _Snapshot) -> None:
        self.net.load_state_dict(snapshot[0])
        self.optimizer.load_state_dict(copy.deepcopy(snapshot[1]))


def _start(net: nn.Module, y: IntArray, settings: TrainSettings, device: torch.device, loss: Loss | None) -> _Run:
    steps = _steps(len(y), settings)
    weights = class_weights(y, settings.class_weight)
    return _Run(
        net,
        settings,
        torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay),
        Schedule(
            settings.learning_rate,
            warmup_steps=round(settings.warmup_epochs * steps),
            total_steps=settings.epochs * steps,
            plateau_patience=settings.plateau_patience,
        ),
        Watchdog(settings.clip_norm),
        loss or smoothed_cross_entropy(settings.label_smoothing, weights, device),
        order=torch.Generator().manual_seed(settings.seed),
        noise=torch.Generator(device).manual_seed(settings.seed + 1),
    )


def _steps(n_rows: int, settings: TrainSettings) -> int:
    return math.ceil(n_rows / settings.batch_size)


def gather(X: _Rows, rows: IntArray | slice, device: torch.device) -> torch.Tensor:
    """Copy the named rows of a view into a float32 tensor on the device."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which the watchdog or the forecast's check names
        return torch.from_numpy(np.ascontiguousarray(X[rows], dtype=np.float32)).to(device)


@torch.inference_mode()
def logits(net: nn.Module, X: _Rows, device: torch.device) -> FloatArray:
    """Return (n, 3) float64 logits without dropout, computed in pieces."""
    net.eval()
    pieces = [net(gather(X, slice(i, i + _EVAL_ROWS), device)).cpu().numpy() for i in range(0, len(X), _EVAL_ROWS)]
    return np.concatenate(pieces).astype(np.float64) if pieces else np.zeros((0, 3))


def evaluate(net: nn.Module, X: _Rows, y: IntArray, device: torch.device) -> Row:
    """Return the plain cross-entropy (nats) and accuracy of rows not trained on; NaN when there are none."""
    if len(X) == 0:
        return {"valid_loss": float("nan"), "valid_accuracy": float("nan")}
    log_p = log_softmax(logits(net, X, device))
    of_label = log_p[np.arange(len(y)), y]
    return {"valid_loss": float(-of_label.mean()), "valid_accuracy": float((log_p.argmax(axis=1) == y).mean())}


def _gave_up(fault: UnstableError, epoch: int, failures: int, schedule: Schedule) -> str:
    return (
        f"training did not recover: {fault} in epoch {epoch}, after {failures - 1} roll-backs, at learning rate "
        f"{schedule.base_rate * schedule.scale:.2g}; lower learning_rate, or standardise the features"
    )
