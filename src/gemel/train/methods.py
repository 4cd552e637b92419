"""What of a base is trained: an adapter of some kind, or everything."""

from __future__ import annotations

from typing import Any

from torch import nn

from gemel.config import TrainSection
from gemel.errors import ConfigError
from gemel.model.base import Base
from gemel.model.lora import AdapterSpec, LoraLinear, inject, train_rows
from gemel.model.template import SPECIAL_TOKENS

__all__ = ["PRECISION", "adapter_spec", "prepare", "trainable"]

PRECISION = {"qlora": "nf4", "int8": "int8"}
"""Methods that decide the type of the frozen weights."""


def adapter_spec(section: TrainSection) -> AdapterSpec:
    """The adapter that `section` describes."""
    return AdapterSpec(
        rank=section.rank,
        alpha=section.alpha,
        dropout=section.dropout,
        rslora=section.method == "rslora",
        dora=section.method == "dora",
        targets=section.targets,
    )


def prepare(base: Base, section: TrainSection) -> dict[str, nn.Parameter]:
    """Make the model ready to be trained, in place; returns what is trained, by name.

    A model that carries an adapter already goes on with it (a warm start). A splice stays trainable.

    Raises:
        ConfigError: when method and base do not go together.
    """
    model = base.model
    wanted = PRECISION.get(section.method)
    if wanted and base.precision != wanted:
        raise ConfigError(f'method = "{section.method}" needs a base loaded as {wanted}, not {base.precision}')
    if section.method == "full":
        if base.precision != "fp32":
            raise ConfigError('method = "full" trains all weights and needs precision = "fp32"')
        model.requires_grad_(True)
    elif not any(isinstance(m, LoraLinear) for m in model.modules()):
        inject(model, adapter_spec(section), seed=section.seed)
        if base.added:
            # The tokens lie together at the end of the vocabulary, in the order of SPECIAL_TOKENS.
            train_rows(model, base.tokenizer.convert_tokens_to_ids(SPECIAL_TOKENS[-base.added]), base.added)
    return trainable(model)


def trainable(model: Any) -> dict[str, nn.Parameter]:
    """Parameters that are trained, by name, each once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
