"""A character n-gram model of somebody's words: a scorer that needs no network, learned in seconds.

It is the yardstick a trained voice has to beat, the author model for long texts, and what draws the
quick learning curve. It knows letters only: no topic, no context beyond a few characters.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from gemel.examples import Role, TraitValue, Turn
from gemel.speaker import Likelihood, Scorer

__all__ = ["NgramScorer"]

_END = "\x03"
_ALSO = "\n"
_ALPHABET = 0x110000
"""Size of the uniform distribution at the bottom: every Unicode character is possible."""


class NgramScorer(Scorer):
    """Interpolated Witten-Bell n-grams over characters (Witten and Bell 1991).

    Args:
        texts: replies to learn from.
        order: characters of context at most.
    """

    def __init__(self, texts: Iterable[str], *, order: int = 5) -> None:
        self.order = order
        self._follow: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._total: dict[str, int] = defaultdict(int)
        self.characters = 0
        for text in texts:
            self._learn(text)

    def _learn(self, text: str) -> None:
        line = "\x02" * self.order + text + _END
        for i in range(self.order, len(line)):
            for n in range(self.order + 1):
                context = line[i - n : i]
                self._follow[context][line[i]] += 1
                self._total[context] += 1
        self.characters += len(text) + 1

    def _probability(self, context: str, char: str) -> float:
        p = 1.0 / _ALPHABET
        for n in range(len(context) + 1):
            key = context[len(context) - n :]
            follow = self._follow.get(key)
            if follow is None:
                break
            total, kinds = self._total[key], len(follow)
            p = (follow.get(char, 0) + kinds * p) / (total + kinds)
        return p

    def likelihoods(
        self,
        pairs: Sequence[tuple[Sequence[Turn], Turn]],
        *,
        traits: Sequence[Mapping[str, TraitValue] | None] | None = None,
    ) -> list[Likelihood]:
        """One token per character; the context is not looked at."""
        return [self._likelihood(turn) for _, turn in pairs]

    def _likelihood(self, turn: Turn) -> Likelihood:
        text = _ALSO.join(turn.parts)
        line = "\x02" * self.order + text + _END
        nats = tuple(
            -math.log(self._probability(line[i - self.order : i], line[i])) for i in range(self.order, len(line))
        )
        return Likelihood(nats=nats, tokens=(*text, ""), bytes=len("".join(turn.parts).encode()), end=1)

    def bits_per_byte(self, text: str) -> float:
        """Bits per UTF-8 byte of a text."""
        return self._likelihood(Turn(role=Role.me, parts=(text,))).bits_per_byte
