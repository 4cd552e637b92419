"""The assisted way to answer, for small bases: several samples and the person's own past replies to similar
situations, of which the one is shown that the context makes most more likely.

Rank: log p(reply | context) - log p(reply), in nats (maximum mutual information, Li et al. 2016,
arXiv:1510.03055). A past reply that is shown is marked as quoted, with its source. Figures of likeness
are never taken from here: a quotation says nothing about the voice.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gemel.examples import Role, TraitValue, Turn
from gemel.model.memory import Memory, Past
from gemel.model.ticket import Generated, Request
from gemel.model.voice import PLAIN, Voice
from gemel.speaker import Citation, Reply, Sampling, Speaker

__all__ = ["Assisted", "Candidate", "situation"]

SAMPLES = 4
QUOTES = 4
NUCLEUS = 0.9
"""Top-p of the samples at most: a small base's rarest tokens are noise."""
LOOK = 0.05
"""Seconds between two looks whether anybody still listens."""
SIMILAR = 0.35
"""Cosine of two situations from which a past reply is a candidate."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible answer."""

    parts: tuple[str, ...]
    past: Past | None
    """Where it was said; None: it was generated."""
    gain: float = 0.0
    """Nats that the context adds to its log-probability."""


def situation(turns: Sequence[Turn]) -> str:
    """What the others said since the person spoke last."""
    out: list[str] = []
    for turn in reversed(turns):
        if turn.role is Role.me:
            break
        if turn.role in (Role.other, Role.prompt):
            out.append(turn.text)
    return " ".join(reversed(out))


class Assisted(Speaker):
    """Chooses between samples of the voice and quotations from memory.

    Args:
        voice: draws and scores.
        memory: the person's own past replies.
        splits: data splits that may be quoted; None: all.
    """

    name = "assisted"

    def __init__(self, voice: Voice, memory: Memory, *, splits: Sequence[str] | None = None) -> None:
        self.voice = voice
        self.memory = memory
        self.splits = splits

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        *_, last = self.stream(turns, sampling=sampling, traits=traits)
        assert isinstance(last, Reply)
        return last

    def stream(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Iterator[str | Reply]:
        """The chosen text whole, then the `Reply`; "" while it is not there: leaving then cancels what is drawn."""
        asked = situation(turns)
        seed = random.getrandbits(32) if sampling.seed is None else sampling.seed
        draws = SAMPLES if sampling.temperature > 0 else 1
        sampling = replace(sampling, top_p=min(sampling.top_p, NUCLEUS))
        requests = [
            self.voice.request(turns, sampling=replace(sampling, seed=seed + i), traits=traits) for i in range(draws)
        ]
        done = yield from self._generated(requests)
        samples = [self.voice.as_reply(r, g, sampling.stop) for r, g in zip(requests, done)]
        past = self.memory.replies(asked, QUOTES, splits=self.splits) if asked else []
        near = [p for p in past if p.score >= SIMILAR and self.voice.may_say(p.parts)]
        found = [Candidate(s.parts, None) for s in samples if s.text.strip()]
        found += [Candidate(p.parts, p) for p in near if _allowed(p.parts, sampling)]
        ranked = yield from self._rank(turns, _distinct(found), traits)
        reply = self._chosen(ranked, samples)
        yield reply.text
        yield reply

    def _chosen(self, ranked: Sequence[Candidate], samples: Sequence[Reply]) -> Reply:
        if not ranked:
            return replace(samples[0], speaker=self.name)
        best = ranked[0]
        sample = next((s for s in samples if s.parts == best.parts), samples[0])
        return Reply(
            parts=best.parts,
            finish=sample.finish if best.past is None else "stop",
            tokens_in=sample.tokens_in,
            tokens_out=sum(s.tokens_out for s in samples),
            speaker=self.name,
            quoted=best.past is not None,
            citations=_cite(best.past),
            extra={"candidates": tuple(ranked), "first": samples[0].extra["first"]},
        )

    def _rank(
        self, turns: Sequence[Turn], found: Sequence[Candidate], traits: Mapping[str, TraitValue] | None
    ) -> Generator[str, None, list[Candidate]]:
        """The best first."""
        requests = [self.voice.given(context, c.parts, traits) for c in found for context in (turns, ())]
        done = yield from self._generated(requests)
        logs = [sum(chance.logprob for chance in g.chances) for g in done]
        ranked = [replace(c, gain=logs[2 * i] - logs[2 * i + 1]) for i, c in enumerate(found)]
        return sorted(ranked, key=lambda c: -c.gain)

    def _generated(self, requests: Sequence[Request]) -> Generator[str, None, list[Generated]]:
        """What the engine makes of requests; all are cancelled when whoever listens has left."""
        tickets = [self.voice.engine.submit(request) for request in requests]
        try:
            for ticket in tickets:
                while not ticket.wait(LOOK):
                    yield ""
            return [ticket.result() for ticket in tickets]
        finally:
            for ticket in tickets:
                ticket.cancel()


def _distinct(found: Sequence[Candidate]) -> list[Candidate]:
    """Each text once; where a sample equals a past reply it counts as quoted."""
    by_text = {c.parts: c for c in found}
    return list(by_text.values())


def _allowed(parts: Sequence[str], sampling: Sampling) -> bool:
    """A quotation is shown whole or not at all: it has to fit, and to hold no stop string."""
    text = "\n".join(parts)
    return len(text) <= 6 * sampling.max_tokens and not any(s in text for s in sampling.stop)


def _cite(past: Past | None) -> tuple[Citation, ...]:
    if past is None:
        return ()
    title = past.title or past.time[:10]
    return (Citation(past.record, "\n".join(past.parts), round(past.score, 4), title),)
