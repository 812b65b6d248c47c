"""The net at its start: shapes, orthogonality, and activations that neither die nor saturate."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from torch import nn

from workbench.models.device import cpu_threads, resolve_device
from workbench.models.network import LSTMNet, initialise

HIDDEN = (128, 64, 32)


def make(norm: str = "layer", dropout: float = 0.2, seed: int = 0) -> LSTMNet:
    return initialise(LSTMNet(10, HIDDEN, dropout, norm, "cpu"), seed)


def inputs(n: int = 256) -> torch.Tensor:
    return torch.randn(n, 32, 10, generator=torch.Generator().manual_seed(1))


def layers(net: LSTMNet) -> list[nn.LSTM]:
    return [cast(nn.LSTM, layer) for layer in net.layers]


def test_widths_and_parameter_count() -> None:
    net = make()
    assert [layer.hidden_size for layer in layers(net)] == [128, 64, 32]
    lstm = sum(4 * h * (i + h + 2) for i, h in ((10, 128), (128, 64), (64, 32)))
    assert sum(p.numel() for p in net.parameters()) == lstm + 2 * sum(HIDDEN) + 32 * 3 + 3
    assert net(inputs(5)).shape == (5, 3)


def test_recurrences_are_orthogonal_and_inputs_are_xavier_per_gate() -> None:
    for layer in layers(make()):
        units, fan_in = layer.hidden_size, layer.input_size
        for gate in range(4):
            part = slice(gate * units, (gate + 1) * units)
            recurrent, fed = layer.weight_hh_l0[part].detach(), layer.weight_ih_l0[part].detach()
            torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(units), atol=1e-5, rtol=0)
            limit = math.sqrt(6 / (fan_in + units))
            assert fed.abs().max() <= limit
            assert fed.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.06)
        bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()
        assert bias.tolist() == [0.0] * units + [1.0] * units + [0.0] * 2 * units


@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
def test_activations_at_the_start_are_alive_and_not_saturated(norm: str) -> None:
    net = make(norm)
    net.train()
    seen: list[torch.Tensor] = []
    for layer in layers(net):
        layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0].detach()))
    with torch.no_grad():
        logits = net(inputs(), torch.Generator().manual_seed(0))
    for state in seen:
        assert 0.05 < state.std() < 0.7
        assert (state.abs() > 0.95).float().mean() < 0.02
        assert state.mean().abs() < 0.05
        assert (state.std(dim=0).mean(dim=0) > 1e-3).all()  # no dead unit
    assert logits.std() < 0.5
    loss = nn.functional.cross_entropy(logits, torch.arange(256) % 3)
    assert loss.item() == pytest.approx(math.log(3), abs=0.05)


def test_gradients_reach_the_first_bar_without_exploding() -> None:
    net = make(dropout=0.0)
    x = inputs(64).requires_grad_()
    nn.functional.cross_entropy(net(x), torch.arange(64) % 3).backward()
    assert x.grad is not None
    by_bar = x.grad.norm(dim=(0, 2))
    assert by_bar[0] > 1e-5 * by_bar[-1]
    assert all(1e-6 < p.grad.norm() < 10 for p in net.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in net.parameters())


def test_dropout_keeps_the_mean_and_is_off_when_judged() -> None:
    net = make(dropout=0.5)
    x = torch.ones(400, 100)
    net.train()
    thinned = net._thin(x, torch.Generator().manual_seed(0))
    assert set(thinned.unique().tolist()) == {0.0, 2.0}
    assert thinned.mean().item() == pytest.approx(1, abs=0.02)
    net.eval()
    assert net._thin(x, None) is x


def test_building_draws_nothing_from_the_global_generator() -> None:
    before = torch.random.get_rng_state()
    make()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_meta_net_has_shapes_only() -> None:
    net = LSTMNet(10, HIDDEN, 0.2, "layer", "meta")
    assert all(p.is_meta for p in net.state_dict().values())
    assert {k: v.shape for k, v in net.state_dict().items()} == {k: v.shape for k, v in make().state_dict().items()}


def test_threads_are_put_back_even_after_an_error() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with pytest.raises(ZeroDivisionError), cpu_threads(before + 1):
        _ = 1 / 0
    assert torch.get_num_threads() == before
    with cpu_threads(0):
        assert torch.get_num_threads() == before


def test_device_names() -> None:
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
