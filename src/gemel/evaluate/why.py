"""Why is this me? A reply word by word by log p(twin) − log p(base), with what each trait adds.

A positive figure means that the twin expects the word more than the untrained base does: that is what was
learned from the person. It explains the model, not the person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gemel.evaluate.identity import LN2
from gemel.evaluate.statistics import Floats
from gemel.examples import TraitValue, Turn
from gemel.speaker import Likelihood, Scorer

__all__ = ["Shade", "Why", "why"]

_WORD = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class Shade:
    """A word with the space behind it."""

    text: str
    bits: float
    """log2 p(twin) − log2 p(base)."""
    part: int
    """Which message of the burst it stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A reply explained."""

    words: tuple[Shade, ...]
    end: float
    """Bits of message borders and of ending here."""
    total: float
    """Bits of the whole reply."""
    traits: Mapping[str, float]
    """Trait → bits it adds, given all the others."""


def why(
    twin: Scorer,
    base: Scorer,
    context: Sequence[Turn],
    reply: Turn,
    *,
    traits: Mapping[str, TraitValue] | None = None,
) -> Why:
    """Explain a reply.

    Args:
        traits: values the twin answered under; each is left out once to see what it adds.
    """
    rows = [traits, *({k: v for k, v in traits.items() if k != left} for left in traits)] if traits else [None]
    scored = twin.likelihoods([(context, reply)] * len(rows), traits=rows)
    plain = base.likelihoods([(context, reply)])[0]
    length = sum(map(len, reply.parts))
    gained = (_by_character(plain, length) - _by_character(scored[0], length)) / LN2
    words: list[Shade] = []
    start = 0
    for number, part in enumerate(reply.parts):
        for match in _WORD.finditer(part):
            words.append(Shade(match.group(), float(gained[start + match.start() : start + match.end()].sum()), number))
        start += len(part)
    total = (plain.total - scored[0].total) / LN2
    return Why(
        words=tuple(words),
        end=total - sum(w.bits for w in words),
        total=total,
        traits={k: (one.total - scored[0].total) / LN2 for k, one in zip(traits or {}, scored[1:])},
    )


def _by_character(found: Likelihood, length: int) -> Floats:
    """(length,) nats of each character, a token's nats spread evenly over its own.

    Tokens of byte fallback have no text of their own: places are then stretched to the text's length.
    """
    sizes = np.array([len(t) for t in found.tokens], dtype=np.float64)
    known = sizes.sum()
    out = np.zeros(length)
    if not known or not length:
        return out
    edges = np.concatenate([[0.0], np.cumsum(sizes)]) * (length / known)
    for nats, low, high in zip(found.nats, edges, edges[1:]):
        if high > low:
            at = np.arange(int(low), min(length, int(np.ceil(high - 1e-9))))
            overlap = np.minimum(at + 1, high) - np.maximum(at, low)
            out[at] += nats * overlap / (high - low)
    return out
