"""A person's voice: the engine as a `Speaker` that writes under the person's name.

Turns become tokens, tokens become the messages of a burst, streamed as text. What stands before the
conversation (card, memory) is handed in as a function; without one the model speaks alone, which is the
form that all figures of likeness are about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from torch import Tensor

from gemel.examples import Role, TraitValue, Turn
from gemel.model.draw import Chances, Warmth
from gemel.model.engine import Engine, Generated, Request, Ticket
from gemel.model.never import Never
from gemel.model.template import ALSO, Codec, clip
from gemel.speaker import Reply, Sampling, Speaker

__all__ = ["PLAIN", "Preface", "Told", "Voice"]

Preface = Callable[[Sequence[Turn]], Sequence[Turn]]
"""From a conversation to the system and data turns that stand before it."""
PLAIN = Sampling()
"""Temperature 1, no penalties."""
PAUSE = timedelta(seconds=30)
"""After which the reply is taken to come, where times are known."""


@dataclass(frozen=True, slots=True)
class _Ends:
    """Which tokens end a reply and which never occur in one."""

    stop: frozenset[int]
    banned: frozenset[int]


class Told(NamedTuple):
    """A token's text with its log-probability, and those of what could have stood there."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, chance: Chances, codec: Codec) -> Told:
        """From ids to text."""
        top = tuple((codec.decode([token]), value) for token, value in chance.top)
        return cls(codec.decode([chance.token]), chance.logprob, top)


