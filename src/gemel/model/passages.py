"""From examples to rows of memory: the person's own turns, each with what others said right before it.

What others said is only the key by which a turn is found; it is never cited. Synthetic turns are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gemel.examples import Example, Role, Turn
from gemel.model.card import OWN_KINDS
from gemel.records import stable_id

__all__ = ["Row", "chunks", "rows_of"]

SITUATION_WORDS = 60
"""Of what others said right before, the last words kept."""


@dataclass(frozen=True, slots=True)
class Row:
    """A turn of the person's own, as memory keeps it."""

    key: str
    session: str
    split: str
    title: str
    time: str
    text: str
    situation: str
    own: tuple[str, ...]
    """Record ids of the turn itself."""
    others: tuple[str, ...]
    """Record ids of the situation."""


def rows_of(examples: Iterable[Example]) -> Iterator[Row]:
    """Every own turn of the examples, in order."""
    for example in examples:
        if example.kind not in OWN_KINDS:
            continue
        before: list[Turn] = []
        for number, turn in enumerate(example.turns):
            if turn.role is Role.me and turn.learn and turn.text.strip():
                yield _row(example, number, turn, before)
            if turn.role in (Role.other, Role.prompt):
                before.append(turn)
            elif turn.role is Role.me:
                before = []


def _row(example: Example, number: int, turn: Turn, before: Sequence[Turn]) -> Row:
    prose = example.kind in ("slice", "essay")
    own = turn.ids or example.provenance or (example.id,)
    time = turn.time or example.time
    titles = [t.text for t in before if t.role is Role.prompt]
    situation = "" if prose else " ".join(_last_words(" ".join(t.text for t in before)))
    return Row(
        key=stable_id(*own, "" if turn.ids else f"{example.id}:{number}", turn.text, situation),
        session=example.session,
        split=example.split,
        title=titles[-1] if titles and prose else "",
        time=_iso(time),
        text=turn.text,
        situation=situation,
        own=tuple(dict.fromkeys(own)),
        others=tuple(dict.fromkeys(i for t in before for i in t.ids)),
    )


def _last_words(text: str) -> list[str]:
    """The last words of a situation, with their punctuation."""
    return text.split()[-SITUATION_WORDS:]


def _iso(time: datetime | None) -> str:
    return time.isoformat() if time else ""


def chunks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """The rows, so many at a time."""
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
