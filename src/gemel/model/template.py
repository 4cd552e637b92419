"""How turns become one text for a model, and which of it is learned.

Two templates exist. `gemel` writes conversation tokens of its own: a group has many named
speakers, a burst keeps its borders, and the time that passed is a token. `chat` uses the chat
template that a downloaded base brings along (see `chat_segments`).

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

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

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
    "Segment",
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
