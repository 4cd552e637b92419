"""What each system says to each case: generated with progress, resumed after a kill, never twice.

The person's own words from elsewhere (the ceiling) and other people's words (the floor) stand in the same
table, so that every metric treats them like any system.
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gemel.evaluate.cases import Burst, Case, Pool
from gemel.evaluate.journal import Journal
from gemel.evaluate.sample import DOCUMENTS
from gemel.examples import Role, TraitValue, Turn
from gemel.records import stable_id
from gemel.speaker import Reply, Sampling, Speaker
from gemel.track import progress

__all__ = ["MATCHED", "Answer", "Prompted", "ask", "borrow", "borrow_near"]

MATCHED = ":matched"
"""Suffix of borrowed replies chosen at the length of the person's reply."""

PLAIN = Sampling()

DOCUMENT_TOKENS = 96
"""Tokens generated for a piece of a document; its opening is what is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One system's reply to one case."""

    case: str
    system: str
    parts: Burst
    seconds: float = 0.0
    """From the question to the whole reply, while others were answered too."""
    share: float = 0.0
    """Wall time since the reply before it came: the sum over all replies is the time they took together."""
    tokens_in: int = 0
    tokens_out: int = 0
    quoted: bool = False
    """The person's own past reply, shown as such."""

    @property
    def text(self) -> str:
        """The messages joined by line breaks."""
        return "\n".join(self.parts)


class Prompted(Speaker):
    """Another speaker under an instruction.

    Args:
        inner: who answers.
        system: the instruction, given as the first turn.
        name: how the system is called in scores.
    """

    def __init__(self, inner: Speaker, system: str, *, name: str) -> None:
        self.inner = inner
        self.name = name
        self._turn = Turn(role=Role.system, parts=(system,))

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        return self.inner.reply((self._turn, *turns), sampling=sampling, traits=traits)


def ask(
    speaker: Speaker,
    system: str,
    cases: Sequence[Case],
    *,
    journal: Journal,
    seed: int = 0,
    together: int = 16,
    max_tokens: int = 120,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Answer]:
    """The speaker's reply to every case, in order.

    Each case has a seed of its own (from its id), so that a resumed evaluation gives the same replies.

    Args:
        together: conversations in flight at once; the engine decodes them as one batch.
        stopped: asked after every reply whether to go on.

    Raises:
        CancelledError: when it was stopped; what was answered is kept.
    """
    todo = [c for c in cases if _key(system, c) not in journal]  # by session: an engine reads what they share once

    def one(case: Case) -> tuple[Reply, float]:
        limit = DOCUMENT_TOKENS if case.kind in DOCUMENTS else max_tokens
        start = time.perf_counter()
        sampling = Sampling(max_tokens=limit, seed=_seed(case, seed))
        reply = speaker.reply(case.context, sampling=sampling, traits=case.traits or None)
        return reply, time.perf_counter() - start

    with progress(f"{system} answers", total=len(cases), unit="replies") as advance:
        advance(len(cases) - len(todo))
        with ThreadPoolExecutor(together) as pool:
            try:
                before = time.perf_counter()
                for case, (reply, latency) in zip(todo, pool.map(one, todo)):
                    now = time.perf_counter()
                    journal.add([_row(system, case, reply, latency, now - before)])
                    before = now
                    advance(1)
                    if stopped():
                        raise CancelledError
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [_answer(system, c, journal[_key(system, c)]) for c in cases]


def _key(system: str, case: Case) -> str:
    return f"{system}|{case.id}"


def _seed(case: Case, seed: int) -> int:
    return int(stable_id(case.id, seed)[:8], 16)


def _row(system: str, case: Case, reply: Reply, latency: float, share: float) -> dict[str, Any]:
    return {
        "key": _key(system, case),
        "parts": list(reply.parts),
        "seconds": round(latency, 6),
        "share": round(share, 6),
        "in": reply.tokens_in,
        "out": reply.tokens_out,
        "quoted": reply.quoted,
    }


def _answer(system: str, case: Case, row: Mapping[str, Any]) -> Answer:
    return Answer(
        case=case.id,
        system=system,
        parts=tuple(row["parts"]),
        seconds=row["seconds"],
        share=row["share"],
        tokens_in=row["in"],
        tokens_out=row["out"],
        quoted=row["quoted"],
    )


def borrow_near(
    cases: Sequence[Case], pool: Sequence[Pool], system: str, vectors: Callable[[Sequence[str]], Any]
) -> list[Answer] | None:
    """For every case the reply that was given to the most similar context of another session.

    Args:
        vectors: texts → unit rows.
    """
    if not pool or not all(c.incoming for c in cases):
        return None
    similar = vectors([c.incoming for c in cases]) @ vectors([p.incoming for p in pool]).T  # (cases, pool)
    out = []
    for case, row in zip(cases, similar):
        near = next((pool[i] for i in (-row).argsort() if pool[i].session != case.session), None)
        if near is None:
            return None
        out.append(Answer(case=case.id, system=system, parts=near.turn.parts))
    return out


def borrow(
    cases: Sequence[Case], pool: Sequence[Pool], system: str, *, matched: bool, seed: int = 0, draws: int = 12
) -> list[Answer] | None:
    """A reply from elsewhere for every case: another session's, to the same contact where there are enough.

    Args:
        pool: replies to take from; none of the case's own session is taken.
        matched: take the one nearest in length among `draws` drawn, else the first drawn.

    Returns:
        One answer per case, or None when the pool cannot serve every case. Each reply of the pool is
        used once until all that fit a case were used.
    """
    rng = random.Random(stable_id(system, seed))
    by_contact: dict[str, list[int]] = defaultdict(list)
    for i, item in enumerate(pool):
        by_contact[item.contact].append(i)
    used = [0] * len(pool)
    everyone = list(range(len(pool)))
    out = []
    for case in cases:
        near = [i for i in by_contact.get(case.contact, ()) if pool[i].session != case.session] if case.contact else []
        choice = near if len(near) >= 8 else [i for i in everyone if pool[i].session != case.session]
        if not choice:
            return None
        drawn = rng.sample(choice, min(draws, len(choice)))
        best = min(drawn, key=lambda i: (used[i], _far(case, pool[i]) if matched else 0.0))
        used[best] += 1
        out.append(Answer(case=case.id, system=system, parts=pool[best].turn.parts))
    return out


def _far(case: Case, item: Pool) -> float:
    return abs(math.log1p(len(item.turn.text)) - math.log1p(len(case.truth.text)))
