"""Weights in eight bits for answering and embedding on a CPU.

Every row of weights and every row of activations is rounded to int8 with a scale of its own (Dettmers et
al. 2022, arXiv:2208.07339), so that a result does not depend on what else is in the batch. About 1 %
relative error per product; two to seven times faster where the processor multiplies bytes (VNNI).
Inference only: nothing here can be trained.
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
            self._packed = torch.ops.quantized.linear_prepack(rounded, None)
        self._bias = None if bias is None else bias.detach().float()
        # Without VNNI sums of two products are kept in 16 bits: seven-bit activations cannot overflow them.
        self._levels = 127 if torch.cpu._is_vnni_supported() else 63

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (…, in) → (…, out), float32."""
        largest = x.abs().amax(-1, keepdim=True).clamp_min(1e-8)
        out: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x / largest, 1 / self._levels, self._levels + 1, self._packed
        )
        out = out * largest
        return out if self._bias is None else out + self._bias


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
