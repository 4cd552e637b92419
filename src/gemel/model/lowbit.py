"""Weights in 4 and 8 bits through bitsandbytes, on a CPU or an accelerator.

Only frozen weights are ever quantised: what is trained stays in full precision (QLoRA,
arXiv:2305.14314). Needs the extra `lowbit`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gemel.errors import MissingExtra

__all__ = ["dequantized", "is_quantized", "quantization"]


def quantization(precision: str, compute: torch.dtype = torch.float32) -> Any:
    """The transformers configuration for `nf4` (double quantisation) or `int8`.

    Raises:
        MissingExtra: when bitsandbytes is not installed.
    """
    bitsandbytes()
    from transformers import BitsAndBytesConfig

    if precision == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )


def bitsandbytes() -> Any:
    """The package.

    Raises:
        MissingExtra: when it is not installed.
    """
    try:
        import bitsandbytes as bnb
    except ImportError as error:
        raise MissingExtra("bitsandbytes", extra="lowbit") from error
    return bnb


def is_quantized(layer: nn.Module) -> bool:
    """Whether a linear layer holds its weights in 4 or 8 bits."""
    return type(layer).__name__ in ("Linear4bit", "Linear8bitLt")


def dequantized(layer: Any, dtype: torch.dtype) -> Tensor:
    """The weights of a linear layer, (out, in), in a floating type; float weights are returned as they are."""
    kind = type(layer).__name__
    weight: Tensor = layer.weight
    if kind == "Linear4bit":
        plain: Tensor = bitsandbytes().functional.dequantize_4bit(weight.data, layer.weight.quant_state)
        return plain.to(dtype)
    if kind == "Linear8bitLt":
        scales: Tensor = layer.state.SCB if layer.weight.SCB is None else layer.weight.SCB
        rows = weight.data if layer.state.CB is None else layer.state.CB
        return (rows.to(torch.float32) * (scales[:, None] / 127.0)).to(dtype)
    return weight
