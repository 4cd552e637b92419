"""Who takes part in an evaluation: the base, the base under instructions, the voice, and the ways the twin answers.

The base and the run are loaded beside each other, because identity gain and the choice test need both. A twin
that answers by a server has no voice and no log-probabilities: only its replies are measured. Replies are drawn from
the weights that are served (`serve.weights`), log-probabilities are always of the exact ones. Memory may quote
training text only: held-out replies are what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch

from gemel.config import Config, ModelSection
from gemel.evaluate.answers import Prompted
from gemel.model.base import Base, load_base
from gemel.model.card import Card
from gemel.model.condition import Condition
from gemel.model.engine import Engine
from gemel.model.likelihood import LocalScorer
from gemel.model.preface import carded, remembering
from gemel.model.twin import Instructed, Parts, answers, prepare
from gemel.model.voice import Voice
from gemel.remote import RemoteSpeaker
from gemel.speaker import Scorer, Speaker
from gemel.traits import TraitSpec
from gemel.workspace import Workspace

__all__ = ["Contenders", "base_section", "contenders", "scorer_of"]

LEARNED = ("train",)


@dataclass(frozen=True, kw_only=True)
class Contenders:
    """The models of an evaluation."""

    card: Card
    base: Scorer | None = None
    """None where a server answers."""
    twin: Scorer | None = None
    traited: bool = False
    """Whether the voice answers by traits."""
    answering: Mapping[str, Speaker] = field(default_factory=dict)
    """base, memory, voice and assisted; by a server base, prompted and memory."""
    lanes: tuple[tuple[str, ...], ...] = ()
    """Systems by the engine they share."""

    def speakers(self, prompt: str) -> dict[str, Speaker]:
        """All systems, the base under `prompt` among them."""
        out = dict(self.answering)
        if prompt:
            out["prompted"] = Prompted(out["base"], prompt, name="prompted")
        return out


@contextmanager
def contenders(workspace: Workspace, config: Config, run: str, me: str, dataset: str = "main") -> Iterator[Contenders]:
    """Load everyone who takes part.

    Args:
        run: id of a voice; "" where `model.server` answers.
        me: the person's name in the examples.
    """
    with ExitStack() as stack:
        parts = prepare(workspace, config, dataset)
        stack.callback(parts.memory.close)
        if not run:
            yield stack.enter_context(_by_server(config, parts))
            return
        int8 = config.serve.weights != "exact"  # replies are measured as they are served
        twin = answers(workspace, config, parts, me=me, run=run, splits=LEARNED, int8=int8)
        stack.callback(twin.engine.close, drain=False)
        base = load_base(base_section(config, twin.engine.base), device=twin.engine.base.device)
        engine = Engine(base, int8=int8)
        stack.callback(engine.close, drain=False)
        for one in (twin.engine, engine):  # they answer side by side
            one.threads = min(one.threads, max(1, torch.get_num_threads() // 2))
        preface = remembering(parts.card, parts.memory, splits=LEARNED)
        yield Contenders(
            base=LocalScorer(base),
            twin=scorer_of(workspace, run, twin.engine.base),
            card=parts.card,
            traited=hasattr(twin.engine.base.model, "splice"),
            answering={
                "base": Voice(engine, me=me, name="base"),
                "memory": Voice(engine, me=me, name="memory", preface=preface),
                "voice": twin.speakers["voice"],
                "assisted": twin.speakers["assisted"],
            },
            lanes=(("base", "prompted", "memory"), ("voice", "assisted")),
        )


@contextmanager
def _by_server(config: Config, parts: Parts) -> Iterator[Contenders]:
    inner = RemoteSpeaker(config.model.server, config.model.server_model)
    try:
        yield Contenders(
            card=parts.card,
            answering={
                "base": inner,
                "prompted": Instructed(inner, carded(parts.card), name="prompted"),
                "memory": Instructed(inner, remembering(parts.card, parts.memory, splits=LEARNED), name="memory"),
            },
        )
    finally:
        inner.close()


def base_section(config: Config, twin: Base) -> ModelSection:
    """The model section that loads the run's own base."""
    return config.model.model_copy(update={"base": twin.name})


def scorer_of(workspace: Workspace, run: str, twin: Base) -> Scorer:
    """The run's scorer, conditioned on traits where the run learned them."""
    splice = getattr(twin.model, "splice", None)
    if splice is None:
        return LocalScorer(twin)
    return LocalScorer(twin, condition=Condition(TraitSpec.load(workspace.run(run) / "traits.json"), splice))
