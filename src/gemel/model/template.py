"""How turns become one text for a model, and which of it is learned.

Three templates exist. `gemel` (here) writes conversation tokens of its own: a group has many named
speakers, a burst keeps its borders, and the time that passed is a token. `chat` uses the chat
template that a downloaded base brings along, `plain` writes names and line breaks (both in `chat`).

The `gemel` form, one line per turn for reading only (no line breaks are added):

    <|begin|>
    <|note|>…system text…<|eot|>
    <|data|>…foreign text…<|eot|>
    <|ask|>My self summary<|eot|>
    <|gap:mins|><|turn|>Anna<|says|>are you there<|also|>hello?<|eot|>
    <|gap:secs|><|turn|>Tom<|says|>yes<|eot|>
    <|end|>

A gap token stands before a spoken turn when the times of it and of the spoken turn before are
known. The loss of a learned turn covers its text, the `<|also|>` borders and its `<|eot|>`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from gemel.examples import Role, Turn

__all__ = [
    "ALSO",
    "ASK",
    "BEGIN",
    "DATA",
    "END",
    "EOT",
    "GAPS",
    "NOTE",
    "PAD",
    "SAYS",
    "SPECIAL_TOKENS",
    "TURN",
    "Codec",
    "Encoded",
    "GemelTemplate",
    "Segment",
    "Template",
    "clip",
    "gap_token",
    "reply_header",
    "segments",
]

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
TURN, SAYS, ALSO, EOT = "<|turn|>", "<|says|>", "<|also|>", "<|eot|>"
NOTE, DATA, ASK = "<|note|>", "<|data|>", "<|ask|>"
GAPS: tuple[tuple[str, float], ...] = (
    ("<|gap:secs|>", 60.0),
    ("<|gap:mins|>", 3600.0),
    ("<|gap:hours|>", 8 * 3600.0),
    ("<|gap:day|>", 48 * 3600.0),
    ("<|gap:days|>", float("inf")),
)
"""Gap tokens with the upper bound of each bucket in seconds."""

RESERVED = tuple(f"<|reserved:{i}|>" for i in range(8))
SPECIAL_TOKENS = (PAD, BEGIN, END, TURN, SAYS, ALSO, EOT, NOTE, DATA, ASK, *(name for name, _ in GAPS), *RESERVED)
"""All conversation tokens in the order of their ids in the base that ships (ids 0 to 22)."""


class Segment(NamedTuple):
    """A stretch of the rendered text: either one special token or plain text."""

    text: str
    special: bool
    learn: bool
    turn: int
    """Index of the turn it belongs to; -1 for what frames the example."""


def gap_token(before: datetime | None, now: datetime | None) -> str | None:
    """The token for the time between two spoken turns, or None where it is not known."""
    if before is None or now is None:
        return None
    seconds = max(0.0, (now - before).total_seconds())
    return next(name for name, upper in GAPS if seconds < upper)


def segments(turns: Sequence[Turn], *, close: bool = True) -> list[Segment]:
    """Render turns in the `gemel` template.

    Args:
        turns: the conversation, oldest first.
        close: whether the example ends here (`<|end|>` is written).
    """
    out = [Segment(BEGIN, True, False, -1)]
    last: datetime | None = None
    for i, turn in enumerate(turns):
        out.extend(_opening(turn, i, last))
        if turn.role in (Role.me, Role.other):
            last = turn.time
        for j, part in enumerate(turn.parts):
            if j:
                out.append(Segment(ALSO, True, turn.learn, i))
            if part:
                out.append(Segment(part, False, turn.learn, i))
        out.append(Segment(EOT, True, turn.learn, i))
    if close:
        out.append(Segment(END, True, False, -1))
    return out


def reply_header(turns: Sequence[Turn], *, name: str, now: datetime | None = None) -> list[Segment]:
    """What precedes a reply by `name` to `turns`: the rendered context and an open turn."""
    last = next((t.time for t in reversed(turns) if t.role in (Role.me, Role.other)), None)
    opening = Turn(role=Role.me, parts=(), name=name, time=now)
    return segments(turns, close=False) + _opening(opening, len(turns), last)


def _opening(turn: Turn, index: int, last: datetime | None) -> list[Segment]:
    mark = {Role.system: NOTE, Role.data: DATA, Role.prompt: ASK}.get(turn.role)
    if mark is not None:
        return [Segment(mark, True, False, index)]
    out = []
    if gap := gap_token(last, turn.time):
        out.append(Segment(gap, True, False, index))
    out.append(Segment(TURN, True, False, index))
    if turn.name:
        out.append(Segment(turn.name, False, False, index))
    out.append(Segment(SAYS, True, False, index))
    return out


class Encoded(NamedTuple):
    """Rendered turns as tokens; the three lists have the same length."""

    ids: list[int]
    learn: list[bool]
    """Whether token i is a target of the loss (it is predicted from the tokens before it)."""
    turn: list[int]
    """Index of the turn that token i belongs to; -1 for what frames the example."""


def clip(ids: Sequence[int], limit: int) -> list[int]:
    """At most `limit` tokens: the first one (it opens the text) and the last `limit - 1`."""
    return list(ids) if len(ids) <= limit else [*ids[:1], *ids[len(ids) - limit + 1 :]]


class Codec:
    """Plain text to token ids and back.

    What a person typed never becomes a special token, even where it spells one. The tokenizer given
    is copied and left as it is.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._plain.no_truncation()
        self._plain.no_padding()
        self._framing = Tokenizer.from_str(self._plain.to_str())
        self._plain.encode_special_tokens = True
        first = self._plain.encode("a", add_special_tokens=False).tokens[0]
        self._adds_space = first.startswith("\u2581")  # SentencePiece's "▁": a space is put before every text

    def encode(self, text: str) -> list[int]:
        """Token ids of text as typed."""
        if self._adds_space and text.startswith(" "):
            text = text[1:]
        return list(self._plain.encode(text, add_special_tokens=False).ids) if text else []

    def encode_frame(self, text: str) -> list[int]:
        """Token ids of a template's own text, in which special tokens are meant."""
        return list(self._framing.encode(text, add_special_tokens=False).ids) if text else []

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; special tokens are left out, unfinished UTF-8 shows as U+FFFD."""
        return str(self._plain.decode(list(ids), skip_special_tokens=True))

    def id(self, token: str) -> int | None:
        """The id of a token by its exact name."""
        found: int | None = self._plain.token_to_id(token)
        return found


class Template(ABC):
    """How turns become tokens for one base, and how a reply's tokens become parts again."""

    name: str
    codec: Codec
    stop_ids: frozenset[int]
    """Any of these tokens ends a reply."""

    @abstractmethod
    def encode(self, turns: Sequence[Turn], *, close: bool = True) -> Encoded:
        """Tokens of a whole conversation, oldest turn first; `close`: nothing follows it."""

    @abstractmethod
    def header(self, turns: Sequence[Turn], *, name: str, now: datetime | None = None) -> list[int]:
        """Tokens before a reply by `name` to `turns`: what a model is prompted with."""

    @abstractmethod
    def parts(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The messages of a generated reply; tokens from the first stop token on are ignored."""

    def piece(self, ids: Sequence[int]) -> str:
        """The text of a reply as far as its tokens tell, for streaming: it only ever grows."""
        return "\n".join(self.parts(ids)).rstrip("\ufffd")

    def encode_pair(self, context: Sequence[Turn], reply: Turn) -> Encoded:
        """Tokens of a context and a reply of which only the reply is learned."""
        turns = [*(replace(t, learn=False) for t in context), replace(reply, learn=True)]
        return self.encode(turns, close=False)

    def token_text(self, token: int) -> str:
        """The text of one token; "" for special tokens, U+FFFD for a part of a character."""
        return "" if token in self.stop_ids else self.codec.decode([token])

    def until_stop(self, ids: Sequence[int]) -> list[int]:
        """The tokens before the first stop token."""
        end = next((i for i, token in enumerate(ids) if token in self.stop_ids), len(ids))
        return list(ids[:end])


class GemelTemplate(Template):
    """Conversation tokens of gemel's own (see the head of this module).

    Args:
        tokenizer: a Hugging Face fast tokenizer that has `SPECIAL_TOKENS`.
    """

    name = "gemel"

    def __init__(self, tokenizer: Any) -> None:
        self.codec = Codec(tokenizer)
        self._special = {token: self._need(token) for token in SPECIAL_TOKENS}
        self._also = self._special[ALSO]
        ends = [self._special[token] for token in (EOT, END, TURN, BEGIN)]
        self.stop_ids = frozenset([*ends, *filter(None.__ne__, [tokenizer.eos_token_id])])

    def _need(self, token: str) -> int:
        found = self.codec.id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token}")
        return found

    def _encode(self, items: Sequence[Segment]) -> Encoded:
        ids: list[int] = []
        learn: list[bool] = []
        turn: list[int] = []
        for item in items:
            new = [self._special[item.text]] if item.special else self.codec.encode(item.text)
            ids.extend(new)
            learn.extend([item.learn] * len(new))
            turn.extend([item.turn] * len(new))
        return Encoded(ids, learn, turn)

    def encode(self, turns: Sequence[Turn], *, close: bool = True) -> Encoded:
        return self._encode(segments(turns, close=close))

    def header(self, turns: Sequence[Turn], *, name: str, now: datetime | None = None) -> list[int]:
        return self._encode(reply_header(turns, name=name, now=now)).ids

    def parts(self, ids: Sequence[int]) -> tuple[str, ...]:
        out: list[list[int]] = [[]]
        for token in self.until_stop(ids):
            if token == self._also:
                out.append([])
            else:
                out[-1].append(token)
        return tuple(self.codec.decode(part) for part in out)
