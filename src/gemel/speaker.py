"""Anything that answers is a `Speaker`: the local twin, a remote model, a judge, a file, an echo.

What can give log-probabilities of a given text is a `Scorer`. Most remote servers cannot; what needs
a Scorer then says so plainly. Base classes have one abstract method each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gemel.examples import Role, TraitValue, Turn

__all__ = ["Citation", "Echo", "Likelihood", "Reply", "Sampling", "Scorer", "Speaker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a reply is drawn. Temperature 1 without penalties keeps a twin's own dispersion."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 200
    stop: tuple[str, ...] = ()
    seed: int | None = None


class Citation(NamedTuple):
    """Where something in a reply comes from."""

    record: str
    """Record id."""
    quote: str
    score: float
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer."""

    parts: tuple[str, ...]
    """The messages of the burst."""
    finish: str = "stop"
    """stop, length, cancelled, refused."""
    tokens_in: int = 0
    tokens_out: int = 0
    speaker: str = ""
    """Which speaker answered, e.g. the twin's model id."""
    citations: tuple[Citation, ...] = ()
    quoted: bool = False
    """The text is the person's own past reply (assisted mode), not generated."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The parts joined by line breaks."""
        return "\n".join(self.parts)


class Speaker(ABC):
    """Answers a conversation."""

    name: str = "speaker"

    @abstractmethod
    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = Sampling(),
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        """Answer the conversation `turns` (oldest first) as one turn."""

    def stream(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = Sampling(),
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Iterator[str | Reply]:
        """Pieces of text as they come, then the whole `Reply` as the last item."""
        reply = self.reply(turns, sampling=sampling, traits=traits)
        yield reply.text
        yield reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """Log-probability of a given reply.

    `nats[i]` is -log p of token i of the reply (its text, burst borders and the end of turn); the
    first token, the body and the end are told apart so that the end-of-turn share is visible.
    """

    nats: tuple[float, ...]
    tokens: tuple[str, ...]
    """The text of each token, "" for borders and end of turn."""
    bytes: int
    """UTF-8 bytes of the reply's text."""
    end: int = 1
    """How many of the last tokens are the end of turn (not text)."""

    @property
    def total(self) -> float:
        """Nats of the whole reply, the end of turn included."""
        return sum(self.nats)

    @property
    def bits_per_byte(self) -> float:
        """Bits per UTF-8 byte of the reply's text, borders and end included."""
        return self.total / max(1, self.bytes) / 0.6931471805599453

    def split(self) -> tuple[float, float, float]:
        """Nats of the first token, the body, the end."""
        body = len(self.nats) - self.end
        return sum(self.nats[:1]), sum(self.nats[1:body]), sum(self.nats[max(1, body) :])


class Scorer(ABC):
    """Gives log-probabilities of given replies."""

    @abstractmethod
    def likelihoods(
        self,
        pairs: Sequence[tuple[Sequence[Turn], Turn]],
        *,
        traits: Sequence[Mapping[str, TraitValue] | None] | None = None,
    ) -> list[Likelihood]:
        """For each (context, reply) the likelihood of the reply, in the given order.

        An empty context gives the unconditional likelihood under the speaker's name.
        """


class Echo(Speaker):
    """Repeats the last turn of somebody else: for tests, and to see what reaches a speaker."""

    name = "echo"

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = Sampling(),
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        last = next((t for t in reversed(turns) if t.role in (Role.other, Role.prompt)), None)
        parts = last.parts if last else ("",)
        return Reply(parts=parts, speaker=self.name, tokens_out=sum(len(p.split()) for p in parts))
