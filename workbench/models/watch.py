"""What stands beside the training loop: the watchdog that calls for a roll-back, the patience that ends training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import nn

EXPLODING_LOSS = 10.0
"""Times the loss of a uniform forecast (ln 3), or the mean of the good steps if larger."""
EXPLODING_GRADIENT = 1000.0
"""Times the clipping norm."""

Row = dict[str, float | int]


class UnstableError(ArithmeticError):
    """A step or an epoch that must be undone; its text says what was seen."""


@dataclass
class Watchdog:
    """Sees NaN, infinite and exploding losses, gradients and weights before they can do harm."""

    clip_norm: float
    _mean: float = field(default=0.0, init=False)
    _steps: int = field(default=0, init=False)

    @property
    def loss_limit(self) -> float:
        """The loss above which a step has exploded."""
        return EXPLODING_LOSS * max(math.log(3), self._mean)

    def check_step(self, loss: float, grad_norm: float) -> None:
        """Raise `UnstableError` before the optimiser has moved; NaN compares as out of bounds."""
        if not loss <= self.loss_limit:
            raise UnstableError(f"loss {loss:g}, more than {self.loss_limit:.3g}")
        if not grad_norm <= EXPLODING_GRADIENT * self.clip_norm:
            raise UnstableError(f"gradient norm {grad_norm:g}, more than {EXPLODING_GRADIENT * self.clip_norm:g}")
        self._steps += 1
        self._mean += (loss - self._mean) / min(self._steps, 100)

    def check_epoch(self, net: nn.Module, valid_loss: float | None) -> None:
        """Raise `UnstableError` where an epoch left weights that are not finite, or a validation loss that exploded."""
        if not all(bool(torch.isfinite(value).all()) for value in net.state_dict().values()):
            raise UnstableError("weights that are not finite")
        if valid_loss is not None and not valid_loss <= self.loss_limit:
            raise UnstableError(f"validation loss {valid_loss:g}, more than {self.loss_limit:.3g}")


@dataclass
class EarlyStop:
    """Patience per validation metric (0 = not watched); stops when every watched one has run out of it.

    References
    ----------
    Prechelt (1998), Early stopping - but when?, in Neural Networks: Tricks of the Trade.
    """

    patience: dict[str, int]
    _best: dict[str, float] = field(default_factory=dict, init=False)
    _stale: dict[str, int] = field(default_factory=dict, init=False)

    def improved(self, row: Row) -> bool:
        """Count an epoch; return whether its validation loss is the lowest yet."""
        for name, value in (("valid_loss", row["valid_loss"]), ("valid_accuracy", -row["valid_accuracy"])):
            better = value < self._best.get(name, math.inf)
            self._stale[name] = 0 if better else self._stale[name] + 1
            if better:
                self._best[name] = value
        return self._stale["valid_loss"] == 0

    @property
    def stop(self) -> bool:
        """Whether no watched metric has improved within its patience."""
        watched = {k: p for k, p in self.patience.items() if p > 0}
        return bool(self._stale) and bool(watched) and all(self._stale[k] >= p for k, p in watched.items())
