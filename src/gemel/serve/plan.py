"""What a training would take: every base that is known, priced by layers measured on this machine.

Which of them can be had without a network is said; nothing is fetched here. The price of the base that ships
is measured, larger ones follow from it by their sizes.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from gemel.config import Config
from gemel.model.base import SEEDLING, seedling_path, weights_of
from gemel.serve.access import need
from gemel.serve.house import House
from gemel.serve.shapes import ErrorBody
from gemel.workspace import Manifest, Workspace

__all__ = ["Planner", "router"]

ERRORS: dict[int | str, dict[str, Any]] = {s: {"model": ErrorBody} for s in (401, 403, 409, 421, 429, 503)}
router = APIRouter(prefix="/api", tags=["work"], responses=ERRORS)
SHARE = 0.8
"""Of the free memory that a training may take."""
MESSAGE_TOKENS = 25
"""Tokens of a message with its context, where no data set says it."""


class BasePlan(BaseModel):
    """A base, and what one training on it takes here."""

    name: str
    parameters: int
    available: bool
    """It can be used now, without a network."""
    configured: bool
    """It is the one that gemel.toml names."""
    method: str
    precision: str
    seconds: float
    """The whole training."""
    memory: float
    """Peak bytes."""
    fits: bool


class PlanInfo(BaseModel):
    """The training that is planned, over every base that is known."""

    measured: bool
    """Tokens are counted from the data set; else guessed from the messages that were imported."""
    messages: int
    tokens: int
    """Of one pass."""
    epochs: float
    minutes: float
    """Bound that gemel.toml sets; 0: none."""
    device: str
    threads: int
    memory: float
    """Bytes that are free."""
    bases: list[BasePlan]
    recommended: str
    """The largest base at hand that fits and takes an hour at most."""


class Planner:
    """Plans, kept until data or configuration change."""

    def __init__(self, workspace: Workspace, config: Config) -> None:
        self.workspace, self.config = workspace, config
        self._lock = threading.Lock()
        self._known: tuple[Any, PlanInfo] | None = None

    def plan(self) -> PlanInfo:
        """What a training takes here; measuring takes some seconds the first time."""
        with self._lock:
            key = (self._messages(), _dataset(self.workspace), self.config.model, self.config.train)
            if self._known is None or self._known[0] != key:
                self._known = key, self._measure()
            return self._known[1]

    def _messages(self) -> int:
        made = [Manifest.read(f.parent) for f in self.workspace.record_files()]
        return sum(m.counts.get("records", 0) for m in made if m)

    def _measure(self) -> PlanInfo:
        import torch
        from transformers import AutoConfig

        from gemel.pipeline.plan import CANDIDATES, TYPICAL_TOKENS, plan_training, scaled
        from gemel.pipeline.train import best_device
        from gemel.train.machine import choose_threads
        from gemel.train.planner import available_memory, measure

        section, device, messages = self.config.train, best_device(), self._messages()
        config = self.config.model_copy(update={"model": self.config.model.model_copy(update={"base": SEEDLING})})
        before = torch.get_num_threads()
        try:
            if built := _dataset(self.workspace) is not None:
                found = plan_training(self.workspace, config)
                costs, threads = found.costs, found.threads
                once, targets = found.pieces["tokens"], found.pieces["targets"]
            else:
                threads = choose_threads(section.threads)
                torch.set_num_threads(threads)
                shape = AutoConfig.from_pretrained(str(seedling_path()), trust_remote_code=False)
                costs = measure(shape, section, device=device)
                once = messages * MESSAGE_TOKENS or TYPICAL_TOKENS
                targets = once // 2
        finally:
            torch.set_num_threads(before)
        room = available_memory(device) * SHARE
        shown = [self._base(SEEDLING, costs, (once, targets, room))]
        for candidate in CANDIDATES:
            shown.append(self._base(candidate.name, scaled(costs, candidate), (once, targets, room)))
        named = self.config.model.base
        if named not in {b.name for b in shown} and (shape := _shape(named)) is not None:
            shown.append(self._base(named, _resized(costs, shape), (once, targets, room)))
        ready = [b for b in shown if b.available and b.fits and b.seconds <= 3600]
        return PlanInfo(
            measured=built,
            messages=messages,
            tokens=once,
            epochs=section.epochs,
            minutes=section.max_minutes,
            device=device,
            threads=threads,
            memory=room / SHARE,
            bases=shown,
            recommended=max(ready, key=lambda b: b.parameters).name if ready else SEEDLING,
        )

    def _base(self, name: str, costs: Any, data: tuple[int, int, float]) -> BasePlan:
        """One base: as it is where that fits, else rounded to four bits and recomputed."""
        from gemel.train.planner import best_batch

        once, targets, room = data
        epochs, full = self.config.train.epochs, self.config.train.method == "full"
        costs = replace(costs, trained=costs.parameters) if full else costs
        tries = [costs] if full else [costs, replace(costs, precision="nf4", checkpointing=True)]
        taken = next((c for c in tries if best_batch(c, room, 4096)), tries[-1])
        batch = best_batch(taken, room, self.config.train.batch_tokens)
        seconds = taken.seconds(round(once * epochs), round(targets * epochs))
        limit = self.config.train.max_minutes * 60
        return BasePlan(
            name=name,
            parameters=costs.parameters,
            available=available(name, self.config.model.base),
            configured=name == self.config.model.base,
            method="full" if full else "qlora" if taken.precision == "nf4" else self.config.train.method,
            precision=taken.precision,
            seconds=min(seconds, limit) if limit else seconds,
            memory=taken.memory(batch or 256),
            fits=batch > 0,
        )


def available(name: str, configured: str = "") -> bool:
    """Whether a base lies on this machine. A folder counts only where gemel.toml names it: requests name no paths."""
    if name == SEEDLING:
        return True
    if name == configured:
        return Path(name).expanduser().is_dir() or _cached(name)
    return _cached(name)


def _cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        return False


def _dataset(workspace: Workspace) -> str | None:
    made = Manifest.read(workspace.dataset("main"))
    return made.fingerprint if made else None


def _shape(name: str) -> Any:
    from transformers import AutoConfig

    if not available(name, name):
        return None
    place = str(Path(name).expanduser())
    return AutoConfig.from_pretrained(place, trust_remote_code=False, local_files_only=True).get_text_config()


def _resized(costs: Any, shape: Any) -> Any:
    """The costs of a base of another shape."""
    from gemel.pipeline.plan import Candidate, scaled

    heads = shape.num_attention_heads
    own = Candidate(
        shape.model_type,
        shape.num_hidden_layers,
        shape.hidden_size,
        shape.intermediate_size,
        heads,
        getattr(shape, "num_key_value_heads", None) or heads,
        shape.vocab_size,
        shape.tie_word_embeddings,
    )
    return replace(scaled(costs, own), parameters=weights_of(shape))


@router.get("/plan")
async def plan(request: Request) -> PlanInfo:
    """Every base that is known, and what training it here takes."""
    need(request, "train")
    house: House = request.app.state.house
    held: Planner = request.app.state.planner
    found: PlanInfo = await house.run(held.plan)
    return found
