"""Memory and time of a training before it begins, from measuring one or two layers of the real shape here.

Two thin models of the base's configuration, with one layer and with two, are run forward and backward on
this machine; the difference is what a layer costs. What stays in memory for the backward pass is counted,
not guessed. The head is measured the same way. Nothing of the base itself is loaded.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from gemel.config import TrainSection
from gemel.examples import Example
from gemel.model.base import weights_of
from gemel.model.lora import inject
from gemel.model.packed import CHUNK, Batch, Piece, pack, packing, token_losses
from gemel.model.template import Encoded
from gemel.train.learner import row_tokens
from gemel.train.methods import adapter_spec

__all__ = ["Costs", "available_memory", "measure", "probe_row"]

WEIGHT_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.05, "nf4": 0.55}
"""Bytes a frozen weight takes, scales included."""
LOWBIT_SLOWER = {"int8": 1.3, "nf4": 1.23}
"""Time of low-bit weights against fp32's on a CPU (measured, see docs/LOG.md)."""
OPTIMIZER_BYTES = {"adamw": 8.0, "adamw8bit": 2.1, "paged_adamw8bit": 2.1}
VOCABULARY = 512
"""Of the thin models; the real head is priced by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What training a base takes on this machine."""

    parameters: int
    trained: int
    layers: int
    width: int
    vocabulary: int
    precision: str
    layer_seconds: float
    """Seconds per token of one layer, forward and backward."""
    head_seconds: float
    """Seconds per learned token of the head."""
    fixed_seconds: float
    """Seconds per token of all else: embedding, last norm, bookkeeping."""
    layer_bytes: float
    """Bytes per token and layer that are kept for the backward pass."""
    working_bytes: float
    """Bytes of what is not kept: the interpreter and its libraries, buffers of a layer, logits."""
    checkpointing: bool = False
    optimizer: str = "adamw"

    def seconds(self, tokens: int, targets: int) -> float:
        """Time for `tokens` tokens of which `targets` are learned."""
        again = 4 / 3 if self.checkpointing else 1.0
        slower = LOWBIT_SLOWER.get(self.precision, 1.0)
        return tokens * (self.layer_seconds * self.layers * again * slower + self.fixed_seconds) + (
            targets * self.head_seconds
        )

    def memory(self, batch_tokens: int) -> float:
        """Peak bytes with rows of `batch_tokens` tokens."""
        kept = self.layer_bytes * self.layers
        if self.checkpointing:
            kept = 4 * self.width * self.layers + self.layer_bytes
        frozen = 0.0 if self.trained >= self.parameters else self.parameters * WEIGHT_BYTES[self.precision]
        moving = self.trained * (4 + 4 + OPTIMIZER_BYTES[self.optimizer])
        return frozen + moving + kept * batch_tokens + self.working_bytes


