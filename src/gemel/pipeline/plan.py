"""What a training would take on this machine, and which base suits it.

Nothing is trained and no weights are loaded: layers of the base's shape are measured here, larger bases
are priced from them by their sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from transformers import AutoConfig, AutoTokenizer, LlamaConfig

from gemel.config import Config, TrainSection
from gemel.errors import MissingModel
from gemel.examples import read_examples
from gemel.model.base import choose_precision, seedling_path
from gemel.model.chat import choose_template
from gemel.pipeline.train import best_device, model_section
from gemel.train.batches import Pieces, encode_all, order
from gemel.train.learner import row_tokens
from gemel.train.machine import choose_threads
from gemel.train.planner import Costs, available_memory, best_batch, measure
from gemel.workspace import Workspace

__all__ = ["CANDIDATES", "Candidate", "Plan", "Suggestion", "plan_training", "recommend"]

PATIENCE_HOURS = 1.0
"""A recommended base makes one pass over the data in this time."""
SHARE = 0.8
"""Of the free memory that a training may take."""
TYPICAL_TOKENS = 500_000
"""Tokens of a data set where there is none yet: about 20,000 messages with their context."""


class Candidate(NamedTuple):
    """A known base: numbers from its published configuration."""

    name: str
    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool = False

    @property
    def layer_parameters(self) -> int:
        """Weights of a layer's products."""
        kv = self.width * self.kv_heads // self.heads
        return 2 * self.width * (self.width + kv) + 3 * self.width * self.inner

    @property
    def parameters(self) -> int:
        """Weights of the whole base, norms left out."""
        tables = 1 if self.tied else 2
        return self.layers * self.layer_parameters + tables * self.vocabulary * self.width


