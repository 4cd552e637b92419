"""Whether anything supports what a reply claims: the conversation before it, or what the person wrote.

No entailment model works offline in every language, so support is a stand-in that can be checked by hand:
how much of a claim's rare words one passage covers and how near it is in meaning, as a probability by a
curve fitted to the person's own corpus (`gemel.model.support`). It sees what a claim is about, not its logic.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gemel.examples import Role, Turn
from gemel.model.support import Curve, Evidence, coverage, fit_curve, stems
from gemel.text import fold, sentences, words

__all__ = ["Claim", "Ground", "claims", "contradicts", "said_before"]

LEAST = 3
"""Words with a meaning of their own that a claim has at least."""
PASSAGE = 30
"""Words of a passage, about; sentences are not cut."""
_NEAR = 3
"""Passages whose meaning is compared, the ones that cover most words."""
_TURNS = 12
"""Turns of the conversation that are looked at."""
_SAME = 0.6
"""Share of both sentences' words from which they speak of the same."""
_DENYING = """
not no never none nobody nothing neither nor cannot without không chẳng chưa đừng
nicht nie kein keine ne pas jamais nunca mai non
"""
_NOT = frozenset(_DENYING.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence of a reply, judged."""

    text: str
    probability: float
    """That something supports it."""
    passage: str
    """The best support found; "" where no word of it occurs anywhere."""
    where: str
    """conversation, memory, or "" where there is none."""

    @property
    def supported(self) -> bool:
        """Whether support is likelier than not."""
        return self.probability >= 0.5


def claims(text: str) -> list[str]:
    """The sentences of a reply that say something: no questions, at least `LEAST` telling words."""
    return [s for s in sentences(text) if not s.rstrip("\"'”’)").endswith("?") and len(stems(s)) >= LEAST]


def said_before(context: Sequence[Turn]) -> list[str]:
    """The sentences of the last turns of a conversation, the latest first."""
    told = [t for t in context if t.role in (Role.me, Role.other, Role.prompt)][-_TURNS:]
    return [s for turn in reversed(told) for s in sentences(turn.text)]


class Ground:
    """What a person wrote, searched for support.

    Args:
        texts: their training replies.
        vectors: texts → unit rows; None: words alone decide.
    """

    def __init__(self, texts: Iterable[str], vectors: Callable[[Sequence[str]], Any] | None = None) -> None:
        self.passages = [p for text in texts for p in _passages(text)]
        self._vectors = vectors
        self._places: dict[str, list[int]] = defaultdict(list)
        for i, passage in enumerate(self.passages):
            for stem in set(stems(passage)):
                self._places[stem].append(i)
        self._known: dict[str, tuple[float, str]] = {}

    @cached_property
    def curve(self) -> Curve:
        """Evidence → probability, fitted to this corpus."""
        return fit_curve(list(enumerate(self.passages)), lambda query, without: self._best(query, without)[0])

    def judge(self, claim: str, context: Sequence[str]) -> Claim:
        """Look for support.

        Args:
            context: sentences of the conversation.
        """
        if claim not in self._known:
            evidence, passage = self._best(claim)
            self._known[claim] = self.curve(evidence) if passage else 0.0, passage
        memory, passage = self._known[claim]
        here, sentence = self._of(claim, self._covering(claim, context))
        visible = self.curve(here) if sentence else 0.0
        if visible >= memory:
            where = "conversation" if sentence else ""
            return Claim(text=claim, probability=visible, passage=sentence, where=where)
        return Claim(text=claim, probability=memory, passage=passage, where="memory")

    def _weight(self, stem: str) -> float:
        return math.log(1 + len(self.passages) / (1 + len(self._places.get(stem, ()))))

    def _best(self, query: str, without: int | None = None) -> tuple[Evidence, str]:
        found: dict[int, float] = defaultdict(float)
        for stem in stems(query):
            places = self._places.get(stem, ())
            if len(places) <= max(20, len(self.passages) // 10):  # what stands everywhere tells no passage from another
                weight = self._weight(stem)
                for i in places:
                    found[i] += weight
        near = sorted((i for i in found if i != without), key=lambda i: (-found[i], i))[:_NEAR]
        return self._of(query, [self.passages[i] for i in near])

    def _covering(self, query: str, context: Sequence[str]) -> list[str]:
        asked = stems(query)
        shares = [(coverage(asked, s, self._weight), s) for s in context]
        return [s for share, s in sorted(shares, key=lambda pair: -pair[0])[:_NEAR] if share > 0]

    def _of(self, query: str, candidates: Sequence[str]) -> tuple[Evidence, str]:
        if not candidates:
            return Evidence(0.0, 0.0), ""
        asked = stems(query)
        covers = [coverage(asked, c, self._weight) for c in candidates]
        near = [0.0] * len(candidates)
        if self._vectors is not None:
            rows = self._vectors([query, *candidates])
            near = (rows[1:] @ rows[0]).tolist()
        best = max(range(len(candidates)), key=lambda i: near[i] + covers[i])
        return Evidence(near[best], covers[best]), candidates[best]


def contradicts(claim: str, sentence: str) -> bool:
    """Whether two sentences say the same but for a "not" or a number.

    Most of the words of each stand in the other, and either one of them denies, or both hold numbers of
    which none agrees. What contradicts in other words is not seen.
    """
    sides = [_stripped(claim), _stripped(sentence)]
    if min(map(len, sides)) < LEAST:
        return False
    shared = len(sides[0] & sides[1])
    if shared < _SAME * max(map(len, sides)):
        return False
    denied = [any(_denies(w) for w in words(fold(text))) for text in (claim, sentence)]
    numbers = [{w for w in words(text) if any(c.isdigit() for c in w)} for text in (claim, sentence)]
    return denied[0] != denied[1] or bool(numbers[0] and numbers[1] and not numbers[0] & numbers[1])


def _stripped(text: str) -> set[str]:
    kept = [w for w in words(text) if not _denies(fold(w)) and not any(c.isdigit() for c in w)]
    return set(stems(" ".join(kept))) if kept else set()


def _denies(word: str) -> bool:
    return word in _NOT or word.replace("’", "'").endswith("n't")


def _passages(text: str) -> list[str]:
    out: list[str] = []
    held: list[str] = []
    for sentence in sentences(text):
        held.append(sentence)
        if sum(len(s.split()) for s in held) >= PASSAGE:
            out.append(" ".join(held))
            held = []
    return [*out, " ".join(held)] if held else out
