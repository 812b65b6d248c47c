"""The net: a stack of LSTM layers, each normalised and thinned, and a linear head on the last bar."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from workbench.models.device import cpu_threads


class LSTMNet(nn.Module):
    """LSTM layers of falling width over a window of bars, three logits from the last bar's state.

    Built without drawing from torch's global generator: parameters are set by `initialise` or loaded from a file.

    Notes
    -----
    ``norm="layer"`` normalises each bar's state over its units, on its own, and fits any batch; ``"batch"`` keeps
    running means over rows (Ioffe and Szegedy 2015) and wants batches that look alike.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9.
    Ba, Kiros and Hinton (2016), Layer normalization, arXiv:1607.06450.
    """

    def __init__(
        self, n_features: int, hidden: tuple[int, ...], dropout: float, norm: str, device: torch.device | str
    ) -> None:
        super().__init__()
        self.dropout = dropout
        widths = (n_features, *hidden)
        with torch.device("meta"):  # shapes only: nothing is allocated or drawn yet
            self.layers = nn.ModuleList(nn.LSTM(i, o, batch_first=True) for i, o in zip(widths, hidden, strict=False))
            self.norms = nn.ModuleList(_norm(norm, units) for units in hidden)
            self.head = nn.Linear(hidden[-1], 3)
        if device != "meta":
            self.to_empty(device=device)

    def forward(self, x: torch.Tensor, noise: torch.Generator | None = None) -> torch.Tensor:
        """Map (batch, lookback, n_features) to (batch, 3) logits; ``noise`` draws the dropout while training."""
        last = len(self.layers) - 1
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x, _ = layer(x)  # (batch, lookback, units)
            if i == last:
                x = x[:, -1:, :]  # only the last bar goes to the head
            x = norm(x) if not isinstance(norm, nn.BatchNorm1d) else norm(x.transpose(1, 2)).transpose(1, 2)
            x = self._thin(x, noise)
        return self.head(x[:, -1, :])

    def _thin(self, x: torch.Tensor, noise: torch.Generator | None) -> torch.Tensor:
        """Inverted dropout from a generator of its own (Srivastava et al. 2014)."""
        if not self.training or self.dropout == 0:
            return x
        keep = 1 - self.dropout
        return x * torch.empty_like(x).bernoulli_(keep, generator=noise) / keep


def _norm(kind: str, units: int) -> nn.Module:
    return {"layer": nn.LayerNorm, "batch": nn.BatchNorm1d, "none": nn.Identity}[kind](units)


@torch.no_grad()
def initialise(net: LSTMNet, seed: int) -> LSTMNet:
    """Set every parameter from ``seed`` alone: Xavier for inputs, orthogonal for recurrences, forget gates open.

    Notes
    -----
    Each of the four gates is drawn on its own, as a matrix of its true shape. The bias is 0 but for the forget gate's,
    which is 1 so that gradients reach the early bars. The head starts at a tenth of Xavier's spread: the first forecast
    is near one third for each class, and the first loss near ln 3. Draws are made on the CPU: a seed is the same net
    on any device.

    References
    ----------
    Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks, AISTATS.
    Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear dynamics of learning, ICLR (orthogonal).
    Jozefowicz, Zaremba and Sutskever (2015), An empirical exploration of recurrent network architectures, ICML.
    """
    draw = torch.Generator().manual_seed(seed)
    with cpu_threads(1):
        for layer in net.layers:
            _open_gates(cast(nn.LSTM, layer), draw)
        for norm in net.norms:
            if isinstance(norm, nn.LayerNorm | nn.BatchNorm1d):
                norm.reset_parameters()
        net.head.weight.copy_(nn.init.xavier_uniform_(torch.empty(3, net.head.in_features), 0.1, generator=draw))
        net.head.bias.zero_()
    return net


def _open_gates(layer: nn.LSTM, draw: torch.Generator) -> None:
    units = layer.hidden_size
    from_input, from_state, bias, second_bias = (cast(torch.Tensor, p) for p in layer.parameters())
    for gate in range(4):  # torch's order: input, forget, cell, output
        part = slice(gate * units, (gate + 1) * units)
        from_input[part] = nn.init.xavier_uniform_(torch.empty(units, layer.input_size), generator=draw)
        from_state[part] = nn.init.orthogonal_(torch.empty(units, units), generator=draw)
    bias.zero_()
    second_bias.zero_()
    bias[units : 2 * units] = 1.0