CANDIDATES = (
    Candidate("HuggingFaceTB/SmolLM2-135M", 30, 576, 1536, 9, 3, 49_152, True),
    Candidate("HuggingFaceTB/SmolLM2-360M", 32, 960, 2560, 15, 5, 49_152, True),
    Candidate("Qwen/Qwen2.5-0.5B", 24, 896, 4864, 14, 2, 151_936, True),
    Candidate("meta-llama/Llama-3.2-1B", 16, 2048, 8192, 32, 8, 128_256, True),
    Candidate("Qwen/Qwen2.5-3B", 36, 2048, 11_008, 16, 2, 151_936, True),
    Candidate("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 28, 3584, 18_944, 28, 4, 152_064),
    Candidate("meta-llama/Llama-3.1-8B", 32, 4096, 14_336, 32, 8, 128_256),
)
"""Bases that may be recommended beside the one that ships, small to large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A base and how to train it here."""

    base: str
    parameters: int
    precision: str
    method: str
    batch_tokens: int
    checkpointing: bool
    seconds: float
    """One pass over the data."""
    memory: float
    """Peak bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the configured training takes, and what this machine could do."""

    base: str
    device: str
    threads: int
    precision: str
    costs: Costs
    pieces: dict[str, int]
    steps: int
    tokens: int
    """Of the whole training."""
    seconds: float
    batch_tokens: int
    """Tokens that go through the model at once, fewer where memory asks for it; 0 where nothing fits."""
    memory: float
    room: float
    """Peak bytes, and bytes that are free."""
    suggestion: Suggestion | None

    @property
    def fits(self) -> bool:
        """Whether the training fits into the memory at all."""
        return self.batch_tokens > 0


def plan_training(workspace: Workspace, config: Config, dataset: str = "main") -> Plan:
    """Price the training that `config` describes on the data set.

    Raises:
        MissingStage: when the data set is not there.
        MissingModel: when the base's configuration is not there.
    """
    workspace.need(workspace.dataset(dataset), f"the data set '{dataset}'", "gemel build")
    section = config.train
    model = model_section(config)
    place = str(seedling_path()) if model.base == "seedling" else model.base
    try:
        shape = AutoConfig.from_pretrained(place, revision=model.revision or None, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(place, revision=model.revision or None, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise MissingModel(f"the base '{model.base}' could not be found", hint="Is it downloaded?") from error
    template = choose_template(tokenizer, "auto" if model.template == "gemel" else model.template)
    examples = read_examples(workspace.dataset(dataset) / "train.parquet")
    learned = encode_all(examples, template, min(model.context, section.batch_tokens))
    device = best_device()
    precision = choose_precision(model.precision, shape, torch.device(device))
    threads = choose_threads(section.threads)
    torch.set_num_threads(threads)
    length = max(8, learned.counts["tokens"] // max(1, len(learned.pieces)))
    costs = measure(shape, section, precision=precision, length=length, device=device)
    return _plan(config, costs, learned, device, threads, precision)


def recommend(tokens: int = TYPICAL_TOKENS, *, section: TrainSection | None = None) -> Suggestion | None:
    """The largest known base that fits this machine's memory and passes over `tokens` tokens in an hour.

    None where only the base that ships does.
    """
    shape = LlamaConfig(
        vocab_size=512, hidden_size=512, intermediate_size=1408, num_hidden_layers=2, num_attention_heads=8
    )
    device = best_device()
    costs = measure(shape, section or TrainSection(), device=device, precision="bf16" if device == "cuda" else "fp32")
    return suggest(costs, tokens, tokens // 2, available_memory(device) * SHARE, device)


def suggest(costs: Costs, tokens: int, targets: int, room: float, device: str) -> Suggestion | None:
    """The largest candidate that fits into `room` bytes and an hour, priced from measured `costs` by size."""
    best: Suggestion | None = None
    for candidate in CANDIDATES:
        for precision in ("bf16" if device == "cuda" else "fp32", "nf4"):
            for checkpointing in (False, True):
                priced = replace(scaled(costs, candidate), precision=precision, checkpointing=checkpointing)
                seconds = priced.seconds(tokens, targets)
                batch = best_batch(priced, room, 4096)
                if best is not None and best.base == candidate.name:
                    continue  # what needs less care is taken first
                if batch and seconds <= PATIENCE_HOURS * 3600:
                    best = Suggestion(
                        base=candidate.name,
                        parameters=candidate.parameters,
                        precision=precision,
                        method="qlora" if precision == "nf4" else "lora",
                        batch_tokens=batch,
                        checkpointing=checkpointing,
                        seconds=seconds,
                        memory=priced.memory(batch),
                    )
    return best


def scaled(costs: Costs, to: Candidate) -> Costs:
    """The costs of another base: products go with its weights, what is kept goes with its width."""
    was_layer = max(1, (costs.parameters - costs.vocabulary * costs.width) // costs.layers)
    times, wider = to.layer_parameters / was_layer, to.width / costs.width
    return replace(
        costs,
        parameters=to.parameters,
        trained=round(costs.trained / costs.layers * wider * to.layers),
        layers=to.layers,
        width=to.width,
        vocabulary=to.vocabulary,
        layer_seconds=costs.layer_seconds * times,
        head_seconds=costs.head_seconds * wider * to.vocabulary / costs.vocabulary,
        fixed_seconds=costs.fixed_seconds * wider,
        layer_bytes=costs.layer_bytes * wider,
        working_bytes=costs.working_bytes * max(1.0, wider / 2),
    )


def _plan(config: Config, costs: Costs, learned: Pieces, device: str, threads: int, precision: str) -> Plan:
    section = config.train
    steps = order(learned.lengths, section)
    sizes = learned.lengths
    tokens = sum(sizes[i] for step in steps for micro in step for i in micro)
    share = learned.counts["targets"] / max(1, learned.counts["tokens"])
    seconds = costs.seconds(tokens, round(tokens * share))
    if section.max_minutes and seconds > section.max_minutes * 60:
        part = section.max_minutes * 60 / seconds
        tokens, seconds, steps = round(tokens * part), section.max_minutes * 60, steps[: int(len(steps) * part)]
    room = available_memory(device) * SHARE
    wanted = row_tokens(section, device)
    batch = best_batch(costs, room, wanted)
    once = learned.counts["tokens"]
    return Plan(
        base=config.model.base,
        device=device,
        threads=threads,
        precision=precision,
        costs=costs,
        pieces=learned.counts,
        steps=len(steps),
        tokens=tokens,
        seconds=seconds,
        batch_tokens=batch,
        memory=costs.memory(batch or wanted),
        room=room / SHARE,
        suggestion=suggest(costs, once, learned.counts["targets"], room, device),
    )
