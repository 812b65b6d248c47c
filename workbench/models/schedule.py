"""One learning-rate schedule: warm-up, cosine, plateau, and the halving after a roll-back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Schedule:
    """Learning rate at each step.

    Notes
    -----
    With warm-up W, total T and base rate r: step s < W uses ``r (s+1)/W``; later steps use
    ``r (f + (1-f) (1 + cos(pi (s-W)/(T-W)))/2)`` with the floor f. The whole is multiplied by ``scale``, which halves
    each time the watched loss has not improved for ``plateau_patience`` epochs, and after each roll-back.

    References
    ----------
    Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, ICLR.
    Goyal et al. (2017), Accurate, large minibatch SGD, arXiv:1706.02677 (warm-up).
    """

    base_rate: float
    warmup_steps: int
    total_steps: int
    plateau_patience: int = 2
    floor: float = 0.05
    scale: float = field(default=1.0, init=False)
    _best: float = field(default=math.inf, init=False)
    _stale: int = field(default=0, init=False)

    def rate(self, step: int) -> float:
        """Return the learning rate of step ``step``, counted from 0."""
        if step < self.warmup_steps:
            return self.base_rate * self.scale * (step + 1) / self.warmup_steps
        share = min((step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1), 1.0)
        return self.base_rate * self.scale * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2)

    def watch(self, loss: float) -> None:
        """Count an epoch's loss; halve the rate on a plateau."""
        if loss < self._best:
            self._best, self._stale = loss, 0
            return
        self._stale += 1
        if self._stale >= self.plateau_patience:
            self.halve()
            self._stale = 0

    def halve(self) -> None:
        """Halve the rate from here on."""
        self.scale /= 2