class Voice(Speaker):
    """Answers as `me`.

    Args:
        engine: the model.
        me: the person's name in the examples.
        name: the speaker's id.
        preface: what stands before the conversation.
        traits: trait values to the vector of a spliced model.
        adapter: which of the engine's adapters answers; "": the model as it was loaded.
        warmth: moves the temperature as was fitted to the person; None: it stays as asked.
        never: words and phrases, lower-cased, that are never said.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        me: str,
        name: str = "voice",
        preface: Preface | None = None,
        traits: Callable[[Mapping[str, TraitValue]], Tensor] | None = None,
        adapter: str = "",
        warmth: Warmth | None = None,
        never: Sequence[str] = (),
    ) -> None:
        self.engine = engine
        self.me = me
        self.name = name
        self.preface = preface
        self._traits = traits
        self._adapter, self._warmth = adapter, warmth
        self._template = engine.base.template
        self._ends = _ends(engine)
        template, rows = self._template, engine.base.model.config.get_text_config().vocab_size
        self._never = Never(never, template.codec, rows, template.piece) if never else None

    @property
    def options(self) -> dict[str, Any]:
        """What another voice like this one is made with."""
        return {"traits": self._traits, "adapter": self._adapter, "warmth": self._warmth}

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        return self.replies([turns], sampling=sampling, traits=[traits])[0]

    def replies(
        self,
        conversations: Sequence[Sequence[Turn]],
        *,
        sampling: Sampling = PLAIN,
        traits: Sequence[Mapping[str, TraitValue] | None] | None = None,
    ) -> list[Reply]:
        """Answer many conversations together, which is several times faster than one by one."""
        values = traits or [None] * len(conversations)
        requests = [self.request(c, sampling=sampling, traits=t) for c, t in zip(conversations, values, strict=True)]
        done = self.engine.generate(requests)
        return [self.as_reply(r, g, sampling.stop) for r, g in zip(requests, done)]

    def stream(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
        top: int | None = None,
    ) -> Iterator[str | Reply]:
        """Pieces of text as they come, then the `Reply`; closing the iterator cancels the generation.

        Args:
            top: also give log-probabilities, with so many alternatives (`Reply.extra["chances"]`).
        """
        request = self.request(turns, sampling=sampling, traits=traits, top=top)
        ticket = self.engine.submit(request)
        try:
            yield from self._pieces(ticket, sampling.stop)
            yield self.as_reply(request, ticket.result(), sampling.stop)
        finally:
            ticket.cancel()

    def request(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
        top: int | None = None,
    ) -> Request:
        """What the engine is asked for a reply to `turns`."""
        return Request(
            ids=self.prompt(turns, room=sampling.max_tokens),
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            stop_ids=self._ends.stop,
            banned=self._ends.banned,
            never=self._never,
            stop=_rule(self._template.piece, sampling.stop),
            top=top,
            z=None if self._traits is None else self._traits(traits or {}),
            adapter=self._adapter,
            warmth=self._warmth,
        )

    def given(
        self, turns: Sequence[Turn], parts: Sequence[str], traits: Mapping[str, TraitValue] | None = None
    ) -> Request:
        """What the engine is asked for the log-probability of a given reply; no turns: of the reply by itself."""
        reply = Turn(role=Role.me, parts=tuple(parts), name=self.me, time=_now(turns))
        context = [*(self.preface(turns) if self.preface and turns else ()), *turns]
        encoded = self._template.encode_pair(context, reply)
        start = next((i for i, learn in enumerate(encoded.learn) if learn), len(encoded.ids) - 1)
        said = [token for token, learn in zip(encoded.ids, encoded.learn) if learn]
        room = max(2, self.engine.base.context - len(said) - 1)
        z = None if self._traits is None else self._traits(traits or {})
        return Request(ids=clip(encoded.ids[:start], room) or encoded.ids[:1], given=said, z=z, adapter=self._adapter)

    def may_say(self, parts: Sequence[str]) -> bool:
        """Whether a reply written elsewhere holds nothing that this voice never says."""
        return self._never is None or self._never.allows("\n".join(parts))

    def prompt(self, turns: Sequence[Turn], *, room: int) -> list[int]:
        """Tokens that ask for a reply; the oldest turns are left out, a quarter at a time, until they fit."""
        limit = max(16, self.engine.base.context - room)
        before = list(self.preface(turns)) if self.preface else []
        kept = list(turns)
        while True:
            ids = self._template.header([*before, *kept], name=self.me, now=_now(kept))
            if len(ids) <= limit or len(kept) <= 1:
                return clip(ids, limit)
            kept = kept[max(1, len(kept) // 4) :]

    def as_reply(self, request: Request, done: Generated, stop: Sequence[str] = ()) -> Reply:
        """The engine's tokens as a reply."""
        text = _cut("\n".join(self._template.parts(done.ids)).rstrip("\ufffd"), stop)
        extra: dict[str, Any] = {"first": done.first, "seconds": done.seconds, "reused": done.reused}
        if done.chances:
            extra["chances"] = tuple(Told.of(c, self._template.codec) for c in done.chances)
        return Reply(
            parts=tuple(p for p in text.split("\n") if p.strip()) or ("",),
            finish=done.finish,
            tokens_in=len(request.ids),
            tokens_out=len(done.ids),
            speaker=self.name,
            extra=extra,
        )

    def _pieces(self, ticket: Ticket, stop: Sequence[str]) -> Iterator[str]:
        """Text as it grows; an end that may become a stop string or an empty line is held back."""
        told = 0
        text = ""
        ids: list[int] = []
        for token in ticket:
            ids.append(token)
            text = _cut(self._template.piece(ids), stop)
            safe = max(told, len(text) - _held(text, stop))
            yield text[told:safe]  # "" while nothing is certain: whoever listens may leave at any token
            told = safe
        if text.rstrip("\n")[told:]:
            yield text.rstrip("\n")[told:]


def _ends(engine: Engine) -> _Ends:
    tokenizer, template = engine.base.tokenizer, engine.base.template
    special = set(tokenizer.all_special_ids) | {
        i for i, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    rows = engine.base.model.config.get_text_config().vocab_size  # a tokenizer may know tokens that have no row
    also = template.codec.id(ALSO)
    return _Ends(template.stop_ids, frozenset(i for i in special - template.stop_ids - {also} if i < rows))


def _now(turns: Sequence[Turn]) -> datetime | None:
    last = next((t.time for t in reversed(turns) if t.role in (Role.me, Role.other)), None)
    return last + PAUSE if last else None


def _rule(piece: Callable[[Sequence[int]], str], stop: Sequence[str]) -> Callable[[list[int]], bool] | None:
    if not stop:
        return None
    return lambda ids: any(s in piece(ids) for s in stop)


def _cut(text: str, stop: Sequence[str]) -> str:
    """The text before the first stop string."""
    found = [at for s in stop if s and (at := text.find(s)) >= 0]
    return text[: min(found)] if found else text


def _held(text: str, stop: Sequence[str]) -> int:
    """How many of the last characters may still turn out to begin a stop string, or to be empty lines at the end."""
    held = len(text) - len(text.rstrip("\n"))
    for s in stop:
        for n in range(min(len(s) - 1, len(text)), held, -1):
            if text.endswith(s[:n]):
                held = n
                break
    return held
