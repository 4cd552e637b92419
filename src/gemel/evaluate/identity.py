"""How much better the twin predicts the person's words, and whether that is the person or only the domain.

Identity gain is [base − twin] on the person's held-out replies minus [base − twin] on other people's
replies, all scored as if the person said them. What every speaker of these chats has in common cancels.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, replace

import numpy as np

from gemel.evaluate.cases import Case, Pool, session_index
from gemel.evaluate.journal import Journal
from gemel.evaluate.statistics import Floats, Index, Statistic, draws, ratio_of, sums
from gemel.examples import Role, TraitValue, Turn
from gemel.speaker import Scorer
from gemel.track import progress

__all__ = ["Foreign", "Gain", "Losses", "Text", "gain", "match_foreign", "measure_losses", "text_of", "under"]

LN2 = math.log(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A reply to score."""

    key: str
    context: tuple[Turn, ...]
    reply: Turn
    traits: Mapping[str, TraitValue] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Nats of N replies in three parts, with their sizes."""

    first: Floats
    """(N,) nats of the first token."""
    body: Floats
    end: Floats
    """(N,) nats of the end of turn."""
    bytes: Floats
    tokens: Floats

    @property
    def total(self) -> Floats:
        """(N,) nats of the whole reply."""
        return self.first + self.body + self.end

    @property
    def bits(self) -> Floats:
        """(N,) bits of the whole reply."""
        return self.total / LN2

    def take(self, keep: Index) -> Losses:
        """The replies numbered in `keep`."""
        return Losses(
            first=self.first[keep],
            body=self.body[keep],
            end=self.end[keep],
            bytes=self.bytes[keep],
            tokens=self.tokens[keep],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Other people's replies set against the person's."""

    texts: tuple[Text, ...]
    units: tuple[str, ...]
    """Session of each; the sessions of the cases where they come from the same chats."""
    same_sessions: bool
    unmatched: int = 0
    """Own replies for which no foreign reply of like length was found."""


def text_of(case: Case) -> Text:
    """The person's reply of a case."""
    return Text(key=case.id, context=case.context, reply=case.truth, traits=case.traits or None)


def under(system: str, context: Sequence[Turn]) -> tuple[Turn, ...]:
    """A context under an instruction."""
    return (Turn(role=Role.system, parts=(system,)), *context)


def measure_losses(
    scorer: Scorer, system: str, texts: Sequence[Text], *, journal: Journal, batch: int = 128, prompt: str = ""
) -> Losses:
    """Score every text, resuming from the journal.

    Args:
        prompt: an instruction put before every context.
    """
    todo = [t for t in texts if f"{system}|{t.key}" not in journal]
    with progress(f"{system} scores", total=len(texts), unit="texts") as advance:
        advance(len(texts) - len(todo))
        for i in range(0, len(todo), batch):
            group = todo[i : i + batch]
            # In an empty context nobody listens: a scorer's own progress would stand inside this one.
            found = Context().run(
                scorer.likelihoods,
                [(under(prompt, t.context) if prompt else t.context, t.reply) for t in group],
                traits=[t.traits for t in group],
            )
            journal.add(
                {
                    "key": f"{system}|{t.key}",
                    "nats": [round(x, 5) for x in one.split()],
                    "bytes": one.bytes,
                    "tokens": len(one.nats),
                }
                for t, one in zip(group, found)
            )
            advance(len(group))
    rows = [journal[f"{system}|{t.key}"] for t in texts]
    nats = np.array([r["nats"] for r in rows], dtype=np.float64).reshape(len(rows), 3)
    return Losses(
        first=nats[:, 0],
        body=nats[:, 1],
        end=nats[:, 2],
        bytes=np.array([r["bytes"] for r in rows], dtype=np.float64),
        tokens=np.array([r["tokens"] for r in rows], dtype=np.float64),
    )


def match_foreign(cases: Sequence[Case], pool: Sequence[Pool], *, ratio: float = 2.0) -> Foreign:
    """For every own reply another person's of like length, from the same session where there is one.

    Gain per byte depends on length (the end of turn weighs more in short replies), so a foreign reply
    longer or shorter by more than `ratio` is not taken (a dozen bytes are always close enough).
    """
    by_session: dict[str, list[int]] = defaultdict(list)
    for i, item in enumerate(pool):
        by_session[item.session].append(i)
    own = {c.session for c in cases}
    same = sum(s in own for s in by_session) >= max(1, len(own) // 2)
    free = set(range(len(pool)))
    texts, units, missed = [], [], 0
    for case in cases:
        near = by_session.get(case.session, []) if same else list(free)
        best = _closest(case, [i for i in near if i in free], pool, ratio)
        if best is None:
            missed += 1
            continue
        free.discard(best)
        item = pool[best]
        said = replace(item.turn, role=Role.me, name=case.truth.name, learn=True)
        texts.append(Text(key=f"foreign {case.id}", context=item.context, reply=said))
        units.append(item.session)
    return Foreign(texts=tuple(texts), units=tuple(units), same_sessions=same, unmatched=missed)


def _closest(case: Case, choice: Sequence[int], pool: Sequence[Pool], ratio: float) -> int | None:
    size = len(case.truth.text.encode())

    def far(i: int) -> float:
        other = len(pool[i].turn.text.encode())
        return abs(math.log((other + 12) / (size + 12)))

    best = min(choice, key=lambda i: (far(i), i), default=None)
    return best if best is not None and far(best) <= math.log(ratio) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Identity gain as a statistic, with resamples that fit its units."""

    statistic: Statistic
    own: Statistic
    """[base − twin] on the person's replies alone, bits per byte."""
    foreign: Statistic
    weights: Floats
    differences: Floats
    """(S,) identity gain by session, for the sign-flip test and the detectable effect."""
    sessions: int


def gain(
    cases: Sequence[Case],
    foreign: Foreign,
    *,
    base: tuple[Losses, Losses],
    twin: tuple[Losses, Losses],
    resamples: int,
    seed: int = 0,
) -> Gain:
    """Identity gain in bits per byte.

    Args:
        base, twin: losses on the person's replies and on the foreign ones.
    """
    index, names = session_index(cases)
    count = len(names)
    place = {s: i for i, s in enumerate(names)} if foreign.same_sessions else {}
    extra = [u for u in dict.fromkeys(foreign.units) if u not in place]
    place.update({u: count + i for i, u in enumerate(extra)})
    units = np.array([place[u] for u in foreign.units], dtype=np.int64)
    total = count + len(extra)

    own_bits = sums(base[0].bits - twin[0].bits, index, total)
    own_bytes = sums(base[0].bytes, index, total)
    far_bits = sums(base[1].bits - twin[1].bits, units, total)
    far_bytes = sums(base[1].bytes, units, total)
    own, far = ratio_of(own_bits, own_bytes), ratio_of(far_bits, far_bytes)
    weights = draws(count, resamples, seed=seed)
    if total > count:
        weights = np.concatenate([weights, draws(total - count, resamples, seed=seed + 1)], axis=1)
    mean_far = float(far(np.ones((1, total)))[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        reference = np.where(far_bytes > 0, far_bits / far_bytes, mean_far) if foreign.same_sessions else mean_far
        differences = (own_bits / own_bytes - reference)[:count]
    return Gain(
        statistic=lambda w: own(w) - far(w),
        own=own,
        foreign=far,
        weights=weights,
        differences=differences,
        sessions=count,
    )