def measure(
    config: Any,
    section: TrainSection,
    *,
    precision: str = "fp32",
    tokens: int = 1024,
    length: int = 128,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> Costs:
    """Price a base by its configuration.

    Args:
        config: a transformers configuration.
        section: method, rank, targets, optimiser, checkpointing.
        precision: type of the frozen weights.
        tokens: tokens of the probing rows; more is slower and surer.
        length: tokens of a typical example.
        device: where training would run.
        clock: a clock in seconds.
    """
    thin = [_thin(config, section, layers, device, precision) for layers in (1, 2)]
    batch = probe_row(tokens, length, device)
    times = [min(_seconds(model, batch, clock) for _ in range(3)) for model, _ in thin]
    kept = [_kept_bytes(model, batch) for model, _ in thin]
    text = config.get_text_config()
    layers, width, vocabulary = text.num_hidden_layers, text.hidden_size, text.vocab_size
    per_layer = max(times[1] - times[0], 0.1 * times[1])
    per_layer_trained = thin[1][1] - thin[0][1]
    head = _head_seconds(width, vocabulary, device, clock)
    rest = max(0.0, times[0] - per_layer - len(batch.targets) * head * VOCABULARY / vocabulary)
    total = weights_of(config)
    trained = total if section.method == "full" else per_layer_trained * layers
    widest = max(text.intermediate_size, width)
    return Costs(
        parameters=total,
        trained=trained,
        layers=layers,
        width=width,
        vocabulary=vocabulary,
        precision=precision,
        layer_seconds=per_layer / tokens,
        head_seconds=head,
        fixed_seconds=rest / tokens,
        layer_bytes=max(kept[1] - kept[0], 0) / tokens,
        working_bytes=_process_bytes(device)
        + 3 * 4 * CHUNK * vocabulary
        + 6 * 4 * widest * row_tokens(section, device),
        checkpointing=section.checkpointing,
        optimizer=section.optimizer,
    )


def available_memory(device: str = "cpu") -> int:
    """Bytes that a training may take: what is free now, and what this process has already."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info()[0])
    return int(psutil.virtual_memory().available + psutil.Process().memory_info().rss)


def _thin(config: Any, section: TrainSection, layers: int, device: str, precision: str) -> tuple[Any, int]:
    """A model of the base's shape with few layers and a small vocabulary, and how much of it is trained."""
    small = copy.deepcopy(config)
    text = small.get_text_config()
    text.num_hidden_layers = layers
    text.vocab_size = VOCABULARY
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(text, name, 0)
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    half = precision in ("bf16", "fp16")
    dtype = (torch.bfloat16 if precision == "bf16" else torch.float16) if half else torch.float32
    model = AutoModelForCausalLM.from_config(small, dtype=dtype).to(device)
    if section.method == "full":
        model.requires_grad_(True)
    else:
        inject(model, adapter_spec(section))
    return model.train(), sum(p.numel() for p in model.parameters() if p.requires_grad)


def probe_row(tokens: int, length: int, device: str) -> Batch:
    """A packed row of examples whose lengths vary as conversations' do; half of the tokens are learned."""
    rng = random.Random(0)
    pieces, left = [], tokens
    example = Example(id="probe", kind="chat", turns=())
    while left > 0:
        size = min(left, max(8, int(rng.lognormvariate(0.0, 0.5) * length)))
        ids = [rng.randrange(VOCABULARY) for _ in range(size)]
        pieces.append(Piece(Encoded(ids, [i % 2 == 1 for i in range(size)], [0] * size), example))
        left -= size
    return pack(pieces, device)


def _seconds(model: Any, batch: Batch, clock: Callable[[], float]) -> float:
    with packing(model):
        model.zero_grad(set_to_none=True)
        _wait(batch.ids.device)
        start = clock()
        token_losses(model, batch).mean().backward()
        _wait(batch.ids.device)
        return clock() - start


def _kept_bytes(model: Any, batch: Batch) -> int:
    """Bytes that autograd keeps of one forward pass, parameters left out."""
    known = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with packing(model), torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        loss = token_losses(model, batch).mean()
    total = sum(kept.values())
    del loss
    return total


def _head_seconds(width: int, vocabulary: int, device: str, clock: Callable[[], float]) -> float:
    """Seconds per learned token of logits, their softmax and its gradient."""
    rows = min(256, CHUNK)
    hidden = torch.randn(rows, width, device=device)
    weight = torch.randn(vocabulary, width, device=device)

    def once() -> float:
        _wait(hidden.device)
        start = clock()
        _ = (hidden @ weight.T).logsumexp(1)
        (hidden @ weight.T).softmax(1) @ weight
        _wait(hidden.device)
        return clock() - start

    return min(once() for _ in range(3)) / rows


def _process_bytes(device: str) -> float:
    return 0.0 if device.startswith("cuda") else float(psutil.Process().memory_info().rss)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def best_batch(costs: Costs, room: float, wanted: int, choices: Sequence[int] = ()) -> int:
    """The largest number of tokens in a row, up to `wanted`, that fits into `room` bytes; 0 where none does."""
    sizes = choices or (256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
    fitting = [n for n in {*(s for s in sizes if s <= wanted), wanted} if costs.memory(n) <= room]
    return max(fitting, default=0)
