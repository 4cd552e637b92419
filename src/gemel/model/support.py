"""How well a passage supports a query, and from where on "I don't know" is the better answer.

Two figures decide: the cosine of the vectors, and how much of the query's rare words the passage
covers. A logistic curve over both is fitted to the corpus itself: spans of its own passages with some
words exchanged are queries, which the passage supports and the rest of the corpus does not. No labels
are needed; what such queries cannot stand for (irony, sums, what was never written down) is not covered.
"""

from __future__ import annotations

import math
import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gemel.text import sentences, words

__all__ = ["UNFITTED", "Curve", "Evidence", "coverage", "excerpt", "fit_curve", "stem", "stems"]

_SMALL = """
a an and any are as at be been but by can could d did do does for from had has have he her him his how i if in is it
its ll m me my no nor not of on or our re s she should so t than that the their them then there these they this those
to too up us ve was we were what when where which who whom whose why will with would you your yours about tell know
think say said ever really
la là gì ai đâu khi nào sao thế có không và của cho với thì mà bạn anh chị em tôi mình này đó
der die das den dem ein eine und oder ist sind war ich du er sie es wir ihr was wer wo wann warum wie nicht zu in mit
el los las un una y o es son era yo tú que qué quién dónde cuándo cómo por para con no de en
il lo gli le uno e io che chi dove quando come perché non di con per
les des et ou est sont je tu il elle nous vous qui que quoi où quand comment pourquoi ne pas
"""
"""Words that ask or join (English, Vietnamese, German, Spanish, Italian, French): they support nothing."""
_FUNCTION_WORDS = frozenset(_SMALL.split())


class Evidence(NamedTuple):
    """What speaks for a passage as the support of a query."""

    cosine: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Curve:
    """P(supported) = logistic(bias + cosine * w + coverage * v)."""

    bias: float
    cosine: float
    coverage: float

    def __call__(self, evidence: Evidence) -> float:
        """The probability that a passage with this evidence supports the query."""
        x = self.bias + self.cosine * evidence.cosine + self.coverage * evidence.coverage
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, x))))


UNFITTED = Curve(-5.0, 3.0, 6.0)
"""For corpora too small to fit: about half of a query's weight in words, or less with a close meaning."""


def stem(word: str) -> str:
    """A word without case and marks; of a long one the end is left off, so that inflections agree."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))
    return plain[: max(4, len(plain) - 2)] if len(plain) > 5 else plain


def stems(text: str) -> list[str]:
    """The distinct stems of the words that carry meaning, in order; of all words if none does."""
    said = [part for word in words(text) for part in word.replace("’", "'").replace("-", "'").split("'") if part]
    telling = [w for w in said if w.casefold() not in _FUNCTION_WORDS]
    return list(dict.fromkeys(stem(w) for w in telling or said))


def coverage(query: Sequence[str], text: str, weight: Callable[[str], float]) -> float:
    """Share of the query's weight whose stems begin some word of `text` (0 to 1)."""
    there = {stem(w) for part in words(text) for w in part.replace("’", "'").replace("-", "'").split("'")}
    total = sum(weight(q) for q in query)
    return sum(weight(q) for q in query if q in there) / total if total > 0 else 0.0


def excerpt(text: str, query: Sequence[str], weight: Callable[[str], float], *, longest: int = 280) -> str:
    """The sentence of `text` that covers the query best, with what follows while there is room."""
    if len(text) <= longest:
        return text
    parts = sentences(text)
    best = max(range(len(parts)), key=lambda i: (coverage(query, parts[i], weight), -i))
    out = parts[best]
    for following in parts[best + 1 :]:
        if len(out) + len(following) >= longest:
            break
        out = f"{out} {following}"
    return out if len(out) <= 2 * longest else out[: 2 * longest].rsplit(" ", 1)[0] + " …"


def fit_curve(
    passages: Sequence[tuple[int, str]], best: Callable[[str, int | None], Evidence], *, queries: int = 80
) -> Curve:
    """Fit the curve to the corpus.

    Args:
        passages: (id, text) of passages of some length.
        best: the evidence of the best passage for a query; the id given is kept out of the search.
        queries: how many are made; each gives a supported and an unsupported case.
    """
    long = [(number, w) for number, text in passages if len(w := words(text)) >= 8]
    if len(long) < 20:
        return UNFITTED
    draw = random.Random(0)
    everything = [w for _, said in draw.sample(long, min(len(long), 500)) for w in said]
    rows: list[Evidence] = []
    labels: list[int] = []
    for number, said in draw.sample(long, min(len(long), queries)):
        start = draw.randrange(len(said) - 7)
        span = [w if draw.random() > 0.3 else draw.choice(everything) for w in said[start : start + 8]]
        query = " ".join(span)
        rows += [best(query, None), best(query, number)]
        labels += [1, 0]
    (cosine, cover), (bias,) = _logistic(rows, labels)
    if cosine < 0:  # vectors tell nothing here: words decide
        (cover,), (bias,) = _logistic([row[1:] for row in rows], labels)
        cosine = 0.0
    return Curve(float(bias), float(cosine), float(cover))


def _logistic(rows: Sequence[tuple[float, ...]], labels: Sequence[int]) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=10.0).fit(rows, labels)
    return fitted.coef_[0], fitted.intercept_
