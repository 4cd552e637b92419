"""A decoder with traits: the base, the layout of the vector and the splice, seen as one function of z.

`log_probs` is that function; everything exact (derivatives, coupled essays, hindsight, inversion) is built on
it. Guidance is part of it: a `Blend` mixes the logits of several rows, u + Σ_j γ_j (c_j − u), and stays
differentiable (Ho & Salimans 2022, arXiv:2207.12598, applied per trait). Training is not covered here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gemel.errors import ConfigError
from gemel.examples import Role, TraitValue, Turn
from gemel.fields import Vector
from gemel.model.base import Base
from gemel.model.splice import Splice
from gemel.traits import TraitSpec

__all__ = ["Blend", "Conditioned", "Text", "log_probs"]


class Blend(NamedTuple):
    """Rows of traits whose logits are mixed; without guidance it is one row of weight 1."""

    z: Tensor
    """(B, R, d): R rows for each of B texts."""
    weights: Tensor
    """(R,), summing to 1."""


class Text(NamedTuple):
    """A given essay or reply as tokens."""

    ids: list[int]
    learn: list[bool]
    """Which tokens are the writer's (text, borders and end of turn), not the prompt's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioned:
    """A decoder whose text depends on traits."""

    base: Base
    spec: TraitSpec
    splice: Splice
    name: str = ""
    """The speaker's name in essays and replies."""

    def prompt(self, question: str, context: Sequence[Turn] = ()) -> list[int]:
        """Tokens before an essay that answers `question` (or before a reply to `context`)."""
        return self.base.template.header(_turns(question, context), name=self.name)

    def text(self, question: str, essay: str, context: Sequence[Turn] = ()) -> Text:
        """A given essay with its prompt, as tokens."""
        reply = Turn(role=Role.me, parts=tuple(essay.split("\n")) if context else (essay,), name=self.name)
        encoded = self.base.template.encode_pair(_turns(question, context), reply)
        return Text(encoded.ids[: self.base.context], encoded.learn[: self.base.context])

    def parts(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The messages (for an essay: one) of generated tokens."""
        return self.base.template.parts(ids)

    def blend(self, profiles: Sequence[Mapping[str, TraitValue]], guidance: Mapping[str, float] | None = None) -> Blend:
        """The rows of several profiles.

        Args:
            guidance: γ by trait: 1 leaves the trait's own effect as it is, 2 doubles it, 0 removes it. Without
                guidance the profile is one row; with it, each named trait is a row of its own beside the rest.

        Raises:
            ConfigError: when a guided trait is unknown or there is no unconditional model.
        """
        for name in guidance or {}:
            self.spec.field(name)
        if guidance:
            _ = self.spec.nothing
        z = np.stack([[self.spec.encode(row) for row in _rows(p, guidance)] for p in profiles])
        gains = torch.tensor([1.0, *(guidance or {}).values()])
        weights = torch.cat([1 - gains.sum(dim=0, keepdim=True), gains]) if guidance else gains
        return Blend(torch.from_numpy(z), weights)

    def tangent(
        self, profiles: Sequence[Mapping[str, TraitValue]], trait: str, guidance: Mapping[str, float] | None = None
    ) -> Tensor:
        """d z / du of a scalar trait for every row of the profiles' blend, (B, R, d), per sd.

        A row that does not give the trait does not move.
        """
        still = np.zeros(self.spec.dim, dtype=np.float32)

        def slope(row: Mapping[str, TraitValue]) -> Vector:
            u = self.spec.scalar(trait).position(row.get(trait))
            return still if u is None else self.spec.tangent(trait, u)

        return torch.from_numpy(np.stack([[slope(row) for row in _rows(p, guidance)] for p in profiles]))

    def position(self, profile: Mapping[str, TraitValue], trait: str) -> float:
        """Where a profile stands on a scalar trait, in sd.

        Raises:
            ConfigError: when the profile does not give it.
        """
        u = self.spec.scalar(trait).position(profile.get(trait))
        if u is None:
            raise ConfigError(f"the profile gives no {trait}", hint=f"Add --set {trait}=VALUE.")
        return u

    def moved(self, profile: Mapping[str, TraitValue], trait: str, u: float) -> dict[str, TraitValue]:
        """The same profile with a scalar trait at coordinate `u`."""
        return {**profile, trait: self.spec.scalar(trait).value(u)}


def log_probs(model: Any, splice: Splice, ids: Tensor, blend: Blend) -> Tensor:
    """Log-probabilities of the next token, (B, T, V) in fp32 at least, for texts `ids` (B, T) padded on the right."""
    _, rows, dim = blend.z.shape
    splice.set(blend.z.reshape(-1, dim).to(ids.device))
    logits = model(ids.repeat_interleave(rows, dim=0), use_cache=False).logits
    return mixed(logits, blend.weights)


def mixed(logits: Tensor, weights: Tensor) -> Tensor:
    """Log-probabilities (B, …, V) of the blend from the logits of its rows, (B · R, …, V)."""
    if logits.dtype != torch.float64:
        logits = logits.float()
    if len(weights) > 1:
        rows = logits.unflatten(0, (-1, len(weights)))
        logits = torch.tensordot(weights.to(rows), rows, dims=([0], [1]))
    return torch.log_softmax(logits, dim=-1)


def _rows(profile: Mapping[str, TraitValue], guidance: Mapping[str, float] | None) -> list[Mapping[str, TraitValue]]:
    """The profile; with guidance: nothing, the unguided traits together, then each guided trait alone."""
    if not guidance:
        return [profile]
    rest = {k: v for k, v in profile.items() if k not in guidance}
    return [{}, rest, *({k: profile[k]} if k in profile else {} for k in guidance)]


def _turns(question: str, context: Sequence[Turn]) -> tuple[Turn, ...]:
    return tuple(context) if context else (Turn(role=Role.prompt, parts=(question,)),)
