"""The loss of the training loop: cross-entropy with optional label smoothing and class weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from workbench.typing import FloatArray, IntArray

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def smoothed_cross_entropy(epsilon: float, weights: FloatArray, device: torch.device) -> Loss:
    """Return the loss: cross-entropy against ``(1-eps) onehot + eps/3``, rows weighted by their own class.

    Notes
    -----
    Without weights this is torch's ``CrossEntropyLoss(label_smoothing=eps)``. With weights torch also weighs the
    smoothing mass of the other classes; here a row has one weight, that of its label.

    References
    ----------
    Szegedy et al. (2016), Rethinking the Inception architecture for computer vision, CVPR, section 7.
    """
    w = torch.as_tensor(weights, dtype=torch.float32, device=device)

    def loss(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        log_p = torch.log_softmax(z, dim=1)
        of_label = log_p.gather(1, y[:, None]).squeeze(1)
        cost = -(1 - epsilon) * of_label - epsilon * log_p.mean(dim=1)
        row_weight = w[y]
        return (row_weight * cost).sum() / row_weight.sum()

    return loss


def class_weights(y: IntArray, kind: str) -> FloatArray:
    """Return (3,) weights: ones, or for ``"balanced"`` ``n / (K n_k)`` over the K classes present (0 for another)."""
    if kind == "none":
        return np.ones(3)
    counts = np.bincount(y, minlength=3).astype(np.float64)
    present = counts > 0
    return np.divide(len(y), present.sum() * counts, out=np.zeros(3), where=present)


def log_softmax(z: FloatArray) -> FloatArray:
    """Return log probabilities of (n, 3) logits."""
    with np.errstate(invalid="ignore"):  # logits that are not finite stay so; the callers look
        shifted = z - z.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
