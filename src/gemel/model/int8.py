"""Weights in eight bits for answering and embedding on a CPU: dynamic quantisation of linear layers.

A row of weights is kept as int8 with one scale, activations are rounded on the fly (Jacob et al. 2018,
arXiv:1712.05877). About 1 % relative error per product; two to seven times faster where the processor
multiplies bytes (VNNI). Inference only: nothing here can be trained.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Packed", "available", "convert"]


def available() -> bool:
    """Whether this build of torch multiplies int8 on this processor."""
    return any(engine in torch.backends.quantized.supported_engines for engine in ("x86", "fbgemm"))


class Packed:
    """A linear map with int8 weights.

    Args:
        weight: shape (out, in), float.
        bias: shape (out,) or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        weight = weight.detach().float().cpu()
        scale = weight.abs().amax(1).clamp_min(1e-8) / 127
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces a move of these kernels to another package
            rounded = torch.quantize_per_channel(
                weight, scale.double(), torch.zeros(len(weight), dtype=torch.long), 0, torch.qint8
            )
            self._packed = torch.ops.quantized.linear_prepack(rounded, None if bias is None else bias.detach().float())
        # Without VNNI sums of two products are kept in 16 bits: seven-bit activations cannot overflow them.
        self._reduce = not torch.cpu._is_vnni_supported()

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (…, in) → (…, out), float32."""
        out: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed, self._reduce)
        return out


class _Linear8(nn.Module):
    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.packed = Packed(linear.weight, linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.packed(x)


def convert(model: Any) -> Any:
    """Replace every `nn.Linear` inside `model` by its int8 form, in place; **cannot be undone**."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, _Linear8(child))
    return model
