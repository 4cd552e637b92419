"""What a metric is given and what it returns.

A `Sample` is one system's replies to the cases beside the person's own; a `Metric` turns it into a
`Statistic` over sessions. Everything else (floor, ceiling, permuted baseline, intervals, tests) is done
once, in `likeness`, for all metrics alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.errors import TooLittle
from gemel.evaluate.cases import Burst, Case, Pool, session_index
from gemel.evaluate.statistics import Statistic

__all__ = ["DOCUMENTS", "EMBEDDED", "Embed", "Metric", "Sample", "Shared", "bare_text", "evenly", "trim"]

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts → (n, d) unit rows."""

_SITUATIONS = 400
_READ = 400
"""Characters of a text that are embedded."""

EMBEDDED = 150
"""Replies that are embedded for a metric at most, evenly taken: meaning is the slowest thing measured."""

DOCUMENTS = ("slice", "essay", "knowledge")
"""Kinds whose length is set by the corpus builder and not by the person."""


def bare_text(burst: Burst) -> str:
    """The messages of a reply joined by line breaks."""
    return "\n".join(burst)


def trim(text: str, words: int) -> str:
    """The first `words` white-space separated words of a text, spacing kept."""
    end = 0
    for _ in range(words):
        start = end
        while start < len(text) and text[start].isspace():
            start += 1
        if start == len(text):
            break
        end = start
        while end < len(text) and not text[end].isspace():
            end += 1
    return text[:end]


def evenly(total: int, most: int) -> list[int]:
    """At most `most` of the numbers below `total`, evenly taken."""
    return [] if total <= 0 else np.unique(np.linspace(0, total - 1, min(most, total)).astype(int)).tolist()


class Shared:
    """What all samples of an evaluation have in common; embeddings are kept.

    Args:
        own: the person's replies of all splits, for vocabulary, ceilings and nearest contexts.
        others: replies by other people, for impostor ranking.
        learned: the replies that were trained on.
        embed: sentence embeddings; None where no embedder is installed.
        support: passages of memory that a claim may rest on.
        languages: ISO 639-1 codes to tell apart.
        embedded: ids of the cases whose replies are embedded; empty: all.
    """

    def __init__(
        self,
        *,
        own: Sequence[Pool] = (),
        others: Sequence[Pool] = (),
        learned: Sequence[str] = (),
        embed: Embed | None = None,
        support: Sequence[str] = (),
        languages: Sequence[str] = ("en",),
        embedded: Collection[str] = (),
    ) -> None:
        self.own = tuple(own)
        self.others = tuple(others)
        self.learned = tuple(learned)
        self.support = tuple(support)
        self.languages = tuple(languages)
        self.embedded = frozenset(embedded)
        self.cache: dict[str, Any] = {}
        """What a metric fitted once for all systems, by the metric's name."""
        self._embed = embed
        self._rows: dict[str, NDArray[np.float32]] = {}
        self._pairs: dict[str, dict[tuple[str, str], float]] = {}

    @property
    def embeds(self) -> bool:
        """Whether there is an embedder."""
        return self._embed is not None

    @cached_property
    def situations(self) -> tuple[Pool, ...]:
        """Own replies that answer something, at most 400, evenly taken: where similar contexts are looked for."""
        known = [p for p in self.own if p.incoming]
        return tuple(known[i] for i in evenly(len(known), _SITUATIONS))

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit rows, each distinct text encoded once by its first 400 characters.

        Raises:
            TooLittle: when there is no embedder.
        """
        if self._embed is None:
            raise TooLittle("no embedder is installed")
        new = [t for t in dict.fromkeys(texts) if t not in self._rows]
        if new:
            self._rows.update(zip(new, self._embed([t[:_READ] for t in new])))
        return np.stack([self._rows[t] for t in texts])

    def pairwise(
        self, name: str, measure: Callable[[str, str], float], one: Sequence[str], two: Sequence[str]
    ) -> NDArray[np.float64]:
        """(N,) `measure` of each pair of texts; every distinct pair is measured once, whichever system it is of.

        Args:
            name: what is measured, the key under which values are kept.
        """
        known = self._pairs.setdefault(name, {})
        pairs = list(zip(one, two, strict=True))
        for pair in pairs:
            if pair not in known:
                known[pair] = float(measure(*pair))
        return np.array([known[pair] for pair in pairs], dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One system's replies to the cases, beside the person's own."""

    cases: Sequence[Case]
    replies: Sequence[Burst]
    """What the system said to each case."""
    truths: Sequence[Burst]
    """What the person said to each case."""
    index: NDArray[np.int64]
    """(N,) session of each case."""
    sessions: int
    shared: Shared = field(repr=False)
    permuted: bool = False
    """The replies were given to other contexts than the ones they stand beside."""

    @classmethod
    def of(cls, cases: Sequence[Case], replies: Sequence[Burst], shared: Shared) -> Sample:
        """Lay replies beside the truth; texts of documents are cut to equal numbers of words."""
        pairs = [_equal(case, reply) for case, reply in zip(cases, replies, strict=True)]
        index, sessions = session_index(cases)
        return cls(
            cases=cases,
            replies=[p[0] for p in pairs],
            truths=[p[1] for p in pairs],
            index=index,
            sessions=len(sessions),
            shared=shared,
        )

    @cached_property
    def said(self) -> list[str]:
        """The system's replies as text."""
        return [bare_text(r) for r in self.replies]

    @cached_property
    def true(self) -> list[str]:
        """The person's replies as text."""
        return [bare_text(t) for t in self.truths]

    @cached_property
    def asked(self) -> list[str]:
        """What each reply answers: the last turn of somebody else; "" where there is none."""
        return [c.incoming for c in self.cases]

    @cached_property
    def documents(self) -> bool:
        """Whether most cases are pieces of documents."""
        return sum(c.kind in DOCUMENTS for c in self.cases) > len(self.cases) / 2

    def embedded(self) -> Sample:
        """The replies that are embedded, over the same sessions."""
        chosen = self.shared.embedded
        return self.only([i for i, c in enumerate(self.cases) if not chosen or c.id in chosen])

    def only(self, keep: Sequence[int]) -> Sample:
        """The replies numbered in `keep`, over the same sessions."""
        if len(keep) == len(self.cases):
            return self
        return Sample(
            cases=[self.cases[i] for i in keep],
            replies=[self.replies[i] for i in keep],
            truths=[self.truths[i] for i in keep],
            index=self.index[np.array(keep, dtype=np.int64)],
            sessions=self.sessions,
            shared=self.shared,
            permuted=self.permuted,
        )

    def need(self, replies: int) -> None:
        """Refuse a sample that is too small.

        Raises:
            TooLittle: when there are fewer replies.
        """
        if len(self.cases) < replies:
            raise TooLittle(f"{len(self.cases)} replies, at least {replies} are needed")

    def permute(self, *, seed: int = 0) -> Sample:
        """Each reply beside another session's context of the same contact where possible."""
        order = _derange(self.cases, self.index, seed)
        return Sample(
            cases=self.cases,
            replies=[self.replies[i] for i in order],
            truths=self.truths,
            index=self.index,
            sessions=self.sessions,
            shared=self.shared,
            permuted=True,
        )

    def beside(self, other: Sample) -> Sample:
        """Both samples as one with twice the sessions (for swapping sessions between systems)."""
        return Sample(
            cases=[*self.cases, *other.cases],
            replies=[*self.replies, *other.replies],
            truths=[*self.truths, *other.truths],
            index=np.concatenate([self.index, other.index + self.sessions]),
            sessions=2 * self.sessions,
            shared=self.shared,
        )


