"""Who takes part in an evaluation: the base, the base under instructions, the voice, and the ways the twin answers.

The base and the run are loaded beside each other, because identity gain and the choice test need both.
Memory may quote training text only: held-out replies are what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from gemel.config import Config, ModelSection
from gemel.evaluate.answers import Prompted
from gemel.model.base import Base, load_base
from gemel.model.condition import Condition
from gemel.model.engine import Engine
from gemel.model.likelihood import LocalScorer
from gemel.model.preface import remembering
from gemel.model.twin import answers, prepare
from gemel.model.voice import Voice
from gemel.speaker import Scorer, Speaker
from gemel.traits import TraitSpec
from gemel.workspace import Workspace

__all__ = ["Contenders", "base_section", "contenders"]

LEARNED = ("train",)


@dataclass(frozen=True, kw_only=True)
class Contenders:
    """The models of an evaluation."""

    base: Scorer
    twin: Scorer
    card_text: str
    """The card for a large model."""
    card_small: str
    """The card for a small model."""
    answering: Mapping[str, Speaker] = field(default_factory=dict)
    """base, memory, voice and assisted."""

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
        me: the person's name in the examples.
    """
    with ExitStack() as stack:
        parts = prepare(workspace, config, dataset)
        stack.callback(parts.memory.close)
        twin = answers(workspace, config, parts, me=me, run=run, splits=LEARNED)
        stack.callback(twin.engine.close, drain=False)
        base = load_base(base_section(config, twin.engine.base), device=twin.engine.base.device)
        engine = Engine(base)
        stack.callback(engine.close, drain=False)
        preface = remembering(parts.card, parts.memory, splits=LEARNED)
        yield Contenders(
            base=LocalScorer(base),
            twin=_scorer(workspace, run, twin.engine.base),
            card_text=parts.card.text(),
            card_small=parts.card.text(small=True),
            answering={
                "base": Voice(engine, me=me, name="base"),
                "memory": Voice(engine, me=me, name="memory", preface=preface),
                "voice": twin.speakers["voice"],
                "assisted": twin.speakers["assisted"],
            },
        )


def base_section(config: Config, twin: Base) -> ModelSection:
    """The model section that loads the run's own base."""
    return config.model.model_copy(update={"base": twin.name})


def _scorer(workspace: Workspace, run: str, twin: Base) -> Scorer:
    """The run's scorer, conditioned on traits where the run learned them."""
    splice = getattr(twin.model, "splice", None)
    if splice is None:
        return LocalScorer(twin)
    return LocalScorer(twin, condition=Condition(TraitSpec.load(workspace.run(run) / "traits.json"), splice))
