"""Slices of documents and essays of profiles as examples.

A document is one unit: all its slices stand in one split. Slices end at paragraphs where they can, else at sentences,
and laid end to end they are the document. An essay's example asks its prompt and learns the answer, under the
profile's traits; the essays of one profile are never parted.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from zoneinfo import ZoneInfo

import regex

from gemel.corpus.moods import Languages
from gemel.examples import Example, Role, TraitValue, Turn
from gemel.records import Document, Profile, stable_id
from gemel.text import fold

__all__ = ["essays", "slice_text", "slices"]

_BORDER = regex.compile(r"\n[ \t]*\n\s*|(?<=[.!?…。！？][\"'”’)\]_*]*)\s+")
_PARAGRAPH = regex.compile(r"\n[ \t]*\n\s*$")


def slice_text(text: str, size: int) -> list[str]:
    """Slices of about `size` words; joined they are the text.

    A slice closes at the paragraph that fills it to 70 %, else at the last sentence that fits, and inside a
    sentence only where the sentence alone is longer than a slice.
    """
    slices: list[str] = []
    start, filled = 0, 0
    for begin, end in _spans(text, size):
        length = len(text[begin:end].split())
        if filled and filled + length > size:
            slices.append(text[start:begin])
            start, filled = begin, 0
        filled += length
        if filled >= 0.7 * size and _PARAGRAPH.search(text, begin, end):
            slices.append(text[start:end])
            start, filled = end, 0
    if start < len(text):
        slices.append(text[start:])
    return slices


def _spans(text: str, size: int) -> Iterator[tuple[int, int]]:
    """Sentences with the white space behind them, as (begin, end); longer ones in runs of `size` words."""
    edges = [0, *(m.end() for m in _BORDER.finditer(text)), len(text)]
    for begin, end in pairwise(edges):
        if begin == end:
            continue
        starts = [begin + m.start() for m in regex.finditer(r"\S+", text[begin:end])]
        inner = [begin, *starts[size::size], end]
        yield from pairwise(inner)


def slices(
    document: Document, size: int, *, split: str, name: str, detect: Languages, zone: ZoneInfo | None = None
) -> Iterator[Example]:
    """A document's slices: its title is asked, the slice is learned. `document` is already scrubbed."""
    traits: dict[str, TraitValue] = {}
    if document.time is not None:
        traits["year"] = (document.time.astimezone(zone) if zone else document.time).year
    if language := document.language or detect(document.text[:400]):
        traits["language"] = language
    asked = (Turn(role=Role.prompt, parts=(document.title,)),) if document.title.strip() else ()
    session = stable_id("document", document.id)
    for i, text in enumerate(slice_text(_body(document), size)):
        if not text.strip():
            continue
        yield Example(
            id=stable_id(session, "slice", i),
            kind="slice",
            turns=(*asked, Turn(role=Role.me, parts=(text.strip(),), name=name, learn=True, ids=(document.id,))),
            session=session,
            thread=document.source,
            time=document.time,
            traits=traits,
            provenance=(document.id,),
            split=split,
        )


def _body(document: Document) -> str:
    """The text without a first line that only repeats the title, which is asked."""
    first, _, rest = document.text.lstrip().partition("\n")
    repeated = document.title.strip() and fold(first.lstrip("# ")) == fold(document.title)
    return rest if repeated and rest.strip() else document.text


def essays(profile: Profile, *, split: str, name: str) -> Iterator[Example]:
    """One example per essay that was given: its prompt, then the answer, under the profile's traits."""
    session = stable_id("profile", profile.id)
    for prompt, answer in profile.essays.items():
        if not answer.strip():
            continue
        yield Example(
            id=stable_id(session, "essay", prompt),
            kind="essay",
            turns=(
                Turn(role=Role.prompt, parts=(prompt,)),
                Turn(role=Role.me, parts=(answer.strip(),), name=name, learn=True, ids=(profile.id,)),
            ),
            session=session,
            thread=profile.source,
            traits=dict(profile.traits),
            provenance=(profile.id,),
            split=split,
        )
