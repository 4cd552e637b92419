"""Why is this me? A reply word by word by log p(twin) − log p(base), with what each trait adds, the person's own
nearest messages and the habits of the card that it follows.

A positive figure means that the twin expects the word more than the untrained base does: that is what was
learned from the person. It explains the model, not the person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gemel.evaluate.identity import LN2
from gemel.evaluate.statistics import Floats
from gemel.examples import TraitValue, Turn
from gemel.model.card import Card, Habits
from gemel.speaker import Likelihood, Scorer
from gemel.text import emoji, fold, words

__all__ = ["Near", "Shade", "Why", "followed", "why"]

_MOSTLY = 0.6
"""Share of the person's messages from which on something is a habit."""

_WORD = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class Shade:
    """A word with the space behind it."""

    text: str
    bits: float
    """log2 p(twin) − log2 p(base)."""
    part: int
    """Which message of the burst it stands in."""


class Near(NamedTuple):
    """Something the person wrote themself."""

    text: str
    score: float
    """Cosine, or the probability of support where memory was asked."""
    record: str = ""
    title: str = ""


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
    similar: tuple[Near, ...] = ()
    """The person's own messages that are nearest, the nearest first."""
    habits: tuple[str, ...] = ()
    """Rules of the card, and measured habits that the reply follows."""


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


def followed(card: Card, parts: Sequence[str]) -> tuple[str, ...]:
    """The card's rules, and those of its measured habits that a reply follows, as short sentences."""
    habits, text = card.chat or card.prose, [p for p in parts if p.strip()]
    found = _followed(habits, text) if habits is not None and text else []
    return (*(f"rule: {rule}" for rule in card.rules), *found)


def _followed(habits: Habits, parts: Sequence[str]) -> list[str]:
    said = [fold(w) for p in parts for w in words(p)]
    count = sum(len(words(p)) for p in parts) / len(parts)
    low, middle, high = habits.words
    letters = [p.lstrip()[0] for p in parts if p.lstrip()[0].isalpha()]
    bare = all(p.rstrip()[-1].isalnum() for p in parts)
    stops = all(p.rstrip().endswith(".") for p in parts)
    marks = {
        f"begins with a small letter, as {habits.starts_low:.0%} of the person's do": habits.starts_low >= _MOSTLY
        and bool(letters)
        and all(c.islower() for c in letters),
        f"ends without punctuation, as {habits.bare:.0%} do": habits.bare >= _MOSTLY and bare,
        f"ends with a full stop, as {habits.full_stop:.0%} do": habits.full_stop >= _MOSTLY and stops,
        f"{count:.0f} words; the person's have {middle:.0f} (most {low:.0f} to {high:.0f})": low <= count <= high,
    }
    out = [text for text, holds in marks.items() if holds]
    if said and said[0] in map(fold, habits.openers):
        out.append(f"opens with “{said[0]}”, one of the person's usual first words")
    out += [f"uses “{w}”, one of the person's words" for w in habits.favourite_words if fold(w) in said]
    return out + [f"uses {e}, one of the person's emoji" for e in habits.favourite_emoji if e in emoji(" ".join(parts))]


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
