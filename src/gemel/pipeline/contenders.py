"""Who takes part in an evaluation: the base, the base under instructions, the voice, and the ways the twin answers.

The base and the run are loaded beside each other, because identity gain and the choice test need both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from gemel.config import Config, ModelSection
from gemel.errors import TooLittle
from gemel.evaluate.answers import Prompted
from gemel.examples import read_examples
from gemel.model.base import Base, load_base, load_run
from gemel.model.card import Card
from gemel.model.engine import Engine
from gemel.model.likelihood import LocalScorer
from gemel.model.voice import Voice
from gemel.pipeline.train import best_device
from gemel.speaker import Scorer, Speaker
from gemel.workspace import Workspace

__all__ = ["Contenders", "contenders"]


@dataclass(frozen=True, kw_only=True)
class Contenders:
    """The models of an evaluation."""

    base: Scorer
    twin: Scorer
    card_text: str = ""
    """The card for a large model."""
    card_small: str = ""
    """The card for a small model."""
    answering: Mapping[str, Speaker] = field(default_factory=dict)
    """base, memory, voice and assisted, as far as they exist."""

    def speakers(self, prompt: str) -> dict[str, Speaker]:
        """All systems, the base under `prompt` among them."""
        out = dict(self.answering)
        if prompt and "base" in out:
            out["prompted"] = Prompted(out["base"], prompt, name="prompted")
        return out


@contextmanager
def contenders(workspace: Workspace, config: Config, run: str, me: str, dataset: str = "main") -> Iterator[Contenders]:
    """Load everyone who takes part.

    Args:
        me: the person's name in the examples.
    """
    device = best_device()
    twin, scorer = _twin(workspace, config, run, device)
    base = load_base(base_section(config, twin), device=device)
    card = _card(workspace, config, dataset)
    with ExitStack() as stack:
        engines = {"base": Engine(base), "voice": Engine(twin)}
        for engine in engines.values():
            stack.callback(engine.close, drain=False)
        yield Contenders(
            base=LocalScorer(base),
            twin=scorer,
            card_text=card.text() if card else "",
            card_small=card.text(small=True) if card else "",
            answering={name: Voice(engine, me=me, name=name) for name, engine in engines.items()},
        )


def base_section(config: Config, twin: Base) -> ModelSection:
    """The model section that loads the run's own base."""
    return config.model.model_copy(update={"base": twin.name})


def _twin(workspace: Workspace, config: Config, run: str, device: str) -> tuple[Base, Scorer]:
    """The run's model and its scorer, conditioned on traits where the run learned them."""
    if (workspace.run(run) / "traits.json").exists():
        from gemel.model.condition import Condition
        from gemel.pipeline.traits import load_conditioned

        found = load_conditioned(workspace, config, run)
        return found.base, LocalScorer(found.base, condition=Condition(found.spec, found.splice))
    twin = load_run(workspace.run(run), config.model, device=device)
    return twin, LocalScorer(twin)


def _card(workspace: Workspace, config: Config, dataset: str) -> Card | None:
    try:
        return Card.measure(
            read_examples(workspace.dataset(dataset) / "train.parquet"), languages=config.corpus.languages
        )
    except TooLittle:
        return None
