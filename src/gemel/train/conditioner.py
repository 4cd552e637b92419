"""What is trained beside a voice, such as a splice for traits.

A conditioner joins something to the base before training and writes it into the run afterwards. The
traits themselves (fitting, encoding, the splice's places) are the business of `gemel.traits` and
`gemel.model`; what can be asked of a trained splice is in `pipeline.traits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch

from gemel.config import Config
from gemel.examples import Example, TraitValue
from gemel.model.base import Base
from gemel.model.condition import Condition, rows_of, shuffled
from gemel.model.splice import WEIGHTS, Splice, wrap
from gemel.train.learner import Condition as BeforeForward
from gemel.train.methods import prepare
from gemel.traits import TraitSpec
from gemel.workspace import atomic

__all__ = ["SPEC", "Conditioner", "TraitConditioner"]

SPEC = "traits.json"
"""In a run's folder: the traits that its splice knows."""


class Conditioner(Protocol):
    """Joins something to the base that is trained with it, such as a splice for traits."""

    def begin(self, base: Base, examples: list[Example]) -> BeforeForward:
        """Prepare the base, in place; returns what is called before every forward pass."""

    def pose(self, traits: Mapping[str, TraitValue] | None) -> None:
        """Let the base answer as somebody with these traits until the next call; None: as nobody in particular."""

    def save(self, folder: Path) -> None:
        """Write what was trained into the run."""


class TraitConditioner:
    """Joins a splice to the base and trains it beside the voice.

    Args:
        config: `traits` and `train`.
        control: give every example the traits of another one, so that nothing true can be learned of them.
    """

    def __init__(self, config: Config, *, control: bool = False) -> None:
        self.config, self.control = config, control
        self.spec: TraitSpec | None = None
        self.splice: Splice | None = None

    def begin(self, base: Base, examples: list[Example]) -> BeforeForward:
        """Wrap the base, in place. Adapters go in first: a splice hangs on the modules that are run."""
        section = self.config.traits
        rows = [rows_of(e)[i] for e in examples for i, turn in enumerate(e.turns) if turn.learn]
        self.spec = TraitSpec.fit(rows, use=section.use, ordinal=section.ordinal, missing=section.missing)
        prepare(base, self.config.train)
        self.splice = wrap(base.model, self.spec.dim, section, seed=self.config.train.seed)
        instead = shuffled(examples, self.config.train.seed) if self.control else None
        return Condition(self.spec, self.splice, dropout=section.dropout, instead=instead)

    def pose(self, traits: Mapping[str, TraitValue] | None) -> None:
        """Set the splice to one row of traits for the generations that follow."""
        spec, splice = self._begun()
        splice.set(None if traits is None else torch.from_numpy(spec.encode(traits))[None])

    def save(self, folder: Path) -> None:
        """Write the spec and the splice into the run."""
        spec, splice = self._begun()
        with atomic(folder / SPEC) as path:
            spec.save(path)
        with atomic(folder / WEIGHTS) as path:
            splice.save(path)

    def _begun(self) -> tuple[TraitSpec, Splice]:
        if self.spec is None or self.splice is None:
            raise ValueError("nothing was trained")
        return self.spec, self.splice
