"""What the twin says too often: phrases, repeated answers, lengths and emoji that are not the person's.

A phrase is a tic when it stands in at least three answers and, were twin and person alike, so many of the messages
with it would be the twin's with probability 10⁻⁴ at most (Fisher's exact test; phrases are looked at by the hundred).
The phrases are the twin's words and go to the owner's screen only; what is kept or exported is how many there are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.stats import hypergeom

from gemel.text import emoji, fold, ngrams, words

__all__ = ["LEAST", "Phrase", "Tics", "tics"]

LEAST = 20
"""Answers from which tics are told."""
TIMES = 3
"""Answers that a phrase must stand in."""
CHANCE = 1e-4
"""Largest p-value of a tic."""
LONGEST = 5
"""Words of a phrase at most."""
MOST = 12
"""Phrases that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A phrase that the twin uses more than the person."""

    text: str
    """Lower-cased."""
    answers: int
    """Answers it stands in."""
    rate: float
    """Share of the twin's answers."""
    own: float
    """Share of the person's messages."""
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tics:
    """The twin's habits beside the person's."""

    answers: int
    own: int
    phrases: tuple[Phrase, ...] = ()
    repeated: float = 0.0
    """Share of the twin's answers of three words up that it gave before, word for word, less the person's share."""
    length: float = 0.0
    """Mean log(1 + characters) of the twin less that of the person: 0.69 is twice as long."""
    emoji: float = 0.0
    """Share of messages with emoji, the twin's less the person's."""
    refused: str = ""


def tics(said: Sequence[str], own: Sequence[str]) -> Tics:
    """Compare the twin's messages with the person's.

    Args:
        said: messages of the twin.
        own: messages of the person, ideally as many again and more.
    """
    said, own = [s for s in said if s.strip()], [s for s in own if s.strip()]
    if min(len(said), len(own)) < LEAST:
        return Tics(answers=len(said), own=len(own), refused=f"{LEAST} messages of each are needed")
    return Tics(
        answers=len(said),
        own=len(own),
        phrases=_phrases(said, own),
        repeated=_repeated(said) - _repeated(own[: len(said)]),
        length=_mean(math.log1p(len(s)) for s in said) - _mean(math.log1p(len(s)) for s in own),
        emoji=_mean(bool(emoji(s)) for s in said) - _mean(bool(emoji(s)) for s in own),
    )


def _phrases(said: Sequence[str], own: Sequence[str]) -> tuple[Phrase, ...]:
    twin, person = _counts(said), _counts(own)
    found = []
    for phrase, n in twin.items():
        if n >= TIMES:
            m = person[phrase]
            p = float(hypergeom.sf(n - 1, len(said) + len(own), n + m, len(said)))
            if p <= CHANCE:
                found.append(Phrase(text=" ".join(phrase), answers=n, rate=n / len(said), own=m / len(own), p=p))
    found.sort(key=lambda f: (f.p, -len(f.text), f.text))
    kept: list[Phrase] = []
    for one in found:
        if not any(_inside(one.text, k.text) or _inside(k.text, one.text) for k in kept):
            kept.append(one)
    return tuple(kept[:MOST])


def _counts(texts: Iterable[str]) -> Counter[tuple[str, ...]]:
    """In how many messages each phrase of one to five words stands; single words only with two letters up."""
    counts: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        found = words(fold(text))
        phrases = {tuple(g) for n in range(1, LONGEST + 1) for g in ngrams(found, n)}
        counts.update(p for p in phrases if len(p) > 1 or len(p[0]) > 1)
    return counts


def _inside(a: str, b: str) -> bool:
    return f" {a} " in f" {b} "


def _repeated(texts: Sequence[str]) -> float:
    """Share of the messages of three words up that stood there before."""
    met: set[str] = set()
    again = count = 0
    for text in texts:
        found = words(fold(text))
        if len(found) >= 3:
            key = " ".join(found)
            count += 1
            again += key in met
            met.add(key)
    return again / count if count else 0.0


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