def _equal(case: Case, reply: Burst) -> tuple[Burst, Burst]:
    if case.kind not in DOCUMENTS:
        return reply, case.truth.parts
    said, true = bare_text(reply), case.truth.text
    count = min(len(said.split()), len(true.split()))
    return (trim(said, count),), (trim(true, count),)


def _derange(cases: Sequence[Case], index: NDArray[np.int64], seed: int) -> list[int]:
    """For each case the number of a case of another session, each used about once."""
    rng = np.random.default_rng(seed)
    by_session: dict[int, list[int]] = {}
    for i in rng.permutation(len(cases)):
        by_session.setdefault(int(index[i]), []).append(int(i))
    flat = [i for members in by_session.values() for i in members]
    # A shift by the largest session's size lands in another session when no session holds over half.
    shift = max(len(m) for m in by_session.values())
    order = [0] * len(flat)
    for place, i in enumerate(flat):
        order[i] = flat[(place + shift) % len(flat)]
    return order


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How one thing is measured."""

    name: str
    title: str
    build: Callable[[Sample], Statistic]
    unit: str = ""
    better: str = "higher"
    """higher, lower, or the value that is the target."""
    paired: bool = False
    """Depends on which context a reply answers: a permuted baseline makes sense."""
    matched: bool = True
    """The floor's borrowed replies are taken at the lengths of the person's."""
    ceiling: str = "matched"
    """Which own words are the ceiling: matched (another session's at like length), free (another session's as
    drawn), near (those given to the most similar context), or truth (the held-out replies themselves)."""
    swap: bool = True
    """Sessions can be swapped between systems (not so where a classifier is fitted)."""
    seed: str = ""
    """The customary name of which this is the definition; "" for gemel's own."""
    group: bool = False
    """Also measured by contact, register, language."""
    what: str = ""
    """The definition in a sentence, for the report."""

    def gap(self, value: float) -> float:
        """Distance of a value from the best one; 0 is best, the sign is dropped for targets."""
        if self.better == "higher":
            return -value
        if self.better == "lower":
            return value
        gap = value - float(self.better)
        return max(0.0, gap) if self.unit == "AUC" else abs(gap)
