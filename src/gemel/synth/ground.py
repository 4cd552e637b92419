"""Whether a quotation stands in its source, checked by string, and whether a claim goes beyond its quotation.

A quotation may differ from the source in white space, in the shape of quotation marks and dashes, and by an ellipsis
where something was left out; in nothing else. What is checked of a claim is what can be checked without a model:
its numbers and most of its content words stand in what it quotes.
"""

from __future__ import annotations

from typing import NamedTuple

import regex

from gemel.text import fold, words

__all__ = ["SHORTEST", "Span", "find_quote", "supported"]

SHORTEST = 3
"""Words that a quotation has at least."""
_SHAPES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "–": "-", "—": "-"})
_LEFT_OUT = regex.compile(r"\s*(?:\[?…\]?|\[?\.{3}\]?)\s*")
_NUMBER = regex.compile(r"\d+(?:[.,]\d+)*")
_EDGES = " \t\n\"'.,;:!?"


class Span(NamedTuple):
    """Where a quotation stands in the source, in characters."""

    start: int
    end: int


def find_quote(quote: str, source: str) -> list[Span] | None:
    """The spans of the quotation's pieces, in order; None when one is not there or there is too little of it."""
    flat, places = _flat(source)
    spans: list[Span] = []
    begin = 0
    pieces = [_flat(p)[0].strip(_EDGES) for p in _LEFT_OUT.split(quote.strip())]
    for piece in filter(None, pieces):
        at = flat.find(piece, begin)
        if at < 0:
            return None
        begin = at + len(piece)
        spans.append(Span(places[at], places[begin - 1] + 1))
    enough = sum(len(words(p)) for p in pieces) >= SHORTEST
    return spans if spans and enough else None


def _flat(text: str) -> tuple[str, list[int]]:
    """White space and shapes made plain; for every character left, where it stood."""
    out: list[str] = []
    places: list[int] = []
    for i, char in enumerate(text.translate(_SHAPES)):
        if char.isspace():
            if out and out[-1] != " ":
                out.append(" ")
                places.append(i)
        else:
            out.append(char)
            places.append(i)
    return "".join(out), places


def supported(claim: str, quote: str, *, least: float = 0.3) -> str:
    """Why a claim is not supported by its quotation; "" where nothing speaks against it.

    Args:
        least: share of the claim's words of five letters or more whose first five letters occur in the quotation.
    """
    numbers = set(_NUMBER.findall(quote))
    if any(n not in numbers for n in _NUMBER.findall(claim)):
        return "a number that is not quoted"
    stems = {w[:5] for w in words(fold(quote))}
    content = [w[:5] for w in words(fold(claim)) if len(w) >= 5]
    if content and sum(w in stems for w in content) < least * len(content):
        return "little of the claim is quoted"
    return ""
