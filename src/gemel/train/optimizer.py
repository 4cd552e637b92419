"""Optimisers and the course of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from gemel.config import TrainSection
from gemel.model.lowbit import bitsandbytes

__all__ = ["build", "rate", "warmup_steps"]


def build(parameters: Mapping[str, nn.Parameter], section: TrainSection) -> Any:
    """The optimiser that `section` names; vectors (norms, biases, magnitudes) are not decayed.

    Parameters of layers are apart from the rest, because only they may be split over processes.

    Raises:
        MissingExtra: when an 8-bit one is asked for without bitsandbytes.
    """
    groups = []
    for decayed in (True, False):
        for inside in (True, False):
            chosen = [p for n, p in parameters.items() if (p.ndim >= 2) is decayed and (".layers." in n) is inside]
            groups.append({"params": chosen, "weight_decay": section.weight_decay if decayed else 0.0})
    groups = [g for g in groups if g["params"]]
    if section.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=section.lr, betas=(0.9, 0.999), eps=1e-8, fused=True)
    bnb = bitsandbytes()
    # Paging is between an accelerator's memory and the host's: on a CPU there is nothing to page.
    paged = section.optimizer == "paged_adamw8bit" and next(iter(parameters.values())).device.type == "cuda"
    kind = bnb.optim.PagedAdamW8bit if paged else bnb.optim.AdamW8bit
    return kind(groups, lr=section.lr, betas=(0.9, 0.999), eps=1e-8)


def warmup_steps(section: TrainSection, total: int) -> int:
    """Steps of warm-up: a share of `total` below 1, else a number."""
    return round(section.warmup * total) if section.warmup < 1 else int(section.warmup)


def rate(section: TrainSection, step: int, total: int) -> float:
    """The learning rate of step 0, 1, … `total - 1`; the last one is just above zero unless constant."""
    warm = warmup_steps(section, total)
    if step < warm:
        return section.lr * (step + 1) / warm
    if section.schedule == "constant":
        return section.lr
    done = (step - warm) / max(1, total - warm)
    return section.lr * (1 - done if section.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done)))
