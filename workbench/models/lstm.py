"""The LSTM behind scikit-learn's contract."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from workbench.errors import ConfigError
from workbench.models.arguments import parse_units
from workbench.models.classifier import DirectionClassifier
from workbench.models.device import cpu_threads, resolve_device
from workbench.models.loop import Progress, TrainSettings, logits, train
from workbench.models.loss import log_softmax
from workbench.models.network import LSTMNet, initialise
from workbench.models.watch import Row
from workbench.typing import FloatArray, IntArray


class LSTMClassifier(DirectionClassifier):
    """LSTM 128-64-32 with dropout over a window of bars; three classes: bear, neutral, bull.

    For patterns in the order of bars that plain rows cannot hold; with little data the linear models are hard to beat.
    ``X`` is (n, lookback, n_features), standardised, in time order; a view from `windows` is not copied.

    Parameters
    ----------
    hidden
        Units of each layer: ``(128, 64, 32)`` or ``'128-64-32'``.
    lookback
        Bars in a window; must be the width of ``X``.
    valid_share, purge
        The latest share of the training rows validates; ``purge`` rows before them are left out. At 0 a walk-forward
        sets it from the labels' ends.
    patience, patience_accuracy
        Epochs without improvement before stopping, per metric; see `workbench.models.loop.train`.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        CPU threads inside `fit` and `predict`; the process's own setting is put back.
    seed
        Seed of weights, batch order and dropout.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, train_loss, valid_loss, valid_accuracy, learning_rate, grad_norm, rolled_back.
    progress
        Set to a function ``(epoch, epochs, row)`` to be called after each epoch; neither cloned nor saved.

    Notes
    -----
    On the CPU the same seed, data and ``threads`` give the same bits, whatever torch's global generator or thread
    count is; torch's global state is neither read nor changed. On CUDA results agree to rounding only.
    """

    name: ClassVar[str] = "lstm"
    weights: ClassVar[Literal["none", "skops", "safetensors"]] = "safetensors"
    progress: Progress | None = None
    net_: LSTMNet
    history_: list[Row]

    def __init__(
        self,
        hidden: tuple[int, ...] | list[int] | str = (128, 64, 32),
        lookback: int = 32,
        dropout: float = 0.2,
        norm: str = "layer",
        epochs: int = 12,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        clip_norm: float = 1.0,
        warmup_epochs: float = 1.0,
        plateau_patience: int = 2,
        label_smoothing: float = 0.0,
        class_weight: str = "none",
        valid_share: float = 0.2,
        purge: int = 0,
        patience: int = 4,
        patience_accuracy: int = 0,
        max_failures: int = 5,
        device: str = "auto",
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.lookback = lookback
        self.dropout = dropout
        self.norm = norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.warmup_epochs = warmup_epochs
        self.plateau_patience = plateau_patience
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.valid_share = valid_share
        self.purge = purge
        self.patience = patience
        self.patience_accuracy = patience_accuracy
        self.max_failures = max_failures
        self.device = device
        self.threads = threads
        self.seed = seed

    def empty_net(self, n_features: int, device: str = "cpu") -> LSTMNet:
        """Return the net of these parameters with unset weights; on ``"meta"`` it has shapes only and no memory."""
        return LSTMNet(n_features, parse_units(self.hidden), self.dropout, self.norm, device)

    def _fit(self, X: FloatArray, y: IntArray) -> None:
        if self.norm == "batch" and self.batch_size == 1:
            raise ConfigError("model 'lstm': norm='batch' needs batch_size of at least 2, got 1; or set norm='layer'")
        device = resolve_device(self.device)
        names = TrainSettings.__dataclass_fields__
        settings = TrainSettings(**{k: v for k, v in self.get_params(deep=False).items() if k in names})
        with cpu_threads(self.threads):
            net = initialise(self.empty_net(X.shape[-1]), self.seed).to(device)
            self.history_ = train(net, X, y + 1, settings, device, self.progress)
        self.net_ = net

    def _fit_single_class(self) -> None:
        self.history_ = []

    def _forecast(self, X: FloatArray) -> FloatArray:
        device = resolve_device(self.device)
        with cpu_threads(self.threads):
            return np.exp(log_softmax(logits(self.net_.to(device), X, device)))
