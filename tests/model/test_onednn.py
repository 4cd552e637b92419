"""Products and their gradients are torch's own, whichever library multiplies and however the numbers lie in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemel.model.onednn import product, quick_linears


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("shape", [(7,), (5, 7), (2, 3, 7), (1, 7), (0, 7)])
def test_a_product_is_a_linear_map(shape: tuple[int, ...]) -> None:
    x, weight = drawn(*shape), drawn(11, 7)
    torch.testing.assert_close(product(x, weight), F.linear(x, weight))
    torch.testing.assert_close(product(x, drawn(7, 11).t()), F.linear(x, drawn(7, 11).t()))


def test_both_sides_may_be_transposed() -> None:
    one, two = drawn(7, 300).t(), drawn(7, 40).t()  # (300, 7), (40, 7)
    torch.testing.assert_close(product(one, two), one @ two.t())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types_stay_as_they_are(dtype: torch.dtype) -> None:
    x, weight = drawn(5, 7).to(dtype), drawn(11, 7).to(dtype)
    assert torch.equal(product(x, weight), F.linear(x, weight))


def test_quick_layers_have_the_gradients_of_plain_ones_and_become_plain_again() -> None:
    model = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 4, bias=False))
    model[2].weight.requires_grad_(False)
    x = drawn(2, 9, 6).requires_grad_()

    def gradients() -> list[Tensor]:
        loss = model(x).square().sum()
        return [loss.detach(), *torch.autograd.grad(loss, [x, model[0].weight, model[0].bias])]

    plain = gradients()
    with quick_linears(model), quick_linears(model):  # the inner one finds nothing left to do
        assert "forward" in vars(model[0])
        quick = gradients()
    assert not any("forward" in vars(m) for m in model.modules())
    for one, two in zip(plain, quick, strict=True):
        torch.testing.assert_close(one, two)
