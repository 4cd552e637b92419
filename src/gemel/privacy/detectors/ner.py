"""Names of people who are only talked about, found by a language model: the extra `ner` (spaCy and a model of it).

Runs only when the configuration names it. Anything else that finds entities can be handed to a `Scrubber`
as a further detector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import NamedTuple

from gemel.errors import MissingExtra
from gemel.privacy.common import common_words
from gemel.privacy.detectors import DETECTORS, Detector, Setup
from gemel.privacy.view import BORDER, Span, View

__all__ = ["Entity", "Ner"]

_MODELS = ("xx_ent_wiki_sm", "en_core_web_sm")
"""The first that is installed: names in many languages, names in English."""


class Entity(NamedTuple):
    """A name of a person in a text."""

    start: int
    end: int


Finder = Callable[[str], Iterable[Entity]]


@DETECTORS.register("ner")
class Ner(Detector):
    """Names found by a model, word by word, so that a first name alone is the same person as before.

    Args:
        setup: as for every detector.
        finder: gives the people named in one text; default: one of spaCy's models.
    """

    rank = 70
    extra = "ner"

    def __init__(self, setup: Setup, finder: Finder | None = None) -> None:
        super().__init__(setup)
        self._finder = finder or _spacy()

    def find(self, view: View) -> Iterator[Span]:
        start = 0
        for text in view.text.split(BORDER):
            for entity in self._finder(text):
                yield from _words(view, start + entity.start, start + entity.end)
            start += len(text) + 1


def _words(view: View, start: int, end: int) -> Iterator[Span]:
    position = start
    for word in view.text[start:end].split():
        position = view.text.index(word, position)
        bare = word.strip(".,;:!?'’\"()")
        if bare.isalpha() and bare.lower() not in common_words():
            offset = position + word.index(bare)
            yield Span(offset, offset + len(bare), "name")
        position += len(word)


def _spacy() -> Finder:
    try:
        spacy = import_module("spacy")
    except ImportError:
        raise MissingExtra("spacy", extra="ner") from None
    name = next((n for n in _MODELS if spacy.util.is_package(n)), "")
    if not name:
        raise MissingExtra(_MODELS[0], extra="ner")
    model = spacy.load(name, exclude=["lemmatizer", "tagger"])

    def find(text: str) -> list[Entity]:
        return [Entity(e.start_char, e.end_char) for e in model(text).ents if e.label_ in ("PER", "PERSON")]

    return find
