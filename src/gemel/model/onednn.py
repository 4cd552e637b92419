"""Full-precision products by oneDNN, which torch carries but asks for bf16 and packed weights only.

torch gives float32 products to MKL, which takes slow paths on processors that are not Intel's and reads rows badly
at one token: on an AMD EPYC oneDNN is 2.2 times as fast at one row, 2.6 at 16, 2.3 at 200 and at 1,024, forward and
backward. What a row gets does not depend on its neighbours. `Ordered` is for answering: its laid-out weights are a
copy. `product` and `quick_linears` are for training and scoring. Float32 on a CPU; everything else stays torch's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Ordered", "fits", "product", "quick_linears"]

SHARE = 0.25
"""Of the free memory, at most, that copies may take."""


def fits(weights: int) -> bool:
    """Whether this build of torch has the products and there is room for a copy of so many weights in float32."""
    return 4 * weights < SHARE * psutil.virtual_memory().available and _works()


@cache
def _works() -> bool:
    """Tried once: builds for other processors have the name but not always the product."""
    if not torch.backends.mkldnn.is_available():
        return False
    weight, x = torch.arange(6.0).view(3, 2), torch.ones(1, 2)
    try:
        return torch.equal(Ordered(weight)(x), x @ weight.t())
    except (AttributeError, RuntimeError):
        return False


class Ordered:
    """A linear map.

    Args:
        weight: shape (out, in), float.
        bias: shape (out,) or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        with torch.no_grad():
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().float())
        self._bias = None if bias is None else bias.detach().float()

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (…, in) → (…, out), float32."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return out


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x (…, in) times weightᵀ, weight being (out, in); no gradient flows through it, and either may be transposed."""
    if not _quick(x, weight):
        return F.linear(x, weight)
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return out


@contextmanager
def quick_linears(model: nn.Module) -> Iterator[None]:
    """Let the plain linear layers of a model multiply by `product` inside the block; gradients of first order only."""
    layers = [m for m in model.modules() if type(m) is nn.Linear and "forward" not in vars(m)]
    for layer in layers:
        layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: nn.Linear, x: Tensor) -> Tensor:
    if not _quick(x, layer.weight):
        return F.linear(x, layer.weight, layer.bias)
    y: Tensor = _Product.apply(x, layer.weight)
    return y if layer.bias is None else y + layer.bias


def _quick(x: Tensor, weight: Tensor) -> bool:
    plain = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    return plain and not torch.is_autocast_enabled("cpu") and _works()


class _Product(torch.autograd.Function):
    """`product` with gradients for both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        flat_x, flat_g = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
        g_x = product(grad, weight.t()) if ctx.needs_input_grad[0] else None
        g_weight = product(flat_g.t(), flat_x.t()) if ctx.needs_input_grad[1] else None
        return g_x, g_weight
