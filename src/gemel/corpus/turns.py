"""From the messages of one session to turns: bursts as parts, the person as `me`, holes kept as holes.

Where a message was taken out by privacy or consent, its neighbours are not made adjacent: the session breaks there into
stretches. A picture, voice note or sticker of somebody else stands as a short tag in the context; one's own is left out
and counted. Every message of one's own is either a part of a learned turn or counted with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from gemel.corpus.moods import Languages, sentiment
from gemel.corpus.sessions import unsaid
from gemel.examples import Role, TraitValue, Turn
from gemel.records import Message, Record

__all__ = [
    "LEARNED",
    "LEFT_OUT",
    "OWN",
    "Heard",
    "Name",
    "Said",
    "Scrub",
    "clock",
    "reverse",
    "spoken",
    "stretches",
    "with_traits",
]

OWN, LEARNED, LEFT_OUT = "own messages", "own messages learned", "own messages left out: "
"""Keys of counts; what is left out is followed by its reason."""


class Scrub(Protocol):
    """What the corpus needs of the privacy stage (`privacy.scrub.Scrubber`)."""

    def records(self, records: Iterable[Record]) -> Iterator[Record | None]:
        """Each record, in order, with everything private replaced; None when it is to be left out."""
        ...

    def name(self, source: str, handle: str, shown_name: str = "") -> str:
        """The name under which somebody appears."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """A turn with what its traits are made from."""

    turn: Turn
    who: str
    """Person id or handle."""
    last: datetime | None
    """Time of the turn's last message; the turn itself has that of its first."""


Name = Callable[[str, str, str], str]
"""source, handle, shown name → the name in examples."""


class Heard(NamedTuple):
    """A message as it came, as it may be used, and who wrote it."""

    raw: Message
    kept: Record | None
    who: str


class _Piece(NamedTuple):
    who: str
    own: bool
    text: str
    learn: bool
    message: Message


def stretches(heard: Iterable[Heard], me: str, name: Name, counts: Counter[str]) -> Iterator[list[Said]]:
    """The session's turns, in stretches without holes; counts own messages by what became of them.

    Args:
        heard: the messages of one session, in order.
        me: the person's id.
        name: gives the name under which somebody appears (`Scrub.name`).
        counts: is added to.
    """
    stretch: list[_Piece] = []
    for message, kept, who in heard:
        own = who == me
        counts[OWN] += own
        if not isinstance(kept, Message):
            counts[LEFT_OUT + "privacy or consent"] += own
            yield from _closed(stretch, name)
            stretch = []
            continue
        reason = unsaid(kept)
        if own and reason and reason != "forwarded":
            counts[LEFT_OUT + reason] += 1
        elif own:
            counts[LEFT_OUT + reason if reason else LEARNED] += 1
            stretch.append(_Piece(who, True, kept.text, not reason, message))
        elif text := kept.text if kept.text.strip() else f"[{kept.kind.value}]":
            stretch.append(_Piece(who, False, text, False, message))
    yield from _closed(stretch, name)


def _closed(pieces: list[_Piece], name: Name) -> Iterator[list[Said]]:
    if any(p.learn for p in pieces):
        yield list(_bursts(pieces, name))


def _bursts(pieces: list[_Piece], name: Name) -> Iterator[Said]:
    first = 0
    for i in range(1, len(pieces) + 1):
        if i < len(pieces) and (pieces[i].who, pieces[i].learn) == (pieces[first].who, pieces[first].learn):
            continue
        burst, head = pieces[first:i], pieces[first]
        turn = Turn(
            role=Role.me if head.own else Role.other,
            parts=tuple(p.text for p in burst),
            name=name(head.message.source, head.message.sender, head.message.sender_name),
            time=head.message.time,
            learn=head.learn,
            ids=tuple(p.message.id for p in burst),
        )
        yield Said(turn, head.who, burst[-1].message.time)
        first = i


def with_traits(said: Sequence[Said], *, language: str | None, zone: ZoneInfo | None, group: bool) -> list[Turn]:
    """The turns, the learned ones with the traits that change from reply to reply.

    hour (0 to 23), weekday (0 is Monday), delay (seconds since the turn before), sentiment of that turn
    (English only), and in a group the recipient: who spoke before. What is not known is not given.
    """
    turns: list[Turn] = []
    for i, one in enumerate(said):
        if not one.turn.learn:
            turns.append(one.turn)
            continue
        traits: dict[str, TraitValue] = {}
        now = one.turn.time
        if now is not None:
            traits |= clock(now, zone)
        before = said[i - 1] if i else None
        if before is not None and before.turn.role is Role.other:
            if now is not None and before.last is not None:
                traits["delay"] = max(0.0, (now - before.last).total_seconds())
            if language == "en":
                traits["sentiment"] = round(sentiment(before.turn.text), 3)
            if group:
                traits["recipient"] = before.turn.name
        turns.append(replace(one.turn, traits=traits or None))
    return turns


def clock(time: datetime, zone: ZoneInfo | None) -> dict[str, int]:
    """Hour (0 to 23) and weekday (0 is Monday), in `zone` or as the record has it."""
    local = time.astimezone(zone) if zone else time
    return {"hour": local.hour, "weekday": local.weekday()}


def reverse(said: Sequence[Said], who: str) -> list[Said]:
    """The same turns as `who` would have them: theirs are `me` and learned, all others' are not."""
    out = []
    for one in said:
        theirs = one.who == who
        turn = replace(one.turn, role=Role.me if theirs else Role.other, learn=theirs, traits=None)
        out.append(replace(one, turn=turn))
    return out


def spoken(said: Sequence[Said], detect: Languages) -> str | None:
    """The language of a stretch, from its first 400 characters."""
    text = ""
    for one in said:
        text += one.turn.text + "\n"
        if len(text) > 400:
            break
    return detect(text[:400])
