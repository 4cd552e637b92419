"""Three forms of the same turns: whole sessions (cut at turns), windows per reply, windows of tokens.

In every form each own message is learned exactly once. Pieces of a session, laid end to end, are the session.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import regex

from gemel.examples import Role, Turn

__all__ = ["cut", "token_windows", "windows"]

Turns = tuple[Turn, ...]
_TOKEN = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’\-][\p{L}\p{M}\p{N}]+)*|[^\s]")


def cut(turns: Sequence[Turn], budget: int) -> list[Turns]:
    """Pieces of about `budget` words, cut between turns; a piece does not begin with a reply if it can be helped.

    A single longer turn stays whole.
    """
    pieces: list[list[Turn]] = [[]]
    size = 0
    for turn in turns:
        length = sum(len(part.split()) for part in turn.parts)
        here = pieces[-1]
        if here and size + length > budget:
            carry = [here.pop()] if turn.role is Role.me and len(here) > 1 and here[-1].role is not Role.me else []
            pieces.append(carry)
            size = sum(len(part.split()) for t in carry for part in t.parts)
        pieces[-1].append(turn)
        size += length
    return [tuple(piece) for piece in pieces if piece]


def windows(turns: Sequence[Turn], messages: int) -> Iterator[Turns]:
    """One window per learned turn: the last `messages` messages before it, not learned, and the turn."""
    for i, turn in enumerate(turns):
        if not turn.learn:
            continue
        context: list[Turn] = []
        room = messages
        for before in reversed(turns[:i]):
            if room <= 0:
                break
            take = before.parts[-room:]
            context.append(replace(before, parts=take, ids=before.ids[-len(take) :] if before.ids else (), learn=False))
            room -= len(take)
        yield (*reversed(context), turn)


def token_windows(turns: Sequence[Turn], size: int) -> Iterator[Turns]:
    """Consecutive windows of at most `size` tokens (words and punctuation); a burst or message may be cut."""
    window: list[Turn] = []
    room = size
    for turn in turns:
        for index, part in enumerate(turn.parts):
            for text, length in _chunks(part, size):
                if length > room and window:
                    yield tuple(window)
                    window, room = [], size
                _append(window, turn, index, text)
                room -= length
    if window:
        yield tuple(window)


def _append(window: list[Turn], turn: Turn, index: int, text: str) -> None:
    ids = turn.ids[index : index + 1]
    last = window[-1] if window else None
    if last is not None and replace(last, parts=(), ids=()) == replace(turn, parts=(), ids=()):
        window[-1] = replace(last, parts=(*last.parts, text), ids=(*last.ids, *ids))
    else:
        window.append(replace(turn, parts=(text,), ids=ids))


def _chunks(text: str, size: int) -> Iterator[tuple[str, int]]:
    """The text in chunks of at most `size` tokens, with their lengths; joined they are the text."""
    starts = [m.start() for m in _TOKEN.finditer(text)]
    if len(starts) <= size:
        yield text, len(starts)
        return
    edges = [0, *starts[size::size], len(text)]
    for a, b in pairwise(edges):
        yield text[a:b], len(_TOKEN.findall(text[a:b]))
